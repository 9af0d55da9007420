// protocol.ts: every message between page and worker, in one place, used by both sides. A request has exactly one
// terminal answer (result or error) under its id; progress and pieces are events under the same id. Messages carry the
// version, because a cached page can meet a newer worker: then both say PROTOCOL and nothing else happens.
// Only plain data here: no functions, no errors, no class instances.
import type { WireError } from "./errors.js";
import type { ModuleFiles } from "./module_files.js";
import type {
  BenchResult,
  ChatMessage,
  ChatResult,
  EmbedResult,
  GenerateResult,
  GrammarOption,
  KvForm,
  LayerTimes,
  LoadProgress,
  ModelInfo,
  ModelMap,
  ModelPlan,
  NetworkSettings,
  PackOptions,
  PerplexityResult,
  Sampling,
  SavedSession,
  SessionInfo,
  StorageUsage,
  StoredModel,
  TokenLogprob,
  VerifiedModel,
  Variant,
} from "./types.js";

export const PROTOCOL_VERSION = 2;

/**
 * A file as the worker sees it: its address, or those of its parts in their order; or a Blob, in which buffers travel as
 * well: it is read piece by piece and never copied whole.
 */
export type LoadSource = { kind: "url"; urls: string[] } | { kind: "blob"; blob: Blob };

export interface LoadMessage {
  op: "load";
  source: LoadSource;
  /** Folder of the modules, with a final slash; null: beside the worker. */
  assetsUrl: string | null;
  threads: number | null;
  context: number | null;
  slice: number | null;
  sessions: number;
  kv: KvForm;
  variant: Variant | null;
  kernels: string | null;
  integrity: string | null;
  /** As packOptions() leaves them. */
  pack: PackOptions;
  /** Computed while the model arrives. */
  prompt: string | Uint32Array | ChatPrompt | null;
  cache: "indexeddb" | "memory";
  /** Of Node: the folder that keeps models; null: none. */
  cacheDir: string | null;
  revalidate: boolean;
  network: NetworkSettings;
}

/** As a load, which it does not begin. */
export type InspectMessage = Omit<LoadMessage, "op"> & { op: "inspect" };

/** A conversation as a prompt. */
export interface ChatPrompt {
  messages: ChatMessage[];
  /** A known format by its name; null: the model's own. */
  format: string | null;
  thinking: boolean;
}

/** What becomes the tokens of a prompt. */
export interface PromptMessage {
  prompt: string | Uint32Array | ChatPrompt;
  addBeginning: boolean;
  parseSpecial: boolean;
}

export interface GenerateMessage extends PromptMessage {
  op: "generate";
  session: number;
  sampling: Partial<Sampling>;
  seed: bigint;
  maxTokens: number | null;
  /** As the core has it: 0 automatic, 1 off, else most tokens at once. */
  speculation: number;
  stop: string[];
  /** What the text has to be; null: anything. */
  grammar: GrammarOption | null;
  /** How many of the likeliest tokens are noted; null: nothing is. */
  logprobs: number | null;
  /** Every so many passes one is measured layer by layer; null: none is. */
  layerTimes: number | null;
  promptProgress: boolean;
  /** Pieces that the worker may send before it is granted more; null = no limit. */
  demand: number | null;
}

export interface TokenizeMessage {
  op: "tokenize";
  text: string;
  addBeginning: boolean;
  parseSpecial: boolean;
}

export interface DetokenizeMessage {
  op: "detokenize";
  tokens: Uint32Array;
}

export interface CountTokensMessage extends PromptMessage {
  op: "countTokens";
}

export interface LogitsMessage {
  op: "logits";
  session: number;
  tokens: Uint32Array;
}

export interface EmbedMessage extends PromptMessage {
  op: "embed";
  session: number;
}

export interface PerplexityMessage extends PromptMessage {
  op: "perplexity";
  session: number;
}

export interface BenchMessage {
  op: "bench";
  session: number;
  promptTokens: number;
  decodeTokens: number;
}

export interface MapMessage {
  op: "map";
}

export interface SessionCreateMessage {
  op: "sessionCreate";
  shape: SessionShape;
}

/** What it would take, without making it. */
export interface SessionBytesMessage {
  op: "sessionBytes";
  shape: SessionShape;
}

export interface SessionDisposeMessage {
  op: "sessionDispose";
  session: number;
}

export interface SessionSaveMessage {
  op: "sessionSave";
  session: number;
  name: string;
  messages: ChatMessage[];
}

export interface SessionRestoreMessage {
  op: "sessionRestore";
  session: number;
  name: string;
}

export interface SessionListMessage {
  op: "sessionList";
}

export interface SessionDeleteMessage {
  op: "sessionDelete";
  name: string;
}

/** null: as the model was loaded. */
export interface SessionShape {
  context: number | null;
  slice: number | null;
  kv: KvForm | null;
}

export interface OpenedSession {
  /** 0 is the model's own. */
  session: number;
  info: SessionInfo;
  cancel: SharedCancel | null;
}

/** As in LoadMessage: where the store lies, and what reads it. */
export interface StorePlaces {
  cacheDir: string | null;
  assetsUrl: string | null;
}

export interface CacheListMessage extends StorePlaces {
  op: "cacheList";
}

export interface CacheDeleteMessage extends StorePlaces {
  op: "cacheDelete";
  modelId: string;
}

export interface CacheVerifyMessage extends StorePlaces {
  op: "cacheVerify";
  modelId: string;
}

export interface CacheExportMessage extends StorePlaces {
  op: "cacheExport";
  modelId: string;
}

export interface CacheUsageMessage extends StorePlaces {
  op: "cacheUsage";
}

export type RequestMessage =
  | LoadMessage
  | GenerateMessage
  | TokenizeMessage
  | DetokenizeMessage
  | CountTokensMessage
  | LogitsMessage
  | EmbedMessage
  | InspectMessage
  | PerplexityMessage
  | BenchMessage
  | MapMessage
  | SessionCreateMessage
  | SessionBytesMessage
  | SessionDisposeMessage
  | SessionSaveMessage
  | SessionRestoreMessage
  | SessionListMessage
  | SessionDeleteMessage
  | CacheListMessage
  | CacheDeleteMessage
  | CacheVerifyMessage
  | CacheExportMessage
  | CacheUsageMessage;

export type Operation = RequestMessage["op"];

/** What the worker's answer to each operation holds. */
export interface ResultOf {
  load: LoadedModel;
  inspect: ModelPlan;
  /** Of a conversation, a ChatResult. */
  generate: GenerateResult | ChatResult;
  tokenize: Uint32Array;
  detokenize: string;
  countTokens: number;
  logits: Float32Array;
  embed: EmbedResult;
  perplexity: PerplexityResult;
  bench: BenchResult;
  map: ModelMap;
  sessionCreate: OpenedSession;
  sessionBytes: number;
  sessionDispose: boolean;
  sessionSave: SavedSession;
  /** null: there is none of that name. */
  sessionRestore: SavedSession | null;
  sessionList: SavedSession[];
  /** Whether there was one. */
  sessionDelete: boolean;
  cacheList: StoredModel[];
  cacheDelete: boolean;
  cacheVerify: VerifiedModel;
  cacheExport: Blob;
  cacheUsage: StorageUsage;
}

export interface LoadedModel {
  info: ModelInfo;
  /** The model's own session. */
  opened: OpenedSession;
}

/**
 * Memory that the page shares with a worker that is busy inside WebAssembly and hears no messages. `request` holds the id
 * of the request to stop; `flag` is the session's own cancel flag, which is looked at between two layers; the word behind it counts the
 * layers that were computed. Each session has its own.
 */
export interface SharedCancel {
  request: Int32Array;
  memory: WebAssembly.Memory;
  flagAddress: number;
}

/** About a running request; no answer of their own. */
export type ControlMessage =
  | { op: "abort"; target: number }
  | { op: "demand"; target: number; pieces: number | null }
  /** Answered with "pong" as soon as the worker hears messages. */
  | { op: "ping" }
  /** The answer to "ask"; null: they are not there. */
  | { op: "files"; name: string; files: ModuleFiles | null };

export type ToWorker =
  ({ v: number; id: number } & RequestMessage) | ({ v: number; id: 0 } & ControlMessage);

export type EventOf =
  | { event: "progress"; progress: LoadProgress }
  /** Around the one call that can hang for ever (wasm_start.ts). */
  | { event: "threads"; starting: boolean }
  | { event: "prompt"; done: number; total: number; reused: number }
  | { event: "layers"; times: LayerTimes }
  /** `logprobs`: of the tokens since the last piece, where they are noted. */
  | { event: "piece"; text: string; logprobs: TokenLogprob[] };

export type FromWorker =
  /** `lifeLock`: name of a Web Lock that the worker holds as long as it lives; null where there are none. */
  | { v: number; id: 0; kind: "ready"; lifeLock: string | null }
  | { v: number; id: 0; kind: "crashed"; error: WireError }
  | { v: number; id: 0; kind: "pong" }
  /** A worker that was made from a text asks for the files of a module. */
  | { v: number; id: 0; kind: "ask"; name: string }
  | { v: number; id: number; kind: "result"; value: unknown }
  | { v: number; id: number; kind: "error"; error: WireError }
  | ({ v: number; id: number; kind: "event" } & EventOf);
