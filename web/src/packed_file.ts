// packed_file.ts: where the packer writes: a file of the origin's own file system, or Blobs where a browser refuses one (private
// windows) or has no room for it. Both are read and written at once, as the packer needs it, and keep nothing in memory.
// The engine's worker reads the whole file, and removes it (packing_place.ts). node/packed_file.ts takes its place in Node.
import { storageError } from "./database.js";
import { describe, TercetError } from "./errors.js";
import { PACKING_FOLDER } from "./packing_place.js";

export interface PackedFile {
  /** It will have so many bytes. */
  open(bytes: number): void;
  /** A stretch is written once. */
  write(offset: number, bytes: Uint8Array): void;
  /** Bytes that were written. */
  read(offset: number, target: Uint8Array): void;
  /** Nothing more is written: the file, for others to read. */
  finish(): Promise<Blob | string>;
  /** Closes it and frees its room. */
  remove(): Promise<void>;
}

/**
 * A file of this name. The browser grants `room` bytes: the model needs them twice, here and in the store. `notices` hears
 * why the file is not on the disk.
 */
export async function makePackedFile(
  name: string,
  room: number,
  notices: string[],
): Promise<PackedFile> {
  const say = (reason: string) => notices.push(`the model is packed in memory: ${reason}`);
  try {
    return new RoomyFile(await DiskFile.make(name), room, say);
  } catch (thrown) {
    say(`no file can be made: ${describe(thrown)}`);
    return new BlobFile();
  }
}

/** What is read back at once when a file moves. */
const MOVED_BYTES = 2 << 20;

/** On the disk as long as there is room for it; then all of it goes on in Blobs. */
class RoomyFile implements PackedFile {
  #file: PackedFile;
  readonly #room: number;
  readonly #say: (reason: string) => void;
  readonly #written: { offset: number; bytes: number }[] = [];

  constructor(file: DiskFile, room: number, say: (reason: string) => void) {
    this.#file = file;
    this.#room = room;
    this.#say = say;
  }

  open(bytes: number): void {
    this.#orMove(`it has ${Math.ceil(bytes / 1e6)} MB, for which this site has no room`, (file) => {
      if (2 * bytes > this.#room && file instanceof DiskFile)
        throw new TercetError("QUOTA_EXCEEDED");
      file.open(bytes);
    });
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#orMove("the disk became full", (file) => file.write(offset, bytes));
    this.#written.push({ offset, bytes: bytes.length });
  }

  read(offset: number, target: Uint8Array): void {
    this.#file.read(offset, target);
  }

  finish(): Promise<Blob | string> {
    return this.#file.finish();
  }

  remove(): Promise<void> {
    return this.#file.remove();
  }

  #orMove(reason: string, work: (file: PackedFile) => void): void {
    const file = this.#file;
    try {
      work(file);
    } catch (thrown) {
      const full = thrown instanceof TercetError && thrown.code === "QUOTA_EXCEEDED";
      if (!full || !(file instanceof DiskFile)) throw thrown;
      this.#say(reason);
      this.#file = new BlobFile();
      for (const { offset, bytes } of this.#written)
        for (let at = 0; at < bytes; at += MOVED_BYTES) {
          const piece = new Uint8Array(Math.min(MOVED_BYTES, bytes - at));
          file.read(offset + at, piece);
          this.#file.write(offset + at, piece);
        }
      void file.remove();
      work(this.#file);
    }
  }
}

class DiskFile implements PackedFile {
  readonly #folder: FileSystemDirectoryHandle;
  readonly #file: FileSystemFileHandle;
  readonly #handle: FileSystemSyncAccessHandle;

  private constructor(
    folder: FileSystemDirectoryHandle,
    file: FileSystemFileHandle,
    handle: FileSystemSyncAccessHandle,
  ) {
    this.#folder = folder;
    this.#file = file;
    this.#handle = handle;
  }

  static async make(name: string): Promise<DiskFile> {
    const top = await navigator.storage.getDirectory();
    const folder = await top.getDirectoryHandle(PACKING_FOLDER, { create: true });
    const file = await folder.getFileHandle(name, { create: true });
    return new DiskFile(folder, file, await file.createSyncAccessHandle());
  }

  open(bytes: number): void {
    attempt(() => this.#handle.truncate(bytes));
  }

  write(offset: number, bytes: Uint8Array<ArrayBuffer>): void {
    attempt(() => {
      const written = this.#handle.write(bytes, { at: offset });
      if (written !== bytes.length)
        throw new TercetError("QUOTA_EXCEEDED", `only ${written} of ${bytes.length} bytes fit`);
    });
  }

  read(offset: number, target: Uint8Array<ArrayBuffer>): void {
    attempt(() => {
      if (this.#handle.read(target, { at: offset }) !== target.length)
        throw new TercetError("STORAGE_FAILED", "the packed model ends early", { where: offset });
    });
  }

  async finish(): Promise<Blob> {
    attempt(() => this.#handle.flush());
    this.#handle.close();
    return this.#file.getFile();
  }

  async remove(): Promise<void> {
    this.#handle.close();
    await this.#folder.removeEntry(this.#file.name).catch(() => {}); // then the next load removes it
  }
}

/** Stretches in the order of their offsets. */
class BlobFile implements PackedFile {
  readonly #pieces: { offset: number; blob: Blob }[] = [];
  readonly #reader = new FileReaderSync();

  open(): void {}

  write(offset: number, bytes: Uint8Array<ArrayBuffer>): void {
    const after = this.#pieces.findIndex((piece) => piece.offset > offset);
    this.#pieces.splice(after < 0 ? this.#pieces.length : after, 0, {
      offset,
      blob: new Blob([bytes]),
    });
  }

  read(offset: number, target: Uint8Array): void {
    let filled = 0;
    for (const piece of this.#pieces) {
      const from = offset + filled - piece.offset;
      if (from < 0 || from >= piece.blob.size) continue;
      const part = piece.blob.slice(from, from + target.length - filled);
      attempt(() => target.set(new Uint8Array(this.#reader.readAsArrayBuffer(part)), filled));
      filled += part.size;
      if (filled === target.length) return;
    }
    throw new TercetError("STORAGE_FAILED", "the packed model ends early", { where: offset });
  }

  async finish(): Promise<Blob> {
    return new Blob(this.#pieces.map(({ blob }) => blob));
  }

  async remove(): Promise<void> {
    this.#pieces.length = 0;
  }
}

function attempt(work: () => void): void {
  try {
    work();
  } catch (thrown) {
    throw storageError(thrown);
  }
}
