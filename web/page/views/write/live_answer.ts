// live_answer.ts: an answer while it comes in. Pieces are collected and told at most once a frame, so that nothing is drawn twice;
// no frames come while the tab is hidden, and the text then waits here, whole.

import type { TokenLogprob } from "../../library.js";
import { notedTokens, type NotedToken } from "./conversation.js";

export class LiveAnswer {
  text = "";
  readonly noted: NotedToken[] = [];
  readonly #listeners = new Set<() => void>();
  #frame = 0;

  push(piece: string, logprobs: readonly TokenLogprob[]): void {
    this.text += piece;
    if (logprobs.length > 0) this.noted.push(...notedTokens(piece, logprobs));
    else if (this.noted.length > 0) this.noted.push(...notedTokens(piece, []));
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      for (const listener of this.#listeners) listener();
    });
  }

  /** Calls `listener` after new text, once a frame, until the returned function is called. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Nothing more is told. */
  end(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#listeners.clear();
  }
}
