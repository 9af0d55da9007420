// activity.ts: what the model is busy with, one thing at a time, and the tokens as they come: whoever writes, chats or
// measures says so here, and every view can watch it, whichever view began it. Counts and times; knows no view.

import { signal } from "@preact/signals";
import type { GenerateResult, TokenLogprob } from "../library.js";

export type Kind = "write" | "chat" | "bench" | "inspect";

/** Something that is under way, or the last that was. */
export interface Activity {
  readonly kind: Kind;
  /** As performance.now(). */
  readonly startedAt: number;
  readonly running: boolean;
  /** Pieces so far, and the exact number of tokens from the result on. */
  readonly tokens: number;
  /** Tokens a second: of the last second while it runs, of the whole from the result on. 0: unknown. */
  readonly tokensPerSecond: number;
  /** Seconds until the first piece; null: there is none yet. */
  readonly firstSeconds: number | null;
  readonly result: GenerateResult | null;
}

/** A piece of text as it came; nearly always one token. */
export interface TokenEvent {
  readonly kind: Kind;
  /** From 0 within the activity. */
  readonly index: number;
  readonly text: string;
  /** As performance.now(). */
  readonly time: number;
  /** What was noted of its tokens; empty without the option `logprobs`. */
  readonly logprobs: readonly TokenLogprob[];
}

/** Given to who begins an activity. */
export interface Run {
  /** For every call into the library: stopRunning() aborts it. */
  readonly signal: AbortSignal;
  token(text: string, logprobs?: readonly TokenLogprob[]): void;
  /** It is over, well or not. Calling it again does nothing. */
  end(result?: GenerateResult): void;
}

/** The present activity, or the last one with `running` false; null before the first. Changes at most once a frame. */
export const activity = signal<Activity | null>(null);

const RATE_WINDOW_MS = 1000;
const listeners = new Set<(event: TokenEvent) => void>();
let stop: AbortController | null = null;

/** Calls `listener` with every piece as it comes, until the returned function is called. */
export function onToken(listener: (event: TokenEvent) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** null while something else is running: a view asks `activity` before it offers to begin. */
export function begin(kind: Kind): Run | null {
  if (stop !== null) return null;
  const own = new AbortController();
  stop = own;
  const startedAt = performance.now();
  const times: number[] = [];
  let tokens = 0;
  let frame = 0;
  let firstSeconds: number | null = null;
  const show = (running: boolean, result: GenerateResult | null) => {
    activity.value = {
      kind,
      startedAt,
      running,
      tokens: result?.tokens.length ?? tokens,
      tokensPerSecond: result?.timings.tokensPerSecond ?? rateOf(times),
      firstSeconds: result && tokens > 0 ? result.timings.timeToFirstTokenSeconds : firstSeconds,
      result,
    };
  };
  show(true, null);
  return {
    signal: own.signal,
    token(text, logprobs = []) {
      if (stop !== own) return;
      const time = performance.now();
      firstSeconds ??= (time - startedAt) / 1000;
      times.push(time);
      while (times.length > 2 && time - (times[0] ?? time) > RATE_WINDOW_MS) times.shift();
      const event = { kind, index: tokens++, text, time, logprobs };
      for (const listener of listeners) listener(event);
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        if (stop === own) show(true, null);
      });
    },
    end(result) {
      if (stop !== own) return;
      stop = null;
      cancelAnimationFrame(frame);
      show(false, result ?? null);
    },
  };
}

/** Asks what is running to stop; it ends by itself soon after. */
export function stopRunning(): void {
  stop?.abort();
}

/** Of the pieces of the last second; too few of them tell nothing. */
function rateOf(times: readonly number[]): number {
  const first = times[0];
  const last = times.at(-1);
  if (first === undefined || last === undefined || times.length < 3) return 0;
  return last > first ? ((times.length - 1) / (last - first)) * 1000 : 0;
}
