// source_under_test.mjs - single modules of web/src in Node: bundled from TypeScript into a temporary file and imported.
// Only for those that need no browser.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { root } from "../../scripts/paths.mjs";

/** @param {string} name of a module in web/src, without ending; "node/..." for those of Node */
export async function importSource(name) {
  const folder = mkdtempSync(join(tmpdir(), "tercet-source-"));
  try {
    const outfile = join(folder, "module.mjs");
    await build({
      entryPoints: [join(root, "web", "src", `${name}.ts`)],
      outfile,
      bundle: true,
      // The bundle's own copy of the engine is made by the build; nothing here asks for it.
      external: ["node:*", "./inlined.js"],
      format: "esm",
      target: "es2022",
      logLevel: "warning",
    });
    return await import(pathToFileURL(outfile));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
