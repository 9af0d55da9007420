// packed_file.ts: where the packed model lies until the store has it: a file of the origin's own file system, or Blobs where a
// browser refuses one (private windows). Both are read and written at once, as the packer needs it, and keep nothing in
// memory. Left over by a worker that was ended, a file is removed by the next load (gguf_source.ts).
import { describe, TercetError } from "./errors.js";
import { PACKING_FOLDER } from "./packer_protocol.js";

export interface PackedFile {
  /** It will have so many bytes. QUOTA_EXCEEDED where they have no room. */
  open(bytes: number): void;
  /** A stretch is written once. */
  write(offset: number, bytes: Uint8Array): void;
  /** Bytes that were written. */
  read(offset: number, target: Uint8Array): void;
  /** Closes it and frees its room. */
  remove(): Promise<void>;
}

/** A place for one file; `notices` hears why it is not on the disk. */
export async function makePackedFile(notices: string[]): Promise<PackedFile> {
  try {
    // Another tab's load may remove a file that is not held yet, as left over: then once more.
    return await DiskFile.make().catch(() => DiskFile.make());
  } catch (thrown) {
    notices.push(`the model is packed in memory, no file can be made: ${describe(thrown)}`);
    return new BlobFile();
  }
}

class DiskFile implements PackedFile {
  readonly #folder: FileSystemDirectoryHandle;
  readonly #name: string;
  readonly #handle: FileSystemSyncAccessHandle;

  private constructor(
    folder: FileSystemDirectoryHandle,
    name: string,
    handle: FileSystemSyncAccessHandle,
  ) {
    this.#folder = folder;
    this.#name = name;
    this.#handle = handle;
  }

  static async make(): Promise<DiskFile> {
    const top = await navigator.storage.getDirectory();
    const folder = await top.getDirectoryHandle(PACKING_FOLDER, { create: true });
    const name = crypto.randomUUID();
    const file = await folder.getFileHandle(name, { create: true });
    return new DiskFile(folder, name, await file.createSyncAccessHandle());
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

  async remove(): Promise<void> {
    this.#handle.close();
    await this.#folder.removeEntry(this.#name).catch(() => {}); // then the next packing removes it
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

  async remove(): Promise<void> {
    this.#pieces.length = 0;
  }
}

function attempt(work: () => void): void {
  try {
    work();
  } catch (thrown) {
    if (thrown instanceof TercetError) throw thrown;
    const full = thrown instanceof Error && thrown.name === "QuotaExceededError";
    throw new TercetError(full ? "QUOTA_EXCEEDED" : "STORAGE_FAILED", describe(thrown), {
      cause: thrown,
    });
  }
}
