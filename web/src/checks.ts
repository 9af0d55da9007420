// checks.ts: how the page side says what is wrong with an argument. Everything that a caller passes goes through here
// before it becomes a message.
import { TercetError } from "./errors.js";

export function requireInteger(name: string, value: number, least: number, most: number): void {
  requireThat(
    Number.isInteger(value) && value >= least && value <= most,
    `${name} is an integer from ${least} to ${most}`,
  );
}

/** What stops work. Tested by what is used of it: one of another frame or a polyfill is none of our class. */
export function requireSignal(signal: AbortSignal | null | undefined): void {
  requireThat(
    signal == null ||
      (typeof signal.addEventListener === "function" &&
        typeof signal.removeEventListener === "function"),
    "signal is an AbortSignal",
  );
}

export function requireThat(holds: boolean, sentence: string): asserts holds {
  if (!holds) throw new TercetError("BAD_ARGUMENT", sentence);
}
