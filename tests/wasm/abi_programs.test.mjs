// abi_programs.test.mjs - the programs of calls in the corpus of fuzz_abi give in each module, call for call, the status that they give
// natively, and none traps (abi_programs.mjs).

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { nativeBuild, root } from "../../scripts/paths.mjs";

const corpus = join(root, "tests/fuzz/corpus/fuzz_abi");
const files = readdirSync(corpus).map((name) => join(corpus, name));
const run = (program, args, env = {}) =>
  execFileSync(program, args, {
    encoding: "utf8",
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
/** Fewer threads than asked for are no fault of a module; and what a plan comes to hangs on where static data ends, natively anywhere. */
const plain = (line) =>
  line.replace("engine_create 2", "engine_create 0").replace(/^plan_bytes .*/, "plan_bytes");
const native = run(
  join(process.env.TERCET_NATIVE_BUILD ?? nativeBuild, "tests", "fuzz_abi"),
  files,
  { TERCET_TRACE_CALLS: "1" },
)
  .split("\n")
  .filter((line) => /^\w+ \d+$|^program$/.test(line))
  .map(plain);
/** Node before 22 takes relaxed SIMD as a flag. */
const relaxed =
  Number(process.versions.node.split(".")[0]) < 22 ? ["--experimental-wasm-relaxed-simd"] : [];

for (const variant of ["simd128", "simd128-threads", "relaxed", "relaxed-threads"])
  test(`programs of calls in the module ${variant}`, { timeout: 300_000 }, () => {
    const flags = variant.startsWith("relaxed") ? relaxed : [];
    const script = join(root, "tests/wasm/abi_programs.mjs");
    const lines = run(process.execPath, [...flags, script, variant, ...files])
      .trim()
      .split("\n");
    assert.ok(lines.length > 3 * files.length, `${lines.length} lines`);
    assert.deepEqual(lines.map(plain), native);
  });
