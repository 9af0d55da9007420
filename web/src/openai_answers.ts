// openai_answers.ts: what stands behind the face of openai.ts: their requests to ours, our results to their objects. What the shape can
// ask for and Tercet cannot do is refused, never ignored, where the answer would be another.
import { requireSignal, requireThat } from "./checks.js";
import { describe, TercetError } from "./errors.js";
import type { Generation } from "./generation.js";
import type { Chatting, RequestOptions } from "./openai.js";
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionCreateParams,
  ChatCompletionLogprobs,
  ChatCompletionMessageParam,
  ChatCompletionUsage,
  CreateEmbeddingResponse,
  EmbeddingCreateParams,
} from "./openai_types.js";
import { ThinkingStream } from "./thinking.js";
import type {
  ChatMessage,
  ChatOptions,
  ChatResult,
  GrammarOption,
  LikelyToken,
  ModelInfo,
  TokenLogprob,
} from "./types.js";

export { answerRequest } from "./openai_fetch.js";

export async function createCompletion(
  model: Chatting,
  params: ChatCompletionCreateParams,
  { signal }: RequestOptions,
): Promise<ChatCompletion | AsyncIterable<ChatCompletionChunk>> {
  requireSignal(signal);
  signal?.throwIfAborted();
  const { messages, options } = readParams(params, model.info);
  // Of each piece that comes, in order.
  const noted: TokenLogprob[][] = [];
  if (params.stream === true && options.logprobs !== undefined)
    options.onLogprobs = (logprobs) => noted.push(logprobs);
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
      noted,
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
        logprobs: logprobsOf(result.logprobs),
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
  noted: TokenLogprob[][],
  signal: AbortSignal | null | undefined,
): AsyncGenerator<ChatCompletionChunk> {
  type Choice = ChatCompletionChunk["choices"][number];
  const chunk = (
    delta: Choice["delta"],
    finish_reason: Choice["finish_reason"] = null,
    logprobs: Choice["logprobs"] = null,
  ): ChatCompletionChunk => ({
    ...head,
    object: "chat.completion.chunk",
    choices: [{ index: 0, delta, logprobs, finish_reason }],
    ...(withUsage ? { usage: null } : {}),
  });
  const parts = new ThinkingStream(info.thinkingMarks);
  // What was noted goes out with the first text that comes after it.
  let waiting: TokenLogprob[] = [];
  const take = () => logprobsOf(waiting.length > 0 ? waiting.splice(0) : null);
  const deltas = function* ({ thinking, content }: { thinking: string; content: string }) {
    if (thinking !== "") yield chunk({ reasoning_content: thinking }, null, take());
    if (content !== "") yield chunk({ content }, null, take());
  };
  yield chunk({ role: "assistant", content: "", refusal: null });
  for await (const piece of generation) {
    waiting = waiting.concat(noted.shift() ?? []);
    yield* deltas(parts.push(piece));
  }
  const result = await generation.result;
  signal?.throwIfAborted();
  yield* deltas(parts.end());
  yield chunk({}, finishReason(result), take());
  if (withUsage)
    yield { ...head, object: "chat.completion.chunk", choices: [], usage: usageOf(result) };
}

function logprobsOf(noted: TokenLogprob[] | null): ChatCompletionLogprobs | null {
  if (noted === null) return null;
  const shape = ({ text, bytes, logprob }: LikelyToken) => ({ token: text, bytes, logprob });
  const content = noted.map((one) => ({ ...shape(one), top_logprobs: one.top.map(shape) }));
  return { content, refusal: null };
}

export async function createEmbeddings(
  model: Chatting,
  params: EmbeddingCreateParams,
  { signal }: RequestOptions,
): Promise<CreateEmbeddingResponse> {
  requireThat(typeof params === "object" && params !== null, "the request is an object");
  const { input, encoding_format = "float", dimensions } = params;
  const { hidden } = model.info;
  requireThat(
    dimensions === undefined || dimensions === null || dimensions === hidden,
    `dimensions is ${hidden}, as the model has them`,
  );
  requireThat(
    encoding_format === "float" || encoding_format === "base64",
    "encoding_format is float or base64",
  );
  const one = typeof input === "string" || (Array.isArray(input) && typeof input[0] === "number");
  const texts = (one ? [input] : input) as readonly (string | readonly number[])[];
  requireThat(
    Array.isArray(texts) && texts.length > 0 && texts.every((text) => (text?.length ?? 0) > 0),
    "input is a text, an array of texts, or token ids; none is empty",
  );
  const data: CreateEmbeddingResponse["data"] = [];
  let tokens = 0;
  for (const [index, text] of texts.entries()) {
    const result = await model.embed(text, signal ? { signal } : {});
    tokens += result.tokens;
    // Their type does not know of the strings that their client asks for.
    const embedding = (
      encoding_format === "base64" ? base64(result.embedding) : [...result.embedding]
    ) as number[];
    data.push({ object: "embedding", index, embedding });
  }
  const usage = { prompt_tokens: tokens, total_tokens: tokens };
  return { object: "list", model: params.model || model.info.name || "tercet", data, usage };
}

function base64(values: Float32Array): string {
  let bytes = "";
  for (const byte of new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
    bytes += String.fromCharCode(byte);
  return btoa(bytes);
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
  if (params.logprobs === true) options.logprobs = params.top_logprobs ?? 0;
  requireThat(
    params.logprobs === true || (params.top_logprobs ?? 0) === 0,
    "top_logprobs needs logprobs",
  );
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
  requireThat(type === "json_schema", `response_format ${describe(type)} is not possible`);
  requireThat(json_schema?.schema !== undefined, "response_format.json_schema has a schema");
  return { jsonSchema: json_schema?.schema };
}

function readMessage(message: ChatCompletionMessageParam, index: number): ChatMessage {
  const { role, content } = message ?? {};
  if (role !== "system" && role !== "developer" && role !== "user" && role !== "assistant")
    throw new TercetError("BAD_ARGUMENT", `message ${index} has the role ${describe(role)}`);
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
        `message ${index} holds ${describe(type)}, and this engine takes text`,
      );
      return text;
    })
    .join("");
}
