// inspect_source.test.mjs - what `tercet inspect` says of a model before it is packed is what is found afterwards: the size
// of the file, the memory of a session at any context, the chat format, the activations. For every form of source.

import assert from "node:assert/strict";
import { cpSync, existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  at,
  bundledModel,
  bundledSource,
  fail,
  goldenModels,
  pack,
  succeed,
  succeedJson,
} from "./twin_under_test.mjs";

const sourceIn = (name) => {
  const folder = join(goldenModels, name);
  const file = ["model.gguf", "model.bin"].find((name) => existsSync(join(folder, name)));
  return file === undefined ? folder : join(folder, file);
};

/** How a source that is not ternary as it is has to be packed. */
const optionsOf = (name) =>
  name.includes("dense") || name.includes("stories")
    ? ["--dense", "f16"]
    : name.includes("online")
      ? ["--quantize", "absmean"]
      : [];

/** Sources that say themselves how activations are quantised. */
const named = /^(bitnet|ternarylm|bitmamba2|gguf-bitnet|llama-packed|llama-linear-norms|.*online)/;

const models = readdirSync(goldenModels).filter((name) => !name.endsWith(".md"));

for (const name of models) {
  test(`${name}: size, memory and activations are those of the packed model`, () => {
    const packed = pack(sourceIn(name), optionsOf(name));
    for (const context of [0, 24]) {
      const how = context === 0 ? [] : ["--context", String(context), "--kv", "f16"];
      const before = succeedJson(["inspect", sourceIn(name), ...how]);
      const after = succeedJson(["inspect", packed, ...how]);
      assert.equal(before.readable, true);
      assert.equal(before.session_context, after.session_context);
      // All but the texts about the model: name, licence and what it was packed from.
      const about = after.file.bytes - before.packed_bytes;
      assert.ok(about >= 0 && about <= 512, `${about} bytes`);
      assert.equal(before.session_bytes, after.session_bytes);
      assert.equal(before.activation_bits, after.shape.activation_bits);
      assert.equal(before.activations_named, named.test(name));
      assert.equal(before.parameters, after.parameters);
    }
    const page = succeed(["inspect", sourceIn(name)]);
    assert.match(page, /\nmemory +packed about .*; session of \d+ tokens .*; together /);
    assert.match(page, /\nchat +no format\n/);
    assert.equal(/Tercet's choice/.test(page), !named.test(name) && !optionsOf(name)[0]);
    assert.equal(/keys and values\), context/.test(page), name !== "bitmamba2-bin");
  });
}

test("the chat format of a source is told, and why another is not known", () => {
  assert.equal(succeedJson(["inspect", bundledSource]).chat_format, "");
  const folder = at("with-template");
  cpSync(join(goldenModels, "qwen3-grid-bf16"), folder, { recursive: true });
  const template =
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}" +
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
  writeFileSync(join(folder, "chat_template.jinja"), template);
  assert.equal(succeedJson(["inspect", folder]).chat_format, "chatml");
  assert.match(succeed(["inspect", folder]), /\nchat +chatml\n/);
  writeFileSync(join(folder, "chat_template.jinja"), "{{ 'Q: ' + messages[0].content }}");
  const other = succeedJson(["inspect", folder]);
  assert.equal(other.chat_format, "");
  assert.match(other.chat_note, /Q: /);
});

test("a context beyond the model's is refused, packed or not", () => {
  for (const model of [bundledSource, bundledModel()])
    assert.match(
      fail(["inspect", model, "--context", "99999"], "BAD_ARGUMENT").err,
      /context 99999 was asked for, the model was made for at most 256/,
    );
});

test("bits a weight are those of the codes, whoever shares a number", () => {
  for (const [name, type] of [
    ["qwen3-mlx", "U32"],
    ["llama-packed-oldstyle", "U8"],
    ["bitmamba2-bin", "2-bit codes"],
  ]) {
    const { types } = succeedJson(["inspect", sourceIn(name)]);
    const { weights, bytes } = types.find((one) => one.name === type);
    const bits = (8 * bytes) / weights;
    assert.ok(bits >= 2 && bits < 2.1, `${name}: ${bits}`);
  }
});
