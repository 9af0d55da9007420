// model.ts: a loaded model as users of the library see it. It checks what they pass and turns it into messages to the worker
// that holds it. It must never import a worker file or a store.
import { abortedAnswer, chatPrompt } from "./chat.js";
import { requireInteger, requireThat } from "./checks.js";
import { throwIfAborted, type EngineClient } from "./engine_client.js";
import { TercetError } from "./errors.js";
import {
  abortedResult,
  generateMessage,
  RunningGeneration,
  tokenArray,
  type Generation,
} from "./generation.js";
import { OpenAiFace } from "./openai.js";
import type { LoadedModel } from "./protocol.js";
import type {
  BenchOptions,
  BenchResult,
  ChatMessage,
  ChatOptions,
  ChatResult,
  GenerateOptions,
  ModelInfo,
} from "./types.js";

/** A loaded model with one text in work at a time. Made by load(). */
export class Model {
  readonly info: ModelInfo;
  /** The model in the shape of OpenAI's client: openai.chat.completions.create(), and openai.fetch for other clients. */
  readonly openai: OpenAiFace;
  readonly #client: EngineClient;
  #disposed = false;

  private constructor(client: EngineClient, info: ModelInfo) {
    this.#client = client;
    this.info = info;
    this.openai = new OpenAiFace(this);
  }

  /** @internal Users call load(). */
  static open(client: EngineClient, loaded: LoadedModel): Model {
    client.shareCancel(loaded.cancel);
    return new Model(client, loaded.info);
  }

  /**
   * Continues a prompt (text, or token ids taken as they are). The work starts with the first next() or when `result` is
   * asked for or onToken is given; it computes at most a few tokens ahead of the consumer. A second call while one runs
   * waits its turn: iterate to the end, or leave the loop, or abort, before the next one can start. Options that cannot
   * work throw BAD_ARGUMENT at once; everything else is told by the iteration and by `result`.
   */
  generate(
    prompt: string | Uint32Array | readonly number[],
    options: GenerateOptions = {},
  ): Generation {
    const given = typeof prompt === "string" ? prompt : tokenArray(prompt);
    const message = generateMessage(given, options);
    return new RunningGeneration(this.#use(), message, options, abortedResult);
  }

  /**
   * Answers the last message of a conversation, in the model's chat format (info.chatFormat, or options.chatFormat). As
   * generate() in everything else; what the conversation has in common with the text before it is not computed again. A
   * model that was made to continue texts throws NO_CHAT_FORMAT at once.
   */
  chat(messages: readonly ChatMessage[], options: ChatOptions = {}): Generation<ChatResult> {
    const prompt = chatPrompt(messages, options, this.info);
    const message = generateMessage(prompt, options);
    return new RunningGeneration(this.#use(), message, options, abortedAnswer);
  }

  /** Text to token ids; addBeginning (default false here) puts the model's beginning token in front. */
  async tokenize(
    text: string,
    options: { addBeginning?: boolean; parseSpecial?: boolean } = {},
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

  /** Logits of every position, row after row: tokens.length x info.vocabulary. Rejects with ABORTED on `signal`. */
  async logits(
    tokens: Uint32Array | readonly number[],
    options: { signal?: AbortSignal } = {},
  ): Promise<Float32Array> {
    throwIfAborted(options.signal);
    const message = { op: "logits", tokens: tokenArray(tokens) } as const;
    return this.#use().request<"logits">(message, { signal: options.signal }).result;
  }

  /** Measures prompt and decode speed. Rejects with ABORTED on `signal`. */
  async bench(options: BenchOptions = {}): Promise<BenchResult> {
    const { promptTokens = 128, decodeTokens = 64, signal } = options;
    throwIfAborted(signal);
    requireInteger("promptTokens", promptTokens, 1, 2 ** 20);
    requireInteger("decodeTokens", decodeTokens, 1, 2 ** 20);
    return this.#use().request<"bench">({ op: "bench", promptTokens, decodeTokens }, { signal })
      .result;
  }

  /** Frees the engine and its memory at once. What runs is rejected with DISPOSED. Calling it twice is harmless. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    this.#client.terminate(new TercetError("DISPOSED"));
  }

  #use(): EngineClient {
    if (this.#disposed) throw new TercetError("DISPOSED");
    return this.#client;
  }
}
