// announcer.ts: tells a screen reader what happens, in one polite region apart from the visible text. Pieces
// of a story are held until a sentence ends and some seconds have passed: read token by token, a story
// is noise.

const SECONDS_BETWEEN = 4;

export class Announcer {
  readonly #region: HTMLElement;
  #pending = "";
  #lastTime = 0;

  constructor(region: HTMLElement) {
    this.#region = region;
  }

  /** Says `text` now; what was held back of a story is dropped. */
  say(text: string): void {
    this.#pending = "";
    this.#region.textContent = text;
  }

  /** Adds a piece of a story. */
  hear(piece: string, now: number): void {
    this.#pending += piece;
    if (now - this.#lastTime < SECONDS_BETWEEN * 1000) return;
    const end = Math.max(
      ...[". ", "! ", "? ", "\n"].map((mark) => this.#pending.lastIndexOf(mark)),
    );
    if (end < 0) return;
    this.#region.textContent = this.#pending.slice(0, end + 1).trim();
    this.#pending = this.#pending.slice(end + 1);
    this.#lastTime = now;
  }

  /** The story is over: says what is left of it, then `text`. */
  finish(text: string): void {
    this.say(`${this.#pending.trim()} ${text}`.trim());
  }
}
