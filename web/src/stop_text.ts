// stop_text.ts: finds the first stop text in a stream of pieces, across their borders: what may be the beginning of one is
// held back until it is or is not. The same rule as the native twin's, so both cut at the same place. Pure.

export class StopText {
  readonly #stops: readonly string[];
  #held = "";
  #found = false;

  constructor(stops: readonly string[]) {
    this.#stops = stops;
  }

  /** A stop text has come; nothing after it is given out. */
  get found(): boolean {
    return this.#found;
  }

  /** Takes a piece, gives what can no longer be part of a stop text. */
  push(piece: string): string {
    if (this.#found) return "";
    const text = this.#held + piece;
    let cut = text.length;
    for (const stop of this.#stops) {
      const at = text.indexOf(stop);
      if (at >= 0 && at < cut) cut = at;
      if (at >= 0) this.#found = true;
    }
    const ready = this.#found
      ? text.slice(0, cut)
      : text.slice(0, text.length - this.#heldBack(text));
    this.#held = this.#found ? "" : text.slice(ready.length);
    return ready;
  }

  /** The end of the stream: what was held back is text after all. */
  end(): string {
    const rest = this.#held;
    this.#held = "";
    return rest;
  }

  /** How many characters at the end begin a stop text. */
  #heldBack(text: string): number {
    let most = 0;
    for (const stop of this.#stops)
      for (let length = Math.min(stop.length - 1, text.length); length > most; length--)
        if (text.endsWith(stop.slice(0, length))) most = length;
    return most;
  }
}
