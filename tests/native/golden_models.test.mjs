// golden_models.test.mjs - real models against references made by other programs: the bundled
// ternary model against float64, stories260K against float64 and its published text.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../../scripts/paths.mjs";
import {
  argmax,
  at,
  bundledModel,
  bundledSource,
  goldenModels,
  logits,
  readJson,
  stories260K,
  succeedJson,
} from "./twin_under_test.mjs";

const golden = readJson(join(bundledSource, "golden.json"));
const stories = readJson(join(goldenModels, "stories260K/golden.json"));
const vocabulary = 4096;

/** References keep keys and values as they are; the default, int8, has bounds of its own. */
const exact = ["--kv", "f32"];

test("bundled model: prompts become the golden ids", () => {
  for (const { prompt, ids } of golden.cases) {
    assert.deepEqual(succeedJson(["tokenize", bundledModel(), prompt]).tokens, ids, prompt);
  }
});

test("bundled model: the best token at every position, and the top logits as close as float32 lets them be", () => {
  for (const { prompt, ids, argmax_per_position, top8_last, top8_doubt } of golden.cases) {
    assert.ok(top8_doubt > 0 && top8_doubt < 0.1, `${top8_doubt} is no bound`);
    const rows = logits(bundledModel(), ["--text", prompt, ...exact], vocabulary);
    assert.equal(rows.length, ids.length);
    assert.deepEqual(rows.map(argmax), argmax_per_position, prompt);
    for (const [token, value] of top8_last) {
      const ours = rows.at(-1)[token];
      // One code of 8 bits that rounds to its neighbour is some hundredths in a logit; the reference says how many.
      assert.ok(Math.abs(ours - value) <= top8_doubt, `${prompt}: ${token}: ${ours}, not ${value}`);
    }
  }
});

test("bundled model: f16, int8 and int4 caches change the logits a little, and differently", () => {
  const distances = { f16: 0, int8: 0, int4: 0 };
  for (const { prompt } of golden.cases) {
    const rows = logits(bundledModel(), ["--text", prompt, ...exact], vocabulary);
    for (const kv of Object.keys(distances)) {
      const others = logits(bundledModel(), ["--text", prompt, "--kv", kv], vocabulary);
      others.forEach((row, position) =>
        row.forEach((value, i) => {
          const distance = Math.abs(value - rows[position][i]);
          distances[kv] = Math.max(distances[kv], distance);
        }),
      );
    }
  }
  // The model's own codes of 8 bits turn a last bit into a step, so f16 is not far below int8.
  assert.ok(distances.f16 > 0 && distances.f16 <= 0.5, `f16: ${distances.f16}`);
  assert.ok(distances.int8 > 0 && distances.int8 <= 0.5, `int8: ${distances.int8}`);
  assert.notEqual(distances.f16, distances.int8);
  assert.ok(distances.int4 > distances.int8 && distances.int4 <= 2, `int4: ${distances.int4}`);
});

test("bundled model: greedy text is the golden text as far as it binds", () => {
  let compared = 0;
  for (const { prompt, greedy, greedy_margins } of golden.cases) {
    const run = succeedJson([
      "run",
      bundledModel(),
      "-p",
      prompt,
      "--temperature",
      "0",
      "-n",
      "64",
      ...exact,
    ]);
    const doubtful = greedy_margins.findIndex((margin) => margin <= 0.01);
    const bound = doubtful < 0 ? greedy.length : doubtful;
    assert.deepEqual(run.tokens.slice(0, bound), greedy.slice(0, bound), prompt);
    compared += bound;
  }
  assert.ok(compared >= 100, "the margins leave something to compare");
});

test("bundled model: its loss on the first 4096 validation tokens within 0.002", () => {
  // The validation text as the model was trained on it: each paragraph begins with a space.
  const text = readFileSync(join(root, "tests/golden/text/gutenberg-valid-head.txt"), "utf8");
  writeFileSync(at("valid.txt"), text.replaceAll("\n", "\n "));
  const { tokens } = succeedJson(["tokenize", bundledModel(), "--file", at("valid.txt")]);
  assert.deepEqual(tokens.slice(0, 257), golden.valid_token_ids_first_257);
  const measured = succeedJson(["perplexity", bundledModel(), at("valid.txt"), "--limit", "4096"]);
  assert.equal(measured.tokens, 4096);
  assert.equal(measured.windows, 16);
  assert.equal(measured.kv, "int8");
  const distance = Math.abs(measured.nats_per_token - golden.valid_first_4096_tokens_nats);
  assert.ok(distance <= 0.002, `${measured.nats_per_token} is ${distance} off`);
});

test("perplexity is what the logits say, on the 257 golden ids", () => {
  const ids = golden.valid_token_ids_first_257;
  writeFileSync(at("ids.txt"), ids.join(", "));
  const measured = succeedJson(["perplexity", bundledModel(), "--tokens", at("ids.txt")]);
  assert.equal(measured.tokens, 256);
  assert.equal(measured.windows, 1);
  const rows = logits(bundledModel(), ["--tokens", ids.slice(0, 256).join(",")], vocabulary);
  let nats = 0;
  rows.forEach((row, i) => {
    const most = row.reduce((a, b) => Math.max(a, b));
    const sum = row.reduce((total, value) => total + Math.exp(value - most), 0);
    nats += Math.log(sum) + most - row[ids[i + 1]];
  });
  assert.ok(Math.abs(nats / 256 - measured.nats_per_token) < 1e-9);
  assert.ok(Math.abs(Math.exp(measured.nats_per_token) / measured.perplexity - 1) < 1e-12);
  // The text of the ids is known: the first token has none, and the space in front is not text.
  const { text } = succeedJson(["tokenize", bundledModel(), "--decode", ids.join(",")]);
  assert.equal(measured.bytes, Buffer.byteLength(text));
  const bits = nats / Math.LN2 / measured.bytes;
  assert.ok(Math.abs(bits - measured.bits_per_byte) < 1e-9);
});

test("perplexity with two windows is the mean of the windows measured apart", () => {
  const ids = golden.valid_token_ids_first_257;
  const measure = (name, some, context) => {
    writeFileSync(at(name), some.join(" "));
    return succeedJson([
      "perplexity",
      bundledModel(),
      "--tokens",
      at(name),
      ...(context ? ["--context", String(context)] : []),
    ]);
  };
  const both = measure("both.txt", ids.slice(0, 101), 64);
  const first = measure("first.txt", ids.slice(0, 65));
  const second = measure("second.txt", ids.slice(64, 101));
  assert.deepEqual([both.windows, both.tokens, first.tokens, second.tokens], [2, 100, 64, 36]);
  const mean = (first.nats_per_token * 64 + second.nats_per_token * 36) / 100;
  assert.ok(Math.abs(mean - both.nats_per_token) < 1e-9);
});

test("stories260K dense: logits within 2e-3 and the best token at every position", () => {
  for (const { prompt, ids, last_logits, argmax_per_position } of stories.cases) {
    const rows = logits(stories260K(), ["--tokens", ids.join(","), ...exact], 512);
    assert.deepEqual(rows.map(argmax), argmax_per_position, prompt);
    const worst = Math.max(...last_logits.map((value, i) => Math.abs(value - rows.at(-1)[i])));
    assert.ok(worst <= 2e-3, `${JSON.stringify(prompt)}: ${worst} off`);
  }
});

test("stories260K dense: greedy text is the published text", () => {
  for (const { prompt, ids, greedy_ids, greedy_text } of stories.cases) {
    const run = succeedJson([
      "run",
      stories260K(),
      "-p",
      prompt,
      "--temperature",
      "0",
      "-n",
      String(greedy_ids.length),
      ...exact,
    ]);
    assert.deepEqual(run.prompt_tokens, ids, prompt);
    assert.deepEqual(run.tokens, greedy_ids, prompt);
    assert.equal(prompt + run.text, greedy_text);
  }
});
