// damage.test.mjs - damaged files by name of the fault: what every sound loader must refuse is refused with one sentence and
// leaves nothing behind; what a loader may take or refuse neither crashes nor hangs. The faults are those of damage.py beside
// the oracle; skipped, and says so, where it is not there (test_gguf_header.c, test_safetensors_header.c and the fuzz targets
// run everywhere).

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { oracleMissing, oracleProgram, oracleSeed } from "./oracle.mjs";
import { at, goldenModels, tercet } from "./twin_under_test.mjs";

/** Of each file; TERCET_DAMAGE_ALL takes every fault that there is (some thousands). */
const COUNT = process.env.TERCET_DAMAGE_ALL === undefined ? 100 : 1_000_000;

let sets = 0;

function damagedFiles(file, seed) {
  const folder = at(`faults-${sets++}`);
  const args = [file, folder, "--seed", String(seed), "--count", String(COUNT)];
  const made = spawnSync(...oracleProgram("damage.py", args));
  assert.equal(made.status, 0, made.stderr);
  const lines = readFileSync(join(folder, "index.tsv"), "utf8").trimEnd().split("\n");
  return lines.map((line) => {
    const [name, fault, expected] = line.split("\t");
    return { path: join(folder, name), fault, refuse: expected === "refuse" };
  });
}

function check({ fault, refuse }, source) {
  const folder = at("damage-out");
  mkdirSync(folder);
  const { code, signal, err } = tercet([
    "pack",
    source,
    "-o",
    join(folder, "out.tercet"),
    "--quiet",
  ]);
  const told = `${fault}: exit ${code ?? signal}\n${err}`;
  assert.ok(code === 1 || (code === 0 && !refuse), told);
  if (code === 1) {
    assert.match(err, /^tercet: error: [^\n]+ \[[A-Z0-9_]+\]\n$/, told);
    assert.deepEqual(readdirSync(folder), [], told);
  }
  rmSync(folder, { recursive: true });
  return code;
}

for (const name of ["gguf-llama-q2_0", "gguf-qwen3-q2_0-legacy", "gguf-bitnet-i2_s"])
  test(`faults of ${name}`, { skip: oracleMissing }, () => {
    const faults = damagedFiles(join(goldenModels, name, "model.gguf"), oracleSeed);
    assert.ok(faults.filter(({ refuse }) => refuse).length >= 10);
    for (const one of faults) check(one, one.path);
  });

for (const name of ["llama-packed-bitlinear", "qwen3-mlx"])
  test(`faults of ${name}`, { skip: oracleMissing }, () => {
    const faults = damagedFiles(join(goldenModels, name, "model.safetensors"), oracleSeed + 1);
    assert.ok(faults.filter(({ refuse }) => refuse).length >= 10);
    const folder = at(`damaged-${name}`);
    cpSync(join(goldenModels, name), folder, { recursive: true });
    for (const one of faults) {
      copyFileSync(one.path, join(folder, "model.safetensors"));
      check(one, folder);
    }
    assert.ok(existsSync(join(folder, "config.json")));
  });
