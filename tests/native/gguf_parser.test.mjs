// gguf_parser.test.mjs - exported GGUF files through a parser that others wrote and use: @huggingface/gguf, which shows the
// files of the Hugging Face hub. Keys, tensors, types and places must be what our own report and reader say.

import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { GGMLQuantizationType, gguf as parse } from "@huggingface/gguf";
import { GgufFile } from "./gguf_file.mjs";
import {
  at,
  bundledModel,
  goldenModels,
  pack,
  stories260K,
  succeed,
  succeedJson,
} from "./twin_under_test.mjs";

const golden = (name, ...how) => pack(join(goldenModels, name), how);

function shape(name) {
  const file = at(`${name}.tercet`);
  succeed(["bench", "--shape", name, "--save", file]);
  return file;
}

const models = {
  bundled: [bundledModel, []],
  "bundled as tq1_0": [bundledModel, ["--type", "tq1_0", "--embedding", "q8_0"]],
  "bundled as q2_0": [bundledModel, ["--type", "q2_0"]],
  "bundled as q4_0": [bundledModel, ["--type", "q4_0", "--embedding", "f32"]],
  "stories260K, dense": [stories260K, []],
  "a llama": [() => golden("llama-packed-bitlinear"), ["--type", "f16"]],
  "a GPT-2": [() => shape("tiny-gpt2"), ["--type", "f16"]],
  "a Qwen3": [() => shape("tiny-bonsai"), ["--type", "q2_0", "--fallback", "f16"]],
};

for (const [name, [model, options]] of Object.entries(models)) {
  test(`${name}: parses in @huggingface/gguf`, async () => {
    const file = at("parsed.gguf");
    const report = succeedJson(["export", model(), "--to", "gguf", "-o", file, ...options]);
    const own = new GgufFile(file);
    const { metadata, tensorInfos, parameterCount, tensorDataOffset } = await parse(file, {
      allowLocalFile: true,
      computeParametersCount: true,
    });
    assert.equal(metadata.version, 3);
    assert.equal(metadata["general.architecture"], report.architecture);
    for (const [key, value] of own.keys) assert.deepEqual(metadata[key], value, key);
    assert.equal(tensorInfos.length, report.tensors);
    assert.equal(Number(metadata.tensor_count), report.tensors);
    let weights = 0;
    for (const { name: tensor, shape, dtype, offset } of tensorInfos) {
      const ours = own.tensors.get(tensor);
      assert.deepEqual(shape.map(Number), ours.shape, tensor);
      assert.equal(Number(offset), ours.offset, tensor);
      // Q2_0 is newer than the parser's list of names.
      assert.equal(
        GGMLQuantizationType[dtype] ?? (dtype === 42 ? "Q2_0" : dtype),
        ours.type[0],
        tensor,
      );
      weights += ours.shape.reduce((a, b) => a * b);
    }
    assert.equal(parameterCount, weights);
    assert.equal(Number(tensorDataOffset), own.data);
    assert.equal(statSync(file).size, report.file_bytes);
  });
}
