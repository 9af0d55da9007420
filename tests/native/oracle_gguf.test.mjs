// oracle_gguf.test.mjs - every family in every type of GGUF file, with a seed that changes: the logits that the reference
// oracle finds; and damaged files, each refused with one sentence or packed, never a crash. Skipped, and says so, where the
// oracle is not beside the project; golden_forms.test.mjs and gguf_source.test.mjs run everywhere.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { at, goldenModels, pack, tercet } from "./twin_under_test.mjs";
import {
  checkAgainstOracle,
  oracleCase,
  oracleMissing,
  oracleProgram,
  oracleSeed,
} from "./oracle.mjs";

const ternary = ["tq1_0", "tq2_0", "q2_0", "q2_0-legacy", "pq2_0", "ptq1_0"];
const any = ["f32", "f16", "q8_0", "q4_0", "q6_k"];
const i2s = ["i2_s", "i2_s-arm", "i2_s-row4"];
const all = ["llama", "bitnet", "qwen3", "gpt2"].flatMap((family) =>
  [...ternary, ...any, ...i2s].map((type) => [family, type, {}, {}]),
);

/** What a family and a writer can be asked for beside the type. */
const variants = [
  ["llama", "tq2_0", { rope: "llama3", tied: true }, { version: 2, alignment: 128 }],
  ["llama", "q2_0", { rope: "linear", tokenizer: "spm", kv_heads: 4 }, { dense: "f16" }],
  ["llama", "q4_0", { attention_bias: true, mlp_bias: true, pad_rows: 7 }, {}],
  ["llama", "i2_s", { rope: "yarn", kv_heads: 1 }, { i2_s_tail: "repeat", dense: "f16" }],
  ["llama", "tq1_0", {}, { scale_tensors: true }],
  ["llama", "q8_0", { scale: "row" }, {}],
  ["bitnet", "i2_s", {}, { bitnet_arch: "bitnet-25" }],
  ["qwen3", "pq2_0", { rope: "yarn", tied: false }, {}],
  ["qwen3", "q2_0", { group: 64, pad_rows: 3 }, { dense: "f16" }],
  ["qwen3", "ptq1_0", { rope: "yarn" }, { dense: "f32" }],
  ["gpt2", "tq2_0", { ternary_embedding: true }, { write_output: true }],
  ["gpt2", "q2_0", { hidden: 128, inner: 320, heads: 2 }, {}],
  ["llama", "q8_0", { dense: true }, { exact_ternary: false }],
  ["llama", "q6_k", { dense: true, tied: true }, { exact_ternary: false, dense: "same" }],
  ["gpt2", "q4_0", { dense: true }, { exact_ternary: false, dense: "f16" }],
  ["qwen3", "f16", { dense: true, aligned: true }, {}],
];

/** A quarter of the cases each time; TERCET_ORACLE_ALL runs them all. */
const some = [...all, ...variants].filter(
  (_, i) => process.env.TERCET_ORACLE_ALL !== undefined || i % 4 === oracleSeed % 4,
);

some.forEach(([family, type, options, writer], i) => {
  const seed = oracleSeed + i;
  const told = `${family} ${type} ${JSON.stringify({ ...options, ...writer })}, seed ${seed}`;
  test(told, { skip: oracleMissing }, () => {
    const { source, expected } = oracleCase(family, `gguf-${type}`, seed, options, writer);
    const how = options.dense ? ["--dense", "f32"] : [];
    const layout = /i2_s-(\w+)/.exec(type);
    if (layout) how.push("--i2s-layout", layout[1]);
    checkAgainstOracle(pack(source, how), expected, options.dense ? "float" : "int8-token");
  });
});

/** Damaged copies of one file: kinds of fault take turns, so a few dozen see every kind. */
for (const [name, count] of [
  ["gguf-llama-q2_0", 160],
  ["gguf-llama-tq2_0", 80],
  ["gguf-bitnet-i2_s", 60],
  ["gguf-gpt2-q4_0", 60],
])
  test(`damaged copies of ${name}, seed ${oracleSeed}`, { skip: oracleMissing }, () => {
    const folder = at(`damaged-${name}`);
    const source = join(goldenModels, name, "model.gguf");
    const args = [source, folder, "--seed", String(oracleSeed), "--count", String(count)];
    const made = spawnSync(...oracleProgram("damage.py", args));
    assert.equal(made.status, 0, made.stderr);
    const list = readFileSync(join(folder, "index.tsv"), "utf8").trim().split("\n");
    assert.equal(list.length, count);
    for (const line of list) {
      const [file, fault, outcome] = line.split("\t");
      const out = at("damaged.tercet");
      const { code, err } = tercet(["pack", join(folder, file), "-o", out, "--quiet"]);
      assert.ok(code === 0 || code === 1, `${fault}: ended with ${code}\n${err}`);
      if (code === 1) assert.match(err, /^tercet: error: [^\n]+ \[[A-Z0-9_]+\]\n$/, fault);
      if (outcome === "refuse") assert.equal(code, 1, `${fault} was packed`);
    }
  });
