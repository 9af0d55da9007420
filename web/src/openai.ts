// openai.ts: the model in the shape of OpenAI's client: chat.completions.create with the same objects, and a function like fetch()
// that answers the same requests, so that existing clients run against the model unchanged. Nothing leaves the page. What answers is in
// openai_answers.ts, which is loaded with the first question: most pages have none.
import type { Generation } from "./generation.js";
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionCreateParams,
  CreateEmbeddingResponse,
  EmbeddingCreateParams,
} from "./openai_types.js";
import type { Prompt } from "./session.js";
import type { ChatMessage, ChatOptions, ChatResult, EmbedResult, ModelInfo } from "./types.js";

/** What this file needs of a model. */
export interface Chatting {
  readonly info: ModelInfo;
  embed(text: Prompt, options?: { signal?: AbortSignal | undefined }): Promise<EmbedResult>;
  chat(messages: readonly ChatMessage[], options?: ChatOptions): Generation<ChatResult>;
}

export interface RequestOptions {
  signal?: AbortSignal | null | undefined;
}

/** chat.completions.create(): one answer, or its pieces as they come with `stream: true`. Rejects with a TercetError. */
export interface CreateCompletion {
  (
    params: ChatCompletionCreateParams & { stream?: false | null | undefined },
    options?: RequestOptions,
  ): Promise<ChatCompletion>;
  (
    params: ChatCompletionCreateParams & { stream: true },
    options?: RequestOptions,
  ): Promise<AsyncIterable<ChatCompletionChunk>>;
  (
    params: ChatCompletionCreateParams,
    options?: RequestOptions,
  ): Promise<ChatCompletion | AsyncIterable<ChatCompletionChunk>>;
}

/** The part of OpenAI's client that a language model alone can be. */
export class OpenAiFace {
  readonly chat: { readonly completions: { readonly create: CreateCompletion } };

  readonly embeddings: {
    /** One text after the other; the vectors are not of length 1. */
    create(
      params: EmbeddingCreateParams,
      options?: RequestOptions,
    ): Promise<CreateEmbeddingResponse>;
  };

  /**
   * Give it to a client as its fetch: `new OpenAI({ fetch: model.openai.fetch, baseURL: "https://tercet.invalid/v1",
   * apiKey: "none" })`. Answers POST …/chat/completions, POST …/embeddings and GET …/models; no
   * request is made.
   */
  readonly fetch: (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

  constructor(model: Chatting) {
    const answers = () => import("./openai_answers.js");
    const create = async (params: ChatCompletionCreateParams, options: RequestOptions = {}) =>
      (await answers()).createCompletion(model, params, options);
    this.chat = { completions: { create: create as CreateCompletion } };
    const embed = async (params: EmbeddingCreateParams, options: RequestOptions = {}) =>
      (await answers()).createEmbeddings(model, params, options);
    this.embeddings = { create: embed };
    this.fetch = async (input, init) =>
      (await answers()).answerRequest(model.info, { create, embed }, input, init);
  }
}
