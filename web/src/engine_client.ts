// engine_client.ts: the page's end of one worker: ids, the map of pending requests, and crash fan-out. Every request is
// answered exactly once, also when the worker dies, cannot start, or speaks another version. It knows no model and no
// operation in particular.
import { requireSignal } from "./checks.js";
import { abortedError, describe, fromWireError, TercetError } from "./errors.js";
import { Heartbeat } from "./heartbeat.js";
import type { ModuleFiles } from "./module_files.js";
import {
  PROTOCOL_VERSION,
  type ControlMessage,
  type EventOf,
  type FromWorker,
  type Operation,
  type RequestMessage,
  type ResultOf,
  type SharedCancel,
  type ToWorker,
} from "./protocol.js";

/** A worker that has not said "ready" by then will not: its script is missing, blocked or broken. */
const START_TIMEOUT_MS = 20_000;

interface Pending {
  /** In whose turn it runs. */
  session: number;
  resolve: (value: unknown) => void;
  reject: (reason: TercetError) => void;
  onEvent: ((event: EventOf) => void) | undefined;
  detach: () => void;
}

export interface RequestOptions {
  /** Asks the worker to stop; the answer is then the worker's (ABORTED, or a result that says so). */
  signal?: AbortSignal | undefined;
  onEvent?: (event: EventOf) => void;
}

export interface RunningRequest<Value> {
  readonly id: number;
  readonly result: Promise<Value>;
}

/** Another way to a worker and its modules: inlined.ts. */
export interface Spare {
  startInlinedWorker(): Promise<Worker>;
  inlinedModule(name: string): Promise<ModuleFiles>;
}

export class EngineClient {
  #worker: Worker | null = null;
  /** For a worker whose script is not there; taken once. */
  #loadSpare: (() => Promise<Spare>) | null;
  #spare: Spare | null = null;
  readonly #pending = new Map<number, Pending>();
  readonly #waitingToStart: ToWorker[] = [];
  readonly #watching = new AbortController();
  readonly #startTimer: ReturnType<typeof setTimeout>;
  #ready = false;
  #dead: TercetError | null = null;
  #nextId = 1;
  /** How a session is stopped that is inside WebAssembly. */
  readonly #cancels = new Map<number, SharedCancel>();
  readonly #heartbeat = new Heartbeat(
    () => this.#control({ op: "ping" }),
    () => this.#layersRun(),
    () => {
      const text = `the engine gave no sign of work for ${this.#heartbeat.seconds} s`;
      this.#die(new TercetError("ENGINE_CRASHED", text));
    },
  );

  /** `worker` null: it could not be started at all, and the spare one is. */
  constructor(worker: Worker | null, loadSpare: (() => Promise<Spare>) | null = null) {
    this.#loadSpare = loadSpare;
    this.#startTimer = setTimeout(() => {
      this.#die(
        new TercetError(
          "ENGINE_CRASHED",
          `the worker did not start within ${START_TIMEOUT_MS / 1000} s`,
        ),
      );
    }, START_TIMEOUT_MS);
    if (worker) this.#listen(worker);
    else this.#startSpare("the worker could not be started");
  }

  /** Whether the worker came out of the bundle, because none lies beside the script. */
  get usesSpare(): boolean {
    return this.#spare !== null;
  }

  /** From now on abort() also reaches work of this session inside WebAssembly. */
  shareCancel(session: number, cancel: SharedCancel | null): void {
    if (cancel) this.#cancels.set(session, cancel);
    else this.#cancels.delete(session);
  }

  /** Seconds without a sign of work after which the worker is taken for dead; 0: never. */
  set heartbeatSeconds(seconds: number) {
    this.#heartbeat.seconds = seconds;
  }

  /** Why it answers nothing any more; null while it lives. */
  get deathReason(): TercetError | null {
    return this.#dead;
  }

  request<Op extends Operation>(
    message: Extract<RequestMessage, { op: Op }>,
    options: RequestOptions = {},
  ): RunningRequest<ResultOf[Op]> {
    const id = this.#nextId++;
    if (this.#dead) return { id, result: Promise.reject(this.#dead) };
    const { signal } = options;
    const onAbort = () => this.abort(id);
    // First of all: should it throw, nobody waits for an answer.
    signal?.addEventListener("abort", onAbort, { once: true });
    const result = new Promise<unknown>((resolve, reject) => {
      this.#pending.set(id, {
        session: "session" in message ? message.session : 0,
        resolve,
        reject,
        onEvent: options.onEvent,
        detach: () => signal?.removeEventListener("abort", onAbort),
      });
    });
    if (this.#ready) this.#heartbeat.start();
    this.#send({ v: PROTOCOL_VERSION, id, ...message } as ToWorker);
    return { id, result: result as Promise<ResultOf[Op]> };
  }

  /** Stops a running request; harmless when it has ended. */
  abort(target: number): void {
    const pending = this.#pending.get(target);
    if (this.#dead || !pending) return;
    if (!this.#ready) {
      // The worker may be long in coming and has not heard of it: there is nothing to stop but the waiting.
      const waiting = this.#waitingToStart.findIndex(({ id }) => id === target);
      this.#waitingToStart.splice(waiting, 1);
      this.#settle(target)?.reject(abortedError());
      return;
    }
    this.#control({ op: "abort", target });
    const cancel = this.#cancels.get(pending.session);
    if (cancel) {
      // First whom, then that: the worker reads them in the other order.
      Atomics.store(cancel.request, 0, target);
      Atomics.store(new Int32Array(cancel.memory.buffer, cancel.flagAddress, 1), 0, 1);
    }
  }

  grant(target: number, pieces: number | null): void {
    if (!this.#dead && this.#pending.has(target)) this.#control({ op: "demand", target, pieces });
  }

  /** Ends the worker; everything pending is rejected with `reason`. */
  terminate(reason: TercetError): void {
    this.#die(reason);
  }

  #control(message: ControlMessage): void {
    this.#send({ v: PROTOCOL_VERSION, id: 0, ...message });
  }

  #send(message: ToWorker): void {
    if (!this.#ready) {
      this.#waitingToStart.push(message);
      return;
    }
    try {
      this.#worker?.postMessage(message);
    } catch (thrown) {
      // Data that cannot be cloned: the caller's mistake, the worker is well.
      this.#settle(message.id)?.reject(new TercetError("BAD_ARGUMENT", describe(thrown)));
    }
  }

  #listen(worker: Worker): void {
    this.#worker = worker;
    worker.onmessage = (event: MessageEvent<FromWorker>) => this.#receive(event.data);
    worker.onmessageerror = () =>
      this.#die(new TercetError("ENGINE_CRASHED", "a message of the worker was unreadable"));
    worker.onerror = (event) => {
      event.preventDefault();
      // A script that cannot be loaded gives an event without a message.
      const reason =
        event.message ||
        "the worker's script could not be loaded or run: is engine_worker.js there?";
      if (this.#ready) this.#die(new TercetError("ENGINE_CRASHED", reason));
      else this.#startSpare(reason);
    };
  }

  /** `reason`: why the first one does not run. */
  #startSpare(reason: string): void {
    const loadSpare = this.#loadSpare;
    this.#loadSpare = null;
    const fail = (more: string) => this.#die(new TercetError("ENGINE_CRASHED", reason + more));
    if (!loadSpare) {
      fail("");
      return;
    }
    this.#worker?.terminate();
    loadSpare()
      .then(async (spare) => {
        const worker = await spare.startInlinedWorker();
        this.#spare = spare;
        if (this.#dead) worker.terminate();
        else this.#listen(worker);
      })
      .catch((thrown: unknown) => fail(`; nor the one in the bundle: ${describe(thrown)}`));
  }

  async #giveFiles(name: string): Promise<void> {
    const files = await this.#spare?.inlinedModule(name).catch(() => null);
    if (!this.#dead) this.#control({ op: "files", name, files: files ?? null });
  }

  #receive(message: FromWorker): void {
    if (this.#dead) return;
    this.#heartbeat.heard();
    if (message?.v !== PROTOCOL_VERSION) {
      this.#die(
        new TercetError("PROTOCOL", `page ${PROTOCOL_VERSION}, worker ${String(message?.v)}`),
      );
      return;
    }
    switch (message.kind) {
      case "ready":
        clearTimeout(this.#startTimer);
        this.#ready = true;
        if (this.#pending.size > 0) this.#heartbeat.start();
        if (message.lifeLock !== null) this.#watch(message.lifeLock);
        for (const waiting of this.#waitingToStart.splice(0)) this.#send(waiting);
        return;
      case "crashed":
        this.#die(fromWireError(message.error));
        return;
      case "pong":
        return;
      case "ask":
        void this.#giveFiles(message.name);
        return;
      case "event":
        this.#pending.get(message.id)?.onEvent?.(message);
        return;
      case "result":
        this.#settle(message.id)?.resolve(message.value);
        return;
      case "error":
        this.#settle(message.id)?.reject(fromWireError(message.error));
        return;
    }
  }

  /**
   * A worker that is killed or closes itself gives no event at all. But it held a lock, and the browser gives that to us
   * when it is gone.
   */
  #watch(lifeLock: string): void {
    navigator.locks
      .request(lifeLock, { signal: this.#watching.signal }, () => {
        this.#die(new TercetError("ENGINE_CRASHED", "the worker is gone"));
      })
      .catch(() => {
        // Only our own abort in #die ends here.
      });
  }

  /** Of all sessions: whether any is at work. */
  #layersRun(): number {
    let sum = 0;
    for (const { memory, flagAddress } of this.#cancels.values())
      sum += Atomics.load(new Int32Array(memory.buffer, flagAddress, 2), 1);
    return sum;
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (this.#pending.size === 0) this.#heartbeat.stop();
    pending?.detach();
    return pending;
  }

  #die(reason: TercetError): void {
    if (this.#dead) return;
    this.#dead = reason;
    // Shared memory lives as long as anybody holds it, and a disposed model may be held for ever.
    this.#cancels.clear();
    this.#heartbeat.stop();
    clearTimeout(this.#startTimer);
    this.#watching.abort();
    this.#worker?.terminate();
    for (const id of [...this.#pending.keys()]) this.#settle(id)?.reject(reason);
  }
}

/** Rejects at once for a signal that is aborted already, or is none. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  requireSignal(signal);
  if (signal?.aborted) throw abortedError(signal);
}
