// wasm_session.ts: one text or conversation in work inside the module: prompt, tokens, text, logits, and what is reused.
import { KV, STATUS } from "./generated_constants.js";
import type { KvForm, Sampling, TokenLogprob } from "./types.js";
import type { Handle } from "./wasm_calls.js";
import { WasmText } from "./wasm_text.js";

export interface StepCounts {
  passes: number;
  drafted: number;
  accepted: number;
}

export class WasmSession extends WasmText {
  createSession(model: Handle, context: number, slice: number, kv: KvForm): Handle {
    this.call("session_create", model, context, slice, KV[kv]);
    return this.handle();
  }

  setSampling(session: Handle, sampling: Sampling, seed: bigint): void {
    const { temperature, topK, topP, minP, repetitionPenalty, repetitionWindow } = sampling;
    const args = [temperature, topK, topP, minP, repetitionPenalty, repetitionWindow] as const;
    this.call("session_sampling", session, ...args, seed);
  }

  /** Begins a prompt that is computed while the model arrives: `count` tokens that lie at `address`. */
  arrive(session: Handle, address: number, count: number): void {
    this.call("session_arrive", session, address, count);
  }

  /** A part of that work; false: nothing more to do, or not before more chunks are given. */
  arriveMore(session: Handle): boolean {
    this.call("session_arrive_more", session);
    return this.value(0) === 1;
  }

  /**
   * Computes up to `count` tokens that lie at `address`; returns how many, or null when it was cancelled. With `logits`
   * the logits of each are written there.
   */
  prefill(
    session: Handle,
    address: number,
    count: number,
    logits: { address: number; rows: number } = { address: 0, rows: 0 },
  ): number | null {
    const args = [address, count, logits.address, logits.rows] as const;
    const status = this.call("session_prefill", session, ...args);
    return status === STATUS.CANCELLED ? null : this.value(0);
  }

  /** `part`: only a part of it; there is a token when there are no `more`. */
  step(
    session: Handle,
    part = false,
  ): { status: "token" | "end" | "full" | "cancelled"; token: number; more: boolean } {
    const status = this.call(part ? "session_step_part" : "session_step", session);
    const token = this.value(0);
    const more = this.value(1) === 1;
    if (status === STATUS.END_OF_TEXT) return { status: "end", token, more };
    if (status === STATUS.CONTEXT_FULL) return { status: "full", token, more };
    if (status === STATUS.CANCELLED) return { status: "cancelled", token, more };
    return { status: "token", token, more };
  }

  /** What the last step completed; `flush` also gives a half character, as U+FFFD. */
  takeText(session: Handle, flush: boolean): string {
    this.call("session_text", session, flush ? 1 : 0);
    return this.text(this.value(0), this.value(1));
  }

  resetSession(session: Handle): void {
    this.call("session_reset", session, 0);
  }

  /** Keeps what the session has of these tokens; returns how many those are. */
  reuse(session: Handle, tokens: Uint32Array): number {
    const source = this.createTokens(tokens);
    try {
      this.call("session_reuse", session, source.address, tokens.length);
      return this.value(0);
    } finally {
      this.destroy(source.handle);
    }
  }

  /** Bytes that such a session takes; 0 when it cannot be. */
  sessionBytes(model: Handle, context: number, slice: number, kv: KvForm): number {
    this.call("session_bytes", model, context, slice, KV[kv]);
    return this.value(0);
  }

  /** How many of the likeliest tokens the next steps note; null: nothing is noted. */
  setLogprobs(session: Handle, top: number | null): void {
    this.call("session_set_logprobs", session, top === null ? 0 : 1, top ?? 0);
  }

  /** What the last step noted of its token. */
  logprobs(model: Handle, session: Handle, token: number): TokenLogprob {
    this.call("session_logprobs", session);
    const logprob = this.double(0);
    const count = this.value(1);
    const tokens = this.readWords(this.value(2), count);
    const values = new Float32Array(count);
    this.readFloats(this.value(3), count, values, 0);
    return {
      ...this.tokenText(model, token),
      logprob,
      top: Array.from(tokens, (one, i) => ({
        ...this.tokenText(model, one),
        logprob: values[i] as number,
      })),
    };
  }

  /** Adds the last hidden states of the tokens at `address` to the sums; returns how many were taken, or null. */
  embed(session: Handle, address: number, count: number, sums: number): number | null {
    const status = this.call("session_embed", session, address, count, sums);
    return status === STATUS.CANCELLED ? null : this.value(0);
  }

  /** `count` tokens at `address`, and one behind them; `sum` plus the logarithms of their probabilities. */
  score(
    session: Handle,
    address: number,
    count: number,
    rows: { address: number; rows: number },
    sum: number,
  ): { taken: number; sum: number } | null {
    const args = [address, count, rows.address, rows.rows, sum] as const;
    const status = this.call("session_score", session, ...args);
    return status === STATUS.CANCELLED ? null : { taken: this.value(0), sum: this.double(1) };
  }

  /** Bytes of the session's state: its tokens, and what the model keeps of them. */
  stateBytes(session: Handle): number {
    this.call("session_state_bytes", session);
    return this.value(0);
  }

  /** Bytes [offset, offset + count) of it go to `address`. */
  saveState(session: Handle, offset: number, address: number, count: number): void {
    this.call("session_save", session, BigInt(offset), address, count);
  }

  /** The next part of a state. BAD_STATE or PROMPT_TOO_LONG. */
  restoreState(session: Handle, offset: number, address: number, count: number): void {
    this.call("session_restore", session, BigInt(offset), address, count);
  }

  /** Most tokens of a prompt at once from now on; 0 = as many as the session was made for. */
  setSlice(session: Handle, tokens: number): void {
    this.call("session_slice", session, tokens);
  }

  /** Most tokens that a step computes; 0 = automatic, 1 = no drafts. */
  setSpeculation(session: Handle, tokens: number): void {
    this.call("session_speculation", session, tokens);
  }

  /** Tokens that end a text besides the model's own, from now on. */
  setStopTokens(session: Handle, tokens: Uint32Array): void {
    if (tokens.length === 0) {
      this.call("session_stop_tokens", session, 0, 0);
      return;
    }
    const source = this.createTokens(tokens);
    try {
      this.call("session_stop_tokens", session, source.address, tokens.length);
    } finally {
      this.destroy(source.handle);
    }
  }

  /** A bit for each token that may be sampled, as `words` words at `address`; 0 and 0: every token. */
  setMask(session: Handle, address: number, words: number): void {
    this.call("session_mask", session, address, words);
  }

  /** Since the session was made. */
  stepCounts(session: Handle): StepCounts {
    this.call("session_info", session);
    return { passes: this.value(5), drafted: this.value(6), accepted: this.value(7) };
  }

  sessionInfo(session: Handle): {
    tokens: number;
    context: number;
    slice: number;
    bytes: number;
  } {
    this.call("session_info", session);
    return {
      tokens: this.value(0),
      context: this.value(1),
      slice: this.value(2),
      bytes: this.value(3),
    };
  }

  cancelFlagAddress(session: Handle): number {
    this.call("session_cancel_flag", session);
    return this.value(0);
  }
}
