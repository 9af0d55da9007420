// chunk_memory.ts: gives back the memory of chunks that are in their final place. Exists because a collector hardly sees it:
// a chunk is a megabyte to the process and a few words to the language, and a browser keeps copies of its own of what went
// to or came from IndexedDB or the network until its collector comes by. Must never touch a buffer that is still read.

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

/** At once, and nobody can read it any more. Where the language has no transfer (before 2024) the collector does it. */
export function release(buffer: ArrayBuffer): void {
  (buffer as ArrayBuffer & { transfer?(bytes: number): ArrayBuffer }).transfer?.(0);
}
