// session_store.ts: saved sessions in IndexedDB, in a database of their own. The parts of a state are written first, under a number
// that no other save has, and the record that names them last; so what is found by a name is whole, or the one before it.
import type { DBSchema } from "idb";
import { openDatabase, quiet, storageError, unlessLost, type Database } from "./database.js";
import { abortedError } from "./errors.js";
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

/** One tab at a time writes, and none reads meanwhile: parts come one by one, and who is second would delete the first one's. */
const LOCK = "tercet-sessions";

export class SessionStore {
  readonly #database: Database<Schema>;

  private constructor(database: Database<Schema>) {
    this.#database = database;
  }

  /**
   * Opens it for one piece of work; "exclusive" to write, "shared" to read parts, null for records. STORAGE_FAILED or QUOTA_EXCEEDED, of the work
   * as well, and ABORTED, also while it waits for another tab.
   */
  static async use<Value>(
    mode: LockMode | null,
    work: (store: SessionStore) => Promise<Value>,
    signal?: AbortSignal,
  ): Promise<Value> {
    const opened = async () => {
      const database = await openDatabase<Schema>("tercet-sessions", (fresh) => {
        fresh.createObjectStore("sessions", { keyPath: ["modelId", "name"] });
        fresh.createObjectStore("parts");
      });
      try {
        return await work(new SessionStore(database));
      } finally {
        database.close();
      }
    };
    try {
      const { locks } = navigator;
      if (!mode || !locks) return await opened();
      return await locks.request(LOCK, { mode, ...(signal && { signal }) }, opened);
    } catch (thrown) {
      throw signal?.aborted ? abortedError(signal) : storageError(thrown);
    }
  }

  read(modelId: string, name: string): Promise<SessionRecord | undefined> {
    return unlessLost(quiet(this.#database.transaction("sessions")).store.get([modelId, name]));
  }

  readPart({ modelId, name, save }: SessionRecord, part: number): Promise<ArrayBuffer | undefined> {
    const { store } = quiet(this.#database.transaction("parts"));
    return unlessLost(store.get([modelId, name, save, part]));
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
    const change = this.#change();
    const parts = change.objectStore("parts");
    const keys = await parts.getAllKeys(partsOf(modelId, name));
    await change.objectStore("sessions").put(record);
    for (const key of keys) if (key[2] !== save) await parts.delete(key);
    await change.done;
  }

  /** Deletes the parts that no record names: of saves that did not come to their end. */
  async sweep(): Promise<void> {
    const saves = new Set((await this.list()).map(({ save }) => save));
    const change = this.#change();
    const parts = change.objectStore("parts");
    for (const key of await parts.getAllKeys()) if (!saves.has(key[2])) await parts.delete(key);
    await change.done;
  }

  /** Of one model, or of all. One by one: one that was lost hides no other. */
  async list(modelId?: string): Promise<SessionRecord[]> {
    const { store } = quiet(this.#database.transaction("sessions"));
    const keys = await store.getAllKeys(modelId ? sessionsOf(modelId) : undefined);
    const records = await Promise.all(keys.map((key) => this.read(...key)));
    return records.filter((record) => record !== undefined);
  }

  /** One name, or with null all of a model; false when there was nothing. */
  async delete(modelId: string, name: string | null): Promise<boolean> {
    const change = this.#change();
    const sessions = change.objectStore("sessions");
    const range = name === null ? sessionsOf(modelId) : IDBKeyRange.only([modelId, name]);
    const found = (await sessions.count(range)) > 0;
    await sessions.delete(range);
    await change.objectStore("parts").delete(partsOf(modelId, name));
    await change.done;
    return found;
  }

  #change() {
    return quiet(this.#database.transaction(["sessions", "parts"], "readwrite"));
  }
}

/** An array comes behind every string. */
function sessionsOf(modelId: string): IDBKeyRange {
  return IDBKeyRange.bound([modelId], [modelId, []]);
}

function partsOf(modelId: string, name: string | null): IDBKeyRange {
  const prefix = name === null ? [modelId] : [modelId, name];
  return IDBKeyRange.bound(prefix, [...prefix, []]);
}
