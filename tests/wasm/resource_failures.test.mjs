// resource_failures.test.mjs - every allocation and every thread of a module fails once, and from then on (resource_failures.mjs): the
// modules without relaxed SIMD, which any Node runs. The row `modules` of `npm run torture` does all four, and a real model.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { before, test } from "node:test";
import { root, wasmBuild } from "../../scripts/paths.mjs";
import { runCommand } from "../../scripts/steps.mjs";

const variants = ["simd128", "simd128-threads"];
const modulesFolder = process.env.TERCET_WASM ?? wasmBuild;

before(async () => {
  const targets = variants.map((variant) => `failing-${variant}`);
  await runCommand("ninja", ["-C", modulesFolder, ...targets], {
    failure: "the modules whose allocations fail could not be built",
  });
});

for (const variant of variants)
  test(
    `${variant}: an allocation or a thread that fails, for every n`,
    { timeout: 300_000 },
    () => {
      const file = join(root, "tests/golden/container/well_formed.tercet");
      const program = join(root, "tests/wasm/resource_failures.mjs");
      const output = execFileSync(process.execPath, [program, variant, file], { encoding: "utf8" });
      const { allocations, threads, cases, found } = JSON.parse(output);
      assert.deepEqual(found, []);
      assert.ok(allocations >= 8, `${allocations} allocations`);
      assert.equal(threads, variant.endsWith("-threads") ? 2 : 0);
      assert.equal(cases, 2 * (allocations + threads));
    },
  );
