// session_runner.ts: the work with a loaded model: text to tokens, a prompt in slices, tokens one by one, logits, a bench.
// Everything is a loop of short calls into the module with a look at RunControl in between. Runs in the worker, one
// request at a time; it knows no messages.
import { TercetError } from "./errors.js";
import type { ChatPrompt, GenerateMessage } from "./protocol.js";
import { yieldToMessages, type RunControl } from "./run_control.js";
import type { GrammarGuide } from "./grammar_guide.js";
import type { GrammarLoader } from "./grammar_loader.js";
import { StopText } from "./stop_text.js";
import { splitThinking } from "./thinking.js";
import type {
  BenchResult,
  ChatResult,
  FinishReason,
  GenerateResult,
  Sampling,
  SpeculationResult,
} from "./types.js";
import type { ChatFacts, Handle, ModelFacts, StepCounts, WasmModule } from "./wasm_module.js";

/** Without shared memory a cancel is seen between slices only, so a slice shall not take longer. */
const SLICE_SECONDS = 0.04;
/** Until the speed is known. */
const FIRST_SLICE_TOKENS = 4;
/** What wasm/abi_loader.c plans room for: more text than this a token of context may not fit. */
const TEXT_BYTES_PER_TOKEN = 8;

export interface OpenSession {
  module: WasmModule;
  model: Handle;
  session: Handle;
  facts: ModelFacts;
  context: number;
  slice: number;
  threads: number;
  kernels: string;
  /** Whether the page can reach the session's cancel flag. */
  shared: boolean;
}

export class SessionRunner {
  readonly #open: OpenSession;
  readonly #grammars: GrammarLoader;
  /** Of the text in work, when it is held to a grammar. */
  #guide: GrammarGuide | null = null;
  #secondsPerToken: number | null = null;

  constructor(open: OpenSession, grammars: GrammarLoader) {
    this.#open = open;
    this.#grammars = grammars;
  }

  tokenize(text: string, options: { addBeginning: boolean; parseSpecial: boolean }): Uint32Array {
    const lone = /\p{Surrogate}/u.exec(text);
    if (lone)
      throw new TercetError("INVALID_UTF8", `half a character at place ${lone.index} of the text`, {
        where: lone.index,
      });
    return this.#open.module.tokenize(this.#open.model, text, options);
  }

  detokenize(tokens: Uint32Array): string {
    return this.#open.module.detokenize(this.#open.model, tokens);
  }

  async generate(
    message: GenerateMessage,
    control: RunControl,
    emit: (piece: string) => void,
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
    emit: (piece: string) => void,
  ): Promise<GenerateResult | ChatResult> {
    const { module, session, facts } = this.#open;
    const started = performance.now();
    const stop = new StopText(message.stop);
    const tokens: number[] = [];
    let text = "";
    const give = (piece: string) => {
      if (piece === "") return;
      text += piece;
      control.taken();
      emit(piece);
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
      this.#guide = await this.#grammars.open(message.grammar, this.#open, stopTokens);
    module.setSpeculation(session, message.speculation);
    const before = module.stepCounts(session);
    const { seconds: promptSeconds, reused } = await this.#prefill(prompt, control);
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
      this.#guide?.apply();
      const { status, token } = module.step(session);
      if (status === "end" || status === "full") {
        finishReason = status === "end" ? "stop" : "context";
        break;
      }
      if (status === "token") {
        tokens.push(token);
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
    };
    if (!chat) return result;
    const { thinking, content } = splitThinking(text, chat.thinkingMarks);
    return { ...result, thinking, message: { role: "assistant", content } };
  }

  /** Logits of every position. The tokens are computed in slices, as many rows at once as memory has room for. */
  async logits(tokens: Uint32Array, control: RunControl): Promise<Float32Array> {
    const { module, session, facts, slice } = this.#open;
    const { vocabulary } = facts;
    this.#requireUsable(tokens);
    const result = takeFloats(tokens.length * vocabulary);
    if (tokens.length === 0) return result;
    module.resetSession(session);
    const source = module.createTokens(tokens);
    const rows = this.#logitRows(Math.min(slice, tokens.length), vocabulary);
    try {
      for (let done = 0; done < tokens.length;) {
        throwIfStopped(control);
        const left = tokens.length - done;
        const taken = module.prefill(session, source.address + done * 4, left, rows);
        if (taken !== null) {
          module.readFloats(rows.address, taken * vocabulary, result, done * vocabulary);
          done += taken;
        }
        await yieldToMessages();
      }
      return result;
    } finally {
      module.destroy(rows.handle);
      module.destroy(source.handle);
    }
  }

  async bench(
    wanted: { promptTokens: number; decodeTokens: number },
    control: RunControl,
  ): Promise<BenchResult> {
    const { module, session, facts, context } = this.#open;
    const decodeTokens = Math.min(wanted.decodeTokens, context - 1);
    const promptTokens = Math.min(wanted.promptTokens, context - decodeTokens);
    // Any tokens will do; these are spread over the vocabulary, so that no cache helps the embedding.
    const prompt = Uint32Array.from(
      { length: promptTokens },
      (_, i) => (i * 7919 + 1) % facts.tokenCount,
    );
    module.resetSession(session);
    module.setSampling(session, { ...facts.sampling, temperature: 0 }, 0n);
    // Every token is to cost a pass.
    module.setSpeculation(session, 1);
    const { seconds: promptSeconds } = await this.#prefill(prompt, control);
    throwIfStopped(control);
    let decodeSeconds = 0;
    for (let done = 0; done < decodeTokens;) {
      throwIfStopped(control);
      const begin = performance.now();
      const { status, token } = module.step(session);
      // The bench goes on after the end of a text: what counts is the work.
      const computed = status === "end" ? this.#computeOne(token) : status === "token";
      decodeSeconds += secondsSince(begin);
      if (computed) done += 1;
      await yieldToMessages();
    }
    const { kernels, threads } = this.#open;
    const promptTokensPerSecond = rate(promptTokens, promptSeconds);
    const decodeTokensPerSecond = rate(decodeTokens, decodeSeconds);
    const packedGigabytesPerSecond = (facts.dataBytes * decodeTokensPerSecond) / 1e9;
    const memoryBytes = module.memory.buffer.byteLength;
    return {
      promptTokens,
      promptTokensPerSecond,
      decodeTokens,
      decodeTokensPerSecond,
      packedGigabytesPerSecond,
      kernels,
      threads,
      variant: module.variant,
      memoryBytes,
      figures: {
        decode_tokens_per_s: decodeTokensPerSecond,
        prompt_tokens_per_s: promptTokensPerSecond,
        packed_gb_per_s: packedGigabytesPerSecond,
        peak_memory_bytes: memoryBytes,
        kernels,
        threads,
      },
    };
  }

  #computeOne(token: number): boolean {
    const { module, session } = this.#open;
    const buffer = module.createTokens(Uint32Array.of(token));
    try {
      return module.prefill(session, buffer.address, 1) === 1;
    } finally {
      module.destroy(buffer.handle);
    }
  }

  #readPrompt(message: GenerateMessage): { prompt: Uint32Array; chat: ChatFacts | null } {
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
    const { module, model } = this.#open;
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
      const { context } = this.#open;
      const bytes = texts.reduce((sum, text) => sum + new TextEncoder().encode(text).length, 0);
      if (bytes <= context * TEXT_BYTES_PER_TOKEN) throw thrown;
      throw new TercetError(
        "PROMPT_TOO_LONG",
        `${bytes} bytes of text are more than the engine's memory holds for a context of ${context} tokens`,
        { cause: thrown },
      );
    }
  }

  /**
   * Computes the prompt, as far as it is not stopped, behind what the session has of it already from an earlier text: a
   * second turn costs only what is new.
   */
  async #prefill(
    prompt: Uint32Array,
    control: RunControl,
  ): Promise<{ seconds: number; reused: number }> {
    const { module, session } = this.#open;
    this.#requireUsable(prompt);
    const source = module.createTokens(prompt);
    let seconds = 0;
    try {
      const reused = module.reuse(session, source.address, prompt.length);
      for (let done = reused; done < prompt.length && !control.aborted;) {
        module.setSlice(session, this.#sliceTokens());
        const begin = performance.now();
        // All that is left, though a slice is taken: so the core knows when the last one comes, whose logits count.
        const taken = module.prefill(session, source.address + done * 4, prompt.length - done);
        const took = secondsSince(begin);
        seconds += took;
        if (taken !== null && taken > 0) {
          done += taken;
          this.#secondsPerToken = took / taken;
        }
        await yieldToMessages();
      }
      return { seconds, reused };
    } finally {
      module.destroy(source.handle);
      module.setSlice(session, 0);
    }
  }

  /** What does not fit is refused as a whole, before anything is computed. */
  #requireUsable(tokens: Uint32Array): void {
    const { context, facts } = this.#open;
    if (tokens.length > context)
      throw new TercetError(
        "PROMPT_TOO_LONG",
        `${tokens.length} tokens, and the context has ${context}`,
        { where: context },
      );
    // The core sees a slice at a time and would count from its beginning.
    const place = tokens.findIndex((token) => token >= facts.vocabulary);
    if (place >= 0)
      throw new TercetError(
        "BAD_TOKEN",
        `token id ${tokens[place]} at place ${place} is not in the vocabulary of ${facts.vocabulary}`,
        { where: place },
      );
  }

  #sliceTokens(): number {
    const { slice, shared } = this.#open;
    if (shared) return slice;
    if (this.#secondsPerToken === null) return Math.min(slice, FIRST_SLICE_TOKENS);
    return Math.max(1, Math.min(slice, Math.floor(SLICE_SECONDS / this.#secondsPerToken)));
  }

  /** The most rows of logits that fit into memory now. */
  #logitRows(rows: number, vocabulary: number): { handle: Handle; address: number; rows: number } {
    for (; ; rows = Math.ceil(rows / 2)) {
      try {
        return { ...this.#open.module.createBuffer(rows * vocabulary * 4), rows };
      } catch (thrown) {
        const full = thrown instanceof TercetError && thrown.code === "OUT_OF_MEMORY";
        if (!full || rows === 1) throw thrown;
      }
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

function takeFloats(count: number): Float32Array {
  try {
    return new Float32Array(count);
  } catch (thrown) {
    throw new TercetError("OUT_OF_MEMORY", `no room for ${count} logits: ask for fewer tokens`, {
      cause: thrown,
    });
  }
}

function throwIfStopped(control: RunControl): void {
  if (control.aborted) throw new TercetError("ABORTED");
}

/** 0 when nothing was measured. */
function rate(tokens: number, seconds: number): number {
  return seconds > 0 ? tokens / seconds : 0;
}

function secondsSince(begin: number): number {
  return (performance.now() - begin) / 1000;
}
