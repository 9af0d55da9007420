// bench.test.mjs - `tercet bench`: figures that fit together, configurations in turn, and synthetic
// models that are models like any other. Nothing here depends on how fast the machine is.

import assert from "node:assert/strict";
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../../scripts/paths.mjs";
import {
  at,
  bundledModel,
  fail,
  folder,
  logits,
  misuse,
  succeed,
  succeedJson,
  tercet,
} from "./twin_under_test.mjs";

const median = (list) => [...list].sort((a, b) => a - b)[(list.length - 1) / 2];
const near = (a, b) => Math.abs(a / b - 1) < 1e-6;

test("bench measures each kernel set and thread count, and its figures fit together", () => {
  const args = ["bench", bundledModel(), "--prompt", "40", "--tokens", "10", "--runs", "3"];
  const report = succeedJson([...args, "--kernels", "all", "--threads", "1,2"]);
  const info = succeedJson(["inspect", bundledModel()]);
  assert.deepEqual(
    [report.model, report.synthetic, report.model_id, report.runs],
    [info.name, false, info.model_id, 3],
  );
  assert.match(report.date, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  assert.ok(report.load_average >= 0);
  assert.ok(report.cores >= 1 && report.cores <= availableParallelism());
  const sets = new Set(report.results.map(({ kernels }) => kernels));
  assert.ok(sets.has("portable"));
  assert.equal(report.results.length, sets.size * 2);
  for (const result of report.results) {
    assert.deepEqual([result.prompt_tokens, result.decode_tokens, result.context], [40, 10, 50]);
    for (const [runs, middle] of [
      [result.decode_runs, result.decode_tokens_per_s],
      [result.prompt_runs, result.prompt_tokens_per_s],
      [result.first_token_runs, result.first_token_seconds],
    ]) {
      assert.equal(runs.length, 3);
      assert.equal(median(runs), middle);
      assert.ok(runs.every((rate) => rate > 0));
    }
    assert.equal(result.packed_bytes_per_token, info.file.data_bytes, "the head is tied");
    const rate = (result.packed_bytes_per_token * result.decode_tokens_per_s) / 1e9;
    assert.ok(near(rate, result.packed_gb_per_s));
    assert.ok(near(result.packed_gb_per_s / result.read_gb_per_s, result.read_share));
    assert.ok(result.read_gb_per_s > 0);
    // The file, the session and the program; neither the buffer of the probe nor another run's model.
    const least = result.session_bytes + info.file.data_bytes;
    assert.ok(result.peak_memory_bytes > least && result.peak_memory_bytes < least + (64 << 20));
  }
  const page = succeed([...args, "--threads", "1"]);
  for (const line of [
    /^\w+ kernels, 1 thread$/m,
    /prompt +[\d.]+ tokens\/s +\(40 tokens; median of 3 runs, spread \d+ %\)/,
    /decode +[\d.]+ tokens\/s/,
    /weights +[\d.]+ GB\/s/,
    /machine +[\d.]+ GB\/s +\(read, four streams a thread/,
    /share +[\d.]+ %/,
    /memory +[\d.]+ MB peak/,
    /first +[\d.]+ m?s token/,
  ]) {
    assert.match(page, line);
  }
  if (info.file.data_bytes < report.last_cache_bytes) assert.match(page, /fit into the last cache/);
});

test("bench measures forms of the cache in turn, and refuses one that is not there", () => {
  const args = ["bench", bundledModel(), "--runs", "1", "--threads", "1", "--tokens", "4"];
  const kvs = ["f32", "f16", "int8", "int4"];
  const { results } = succeedJson([...args, "--context", "32,128", "--kv", kvs.join(",")]);
  assert.deepEqual(
    results.map(({ context, kv }) => [context, kv]),
    [32, 128].flatMap((context) => kvs.map((kv) => [context, kv])),
  );
  const bytes = results.slice(4).map(({ session_bytes }) => session_bytes);
  assert.deepEqual(
    bytes,
    [...bytes].sort((a, b) => b - a),
  );
  assert.equal(new Set(bytes).size, 4);
  assert.equal(succeedJson([...args, "--context", "32"]).results[0].kv, "int8");
  assert.match(succeed([...args, "--kv", "f16"]), /in f16: /);
  for (const kv of ["int2", "int8,", ""])
    misuse([...args, "--kv", kv], /--kv takes some of f32\|f16\|int8\|int4/);
});

test("bench fits its defaults into a small context and refuses what does not fit", () => {
  const golden = join(root, "tests/golden/container/well_formed.tercet"); // context 64
  const [result] = succeedJson(["bench", golden, "--runs", "1", "--threads", "1"]).results;
  assert.ok(result.prompt_tokens + result.decode_tokens <= 64);
  const { code, err } = tercet(["bench", golden, "--prompt", "60", "--tokens", "10"]);
  assert.equal(code, 2);
  assert.match(err, /60 tokens of prompt and 10 to write do not fit into a context of 64/);
});

test("--context fills the context, several in one run", () => {
  const args = ["bench", "--shape", "tiny", "--runs", "1", "--threads", "1", "--tokens", "8"];
  const { results } = succeedJson([...args, "--context", "16,64,256"]);
  assert.deepEqual(
    results.map(({ context, prompt_tokens, decode_tokens }) => [
      context,
      prompt_tokens,
      decode_tokens,
    ]),
    [
      [16, 8, 8],
      [64, 56, 8],
      [256, 248, 8],
    ],
  );
  assert.ok(results[2].session_bytes > results[0].session_bytes);
  const { code, err } = tercet([...args, "--context", "257"]);
  assert.equal(code, 2);
  assert.match(err, /the model was made for at most 256/);
});

test("every shape is listed with the size that its file has", () => {
  const { shapes, generator } = JSON.parse(succeed(["bench", "--shapes"]));
  const names = shapes.map(({ name }) => name);
  for (const name of ["llama-729m", "bitnet-2b", "gpt2-xl", "bonsai-1.7b", "tiny"])
    assert.ok(names.includes(name), name);
  const help = succeed(["bench", "--help"]).replaceAll(/\s+/g, " ");
  for (const name of names) assert.ok(help.includes(name), `${name} is not in the help`);
  for (const { name, file_bytes } of shapes.filter(({ name }) => name.startsWith("tiny"))) {
    const file = at(`${name}.tercet`);
    assert.equal(succeed(["bench", "--shape", name, "--save", file]), "");
    assert.equal(statSync(file).size, file_bytes);
    const info = succeedJson(["inspect", file]);
    assert.equal(info.name, `synthetic ${name}`);
    assert.equal(info.source, `random weights, generator ${generator}`);
    assert.match(succeed(["verify", file]), /whole/);
    const [result] = succeedJson(["bench", file, "--runs", "1", "--threads", "2"]).results;
    assert.ok(result.decode_tokens_per_s > 0);
  }
  // The seed's promise: GPT-2 XL, all of it ternary, with its tokenizer, in 375 MiB.
  assert.ok(shapes.find(({ name }) => name === "gpt2-xl").file_bytes <= 375 * 2 ** 20);
});

test("a saved synthetic model is whole, is the one of memory, and the same at every run", () => {
  const [one, two] = [at("one.tercet"), at("two.tercet")];
  for (const file of [one, two]) succeed(["bench", "--shape", "tiny", "--save", file]);
  assert.deepEqual(readFileSync(one), readFileSync(two));
  assert.match(succeed(["verify", one]), /whole/);
  // The bytes of generator 1, on every machine and with every compiler: raise SYNTHETIC_GENERATOR
  // when they change.
  const id = "1e09e03bc502e44f6bdd95cc103784d02dbb9b0d050d6af84f9265b17d1a3591";
  assert.equal(succeedJson(["inspect", one]).model_id, id);
  const report = succeedJson(["bench", "--shape", "tiny", "--runs", "1", "--threads", "1"]);
  assert.deepEqual([report.model_id, report.synthetic], [id, true]);
  const saved = succeedJson(["bench", one, "--runs", "1", "--threads", "1"]);
  assert.deepEqual([saved.model, saved.synthetic], ["synthetic tiny", true]);
});

test("synthetic models run like any other: zeros, activations, text", () => {
  for (const shape of ["tiny", "tiny-gpt2", "tiny-bonsai"]) {
    const file = at("run.tercet");
    succeed(["bench", "--shape", shape, "--save", file]);
    const { ternary } = succeedJson(["inspect", file]);
    const zeros = ternary.zeros / ternary.parameters;
    assert.ok(zeros > 0.31 && zeros < 0.36, `${zeros} of the weights are zero`);
    const { tokens } = succeedJson(["tokenize", file, "one tea not in it"]);
    assert.ok(tokens.length < 14, "its merges join letters");
    const text = succeed(["tokenize", file, "--decode", tokens.join(",")]);
    assert.equal(text.trim(), "one tea not in it");
    // A network whose activations blew up or vanished gives the same row whatever it is asked.
    const rows = logits(file, ["--tokens", tokens.join(",")], 530);
    assert.equal(rows.length, tokens.length);
    for (const row of rows) {
      assert.ok(row.every(Number.isFinite));
      const size = Math.hypot(...row) / Math.sqrt(row.length);
      assert.ok(size > 1 && size < 10, `logits of about ${size}`);
    }
    assert.notDeepEqual([...rows[0]], [...rows[1]]);
  }
});

test("a deeper model of a shape says so", () => {
  const file = at("deep.tercet");
  succeed(["bench", "--shape", "tiny", "--layers", "5", "--save", file]);
  const info = succeedJson(["inspect", file]);
  assert.deepEqual([info.shape.layers, info.name], [5, "synthetic tiny with 5 layers"]);
  assert.match(succeed(["verify", file]), /whole/);
});

test("a model that cannot be saved leaves nothing behind", () => {
  writeFileSync(at("plain"), "");
  const before = readdirSync(folder);
  fail(["bench", "--shape", "tiny", "--save", at("plain/x.tercet")], "FILE_WRITE_FAILED");
  fail(["bench", "--shape", "tiny", "--save", folder], "FILE_WRITE_FAILED");
  assert.deepEqual(readdirSync(folder), before);
});

test("options that contradict each other are refused", () => {
  const m = bundledModel();
  misuse(["bench"], /MODEL or --shape NAME is missing/);
  misuse(["bench", m, "--shape", "tiny"], /exclude each other/);
  misuse(["bench", "--shape", "huge"], /--shape takes one of llama-729m, .*tiny.*, not "huge"/);
  misuse(["bench", m, "--save", at("x")], /--save and --layers go with --shape/);
  misuse(["bench", m, "--context", "64", "--prompt", "8"], /leave --prompt out/);
  misuse(["bench", m, "--context", "1,64"], /--context takes numbers from 2/);
  misuse(["bench", m, "--context", "64,"], /--context takes numbers/);
});
