// openai.ts: the model in the shape of OpenAI's client: chat.completions.create with the same objects, and a function like
// fetch() that answers the same requests, so that existing clients run against the model unchanged. Nothing leaves the page.
// What the shape can ask for and Tercet cannot do is refused, never ignored, where the answer would be another.
import { requireThat } from "./checks.js";
import { TercetError } from "./errors.js";
import type { Generation } from "./generation.js";
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionCreateParams,
  ChatCompletionMessageParam,
  ChatCompletionUsage,
} from "./openai_types.js";
import { answerRequest } from "./openai_fetch.js";
import { ThinkingStream } from "./thinking.js";
import type { ChatMessage, ChatOptions, ChatResult, GrammarOption, ModelInfo } from "./types.js";

/** What this file needs of a model. */
export interface Chatting {
  readonly info: ModelInfo;
  chat(messages: readonly ChatMessage[], options?: ChatOptions): Generation<ChatResult>;
}

export interface RequestOptions {
  signal?: AbortSignal | null;
}

type Created<Params extends ChatCompletionCreateParams> = Params extends { stream: true }
  ? AsyncIterable<ChatCompletionChunk>
  : Params extends { stream?: false | null }
    ? ChatCompletion
    : ChatCompletion | AsyncIterable<ChatCompletionChunk>;

/** The part of OpenAI's client that a language model alone can be. */
export class OpenAiFace {
  readonly chat: {
    readonly completions: {
      create<Params extends ChatCompletionCreateParams>(
        params: Params,
        options?: RequestOptions,
      ): Promise<Created<Params>>;
    };
  };

  /**
   * Give it to a client as its fetch: `new OpenAI({ fetch: model.openai.fetch, baseURL: "https://tercet.invalid/v1",
   * apiKey: "none" })`. Answers POST …/chat/completions and GET …/models; no request is made.
   */
  readonly fetch: (input: RequestInfo | URL, init?: RequestInit) => Promise<Response>;

  constructor(model: Chatting) {
    const create = <Params extends ChatCompletionCreateParams>(
      params: Params,
      options: RequestOptions = {},
    ) => createCompletion(model, params, options) as Promise<Created<Params>>;
    this.chat = { completions: { create } };
    this.fetch = (input, init) => answerRequest(model.info, create, input, init);
  }
}

async function createCompletion(
  model: Chatting,
  params: ChatCompletionCreateParams,
  { signal }: RequestOptions,
): Promise<ChatCompletion | AsyncIterable<ChatCompletionChunk>> {
  signal?.throwIfAborted();
  const { messages, options } = readParams(params, model.info);
  const generation = model.chat(messages, signal ? { ...options, signal } : options);
  const head = {
    id: `chatcmpl-${crypto.randomUUID()}`,
    created: Math.floor(Date.now() / 1000),
    model: params.model || model.info.name || "tercet",
    system_fingerprint: model.info.modelId.slice(0, 16),
  };
  if (params.stream === true)
    return chunks(
      head,
      generation,
      model.info,
      params.stream_options?.include_usage === true,
      signal,
    );
  const result = await generation.result;
  signal?.throwIfAborted();
  const { thinking, message } = result;
  return {
    ...head,
    object: "chat.completion",
    choices: [
      {
        index: 0,
        message: {
          role: "assistant",
          content: message.content,
          refusal: null,
          ...(thinking === "" ? {} : { reasoning_content: thinking }),
        },
        logprobs: null,
        finish_reason: finishReason(result),
      },
    ],
    usage: usageOf(result),
  };
}

type Head = Pick<ChatCompletionChunk, "id" | "created" | "model" | "system_fingerprint">;

/** Asked for piece by piece: who stops iterating stops the work. */
async function* chunks(
  head: Head,
  generation: Generation<ChatResult>,
  info: ModelInfo,
  withUsage: boolean,
  signal: AbortSignal | null | undefined,
): AsyncGenerator<ChatCompletionChunk> {
  type Choice = ChatCompletionChunk["choices"][number];
  const chunk = (
    delta: Choice["delta"],
    finish_reason: Choice["finish_reason"] = null,
  ): ChatCompletionChunk => ({
    ...head,
    object: "chat.completion.chunk",
    choices: [{ index: 0, delta, logprobs: null, finish_reason }],
    ...(withUsage ? { usage: null } : {}),
  });
  const parts = new ThinkingStream(info.thinkingMarks);
  const deltas = function* ({ thinking, content }: { thinking: string; content: string }) {
    if (thinking !== "") yield chunk({ reasoning_content: thinking });
    if (content !== "") yield chunk({ content });
  };
  yield chunk({ role: "assistant", content: "", refusal: null });
  for await (const piece of generation) yield* deltas(parts.push(piece));
  const result = await generation.result;
  signal?.throwIfAborted();
  yield* deltas(parts.end());
  yield chunk({}, finishReason(result));
  if (withUsage)
    yield { ...head, object: "chat.completion.chunk", choices: [], usage: usageOf(result) };
}

function finishReason({ finishReason }: ChatResult): "stop" | "length" {
  return finishReason === "length" || finishReason === "context" ? "length" : "stop";
}

function usageOf(result: ChatResult): ChatCompletionUsage {
  const { promptTokens, reusedTokens, tokens } = result;
  return {
    prompt_tokens: promptTokens,
    completion_tokens: tokens.length,
    total_tokens: promptTokens + tokens.length,
    prompt_tokens_details: { cached_tokens: reusedTokens },
  };
}

// ---------------------------------------------------------------- requests

/** What would change the answer and cannot be done; each with the values that ask for nothing. */
const UNABLE: readonly [keyof ChatCompletionCreateParams, (value: unknown) => boolean][] = [
  ["n", (value) => value === 1],
  ["tools", isEmptyList],
  ["functions", isEmptyList],
  ["tool_choice", (value) => value === "none" || value === "auto"],
  ["function_call", (value) => value === "none" || value === "auto"],
  ["presence_penalty", (value) => value === 0],
  ["frequency_penalty", (value) => value === 0],
  ["logit_bias", (value) => typeof value === "object" && Object.keys(value as object).length === 0],
  ["logprobs", (value) => value === false],
  ["top_logprobs", (value) => value === 0],
  ["modalities", (value) => Array.isArray(value) && value.every((one) => one === "text")],
  ["audio", () => false],
  ["web_search_options", () => false],
];

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

function readParams(
  params: ChatCompletionCreateParams,
  info: ModelInfo,
): { messages: ChatMessage[]; options: ChatOptions } {
  requireThat(typeof params === "object" && params !== null, "the request is an object");
  for (const [name, asksNothing] of UNABLE) {
    const value = params[name];
    if (value !== undefined && value !== null && !asksNothing(value))
      throw new TercetError("BAD_ARGUMENT", `${name} is not possible with this engine`);
  }
  requireThat(Array.isArray(params.messages), "messages is an array");
  const { temperature, top_p, top_k, min_p, repetition_penalty, seed, stop } = params;
  const options: ChatOptions = {};
  const maxTokens = params.max_completion_tokens ?? params.max_tokens;
  if (maxTokens != null) options.maxTokens = maxTokens;
  if (temperature != null) options.temperature = temperature;
  if (top_p != null) options.topP = top_p;
  if (top_k != null) options.topK = top_k;
  if (min_p != null) options.minP = min_p;
  if (repetition_penalty != null) options.repetitionPenalty = repetition_penalty;
  // Theirs may be negative; any number repeats its text.
  if (seed != null)
    options.seed = Number.isSafeInteger(seed) ? BigInt.asUintN(64, BigInt(seed)) : seed;
  if (stop != null) options.stop = stop;
  const grammar = readFormat(params.response_format);
  if (grammar) options.grammar = grammar;
  const quiet =
    grammar !== null ||
    params.reasoning_effort === "none" ||
    params.chat_template_kwargs?.enable_thinking === false;
  if (quiet && info.thinkingSwitch) options.thinking = false;
  return { messages: params.messages.map(readMessage), options };
}

/** The schema that the answer is held to; null: none. A model that can be quiet about its thoughts then is. */
function readFormat(format: ChatCompletionCreateParams["response_format"]): GrammarOption | null {
  const { type, json_schema } = (format ?? { type: "text" }) as {
    type?: unknown;
    json_schema?: { schema?: unknown } | null;
  };
  if (type === "text") return null;
  if (type === "json_object") return { jsonSchema: { type: "object" } };
  requireThat(type === "json_schema", `response_format ${String(type)} is not possible`);
  requireThat(json_schema?.schema !== undefined, "response_format.json_schema has a schema");
  return { jsonSchema: json_schema?.schema };
}

function readMessage(message: ChatCompletionMessageParam, index: number): ChatMessage {
  const { role, content } = message ?? {};
  if (role !== "system" && role !== "developer" && role !== "user" && role !== "assistant")
    throw new TercetError("BAD_ARGUMENT", `message ${index} has the role ${String(role)}`);
  const calls = (message as { tool_calls?: unknown }).tool_calls;
  requireThat(
    calls === undefined || calls === null || isEmptyList(calls),
    `message ${index} calls tools, which this engine does not have`,
  );
  return { role: role === "developer" ? "system" : role, content: readContent(content, index) };
}

/** A text, or parts that are texts. */
function readContent(content: unknown, index: number): string {
  if (typeof content === "string") return content;
  requireThat(Array.isArray(content), `message ${index} has no text`);
  return content
    .map((part: unknown) => {
      const { type, text } = (part ?? {}) as { type?: unknown; text?: unknown };
      requireThat(
        type === "text" && typeof text === "string",
        `message ${index} holds ${String(type)}, and this engine takes text`,
      );
      return text;
    })
    .join("");
}
