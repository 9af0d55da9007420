// load_plan.ts: finds out what is to be loaded: a header that passed every check, from the store or from the source, and
// how much memory its model and session need. Reads no chunk and starts nothing that stays.
import { TercetError, describe, toTercetError } from "./errors.js";
import { headerHolds } from "./content_hash.js";
import { earlyTokens } from "./early_prompt.js";
import type { EngineStart, StartedEngine } from "./engine_start.js";
import { CONTAINER } from "./generated_constants.js";
import { isGguf, SourceIsGguf } from "./gguf_signs.js";
import type { HeaderRecord, SourceRecord } from "./journal.js";
import type { KeptModel } from "./kept_model.js";
import type { Progress } from "./progress.js";
import type { LoadMessage } from "./protocol.js";
import type { SourceReader } from "./source_reader.js";
import { DownloadTurn, modelsUnderWay, withAddress } from "./tab_locks.js";
import type { KvForm } from "./types.js";
import { hex, type FileInfo, type ModelFacts } from "./wasm_module.js";

/** More context than this is taken only when asked for: its memory may be many times the model's. */
const DEFAULT_CONTEXT_MOST = 4096;
const DEFAULT_SLICE = 32;

/** Header that passed every check, and what follows from it. */
export interface Plan {
  header: Uint8Array<ArrayBuffer>;
  file: FileInfo;
  facts: ModelFacts;
  context: number;
  slice: number;
  kv: KvForm;
  memoryBytes: number;
  /** Tokens to compute while the model arrives; may be empty. */
  prompt: Uint32Array;
  /** What the address gave this time; null when the store told. */
  given: SourceRecord | null;
  /** This tab's, to bring the model: leave() it. Held already when the source had to be made, as of a GGUF file. */
  turn: DownloadTurn;
}

/** What of a load the planning uses. */
export interface PlanParts {
  message: LoadMessage;
  signal: AbortSignal;
  notices: string[];
  kept: KeptModel;
  source: SourceReader;
  engines: EngineStart;
  progress: Progress;
}

/** `fresh`: the address gave another file than the stored one; ask the server first. */
export async function makePlan(load: PlanParts, fresh: boolean): Promise<Plan> {
  const stored = fresh ? null : await planFromStore(load);
  if (stored) return stored;
  const { key } = load.source;
  if (key === null || !load.kept.keeps) return planFromSource(load);
  return withAddress(key, load.signal, async (waited) => {
    const known = fresh ? null : await planSinceThen(load, key, waited);
    return known ?? planFromSource(load);
  });
}

/** What another tab has found out since this one looked; null: nothing. */
async function planSinceThen(load: PlanParts, key: string, waited: boolean): Promise<Plan | null> {
  if (!load.source.isGguf) return waited ? planFromOtherTab(load, key) : null;
  // Packing is dear: a model that is on its way from another tab's packed file is waited for. A record that nobody works
  // at may be of an older file at this address.
  const known = await load.kept.source(key);
  const { modelId } = known?.arriving ?? known ?? {};
  if (modelId !== undefined && (await modelsUnderWay()).has(modelId))
    return planFromOtherTab(load, key);
  // Who is under way no more has stored it whole, or failed.
  return planFromStore(load);
}

/** A complete model that this address gave before: no request is made. null: ask the source. */
async function planFromStore(load: PlanParts): Promise<Plan | null> {
  const { kept } = load;
  const { revalidate, integrity } = load.message;
  const { key } = load.source;
  if (key === null) return null;
  const known = await kept.source(key);
  if (!known || (integrity !== null && known.modelId !== integrity)) return null;
  const header = await kept.completeHeader(known.modelId);
  if (!header) return null;
  requireKind(load, known);
  if (revalidate && !(await stillThere(load, known))) return null;
  // Should a chunk have to be fetched, then of this version.
  if (!revalidate) load.source.expect(known.etag);
  return planWithHeader(load, header);
}

/** The address of a GGUF file has no chunk of the model, should one have to be fetched. */
function requireKind(load: PlanParts, known: Pick<SourceRecord, "ggufBytes">): void {
  if (known.ggufBytes !== undefined && !load.source.isGguf) throw new SourceIsGguf();
}

/** The header that another tab has just read from this address, whole model or not. */
async function planFromOtherTab(load: PlanParts, key: string): Promise<Plan | null> {
  const known = await load.kept.source(key);
  if (!known) return null;
  const { arriving = known } = known;
  const header = await load.kept.header(arriving.modelId);
  if (!header) return null;
  requireKind(load, arriving);
  load.source.expect(arriving.etag);
  const plan = await planWithHeader(load, header);
  return plan && { ...plan, given: { ...arriving, url: key } };
}

/** null when the stored header turns out damaged. */
async function planWithHeader(load: PlanParts, header: HeaderRecord): Promise<Plan | null> {
  const { notices } = load;
  try {
    return await planInModule(load, new Uint8Array(header.header), header.fileBytes);
  } catch (thrown) {
    const error = toTercetError(thrown, "STORAGE_FAILED");
    // What the caller asked for does not fit, or the engine is not there: another header would not help.
    if (error.advice !== "redownload" && error.code !== "BAD_MAGIC") throw error;
    notices.push(`the stored header was damaged and is fetched again: ${error.message}`);
    return null;
  }
}

/** Asks the server; without one, what is stored is what there is. */
async function stillThere(
  { source, signal, notices }: PlanParts,
  known: SourceRecord,
): Promise<boolean> {
  try {
    if (source.isGguf) return await source.ggufIsStill(known);
    await source.fileBytes();
    const prefix = await source.read(0, CONTAINER.PREFIX_BYTES, CONTAINER.PREFIX_BYTES);
    return hex(prefix.subarray(CONTAINER.PREFIX_AT_SHA256)) === known.modelId;
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    notices.push(
      `the stored model is used as it is, the server could not be asked: ${describe(thrown)}`,
    );
    return true;
  }
}

async function planFromSource(load: PlanParts): Promise<Plan> {
  const { kept } = load;
  load.progress.setPhase("header", load.source.kind);
  const plan = await planInModule(load, null, await load.source.fileBytes());
  const { file, facts } = plan;
  await kept.writeHeader({
    modelId: file.modelId,
    name: facts.name,
    header: plan.header.buffer,
    fileBytes: file.fileBytes,
    chunkBytes: file.chunkBytes,
    chunks: file.chunks,
  });
  const { key, version } = load.source;
  if (key === null) return plan;
  const { modelId } = file;
  const given = { url: key, modelId, ...version };
  // A whole model that the address gave before stays what a visit without a network finds, until this one is whole.
  const known = await kept.source(key);
  const hides = known && known.modelId !== modelId && (await kept.completeHeader(known.modelId));
  await kept.writeSource(hides ? { ...known, arriving: { modelId, ...version } } : given);
  // Before another tab may ask what there is.
  if (load.source.isGguf) await plan.turn.takeIfFree();
  return { ...plan, given };
}

/** `stored` is a whole header; without one it is read from the source. */
async function planInModule(
  load: PlanParts,
  stored: Uint8Array<ArrayBuffer> | null,
  fileBytes: number,
): Promise<Plan> {
  const planner = await load.engines.planner();
  try {
    return await planWith(load, planner, stored, fileBytes);
  } finally {
    planner.module.close();
  }
}

async function planWith(
  load: PlanParts,
  { module: planner, engine }: StartedEngine,
  stored: Uint8Array<ArrayBuffer> | null,
  fileBytes: number,
): Promise<Plan> {
  const { integrity, kv } = load.message;
  const loader = planner.createLoader(engine, fileBytes, true);

  const wantPrefix = planner.want(loader);
  if (!wantPrefix) throw new TercetError("PROTOCOL", "the loader wants no prefix");
  const prefix = stored
    ? stored.subarray(0, wantPrefix.bytes)
    : await load.source.read(0, wantPrefix.bytes, wantPrefix.bytes);
  if (isGguf(prefix)) throw new SourceIsGguf();
  planner.give(loader, wantPrefix, prefix);
  const modelId = hex(prefix.subarray(CONTAINER.PREFIX_AT_SHA256, CONTAINER.PREFIX_BYTES));
  if (integrity !== null && modelId !== integrity)
    throw new TercetError("HEADER_HASH_MISMATCH", `this is model ${modelId}, not ${integrity}`);

  const wantHeader = planner.want(loader);
  if (!wantHeader?.sha256) throw new TercetError("PROTOCOL", "the loader wants no header");
  const header = stored ?? (await readHeader(load, prefix, wantHeader.bytes, wantHeader.sha256));
  if (header.length !== wantHeader.bytes || !(await headerHolds(header, wantHeader.sha256)))
    throw new TercetError("HEADER_HASH_MISMATCH", "", { where: 0 });
  planner.give(loader, wantHeader, header);

  const file = planner.fileInfo(loader);
  const plan = planner.createPlan(loader);
  const facts = planner.modelFacts(plan);
  const context = load.message.context ?? Math.min(facts.context, DEFAULT_CONTEXT_MOST);
  const slice = load.message.slice ?? DEFAULT_SLICE;
  const prompt = earlyTokens(planner, plan, load.message.prompt, context);
  const shape = { context, slice, threads: load.engines.threads, kv, arriving: prompt.length };
  const { memoryBytes: bytes, sessionBytes } = planner.planBytes(plan, shape);
  // Each further session comes with its tokens, and what an allocator adds.
  const another = sessionBytes + context * 16 + 4096;
  const memoryBytes = bytes + (load.message.sessions - 1) * another;
  const turn = new DownloadTurn(file.modelId);
  return { header, file, facts, context, slice, kv, memoryBytes, prompt, given: null, turn };
}

/** From the store if it lies there, from the source otherwise; a wrong one is read once more. */
async function readHeader(
  { kept, source }: PlanParts,
  prefix: Uint8Array<ArrayBuffer>,
  bytes: number,
  sha256: Uint8Array,
): Promise<Uint8Array<ArrayBuffer>> {
  const stored = await kept.header(hex(sha256));
  if (stored?.header.byteLength === bytes) {
    const header = new Uint8Array(stored.header);
    // The same prefix and the same hash: the same header.
    const samePrefix = prefix.every((byte, at) => byte === header[at]);
    if (samePrefix && (await headerHolds(header, sha256))) return header;
  }
  for (;;) {
    const header = new Uint8Array(bytes);
    header.set(prefix);
    header.set(await source.read(prefix.length, bytes - prefix.length, bytes), prefix.length);
    if ((await headerHolds(header, sha256)) || !source.readAgain("header")) return header;
  }
}
