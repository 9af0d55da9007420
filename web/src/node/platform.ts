// platform.ts: the public side in Node: the worker is a thread of node:worker_threads in the clothes of a web worker, addresses
// without a scheme are paths, and files can be loaded. It takes the place of ../platform.ts in dist/node/.
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Worker as Thread } from "node:worker_threads";
import { EngineClient } from "../engine_client.js";
import { TercetError } from "../errors.js";
import type { FromWorker, ToWorker } from "../protocol.js";

export const SPARE_NOTICE = "";

/** Of the addresses that load() takes. */
export const LOADABLE = /^(https?|file):$/;

/** A path, or an address with a scheme ("c:" is a drive). */
export function resolveAddress(address: string | URL): string {
  const text = String(address);
  return /^[a-z][a-z0-9+.-]+:/i.test(text) ? new URL(text).href : pathToFileURL(resolve(text)).href;
}

/** Standard output belongs to the script. */
export function tell(sentence: string): void {
  console.error(sentence);
}

/** What features() looks at: in Node memory can always be shared. */
export function featureScope(): typeof globalThis {
  return {
    WebAssembly,
    SharedArrayBuffer,
    crypto,
    crossOriginIsolated: true,
    navigator: { hardwareConcurrency: availableParallelism() },
  } as unknown as typeof globalThis;
}

export function startWorker(assetsUrl: string | null): EngineClient {
  if (assetsUrl !== null)
    throw new TercetError(
      "BAD_ARGUMENT",
      "in Node the files of the engine lie in the package: no assetsUrl",
    );
  return new EngineClient(new WorkerThread() as unknown as Worker);
}

/** As much of a web worker as EngineClient uses. It keeps the process alive only while something is asked of it. */
class WorkerThread {
  onmessage: ((event: { data: FromWorker }) => void) | null = null;
  onmessageerror: (() => void) | null = null;
  onerror: ((event: { message: string; preventDefault(): void }) => void) | null = null;
  readonly #thread = new Thread(new URL("./engine_worker.js", import.meta.url));
  readonly #unanswered = new Set<number>();
  #ended = false;

  constructor() {
    this.#thread.on("message", (data: FromWorker) => {
      if (data.kind === "result" || data.kind === "error") this.#unanswered.delete(data.id);
      if (this.#unanswered.size === 0 && data.kind !== "event") this.#thread.unref();
      this.onmessage?.({ data });
    });
    this.#thread.on("messageerror", () => this.onmessageerror?.());
    this.#thread.on("error", (error) => this.#fail(error.message));
    // A web worker that ends gives no event, and there is a lock for that; here there is one.
    this.#thread.on("exit", () => this.#fail("the worker is gone"));
  }

  postMessage(message: ToWorker): void {
    // Throws for what cannot be cloned, and that is never answered.
    this.#thread.postMessage(message);
    if (message.id > 0) {
      this.#unanswered.add(message.id);
      this.#thread.ref();
    }
  }

  terminate(): void {
    this.#ended = true;
    void this.#thread.terminate();
  }

  #fail(message: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.onerror?.({ message, preventDefault: () => {} });
  }
}
