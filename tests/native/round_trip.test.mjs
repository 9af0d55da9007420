// round_trip.test.mjs - out and in again: what `tercet export` writes, `tercet pack` packs to the same weights, scales,
// tokens and logits, for every family and form of model, as a Hugging Face folder and as a GGUF file of every type.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { changed, readGguf, writeGguf } from "./gguf_edit.mjs";
import { number, readSafetensors } from "./safetensors_file.mjs";
import { oracleMissing, referenceFolder } from "./oracle.mjs";
import {
  argmax,
  at,
  bundledModel,
  fail,
  goldenModels,
  logits,
  misuse,
  pack,
  readJson,
  stories260K,
  succeed,
  succeedJson,
} from "./twin_under_test.mjs";

/** Golden models and how they are packed. */
const forms = [
  ["llama-packed-bitlinear"],
  ["llama-packed-oldstyle"],
  ["bitnet-packed-autobitlinear"],
  ["llama-grid-bf16-sharded"],
  ["llama-grid-f16-group"],
  ["bitnet-online-bf16", "--quantize", "absmean"],
  ["llama-dense-f32", "--dense", "f32"],
  ["gpt2-grid-f16", "--vectors", "f16"],
  ["gpt2-online-bare", "--quantize", "absmean"],
  ["gpt2-dense-f32", "--dense", "f32"],
  ["gpt2-odd-heads"],
  ["qwen3-grid-bf16"],
  ["qwen3-mlx"],
  ["llama-npz"],
  ["gguf-llama-q2_0"],
  ["gguf-llama-tq2_0"],
  ["gguf-bitnet-i2_s"],
  ["gguf-bitnet-tq1_0"],
  ["gguf-qwen3-q2_0-legacy"],
  ["gguf-qwen3-ptq1_0"],
  ["gguf-gpt2-q4_0"],
  ["gguf-llama-q8_0-dense", "--dense", "f32"],
  ["gguf-llama-q6_k-dense", "--dense", "f16"],
];

const sourceOf = (name) => {
  const file = join(goldenModels, name, "model.gguf");
  return existsSync(file) ? file : join(goldenModels, name);
};

const texts = [
  "The ear of the hat, eaten  by 12345 bees.\n\nIt's there!",
  " café \u{1F600} 日本 \t x<unk>",
  "",
];

const idsOf = (model) => texts.map((text) => succeedJson(["tokenize", model, text]).tokens);

let folders = 0;

function exportFolder(model, ...options) {
  const folder = at(`folder-${folders++}`);
  const args = ["export", model, "--to", "safetensors", "-o", folder];
  return { folder, report: succeedJson([...args, ...options]) };
}

/** The tensor data of a packed model: every code and every scale. */
function dataOf(model) {
  const bytes = readFileSync(model);
  return bytes.subarray(Number(bytes.readBigUInt64LE(16)));
}

function lastLogits(model) {
  const { shape } = succeedJson(["inspect", model]);
  return logits(model, ["--tokens", "1,5,9,2,8,3,7", "--kv", "f32"], shape.vocabulary).at(-1);
}

for (const [name, ...how] of forms) {
  test(`${[name, ...how].join(" ")}: out as a folder and in again, nothing changes`, () => {
    const before = pack(sourceOf(name), how);
    const { folder, report } = exportFolder(before);
    assert.equal(report.scale_error, 0);
    assert.equal(report.rounded_weights, 0);
    const after = pack(folder, how);
    // Only llama's GGUF files have rows of q and k in another order, which ends here.
    if (name.startsWith("gguf-llama")) compareFolders(folder, exportFolder(after).folder, 0);
    else assert.ok(dataOf(after).equals(dataOf(before)), "codes and scales");
    assert.deepEqual(idsOf(after), idsOf(before));
    const [was, is] = [before, after].map((model) => succeedJson(["inspect", model]).shape);
    assert.deepEqual(is, was);
    if (name.startsWith("gguf-llama")) {
      // Sums of a head in another order; frequencies that came as floats.
      const [a, b] = [lastLogits(before), lastLogits(after)];
      a.forEach((value, i) => assert.ok(Math.abs(value - b[i]) < 1e-3));
    } else {
      assert.deepEqual(lastLogits(after), lastLogits(before));
    }
  });
}

test("the bundled model and stories260K: the same text from a folder", () => {
  for (const [model, how] of [
    [bundledModel(), []],
    [stories260K(), ["--dense", "f32"]],
  ]) {
    const { folder } = exportFolder(model);
    const after = pack(folder, how);
    assert.ok(dataOf(after).equals(dataOf(model)));
    const [a, b] = [model, after].map((path) =>
      succeed(["run", path, "-p", "Once upon a time", "--temperature", "0", "--tokens", "60"]),
    );
    assert.ok(a.length > 100);
    assert.equal(b, a);
    const [defaults, again] = [model, after].map((path) => succeedJson(["inspect", path]).sampling);
    assert.deepEqual(again, defaults);
  }
});

/** name -> [trit or value, scale], row by row, of two folders that must hold the same tensors. */
function compareFolders(before, after, tolerance) {
  const [a, b] = [before, after].map((folder) =>
    readSafetensors(join(folder, "model.safetensors")),
  );
  assert.deepEqual([...b.keys()].sort(), [...a.keys()].sort());
  let compared = 0;
  for (const [name, from] of a) {
    const to = b.get(name);
    assert.deepEqual(to.shape, from.shape, name);
    const count = from.shape.reduce((x, y) => x * y);
    for (let i = 0; i < count; i++) {
      const [want, is] = [number(from, i), number(to, i)];
      if (Math.abs(is - want) > tolerance * Math.abs(want) || Math.sign(is) !== Math.sign(want))
        assert.fail(`${name} ${i}: ${is}, not ${want}`);
    }
    compared += count;
  }
  return compared;
}

function gguf(model, name, ...options) {
  const file = at(`${name}.gguf`);
  return { file, report: succeedJson(["export", model, "--to", "gguf", "-o", file, ...options]) };
}

const close = (a, b, tolerance) =>
  a.forEach((value, i) => assert.ok(Math.abs(value - b[i]) <= tolerance, `${value}, ${b[i]}`));

for (const type of ["tq2_0", "tq1_0", "q2_0", "q4_0", "q8_0", "f16", "f32"]) {
  test(`the bundled model as ${type}: packed again, every trit, scales within a half`, () => {
    const { file } = gguf(bundledModel(), `again-${type}`, "--type", type);
    const after = pack(file);
    const folders = [bundledModel(), after].map((model) => exportFolder(model).folder);
    const tolerance = type === "f32" ? 0 : 2 ** -11;
    assert.ok(compareFolders(...folders, tolerance) > 6_000_000);
    assert.deepEqual(idsOf(after), idsOf(bundledModel()));
    const [a, b] = [bundledModel(), after].map(lastLogits);
    close(a, b, type === "f32" ? 0 : 0.05 * Math.max(...a.map(Math.abs)));
  });
}

/** What no architecture of llama.cpp computes. */
const refused = new Map([
  ["bitnet-packed-autobitlinear", /heads x head_dim to be the hidden size/],
  ["bitnet-online-bf16", /heads x head_dim to be the hidden size/],
  ["llama-linear-norms", /this choice of norms and biases/],
]);

for (const [name, why] of refused) {
  test(`${name} is refused as GGUF`, () => {
    const [, ...how] = forms.find(([form]) => form === name) ?? [];
    const model = pack(sourceOf(name), how);
    assert.match(fail(["export", model, "-o", at("refused.gguf")], "CANNOT_EXPORT").err, why);
  });
}

for (const [name, ...how] of forms.filter(([form]) => !refused.has(form))) {
  test(`${[name, ...how].join(" ")}: out as GGUF and in again`, () => {
    const before = pack(sourceOf(name), how);
    const { file, report } = gguf(before, `again-${name}`, "--type", "f32", "--fallback", "f32");
    const after = pack(file, how.slice(0, how[0] === "--dense" ? 2 : 0));
    const folders = [before, after].map((model) => exportFolder(model).folder);
    // Tables of int8 or ternary weights in f32, as they are; only positions become halves.
    const tolerance = report.rounded_weights > 0 || report.scale_error > 0 ? 2 ** -11 : 0;
    assert.ok(compareFolders(...folders, tolerance) > 10_000);
    assert.deepEqual(idsOf(after), idsOf(before));
    const [a, b] = [lastLogits(before), lastLogits(after)];
    const largest = Math.max(...a.map(Math.abs));
    close(a, b, 2e-3 * largest);
    assert.equal(argmax(b), argmax(a));
  });
}

test("biases of q and k follow their rows into a llama's GGUF file", () => {
  // The golden file has neighbours in pairs; its folder halves, which the new file turns back.
  const halves = pack(exportFolder(pack(sourceOf("gguf-llama-q2_0"))).folder);
  const after = pack(gguf(halves, "biases", "--type", "q2_0").file);
  const [a, b] = [halves, after].map(lastLogits);
  close(a, b, 1e-3);
  assert.ok(compareFolders(exportFolder(halves).folder, exportFolder(after).folder, 0) > 10_000);
});

test("a token that is marked unused loses its text in a folder, which is said", () => {
  const source = readGguf(sourceOf("gguf-llama-q2_0"));
  const types = source.keys.get("tokenizer.ggml.token_type");
  const last = Buffer.from(types.bytes);
  last.writeInt32LE(5, last.length - 4);
  const keys = changed(source.keys, { "tokenizer.ggml.token_type": { ...types, bytes: last } });
  const model = pack(writeGguf(at("unused.gguf"), { ...source, keys }));
  const { folder, report } = exportFolder(model);
  assert.ok(report.notes.some((note) => /marked unused.*left out/.test(note)));
  const none = exportFolder(pack(sourceOf("gguf-llama-q2_0"))).report.notes;
  assert.ok(!none.some((note) => /unused/.test(note)));
  const [before, after] = [model, pack(folder)].map((one) => succeedJson(["inspect", one]));
  assert.equal(after.shape.vocabulary, before.shape.vocabulary);
});

test("--type rounds scales to what was asked for and says how far", () => {
  const model = bundledModel();
  const { folder, report } = exportFolder(model, "--type", "bf16");
  assert.deepEqual(Object.keys(report.types), ["BF16"]);
  assert.ok(report.scale_error > 0 && report.scale_error <= 2 ** -8, `${report.scale_error}`);
  assert.ok(report.rounded_weights > 0, "the embedding is f16");
  const exact = exportFolder(model).folder;
  assert.ok(compareFolders(exact, folder, 2 ** -8) > 6_000_000);
  assert.equal(readJson(join(folder, "config.json")).torch_dtype, "bfloat16");
});

test("a folder that is there is refused unless it is empty, and a failure leaves nothing", () => {
  const full = at("full");
  mkdirSync(full);
  const export_ = (folder, model = bundledModel(), ...options) =>
    ["export", model, "--to", "safetensors", "-o", folder].concat(options);
  succeed(export_(full));
  const files = readdirSync(full).sort();
  assert.deepEqual(files, [
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
  ]);
  const before = readFileSync(join(full, "config.json"));
  assert.match(fail(export_(full), "FILE_WRITE_FAILED").err, /no empty folder/);
  assert.deepEqual(readFileSync(join(full, "config.json")), before);
  const model = pack(join(goldenModels, "llama-packed-bitlinear"));
  const broken = at("broken.tercet");
  writeFileSync(broken, readFileSync(model).subarray(0, -64));
  fail(export_(at("nothing"), broken), "TRUNCATED");
  assert.ok(!existsSync(at("nothing")));
  fail(export_(join(at("nowhere"), "folder")), "FILE_WRITE_FAILED");
  misuse(export_(at("x"), model, "--embedding", "f16"), /go with --to gguf/);
  misuse(export_(at("x"), model, "--type", "tq2_0"), /--type takes one of exact, bf16/);
});

test("a state-space model is in no format of others", () => {
  const model = pack(join(goldenModels, "bitmamba2-bin", "model.bin"));
  for (const format of ["safetensors", "gguf"])
    fail(["export", model, "--to", format, "-o", at("mamba")], "CANNOT_EXPORT");
  assert.ok(!existsSync(at("mamba")));
});

test("the reference oracle reads exported folders", { skip: oracleMissing }, () => {
  const script =
    "import sys, json; sys.path.insert(0, sys.argv[1]); from read_hf import read_hf; " +
    "from forward import forward; m = read_hf(sys.argv[2]); " +
    "print(json.dumps(forward(m, [1, 5, 9, 2, 8, 3, 7])[-1].tolist()))";
  for (const [name, ...how] of [
    ["llama-dense-f32", "--dense", "f32"],
    ["gpt2-dense-f32", "--dense", "f32"],
    ["bitnet-packed-autobitlinear"],
  ]) {
    const model = pack(sourceOf(name), how);
    const { folder } = exportFolder(model);
    const run = spawnSync("/usr/bin/python3", ["-c", script, referenceFolder, folder], {
      encoding: "utf8",
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1", OMP_NUM_THREADS: "1" },
    });
    assert.equal(run.status, 0, run.stderr);
    const found = JSON.parse(run.stdout);
    const ours = lastLogits(model);
    const largest = Math.max(...found.map(Math.abs));
    close(found, ours, (how.length > 0 ? 1e-4 : 0.05) * largest);
  }
});
