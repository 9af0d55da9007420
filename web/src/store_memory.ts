// store_memory.ts: the store of a load that keeps nothing. A chunk lies in the engine's memory by the time it would be
// stored, and a second copy is exactly what must not be; so this one forgets, and every question is answered with "not
// here". Used for files that were given, for cache: "memory", and where IndexedDB does not work.
import type { CommitRecord, HeaderRecord, SourceRecord } from "./journal.js";
import type { Store } from "./store.js";
import type { StoredModel } from "./types.js";

export class MemoryStore implements Store {
  readonly kind = "memory";

  async readSource(): Promise<SourceRecord | undefined> {
    return undefined;
  }
  async readSources(): Promise<SourceRecord[]> {
    return [];
  }
  async writeSource(): Promise<void> {}
  async readHeader(): Promise<HeaderRecord | undefined> {
    return undefined;
  }
  async writeHeader(): Promise<void> {}
  async chunkIndices(): Promise<number[]> {
    return [];
  }
  async readChunk(): Promise<ArrayBuffer | undefined> {
    return undefined;
  }
  async writeChunk(): Promise<void> {}
  async dropChunk(): Promise<void> {}
  async readCommit(): Promise<CommitRecord | undefined> {
    return undefined;
  }
  async writeCommit(): Promise<void> {}
  async list(): Promise<StoredModel[]> {
    return [];
  }
  async deleteModel(): Promise<boolean> {
    return false;
  }
  async sweep(): Promise<void> {}
  close(): void {}
}
