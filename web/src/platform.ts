// platform.ts: what the public side needs of the place where it runs; this one is a browser page whose files lie apart. A file
// of the same name in single/ or node/ takes its place in the builds for those (build.mjs).
import { EngineClient } from "./engine_client.js";
import { describe, TercetError } from "./errors.js";

export { featureScope, LOADABLE, resolveAddress, tell } from "./page.js";

/** Told with the model when it runs out of the bundle; "": no news. */
export const SPARE_NOTICE =
  "no worker lies beside this script, so the copy inside the bundle runs; hosting.md has a leaner way";

/** `assetsUrl` null: the worker lies beside this script, or where a bundler put it, or in the bundle as a text. */
export function startWorker(assetsUrl: string | null): EngineClient {
  if (typeof Worker !== "function")
    throw new TercetError("UNSUPPORTED_BROWSER", "there are no web workers here");
  if (assetsUrl !== null)
    return new EngineClient(startApart(new URL("engine_worker.js", assetsUrl)));
  let worker: Worker | null = null;
  try {
    // Written out in this form, so that bundlers see a worker and bring it along.
    worker = new Worker(new URL("./engine_worker.js", import.meta.url), { type: "module" });
  } catch {
    // A script from another site: no page may start a worker of that site.
  }
  return new EngineClient(worker, () => import("./inlined.js"));
}

function startApart(script: URL): Worker {
  try {
    return new Worker(script, { type: "module" });
  } catch (thrown) {
    throw new TercetError(
      "ENGINE_CRASHED",
      `the worker could not be started: ${describe(thrown)}`,
      { cause: thrown },
    );
  }
}
