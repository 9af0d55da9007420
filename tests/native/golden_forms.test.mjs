// golden_forms.test.mjs - one small model in every form that checkpoints come in, packed and run: the
// logits that an independent float64 reference found. A scale taken the wrong way round, a swapped
// row or a wrong rotation shows here. The cache of keys and values is f32: the reference has no other.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { checkPrompt } from "./oracle.mjs";
import { goldenModels, pack, readJson, succeedJson } from "./twin_under_test.mjs";

const forms = [
  ["llama-packed-bitlinear", []],
  ["llama-packed-oldstyle", []],
  ["bitnet-packed-autobitlinear", []],
  ["llama-grid-bf16-sharded", []],
  ["llama-grid-f16-group", []],
  ["bitnet-online-bf16", ["--quantize", "absmean"]],
  ["llama-dense-f32", ["--dense", "f32"]],
  ["gpt2-grid-f16", []],
  ["gpt2-grid-f16", ["--vectors", "f16"]],
  ["gpt2-online-bare", ["--quantize", "absmean"]],
  ["gpt2-dense-f32", ["--dense", "f32"]],
  ["qwen3-grid-bf16", []],
  ["gguf-llama-q2_0", []],
  ["gguf-llama-tq2_0", []],
  ["gguf-bitnet-i2_s", []],
  ["gguf-bitnet-tq1_0", []],
  ["gguf-qwen3-q2_0-legacy", []],
  ["gguf-qwen3-ptq1_0", []],
  ["gguf-gpt2-q4_0", []],
  ["gguf-llama-q8_0-dense", ["--dense", "f32"]],
  ["gguf-llama-q6_k-dense", ["--dense", "f32"]],
  ["qwen3-mlx", []],
  ["llama-npz", []],
  ["llama-linear-norms", []],
  ["gpt2-odd-heads", []],
  ["bitmamba2-bin", []],
  ["ternarylm-online-f32", ["--quantize", "absmean"]],
];

/** What `tercet pack` is given: the one file of the folder, or the folder. */
const sourceIn = (folder) => {
  const file = ["model.gguf", "model.bin"].find((name) => existsSync(join(folder, name)));
  return file === undefined ? folder : join(folder, file);
};

for (const [name, options] of forms) {
  test(`${[name, ...options].join(" ")}: logits within the tolerance of the reference`, () => {
    const folder = join(goldenModels, name);
    const expected = readJson(join(folder, "expected.json"));
    const model = pack(sourceIn(folder), options);
    const { shape } = succeedJson(["inspect", model]);
    assert.equal(shape.activation_bits, expected.activation === "float" ? 32 : 8);
    for (const prompt of expected.prompts) {
      checkPrompt(model, prompt, shape.vocabulary);
    }
  });
}
