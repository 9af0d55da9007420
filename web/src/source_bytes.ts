// source_bytes.ts: the bytes of a GGUF file as the packer asks for them: any stretch, at once, without holding the file. Here it
// is a list of Blobs, which a worker may read synchronously; node/source_bytes.ts has files in their place.
import { describe, TercetError } from "./errors.js";
import type { PackMessage } from "./packer_protocol.js";

/** One behind the other they are the file. */
export interface PartBytes {
  readonly size: number;
  arrayBuffer(): Promise<ArrayBuffer>;
}

/** The packer asks for rows; a Blob is read in larger pieces. */
const WINDOW_BYTES = 2 << 20;

/** A copy that is kept nowhere else. */
export function loosePart(bytes: Uint8Array<ArrayBuffer>): PartBytes {
  return new Blob([bytes]);
}

/** null: it has to be downloaded. */
export async function partsAtHand({ source }: PackMessage): Promise<PartBytes[] | null> {
  return source.kind === "blob" ? [source.blob] : null;
}

export class SourceBytes {
  readonly size: number;
  readonly #blob: Blob;
  readonly #reader = new FileReaderSync();
  #window = new Uint8Array(0);
  #windowAt = 0;

  constructor(parts: readonly PartBytes[]) {
    this.#blob = new Blob(parts as Blob[]);
    this.size = this.#blob.size;
  }

  /** Fills all of `target`. FILE_READ_FAILED where the file changed or vanished. */
  read(offset: number, target: Uint8Array): void {
    for (let filled = 0; filled < target.length;) {
      const at = offset + filled;
      if (at < this.#windowAt || at >= this.#windowAt + this.#window.length) this.#look(at);
      const from = at - this.#windowAt;
      const piece = this.#window.subarray(from, from + target.length - filled);
      target.set(piece, filled);
      filled += piece.length;
    }
  }

  close(): void {}

  #look(at: number): void {
    // What this window held is not released (chunk_memory.ts): the browser made it, and the collector must go on counting it.
    try {
      const buffer = this.#reader.readAsArrayBuffer(this.#blob.slice(at, at + WINDOW_BYTES));
      if (buffer.byteLength === 0) throw new Error("there is nothing behind its end");
      this.#window = new Uint8Array(buffer);
      this.#windowAt = at;
    } catch (thrown) {
      this.#window = new Uint8Array(0);
      throw new TercetError("FILE_READ_FAILED", describe(thrown), { where: at, cause: thrown });
    }
  }
}
