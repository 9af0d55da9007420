// model_loader.ts: from an address or a Blob to an open session: header, plan, module of exactly the planned size, chunks
// from the store or the network, each hashed, stored, and copied once to its final place; commit record last. The order
// of these steps is what this file is for; each step itself is elsewhere. Runs in the worker.
import { BlobSource, type ByteSource } from "./byte_source.js";
import { HttpSource, SourceChanged } from "./download.js";
import { ChunkMemory, release } from "./chunk_memory.js";
import { abortedError, describe, TercetError, toTercetError } from "./errors.js";
import { chooseModule, detectFeatures, type ModuleChoice } from "./features.js";
import { CONTAINER } from "./generated_constants.js";
import { hasAllChunks, modelState, type HeaderRecord, type SourceRecord } from "./journal.js";
import type { LoadMessage } from "./protocol.js";
import { Progress } from "./progress.js";
import type { OpenSession } from "./session_runner.js";
import type { Store } from "./store.js";
import { StoredChunks } from "./stored_chunks.js";
import { IndexedDbStore } from "./store_indexeddb.js";
import { MemoryStore } from "./store_memory.js";
import type { KvForm, LoadProgress, ModelInfo, ModelSource, Variant } from "./types.js";
import {
  createMemory,
  hex,
  PAGE_BYTES,
  WasmModule,
  type FileInfo,
  type Handle,
  type ModelFacts,
} from "./wasm_module.js";

/** More context than this is taken only when asked for: its memory may be many times the model's. */
const DEFAULT_CONTEXT_MOST = 4096;
const DEFAULT_SLICE = 32;

export interface LoadedSession {
  open: OpenSession;
  info: ModelInfo;
}

export interface LoadContext {
  signal: AbortSignal;
  report: (progress: LoadProgress) => void;
}

/** Header that passed every check, and what follows from it. */
interface Plan {
  header: Uint8Array<ArrayBuffer>;
  file: FileInfo;
  facts: ModelFacts;
  context: number;
  slice: number;
  kv: KvForm;
  memoryBytes: number;
}

export async function loadModel(
  message: LoadMessage,
  context: LoadContext,
): Promise<LoadedSession> {
  const choice = chooseModule(detectFeatures(globalThis), message);
  const store = await openStore(message, choice.notices);
  // One for all attempts: what was shown stays.
  const progress = new Progress(context.report);
  try {
    for (let attempt = 0; ; attempt++) {
      const load = new ModelLoad(message, context.signal, progress, choice, store);
      try {
        return await load.run(attempt > 0);
      } catch (thrown) {
        if (!(thrown instanceof SourceChanged)) throw thrown;
        if (attempt > 0) throw new TercetError("NETWORK_FAILED", thrown.message, { cause: thrown });
      } finally {
        await load.close();
      }
    }
  } finally {
    store.close();
  }
}

async function openStore(message: LoadMessage, notices: string[]): Promise<Store> {
  if (message.cache === "memory" || message.source.kind === "blob") return new MemoryStore();
  try {
    return await IndexedDbStore.open();
  } catch (thrown) {
    notices.push(`the model is not stored for the next visit: ${describe(thrown)}`);
    return new MemoryStore();
  }
}

class ModelLoad {
  readonly #message: LoadMessage;
  readonly #signal: AbortSignal;
  readonly #choice: ModuleChoice;
  readonly #notices: string[];
  readonly #store: Store;
  readonly #progress: Progress;
  #source: ByteSource;
  #fileBytes: number | null = null;
  /** What is left to try, simpler and simpler; the first one is what runs. */
  #variants: Variant[];
  #writing: Promise<void> = Promise.resolve();
  #storeFailed = false;
  /** What the address gave this time; null when the store told. */
  #given: SourceRecord | null = null;
  #fetchedChunks = 0;
  readonly #chunkMemory = new ChunkMemory();
  /** Ours to close until a session is handed out. */
  #module: WasmModule | null = null;

  constructor(
    message: LoadMessage,
    signal: AbortSignal,
    progress: Progress,
    choice: ModuleChoice,
    store: Store,
  ) {
    this.#message = message;
    this.#signal = signal;
    this.#progress = progress;
    this.#choice = choice;
    this.#notices = [...choice.notices];
    this.#store = store;
    this.#source = this.#openSource(null);
    this.#variants = message.variant ? [message.variant] : simplerVariants(choice.variant);
  }

  /** `fresh`: the address gave another file than the stored one; ask the server first. */
  async run(fresh: boolean): Promise<LoadedSession> {
    const plan = (fresh ? null : await this.#planFromStore()) ?? (await this.#planFromSource());
    this.#progress.setTotal(plan.file.fileBytes);
    this.#progress.inPlace(plan.file.headerBytes);
    // Asked for first: the store works while the engine starts.
    const stored = await this.#openStored(plan.file);
    const { module, engine } = await this.#startEngine(plan);
    this.#module = module;
    const model = await this.#readModel(plan, module, engine, stored);
    this.#throwIfAborted();
    const session = module.createSession(model, plan.context, plan.slice, plan.kv);
    const { threads, kernels, note } = module.engineInfo(engine);
    if (note !== "") this.#notices.push(`kernels ${kernels}: ${note}`);
    const { bytes: sessionBytes, slice, context } = module.sessionInfo(session);
    const { facts } = plan;
    const shared = module.variant.endsWith("-threads");
    const info: ModelInfo = {
      name: facts.name,
      family: facts.family,
      licence: facts.licence,
      modelId: facts.modelId,
      layers: facts.layers,
      hidden: facts.hidden,
      inner: facts.inner,
      heads: facts.heads,
      kvHeads: facts.kvHeads,
      headDim: facts.headDim,
      vocabulary: facts.vocabulary,
      trainedContext: facts.context,
      context,
      slice,
      kv: plan.kv,
      parameters: facts.parameters,
      ternaryParameters: facts.ternaryParameters,
      tensors: facts.tensors,
      tiedHead: facts.tiedHead,
      activationBits: facts.activationBits,
      fileBytes: facts.fileBytes,
      dataBytes: facts.dataBytes,
      sessionBytes,
      memoryBytes: module.memory.buffer.byteLength,
      source: this.#madeFrom(),
      variant: module.variant,
      kernels,
      threads,
      isolated: globalThis.crossOriginIsolated === true,
      ...chatInfo(module, model),
      notices: this.#notices,
      sampling: facts.sampling,
    };
    this.#progress.ready();
    this.#module = null;
    return {
      open: { module, model, session, facts, context, slice, threads, kernels, shared },
      info,
    };
  }

  /**
   * Gives up what a load that failed has started. Waits for what is being stored, so that an error does not cost a chunk
   * that had arrived.
   */
  async close(): Promise<void> {
    this.#source.close();
    this.#module?.close();
    this.#module = null;
    await this.#writing;
  }

  // ---------------------------------------------------------------- header and plan

  /** A complete model that this address gave before: no request is made. */
  async #planFromStore(): Promise<Plan | null> {
    const { source, revalidate, integrity } = this.#message;
    if (source.kind !== "url") return null;
    const known = await this.#tryStore(() => this.#store.readSource(source.url));
    if (!known || (integrity !== null && known.modelId !== integrity)) return null;
    const header = await this.#completeHeader(known.modelId);
    if (!header) return null;
    if (revalidate && !(await this.#stillThere(known.modelId))) return null;
    // Should a chunk have to be fetched, then of this version.
    if (!revalidate) this.#source = this.#openSource(known.etag);
    try {
      return await this.#plan(new Uint8Array(header.header), header.fileBytes);
    } catch (thrown) {
      const error = toTercetError(thrown, "STORAGE_FAILED");
      // What the caller asked for does not fit, or the engine is not there: another header would not help.
      if (error.advice !== "redownload" && error.code !== "BAD_MAGIC") throw error;
      this.#notices.push(`the stored header was damaged and is fetched again: ${error.message}`);
      return null;
    }
  }

  async #completeHeader(modelId: string): Promise<HeaderRecord | null> {
    return (
      (await this.#tryStore(async () => {
        const header = await this.#store.readHeader(modelId);
        const chunks = await this.#store.chunkIndices(modelId);
        const commit = await this.#store.readCommit(modelId);
        // A damaged one is complete but for some chunks, and these are fetched alone.
        const state = modelState({ header, chunks, commit });
        return header && commit && (state === "complete" || state === "damaged") ? header : null;
      })) ?? null
    );
  }

  /** Asks the server; without one, what is stored is what there is. */
  async #stillThere(modelId: string): Promise<boolean> {
    try {
      await this.#startSource();
      const prefix = await this.#source.read(0, CONTAINER.PREFIX_BYTES, CONTAINER.PREFIX_BYTES);
      return hex(prefix.subarray(CONTAINER.PREFIX_AT_SHA256)) === modelId;
    } catch (thrown) {
      this.#throwIfAborted();
      this.#notices.push(
        `the stored model is used as it is, the server could not be asked: ${describe(thrown)}`,
      );
      return true;
    }
  }

  async #planFromSource(): Promise<Plan> {
    this.#progress.setPhase("header", this.#source.kind);
    const fileBytes = await this.#startSource();
    const plan = await this.#plan(null, fileBytes);
    const { file, facts } = plan;
    await this.#tryStore(() =>
      this.#store.writeHeader({
        modelId: file.modelId,
        name: facts.name,
        header: plan.header.buffer,
        fileBytes: file.fileBytes,
        chunkBytes: file.chunkBytes,
        chunks: file.chunks,
      }),
    );
    const { source } = this.#message;
    if (source.kind === "url") {
      const etag = this.#source instanceof HttpSource ? this.#source.etag : null;
      const given = { url: source.url, modelId: file.modelId, etag };
      this.#given = given;
      // A whole model that the address gave before stays what a visit without a network finds, until this one is whole.
      const known = await this.#tryStore(() => this.#store.readSource(source.url));
      const other = known && known.modelId !== file.modelId;
      if (!other || !(await this.#completeHeader(known.modelId)))
        await this.#tryStore(() => this.#store.writeSource(given));
    }
    return plan;
  }

  /**
   * Reads a header in a small memory that is dropped afterwards, and asks how much memory model and session need. The
   * module is the one that will run, so that nothing is downloaded only for this. `stored` is a whole header; without
   * one it is read from the source.
   */
  async #plan(stored: Uint8Array<ArrayBuffer> | null, fileBytes: number): Promise<Plan> {
    const { assetsUrl } = this.#message;
    const planner = await this.#firstThatStarts((variant) => {
      // Room for the largest header that the format allows; taken only as far as this one needs it.
      const memory = new WebAssembly.Memory({
        initial: (1 << 20) / PAGE_BYTES,
        maximum: (CONTAINER.LIMIT_HEADER_BYTES + (16 << 20)) / PAGE_BYTES,
        shared: variant.endsWith("-threads"),
      });
      return WasmModule.create(variant, memory, { assetsUrl, threads: 1 });
    });
    try {
      return await this.#planWith(planner, stored, fileBytes);
    } finally {
      planner.close();
    }
  }

  async #planWith(
    planner: WasmModule,
    stored: Uint8Array<ArrayBuffer> | null,
    fileBytes: number,
  ): Promise<Plan> {
    const { integrity } = this.#message;
    const { engine } = planner.createEngine(1, "portable");
    const loader = planner.createLoader(engine, fileBytes, true);

    const wantPrefix = planner.want(loader);
    if (!wantPrefix) throw new TercetError("PROTOCOL", "the loader wants no prefix");
    const prefix = stored
      ? stored.subarray(0, wantPrefix.bytes)
      : await this.#source.read(0, wantPrefix.bytes, wantPrefix.bytes);
    planner.give(loader, wantPrefix, prefix);
    const modelId = hex(prefix.subarray(CONTAINER.PREFIX_AT_SHA256, CONTAINER.PREFIX_BYTES));
    if (integrity !== null && modelId !== integrity)
      throw new TercetError("HEADER_HASH_MISMATCH", `this is model ${modelId}, not ${integrity}`);

    const wantHeader = planner.want(loader);
    if (!wantHeader?.sha256) throw new TercetError("PROTOCOL", "the loader wants no header");
    const header = stored ?? (await this.#readHeader(prefix, wantHeader.bytes, wantHeader.sha256));
    if (header.length !== wantHeader.bytes || !(await headerHolds(header, wantHeader.sha256)))
      throw new TercetError("HEADER_HASH_MISMATCH", "", { where: 0 });
    planner.give(loader, wantHeader, header);

    const file = planner.fileInfo(loader);
    const plan = planner.createPlan(loader);
    const facts = planner.modelFacts(plan);
    const context = this.#message.context ?? Math.min(facts.context, DEFAULT_CONTEXT_MOST);
    const slice = this.#message.slice ?? DEFAULT_SLICE;
    const { kv } = this.#message;
    const shape = { context, slice, threads: this.#choice.threads, kv };
    const { memoryBytes } = planner.planBytes(plan, shape);
    return { header, file, facts, context, slice, kv, memoryBytes };
  }

  /** From the store if it lies there, from the source otherwise; a wrong one is read once more. */
  async #readHeader(
    prefix: Uint8Array<ArrayBuffer>,
    bytes: number,
    sha256: Uint8Array,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const kept = await this.#tryStore(() => this.#store.readHeader(hex(sha256)));
    if (kept?.header.byteLength === bytes) {
      const header = new Uint8Array(kept.header);
      // The same prefix and the same hash: the same header.
      const samePrefix = prefix.every((byte, at) => byte === header[at]);
      if (samePrefix && (await headerHolds(header, sha256))) return header;
    }
    for (;;) {
      const header = new Uint8Array(bytes);
      header.set(prefix);
      header.set(
        await this.#source.read(prefix.length, bytes - prefix.length, bytes),
        prefix.length,
      );
      if ((await headerHolds(header, sha256)) || !this.#readAgain("header")) return header;
    }
  }

  // ---------------------------------------------------------------- engine

  async #startEngine(plan: Plan): Promise<{ module: WasmModule; engine: Handle }> {
    const { assetsUrl, kernels } = this.#message;
    return this.#firstThatStarts(async (variant) => {
      const threads = variant.endsWith("-threads") ? this.#choice.threads : 1;
      const memory = createMemory(plan.memoryBytes, variant.endsWith("-threads"));
      const module = await WasmModule.create(variant, memory, { assetsUrl, threads });
      try {
        const { engine, fewer } = module.createEngine(threads, kernels ?? "");
        if (fewer)
          this.#notices.push(
            `only ${module.engineInfo(engine).threads} of ${threads} threads started`,
          );
        return { module, engine };
      } catch (thrown) {
        module.close();
        throw thrown;
      }
    });
  }

  /** A module that does not start gives way to a simpler one, which is said. */
  async #firstThatStarts<Value>(start: (variant: Variant) => Promise<Value>): Promise<Value> {
    for (;;) {
      this.#throwIfAborted();
      const variant = this.#variants[0] ?? "simd128";
      try {
        return await unlessAborted(this.#signal, start(variant));
      } catch (thrown) {
        this.#throwIfAborted();
        const error = toTercetError(thrown, "ENGINE_CRASHED");
        const helpless = error.code === "OUT_OF_MEMORY" || error.code === "NO_KERNELS";
        if (helpless || this.#variants.length <= 1) throw error;
        this.#variants.shift();
        this.#notices.push(
          `the module ${variant} did not start, ${this.#variants[0]} is used: ${error.message}`,
        );
      }
    }
  }

  async #openStored(file: FileInfo): Promise<Stored> {
    const indices = (await this.#tryStore(() => this.#store.chunkIndices(file.modelId))) ?? [];
    const chunks = new StoredChunks(this.#store, file.modelId, indices, file.chunkBytes);
    return { indices: new Set(indices), chunks };
  }

  async #readModel(
    plan: Plan,
    module: WasmModule,
    engine: Handle,
    stored: Stored,
  ): Promise<Handle> {
    const { header, file } = plan;
    const loader = module.createLoader(engine, file.fileBytes, false);
    for (const bytes of [header.subarray(0, CONTAINER.PREFIX_BYTES), header]) {
      const want = module.want(loader);
      if (want) module.give(loader, want, bytes);
    }
    for (let want = module.want(loader); want?.sha256; want = module.want(loader)) {
      this.#throwIfAborted();
      const chunk = {
        index: want.chunkIndex,
        offset: want.offset,
        bytes: want.bytes,
        sha256: want.sha256,
      };
      const kept = stored.indices.has(chunk.index)
        ? await this.#storedChunk(file, chunk, stored)
        : null;
      const bytes =
        kept ??
        (await this.#fetchedChunk(file, chunk, endOfMissing(file, stored.indices, chunk.index)));
      module.give(loader, want, bytes);
      // What was fetched may still be on its way to the store.
      void (kept ? Promise.resolve() : this.#writing).then(() => release(bytes.buffer));
      this.#chunkMemory.passed(bytes.length);
      this.#progress.inPlace(want.offset + want.bytes);
    }
    this.#progress.setPhase("load", this.#madeFrom());
    await this.#writing;
    await this.#commit(file);
    const model = module.finishLoader(loader);
    module.destroy(loader);
    return model;
  }

  // ---------------------------------------------------------------- chunks

  /** null when it is not there any more, or wrong: then it is fetched again, alone. */
  async #storedChunk(
    file: FileInfo,
    chunk: WantedChunk,
    stored: Stored,
  ): Promise<Uint8Array<ArrayBuffer> | null> {
    this.#progress.setPhase("cache", "indexeddb");
    const kept = await this.#tryStore(() => stored.chunks.take(chunk.index));
    if (!kept) return null;
    const { bytes, sha256 } = kept;
    this.#progress.arrived(bytes.length);
    if (bytes.length === chunk.bytes && sameBytes(sha256, chunk.sha256)) return bytes;
    this.#notices.push(`stored chunk ${chunk.index} was damaged and is fetched again`);
    await this.#tryStore(() => this.#store.dropChunk(file.modelId, chunk.index));
    return null;
  }

  async #fetchedChunk(
    file: FileInfo,
    chunk: WantedChunk,
    end: number,
  ): Promise<Uint8Array<ArrayBuffer>> {
    this.#progress.setPhase("download", this.#source.kind);
    this.#fetchedChunks += 1;
    const what = `chunk ${chunk.index} of ${file.chunks}`;
    for (let again = false; ; again = true) {
      this.#progress.inPlace(chunk.offset); // what came of this chunk before does not count
      const bytes = await this.#source.read(chunk.offset, chunk.bytes, end);
      if (await holds(bytes, chunk.sha256)) {
        await this.#keep(file.modelId, chunk.index, bytes);
        return bytes;
      }
      if (again || !this.#readAgain(what))
        throw new TercetError("CHUNK_HASH_MISMATCH", `${what}, at byte ${chunk.offset}`, {
          where: chunk.index,
        });
    }
  }

  /** Something arrived wrong: true when reading it once more may help. */
  #readAgain(what: string): boolean {
    const sentence = `${what} arrived damaged and was read again`;
    if (this.#notices.includes(sentence) || !this.#source.restart()) return false;
    this.#notices.push(sentence);
    return true;
  }

  /** Stores a checked chunk while the next one is on its way; one write at a time. */
  async #keep(modelId: string, index: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    await this.#writing;
    if (this.#storeFailed) return;
    this.#writing = this.#store
      .writeChunk(modelId, index, bytes.buffer)
      .catch((thrown: unknown) => {
        this.#storeFailed = true;
        const error = toTercetError(thrown, "STORAGE_FAILED");
        this.#notices.push(`the model runs from memory and is not stored whole: ${error.message}`);
      });
  }

  async #commit(file: FileInfo): Promise<void> {
    if (this.#storeFailed || this.#store.kind === "memory") return;
    await this.#tryStore(async () => {
      const { modelId, fileBytes, chunks } = file;
      if (!hasAllChunks(chunks, await this.#store.chunkIndices(modelId))) return;
      await this.#store.writeCommit({ modelId, fileBytes, chunks });
      if (this.#given) await this.#store.writeSource(this.#given);
    });
  }

  // ---------------------------------------------------------------- small things

  #openSource(etag: string | null): ByteSource {
    const { source, network } = this.#message;
    if (source.kind === "blob") return new BlobSource(source.blob);
    return new HttpSource(source.url, etag, {
      network,
      signal: this.#signal,
      onArrived: (bytes) => this.#progress.arrived(bytes),
      onFilled: (bytes) => this.#progress.onItsWay(bytes),
    });
  }

  /** Asks once how long the file is; 0 if that stays unknown. */
  async #startSource(): Promise<number> {
    this.#fileBytes ??= (await this.#source.start()).fileBytes ?? 0;
    return this.#fileBytes;
  }

  #madeFrom(): ModelSource {
    if (this.#source.kind === "memory") return "memory";
    return this.#fetchedChunks > 0 ? "network" : "indexeddb";
  }

  /** A store that fails never stops a load; undefined is "not there". */
  async #tryStore<Value>(work: () => Promise<Value>): Promise<Value | undefined> {
    if (this.#storeFailed) return undefined;
    try {
      return await work();
    } catch (thrown) {
      this.#storeFailed = true;
      this.#notices.push(`the model is not stored for the next visit: ${describe(thrown)}`);
      return undefined;
    }
  }

  #throwIfAborted(): void {
    if (this.#signal.aborted) throw abortedError(this.#signal);
  }
}

/** What the store has of the model. */
interface Stored {
  indices: Set<number>;
  chunks: StoredChunks;
}

interface WantedChunk {
  index: number;
  offset: number;
  bytes: number;
  sha256: Uint8Array;
}

/** Offset at which the run of missing chunks from `index` on ends: one request fetches them all. */
function endOfMissing(file: FileInfo, stored: Set<number>, index: number): number {
  let next = index + 1;
  while (next < file.chunks && !stored.has(next)) next += 1;
  return Math.min(file.headerBytes + next * file.chunkBytes, file.fileBytes);
}

/** The variant and what to try when it does not start, simpler and simpler. */
function simplerVariants(variant: Variant): Variant[] {
  const order: Variant[] = ["relaxed-threads", "simd128-threads", "relaxed", "simd128"];
  const first = order.indexOf(variant);
  return variant === "relaxed" ? ["relaxed", "simd128"] : order.slice(first);
}

/** Does not wait for work that hears no signals, such as the import of a script from a server that is silent. */
function unlessAborted<Value>(signal: AbortSignal, work: Promise<Value>): Promise<Value> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(abortedError(signal));
    signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

async function holds(bytes: Uint8Array<ArrayBuffer>, sha256: Uint8Array): Promise<boolean> {
  return sameBytes(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)), sha256);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

/** The hash of a header covers everything but the place where it stands itself. */
async function headerHolds(header: Uint8Array<ArrayBuffer>, sha256: Uint8Array): Promise<boolean> {
  const { PREFIX_AT_SHA256, PREFIX_BYTES } = CONTAINER;
  const covered = new Uint8Array(header.length - (PREFIX_BYTES - PREFIX_AT_SHA256));
  covered.set(header.subarray(0, PREFIX_AT_SHA256));
  covered.set(header.subarray(PREFIX_BYTES), PREFIX_AT_SHA256);
  return holds(covered, sha256);
}

/** A model without a chat format of its own is one like any other. */
function chatInfo(
  module: WasmModule,
  model: Handle,
): Pick<ModelInfo, "chatFormat" | "thinkingSwitch" | "thinkingMarks"> {
  try {
    const { name, thinkingSwitch, thinkingMarks } = module.chatFacts(model, null);
    return { chatFormat: name, thinkingSwitch, thinkingMarks };
  } catch (thrown) {
    if (!(thrown instanceof TercetError) || thrown.code !== "NO_CHAT_FORMAT") throw thrown;
    return { chatFormat: null, thinkingSwitch: false, thinkingMarks: null };
  }
}
