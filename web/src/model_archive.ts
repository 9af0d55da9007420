// model_archive.ts: what can be done with a stored model besides loading it: every chunk held against its hash, and the
// file put together again. Reads the header through a module, as a load does; holds no more than a chunk at a time.
import { headerHolds, holds } from "./content_hash.js";
import { abortedError, TercetError } from "./errors.js";
import type { StartedEngine } from "./engine_start.js";
import { CONTAINER } from "./generated_constants.js";
import type { Store } from "./store.js";
import type { VerifiedModel } from "./types.js";
import { hex } from "./wasm_calls.js";

/** As EngineStart.planner(): a module that reads headers, ours to close. */
export type HeaderReader = () => Promise<StartedEngine>;

/** Every chunk is read and hashed; damaged ones are dropped, and with the first of them the commit record. */
export async function verifyModel(
  store: Store,
  modelId: string,
  readHeaders: HeaderReader,
  signal: AbortSignal,
): Promise<VerifiedModel> {
  const header = await storedHeader(store, modelId);
  if (!header) return { modelId, state: "absent", chunks: 0, damaged: [], missing: [] };
  const hashes = await chunkHashes(header, readHeaders);
  const damaged: number[] = [];
  const missing: number[] = [];
  for (const [index, sha256] of hashes.entries()) {
    if (signal.aborted) throw abortedError(signal);
    const bytes = await store.readChunk(modelId, index);
    if (!bytes) missing.push(index);
    else if (!(await holds(new Uint8Array(bytes), sha256))) {
      damaged.push(index);
      await store.dropChunk(modelId, index);
    }
  }
  const commit = await store.readCommit(modelId);
  const whole = damaged.length + missing.length === 0;
  const state = whole && commit ? "complete" : damaged.length > 0 ? "damaged" : "partial";
  return { modelId, state, chunks: hashes.length, damaged, missing };
}

/** The .tercet file as it was downloaded; CHUNK_HASH_MISMATCH or STORAGE_FAILED when it is not whole. */
export async function exportModel(
  store: Store,
  modelId: string,
  readHeaders: HeaderReader,
  signal: AbortSignal,
): Promise<Blob> {
  const header = await storedHeader(store, modelId);
  if (!header) throw new TercetError("BAD_ARGUMENT", `no model ${modelId} is stored`);
  const hashes = await chunkHashes(header, readHeaders);
  // The browser keeps Blobs out of our memory, on the disk when they are many.
  const parts = [new Blob([header])];
  for (const [index, sha256] of hashes.entries()) {
    if (signal.aborted) throw abortedError(signal);
    const bytes = await store.readChunk(modelId, index);
    if (!bytes)
      throw new TercetError("STORAGE_FAILED", `chunk ${index} of the model is not stored`, {
        where: index,
      });
    if (!(await holds(new Uint8Array(bytes), sha256)))
      throw new TercetError("CHUNK_HASH_MISMATCH", `stored chunk ${index}`, { where: index });
    parts.push(new Blob([bytes]));
  }
  return new Blob(parts, { type: "application/octet-stream" });
}

/** null when there is none, or one that is not this model's. */
async function storedHeader(
  store: Store,
  modelId: string,
): Promise<Uint8Array<ArrayBuffer> | null> {
  const record = await store.readHeader(modelId);
  if (!record) return null;
  const header = new Uint8Array(record.header);
  const sha256 = header.slice(CONTAINER.PREFIX_AT_SHA256, CONTAINER.PREFIX_BYTES);
  if (hex(sha256) !== modelId || !(await headerHolds(header, sha256)))
    throw new TercetError("HEADER_HASH_MISMATCH", "the stored header is damaged", { where: 0 });
  return header;
}

async function chunkHashes(
  header: Uint8Array<ArrayBuffer>,
  readHeaders: HeaderReader,
): Promise<Uint8Array[]> {
  const { module, engine } = await readHeaders();
  try {
    const loader = module.createLoader(engine, 0, true);
    for (const bytes of [header.subarray(0, CONTAINER.PREFIX_BYTES), header]) {
      const want = module.want(loader);
      if (want) module.give(loader, want, bytes);
    }
    return module.chunkHashes(loader);
  } finally {
    module.close();
  }
}
