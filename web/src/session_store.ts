// session_store.ts: saved sessions in IndexedDB, in a database of their own. The parts of a state are written first, under a number
// that no other save has, and the record that names them last; so what is found by a name is whole, or the one before it.
import { openDB, type DBSchema, type IDBPDatabase } from "idb";
import { describe, TercetError } from "./errors.js";
import type { SavedSession } from "./types.js";

/** A record holds the hash of each part. */
export interface SessionRecord extends SavedSession {
  modelId: string;
  save: string;
  sha256: Uint8Array<ArrayBuffer>[];
}

interface Schema extends DBSchema {
  /** Key [model id, name]. */
  sessions: { key: [string, string]; value: SessionRecord };
  /** Key [model id, name, save, part]. */
  parts: { key: [string, string, string, number]; value: ArrayBuffer };
}

export class SessionStore {
  readonly #database: IDBPDatabase<Schema>;

  private constructor(database: IDBPDatabase<Schema>) {
    this.#database = database;
  }

  /** Opens it for one piece of work. STORAGE_FAILED or QUOTA_EXCEEDED, of the work as well. */
  static async use<Value>(work: (store: SessionStore) => Promise<Value>): Promise<Value> {
    let database: IDBPDatabase<Schema> | null = null;
    try {
      database = await openDB<Schema>("tercet-sessions", 1, {
        upgrade(fresh) {
          fresh.createObjectStore("sessions", { keyPath: ["modelId", "name"] });
          fresh.createObjectStore("parts");
        },
        blocking: (_current, _blocked, event) => (event.target as IDBDatabase).close(),
      });
      return await work(new SessionStore(database));
    } catch (thrown) {
      if (thrown instanceof TercetError) throw thrown;
      const full = thrown instanceof Error && thrown.name === "QuotaExceededError";
      throw new TercetError(full ? "QUOTA_EXCEEDED" : "STORAGE_FAILED", describe(thrown), {
        cause: thrown,
      });
    } finally {
      database?.close();
    }
  }

  read(modelId: string, name: string): Promise<SessionRecord | undefined> {
    return this.#database.get("sessions", [modelId, name]);
  }

  readPart({ modelId, name, save }: SessionRecord, part: number): Promise<ArrayBuffer | undefined> {
    return this.#database.get("parts", [modelId, name, save, part]);
  }

  async writePart(
    key: Pick<SessionRecord, "modelId" | "name" | "save">,
    part: number,
    bytes: ArrayBuffer,
  ): Promise<void> {
    await this.#database.put("parts", bytes, [key.modelId, key.name, key.save, part]);
  }

  /** From now on the name stands for this save; what it stood for is gone. */
  async commit(record: SessionRecord): Promise<void> {
    const { modelId, name, save } = record;
    const change = this.#database.transaction(["sessions", "parts"], "readwrite");
    await change.objectStore("sessions").put(record);
    const parts = change.objectStore("parts");
    for (const key of await parts.getAllKeys(partsOf(modelId, name)))
      if (key[2] !== save) await parts.delete(key);
    await change.done;
  }

  async list(modelId: string): Promise<SessionRecord[]> {
    return this.#database.getAll("sessions", IDBKeyRange.bound([modelId], [modelId, []]));
  }

  /** One name, or all of a model; false when there was nothing. */
  async delete(modelId: string, name?: string): Promise<boolean> {
    const change = this.#database.transaction(["sessions", "parts"], "readwrite");
    const sessions = change.objectStore("sessions");
    const range =
      name === undefined
        ? IDBKeyRange.bound([modelId], [modelId, []])
        : IDBKeyRange.only([modelId, name]);
    const found = (await sessions.count(range)) > 0;
    await sessions.delete(range);
    await change.objectStore("parts").delete(partsOf(modelId, name));
    await change.done;
    return found;
  }
}

/** An array comes behind every string. */
function partsOf(modelId: string, name: string | undefined): IDBKeyRange {
  const prefix = name === undefined ? [modelId] : [modelId, name];
  return IDBKeyRange.bound(prefix, [...prefix, []]);
}
