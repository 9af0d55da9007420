// types.ts: the data that users of the library see: options, progress, results. No behaviour; every type here can cross
// between page and worker as it is, except functions and signals, which stay on the page.

/** A module build; "…-threads" needs a cross-origin isolated page. */
export type Variant = "simd128" | "simd128-threads" | "relaxed" | "relaxed-threads";

export type LoadPhase =
  | "header" // reading the first bytes: what is this file
  | "cache" // chunks come from the browser's storage
  | "download" // chunks come over the network (or from a given file)
  | "pack" // a .gguf file that is here becomes a model
  | "load" // the engine takes the model over
  | "ready";

/**
 * Numbers never go backwards within one load; totalBytes is 0 until the header is known. A .gguf file counts once for each
 * thing that is done with it: it comes, it is packed, the model is loaded.
 */
export interface LoadProgress {
  phase: LoadPhase;
  loadedBytes: number;
  totalBytes: number;
  /** Over the last seconds; 0 while unknown. */
  bytesPerSecond: number;
  /** null while unknown. */
  secondsLeft: number | null;
  /** Where the bytes of this moment come from. */
  source: ModelSource;
}

/** "folder": the cacheDir of Node. "memory": a file or bytes that were given. */
export type ModelSource = "network" | "indexeddb" | "folder" | "memory";

export interface NetworkOptions {
  /** How often a failed request is repeated before the load fails; default 4. */
  retries?: number | undefined;
  /** Wait before the first repetition; doubles each time; default 500. */
  retryDelayMs?: number | undefined;
  /** A connection that gives no byte for so long is dropped and repeated; default 20000. */
  stallTimeoutMs?: number | undefined;
}

/** @internal All of them decided. */
export type NetworkSettings = {
  [Name in keyof NetworkOptions]-?: NonNullable<NetworkOptions[Name]>;
};

/** How keys and values of earlier tokens are kept. */
export type KvForm = "f32" | "f16" | "int8" | "int4";

export interface LoadOptions {
  onProgress?: ((progress: LoadProgress) => void) | undefined;
  /** Stops the load; it rejects with ABORTED. What was stored stays stored. */
  signal?: AbortSignal | undefined;
  /** 1 to 64; default: the machine's, at most 8. More than one needs a cross-origin isolated page. */
  threads?: number | undefined;
  /** Tokens of prompt and answer together; default: the model's own, at most 4096. Memory grows with it. */
  context?: number | undefined;
  /** Most prompt tokens computed at once; default 32. */
  slice?: number | undefined;
  /**
   * Default "int8": a quarter of the memory of "f32", and much faster in long contexts. "int4" takes little more than half of
   * that, for a tight budget, at the price of an error that can be measured.
   */
  kv?: KvForm | undefined;
  /**
   * How many sessions of this context memory is taken for, the model's own included (1 to 16): createSession() makes the others.
   * Default 1.
   */
  sessions?: number | undefined;
  /**
   * An engine that is asked for something and gives no sign of work for so long is taken for dead: what is pending rejects with
   * ENGINE_CRASHED. Default 30; 0: never. On a page that is not cross-origin isolated it must be longer than a token takes.
   */
  heartbeatSeconds?: number | undefined;
  /** Forces a module build, for tests, benches and support. */
  variant?: Variant | undefined;
  /** Forces a kernel set inside the module ("portable", "wasm_simd128", …). */
  kernels?: string | undefined;
  /** The expected model id (64 hex digits): any other model is refused with HEADER_HASH_MISMATCH. */
  integrity?: string | undefined;
  /**
   * What the first text will begin with, as generate() or chat() will be given it: computed while the model still arrives,
   * so that the first token comes right after the last byte. Up to 512 tokens; longer ones are begun.
   */
  prompt?: string | Uint32Array | readonly number[] | readonly ChatMessage[] | undefined;
  /** "indexeddb" (default) keeps the model for the next visit, "memory" stores nothing. */
  cache?: "indexeddb" | "memory" | undefined;
  /** In Node: a folder that keeps models from the network for the next start; default: they are not kept. */
  cacheDir?: string | URL | undefined;
  /** Asks the server whether the address still holds the stored model; default false: a stored model is used as it is. */
  revalidate?: boolean | undefined;
  /** How a .gguf file is packed; other files are packed already. */
  pack?: PackOptions | undefined;
  /** Where engine_worker.js and the modules lie; default: beside this script. */
  assetsUrl?: string | URL | undefined;
  network?: NetworkOptions | undefined;
  /** Where names such as "hf:owner/repository/file" are looked up; default "https://huggingface.co". */
  hub?: string | URL | undefined;
  /**
   * Whether to ask the browser, once a page, not to evict this site's storage, when a model is stored; default true. Some
   * browsers show the question to the user. info.persisted has the answer.
   */
  persist?: boolean | undefined;
}

/** As the options of `tercet pack`, for a .gguf file that is packed when it is loaded. */
export interface PackOptions {
  /** "absmean": makes weights ternary that are not; a model that was not trained for it becomes useless. Default "none". */
  quantize?: "none" | "absmean" | undefined;
  /** Keeps the linear layers dense; default "no". */
  dense?: "no" | "f16" | "f32" | "q8" | undefined;
  /** Embeddings and output head; default "exact": the smallest of ternary, f16 and f32 that loses nothing. */
  embedding?: "exact" | "f16" | "f32" | "q8" | "ternary" | undefined;
  /** How I2_S tensors were written, which files do not say; default "x86". */
  i2sLayout?: "x86" | "arm" | "row4" | undefined;
  /** "qwen3", "chatml", "llama3", "bitnet" or "none"; default: what the file's template is, if it is known. */
  chatFormat?: string | undefined;
}

/** What became of a .gguf file. */
export interface PackReport {
  modelId: string;
  sourceBytes: number;
  fileBytes: number;
  /** Weights that were read back from the packed file and are equal to the source's. */
  verifiedWeights: number;
  /** Weights that were rounded or made ternary, as `pack` asked for; 0: nothing was lost. */
  roundedWeights: number;
  /** Root mean square of that error, relative to the weights'; 0: none. */
  quantizeError: number;
  /** Of the weights, for example "on the ternary grid (TQ2_0)". */
  form: string;
  /** Why the file's chat template was left out; "" if it was not. */
  chatNote: string;
}

export interface ModelInfo {
  name: string;
  family: string;
  licence: string;
  /** 64 hex digits: SHA-256 of the header, names the model. */
  modelId: string;
  layers: number;
  hidden: number;
  inner: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  vocabulary: number;
  /** What the model was trained for. */
  trainedContext: number;
  /** What this load was opened with. */
  context: number;
  slice: number;
  kv: KvForm;
  parameters: number;
  ternaryParameters: number;
  tensors: number;
  tiedHead: boolean;
  /** 8, or 32 for a dense model. */
  activationBits: number;
  fileBytes: number;
  dataBytes: number;
  /** KV cache and scratch of this load. */
  sessionBytes: number;
  /** The whole WebAssembly memory: model, KV cache, stacks, everything. */
  memoryBytes: number;
  /** Where the model came from: "network" if any chunk was fetched. */
  source: ModelSource;
  variant: Variant;
  /** Kernel set that runs, for example "wasm_relaxed". */
  kernels: string;
  threads: number;
  /** Whether the page is cross-origin isolated. */
  isolated: boolean;
  /** How the model is talked to: "qwen3", "llama3", …; null for one that was made to continue texts. */
  chatFormat: string | null;
  /** Whether chat() can be asked for answers without thinking (thinking: false). */
  thinkingSwitch: boolean;
  /** What its answers put around thinking, as it comes in the pieces; null: they do not think. */
  thinkingMarks: { begin: string; end: string } | null;
  /** Whether the browser promised not to evict this site's storage; null when it was not asked or has not answered yet. */
  persisted: boolean | null;
  /** Sentences about what is not as asked for: one thread and why, a dropped kernel set, storage that is full. */
  notices: string[];
  /** The sampling that generate() uses where its options say nothing. */
  sampling: Sampling;
}

export interface Sampling {
  /** 0 = greedy. */
  temperature: number;
  /** 0 = all. */
  topK: number;
  /** 1 = all. */
  topP: number;
  /** 0 = off. */
  minP: number;
  /** 1 = off. */
  repetitionPenalty: number;
  repetitionWindow: number;
}

/** What an answer has to be: one of the three. */
export interface GrammarOption {
  /**
   * JSON that this schema accepts, on one line. A schema object, or true for any JSON. What of JSON Schema is possible:
   * docs/grammars.md; all else is refused with BAD_GRAMMAR.
   */
  jsonSchema?: unknown;
  /** A text that this regular expression (JavaScript's, with the flag u) matches as a whole. */
  regex?: string;
  /** A text of the rule `root` of this grammar, written as GBNF. */
  ebnf?: string;
}

/** What is left out, or undefined, is as info.sampling has it. */
export type SamplingOptions = { [Name in keyof Sampling]?: Sampling[Name] | undefined };

export interface GenerateOptions extends SamplingOptions {
  /** Default: as many as the context holds. */
  maxTokens?: number | undefined;
  /** 0 to 2^64-1. The same seed gives the same text, here and in the native twin. Default: random. */
  seed?: number | bigint | undefined;
  /** Generation ends before the first of these texts; it is not part of the answer. */
  stop?: string | string[] | undefined;
  /** Stops the work itself; the iteration ends and finishReason is "aborted". */
  signal?: AbortSignal | undefined;
  /** Called for each piece; then nobody needs to iterate. */
  onToken?: ((piece: string) => void) | undefined;
  /**
   * Tokens that are likely to follow, because the same words stand earlier in the text, are computed along with each
   * token: the text is the same, only sooner there. "auto" (default) where it is likely to pay, "off", or always up to so
   * many tokens at once (2 to 8).
   */
  speculation?: "auto" | "off" | number | undefined;
  /**
   * Only tokens that this grammar allows are sampled; the text ends only where it may. Cut short by maxTokens or the context,
   * it is the beginning of one that fits.
   */
  grammar?: GrammarOption | undefined;
  /**
   * Notes how likely each token was, and so many of the likeliest (0 to 20): by the model's logits alone, before temperature and
   * every other choice of sampling. Default: nothing is noted.
   */
  logprobs?: number | undefined;
  /** Called for each piece, before onToken, with what was noted of its tokens. */
  onLogprobs?: ((logprobs: TokenLogprob[]) => void) | undefined;
  /**
   * Called with the time of each layer, for one of so many passes through the network as `layerTimesEvery` says. Needs the file
   * tercet-look.mjs beside the worker. In pages that are not cross-origin isolated clocks are coarse: look at means.
   */
  onLayerTimes?: ((times: LayerTimes) => void) | undefined;
  /** Default 8; 1: every pass is measured. */
  layerTimesEvery?: number | undefined;
  /** Called while a prompt is computed: at once with what need not be computed again, then after each slice. */
  onPromptProgress?: ((progress: PromptProgress) => void) | undefined;
  /** Put the beginning-of-text token in front, if the model has one; default true. Only for a text prompt. */
  addBeginning?: boolean | undefined;
  /** Recognise special tokens such as <|im_end|> written in the prompt; default true, as in the native twin. */
  parseSpecial?: boolean | undefined;
}

export type ChatRole = "system" | "user" | "assistant";

/** Other properties are not looked at. */
export interface ChatMessage {
  role: ChatRole;
  /** Text and nothing else: special tokens written in it have no meaning. */
  content: string;
}

export interface ChatOptions extends Omit<GenerateOptions, "addBeginning" | "parseSpecial"> {
  /** A known format for a model that brings none, or in place of its own: "qwen3", "chatml", "llama3", "bitnet". */
  chatFormat?: string | undefined;
  /** false: an answer without thinking, for formats that can (info.thinkingSwitch); default true. */
  thinking?: boolean | undefined;
}

/** All in tokens. */
export interface PromptProgress {
  done: number;
  total: number;
  /** Of `done`: computed for an earlier text already. */
  reused: number;
}

/** A token and the natural logarithm of its probability. */
export interface LikelyToken {
  token: number;
  /** As it reads alone; U+FFFD where its bytes are no whole character. "" for a control token. */
  text: string;
  bytes: number[];
  logprob: number;
}

export interface TokenLogprob extends LikelyToken {
  /** The likeliest ones, best first; the chosen one is not always among them. */
  top: LikelyToken[];
}

export type FinishReason =
  | "stop" // the model ended its text
  | "stop-text" // one of `stop` was about to appear
  | "length" // maxTokens
  | "context" // the context is full
  | "aborted"; // signal, break, return()

export interface GenerateTimings {
  promptSeconds: number;
  /** Time spent computing tokens, without waiting for the consumer. */
  decodeSeconds: number;
  /** From the start of the work to the first token. */
  timeToFirstTokenSeconds: number;
  /** Decoded tokens by decodeSeconds. */
  tokensPerSecond: number;
}

export interface SpeculationResult {
  /** Times that the network was gone through for the tokens of the text. */
  passes: number;
  draftedTokens: number;
  /** Drafted tokens that came true, each of which saved a pass. */
  acceptedTokens: number;
  /** acceptedTokens by draftedTokens; 0 when nothing was drafted. */
  acceptance: number;
}

export interface GenerateResult {
  /** All pieces together. */
  text: string;
  /** Every token that was generated, those of a stop text included. */
  tokens: number[];
  finishReason: FinishReason;
  promptTokens: number;
  /** Of these, the ones that were computed for an earlier text already: the longest common beginning. */
  reusedTokens: number;
  speculation: SpeculationResult;
  timings: GenerateTimings;
  /** The seed that was used: repeats the text. */
  seed: bigint;
  /** Of every token, as the option `logprobs` asked; null without it. */
  logprobs: TokenLogprob[] | null;
}

export interface EmbedResult {
  /** info.hidden numbers: the mean over the tokens of the last hidden state, behind the final norm. Not of length 1. */
  embedding: Float32Array;
  /** How many tokens the text had. */
  tokens: number;
}

export interface PerplexityResult {
  /** The mean of -ln(probability) over the predicted tokens. */
  natsPerToken: number;
  /** e to that power: lower is better. */
  perplexity: number;
  /** Predicted ones: all but the first. */
  tokens: number;
}

export interface SessionOptions {
  /** Tokens of prompt and answer together; default: as the model was loaded. */
  context?: number | undefined;
  /** Most prompt tokens computed at once; default: as the model was loaded. */
  slice?: number | undefined;
  /** How keys and values of earlier tokens are kept; default: as the model was loaded. */
  kv?: KvForm | undefined;
}

export interface SessionInfo {
  context: number;
  slice: number;
  kv: KvForm;
  /** Memory that it takes: its KV cache and scratch. */
  bytes: number;
}

export interface SavedSession {
  name: string;
  /** Of its text. */
  tokens: number;
  /** What is stored. */
  bytes: number;
  /** As Date.now(). */
  savedAt: number;
  /** The conversation with its last answer; empty when the last text was no chat. */
  messages: ChatMessage[];
}

export interface ChatResult extends GenerateResult {
  /** The answer without its thinking, ready to be put behind the messages for the next turn. */
  message: ChatMessage & { role: "assistant" };
  /** What the model thought before it answered; "" if it did not. `text` holds both, as they came. */
  thinking: string;
}

/** Seconds of one pass through the network, as a step of generate() makes it. */
export interface LayerTimes {
  /** All of it: the sum of the others. */
  seconds: number;
  /** Sampling, and the embedding of the token. */
  inputSeconds: number;
  /** Of each layer, in order. */
  layerSeconds: number[];
  /** The output head, which gives the logits. */
  headSeconds: number;
  /** How many tokens the pass computed: one, and those that were drafted behind it. */
  tokens: number;
}

/** Signs of ternary weights. minus, zero and plus add up to weights. */
export interface TernaryCount {
  weights: number;
  minus: number;
  zero: number;
  plus: number;
}

/**
 * What bytes of a file belong to. "states" stand in place of attention and feed-forward part in models that have them; norms and
 * biases belong to the part that they stand in. "tables": the rest of the header, such as hashes and rotation frequencies.
 */
export type ModelPart =
  "embedding" | "attention" | "feedForward" | "states" | "head" | "tokenizer" | "tables";

export interface TensorMap {
  /** As `tercet inspect --tensors` has it, for example "layers.3.attention.q". */
  name: string;
  part: ModelPart;
  /** null: it belongs to no layer. */
  layer: number | null;
  type: "f32" | "f16" | "int8" | "ternary";
  scale: "none" | "tensor" | "row" | "group64" | "group128";
  rows: number;
  columns: number;
  /** In the file. */
  offset: number;
  /** With scales and padding. */
  bytes: number;
  /** null: its weights are not ternary. */
  ternary: TernaryCount | null;
  /** null: it has none. */
  scales: { least: number; greatest: number } | null;
}

export interface LayerMap {
  bytes: number;
  parts: Partial<Record<ModelPart, number>>;
  ternary: TernaryCount;
}

/** What the WebAssembly memory is used for, in bytes; the parts add up to totalBytes. */
export interface MemoryMap {
  totalBytes: number;
  /** The packed tensors, as in the file. */
  weightBytes: number;
  /** The file's header, used where it lies: tokenizer, hashes, tables. */
  headerBytes: number;
  /** Keys and values of earlier tokens (or states), of the model's own session. */
  keptBytes: number;
  /** The rest of that session: activations, logits, what threads work with. */
  workBytes: number;
  /** Stacks, static data, room for texts, and for further sessions. */
  engineBytes: number;
}

/** What model.map() found. */
export interface ModelMap {
  modelId: string;
  fileBytes: number;
  /** They add up to fileBytes. */
  parts: { part: ModelPart; bytes: number }[];
  /** Of all ternary weights, embedding and head included. */
  ternary: TernaryCount;
  layers: LayerMap[];
  /** In the order of the file, which is that of a pass through the network. */
  tensors: TensorMap[];
  memory: MemoryMap;
}

/** What restart() changes; everything else stays as the model was loaded. */
export type RestartOptions = Pick<
  LoadOptions,
  "threads" | "variant" | "kernels" | "context" | "kv"
>;

export interface BenchOptions {
  /** Default 128, cut to the context. */
  promptTokens?: number | undefined;
  /** Default 64, cut to the context. */
  decodeTokens?: number | undefined;
  signal?: AbortSignal | undefined;
}

export interface BenchResult {
  promptTokens: number;
  promptTokensPerSecond: number;
  decodeTokens: number;
  decodeTokensPerSecond: number;
  /** Packed weights read a second while decoding, 10^9 bytes. */
  packedGigabytesPerSecond: number;
  kernels: string;
  threads: number;
  variant: Variant;
  memoryBytes: number;
  /** The same under the names of `tercet bench --json`, to be laid beside it. */
  figures: BenchFigures;
}

/** Of a row of `tercet bench --json`. */
export interface BenchFigures {
  decode_tokens_per_s: number;
  prompt_tokens_per_s: number;
  packed_gb_per_s: number;
  /** The whole WebAssembly memory, which never grows. */
  peak_memory_bytes: number;
  kernels: string;
  threads: number;
}

/** What load() would need, as inspect() found it. */
export interface ModelPlan {
  /** Of the file at that address; 0: the server does not say. */
  fileBytes: number;
  /** The whole WebAssembly memory that load() would take with the same options; null for a .gguf file, which is known only when packed. */
  memoryBytes: number | null;
  /** null for a .gguf file, and so are the others. */
  modelId: string | null;
  name: string | null;
  parameters: number | null;
  trainedContext: number | null;
}

export type StoredState = "absent" | "partial" | "complete" | "damaged";

export interface StoredModel {
  /** Of a .gguf file whose download was interrupted: an id of that download, which cache.delete() knows; state "partial". */
  modelId: string;
  name: string;
  /** Addresses it was loaded from; those of a file in parts are one entry, joined by blanks. */
  urls: string[];
  state: StoredState;
  fileBytes: number;
  storedBytes: number;
  chunks: number;
  storedChunks: number;
}

/** What cache.verify() found. Damaged chunks are gone from the storage: the next load fetches them, and them alone. */
export interface VerifiedModel {
  modelId: string;
  /** "complete": every chunk is there and holds; "partial" or "damaged": some are missing; "absent": there is none. */
  state: StoredState;
  chunks: number;
  /** Indices of the chunks whose bytes did not match their hash. */
  damaged: number[];
  /** Indices of the chunks that were not there. */
  missing: number[];
}

export interface StorageUsage {
  /** Bytes of stored models, whole or not, and of .gguf files on their way. */
  modelBytes: number;
  /** What the browser says that this site uses and may use; null if it does not say. */
  usedBytes: number | null;
  quotaBytes: number | null;
  /** Whether the browser promised not to evict this site's storage. */
  persisted: boolean;
}
