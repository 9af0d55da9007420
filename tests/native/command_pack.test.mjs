// command_pack.test.mjs - `tercet pack` as a person or a script meets it: report, exit codes, and a
// destination that is either the whole new file or what it was. What becomes of the weights is
// tested in tests/packer.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  at,
  bundledSource,
  fail,
  goldenModels,
  misuse,
  program,
  succeed,
  succeedJson,
} from "./twin_under_test.mjs";

const golden = (name) => join(goldenModels, name);
const packed = golden("llama-packed-bitlinear");
const online = golden("bitnet-online-bf16");
const dense = golden("llama-dense-f32");

/** A new empty folder, so that a test can say what must be in it. */
function emptyFolder(name) {
  mkdirSync(at(name));
  return at(name);
}

test("the report says what became of the model", () => {
  const file = at("report.tercet");
  const report = succeed(["pack", bundledSource, "-o", file]);
  assert.match(report, /^packed +\S+report\.tercet$/m);
  assert.match(report, /^form +packed uint8, scale multiplies \(autobitlinear\)$/m);
  assert.match(report, /^parameters +6\.17 M, of which 5\.11 M ternary \(82\.9 %\)$/m);
  assert.match(report, /^ +5 +851968 +31\.9 %$/m);
  assert.match(report, /^ +all +5111808 +30\.7 %$/m);
  assert.match(report, /^size +2\.004 bits a ternary weight/m);
  assert.match(report, /the source has 3\.42 MB \(0\.96 times\), at 16 bits .* \(3\.45 times\)$/m);
  assert.match(report, /^verified +6169856 weights read back .* equal to the source$/m);
  assert.match(report, /^model id +[0-9a-f]{64}$/m);
  assert.doesNotMatch(report, /not exact/);

  const json = succeedJson(["pack", bundledSource, "-o", file]);
  assert.equal(json.lossless, true);
  assert.equal(json.verified_weights, json.parameters);
  assert.equal(json.file_bytes, statSync(file).size);
  assert.equal(json.source_bytes, statSync(join(bundledSource, "model.safetensors")).size);
  assert.equal(json.f16_bytes, 2 * json.parameters);
  assert.equal(json.layers.length, 6);
  assert.equal(
    json.layers.reduce((sum, layer) => sum + layer.zeros, 0),
    json.ternary_zeros,
  );
  assert.equal(report.match(/^model id +(\S+)$/m)[1], json.model_id);
  assert.equal(succeedJson(["inspect", file]).model_id, json.model_id);

  assert.equal(succeed(["pack", bundledSource, "-o", file, "--quiet"]), "");
});

test("what was quantised is called so", () => {
  const file = at("quantised.tercet");
  const json = succeedJson(["pack", online, "-o", file, "--quantize", "absmean"]);
  assert.equal(json.form, "quantised by absmean (bf16)");
  assert.equal(json.lossless, false);
  assert.equal(json.rounded_weights, json.ternary_weights);
  assert.ok(json.quantize_error > 0.1 && json.quantize_error < 1);
  const report = succeed(["pack", online, "-o", file, "--quantize", "absmean"]);
  assert.match(report, /^not exact +25344 weights were rounded or quantised/m);
});

test("options reach the file", () => {
  const file = at("options.tercet");
  const inspect = (options) => {
    succeed(["pack", dense, "-o", file, "--quiet", ...options]);
    return succeedJson(["inspect", file, "--tensors"]);
  };
  for (const [options, type] of [
    [["--dense", "f16"], "f16"],
    [["--dense", "f32"], "f32"],
    [["--dense=q8"], "int8"],
    [["--quantize", "absmean"], "ternary"],
    [["--quantize", "absmean", "--group", "64", "--embedding", "q8"], "ternary"],
  ]) {
    const found = inspect(options).tensors.find((tensor) => tensor.name.includes("down"));
    assert.equal(found.type, type, options.join(" "));
  }
  const tuned = ["--temperature", "0.5", "--top-k", "7", "--top-p", "0.25", "--min-p", "0.125"];
  const { sampling } = inspect(["--dense", "f32", ...tuned]);
  assert.deepEqual(sampling, { temperature: 0.5, top_k: 7, top_p: 0.25, min_p: 0.125 });
});

test("the tables and vectors of GPT-2 in other forms, and what that costs", () => {
  const file = at("gpt2.tercet");
  const online = join(goldenModels, "gpt2-online-bare");
  const pack = (...options) => {
    const report = succeedJson(["pack", online, "-o", file, "--quantize", "absmean", ...options]);
    const { tensors } = succeedJson(["inspect", file, "--tensors"]);
    return { report, type: (name) => tensors.find((tensor) => tensor.name === name).type };
  };
  const plain = pack();
  assert.equal(plain.type("embedding"), "f16"); // exact: the source is bf16 of few bits
  assert.equal(plain.type("layers.0.attention.norm_bias"), "f32");
  const small = pack("--embedding", "ternary", "--vectors", "f16");
  for (const name of ["embedding", "position_embedding", "layers.0.ffn.down"])
    assert.equal(small.type(name), "ternary", name);
  for (const name of ["output_norm_bias", "layers.0.attention.q_bias", "layers.0.ffn.norm"])
    assert.equal(small.type(name), "f16", name);
  assert.ok(small.report.file_bytes < plain.report.file_bytes);
  assert.ok(small.report.ternary_weights > plain.report.ternary_weights);
  assert.ok(small.report.quantize_error > 0.1);
  // Only the matrices of the layers count for the layers.
  assert.deepEqual(small.report.layers, plain.report.layers);
  misuse(["pack", online, "-o", file, "--vectors", "q8"], /--vectors takes one of f32, f16/);
});

test("a table on the ternary grid stays ternary, and that is lossless", () => {
  const file = at("qwen3.tercet");
  const source = join(goldenModels, "qwen3-grid-bf16");
  const report = succeedJson(["pack", source, "-o", file]);
  assert.equal(report.lossless, true);
  // Its tokenizer.json asks for normal form C: both ways to write a character are the same tokens.
  const ids = (text) => succeedJson(["tokenize", file, text, "--json"]).tokens;
  assert.deepEqual(ids("cafe\u0301"), ids("caf\u00E9"));
  const { tensors } = succeedJson(["inspect", file, "--tensors"]);
  const embedding = tensors.find(({ name }) => name === "embedding");
  assert.deepEqual([embedding.type, embedding.scale], ["ternary", "group128"]);
});

test("a refusal names tensor and distance, and leaves nothing behind", () => {
  const folder = emptyFolder("refused");
  const file = join(folder, "model.tercet");
  const { err } = fail(["pack", dense, "-o", file], "NOT_TERNARY");
  assert.match(
    err,
    /model\.layers\.0\.self_attn\.q_proj\.weight: the weight at row \d+, column \d+/,
  );
  assert.match(err, /is [\d.]+ of a scale off the grid/);
  assert.match(err, /--quantize absmean/);
  assert.match(fail(["pack", online, "-o", file], "NOT_TERNARY").err, /quantization_mode online/);
  fail(["pack", at("nothing-here"), "-o", file], "FILE_NOT_FOUND");
  fail(["pack", folder, "-o", file], "FILE_NOT_FOUND");
  assert.deepEqual(readdirSync(folder), []);
});

test("a destination is replaced whole or not at all", () => {
  const folder = emptyFolder("replaced");
  const file = join(folder, "model.tercet");
  writeFileSync(file, "an older file");
  fail(["pack", dense, "-o", file], "NOT_TERNARY");
  // No file may grow beyond so many blocks of 512 bytes: writing stops in the middle.
  for (const blocks of [0, 1, 80]) {
    const { status, stderr } = spawnSync(
      "sh",
      ["-c", `ulimit -f ${blocks}; exec "$0" "$@"`, program, "pack", packed, "-o", file],
      { encoding: "utf8" },
    );
    assert.equal(status, 1, stderr);
    assert.match(stderr, /^tercet: error: [^\n]+ \[FILE_WRITE_FAILED\]\n$/);
    assert.equal(readFileSync(file, "utf8"), "an older file");
  }
  assert.deepEqual(readdirSync(folder), ["model.tercet"]);
  succeed(["pack", packed, "-o", file]);
  succeed(["verify", file]);
  assert.deepEqual(readdirSync(folder), ["model.tercet"]);
});

test("a destination that is no file of its own is refused", () => {
  const copy = at("own-source");
  cpSync(packed, copy, { recursive: true });
  const weights = join(copy, "model.safetensors");
  const before = readFileSync(weights);
  fail(["pack", copy, "-o", weights], "BAD_ARGUMENT");
  assert.ok(readFileSync(weights).equals(before));
  const unwritable = fail(["pack", packed, "-o", at("no/such/folder.tercet")], "FILE_WRITE_FAILED");
  assert.ok(unwritable.err.startsWith(`tercet: error: ${at("no/such/folder.tercet")}: `));
  fail(["pack", packed, "-o", copy], "FILE_WRITE_FAILED");
  fail(["pack", packed, "-o", "/dev/full"], "FILE_WRITE_FAILED");
});

test("damage of the source is named", () => {
  const copy = at("damaged-source");
  cpSync(golden("llama-grid-bf16-sharded"), copy, { recursive: true });
  const shard = join(copy, "model-00002-of-00002.safetensors");
  const whole = readFileSync(shard);
  const file = at("damaged.tercet");
  writeFileSync(shard, whole.subarray(0, whole.length - 1));
  assert.match(
    fail(["pack", copy, "-o", file], "BAD_SOURCE").err,
    /model-00002-of-00002\.safetensors is cut short/,
  );
  writeFileSync(shard, whole.subarray(0, 5));
  fail(["pack", copy, "-o", file], "BAD_SOURCE");
  writeFileSync(join(copy, "config.json"), "{");
  fail(["pack", copy, "-o", file], "BAD_SOURCE");
  assert.ok(!existsSync(file));
});

test("wrong usage", () => {
  misuse(["pack"], /SOURCE is missing/);
  misuse(["pack", packed], /-o FILE is missing/);
  misuse(["pack", packed, "more", "-o", at("x")], /one argument too many/);
  misuse(["pack", packed, "-o", at("x"), "--quantize", "best"], /none, absmean, not "best"/);
  misuse(["pack", packed, "-o", at("x"), "--dense", "f8"], /f16, f32, q8, not "f8"/);
  misuse(["pack", packed, "-o", at("x"), "--embedding", "f8"], /not "f8"/);
  misuse(["pack", packed, "-o", at("x"), "--group", "32"], /64, 128, not "32"/);
  misuse(["pack", packed, "-o", at("x"), "--dense", "f16", "--group", "64"], /--dense goes with/);
  misuse(["pack", packed, "-o", at("x"), "--temperature", "hot"], /temperature/);
  misuse(["pack", packed, "-o", at("x"), "--top-p", "0"], /top-p/);
  misuse(["pack", packed, "-o", at("x"), "--dence", "f16"], /did you mean --dense/);
  assert.ok(!existsSync(at("x")));
});

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  test(`a pack that ${signal} ends removes what it had written`, async () => {
    const folder = emptyFolder(signal);
    const child = spawn(program, ["pack", bundledSource, "-o", join(folder, "model.tercet")], {
      stdio: "ignore",
    });
    const ended = new Promise((resolve) => child.on("exit", (code) => resolve(code)));
    // As soon as the partial file is there; a machine that is faster than this loop has packed it all.
    while (child.exitCode === null && readdirSync(folder).length === 0) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    child.kill(signal);
    const code = await ended;
    assert.ok(code === 130 || code === 0, `exit code ${code}`);
    assert.deepEqual(readdirSync(folder), code === 0 ? ["model.tercet"] : []);
  });
}
