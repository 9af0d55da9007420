// engine_worker.ts: the worker's end of the protocol: owns one module with its sessions, answers each request exactly once, and takes
// messages in between. The store is here too and not in a worker of its own: a
// chunk then goes from the network to its hash, its record and its place in memory without ever crossing a thread, and
// while a model loads there is nothing else for the engine to do. It must never touch a page or a DOM.
import { unlessAborted } from "./aborting.js";
import { EngineStart } from "./engine_start.js";
import { describe, TercetError, toTercetError, toWireError } from "./errors.js";
import { chooseModule, detectFeatures } from "./features.js";
import { deleteDownload, listDownloads } from "./gguf_file.js";
import { LateScripts, type Tools } from "./late_scripts.js";
import { inspectModel, loadModel } from "./model_loader.js";
import { OpenSessions } from "./open_sessions.js";
import {
  PROTOCOL_VERSION,
  type EventOf,
  type FromWorker,
  type LoadedModel,
  type LoadMessage,
  type RequestMessage,
  type ResultOf,
  type StorePlaces,
  type ToWorker,
} from "./protocol.js";
import { openStore } from "./open_store.js";
import { removeLeftPacking } from "./packing_place.js";
import { RunControl } from "./run_control.js";
import { deleteSessions, listSessions, restoreSession, saveSession } from "./saved_sessions.js";
import type { SessionRunner } from "./session_runner.js";
import { storageEstimate } from "./storage_room.js";
import type { Store } from "./store.js";
import type { StorageUsage, StoredModel } from "./types.js";

const scope = globalThis as unknown as DedicatedWorkerGlobalScope;

const running = new Map<number, RunControl>();
let sessions: OpenSessions | null = null;
let loading = false;

scope.onmessage = (event: MessageEvent<ToWorker>) => {
  const message = event.data;
  if (message?.v !== PROTOCOL_VERSION) {
    crash(new TercetError("PROTOCOL", `worker ${PROTOCOL_VERSION}, page ${String(message?.v)}`));
    return;
  }
  if (message.op === "abort") running.get(message.target)?.abort();
  else if (message.op === "demand") running.get(message.target)?.grant(message.pieces);
  else if (message.op === "ping") post({ v: PROTOCOL_VERSION, id: 0, kind: "pong" });
  else if (message.op !== "files") void answer(message.id, message);
};
scope.addEventListener("unhandledrejection", (event) => {
  crash(new TercetError("ENGINE_CRASHED", describe(event.reason)));
});
void start();

async function start(): Promise<void> {
  post({ v: PROTOCOL_VERSION, id: 0, kind: "ready", lifeLock: await holdLifeLock() });
}

/** A lock that ends with this worker, however it ends: the page learns of it. */
function holdLifeLock(): Promise<string | null> {
  // Not in insecure contexts; there a load is refused anyway.
  if (typeof scope.navigator?.locks !== "object") return Promise.resolve(null);
  const name = `tercet-engine-${crypto.randomUUID()}`;
  return new Promise((resolve) => {
    scope.navigator.locks
      .request(name, () => {
        resolve(name);
        return new Promise(() => {});
      })
      .catch(() => resolve(null));
  });
}

async function answer(id: number, message: RequestMessage): Promise<void> {
  const demand = message.op === "generate" ? message.demand : null;
  const session = "session" in message ? message.session : 0;
  const control = new RunControl(id, demand, sessions?.stopWord(session) ?? null, session);
  running.set(id, control);
  try {
    const value = await perform(message, control);
    const transfer = ArrayBuffer.isView(value) ? [value.buffer as ArrayBuffer] : [];
    post({ v: PROTOCOL_VERSION, id, kind: "result", value }, transfer);
  } catch (thrown) {
    // What nobody foresaw is an error of ours, and the state of the module is then unknown.
    const error = toTercetError(thrown, "ENGINE_CRASHED");
    if (error.code === "ENGINE_CRASHED") crash(error);
    else post({ v: PROTOCOL_VERSION, id, kind: "error", error: toWireError(error) });
  } finally {
    running.delete(id);
  }
}

function perform(
  message: RequestMessage,
  control: RunControl,
): Promise<ResultOf[RequestMessage["op"]]> {
  switch (message.op) {
    case "load":
      return load(message, control);
    case "inspect":
      return inspectModel({ ...message, op: "load" }, control.signal);
    case "generate":
      return loaded().inTurn(message.session, control, (runner) =>
        runner.generate(message, control, (event) => emit(control.id, event)),
      );
    case "logits":
      return measure(message, control, (tools, { open, slicing }) =>
        tools.computeLogits(open, slicing, message.tokens, control),
      );
    case "embed":
      return measure(message, control, (tools, runner) =>
        tools.computeEmbedding(runner.open, runner.slicing, runner.tokensOf(message), control),
      );
    case "perplexity":
      return measure(message, control, (tools, runner) =>
        tools.computePerplexity(runner.open, runner.slicing, runner.tokensOf(message), control),
      );
    case "bench":
      return measure(message, control, (tools, { open, slicing }) =>
        tools.measureSpeed(open, slicing, message, control),
      );
    case "map":
      return loaded().scripts.mapModel(loaded().first, control);
    case "tokenize":
      return asPromise(() => own().tokenize(message.text, message));
    case "detokenize":
      return asPromise(() => own().detokenize(message.tokens));
    case "countTokens":
      return asPromise(() => own().tokensOf(message).length);
    case "sessionCreate":
      return asPromise(() => loaded().create(message.shape));
    case "sessionBytes":
      return asPromise(() => loaded().bytesOf(message.shape));
    case "sessionDispose":
      for (const other of running.values()) if (other.session === control.session) other.abort();
      return loaded().dispose(message.session);
    case "sessionSave":
      return loaded().inTurn(message.session, control, ({ open }) =>
        saveSession(open, message.name, message.messages, control),
      );
    case "sessionRestore":
      return loaded().inTurn(message.session, control, ({ open }) =>
        restoreSession(open, message.name, control),
      );
    case "sessionList":
      return listSessions(own().open.facts.modelId);
    case "sessionDelete":
      return deleteSessions(own().open.facts.modelId, message.name);
    case "cacheList":
      return withStore(message, (store) => listAll(store, message));
    case "cacheDelete":
      return withStore(message, async (store) => {
        const deleted = await store.deleteModel(message.modelId);
        if (globalThis.indexedDB) await deleteSessions(message.modelId, null);
        return deleted || deleteDownload(message, message.modelId);
      });
    case "cacheVerify":
      return withArchive(message, control, (tools, archive) => tools.verifyModel(...archive));
    case "cacheExport":
      return withArchive(message, control, (tools, archive) => tools.exportModel(...archive));
    case "cacheUsage":
      return withStore(message, (store) => storageUsage(store, message));
    default:
      throw new TercetError("PROTOCOL", String((message as { op: unknown }).op));
  }
}

async function load(message: LoadMessage, control: RunControl): Promise<LoadedModel> {
  if (loading) throw new TercetError("BAD_ARGUMENT", "this worker has a model already");
  loading = true;
  const { open, info } = await loadModel(message, {
    signal: control.signal,
    report: (progress) => emit(control.id, { event: "progress", progress }),
    onThreads: (starting) => emit(control.id, { event: "threads", starting }),
  });
  sessions = new OpenSessions(open, new LateScripts(message.assetsUrl));
  return { info, opened: sessions.openFirst() };
}

function loaded(): OpenSessions {
  if (!sessions) throw new TercetError("BAD_ARGUMENT", "no model is loaded in this worker");
  return sessions;
}

/** The model's own session, for what needs none in particular. */
function own(): SessionRunner {
  return loaded().runner(0);
}

/** In its turn, with the script that knows how. */
function measure<Value>(
  { session }: { session: number },
  control: RunControl,
  work: (tools: Tools, runner: SessionRunner) => Promise<Value>,
): Promise<Value> {
  return loaded().inTurn(session, control, async (runner) =>
    work(await unlessAborted(control.signal, loaded().scripts.tools()), runner),
  );
}

async function asPromise<Value>(work: () => Value): Promise<Value> {
  return work();
}

async function withStore<Value>(
  { cacheDir }: StorePlaces,
  ask: (store: Store) => Promise<Value>,
): Promise<Value> {
  const store = await openStore(cacheDir);
  try {
    return await ask(store);
  } finally {
    store.close();
  }
}

/** A model in the store; one of the modules reads its header. */
function withArchive<Value>(
  { modelId, ...places }: StorePlaces & { modelId: string },
  { signal }: RunControl,
  ask: (tools: Tools, archive: Parameters<Tools["verifyModel"]>) => Promise<Value>,
): Promise<Value> {
  const asked = { assetsUrl: places.assetsUrl, variant: null, kernels: null, threads: 1 };
  return withStore(places, async (store) => {
    const tools = await unlessAborted(signal, new LateScripts(places.assetsUrl).tools());
    const choice = chooseModule(detectFeatures(globalThis), asked);
    const engines = new EngineStart(asked, choice, signal, []);
    return ask(tools, [store, modelId, () => engines.planner(), signal]);
  });
}

/** Models, and GGUF files that are to become some. */
async function listAll(store: Store, message: StorePlaces): Promise<StoredModel[]> {
  await removeLeftPacking(message.cacheDir);
  return [...(await store.list()), ...(await listDownloads(message))];
}

async function storageUsage(store: Store, message: StorePlaces): Promise<StorageUsage> {
  const models = await listAll(store, message);
  const { usage, quota } = await storageEstimate();
  return {
    modelBytes: models.reduce((sum, model) => sum + model.storedBytes, 0),
    usedBytes: usage ?? null,
    quotaBytes: quota ?? null,
    persisted: (await scope.navigator.storage?.persisted?.().catch(() => false)) ?? false,
  };
}

function emit(id: number, event: EventOf): void {
  post({ v: PROTOCOL_VERSION, id, kind: "event", ...event });
}

function crash(error: TercetError): void {
  post({ v: PROTOCOL_VERSION, id: 0, kind: "crashed", error: toWireError(error) });
}

function post(message: FromWorker, transfer: Transferable[] = []): void {
  scope.postMessage(message, transfer);
}
