// byte_source.ts: where the bytes of a file come from, as the loader sees it; and the simplest case, a Blob. The network
// is in download.ts. A source knows no format and stores nothing.
import { describe, TercetError } from "./errors.js";
import type { ModelSource } from "./types.js";

export interface ByteSource {
  readonly kind: ModelSource;
  /** Finds out about the file; null when its size stays unknown. Call it first. */
  start(): Promise<{ fileBytes: number | null }>;
  /**
   * Exactly these bytes, in a buffer of their own. `end` says how far reading will go on from here: a source may fetch
   * that far at once. The last byte is not waited for before `hold` has settled: then no more than these bytes lie about.
   * TRUNCATED when the file ends before.
   */
  read(
    offset: number,
    bytes: number,
    end: number,
    hold?: Promise<void>,
  ): Promise<Uint8Array<ArrayBuffer>>;
  /** What was read is wrong: forget connections and buffers. False when reading again cannot help. */
  restart(): boolean;
  /** The model is stored whole: what was kept for another try may go. */
  finish?(): Promise<void>;
  /** Ends connections; safe to call twice. What it promises is the end of tidying up. */
  close(): void | Promise<void>;
}

/** One that can say how long it is before any of it is read. */
export interface SizedSource extends ByteSource {
  size(): Promise<number>;
}

export class BlobSource implements ByteSource {
  readonly kind = "memory";
  readonly #blob: Blob;

  constructor(blob: Blob) {
    this.#blob = blob;
  }

  async start(): Promise<{ fileBytes: number }> {
    return { fileBytes: this.#blob.size };
  }

  async read(offset: number, bytes: number): Promise<Uint8Array<ArrayBuffer>> {
    let buffer: ArrayBuffer;
    try {
      buffer = await this.#blob.slice(offset, offset + bytes).arrayBuffer();
    } catch (thrown) {
      // A File that changed or vanished since it was chosen.
      throw new TercetError("FILE_READ_FAILED", describe(thrown), { where: offset, cause: thrown });
    }
    if (buffer.byteLength !== bytes)
      throw new TercetError("TRUNCATED", `it ends ${bytes - buffer.byteLength} bytes early`, {
        where: offset + buffer.byteLength,
      });
    // A buffer of our own, which can be released: the browser holds on to the one that it made (chunk_memory.ts).
    return new Uint8Array(buffer).slice();
  }

  restart(): boolean {
    return false;
  }

  close(): void {}
}
