// open_store.ts: the place for models in Node: a folder, or none.
import type { Store } from "../store.js";
import { MemoryStore } from "../store_memory.js";
import { FolderStore } from "./store_folder.js";

export async function openStore(folder: string | null): Promise<Store> {
  return folder === null ? new MemoryStore() : FolderStore.open(new URL(folder));
}
