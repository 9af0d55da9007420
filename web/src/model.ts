// model.ts: a loaded model as users of the library see it: its own session, further ones, its tokenizer, and the engine behind them,
// which can be started again. It must never import a worker file or a store.
import { chatPrompt } from "./chat.js";
import { requireInteger, requireThat } from "./checks.js";
import { throwIfAborted, type EngineClient } from "./engine_client.js";
import { TercetError } from "./errors.js";
import { tokenArray, type Generation } from "./generation.js";
import { KV } from "./generated_constants.js";
import { OpenAiFace } from "./openai.js";
import type { LoadedModel, SessionShape } from "./protocol.js";
import { requireName, Session, type EngineHolder, type Prompt } from "./session.js";
import type {
  BenchOptions,
  BenchResult,
  ChatMessage,
  ChatOptions,
  ChatResult,
  EmbedResult,
  GenerateOptions,
  ModelInfo,
  ModelMap,
  PerplexityResult,
  RestartOptions,
  SavedSession,
  SessionOptions,
} from "./types.js";

/** @internal An engine with the model in it, and its worker. */
export interface StartedModel {
  client: EngineClient;
  loaded: LoadedModel;
}

/** Checks the options; what it gives back starts. */
type StartAgain = (options: RestartOptions) => () => Promise<StartedModel>;

/** A loaded model. Made by load(). generate(), chat() and what measures a text use its own session. */
export class Model {
  /** The model in the shape of OpenAI's client: openai.chat.completions.create(), and openai.fetch for other clients. */
  readonly openai: OpenAiFace;
  /** The one that generate() and chat() use. */
  readonly session: Session;
  readonly #startAgain: StartAgain;
  readonly #others = new Set<Session>();
  #client: EngineClient;
  #info: ModelInfo;
  #disposed = false;
  #restarting: Promise<void> | null = null;

  private constructor({ client, loaded }: StartedModel, startAgain: StartAgain) {
    this.#client = client;
    this.#info = loaded.info;
    this.#startAgain = startAgain;
    this.session = new Session(this.#holder(), loaded.opened);
    this.openai = new OpenAiFace(this);
  }

  /** @internal Users call load(). */
  static open(started: StartedModel, startAgain: StartAgain): Model {
    return new Model(started, startAgain);
  }

  get info(): ModelInfo {
    return this.#info;
  }

  /** As Session.generate() of the model's own session. */
  generate(prompt: Prompt, options: GenerateOptions = {}): Generation {
    return this.session.generate(prompt, options);
  }

  /** As Session.chat() of the model's own session. */
  chat(messages: readonly ChatMessage[], options: ChatOptions = {}): Generation<ChatResult> {
    return this.session.chat(messages, options);
  }

  /**
   * Another conversation or text beside the model's own, with its own KV cache. load() takes memory for as many as its option
   * `sessions` says; OUT_OF_MEMORY when that is used up.
   */
  async createSession(options: SessionOptions = {}): Promise<Session> {
    const message = { op: "sessionCreate", shape: shapeOf(options) } as const;
    const session = new Session(
      this.#holder(),
      await this.#use().request<"sessionCreate">(message).result,
    );
    this.#others.add(session);
    return session;
  }

  /** Bytes that such a session would take. BAD_ARGUMENT when there can be none. */
  async sessionBytes(options: SessionOptions = {}): Promise<number> {
    const message = { op: "sessionBytes", shape: shapeOf(options) } as const;
    return this.#use().request<"sessionBytes">(message).result;
  }

  /** As Session.restore() of the model's own session. */
  async restoreSession(name: string): Promise<SavedSession | null> {
    return this.session.restore(name);
  }

  /** The saved sessions of this model. */
  async savedSessions(): Promise<SavedSession[]> {
    return this.#use().request<"sessionList">({ op: "sessionList" }).result;
  }

  /** False when there was none of that name. BAD_ARGUMENT for what is no name. */
  async deleteSession(name: string): Promise<boolean> {
    requireName(name);
    return this.#use().request<"sessionDelete">({ op: "sessionDelete", name }).result;
  }

  /** Text to token ids; addBeginning (default false here) puts the model's beginning token in front. */
  async tokenize(
    text: string,
    options: { addBeginning?: boolean | undefined; parseSpecial?: boolean | undefined } = {},
  ): Promise<Uint32Array> {
    const { addBeginning = false, parseSpecial = true } = options;
    requireThat(typeof text === "string", "tokenize needs a string");
    return this.#use().request<"tokenize">({ op: "tokenize", text, addBeginning, parseSpecial })
      .result;
  }

  /** Token ids to text; bytes that are no UTF-8 become U+FFFD. */
  async detokenize(tokens: Uint32Array | readonly number[]): Promise<string> {
    return this.#use().request<"detokenize">({ op: "detokenize", tokens: tokenArray(tokens) })
      .result;
  }

  /** How many tokens of the context generate() or chat() would take for this, without computing any. */
  async countTokens(
    prompt: string | readonly ChatMessage[],
    options: Pick<GenerateOptions, "addBeginning" | "parseSpecial"> &
      Pick<ChatOptions, "chatFormat" | "thinking"> = {},
  ): Promise<number> {
    const { addBeginning = true, parseSpecial = true } = options;
    const given = typeof prompt === "string" ? prompt : chatPrompt(prompt, options, this.#info);
    const message = { op: "countTokens", prompt: given, addBeginning, parseSpecial } as const;
    return this.#use().request<"countTokens">(message).result;
  }

  /** As Session.logits() of the model's own session. */
  async logits(
    tokens: Uint32Array | readonly number[],
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<Float32Array> {
    return this.session.logits(tokens, options);
  }

  /** As Session.embed() of the model's own session. */
  async embed(
    text: Prompt,
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<EmbedResult> {
    return this.session.embed(text, options);
  }

  /** As Session.perplexity() of the model's own session. */
  async perplexity(
    text: Prompt,
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<PerplexityResult> {
    return this.session.perplexity(text, options);
  }

  /**
   * What the model is made of: signs of its weights by layer and tensor, bytes by part of the file, and what memory is used for. Reads
   * all weights where they lie, beside whatever else runs. Needs the file tercet-look.mjs beside the worker. Rejects with ABORTED
   * on `signal`.
   */
  async map(options: { signal?: AbortSignal } = {}): Promise<ModelMap> {
    throwIfAborted(options.signal);
    return this.#use().request<"map">({ op: "map" }, options).result;
  }

  /** As Session.bench() of the model's own session. */
  async bench(options: BenchOptions = {}): Promise<BenchResult> {
    return this.session.bench(options);
  }

  /**
   * Starts the engine again, after it crashed (ENGINE_CRASHED) or in place of one that runs: what was pending is rejected. The model
   * comes from the browser's storage, without its server. Sessions stay usable: one that was saved has the text of its last save
   * again, the others are empty; one for which there is no memory any more says so when it is used, and can only be disposed. Rejects as
   * load() does; then it can be called again. `options`: what is to be otherwise from now on,
   * such as another module build or number of threads, for comparing them; without them it is as the model was loaded. A call while
   * another one runs is that one.
   */
  restart(options: RestartOptions = {}): Promise<void> {
    if (this.#disposed) return Promise.reject(new TercetError("DISPOSED"));
    this.#restarting ??= this.#restart(options).finally(() => (this.#restarting = null));
    return this.#restarting;
  }

  /** Frees the engine and its memory at once. What runs is rejected with DISPOSED. Calling it twice is harmless. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    this.#client.terminate(new TercetError("DISPOSED"));
  }

  async #restart(options: RestartOptions): Promise<void> {
    const start = this.#startAgain(options);
    this.#client.terminate(new TercetError("ENGINE_CRASHED", "the engine is started again"));
    const { client, loaded } = await start();
    // Until every session is there calls are told that the engine is started again: none meets the number of another.
    await this.session.reopen(client, loaded.opened);
    for (const session of this.#others) await session.reopen(client, loaded.opened);
    if (this.#disposed) client.terminate(new TercetError("DISPOSED"));
    if (client.deathReason) throw client.deathReason;
    this.#client = client;
    this.#info = loaded.info;
  }

  #holder(): EngineHolder {
    const model = this;
    return {
      get info() {
        return model.#info;
      },
      get client() {
        return model.#use();
      },
      forget: (session) => this.#others.delete(session),
    };
  }

  #use(): EngineClient {
    if (this.#disposed) throw new TercetError("DISPOSED");
    return this.#client;
  }
}

function shapeOf({ context, slice, kv }: SessionOptions): SessionShape {
  if (context !== undefined) requireInteger("context", context, 1, 2 ** 20);
  if (slice !== undefined) requireInteger("slice", slice, 1, 512);
  requireThat(
    kv === undefined || Object.keys(KV).includes(kv),
    `kv is one of ${Object.keys(KV).join(", ")}`,
  );
  return { context: context ?? null, slice: slice ?? null, kv: kv ?? null };
}
