// chunk_memory.ts: gives back the memory of chunks that are in their final place. Exists because a collector comes late, and to
// what it must not be late for: a buffer that was once given to a function of the browser (a hash, a Blob) is held by the
// browser until its collector comes by, and is no longer counted by the collector that calls it. So chunks go there as copies, in
// memory that is used again. Must never touch a buffer that is still read.

/** Between two collections: what passed lies about once or twice. */
const COLLECT_EVERY_BYTES = 16 << 20;
/** Chromium's collector starts when this much has been taken outside of its own heap. Never touched, so never real. */
const CALL_BYTES = 64 << 20;

export class ChunkMemory {
  #passedBytes = 0;

  /** So many bytes of chunks have passed since the last call: now and then the collector is called, in the only way there is. */
  passed(bytes: number): void {
    this.#passedBytes += bytes;
    if (this.#passedBytes < COLLECT_EVERY_BYTES) return;
    this.#passedBytes = 0;
    try {
      release(new ArrayBuffer(CALL_BYTES));
    } catch {
      // No address space for it: the collector was called all the same.
    }
  }
}

/** Larger ones come once in a load (a header) and may wait for the collector. */
const MOST_BYTES = 4 << 20;

/** Memory for copies of what is given to a function of the browser that takes a copy of its own before it returns. */
export class CopyMemory {
  #memory = new Uint8Array(0);

  /** The bytes, until the next call. */
  of(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    if (bytes.length > MOST_BYTES) return bytes;
    if (bytes.length > this.#memory.length) this.#memory = new Uint8Array(bytes.length);
    this.#memory.set(bytes);
    return this.#memory.subarray(0, bytes.length);
  }
}

/**
 * At once, and nobody can read it any more. Of a buffer that a function of the browser was given it frees nothing, see above. Where the
 * language has no transfer (before 2024) the collector does it.
 */
export function release(buffer: ArrayBuffer): void {
  (buffer as ArrayBuffer & { transfer?(bytes: number): ArrayBuffer }).transfer?.(0);
}
