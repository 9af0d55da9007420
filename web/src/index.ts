// index.ts: the public surface of the library: load, Model, cache, features, TercetError and the types. It checks what
// callers of load and cache pass and turns it into messages; all work is done in a worker. It must never import a worker file or a store.
import { chatPrompt } from "./chat.js";
import { requireInteger, requireThat } from "./checks.js";
import { throwIfAborted, type EngineClient } from "./engine_client.js";
import { abortedError, fromWireNotice, TercetError } from "./errors.js";
import { detectFeatures, type Features } from "./features.js";
import { tokenArray } from "./generation.js";
import { KV } from "./generated_constants.js";
import { packOptions } from "./pack_options.js";
import { Model, type StartedModel } from "./model.js";
import { featureScope, SPARE_NOTICE, startWorker, tell } from "./platform.js";
import type { LoadMessage, LoadSource, StorePlaces } from "./protocol.js";
import { absoluteUrl, loadSource, type Source } from "./source_address.js";
import type {
  ChatMessage,
  LoadOptions,
  ModelPlan,
  StorageUsage,
  StoredModel,
  VerifiedModel,
} from "./types.js";

export { TercetError } from "./errors.js";
export type { Advice, ErrorCode, HostCode } from "./errors.js";
export type { Features } from "./features.js";
export type { Generation } from "./generation.js";
export { Model } from "./model.js";
export { Session } from "./session.js";
export type { Prompt } from "./session.js";
export type { CreateCompletion, OpenAiFace } from "./openai.js";
export type * from "./openai_types.js";
export type { Source } from "./source_address.js";
export type * from "./types.js";

const VARIANTS = ["simd128", "simd128-threads", "relaxed", "relaxed-threads"];

/**
 * Loads a .tercet model: from the browser's storage when it is there, else over the network into the storage, chunk by
 * chunk; then into WebAssembly memory in a worker. Rejects with a TercetError; after any failure the parts that arrived
 * whole are kept, and the next call goes on from there.
 */
export async function load(source: Source, options: LoadOptions = {}): Promise<Model> {
  const { signal, heartbeatSeconds = 30 } = options;
  throwIfAborted(signal);
  requireInteger("heartbeatSeconds", heartbeatSeconds, 0, 2 ** 31);
  const message = loadMessage(loadSource(source, options.hub), options);
  const stores = message.cache !== "memory" && message.source.kind === "url";
  const persisted = stores && options.persist !== false ? askToPersist() : null;
  const started = await start(message, options);
  // Who has not answered by now is not waited for: it may be a user.
  const persistence = (await Promise.race([persisted, null])) ?? null;
  started.loaded.info.persisted = persistence;
  for (const notice of started.loaded.info.notices) tell(`tercet: ${notice}`);
  return Model.open(started, (changes) => {
    const changed = loadMessage(message.source, { ...options, ...changes });
    return async () => {
      // What is stored is what ran: the server need not be asked.
      const again = await start({ ...changed, revalidate: false }, { heartbeatSeconds });
      again.loaded.info.persisted = persistence;
      return again;
    };
  });
}

/** Making the workers of the threads takes milliseconds. */
const THREADS_TIMEOUT_MS = 5000;

/** A worker with the model in it. One that hangs where it makes its threads (wasm_start.ts) gives way to another, and that to one without. */
async function start(message: LoadMessage, options: LoadOptions): Promise<StartedModel> {
  for (let attempt = 1; ; attempt++) {
    const threads = attempt > 2 ? 1 : message.threads;
    const started = await startOnce({ ...message, threads }, options);
    if (!started) continue;
    if (attempt > 2)
      started.loaded.info.notices.push("one thread: the browser hung where more were started");
    return started;
  }
}

/** null: its threads did not start. */
async function startOnce(
  message: LoadMessage,
  { signal, onProgress, heartbeatSeconds = 30 }: LoadOptions,
): Promise<StartedModel | null> {
  const client = startWorker(message.assetsUrl);
  let [hung, timer]: [boolean, ReturnType<typeof setTimeout> | undefined] = [false, undefined];
  const onHung = () => {
    hung = true;
    client.terminate(new TercetError("ENGINE_CRASHED", "its threads did not start"));
  };
  client.heartbeatSeconds = heartbeatSeconds;
  const { result } = client.request<"load">(message, {
    signal,
    onEvent: (event) => {
      if (event.event === "progress") onProgress?.(event.progress);
      else if (event.event === "threads") {
        clearTimeout(timer);
        if (event.starting) timer = setTimeout(onHung, THREADS_TIMEOUT_MS);
      }
    },
  });
  try {
    const loaded = await result;
    loaded.info.notices = loaded.info.notices.map(fromWireNotice);
    if (client.usesSpare && SPARE_NOTICE) loaded.info.notices.push(SPARE_NOTICE);
    return { client, loaded };
  } catch (thrown) {
    const error = signal?.aborted ? abortedError(signal) : thrown;
    if (hung && !signal?.aborted) return null;
    client.terminate(new TercetError("DISPOSED"));
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * What load() with the same source and options would need, before anything of it is downloaded: reads the file's header and
 * keeps nothing. Rejects with the errors that load() gives for what is no model, or one that cannot run here.
 */
export async function inspect(source: Source, options: LoadOptions = {}): Promise<ModelPlan> {
  const message = {
    ...loadMessage(loadSource(source, options.hub), options),
    op: "inspect",
  } as const;
  return askStore(options, (client) => client.request<"inspect">(message).result);
}

export interface CacheOptions {
  /** As in LoadOptions. */
  assetsUrl?: string | URL | undefined;
  /** As in LoadOptions. */
  cacheDir?: string | URL | undefined;
  /** Stops the work; it rejects with ABORTED. */
  signal?: AbortSignal | undefined;
}

let persistAsked: Promise<boolean | null> | null = null;

/** Once a page: a user who has said no is not asked again. null: the browser has no such thing. */
function askToPersist(): Promise<boolean | null> {
  persistAsked ??= (async () => {
    const storage = globalThis.navigator?.storage;
    if (!storage?.persist) return null;
    return (await storage.persisted()) || storage.persist();
  })().catch(() => null);
  return persistAsked;
}

/** The models in this browser's storage. */
export const cache = {
  async list(options: CacheOptions = {}): Promise<StoredModel[]> {
    return askStore(
      options,
      (client, places) => client.request<"cacheList">({ op: "cacheList", ...places }).result,
    );
  },

  /** Deletes one model; false when there was none of that id. */
  async delete(modelId: string, options: CacheOptions = {}): Promise<boolean> {
    requireModelId(modelId);
    return askStore(
      options,
      (client, places) =>
        client.request<"cacheDelete">({ op: "cacheDelete", ...places, modelId }).result,
    );
  },

  /**
   * Reads every stored chunk of a model and holds it against its hash. Damaged ones are deleted, so that the next load
   * fetches them and nothing else. HEADER_HASH_MISMATCH when the header itself is damaged: load() then fetches it again.
   */
  async verify(modelId: string, options: CacheOptions = {}): Promise<VerifiedModel> {
    requireModelId(modelId);
    return askStore(
      options,
      (client, places) =>
        client.request<"cacheVerify">({ op: "cacheVerify", ...places, modelId }).result,
    );
  },

  /**
   * The .tercet file of a stored model, every chunk checked, as a Blob to save, to send or to stream. The browser holds it,
   * for the most part on the disk. BAD_ARGUMENT for a model that is not stored, STORAGE_FAILED for one that is not whole,
   * CHUNK_HASH_MISMATCH for one that is damaged: verify() and the next load() mend it.
   */
  async export(modelId: string, options: CacheOptions = {}): Promise<Blob> {
    requireModelId(modelId);
    return askStore(
      options,
      (client, places) =>
        client.request<"cacheExport">({ op: "cacheExport", ...places, modelId }).result,
    );
  },

  async usage(options: CacheOptions = {}): Promise<StorageUsage> {
    return askStore(
      options,
      (client, places) => client.request<"cacheUsage">({ op: "cacheUsage", ...places }).result,
    );
  },

  /** Asks the browser not to evict this site's storage; it may show a question to the user. False where it cannot be asked. */
  async persist(): Promise<boolean> {
    return (await globalThis.navigator?.storage?.persist?.().catch(() => false)) ?? false;
  },
};

function cacheFolder({ cacheDir }: Pick<CacheOptions, "cacheDir">): string | null {
  const folder = folderAddress(cacheDir, "cacheDir");
  requireThat(folder?.startsWith("file:") !== false, "cacheDir is a folder, which only Node has");
  return folder;
}

function requireModelId(modelId: string): void {
  requireThat(isModelId(modelId), "a model id is 64 hex digits");
}

function isModelId(text: string): boolean {
  return typeof text === "string" && /^[0-9a-f]{64}$/.test(text);
}

/** What this page and browser can do; load() decides by the same facts. */
export function features(): Features {
  return detectFeatures(featureScope());
}

/** A worker for one question, ended with the answer. */
async function askStore<Value>(
  options: CacheOptions,
  ask: (client: EngineClient, places: StorePlaces) => Promise<Value>,
): Promise<Value> {
  const { signal } = options;
  throwIfAborted(signal);
  const assetsUrl = assetsFolder(options.assetsUrl);
  const cacheDir = cacheFolder(options);
  const client = startWorker(assetsUrl);
  const onAbort = () => client.terminate(abortedError(signal));
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    return await ask(client, { assetsUrl, cacheDir });
  } finally {
    signal?.removeEventListener("abort", onAbort);
    client.terminate(new TercetError("DISPOSED"));
  }
}

function assetsFolder(assetsUrl: string | URL | undefined): string | null {
  return folderAddress(assetsUrl, "assetsUrl");
}

function folderAddress(folder: string | URL | undefined, what: string): string | null {
  if (folder === undefined) return null;
  const url = absoluteUrl(folder, what);
  return url.endsWith("/") ? url : `${url}/`;
}

function firstPrompt(prompt: LoadOptions["prompt"]): LoadMessage["prompt"] {
  if (prompt === undefined) return null;
  if (typeof prompt === "string") return prompt;
  const isChat = Array.isArray(prompt) && typeof prompt[0] === "object";
  // Whether the model has a format of its own is seen when its header is there.
  const own = { chatFormat: "its own", thinkingSwitch: true };
  return isChat
    ? chatPrompt(prompt as readonly ChatMessage[], {}, own)
    : tokenArray(prompt as Uint32Array | readonly number[]);
}

function loadMessage(source: LoadSource, options: LoadOptions): LoadMessage {
  const {
    threads,
    context,
    slice,
    kv = "int8",
    variant,
    kernels,
    integrity,
    revalidate = false,
    sessions = 1,
  } = options;
  const { cache: cacheKind = "indexeddb" } = options;
  if (threads !== undefined) requireInteger("threads", threads, 1, 64);
  if (context !== undefined) requireInteger("context", context, 1, 2 ** 20);
  if (slice !== undefined) requireInteger("slice", slice, 1, 512);
  requireInteger("sessions", sessions, 1, 16);
  requireThat(Object.keys(KV).includes(kv), `kv is one of ${Object.keys(KV).join(", ")}`);
  requireThat(
    variant === undefined || VARIANTS.includes(variant),
    `variant is one of ${VARIANTS.join(", ")}`,
  );
  requireThat(
    integrity === undefined || isModelId(integrity),
    "integrity is a model id: 64 hex digits in small letters",
  );
  requireThat(
    cacheKind === "indexeddb" || cacheKind === "memory",
    'cache is "indexeddb" or "memory"',
  );
  const { retries = 4, retryDelayMs = 500, stallTimeoutMs = 20_000 } = options.network ?? {};
  requireInteger("network.retries", retries, 0, 1000);
  requireInteger("network.retryDelayMs", retryDelayMs, 0, 3_600_000);
  requireInteger("network.stallTimeoutMs", stallTimeoutMs, 1, 3_600_000);
  const cacheDir = cacheFolder(options);
  return {
    op: "load",
    source,
    assetsUrl: assetsFolder(options.assetsUrl),
    threads: threads ?? null,
    context: context ?? null,
    slice: slice ?? null,
    sessions,
    kv,
    variant: variant ?? null,
    kernels: kernels ?? null,
    integrity: integrity ?? null,
    pack: packOptions(options.pack ?? {}),
    prompt: firstPrompt(options.prompt),
    cache: cacheKind,
    cacheDir,
    revalidate,
    network: { retries, retryDelayMs, stallTimeoutMs },
  };
}
