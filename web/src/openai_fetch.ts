// openai_fetch.ts: requests of OpenAI's HTTP interface answered in the page: a function like fetch() that never fetches. Errors
// have the shape and the status codes that clients expect of a server.
import { describe, TercetError, type ErrorCode } from "./errors.js";
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionCreateParams,
  CreateEmbeddingResponse,
  EmbeddingCreateParams,
} from "./openai_types.js";
import type { ModelInfo } from "./types.js";

/** What answers the two kinds of POST. */
interface Answers {
  create(
    params: ChatCompletionCreateParams,
    options: { signal?: AbortSignal | null },
  ): Promise<ChatCompletion | AsyncIterable<ChatCompletionChunk>>;
  embed(
    params: EmbeddingCreateParams,
    options: { signal?: AbortSignal | null },
  ): Promise<CreateEmbeddingResponse>;
}

/** The caller's mistakes; the rest is the server's. */
const REFUSED: readonly ErrorCode[] = [
  "BAD_ARGUMENT",
  "BAD_GRAMMAR",
  "BAD_TOKEN",
  "INVALID_UTF8",
  "NO_CHAT_FORMAT",
  "PROMPT_TOO_LONG",
];

export async function answerRequest(
  info: ModelInfo,
  answers: Answers,
  input: string | URL | Request,
  init: RequestInit | undefined,
): Promise<Response> {
  const request = new Request(input, init);
  const { signal } = request;
  signal.throwIfAborted();
  const path = new URL(request.url).pathname;
  if (request.method === "GET" && path.endsWith("/models")) return json(200, models(info));
  const chats = path.endsWith("/chat/completions");
  if (request.method !== "POST" || !(chats || path.endsWith("/embeddings")))
    return refusal(404, `there is no ${request.method} ${path} here`, "not_found");
  let params: ChatCompletionCreateParams & EmbeddingCreateParams;
  try {
    params = (await request.json()) as typeof params;
  } catch (thrown) {
    return refusal(400, `the body is no JSON: ${describe(thrown)}`, "invalid_json");
  }
  const stop = new AbortController();
  signal.addEventListener("abort", () => stop.abort(signal.reason), { once: true });
  try {
    if (!chats) return json(200, await answers.embed(params, { signal }));
    const created = await answers.create(params, { signal: stop.signal });
    return isStream(created) ? events(created, stop) : json(200, created);
  } catch (thrown) {
    signal.throwIfAborted();
    const { status, body } = errorBody(thrown);
    return json(status, body);
  }
}

function isStream(
  created: ChatCompletion | AsyncIterable<ChatCompletionChunk>,
): created is AsyncIterable<ChatCompletionChunk> {
  return Symbol.asyncIterator in created;
}

function models(info: ModelInfo): object {
  const id = info.name || "tercet";
  return { object: "list", data: [{ id, object: "model", created: 0, owned_by: "tercet" }] };
}

function errorBody(thrown: unknown): { status: number; body: object } {
  const code = thrown instanceof TercetError ? thrown.code : "ENGINE_CRASHED";
  const caller = REFUSED.includes(code);
  return {
    status: caller ? 400 : 503,
    body: {
      error: {
        message: thrown instanceof TercetError ? thrown.message : describe(thrown),
        type: caller ? "invalid_request_error" : "server_error",
        param: null,
        code: code === "PROMPT_TOO_LONG" ? "context_length_exceeded" : code.toLowerCase(),
      },
    },
  };
}

function refusal(status: number, message: string, code: string): Response {
  return json(status, { error: { message, type: "invalid_request_error", param: null, code } });
}

function json(status: number, body: unknown): Response {
  // A client that repeats what failed would only fail again: nothing here gets better by waiting.
  const headers = { "Content-Type": "application/json", "x-should-retry": "false" };
  return new Response(JSON.stringify(body), { status, headers });
}

/** Server-sent events, made as they are read; who stops reading stops the work. */
function events(chunks: AsyncIterable<ChatCompletionChunk>, stop: AbortController): Response {
  const iterator = chunks[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const say = (text: string) => controller.enqueue(encoder.encode(`data: ${text}\n\n`));
        try {
          const { value, done } = await iterator.next();
          say(done ? "[DONE]" : JSON.stringify(value));
          if (done) controller.close();
        } catch (thrown) {
          if (!(thrown instanceof TercetError)) {
            controller.error(thrown); // the reason of an abort, as fetch() has it
            return;
          }
          say(JSON.stringify(errorBody(thrown).body));
          controller.close();
        }
      },
      async cancel() {
        // The iterator alone would first wait for its next piece, which may be a long prompt away.
        stop.abort();
        await iterator.return?.();
      },
    },
    { highWaterMark: 0 },
  );
  const headers = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
  };
  return new Response(body, { headers });
}
