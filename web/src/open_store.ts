// open_store.ts: the place for models that this browser has. node/open_store.ts takes its place in Node.
import { TercetError } from "./errors.js";
import type { Store } from "./store.js";
import { IndexedDbStore } from "./store_indexeddb.js";

/** `folder`: a choice that only Node has. */
export async function openStore(folder: string | null): Promise<Store> {
  if (folder !== null) throw new TercetError("BAD_ARGUMENT", "cacheDir is for Node alone");
  return IndexedDbStore.open();
}
