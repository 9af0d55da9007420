// worker_scope.ts: gives a thread of Node what the engine's worker expects around it: messages as events, and facts about the
// machine. Imported before the worker itself; it changes the globals of this thread and of no other.
import { availableParallelism } from "node:os";
import { parentPort } from "node:worker_threads";

if (!parentPort)
  throw new Error("engine_worker.js runs in a thread that tercet starts, not by itself");
const port = parentPort;
const events = new EventTarget();
/** Set by the worker, as in a browser. */
const scope = globalThis as unknown as { onmessage: ((event: MessageEvent) => void) | null };

const define = (name: string, value: unknown) =>
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });

scope.onmessage = null;
port.on("message", (data: unknown) => {
  const event = new MessageEvent("message", { data });
  scope.onmessage?.(event);
  events.dispatchEvent(event);
});
define("addEventListener", events.addEventListener.bind(events));
define("removeEventListener", events.removeEventListener.bind(events));
define("postMessage", (message: unknown, transfer: ArrayBuffer[] = []) =>
  port.postMessage(message, transfer),
);
process.on("unhandledRejection", (reason) => {
  events.dispatchEvent(Object.assign(new Event("unhandledrejection"), { reason }));
});
// No locks: the end of a thread is an event here, and no other process knows of this one's loads.
define("navigator", { hardwareConcurrency: availableParallelism() });
// In Node memory can always be shared.
define("crossOriginIsolated", true);
