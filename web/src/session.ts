// session.ts: one conversation or text with a loaded model, with a memory of its own for what was computed. A model has one from the
// start; createSession() makes others, whose texts go on side by side. It checks what callers pass and turns it into messages. It
// must never import a worker file or a store.
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
import type { OpenedSession, PromptMessage } from "./protocol.js";
import type {
  BenchOptions,
  BenchResult,
  ChatMessage,
  ChatOptions,
  ChatResult,
  EmbedResult,
  GenerateOptions,
  ModelInfo,
  PerplexityResult,
  SavedSession,
  SessionInfo,
} from "./types.js";

/** A text, or token ids taken as they are. */
export type Prompt = string | Uint32Array | readonly number[];

/** @internal The engine as it is now: restart() puts another in its place. */
export interface EngineHolder {
  readonly info: ModelInfo;
  /** Throws when the model was disposed. */
  readonly client: EngineClient;
  /** A session that is used no more. */
  forget(session: Session): void;
}

export class Session {
  readonly #engine: EngineHolder;
  #id: number;
  #info: SessionInfo;
  #messages: readonly ChatMessage[] = [];
  #savedAs: string | null = null;
  #disposed = false;
  /** Why it could not be made again. */
  #lost: TercetError | null = null;

  /** @internal Users call model.createSession(). */
  constructor(engine: EngineHolder, opened: OpenedSession) {
    this.#engine = engine;
    this.#id = opened.session;
    this.#info = opened.info;
    engine.client.shareCancel(opened.session, opened.cancel);
  }

  get info(): SessionInfo {
    return this.#info;
  }

  /** The conversation of the last chat() with its answer, also after restore(); empty when the last text was no chat. */
  get messages(): readonly ChatMessage[] {
    return this.#messages;
  }

  /**
   * Continues a prompt. The work starts with the first next() or when `result` is asked for or onToken is given; it computes at
   * most a few tokens ahead of the consumer. A second call while one runs waits its turn: iterate to the end, or leave the
   * loop, or abort, before the next one can start. Options that cannot work throw BAD_ARGUMENT at once; everything else is
   * told by the iteration and by `result`.
   */
  generate(prompt: Prompt, options: GenerateOptions = {}): Generation {
    const message = generateMessage(promptOf(prompt), options, this.#id);
    const client = this.#use();
    this.#messages = [];
    return new RunningGeneration(client, message, options, abortedResult);
  }

  /**
   * Answers the last message of a conversation, in the model's chat format (info.chatFormat, or options.chatFormat). As
   * generate() in everything else; what the conversation has in common with the text before it is not computed again. A
   * model that was made to continue texts throws NO_CHAT_FORMAT at once.
   */
  chat(messages: readonly ChatMessage[], options: ChatOptions = {}): Generation<ChatResult> {
    const prompt = chatPrompt(messages, options, this.#engine.info);
    const message = generateMessage(prompt, options, this.#id);
    const asked = prompt.messages;
    this.#messages = asked;
    return new RunningGeneration(this.#use(), message, options, abortedAnswer, (result) => {
      // Another text may have begun since.
      if (this.#messages === asked) this.#messages = [...asked, result.message];
    });
  }

  /**
   * Logits of every position, row after row: tokens.length x info.vocabulary. Rejects with ABORTED on `signal`. The session then
   * holds these tokens.
   */
  async logits(
    tokens: Uint32Array | readonly number[],
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<Float32Array> {
    throwIfAborted(options.signal);
    const message = { op: "logits", session: this.#id, tokens: tokenArray(tokens) } as const;
    return this.#use().request<"logits">(message, { signal: options.signal }).result;
  }

  /**
   * An embedding: the mean over the tokens of the last hidden state. The same numbers as `tercet embed`. The session then holds
   * the text.
   */
  async embed(
    text: Prompt,
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<EmbedResult> {
    throwIfAborted(options.signal);
    const message = { op: "embed", session: this.#id, ...textOf(text) } as const;
    return this.#use().request<"embed">(message, { signal: options.signal }).result;
  }

  /** How well the model predicts a text, in windows of the context. The same figure as `tercet perplexity`. */
  async perplexity(
    text: Prompt,
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<PerplexityResult> {
    throwIfAborted(options.signal);
    const prompt = { ...textOf(text), parseSpecial: false };
    const message = { op: "perplexity", session: this.#id, ...prompt } as const;
    return this.#use().request<"perplexity">(message, { signal: options.signal }).result;
  }

  /** Measures prompt and decode speed. Rejects with ABORTED on `signal`. */
  async bench(options: BenchOptions = {}): Promise<BenchResult> {
    const { promptTokens = 128, decodeTokens = 64, signal } = options;
    throwIfAborted(signal);
    requireInteger("promptTokens", promptTokens, 1, 2 ** 20);
    requireInteger("decodeTokens", decodeTokens, 1, 2 ** 20);
    const message = { op: "bench", session: this.#id, promptTokens, decodeTokens } as const;
    return this.#use().request<"bench">(message, { signal }).result;
  }

  /**
   * Keeps the text and what was computed for it in the browser's storage, in the place of what had that name. Waits for what runs.
   * Rejects with QUOTA_EXCEEDED or STORAGE_FAILED; what had the name before is then still there.
   */
  async save(
    name: string,
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<SavedSession> {
    requireName(name);
    throwIfAborted(options.signal);
    const messages = this.#messages.map((message) => ({ ...message }));
    const message = { op: "sessionSave", session: this.#id, name, messages } as const;
    const saved = await this.#use().request<"sessionSave">(message, options).result;
    this.#savedAs = name;
    return saved;
  }

  /**
   * Takes up a text that was saved, here or in an earlier visit: what follows costs only what is new. null when there is none of
   * that name for this model. BAD_STATE when it is damaged or was saved with another `kv`, PROMPT_TOO_LONG when the
   * context is smaller than its text; the session is empty then, and as good as new.
   */
  async restore(
    name: string,
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<SavedSession | null> {
    requireName(name);
    throwIfAborted(options.signal);
    return this.#restore(this.#use(), name, options);
  }

  async #restore(
    client: EngineClient,
    name: string,
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<SavedSession | null> {
    const message = { op: "sessionRestore", session: this.#id, name } as const;
    const saved = await client.request<"sessionRestore">(message, options).result;
    if (saved) {
      this.#messages = saved.messages;
      this.#savedAs = name;
    }
    return saved;
  }

  /**
   * Frees its memory; what runs in it is stopped. The model's own session stays as long as the model. Twice is harmless, and so it is
   * when the engine is gone: it took the session with it.
   */
  async dispose(): Promise<void> {
    if (this.#disposed || this.#id === 0) return;
    this.#disposed = true;
    this.#engine.forget(this);
    if (this.#lost) return;
    const session = this.#id;
    try {
      const { client } = this.#engine;
      await client.request<"sessionDispose">({ op: "sessionDispose", session }).result;
      client.shareCancel(session, null);
    } catch {
      // Nothing is left to free.
    }
  }

  /** @internal The engine was started again: makes this session there, with its text if it was saved. */
  async reopen(client: EngineClient, first: OpenedSession): Promise<void> {
    const { context, slice, kv } = this.#info;
    const message = { op: "sessionCreate", shape: { context, slice, kv } } as const;
    try {
      const opened = this.#id ? await client.request<"sessionCreate">(message).result : first;
      this.#id = opened.session;
      this.#info = opened.info;
      this.#lost = null;
      client.shareCancel(opened.session, opened.cancel);
    } catch (thrown) {
      // Its number is another one's by now, or will be.
      this.#lost = thrown as TercetError;
      return;
    }
    // A text that cannot be had again is only computed again.
    if (this.#savedAs !== null) await this.#restore(client, this.#savedAs).catch(() => null);
  }

  #use(): EngineClient {
    if (this.#disposed) throw new TercetError("DISPOSED", "this session was disposed");
    if (this.#lost) throw this.#lost;
    return this.#engine.client;
  }
}

function promptOf(prompt: Prompt): string | Uint32Array {
  return typeof prompt === "string" ? prompt : tokenArray(prompt);
}

/** As the native twin reads a text. */
function textOf(text: Prompt): PromptMessage {
  return { prompt: promptOf(text), addBeginning: true, parseSpecial: true };
}

/** @internal A session that is not named is none. */
export function requireName(name: string): void {
  requireThat(
    typeof name === "string" && name.length > 0 && name.length <= 256,
    "the name of a session is a string of 1 to 256 characters",
  );
}
