// run_control.ts: what the page may still say about a request that runs: stop, or how many more pieces it will take. The
// worker's loops look here between two steps. It also holds the one way to let messages in without losing time.

/** null: all of them. What is no number grants nothing. */
const piecesOf = (demand: number | null): number => Number(demand ?? Infinity) || 0;

export class RunControl {
  readonly id: number;
  readonly session: number;
  readonly #abort = new AbortController();
  /** Shared with the page: the id of the request to stop, seen without a message. null when memory is not shared. */
  readonly #sharedRequest: Int32Array | null;
  #demand: number;
  #wake: (() => void) | null = null;

  constructor(id: number, demand: number | null, sharedRequest: Int32Array | null, session = 0) {
    this.id = id;
    this.session = session;
    this.#demand = piecesOf(demand);
    this.#sharedRequest = sharedRequest;
  }

  /** For work that takes signals. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get aborted(): boolean {
    if (this.#sharedRequest && Atomics.load(this.#sharedRequest, 0) === this.id) return true;
    return this.#abort.signal.aborted;
  }

  abort(): void {
    this.#abort.abort();
    this.#wake?.();
  }

  grant(pieces: number | null): void {
    this.#demand += piecesOf(pieces);
    this.#wake?.();
  }

  get wanted(): boolean {
    return this.#demand > 0;
  }

  taken(): void {
    this.#demand -= 1;
  }

  /** Until there is demand or an abort. */
  async waitForDemand(): Promise<void> {
    while (!this.wanted && !this.aborted) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = null;
    }
  }
}

let turn: MessageChannel | undefined; // made when it is wanted: Node's event loop does not end while one is open
const waiting: (() => void)[] = [];

/** Lets messages that have arrived be handled; some microseconds, where a timer would take milliseconds. */
export function yieldToMessages(): Promise<void> {
  if (!turn) {
    turn = new MessageChannel();
    turn.port1.onmessage = () => waiting.shift()?.();
  }
  const { port2 } = turn;
  return new Promise((resolve) => {
    waiting.push(resolve);
    port2.postMessage(null);
  });
}
