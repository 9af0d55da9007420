// packing_place.ts: the place where a GGUF file becomes a model, as the engine's worker holds it: the name of the packed file,
// the packer's worker, and the file until the store has all of it. A lock of that name says that somebody needs the
// file: what is left of a tab that died is removed by the next load. node/packing_place.ts takes its place in Node.
import { BlobSource, type ByteSource } from "./byte_source.js";

/** Of the origin's own file system. */
export const PACKING_FOLDER = "tercet-packing";
const LOCK = "tercet-packing-";

export class PackingPlace {
  readonly name = crypto.randomUUID();
  #free: () => void = () => {};

  /** remove() it at the end, whatever happened. `_cacheDir`: a choice that only Node has. */
  static async take(_cacheDir: string | null): Promise<PackingPlace> {
    const place = new PackingPlace();
    // Without locks there is no file system of the origin either.
    await new Promise<void>((resolve) => {
      if (!navigator.locks) return resolve();
      const held = new Promise<void>((free) => (place.#free = free));
      navigator.locks
        .request(LOCK + place.name, () => {
          resolve();
          return held;
        })
        .catch(() => resolve());
    });
    return place;
  }

  startPacker(script: string): Worker {
    return new Worker(script, { type: "module" });
  }

  openPacked(file: Blob | string): ByteSource {
    // A path comes from Node's worker alone.
    return new BlobSource(file as Blob);
  }

  /** The file goes, as soon as no worker writes it. */
  async remove(): Promise<void> {
    this.#free();
    await removeLeftPacking(null);
  }
}

/** Files of packings that nobody needs any more. */
export async function removeLeftPacking(_cacheDir: string | null): Promise<void> {
  try {
    const top = await navigator.storage.getDirectory();
    const folder = await top.getDirectoryHandle(PACKING_FOLDER);
    const names = [];
    for await (const name of folder.keys()) names.push(name);
    // Asked for afterwards: who makes a file holds the lock before.
    const { held = [], pending = [] } = await navigator.locks.query();
    const needed = new Set([...held, ...pending].map(({ name }) => name));
    for (const name of names)
      if (!needed.has(LOCK + name)) await folder.removeEntry(name).catch(() => {});
  } catch {
    // There is no such folder, or no file system.
  }
}
