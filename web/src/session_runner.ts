// session_runner.ts: the work with one session of a loaded model: text to tokens, a prompt in slices, tokens one by one. Everything is a
// loop of short calls into the module with a look at RunControl in between. Runs in the worker, one request of a session at a time;
// it knows no messages.
import { TercetError } from "./errors.js";
import type { ChatPrompt, EventOf, GenerateMessage, PromptMessage } from "./protocol.js";
import { yieldToMessages, type RunControl } from "./run_control.js";
import type { GrammarGuide } from "./grammar_guide.js";
import type { LateScripts } from "./late_scripts.js";
import { Slicing } from "./slicing.js";
import { StopText } from "./stop_text.js";
import { splitThinking } from "./thinking.js";
import type {
  ChatResult,
  FinishReason,
  GenerateResult,
  KvForm,
  Sampling,
  SpeculationResult,
  TokenLogprob,
} from "./types.js";
import type { ChatFacts, Handle, ModelFacts, StepCounts, WasmModule } from "./wasm_module.js";

/** What wasm/abi_loader.c plans room for: more text than this a token of context may not fit. */
const TEXT_BYTES_PER_TOKEN = 8;

export interface OpenSession {
  module: WasmModule;
  model: Handle;
  session: Handle;
  facts: ModelFacts;
  context: number;
  slice: number;
  kv: KvForm;
  threads: number;
  kernels: string;
  /** Whether the page can reach the session's cancel flag. */
  shared: boolean;
}

export class SessionRunner {
  readonly open: OpenSession;
  readonly slicing: Slicing;
  readonly #scripts: LateScripts;
  /** Of the text in work, when it is held to a grammar. */
  #guide: GrammarGuide | null = null;

  constructor(open: OpenSession, scripts: LateScripts) {
    this.open = open;
    this.slicing = new Slicing(open);
    this.#scripts = scripts;
  }

  tokenize(text: string, options: { addBeginning: boolean; parseSpecial: boolean }): Uint32Array {
    const lone = /\p{Surrogate}/u.exec(text);
    if (lone)
      throw new TercetError("INVALID_UTF8", `half a character at place ${lone.index} of the text`, {
        where: lone.index,
      });
    return this.open.module.tokenize(this.open.model, text, options);
  }

  detokenize(tokens: Uint32Array): string {
    return this.open.module.detokenize(this.open.model, tokens);
  }

  async generate(
    message: GenerateMessage,
    control: RunControl,
    emit: (event: EventOf) => void,
  ): Promise<GenerateResult | ChatResult> {
    try {
      return await this.#generate(message, control, emit);
    } finally {
      this.#guide?.close();
      this.#guide = null;
    }
  }

  async #generate(
    message: GenerateMessage,
    control: RunControl,
    emit: (event: EventOf) => void,
  ): Promise<GenerateResult | ChatResult> {
    const { module, model, session, facts } = this.open;
    const started = performance.now();
    const stop = new StopText(message.stop);
    const tokens: number[] = [];
    const noted: TokenLogprob[] = [];
    let told = 0;
    let text = "";
    const give = (piece: string) => {
      if (piece === "") return;
      text += piece;
      control.taken();
      emit({ event: "piece", text: piece, logprobs: noted.slice(told) });
      told = noted.length;
    };

    const sampling: Sampling = { ...facts.sampling, ...message.sampling };
    module.setSampling(session, sampling, message.seed);
    const { prompt, chat } = this.#readPrompt(message);
    if (prompt.length === 0)
      throw new TercetError(
        "BAD_ARGUMENT",
        "the prompt is empty, and this model has no token to begin with",
      );

    const stopTokens = chat?.stopTokens ?? new Uint32Array(0);
    module.setStopTokens(session, stopTokens);
    if (message.grammar)
      this.#guide = await this.#scripts.openGrammar(
        message.grammar,
        this.open,
        stopTokens,
        prompt,
        () => control.aborted,
      );
    const timer =
      message.layerTimes === null
        ? null
        : await this.#scripts.timeLayers(this.open, message.layerTimes, (times) =>
            emit({ event: "layers", times }),
          );
    module.setSpeculation(session, message.speculation);
    module.setLogprobs(session, message.logprobs);
    const before = module.stepCounts(session);
    this.slicing.requireUsable(prompt);
    const reused = module.reuse(session, prompt);
    const progress = (done: number) => {
      if (message.promptProgress) emit({ event: "prompt", done, total: prompt.length, reused });
    };
    progress(reused);
    const { seconds: promptSeconds } = await this.slicing.run(
      prompt,
      reused,
      control,
      (address, left) => module.prefill(session, address, left),
      progress,
    );
    const most = message.maxTokens ?? Infinity;
    let finishReason: FinishReason = "length";
    let decodeSeconds = 0;
    let timeToFirstTokenSeconds = 0;
    while (tokens.length < most) {
      if (control.aborted) {
        finishReason = "aborted";
        break;
      }
      if (!control.wanted) {
        await control.waitForDemand();
        continue;
      }
      const begin = performance.now();
      if (this.#guide && !(await this.#guide.apply(() => control.aborted))) continue;
      const { status, token } = timer ? timer.step() : module.step(session);
      if (status === "end" || status === "full") {
        finishReason = status === "end" ? "stop" : "context";
        break;
      }
      if (status === "token") {
        tokens.push(token);
        if (message.logprobs !== null) noted.push(module.logprobs(model, session, token));
        if (this.#guide?.accept(token)) finishReason = "stop";
        give(stop.push(module.takeText(session, false)));
        if (tokens.length === 1) timeToFirstTokenSeconds = secondsSince(started);
      }
      await yieldToMessages();
      decodeSeconds += secondsSince(begin);
      if (stop.found || finishReason === "stop") break;
    }
    if (finishReason !== "aborted") give(stop.push(module.takeText(session, true)));
    give(stop.end());
    if (stop.found) finishReason = "stop-text";
    const result: GenerateResult = {
      text,
      tokens,
      finishReason,
      promptTokens: prompt.length,
      reusedTokens: reused,
      speculation: speculationSince(before, module.stepCounts(session)),
      timings: {
        promptSeconds,
        decodeSeconds,
        timeToFirstTokenSeconds,
        tokensPerSecond: rate(tokens.length, decodeSeconds),
      },
      seed: message.seed,
      logprobs: message.logprobs === null ? null : noted,
    };
    if (!chat) return result;
    const { thinking, content } = splitThinking(text, chat.thinkingMarks);
    return { ...result, thinking, message: { role: "assistant", content } };
  }

  /** Tokens of a prompt as generate() would compute them. */
  tokensOf(message: PromptMessage): Uint32Array {
    return this.#readPrompt(message).prompt;
  }

  #readPrompt(message: PromptMessage): { prompt: Uint32Array; chat: ChatFacts | null } {
    const { prompt } = message;
    if (prompt instanceof Uint32Array) return { prompt, chat: null };
    if (typeof prompt === "string")
      return {
        prompt: this.#fitting([prompt], () => this.tokenize(prompt, message)),
        chat: null,
      };
    return this.#readChat(prompt);
  }

  #readChat(chat: ChatPrompt): { prompt: Uint32Array; chat: ChatFacts } {
    const { module, model } = this.open;
    const facts = module.chatFacts(model, chat.format);
    const texts = chat.messages.map(({ content }) => content);
    return { prompt: this.#fitting(texts, () => module.tokenizeChat(model, chat)), chat: facts };
  }

  /** More text than the context can hold may not even fit into memory. */
  #fitting(texts: string[], work: () => Uint32Array): Uint32Array {
    try {
      return work();
    } catch (thrown) {
      if (!(thrown instanceof TercetError) || thrown.code !== "OUT_OF_MEMORY") throw thrown;
      const { context } = this.open;
      const bytes = texts.reduce((sum, text) => sum + new TextEncoder().encode(text).length, 0);
      if (bytes <= context * TEXT_BYTES_PER_TOKEN) throw thrown;
      throw new TercetError(
        "PROMPT_TOO_LONG",
        `${bytes} bytes of text are more than the engine's memory holds for a context of ${context} tokens`,
        { cause: thrown },
      );
    }
  }
}

function speculationSince(before: StepCounts, after: StepCounts): SpeculationResult {
  const drafted = after.drafted - before.drafted;
  const accepted = after.accepted - before.accepted;
  return {
    passes: after.passes - before.passes,
    draftedTokens: drafted,
    acceptedTokens: accepted,
    acceptance: drafted > 0 ? accepted / drafted : 0,
  };
}

function secondsSince(begin: number): number {
  return (performance.now() - begin) / 1000;
}

/** 0 when nothing was measured. */
export function rate(tokens: number, seconds: number): number {
  return seconds > 0 ? tokens / seconds : 0;
}
