// oracle.mjs - models of any seed from the reference oracle that lies beside the project on some machines
// (../shared/reference, Python and NumPy; it shares nothing with Tercet), and the comparison of what Tercet finds with what
// the oracle says. Committed cases of it, which run everywhere, are in tests/golden/models.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { root } from "../../scripts/paths.mjs";
import { argmax, at, logits, readJson, succeedJson } from "./twin_under_test.mjs";

/** Where the oracle is. */
export const referenceFolder = resolve(
  process.env.TERCET_ORACLE ?? join(root, "../shared/reference"),
);

function whyNot() {
  if (!existsSync(join(referenceFolder, "make_case.py")))
    return `there is no oracle in ${referenceFolder}`;
  const numpy = spawnSync("/usr/bin/python3", ["-c", "import numpy"]);
  return numpy.status === 0 ? false : "the oracle needs python3-numpy";
}

/** For the option `skip` of a test: a sentence, or false. */
export const oracleMissing = whyNot();

/** Another one every hour; TERCET_ORACLE_SEED repeats a run. */
export const oracleSeed = Number(
  process.env.TERCET_ORACLE_SEED ?? Math.floor(Date.now() / 3_600_000) % 1_000_000,
);

let cases = 0;

/** Program, arguments and options of spawnSync for one of the oracle's programs. */
export function oracleProgram(name, args) {
  // Nothing is written beside the oracle, and no numeric library takes both cores.
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: "1", OMP_NUM_THREADS: "1" };
  return ["/usr/bin/python3", [join(referenceFolder, name), ...args], { encoding: "utf8", env }];
}

/**
 * Writes a model; where it is and what is to be found. `options`: of make_case.py's models, such as { rope: "yarn" };
 * `writer`: of its writers.
 */
export function oracleCase(family, form, seed, options = {}, writer = {}) {
  const folder = at(`oracle-${cases++}`);
  const inPairs = (object) => Object.entries(object).map(([name, value]) => `${name}=${value}`);
  const pairs = inPairs(options);
  const args = ["--family", family, "--form", form, "--seed", String(seed), "--search", "10"];
  args.push("--lengths", "1,4,11", "-o", folder);
  if (pairs.length > 0) args.push("--opt", ...pairs);
  if (Object.keys(writer).length > 0) args.push("--write", ...inPairs(writer));
  const made = spawnSync(...oracleProgram("make_case.py", args));
  assert.equal(made.status, 0, made.stderr);
  const expected = readJson(join(folder, "expected.json"));
  // What a Ternary-Zero folder lacks is copied from the model that was patched.
  if (form === "npz") writeFileSync(join(folder, "config.json"), JSON.stringify(expected.config));
  return { source: join(folder, expected.path), expected };
}

/** Holds the logits of a packed model against those of one variant of the oracle ("int8-token", "float"). */
export function checkAgainstOracle(model, expected, variant) {
  const { shape } = succeedJson(["inspect", model]);
  assert.ok(variant in expected.variants, `${variant} of ${Object.keys(expected.variants)}`);
  for (const prompt of expected.variants[variant].prompts)
    checkPrompt(model, prompt, shape.vocabulary);
}

/** One prompt of an expected.json: logits after it, and the best token wherever its lead is safe. */
export function checkPrompt(model, prompt, vocabulary) {
  const rows = logits(model, ["--tokens", prompt.ids.join(","), "--kv", "f32"], vocabulary);
  assert.equal(rows.length, prompt.ids.length);
  const last = rows.at(-1);
  assert.ok(last.every(Number.isFinite), "a logit is no number");
  const worst = prompt.last_logits.reduce(
    (most, want, i) => Math.max(most, Math.abs(want - last[i])),
    0,
  );
  // Near a rounding tie a right engine may round one activation the other way (README.md of the oracle).
  const near = prompt.tie_margin < 1e-4;
  const largest = Math.max(...prompt.last_logits.map(Math.abs));
  const tolerance = near ? Math.max(prompt.tolerance, 0.05 * largest) : prompt.tolerance;
  assert.ok(worst <= tolerance, `${worst} is more than ${tolerance}`);
  if (near) return;
  prompt.argmax_per_position.forEach((token, position) => {
    if (prompt.position_margins[position] > 2 * prompt.tolerance)
      assert.equal(argmax(rows[position]), token, `position ${position}`);
  });
}
