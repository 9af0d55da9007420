// store_indexeddb.ts: models in IndexedDB. One record for a chunk, so that a write is atomic, a damaged one can be
// replaced alone, and no more than a chunk is ever held. It checks no hash: who writes has checked, who reads checks again.
import { openDB, type DBSchema, type IDBPDatabase } from "idb";
import { describe, TercetError } from "./errors.js";
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
const DATABASE_VERSION = 1;

interface Schema extends DBSchema {
  headers: { key: string; value: HeaderRecord };
  /** Key [model id, chunk index]. */
  chunks: { key: [string, number]; value: ArrayBuffer };
  commits: { key: string; value: CommitRecord };
  sources: { key: string; value: SourceRecord };
}

export class IndexedDbStore implements Store {
  readonly kind = "indexeddb";
  readonly #database: IDBPDatabase<Schema>;

  private constructor(database: IDBPDatabase<Schema>) {
    this.#database = database;
  }

  static async open(): Promise<IndexedDbStore> {
    return attempt(async () => {
      const database = await openDB<Schema>(DATABASE, DATABASE_VERSION, {
        upgrade(fresh) {
          fresh.createObjectStore("headers", { keyPath: "modelId" });
          fresh.createObjectStore("chunks");
          fresh.createObjectStore("commits", { keyPath: "modelId" });
          fresh.createObjectStore("sources", { keyPath: "url" });
        },
        // Another tab wants to upgrade or delete the database: let it; our next call fails and is handled.
        blocking: (_current, _blocked, event) => (event.target as IDBDatabase).close(),
      });
      return new IndexedDbStore(database);
    });
  }

  readSource(url: string): Promise<SourceRecord | undefined> {
    return attempt(() => this.#database.get("sources", url));
  }

  readSources(): Promise<SourceRecord[]> {
    return attempt(() => this.#database.getAll("sources"));
  }

  async writeSource(record: SourceRecord): Promise<void> {
    await attempt(async () => {
      const change = this.#database.transaction(["headers", "sources"], "readwrite");
      await requireHeader(change.objectStore("headers"), record.modelId);
      await Promise.all([change.objectStore("sources").put(record), change.done]);
    });
  }

  readHeader(modelId: string): Promise<HeaderRecord | undefined> {
    return attempt(() => this.#database.get("headers", modelId));
  }

  async writeHeader(record: HeaderRecord): Promise<void> {
    await attempt(() => this.#database.put("headers", record));
  }

  async chunkIndices(modelId: string): Promise<number[]> {
    const keys = await attempt(() => this.#database.getAllKeys("chunks", chunkRange(modelId)));
    return keys.map(([, index]) => index);
  }

  readChunk(modelId: string, index: number): Promise<ArrayBuffer | undefined> {
    return attempt(() => this.#database.get("chunks", [modelId, index]));
  }

  async writeChunk(modelId: string, index: number, bytes: ArrayBuffer): Promise<void> {
    await attempt(async () => {
      const change = this.#database.transaction(["headers", "chunks"], "readwrite");
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
    return attempt(() => this.#database.get("commits", modelId));
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
      const [headers, commits, sources, chunkKeys] = await Promise.all([
        this.#database.getAll("headers"),
        this.#database.getAll("commits"),
        this.#database.getAll("sources"),
        this.#database.getAllKeys("chunks"),
      ]);
      return headers.map((header): StoredModel => {
        const { modelId, name, fileBytes } = header;
        const chunks = chunkKeys.filter(([id]) => id === modelId).map(([, index]) => index);
        const commit = commits.find((record) => record.modelId === modelId);
        return {
          modelId,
          name,
          urls: sources.filter((source) => leadsTo(source, modelId)).map(({ url }) => url),
          state: modelState({ header, chunks, commit }),
          fileBytes,
          storedBytes: storedBytes(header, chunks),
          chunks: header.chunks,
          storedChunks: chunks.length,
        };
      });
    });
  }

  async deleteModel(modelId: string): Promise<boolean> {
    return attempt(async () => {
      const stores = ["headers", "chunks", "commits", "sources"] as const;
      const change = this.#database.transaction(stores, "readwrite");
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
      const change = this.#database.transaction(
        ["headers", "chunks", "commits", "sources"],
        "readwrite",
      );
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
    if (thrown instanceof TercetError) throw thrown;
    const full = thrown instanceof Error && thrown.name === "QuotaExceededError";
    throw new TercetError(full ? "QUOTA_EXCEEDED" : "STORAGE_FAILED", describe(thrown), {
      cause: thrown,
    });
  }
}
