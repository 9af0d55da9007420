// platform.ts: the public side in one file: worker and modules are texts in it, nothing is looked for beside it.
import { EngineClient } from "../engine_client.js";
import { TercetError } from "../errors.js";
import * as inlined from "../inlined.js";

export { featureScope, LOADABLE, resolveAddress, tell } from "../page.js";

export const SPARE_NOTICE = "";

export function startWorker(assetsUrl: string | null): EngineClient {
  if (typeof Worker !== "function")
    throw new TercetError("UNSUPPORTED_BROWSER", "there are no web workers here");
  if (assetsUrl !== null)
    throw new TercetError("BAD_ARGUMENT", "tercet/single has its files in itself: no assetsUrl");
  return new EngineClient(null, async () => inlined);
}
