// announcer.ts: tells a screen reader what happens, in one polite region apart from the visible text (the frame shows it).
// Pieces of a text are held until a sentence ends and some seconds have passed: read token by token, a text is noise.

import { signal } from "@preact/signals";

const SECONDS_BETWEEN = 4;

/** What the region holds now. */
export const spoken = signal("");

let pending = "";
let lastTime = 0;

/** Says `text` now; what was held back is dropped. */
export function say(text: string): void {
  pending = "";
  spoken.value = text;
}

/** Adds a piece of a text that is being written. */
export function hear(piece: string, now = performance.now()): void {
  pending += piece;
  if (now - lastTime < SECONDS_BETWEEN * 1000) return;
  const end = Math.max(...[". ", "! ", "? ", "\n"].map((mark) => pending.lastIndexOf(mark)));
  if (end < 0) return;
  spoken.value = pending.slice(0, end + 1).trim();
  pending = pending.slice(end + 1);
  lastTime = now;
}

/** The text is over: says what is left of it, then `text`. */
export function finishHearing(text: string): void {
  say(`${pending.trim()} ${text}`.trim());
}
