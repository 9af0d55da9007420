// token_stream.ts: an async iterator that pulls. Pieces are pushed in by the producer and handed out in order; the
// producer is told how many more the consumer will take, so it never runs ahead by more than the window. break, return()
// and throw() stop the producer. It knows nothing of workers or models.

/** What the stream needs of its producer. */
export interface PieceProducer {
  /** Called once, with the first demand (null = no limit). */
  start(demand: number | null): void;
  /** More pieces may be sent; null = no limit from now on. */
  grant(pieces: number | null): void;
  /** The consumer is gone. */
  stop(): void;
}

/** Pieces that the producer may be ahead of the consumer: hides the way between threads, costs a few tokens on break. */
const WINDOW_PIECES = 8;

type Waiter = {
  resolve: (result: IteratorResult<string, undefined>) => void;
  reject: (reason: unknown) => void;
};

export class TokenStream implements AsyncIterableIterator<string> {
  readonly #producer: PieceProducer;
  readonly #queue: string[] = [];
  readonly #waiters: Waiter[] = [];
  #started = false;
  #unlimited = false;
  #ended = false;
  #failure: { reason: unknown } | null = null;

  constructor(producer: PieceProducer) {
    this.#producer = producer;
  }

  /** Starts the work if nobody has, and lets it run without waiting for a consumer. */
  runFreely(): void {
    if (this.#unlimited) return;
    this.#unlimited = true;
    if (this.#ended) return;
    if (this.#started) {
      this.#producer.grant(null);
    } else {
      this.#started = true;
      this.#producer.start(null);
    }
  }

  /** Producer side: one more piece. */
  push(piece: string): void {
    if (this.#ended) return;
    const waiter = this.#waiters.shift();
    if (waiter) {
      waiter.resolve({ value: piece, done: false });
      this.#taken();
    } else {
      this.#queue.push(piece);
    }
  }

  /** Producer side: no more pieces. What is queued is still handed out. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const waiter of this.#waiters.splice(0)) waiter.resolve({ value: undefined, done: true });
  }

  /** Producer side: the work failed. What is queued is still handed out, then the reason is thrown, once. */
  fail(reason: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    const waiter = this.#waiters.shift();
    if (waiter) waiter.reject(reason);
    else this.#failure = { reason };
    for (const other of this.#waiters.splice(0)) other.resolve({ value: undefined, done: true });
  }

  next(): Promise<IteratorResult<string, undefined>> {
    if (!this.#started && !this.#ended) {
      this.#started = true;
      this.#producer.start(WINDOW_PIECES); // may end or fail at once
    }
    const piece = this.#queue.shift();
    if (piece !== undefined) {
      this.#taken();
      return Promise.resolve({ value: piece, done: false });
    }
    if (this.#failure) {
      const { reason } = this.#failure;
      this.#failure = null;
      return Promise.reject(reason);
    }
    if (this.#ended) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  /** The consumer leaves: `break` in a for-await loop comes here. */
  return(): Promise<IteratorResult<string, undefined>> {
    this.#queue.length = 0;
    if (!this.#ended) {
      this.end();
      this.#producer.stop();
    }
    return Promise.resolve({ value: undefined, done: true });
  }

  throw(reason: unknown): Promise<IteratorResult<string, undefined>> {
    void this.return();
    return Promise.reject(reason);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #taken(): void {
    if (!this.#unlimited && !this.#ended) this.#producer.grant(1);
  }
}
