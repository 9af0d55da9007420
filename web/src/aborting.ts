// aborting.ts: how long somebody who wants to stop waits for work that hears no signals.
import { abortedError } from "./errors.js";

/** ABORTED at once, also for work that hears no signals, such as the import of a script from a server that is silent. */
export function unlessAborted<Value>(signal: AbortSignal, work: Promise<Value>): Promise<Value> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(abortedError(signal));
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
