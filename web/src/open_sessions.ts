// open_sessions.ts: the sessions of the model in this worker: 0 is the model's own, the others are made on request in the memory that
// the load took for them. Work of one session waits its turn; sessions take theirs by steps and slices, so that several texts go on
// side by side. Runs in the worker.
import { TercetError } from "./errors.js";
import type { OpenedSession, SessionShape, SharedCancel } from "./protocol.js";
import type { RunControl } from "./run_control.js";
import type { LateScripts } from "./late_scripts.js";
import { SessionRunner, type OpenSession } from "./session_runner.js";
import type { KvForm } from "./types.js";

interface Entry {
  runner: SessionRunner;
  cancel: SharedCancel | null;
  /** The end of the last piece of work: the next one waits for it. */
  turn: Promise<unknown>;
}

export class OpenSessions {
  /** The model's own; what a session is made like where nothing else is asked. */
  readonly first: OpenSession;
  readonly #entries = new Map<number, Entry>();
  readonly scripts: LateScripts;
  #nextId = 0;

  constructor(first: OpenSession, scripts: LateScripts) {
    this.first = first;
    this.scripts = scripts;
  }

  /** The model's own. */
  openFirst(): OpenedSession {
    return this.#add(this.first);
  }

  create(shape: SessionShape): OpenedSession {
    const { module, model } = this.first;
    const { context, slice, kv } = this.#shapeOf(shape);
    try {
      const session = module.createSession(model, context, slice, kv);
      return this.#add({ ...this.first, session, kv, ...module.sessionInfo(session) });
    } catch (thrown) {
      if (!(thrown instanceof TercetError) || thrown.code !== "OUT_OF_MEMORY") throw thrown;
      throw new TercetError(
        "OUT_OF_MEMORY",
        `${thrown.detail}; load() takes memory for as many sessions as its option "sessions" says`,
        { cause: thrown },
      );
    }
  }

  /** What it would take. */
  bytesOf(shape: SessionShape): number {
    const { module, model } = this.first;
    const { context, slice, kv } = this.#shapeOf(shape);
    const bytes = module.sessionBytes(model, context, slice, kv);
    if (bytes === 0) throw new TercetError("BAD_ARGUMENT", "no session can have that shape");
    return bytes;
  }

  /** Once what runs in it has ended; the model's own stays. */
  async dispose(id: number): Promise<boolean> {
    const entry = this.#entries.get(id);
    if (!entry || id === 0) return false;
    this.#entries.delete(id);
    await entry.turn;
    const { module, session } = entry.runner.open;
    module.destroy(session);
    return true;
  }

  runner(id: number): SessionRunner {
    return this.#entry(id).runner;
  }

  /** Where the page says which request of the session is to stop. */
  stopWord(id: number): Int32Array | null {
    return this.#entries.get(id)?.cancel?.request ?? null;
  }

  /** One after the other, in the order in which they came. Who is stopped while it waits is ABORTED there and then. */
  async inTurn<Value>(
    id: number,
    control: RunControl,
    work: (runner: SessionRunner) => Promise<Value>,
  ): Promise<Value> {
    const entry = this.#entry(id);
    let leave = () => {};
    const stopped = new Promise<never>((_, reject) => {
      leave = () => reject(new TercetError("ABORTED"));
    });
    control.signal.addEventListener("abort", leave, { once: true });
    const mine = entry.turn.then(() => {
      control.signal.removeEventListener("abort", leave);
      if (control.aborted) throw new TercetError("ABORTED");
      return work(entry.runner);
    });
    entry.turn = mine.catch(() => {});
    return Promise.race([mine, stopped]);
  }

  #entry(id: number): Entry {
    const entry = this.#entries.get(id);
    if (!entry) throw new TercetError("DISPOSED", "this session was disposed");
    return entry;
  }

  #add(open: OpenSession): OpenedSession {
    const { module, session, shared } = open;
    const { context, slice, bytes } = module.sessionInfo(session);
    const cancel = shared
      ? {
          request: new Int32Array(new SharedArrayBuffer(4)),
          memory: module.memory,
          flagAddress: module.cancelFlagAddress(session),
        }
      : null;
    const id = this.#nextId++;
    this.#entries.set(id, {
      runner: new SessionRunner(open, this.scripts),
      cancel,
      turn: Promise.resolve(),
    });
    return { session: id, info: { context, slice, kv: open.kv, bytes }, cancel };
  }

  #shapeOf(shape: SessionShape): { context: number; slice: number; kv: KvForm } {
    const { context, slice, kv } = this.first;
    return {
      context: shape.context ?? context,
      slice: shape.slice ?? slice,
      kv: shape.kv ?? kv,
    };
  }
}
