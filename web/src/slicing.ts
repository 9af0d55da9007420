// slicing.ts: tokens through the module in slices, with a look at RunControl in between. Where the page can reach the session's
// cancel flag a slice is as long as it likes; elsewhere a stop is seen between slices only, so none shall take long. Runs in the
// worker.
import { TercetError } from "./errors.js";
import { yieldToMessages, type RunControl } from "./run_control.js";
import type { OpenSession } from "./session_runner.js";

/** Without shared memory a slice shall not take longer. */
const SLICE_SECONDS = 0.04;
/** Until the speed is known: the least that can be, or the slowest machine would look dead to a page that waits for a sign. */
const FIRST_SLICE_TOKENS = 1;

export class Slicing {
  readonly #open: OpenSession;
  #secondsPerToken: number | null = null;

  constructor(open: OpenSession) {
    this.#open = open;
  }

  /**
   * Computes `tokens` from place `from` on, as far as it is not stopped; `compute` takes an address and how many are left
   * there, and returns how many it computed, or null when it was cancelled. Returns the place that was reached and the time.
   */
  async run(
    tokens: Uint32Array,
    from: number,
    control: RunControl,
    compute: (address: number, left: number, done: number) => number | null,
    onSlice: (done: number) => void = () => {},
  ): Promise<{ done: number; seconds: number }> {
    const { module, session } = this.#open;
    const source = module.createTokens(tokens);
    let seconds = 0;
    let done = from;
    try {
      while (done < tokens.length && !control.aborted) {
        module.setSlice(session, this.#sliceTokens());
        const begin = performance.now();
        // All that is left, though a slice is taken: so the core knows when the last one comes, whose logits count.
        const taken = compute(source.address + done * 4, tokens.length - done, done);
        const took = (performance.now() - begin) / 1000;
        seconds += took;
        if (taken !== null && taken > 0) {
          done += taken;
          this.#secondsPerToken = took / taken;
          onSlice(done);
        }
        await yieldToMessages();
      }
      return { done, seconds };
    } finally {
      module.destroy(source.handle);
      module.setSlice(session, 0);
    }
  }

  /** What does not fit is refused as a whole, before anything is computed. */
  requireUsable(tokens: Uint32Array): void {
    const { context } = this.#open;
    if (tokens.length > context)
      throw new TercetError(
        "PROMPT_TOO_LONG",
        `${tokens.length} tokens, and the context has ${context}`,
        { where: context },
      );
    this.requireKnown(tokens);
  }

  /** The core sees a slice at a time and would count from its beginning. */
  requireKnown(tokens: Uint32Array): void {
    const { vocabulary } = this.#open.facts;
    const place = tokens.findIndex((token) => token >= vocabulary);
    if (place >= 0)
      throw new TercetError(
        "BAD_TOKEN",
        `token id ${tokens[place]} at place ${place} is not in the vocabulary of ${vocabulary}`,
        { where: place },
      );
  }

  #sliceTokens(): number {
    const { slice, shared } = this.#open;
    if (shared) return slice;
    if (this.#secondsPerToken === null) return Math.min(slice, FIRST_SLICE_TOKENS);
    return Math.max(1, Math.min(slice, Math.floor(SLICE_SECONDS / this.#secondsPerToken)));
  }
}
