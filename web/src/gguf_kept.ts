// gguf_kept.ts: GGUF files on their way, as the list of what is stored shows them: a download that was interrupted takes room like
// a model that is not whole, and can be deleted like one. It never touches the network, and packs nothing.
import { GgufParts } from "./gguf_parts.js";
import { PART_BYTES, type PartsRecord } from "./gguf_record.js";
import type { StoredModel } from "./types.js";
import { hex } from "./wasm_calls.js";

/** What was downloaded of files that no model was made of yet. */
export function listDownloads(cacheDir: string | null): Promise<StoredModel[]> {
  return withParts(cacheDir, [], async (parts) => {
    const models = [];
    for (const record of await parts.readAll()) models.push(await described(parts, record));
    return models;
  });
}

/** False when there is none of that id. */
export function deleteDownload(cacheDir: string | null, id: string): Promise<boolean> {
  return withParts(cacheDir, false, async (parts) => {
    for (const { url } of await parts.readAll())
      if ((await idOf(url)) === id) {
        await parts.delete(url);
        return true;
      }
    return false;
  });
}

/** The model is stored. */
export function forgetDownload(cacheDir: string | null, url: string): Promise<void> {
  return withParts(cacheDir, undefined, (parts) => parts.delete(url));
}

/** Where there is no place for parts, or it fails, there is nothing. */
async function withParts<Value>(
  cacheDir: string | null,
  nothing: Value,
  work: (parts: GgufParts) => Promise<Value>,
): Promise<Value> {
  let parts: GgufParts | null = null;
  try {
    parts = await GgufParts.kept(cacheDir);
    return parts ? await work(parts) : nothing;
  } catch {
    return nothing;
  } finally {
    parts?.close();
  }
}

async function described(parts: GgufParts, { url, fileBytes }: PartsRecord): Promise<StoredModel> {
  const indices = await parts.indices(url);
  const chunks = Math.ceil(fileBytes / PART_BYTES);
  const length = (index: number) => Math.min(PART_BYTES, fileBytes - index * PART_BYTES);
  return {
    modelId: await idOf(url),
    name: url.replace(/[?#].*$/, "").replace(/^.*\//, ""),
    urls: [url],
    state: "partial",
    fileBytes,
    storedBytes: indices.reduce((sum, index) => sum + length(index), 0),
    chunks,
    storedChunks: indices.length,
  };
}

/** As long as a model's id, and never one: the model is not known before the file is packed. */
async function idOf(url: string): Promise<string> {
  const text = new TextEncoder().encode(`gguf ${url}`);
  return hex(new Uint8Array(await crypto.subtle.digest("SHA-256", text)));
}
