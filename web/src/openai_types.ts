// openai_types.ts: the objects of OpenAI's chat completions as far as a language model alone has them. Written so that what
// this library gives can be passed where the types of the npm package `openai` are wanted, and what its users build can be
// passed here; a test compiles both ways. Names are theirs.

export interface ChatCompletionTextPart {
  type: "text";
  text: string;
}

export interface ChatCompletionMessageParam {
  role: string;
  content?: string | readonly (ChatCompletionTextPart | { type: string })[] | null;
}

export interface ChatCompletionCreateParams {
  /** Any name: there is one model. It stands in the answer. */
  model?: string;
  messages: readonly ChatCompletionMessageParam[];
  stream?: boolean | null;
  stream_options?: { include_usage?: boolean } | null;
  max_completion_tokens?: number | null;
  max_tokens?: number | null;
  temperature?: number | null;
  top_p?: number | null;
  stop?: string | string[] | null;
  seed?: number | null;
  /** "none" asks for an answer without thinking, where the model's format has a switch for it. */
  reasoning_effort?: string | null;
  /** Not OpenAI's, but common among servers of open models. */
  top_k?: number | null;
  min_p?: number | null;
  repetition_penalty?: number | null;
  chat_template_kwargs?: { enable_thinking?: boolean };
  logprobs?: boolean | null;
  /** 0 to 20; only with logprobs. */
  top_logprobs?: number | null;
  /** Refused with BAD_ARGUMENT where they ask for anything. */
  n?: number | null;
  tools?: readonly unknown[];
  functions?: readonly unknown[];
  tool_choice?: unknown;
  function_call?: unknown;
  presence_penalty?: number | null;
  frequency_penalty?: number | null;
  logit_bias?: Record<string, number> | null;
  response_format?: unknown;
  modalities?: readonly string[] | null;
  audio?: unknown;
  web_search_options?: unknown;
}

export interface ChatCompletionTokenLogprob {
  token: string;
  bytes: number[] | null;
  logprob: number;
  top_logprobs: { token: string; bytes: number[] | null; logprob: number }[];
}

/** `content`: of every token, thinking included. */
export interface ChatCompletionLogprobs {
  content: ChatCompletionTokenLogprob[] | null;
  refusal: null;
}

export interface EmbeddingCreateParams {
  /** Texts, or token ids. */
  input: string | readonly string[] | readonly number[] | readonly (readonly number[])[];
  /** Any name: there is one model. */
  model?: string;
  /** "base64": the numbers as little-endian f32. */
  encoding_format?: "float" | "base64";
  /** Refused unless it is what the model has. */
  dimensions?: number;
  user?: string;
}

export interface CreateEmbeddingResponse {
  object: "list";
  model: string;
  /** With encoding_format "base64" each embedding is a string, as OpenAI's client expects it. */
  data: { object: "embedding"; index: number; embedding: number[] }[];
  usage: { prompt_tokens: number; total_tokens: number };
}

export interface ChatCompletionUsage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  /** Prompt tokens that were computed for an earlier text already. */
  prompt_tokens_details: { cached_tokens: number };
}

export interface ChatCompletion {
  id: string;
  object: "chat.completion";
  created: number;
  model: string;
  /** Names the model: the first digits of its id. */
  system_fingerprint: string;
  choices: {
    index: number;
    message: {
      role: "assistant";
      content: string;
      refusal: null;
      /** What the model thought before it answered. */
      reasoning_content?: string;
    };
    logprobs: ChatCompletionLogprobs | null;
    finish_reason: "stop" | "length";
  }[];
  usage: ChatCompletionUsage;
}

export interface ChatCompletionChunk {
  id: string;
  object: "chat.completion.chunk";
  created: number;
  model: string;
  system_fingerprint: string;
  choices: {
    index: number;
    delta: {
      role?: "assistant";
      content?: string;
      refusal?: null;
      reasoning_content?: string;
    };
    logprobs: ChatCompletionLogprobs | null;
    finish_reason: "stop" | "length" | null;
  }[];
  /** With stream_options.include_usage: null until the last chunk, which has no choices. */
  usage?: ChatCompletionUsage | null;
}
