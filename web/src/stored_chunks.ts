// stored_chunks.ts: the chunks of a stored model, read and hashed ahead of the loader, which wants them one after another.
// A store answers late but answers many questions at once, and hashing is done on other threads; so several chunks are
// on their way while one is copied. It decides nothing: whether a hash is the right one, the loader knows.
import { hash } from "./content_hash.js";
import type { Store } from "./store.js";

/** On their way at once: enough for the store and the hashing threads to have work, little beside a model. */
const AHEAD_MOST = 8;
const AHEAD_BYTES = 8 << 20;

export interface HashedChunk {
  bytes: Uint8Array<ArrayBuffer>;
  sha256: Uint8Array;
}

export class StoredChunks {
  readonly #store: Store;
  readonly #modelId: string;
  /** What is stored, in rising order. */
  readonly #indices: readonly number[];
  readonly #most: number;
  readonly #underway = new Map<number, Promise<HashedChunk | null>>();
  /** Place in #indices of the next one to ask for. */
  #next = 0;

  constructor(store: Store, modelId: string, indices: readonly number[], chunkBytes: number) {
    this.#store = store;
    this.#modelId = modelId;
    this.#indices = indices;
    this.#most = Math.min(AHEAD_MOST, Math.max(2, Math.floor(AHEAD_BYTES / chunkBytes)));
    this.#readAhead();
  }

  /** null when it is not stored, or not any more. Ask in rising order: those below are forgotten. */
  async take(index: number): Promise<HashedChunk | null> {
    for (const earlier of this.#underway.keys())
      if (earlier < index) this.#underway.delete(earlier);
    while ((this.#indices[this.#next] ?? Infinity) < index) this.#next += 1;
    this.#readAhead();
    const chunk = this.#underway.get(index) ?? null;
    this.#underway.delete(index);
    const taken = await chunk;
    this.#readAhead();
    return taken;
  }

  #readAhead(): void {
    while (this.#underway.size < this.#most) {
      const index = this.#indices[this.#next];
      if (index === undefined) return;
      this.#next += 1;
      const reading = this.#read(index);
      // Who never asks for it does not hear of it either.
      reading.catch(() => undefined);
      this.#underway.set(index, reading);
    }
  }

  async #read(index: number): Promise<HashedChunk | null> {
    const buffer = await this.#store.readChunk(this.#modelId, index);
    if (!buffer) return null;
    const bytes = new Uint8Array(buffer);
    return { bytes, sha256: await hash(bytes) };
  }
}
