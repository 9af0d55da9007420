// native.test.mjs - the parts of bench:native that read what others print: llama-bench's JSON, which
// kernels llama.cpp used, peaks of memory; and the processes themselves. Nothing here is timed, and
// llama.cpp is used only where a benchmark has installed it.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  compareGreedy,
  greedyCases,
  greedyNotes,
  sharedLength,
} from "../../bench/native/greedy_check.mjs";
import { parseRival, readLlamaBench, runRival } from "../../bench/native/llama_bench.mjs";
import { checkKernels } from "../../bench/native/llama_cpp.mjs";
import { peakResidentBytes, runMeasured } from "../../bench/native/measured_process.mjs";
import { counterpart, nativeChart, nativeColumns } from "../../bench/native/report.mjs";
import { modelIdOf } from "../../bench/native/twin_file.mjs";
import { addRow, startResult } from "../../bench/results.mjs";
import { textTable } from "../../bench/table.mjs";
import { root, tercet } from "../../scripts/paths.mjs";

const benchLine = (entry) => ({ build_commit: "unknown", n_threads: 2, ...entry });
const printed = JSON.stringify([
  benchLine({ n_prompt: 128, n_gen: 0, avg_ts: 93.5 }),
  benchLine({ n_prompt: 0, n_gen: 32, avg_ts: 31.25 }),
]);

test("llama-bench's JSON gives both speeds, whatever is printed around it", () => {
  const expected = { prompt_tokens_per_s: 93.5, decode_tokens_per_s: 31.25 };
  assert.deepEqual(readLlamaBench(printed), expected);
  assert.deepEqual(readLlamaBench(`warning: no GPU\n${printed}\n`), expected);
  assert.throws(() => readLlamaBench("segmentation fault"), /no JSON/);
  assert.throws(() => readLlamaBench("[]"), /no speed/);
  const zero = JSON.stringify([benchLine({ n_prompt: 128, n_gen: 0, avg_ts: 0 })]);
  assert.throws(() => readLlamaBench(zero), /no speed/);
});

test("a rival is a name and a command, with the shape filled in", async () => {
  assert.deepEqual(parseRival("ik IQ2_BN=/opt/ik/llama-bench -m {shape}.gguf"), {
    name: "ik IQ2_BN",
    words: ["/opt/ik/llama-bench", "-m", "{shape}.gguf"],
  });
  assert.throws(() => parseRival("llama-bench"), /NAME=COMMAND/);
  assert.throws(() => parseRival("=llama-bench"), /NAME=COMMAND/);
  assert.throws(() => parseRival("ik="), /NAME=COMMAND/);

  const folder = mkdtempSync(join(tmpdir(), "tercet-rival-"));
  try {
    const program = join(folder, "bench.mjs");
    const checks = `const a = process.argv.slice(2).join(" ");
      if (a !== "-m small.gguf avx2 -t 2 -p 128 -n 32 -r 1 -o json") { console.error(a); process.exit(3); }
      console.log(${JSON.stringify(printed)});`;
    writeFileSync(program, checks);
    const words = [process.execPath, program, "-m", "{shape}.gguf", "{kernels}"];
    const job = { pair: "avx2", threads: 2, prompt: 128, tokens: 32 };
    const found = await runRival({ words, shape: "small" }, job);
    assert.equal(found.decode_tokens_per_s, 31.25);
    assert.equal(found.peak_memory_bytes > 1e6, existsSync("/proc/self/status"));
    await assert.rejects(
      runRival({ words, shape: "other" }, job),
      /exit code 3: -m other\.gguf avx2/,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a process that fails, hangs or does not exist says so", async () => {
  const node = (script, options) => runMeasured(process.execPath, ["-e", script], options);
  assert.equal((await node("console.log(6 * 7)")).out, "42\n");
  await assert.rejects(node("throw new Error('no such model')"), /exit code 1: .*no such model/s);
  await assert.rejects(node("setInterval(() => {}, 1000)", { timeoutMs: 200 }), /SIGKILL/);
  await assert.rejects(runMeasured("/no/such/program", []), /cannot be started/);
});

test("the peak of memory is read from /proc", () => {
  assert.equal(peakResidentBytes("VmPeak:\t 9 kB\nVmHWM:\t    2048 kB\nVmRSS:\t1 kB\n"), 2097152);
  assert.equal(peakResidentBytes("Name:\tnode\n"), 0);
});

test("llama.cpp must have computed with the kernels that were asked for", () => {
  const haswell = { library: "libggml-cpu-haswell.so", system: "AVX2 = 1 | F16C = 1" };
  const zen4 = { library: "libggml-cpu-zen4.so", system: "AVX2 = 1 | AVX512 = 1" };
  checkKernels("avx2", haswell);
  checkKernels("best", zen4);
  assert.throws(() => checkKernels("avx2", zen4), /was to use libggml-cpu-haswell\.so alone/);
  const mixed = { library: "libggml-cpu-haswell.so", system: "AVX2 = 1 | AVX512 = 1" };
  assert.throws(() => checkKernels("avx2", mixed), /was to use/);
  const two = { library: "libggml-cpu-haswell.so, libggml-cpu-zen4.so", system: "" };
  assert.throws(() => checkKernels("best", two), /not one library/);
});

test("table and chart show the ratio to the run of Tercet in the same turn", () => {
  const result = startResult("native", {});
  const row = (engine, decode, more = {}) =>
    addRow(result, {
      subject: "synthetic x",
      engine,
      tercet: engine === "Tercet",
      pair: "avx2",
      threads: 2,
      figures: { decode_tokens_per_s: decode, prompt_tokens_per_s: decode },
      ...more,
    });
  row("Tercet", [60, 80]);
  const rival = row("llama.cpp TQ2_0", [20, 40]);
  addRow(result, {
    subject: "synthetic x",
    engine: "other",
    pair: "avx2",
    threads: 2,
    failure: "it crashed",
  });
  assert.equal(counterpart(result, rival).engine, "Tercet");
  const table = textTable(nativeColumns(result), result.rows);
  assert.match(table, /llama\.cpp TQ2_0 +30\.0 +30\.0 +- +2\.50 x +2\.50 x/);
  assert.match(table, /prompt +why not$/m);
  assert.match(table, /other +(- +){5}it crashed$/m);
  const svg = nativeChart(result);
  assert.match(svg, /^<svg/);
  assert.match(svg, /llama\.cpp TQ2_0/);
});

test("the id of a model is read from its first bytes", () => {
  assert.throws(() => modelIdOf(join(root, "package.json")), /is no \.tercet file/);
});

test("notes of the greedy check count what is shared", () => {
  assert.equal(sharedLength("abcd", "abXd"), 2);
  assert.equal(sharedLength("", "a"), 0);
  const one = { name: "m", same_tokens: true, ours: "abc", theirs: "abd", shared: 2 };
  assert.match(greedyNotes([one])[0], /same tokens and shares the first 2 of 3 characters/);
  assert.match(greedyNotes([{ ...one, theirs: "abc" }])[0], /writes the same 40 greedy tokens/);
  assert.match(greedyNotes([{ ...one, same_tokens: false }])[0], /OTHER tokens/);
});

const rival = join(root, "bench", "node_modules", "@node-llama-cpp");
const missing = existsSync(rival)
  ? false
  : "llama.cpp is not installed: npm run bench:native installs it";

for (const one of greedyCases.slice(0, 2)) {
  test(`llama.cpp writes the same greedy text from ${one.name}`, { skip: missing }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "tercet-greedy-"));
    try {
      const found = await compareGreedy(tercet, folder, one);
      assert.equal(found.same_tokens, true);
      assert.ok(found.ours.length > 30);
      assert.equal(found.theirs, found.ours);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}
