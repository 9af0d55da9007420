// generation.ts: one text in work, seen from the page: the message that starts it, the stream that it comes by, its result. It
// must never import a worker file.
import { requireInteger, requireSignal, requireThat } from "./checks.js";
import type { EngineClient } from "./engine_client.js";
import { TercetError } from "./errors.js";
import { SESSION } from "./generated_constants.js";
import type { GenerateMessage } from "./protocol.js";
import { TokenStream } from "./token_stream.js";
import type { GenerateOptions, GenerateResult, GrammarOption, Sampling } from "./types.js";

/** One piece of running or waiting work; iterate it, or await `result`, or both. */
export interface Generation<Result = GenerateResult> extends AsyncIterableIterator<string> {
  /**
   * Everything about the finished text. Also resolves, with finishReason "aborted", after break, return() or an aborted
   * signal; rejects only for errors. Asking for it lets the work run without waiting for an iterating consumer.
   */
  readonly result: Promise<Result>;
}

/** @internal Made by Session. */
export class RunningGeneration<Result extends GenerateResult> implements Generation<Result> {
  readonly #stream: TokenStream;
  readonly #result: Promise<Result>;

  constructor(
    client: EngineClient,
    message: Omit<GenerateMessage, "demand">,
    options: Pick<
      GenerateOptions,
      "signal" | "onToken" | "onLogprobs" | "onLayerTimes" | "onPromptProgress"
    >,
    /** The result of a text that was stopped before it began. */
    aborted: (seed: bigint) => Result,
    /** Told before anybody else. */
    onResult: (result: Result) => void = () => {},
  ) {
    const { signal, onToken, onLogprobs, onLayerTimes, onPromptProgress } = options;
    let settle: (result: Result | PromiseLike<Result>) => void;
    this.#result = new Promise((resolve) => (settle = resolve));
    // A consumer that only iterates gets the failure from the iterator; then nobody need look at the promise.
    this.#result.catch(() => {});
    let running: number | null = null;
    this.#stream = new TokenStream({
      start: (demand) => {
        if (signal?.aborted) {
          settle(aborted(message.seed));
          this.#stream.end();
          return;
        }
        const { id, result: answer } = client.request<"generate">(
          { ...message, demand },
          {
            signal,
            onEvent: (event) => {
              if (event.event === "prompt") {
                const { done, total, reused } = event;
                onPromptProgress?.({ done, total, reused });
              }
              if (event.event === "layers") onLayerTimes?.(event.times);
              if (event.event !== "piece") return;
              // First of all: a callback may throw. Who reads the stream goes on after the callbacks.
              this.#stream.push(event.text);
              try {
                if (event.logprobs.length > 0) onLogprobs?.(event.logprobs);
              } finally {
                onToken?.(event.text);
              }
            },
          },
        );
        running = id;
        // Stopped while it waited behind another one: a text that was stopped, like any other.
        const result = (answer as Promise<Result>).then(
          (value) => {
            onResult(value);
            return value;
          },
          (reason: unknown) => {
            if (reason instanceof TercetError && reason.code === "ABORTED")
              return aborted(message.seed);
            throw reason;
          },
        );
        result.then(
          () => this.#stream.end(),
          (reason: unknown) => this.#stream.fail(reason),
        );
        settle(result);
      },
      grant: (pieces) => {
        if (running !== null) client.grant(running, pieces);
      },
      stop: () => {
        if (running !== null) client.abort(running);
        else settle(aborted(message.seed));
      },
    });
    if (onToken) this.#stream.runFreely();
  }

  get result(): Promise<Result> {
    this.#stream.runFreely();
    return this.#result;
  }

  next() {
    return this.#stream.next();
  }

  return() {
    return this.#stream.return();
  }

  throw(reason: unknown) {
    return this.#stream.throw(reason);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/** @internal A generation that was stopped before it began. */
export function abortedResult(seed: bigint): GenerateResult {
  return {
    text: "",
    tokens: [],
    finishReason: "aborted",
    promptTokens: 0,
    reusedTokens: 0,
    speculation: { passes: 0, draftedTokens: 0, acceptedTokens: 0, acceptance: 0 },
    timings: { promptSeconds: 0, decodeSeconds: 0, timeToFirstTokenSeconds: 0, tokensPerSecond: 0 },
    seed,
    logprobs: null,
  };
}

/** @internal */
export function generateMessage(
  prompt: GenerateMessage["prompt"],
  options: GenerateOptions,
  session: number,
): Omit<GenerateMessage, "demand"> {
  const {
    maxTokens,
    seed = randomSeed(),
    stop = [],
    speculation = "auto",
    logprobs,
    onLayerTimes,
    layerTimesEvery = 8,
    onPromptProgress,
    addBeginning = true,
    parseSpecial = true,
  } = options;
  requireSignal(options.signal);
  if (logprobs !== undefined) requireInteger("logprobs", logprobs, 0, SESSION.LOGPROBS_TOP_MAX);
  requireInteger("layerTimesEvery", layerTimesEvery, 1, 2 ** 31 - 1);
  if (maxTokens !== undefined) requireInteger("maxTokens", maxTokens, 0, 2 ** 31 - 1);
  requireThat(
    typeof stop === "string" || Array.isArray(stop),
    "stop is a string or an array of strings",
  );
  const stopTexts = typeof stop === "string" ? [stop] : [...stop];
  requireThat(
    stopTexts.every((text) => typeof text === "string" && text.length > 0),
    "stop texts are strings that are not empty",
  );
  requireThat(
    stopTexts.every((text) => !/\p{Surrogate}/u.test(text)),
    "stop texts hold no half characters: they would cut whole ones",
  );
  return {
    op: "generate",
    grammar: grammarValue(options.grammar),
    session,
    prompt,
    sampling: samplingOf(options),
    seed: seedValue(seed),
    maxTokens: maxTokens ?? null,
    speculation: speculationValue(speculation),
    stop: stopTexts,
    logprobs: logprobs ?? null,
    layerTimes: onLayerTimes ? layerTimesEvery : null,
    promptProgress: onPromptProgress !== undefined,
    addBeginning,
    parseSpecial,
  };
}

/** Only what the caller gave; the worker fills in the model's own. Ranges are checked by the core. */
function samplingOf(options: GenerateOptions): Partial<Sampling> {
  const names = [
    "temperature",
    "topK",
    "topP",
    "minP",
    "repetitionPenalty",
    "repetitionWindow",
  ] as const;
  const sampling: Partial<Sampling> = {};
  for (const name of names) {
    const value = options[name];
    if (value === undefined) continue;
    requireThat(typeof value === "number" && Number.isFinite(value), `${name} is a number`);
    if (name === "topK" || name === "repetitionWindow") requireInteger(name, value, 0, 2 ** 32 - 1);
    sampling[name] = value;
  }
  return sampling;
}

/** A copy that can cross to the worker. What the grammar says is looked at there. */
function grammarValue(grammar: GrammarOption | undefined): GrammarOption | null {
  if (grammar === undefined) return null;
  const kinds = ["jsonSchema", "regex", "ebnf"] as const;
  requireThat(
    typeof grammar === "object" &&
      grammar !== null &&
      Object.keys(grammar).length === 1 &&
      kinds.some((kind) => grammar[kind] !== undefined),
    "grammar is { jsonSchema }, { regex } or { ebnf }",
  );
  for (const kind of ["regex", "ebnf"] as const)
    requireThat(
      grammar[kind] === undefined || typeof grammar[kind] === "string",
      `grammar.${kind} is a string`,
    );
  try {
    return JSON.parse(JSON.stringify(grammar)) as GrammarOption;
  } catch (thrown) {
    throw new TercetError("BAD_GRAMMAR", "the schema is no JSON", { cause: thrown });
  }
}

function speculationValue(speculation: "auto" | "off" | number): number {
  if (speculation === "auto") return 0;
  if (speculation === "off") return 1;
  requireThat(
    Number.isInteger(speculation) &&
      speculation >= 2 &&
      speculation <= SESSION.SPECULATION_AUTOMATIC,
    `speculation is "auto", "off", or an integer from 2 to ${SESSION.SPECULATION_AUTOMATIC}`,
  );
  return speculation;
}

function seedValue(seed: number | bigint): bigint {
  requireThat(
    typeof seed === "bigint" || Number.isSafeInteger(seed),
    "seed is an integer; above 2^53 a BigInt",
  );
  const value = BigInt(seed);
  requireThat(value >= 0n && value < 1n << 64n, "seed is between 0 and 2^64 - 1");
  return value;
}

/** Small enough to be written down and typed again. */
function randomSeed(): bigint {
  return BigInt(crypto.getRandomValues(new Uint32Array(1))[0] as number);
}

/** @internal */
export function tokenArray(tokens: Uint32Array | readonly number[]): Uint32Array {
  if (tokens instanceof Uint32Array) return tokens;
  requireThat(Array.isArray(tokens), "tokens are a Uint32Array or an array of numbers");
  requireThat(
    // A copy: every() passes over holes.
    [...tokens].every((token) => Number.isInteger(token) && token >= 0 && token < 2 ** 32),
    "token ids are integers from 0",
  );
  return Uint32Array.from(tokens);
}
