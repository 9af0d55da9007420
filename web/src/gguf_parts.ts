// gguf_parts.ts: a GGUF file on its way, in a database of its own: parts as Blobs, which a worker can read at once and which
// take no memory of the page, each with its hash. Once the model that is made of it is stored, all of it goes. It knows
// no network and no format. node/gguf_parts.ts takes its place in Node.
import type { DBSchema } from "idb";
import { openDatabase, quiet, unlessLost, type Database } from "./database.js";
import {
  DOWNLOADS_DATABASE,
  FORGOTTEN_AFTER_MS,
  type Part,
  type PartsRecord,
} from "./gguf_record.js";
import type { PackMessage } from "./packer_protocol.js";

interface Schema extends DBSchema {
  files: { key: string; value: PartsRecord };
  /** Key [url, index]. */
  parts: { key: [string, number]; value: Part };
}

export class GgufParts {
  readonly #database: Database<Schema>;

  private constructor(database: Database<Schema>) {
    this.#database = database;
  }

  /** null: what comes is not to be kept. */
  static async forPacking({ keep, cacheDir }: PackMessage): Promise<GgufParts | null> {
    return keep ? GgufParts.kept(cacheDir) : null;
  }

  /** What is kept; `_cacheDir`: a choice that only Node has, where null is nothing. */
  static async kept(_cacheDir: string | null): Promise<GgufParts | null> {
    const database = await openDatabase<Schema>(DOWNLOADS_DATABASE, (fresh) => {
      fresh.createObjectStore("files", { keyPath: "url" });
      fresh.createObjectStore("parts");
    });
    return new GgufParts(database);
  }

  read(url: string): Promise<PartsRecord | undefined> {
    return quiet(this.#database.transaction("files")).store.get(url);
  }

  async write(record: PartsRecord): Promise<void> {
    await this.#database.put("files", record);
  }

  readAll(): Promise<PartsRecord[]> {
    return quiet(this.#database.transaction("files")).store.getAll();
  }

  async indices(url: string): Promise<number[]> {
    const keys = await quiet(this.#database.transaction("parts")).store.getAllKeys(partRange(url));
    return keys.map(([, index]) => index);
  }

  part(url: string, index: number): Promise<Part | undefined> {
    return unlessLost(quiet(this.#database.transaction("parts")).store.get([url, index]));
  }

  /** Refused once the record is gone: the download was deleted, and a part without it would be in no list. */
  async writePart(url: string, index: number, part: Part): Promise<void> {
    const change = quiet(this.#database.transaction(["files", "parts"], "readwrite"));
    if ((await change.objectStore("files").getKey(url)) === undefined)
      throw new Error("the download was deleted meanwhile");
    await Promise.all([change.objectStore("parts").put(part, [url, index]), change.done]);
  }

  async dropPart(url: string, index: number): Promise<void> {
    await this.#database.delete("parts", [url, index]);
  }

  async delete(url: string): Promise<void> {
    const change = quiet(this.#database.transaction(["files", "parts"], "readwrite"));
    await Promise.all([
      change.objectStore("files").delete(url),
      change.objectStore("parts").delete(partRange(url)),
      change.done,
    ]);
  }

  /** Deletes what was begun and forgotten. */
  async deleteForgotten(now: number): Promise<void> {
    for (const { url, touched } of await this.readAll())
      if (touched < now - FORGOTTEN_AFTER_MS) await this.delete(url);
  }

  close(): void {
    this.#database.close();
  }
}

function partRange(url: string): IDBKeyRange {
  return IDBKeyRange.bound([url, 0], [url, Infinity]);
}
