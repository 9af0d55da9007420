// model_loader.ts: from an address or a Blob to an open session: header, plan, module of exactly the planned size, chunks
// from the store or the network, each hashed, stored, and copied once to its final place; commit record last. The order
// of these steps is what this file is for; each step itself is elsewhere. Runs in the worker.
import { ChunkFlow } from "./chunk_flow.js";
import { SourceChanged } from "./download.js";
import { EarlyPrompt } from "./early_prompt.js";
import { EngineStart } from "./engine_start.js";
import { abortedError, describe, TercetError } from "./errors.js";
import { chooseModule, detectFeatures, type ModuleChoice } from "./features.js";
import { CONTAINER } from "./generated_constants.js";
import { ggufFile, type GgufFile } from "./gguf_file.js";
import { saysGguf, SourceIsGguf } from "./gguf_signs.js";
import { KeptModel } from "./kept_model.js";
import { makePlan, type Plan, type PlanParts } from "./load_plan.js";
import { modelInfo } from "./model_info.js";
import { openStore } from "./open_store.js";
import { removeLeftPacking } from "./packing_place.js";
import { Progress } from "./progress.js";
import type { LoadMessage } from "./protocol.js";
import type { OpenSession } from "./session_runner.js";
import { SourceReader } from "./source_reader.js";
import type { Store } from "./store.js";
import { MemoryStore } from "./store_memory.js";
import type { DownloadTurn } from "./tab_locks.js";
import type { LoadProgress, ModelInfo, ModelPlan, ModelSource } from "./types.js";
import type { Handle, WasmModule } from "./wasm_module.js";

/** Memory of WebAssembly comes in these. */
const WASM_PAGE_BYTES = 65536;

export interface LoadedSession {
  open: OpenSession;
  info: ModelInfo;
}

export interface LoadContext {
  signal: AbortSignal;
  report: (progress: LoadProgress) => void;
  /** As in StartOptions. */
  onThreads: (starting: boolean) => void;
}

export async function loadModel(
  message: LoadMessage,
  context: LoadContext,
): Promise<LoadedSession> {
  void removeLeftPacking(message.cacheDir);
  const choice = chooseModule(detectFeatures(globalThis), message);
  let gguf = saysGguf(message) ? await ggufFile(message, context.signal) : null;
  let store = await storeFor(message, gguf, choice.notices);
  // One for all attempts: what was shown stays.
  const progress = new Progress(context.report);
  try {
    for (let attempt = 0; ; attempt++) {
      const fresh = attempt > 0;
      const load = new ModelLoad(message, context, progress, choice, store, gguf, fresh);
      try {
        return await load.run(fresh);
      } catch (thrown) {
        if (thrown instanceof SourceIsGguf && gguf === null) {
          gguf = await ggufFile(message, context.signal);
          store.close();
          store = await storeFor(message, gguf, choice.notices);
          attempt = -1;
          continue;
        }
        if (!(thrown instanceof SourceChanged)) throw thrown;
        if (fresh) throw new TercetError("NETWORK_FAILED", thrown.message, { cause: thrown });
      } finally {
        await load.close();
      }
    }
  } finally {
    store.close();
  }
}

/** What a load would need. Reads the header, nothing of the store, and keeps nothing. */
export async function inspectModel(message: LoadMessage, signal: AbortSignal): Promise<ModelPlan> {
  const choice = chooseModule(detectFeatures(globalThis), message);
  const progress = new Progress(() => {});
  const context = { signal, report: () => {}, onThreads: () => {} };
  const load = new ModelLoad(message, context, progress, choice, new MemoryStore(), null, false);
  try {
    return await load.inspect();
  } finally {
    await load.close();
  }
}

/** A GGUF file is stored as what is made of it. Other files that are at hand are not stored. */
async function storeFor(
  message: LoadMessage,
  gguf: GgufFile | null,
  notices: string[],
): Promise<Store> {
  const { source } = message;
  // A file of this machine, in Node, is at hand as a Blob is.
  const isHere = source.kind === "blob" || source.urls.every((url) => url.startsWith("file:"));
  const atHand = isHere && gguf === null;
  if (message.cache === "memory" || atHand) return new MemoryStore();
  try {
    return await openStore(message.cacheDir);
  } catch (thrown) {
    notices.push(`the model is not stored for the next visit: ${describe(thrown)}`);
    return new MemoryStore();
  }
}

class ModelLoad {
  readonly #parts: PlanParts;
  /** Ours to close until a session is handed out. */
  #module: WasmModule | null = null;
  /** Once it is left, a tab that waits for this model goes on. */
  #turn: DownloadTurn | null = null;

  constructor(
    message: LoadMessage,
    { signal, onThreads }: LoadContext,
    progress: Progress,
    choice: ModuleChoice,
    store: Store,
    gguf: GgufFile | null,
    fresh: boolean,
  ) {
    const notices = [...choice.notices];
    this.#parts = {
      message,
      signal,
      notices,
      progress,
      kept: new KeptModel(store, notices),
      source: new SourceReader(message, signal, progress, notices, gguf, fresh),
      engines: new EngineStart(message, choice, signal, notices, onThreads),
    };
  }

  /** `fresh`: the address gave another file than the stored one; ask the server first. */
  async run(fresh: boolean): Promise<LoadedSession> {
    const { engines, progress, notices } = this.#parts;
    const plan = await makePlan(this.#parts, fresh);
    this.#turn = plan.turn;
    const { file, facts, kv } = plan;
    progress.setTotal(file.fileBytes);
    progress.inPlace(file.headerBytes);
    // Asked for first: the store works while the engine starts.
    const flow = await ChunkFlow.open(this.#parts, file, plan.turn);
    const { module, engine } = await engines.engine(plan.memoryBytes);
    this.#module = module;
    const { model, early } = await this.#readModel(plan, module, engine, flow);
    this.#throwIfAborted();
    const session = early ?? module.createSession(model, plan.context, plan.slice, kv);
    const { slice, context } = module.sessionInfo(session);
    const { threads, kernels } = module.engineInfo(engine);
    const shared = module.variant.endsWith("-threads");
    const open = { module, model, session, facts, context, slice, kv, threads, kernels, shared };
    const info = modelInfo(open, { engine, kv, source: this.#madeFrom(flow), notices });
    progress.ready();
    this.#module = null;
    return { open, info };
  }

  async inspect(): Promise<ModelPlan> {
    const { source } = this.#parts;
    try {
      const { facts, memoryBytes: bytes } = await makePlan(this.#parts, true);
      const memoryBytes = Math.ceil(bytes / WASM_PAGE_BYTES) * WASM_PAGE_BYTES;
      const { fileBytes, modelId, name, parameters, context } = facts;
      return { fileBytes, memoryBytes, modelId, name, parameters, trainedContext: context };
    } catch (thrown) {
      if (!(thrown instanceof SourceIsGguf)) throw thrown;
      const unknown = { memoryBytes: null, modelId: null, name: null };
      const fileBytes = await source.fileBytes();
      return { fileBytes, ...unknown, parameters: null, trainedContext: null };
    }
  }

  /**
   * Gives up what a load that failed has started. Waits for what is being stored, so that an error does not cost a chunk
   * that had arrived.
   */
  async close(): Promise<void> {
    const closing = this.#parts.source.close();
    this.#turn?.leave();
    this.#module?.close();
    this.#module = null;
    await this.#parts.kept.writing;
    await closing;
  }

  async #readModel(
    plan: Plan,
    module: WasmModule,
    engine: Handle,
    flow: ChunkFlow,
  ): Promise<{ model: Handle; early: Handle | null }> {
    const { kept, message, progress, signal, source } = this.#parts;
    const { header, file, given } = plan;
    const loader = module.createLoader(engine, file.fileBytes, false);
    for (const bytes of [header.subarray(0, CONTAINER.PREFIX_BYTES), header]) {
      const want = module.want(loader);
      if (want) module.give(loader, want, bytes);
    }
    const early = plan.prompt.length > 0 ? EarlyPrompt.begin(module, loader, plan) : null;
    for (let want = module.want(loader); want; want = module.want(loader)) {
      this.#throwIfAborted();
      const wanted = want;
      await flow.pass(wanted, (bytes) => module.give(loader, wanted, bytes));
      await early?.advance(signal);
    }
    progress.setPhase("load", this.#madeFrom(flow));
    await kept.commit(file, given);
    // Nothing is to stay of a model that is to be forgotten; what could not be stored may be packed again.
    if (kept.keeps || message.cache === "memory") await source.finish();
    const model = early?.model ?? module.finishLoader(loader);
    module.destroy(loader);
    return { model, early: early?.session ?? null };
  }

  #madeFrom(flow: ChunkFlow): ModelSource {
    const { source, kept } = this.#parts;
    return flow.fetched > 0 ? source.kind : kept.kind;
  }

  #throwIfAborted(): void {
    const { signal } = this.#parts;
    if (signal.aborted) throw abortedError(signal);
  }
}
