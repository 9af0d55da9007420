// heartbeat.ts: whether a worker that was asked for something is still at work. It answers pings wherever it hears messages: while it
// is idle, and between slices and steps; during a long call a count of layers in shared memory stands for an answer. Seconds are counted in
// beats of our own clock, so that a computer that slept, or a page that was frozen, is not taken for a dead worker. On a page without shared
// memory nothing can answer during a pass, but a pass there is one token or a slice of 40 ms (slicing.ts): who is silent for
// longer than a token takes is dead there too.

const BEAT_MS = 1000;

export class Heartbeat {
  readonly #ping: () => void;
  /** What changes while it is at work. */
  readonly #progress: () => number;
  readonly #missed: () => void;
  /** Beats without a sign after which it is dead; 0: never. */
  seconds = 30;
  #timer: ReturnType<typeof setInterval> | null = null;
  #silent = 0;
  #seen = 0;

  constructor(ping: () => void, progress: () => number, missed: () => void) {
    this.#ping = ping;
    this.#progress = progress;
    this.#missed = missed;
  }

  /** Somebody waits for the worker. */
  start(): void {
    if (this.#timer !== null || this.seconds === 0) return;
    this.#silent = 0;
    this.#timer = setInterval(() => this.#beat(), BEAT_MS);
  }

  /** Nobody does. */
  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** It said something. */
  heard(): void {
    this.#silent = 0;
  }

  #beat(): void {
    const progress = this.#progress();
    if (progress !== this.#seen) this.#silent = 0;
    this.#seen = progress;
    this.#silent += 1;
    if (this.#silent > this.seconds) this.#missed();
    else this.#ping();
  }
}
