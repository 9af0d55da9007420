// store_indexeddb.ts: models in IndexedDB. One record for a chunk, so that a write is atomic, a damaged one can be
// replaced alone, and no more than a chunk is ever held. It checks no hash: who writes has checked, who reads checks again.
import type { DBSchema } from "idb";
import { openDatabase, quiet, storageError, unlessLost, type Database } from "./database.js";
import { TercetError } from "./errors.js";
import {
  leadsTo,
  modelState,
  storedBytes,
  type CommitRecord,
  type HeaderRecord,
  type SourceRecord,
} from "./journal.js";
import type { Store } from "./store.js";
import type { StoredModel } from "./types.js";

const DATABASE = "tercet";

interface Schema extends DBSchema {
  headers: { key: string; value: HeaderRecord };
  /** Key [model id, chunk index]. */
  chunks: { key: [string, number]; value: ArrayBuffer };
  commits: { key: string; value: CommitRecord };
  sources: { key: string; value: SourceRecord };
}

export class IndexedDbStore implements Store {
  readonly kind = "indexeddb";
  readonly #database: Database<Schema>;

  private constructor(database: Database<Schema>) {
    this.#database = database;
  }

  static async open(): Promise<IndexedDbStore> {
    return attempt(async () => {
      const database = await openDatabase<Schema>(DATABASE, (fresh) => {
        fresh.createObjectStore("headers", { keyPath: "modelId" });
        fresh.createObjectStore("chunks");
        fresh.createObjectStore("commits", { keyPath: "modelId" });
        fresh.createObjectStore("sources", { keyPath: "url" });
      });
      return new IndexedDbStore(database);
    });
  }

  readSource(url: string): Promise<SourceRecord | undefined> {
    return attempt(() => this.#ask("sources").get(url));
  }

  readSources(): Promise<SourceRecord[]> {
    return attempt(() => this.#ask("sources").getAll());
  }

  async writeSource(record: SourceRecord): Promise<void> {
    await attempt(async () => {
      const change = quiet(this.#database.transaction(["headers", "sources"], "readwrite"));
      await requireHeader(change.objectStore("headers"), record.modelId);
      await Promise.all([change.objectStore("sources").put(record), change.done]);
    });
  }

  readHeader(modelId: string): Promise<HeaderRecord | undefined> {
    return attempt(() => unlessLost(this.#ask("headers").get(modelId)));
  }

  async writeHeader(record: HeaderRecord): Promise<void> {
    await attempt(() => this.#database.put("headers", record));
  }

  async chunkIndices(modelId: string): Promise<number[]> {
    const keys = await attempt(() => this.#ask("chunks").getAllKeys(chunkRange(modelId)));
    return keys.map(([, index]) => index);
  }

  readChunk(modelId: string, index: number): Promise<ArrayBuffer | undefined> {
    return attempt(() => unlessLost(this.#ask("chunks").get([modelId, index])));
  }

  async writeChunk(modelId: string, index: number, bytes: ArrayBuffer): Promise<void> {
    await attempt(async () => {
      const change = quiet(this.#database.transaction(["headers", "chunks"], "readwrite"));
      await requireHeader(change.objectStore("headers"), modelId);
      await Promise.all([change.objectStore("chunks").put(bytes, [modelId, index]), change.done]);
    });
  }

  async dropChunk(modelId: string, index: number): Promise<void> {
    await attempt(async () => {
      const change = this.#database.transaction(["chunks", "commits"], "readwrite");
      await Promise.all([
        change.objectStore("commits").delete(modelId),
        change.objectStore("chunks").delete([modelId, index]),
        change.done,
      ]);
    });
  }

  readCommit(modelId: string): Promise<CommitRecord | undefined> {
    return attempt(() => this.#ask("commits").get(modelId));
  }

  async writeCommit(record: CommitRecord): Promise<void> {
    await attempt(async () => {
      // Strict: on the disk before it counts. All chunks were written before.
      const stores = ["headers", "commits"] as const;
      const change = this.#database.transaction(stores, "readwrite", { durability: "strict" });
      await requireHeader(change.objectStore("headers"), record.modelId);
      await Promise.all([change.objectStore("commits").put(record), change.done]);
    });
  }

  async list(): Promise<StoredModel[]> {
    return attempt(async () => {
      const [modelIds, commits, sources, chunkKeys] = await Promise.all([
        this.#ask("headers").getAllKeys(),
        this.#ask("commits").getAll(),
        this.#ask("sources").getAll(),
        this.#ask("chunks").getAllKeys(),
      ]);
      // One by one: a header that was lost hides no other, and its model can be deleted.
      const headers = await Promise.all(modelIds.map((modelId) => this.readHeader(modelId)));
      return modelIds.map((modelId, place): StoredModel => {
        const header = headers[place];
        const chunks = chunkKeys.filter(([id]) => id === modelId).map(([, index]) => index);
        const commit = commits.find((record) => record.modelId === modelId);
        const known = header ?? commit;
        return {
          modelId,
          name: header?.name ?? "",
          urls: sources.filter((source) => leadsTo(source, modelId)).map(({ url }) => url),
          state: header ? modelState({ header, chunks, commit }) : "damaged",
          fileBytes: known?.fileBytes ?? 0,
          storedBytes: header ? storedBytes(header, chunks) : 0,
          chunks: known?.chunks ?? 0,
          storedChunks: chunks.length,
        };
      });
    });
  }

  async deleteModel(modelId: string): Promise<boolean> {
    return attempt(async () => {
      const stores = ["headers", "chunks", "commits", "sources"] as const;
      const change = quiet(this.#database.transaction(stores, "readwrite"));
      const found = await change.objectStore("headers").getKey(modelId);
      const sources = await change.objectStore("sources").getAll();
      // The commit record first: if this ends half way, what is left is no model.
      await change.objectStore("commits").delete(modelId);
      await change.objectStore("chunks").delete(chunkRange(modelId));
      await change.objectStore("headers").delete(modelId);
      for (const { arriving, ...source } of sources)
        if (source.modelId === modelId) await change.objectStore("sources").delete(source.url);
        else if (arriving?.modelId === modelId) await change.objectStore("sources").put(source);
      await change.done;
      return found !== undefined;
    });
  }

  async sweep(keep: ReadonlySet<string>): Promise<void> {
    await attempt(async () => {
      const stores = ["headers", "chunks", "commits", "sources"] as const;
      const change = quiet(this.#database.transaction(stores, "readwrite"));
      const [headers, chunks] = [change.objectStore("headers"), change.objectStore("chunks")];
      const headerIds = new Set(await headers.getAllKeys());
      const commits = new Set(await change.objectStore("commits").getAllKeys());
      const sources = await change.objectStore("sources").getAll();
      const chunkIds = (await chunks.getAllKeys()).map(([modelId]) => modelId);
      for (const modelId of new Set([...headerIds, ...chunkIds])) {
        const wanted = commits.has(modelId) || sources.some((source) => leadsTo(source, modelId));
        if (keep.has(modelId) || (headerIds.has(modelId) && wanted)) continue;
        await chunks.delete(chunkRange(modelId));
        await headers.delete(modelId);
      }
      await change.done;
    });
  }

  close(): void {
    this.#database.close();
  }

  /** For one question. */
  #ask<Name extends "headers" | "chunks" | "commits" | "sources">(name: Name) {
    return quiet(this.#database.transaction(name)).store;
  }
}

function chunkRange(modelId: string): IDBKeyRange {
  return IDBKeyRange.bound([modelId, 0], [modelId, Infinity]);
}

/**
 * Asked in the transaction of each write that belongs to a model: another tab may have deleted it, and what is written
 * afterwards would be in no list, for nobody to delete.
 */
async function requireHeader(
  headers: { getKey(modelId: string): Promise<string | undefined> },
  modelId: string,
): Promise<void> {
  if ((await headers.getKey(modelId)) === undefined)
    throw new TercetError("STORAGE_FAILED", "the model was deleted while it was being stored");
}

async function attempt<Value>(work: () => Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (thrown) {
    throw storageError(thrown);
  }
}
