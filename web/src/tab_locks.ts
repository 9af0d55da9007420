// tab_locks.ts: what the tabs of a site agree on while they load: who finds out what an address holds, and who downloads a
// model, so that two tabs do neither twice. Built on Web Locks, which end with their tab however it ends: the next one
// then goes on. Where there are none every tab is on its own.
import { unlessAborted } from "./aborting.js";

/** How often a tab that waits looks whether what it waits for has come. */
const LOOK_MS = 100;

/** Held while a header is read from an address. */
const ADDRESS = "tercet-address-";
/** Held while the chunks of a model are downloaded. */
const MODEL = "tercet-model-";

/** Runs `work` when no other tab is about the same address. `waited`: another one was, and has just ended. */
export async function withAddress<Value>(
  key: string,
  signal: AbortSignal,
  work: (waited: boolean) => Promise<Value>,
): Promise<Value> {
  const locks = lockManager();
  if (!locks) return work(false);
  const name = `${ADDRESS}${key}`;
  const atOnce = await locks.request(name, { ifAvailable: true }, async (lock) =>
    lock ? { value: await work(false) } : null,
  );
  if (atOnce) return atOnce.value;
  return locks.request(name, { signal }, () => work(true));
}

/** Models that some tab is downloading. */
export async function modelsUnderWay(): Promise<Set<string>> {
  const { held = [], pending = [] } = (await lockManager()?.query()) ?? {};
  const names = [...held, ...pending].map(({ name }) => name ?? "");
  return new Set(
    names.filter((name) => name.startsWith(MODEL)).map((name) => name.slice(MODEL.length)),
  );
}

/** One tab's place in the line of those that want to download a model. leave() it at the end, whatever happened. */
export class DownloadTurn {
  readonly #name: string;
  readonly #leave = new AbortController();
  #mine: Promise<void> | null = null;
  #held = false;

  constructor(modelId: string) {
    this.#name = `${MODEL}${modelId}`;
  }

  /** Whether it is this tab that downloads. */
  get held(): boolean {
    return this.#held;
  }

  /** Takes the turn when no other tab has it; does not wait. */
  async takeIfFree(): Promise<boolean> {
    if (!this.#held && !this.#mine) await this.#ask({ ifAvailable: true });
    return this.#held;
  }

  /**
   * Waits until it is this tab's turn (true), or until `came` says that the tab whose turn it is has brought what is
   * wanted (false). Once it is this tab's turn it stays that.
   */
  async wait(came: () => Promise<boolean>, signal: AbortSignal): Promise<boolean> {
    this.#mine ??= this.#ask({ signal: this.#leave.signal });
    for (;;) {
      const turn = this.#mine.then(() => true);
      const next = Promise.race([turn, pause(LOOK_MS)]);
      if (this.#held || (await unlessAborted(signal, next))) return true;
      if (await came()) return false;
    }
  }

  leave(): void {
    this.#leave.abort();
  }

  /** Resolves when the lock is held, and with `ifAvailable` also when it is not to be had; leave() gives it back. */
  #ask(options: LockOptions): Promise<void> {
    const locks = lockManager();
    const { signal } = this.#leave;
    return new Promise((resolve) => {
      const hold = () => {
        this.#held = true;
        resolve();
      };
      if (!locks) return hold();
      locks
        .request(this.#name, options, (lock) => {
          if (!lock) return resolve();
          hold();
          if (signal.aborted) return;
          return new Promise<void>((end) => signal.addEventListener("abort", () => end()));
        })
        .catch(() => {
          // Left before it was our turn; or locks do not work here, and everybody is on their own.
          if (!signal.aborted) hold();
        });
    });
  }
}

function pause(ms: number): Promise<false> {
  return new Promise((resolve) => setTimeout(() => resolve(false), ms));
}

function lockManager(): LockManager | undefined {
  return globalThis.navigator?.locks;
}
