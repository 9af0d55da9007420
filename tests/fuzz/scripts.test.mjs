// scripts.test.mjs - the fuzz targets in JavaScript over their corpus and a few changes of it: what ctest does for those in C.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { scriptTargets } from "./script_targets.mjs";

const folder = import.meta.dirname;

for (const name of scriptTargets)
  test(`${name}: the corpus and changes of it`, async () => {
    const corpus = readdirSync(join(folder, "corpus", `fuzz_${name}`));
    const runs = corpus.length + 60;
    const { stdout } = await promisify(execFile)(process.execPath, [
      ...[join(folder, "run_script.mjs"), name],
      ...["--runs", String(runs)],
    ]);
    const { executions, taken } = JSON.parse(stdout);
    assert.equal(executions, runs);
    assert.ok(taken > corpus.length / 2, `only ${taken} inputs were taken`);
  });

test("every corpus of a target in JavaScript belongs to one", () => {
  const sources = readdirSync(folder).filter((file) => /^fuzz_\w+\.c$/.test(file));
  const known = [
    ...sources.map((file) => file.slice(0, -2)),
    ...scriptTargets.map((name) => `fuzz_${name}`),
  ];
  assert.deepEqual(readdirSync(join(folder, "corpus")).sort(), known.sort());
});
