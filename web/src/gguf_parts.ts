// gguf_parts.ts: a GGUF file on its way, in a database of its own: parts as Blobs, which a worker can read at once and which
// take no memory of the page, each with its hash. Once the model that is made of it is stored, all of it goes. It knows
// no network and no format.
import type { DBSchema } from "idb";
import { openDatabase, quiet, unlessLost, type Database } from "./database.js";

const DATABASE = "tercet-gguf";
/** An interrupted download costs at most one part; a part is one file on the disk. */
export const PART_BYTES = 4 << 20;
/** What nobody went on with for so long is in the way of others. */
const FORGOTTEN_AFTER_MS = 7 * 24 * 3600 * 1000;

export interface PartsRecord {
  url: string;
  /** The version that the parts are of. Without one, another visit cannot know that it would be the same. */
  etag: string | null;
  fileBytes: number;
  touched: number;
}

export interface Part {
  blob: Blob;
  sha256: ArrayBuffer;
}

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

  static async open(): Promise<GgufParts> {
    const database = await openDatabase<Schema>(DATABASE, (fresh) => {
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

  async indices(url: string): Promise<number[]> {
    const keys = await quiet(this.#database.transaction("parts")).store.getAllKeys(partRange(url));
    return keys.map(([, index]) => index);
  }

  part(url: string, index: number): Promise<Part | undefined> {
    return unlessLost(quiet(this.#database.transaction("parts")).store.get([url, index]));
  }

  async writePart(url: string, index: number, part: Part): Promise<void> {
    await this.#database.put("parts", part, [url, index]);
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
    const files = await quiet(this.#database.transaction("files")).store.getAll();
    for (const { url, touched } of files)
      if (touched < now - FORGOTTEN_AFTER_MS) await this.delete(url);
  }

  close(): void {
    this.#database.close();
  }
}

/** What a load that was ended between storing its model and deleting the parts has left. Never fails. */
export async function deleteLeftParts(url: string): Promise<void> {
  try {
    const parts = await GgufParts.open();
    await parts.delete(url);
    parts.close();
  } catch {
    // No database, or somebody deletes it: then there are no parts either.
  }
}

function partRange(url: string): IDBKeyRange {
  return IDBKeyRange.bound([url, 0], [url, Infinity]);
}
