// kept_model.ts: a store as a load uses it: one that fails never stops a load. A question that cannot be answered is
// answered with "not here", and the next one is asked all the same; after a write that failed nothing more is written,
// for a model with holes is no model. What went wrong is said once.
import { describe, toTercetError } from "./errors.js";
import {
  chunkLength,
  hasAllChunks,
  leadsTo,
  modelState,
  type HeaderRecord,
  type SourceRecord,
} from "./journal.js";
import type { Store } from "./store.js";
import { megabytes, roomLeft } from "./storage_room.js";
import { StoredChunks, type HashedChunk } from "./stored_chunks.js";
import { modelsUnderWay } from "./tab_locks.js";
import type { FileInfo } from "./wasm_module.js";

/** What the store has of a model. */
export interface Stored {
  indices: Set<number>;
  chunks: StoredChunks;
}

export class KeptModel {
  readonly #store: Store;
  readonly #notices: string[];
  #writing: Promise<void> = Promise.resolve();
  #writesFail = false;

  constructor(store: Store, notices: string[]) {
    this.#store = store;
    this.#notices = notices;
  }

  get kind(): Store["kind"] {
    return this.#store.kind;
  }

  /** Whether what is fetched now will be there on the next visit. */
  get keeps(): boolean {
    return !this.#writesFail && this.#store.kind !== "memory";
  }

  /** The end of the write that is under way: until then nobody may take its buffer away. */
  get writing(): Promise<void> {
    return this.#writing;
  }

  source(url: string): Promise<SourceRecord | undefined> {
    return this.#read(() => this.#store.readSource(url));
  }

  header(modelId: string): Promise<HeaderRecord | undefined> {
    return this.#read(() => this.#store.readHeader(modelId));
  }

  /** Only of a model that was stored whole; some of its chunks may be damaged, and these are fetched alone. */
  async completeHeader(modelId: string): Promise<HeaderRecord | null> {
    const complete = await this.#read(async () => {
      const header = await this.#store.readHeader(modelId);
      const chunks = await this.#store.chunkIndices(modelId);
      const commit = await this.#store.readCommit(modelId);
      const state = modelState({ header, chunks, commit });
      return header && commit && (state === "complete" || state === "damaged") ? header : null;
    });
    return complete ?? null;
  }

  writeHeader(record: HeaderRecord): Promise<void> {
    return this.#write(() => this.#store.writeHeader(record));
  }

  writeSource(record: SourceRecord): Promise<void> {
    return this.#write(() => this.#store.writeSource(record));
  }

  /** What is there now of the chunks from `from` on; they are read ahead from there. */
  async open({ modelId, chunkBytes }: FileInfo, from = 0): Promise<Stored> {
    const all = (await this.#read(() => this.#store.chunkIndices(modelId))) ?? [];
    const indices = all.filter((index) => index >= from);
    const chunks = new StoredChunks(this.#store, modelId, indices, chunkBytes);
    return { indices: new Set(indices), chunks };
  }

  /** Asks, before anything is written, whether all that is missing will fit; if not, nothing is written. */
  async requireRoom(file: FileInfo, stored: Stored): Promise<void> {
    if (!this.keeps) return;
    const room = await roomLeft();
    let missingBytes = 0;
    for (let index = 0; index < file.chunks; index++)
      if (!stored.indices.has(index)) missingBytes += chunkLength(file, file.headerBytes, index);
    if (missingBytes <= room) return;
    this.#writesFail = true;
    this.#say(
      `the model runs from memory and is not stored: it needs ${megabytes(missingBytes)} more, ` +
        `the browser leaves this site ${megabytes(room)}`,
    );
  }

  /** undefined when it is not there, or cannot be read. */
  chunk(stored: Stored, index: number): Promise<HashedChunk | null | undefined> {
    return this.#read(() => stored.chunks.take(index));
  }

  dropChunk(modelId: string, index: number): Promise<void> {
    return this.#write(() => this.#store.dropChunk(modelId, index));
  }

  /** Stores a checked chunk while the next one is on its way; one write at a time. */
  async keepChunk(modelId: string, index: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    await this.#writing;
    if (this.#writesFail) return;
    this.#writing = this.#store
      .writeChunk(modelId, index, bytes.buffer)
      .catch((thrown: unknown) => {
        this.#writesFail = true;
        const error = toTercetError(thrown, "STORAGE_FAILED");
        this.#notices.push(`the model runs from memory and is not stored whole: ${error.message}`);
      });
  }

  /** The last record of all, and only when every chunk is there. */
  async commit(file: FileInfo, given: SourceRecord | null): Promise<void> {
    await this.#writing;
    if (!this.keeps) return;
    await this.#write(async () => {
      const { modelId, fileBytes, chunks } = file;
      if (!hasAllChunks(chunks, await this.#store.chunkIndices(modelId))) return;
      await this.#store.writeCommit({ modelId, fileBytes, chunks });
      if (given) await this.#replace(given);
      await this.#store.sweep(await modelsUnderWay());
    });
  }

  /** The address now stands for this model; the one before goes, if no other address leads to it. */
  async #replace(given: SourceRecord): Promise<void> {
    const before = await this.#store.readSource(given.url);
    await this.#store.writeSource(given);
    if (!before || before.modelId === given.modelId) return;
    const sources = await this.#store.readSources();
    if (!sources.some((source) => leadsTo(source, before.modelId)))
      await this.#store.deleteModel(before.modelId);
  }

  async #read<Value>(work: () => Promise<Value>): Promise<Value | undefined> {
    try {
      return await work();
    } catch (thrown) {
      this.#say(`some of what is stored could not be read: ${describe(thrown)}`);
      return undefined;
    }
  }

  async #write(work: () => Promise<void>): Promise<void> {
    if (this.#writesFail) return;
    try {
      await work();
    } catch (thrown) {
      this.#writesFail = true;
      this.#say(`the model is not stored for the next visit: ${describe(thrown)}`);
    }
  }

  /** Ten chunks that fail alike are one piece of news. */
  #say(sentence: string): void {
    if (!this.#notices.includes(sentence)) this.#notices.push(sentence);
  }
}
