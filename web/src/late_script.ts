// late_script.ts: how the worker gets a script that only some users need: it lies beside the worker as tercet-NAME.mjs and is
// fetched when it is asked for. It knows none of them.
import { describe, TercetError } from "./errors.js";
import { moduleFiles } from "./module_files.js";

/** Rejects with NETWORK_FAILED when it does not come; the next call tries again. */
export async function lateScript<Exports>(
  name: string,
  assetsUrl: string | null,
): Promise<Exports> {
  const { script } = await moduleFiles(name, assetsUrl);
  try {
    return (await import(/* @vite-ignore */ /* webpackIgnore: true */ script)) as Exports;
  } catch (thrown) {
    throw new TercetError("NETWORK_FAILED", `tercet-${name}.mjs: ${describe(thrown)}`, {
      cause: thrown,
    });
  }
}
