// export.test.mjs - `tercet export --to gguf`: every weight of the file that it writes is compared
// with the Hugging Face source of the model, through a reader that shares nothing with the writer.
// That llama.cpp reads such files and writes the same text is shown where it is installed
// (bench/native.mjs); here nothing but Node is needed.

import assert from "node:assert/strict";
import {
  cpSync,
  existsSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { GgufFile } from "./gguf_file.mjs";
import { number, readSafetensors } from "./safetensors_file.mjs";
import {
  at,
  bundledModel,
  bundledSource,
  fail,
  goldenModels,
  misuse,
  pack,
  readJson,
  stories260K,
  succeed,
  succeedJson,
} from "./twin_under_test.mjs";

/** The trit of a packed matrix: 4 rows, a quarter of the rows apart, in a byte. */
function packedTrit({ shape: [quarter, columns], bytes }, row, column) {
  const byte = bytes[(row % quarter) * columns + column];
  return ((byte >> (2 * Math.floor(row / quarter))) & 3) - 1;
}

const linears = {
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.o_proj": "attn_output",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
};

/** Compares each ternary weight; row of ours -> row of the source. */
function compareLinears(gguf, source, layers, scaleOf, sourceRow = (_, row) => row) {
  let compared = 0;
  for (let layer = 0; layer < layers; layer++) {
    for (const [theirs, ours] of Object.entries(linears)) {
      const from = source.get(`model.layers.${layer}.${theirs}.weight`);
      const scale = scaleOf(source.get(`model.layers.${layer}.${theirs}.weight_scale`));
      const name = `blk.${layer}.${ours}.weight`;
      const [columns, rows] = gguf.tensors.get(name).shape;
      assert.deepEqual([rows, columns], [4 * from.shape[0], from.shape[1]], name);
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++) {
          const trit = packedTrit(from, sourceRow(ours, row), column);
          const [code, d] = gguf.weight(name, row, column);
          const off = Math.abs(code * d - trit * scale);
          if (Math.sign(code) !== trit || off > 2 ** -11 * scale) {
            assert.fail(
              `${name} [${row}, ${column}]: ${code} x ${d}, but the source has ${trit} x ${scale}`,
            );
          }
          compared++;
        }
      }
    }
  }
  return compared;
}

const exportOf = (name, model, options = []) => {
  const file = at(`${name}.gguf`);
  const report = succeedJson(["export", model, "--to", "gguf", "-o", file, ...options]);
  return { file, report, gguf: new GgufFile(file) };
};

for (const type of ["tq2_0", "tq1_0", "q2_0", "q4_0", "q8_0", "f16", "f32"]) {
  test(`every weight of the bundled model is in a file of type ${type}`, () => {
    const { file, report, gguf } = exportOf(`bundled-${type}`, bundledModel(), ["--type", type]);
    const source = readSafetensors(join(bundledSource, "model.safetensors"));
    const compared = compareLinears(gguf, source, 6, (scale) => number(scale, 0));
    assert.equal(compared, 5111808);
    assert.equal(report.ternary_weights, 5111808);
    assert.equal(report.architecture, "bitnet");
    assert.equal(report.file_bytes, statSync(file).size);
    assert.equal(gguf.typeOf("blk.0.attn_q.weight"), type.toUpperCase());
    assert.ok(report.scale_error <= 2 ** -11, `${report.scale_error}`);
    assert.equal(report.scale_error > 0, type !== "f32");
    for (const [theirs, ours] of [
      ["model.embed_tokens", "token_embd"],
      ["model.norm", "output_norm"],
      ["model.layers.5.self_attn.attn_sub_norm", "blk.5.attn_sub_norm"],
      ["model.layers.5.mlp.ffn_sub_norm", "blk.5.ffn_sub_norm"],
    ]) {
      const from = source.get(`${theirs}.weight`);
      const [columns, rows = 1] = gguf.tensors.get(`${ours}.weight`).shape;
      assert.equal(
        rows * columns,
        from.shape.reduce((a, b) => a * b),
      );
      for (let i = 0; i < rows * columns; i++) {
        const [code, d] = gguf.weight(`${ours}.weight`, Math.floor(i / columns), i % columns);
        if (code * d !== number(from, i))
          assert.fail(`${ours} ${i}: ${code * d}, not ${number(from, i)}`);
      }
    }
    assert.ok(!gguf.tensors.has("output.weight"), "the head is the embedding");
  });
}

test("q and k of a llama have their rows in the order of interleaved pairs", () => {
  const source = join(goldenModels, "llama-packed-bitlinear");
  const config = readJson(join(source, "config.json"));
  const { gguf, report } = exportOf("llama", pack(source), ["--type", "f32"]);
  const dim = config.head_dim ?? config.hidden_size / config.num_attention_heads;
  const interleaved = (name, row) => {
    const inHead = row % dim;
    const from = (inHead % 2) * (dim / 2) + Math.floor(inHead / 2);
    return name === "attn_q" || name === "attn_k" ? row - inHead + from : row;
  };
  const safetensors = readSafetensors(join(source, "model.safetensors"));
  const divide = (scale) => Math.fround(1 / number(scale, 0));
  assert.ok(
    compareLinears(gguf, safetensors, config.num_hidden_layers, divide, interleaved) > 10000,
  );
  assert.equal(report.architecture, "llama");
  assert.equal(gguf.keys.get("llama.attention.head_count_kv"), config.num_key_value_heads);
  assert.equal(gguf.keys.get("llama.rope.dimension_count"), dim);
});

test("the keys say what the model is", () => {
  const { gguf } = exportOf("keys", bundledModel());
  const keys = Object.fromEntries(gguf.keys);
  const tokens = keys["tokenizer.ggml.tokens"];
  const types = keys["tokenizer.ggml.token_type"];
  assert.equal(keys["general.architecture"], "bitnet");
  assert.equal(keys["general.name"], "gutenberg-6m-b158");
  assert.equal(keys["general.file_type"], 37);
  assert.equal(keys["bitnet.block_count"], 6);
  assert.equal(keys["bitnet.feed_forward_length"], 768);
  assert.equal(keys["bitnet.hidden_activation"], "relu2");
  assert.equal(keys["bitnet.rope.freq_base"], 10000);
  assert.equal(keys["tokenizer.ggml.model"], "llama");
  assert.equal(keys["tokenizer.ggml.bos_token_id"], 1);
  assert.equal(keys["tokenizer.ggml.eos_token_id"], 1);
  assert.equal(keys["tercet.model_id"], succeedJson(["inspect", bundledModel()]).model_id);
  assert.equal(tokens.length, 4096);
  assert.equal(types.length, 4096);
  assert.equal(new Set(tokens).size, 4096, "no text is there twice");
  // The vocabulary as its source spells it.
  const vocab = readJson(join(bundledSource, "tokenizer.json")).model.vocab;
  for (const [text, id] of Object.entries(vocab)) assert.equal(tokens[id], text);
  // The scores alone give the merges of the source, in its order.
  const scores = keys["tokenizer.ggml.scores"];
  const merges = readJson(join(bundledSource, "tokenizer.json")).model.merges;
  let before = Infinity;
  for (const merge of merges) {
    const joined = (Array.isArray(merge) ? merge : merge.split(" ")).join("");
    const score = scores[vocab[joined]];
    assert.ok(score <= before, `${joined} would be joined before the merge in front of it`);
    before = score;
  }
});

test("a byte-level tokenizer comes with its merges in order", () => {
  const source = join(goldenModels, "llama-packed-bitlinear");
  const { gguf } = exportOf("bpe", pack(source), ["--type", "f16"]);
  const { vocab, merges } = readJson(join(source, "tokenizer.json")).model;
  const tokens = gguf.keys.get("tokenizer.ggml.tokens");
  assert.equal(gguf.keys.get("tokenizer.ggml.model"), "gpt2");
  assert.ok(["gpt-2", "llama-bpe", "qwen2"].includes(gguf.keys.get("tokenizer.ggml.pre")));
  for (const [text, id] of Object.entries(vocab)) assert.equal(tokens[id], text);
  const expected = merges.map((merge) => (Array.isArray(merge) ? merge.join(" ") : merge));
  assert.ok(expected.length > 10);
  assert.deepEqual(gguf.keys.get("tokenizer.ggml.merges"), expected);
});

/** A synthetic model of a small shape. */
function shape(name) {
  const file = at(`${name}.tercet`);
  succeed(["bench", "--shape", name, "--save", file]);
  return file;
}

test("a GPT-2 has q, k and v in one tensor, positions, biases, and its own names", () => {
  const { gguf, report } = exportOf("gpt2", shape("tiny-gpt2"), ["--type", "f16"]);
  const shapeOf = (name) => gguf.tensors.get(name)?.shape;
  assert.equal(report.architecture, "gpt2");
  assert.deepEqual(shapeOf("blk.1.attn_qkv.weight"), [72, 216]);
  assert.deepEqual(shapeOf("blk.1.attn_qkv.bias"), [216]);
  assert.deepEqual(shapeOf("blk.1.ffn_up.weight"), [72, 200]);
  assert.deepEqual(shapeOf("blk.1.ffn_down.bias"), [72]);
  assert.deepEqual(shapeOf("blk.0.attn_norm.bias"), [72]);
  assert.deepEqual(shapeOf("output_norm.bias"), [72]);
  assert.equal(gguf.typeOf("blk.1.attn_qkv.bias"), "F32");
  assert.equal(gguf.typeOf("position_embd.weight"), "F16");
  assert.ok(!gguf.tensors.has("blk.1.attn_q.weight"));
  assert.ok(gguf.keys.get("gpt2.attention.layer_norm_epsilon") > 0);
  assert.equal(gguf.keys.get("gpt2.rope.freq_base"), undefined);
  assert.equal(gguf.keys.get("tokenizer.ggml.pre"), "gpt-2");
});

test("a Qwen3 keeps its groups of scales where blocks are as short", () => {
  const options = ["--type", "q2_0", "--fallback", "f16"];
  const { gguf, report } = exportOf("qwen3", shape("tiny-bonsai"), options);
  assert.equal(report.architecture, "qwen3");
  assert.equal(report.merge_error, 0);
  assert.equal(gguf.typeOf("blk.0.attn_output.weight"), "Q2_0");
  assert.equal(gguf.typeOf("blk.0.ffn_down.weight"), "F16");
  assert.deepEqual(gguf.tensors.get("blk.0.attn_q_norm.weight").shape, [16]);
  assert.equal(gguf.keys.get("qwen3.attention.key_length"), 16);
  const scales = new Set();
  for (let column = 0; column < 300; column++) {
    const [value] = gguf.weight("blk.1.ffn_down.weight", 3, column);
    if (value !== 0) scales.add(`${Math.floor(column / 128)}: ${Math.abs(value)}`);
  }
  assert.equal(scales.size, 3, "one scale for each 128 columns of a row");
});

test("dense models stay as they are", () => {
  const { gguf, report } = exportOf("stories", stories260K());
  assert.equal(report.ternary_weights, 0);
  assert.equal(report.rounded_weights, 0);
  assert.deepEqual(Object.keys(report.types), ["F32"]);
  assert.equal(gguf.keys.get("general.architecture"), "llama");
});

test("an embedding in another type is reported as rounded", () => {
  const { gguf, report } = exportOf("q8", bundledModel(), ["--embedding", "q8_0"]);
  assert.equal(gguf.typeOf("token_embd.weight"), "Q8_0");
  assert.equal(report.rounded_weights, 4096 * 256);
  const source = readSafetensors(join(bundledSource, "model.safetensors"));
  const table = source.get("model.embed_tokens.weight");
  for (let row = 0; row < 64; row++) {
    for (let column = 0; column < 256; column++) {
      const [code, d] = gguf.weight("token_embd.weight", row, column);
      const off = Math.abs(code * d - number(table, row * 256 + column));
      assert.ok(off <= 0.51 * d + 127 * d * 2 ** -11, `${row} ${column}`);
    }
  }
});

test("what cannot be written is refused by name, and nothing is left behind", () => {
  const narrow = pack(join(goldenModels, "llama-packed-bitlinear"));
  const before = readdirSync(at(""));
  const refused = fail(["export", narrow, "-o", at("narrow.gguf")], "CANNOT_EXPORT");
  assert.match(refused.err, /blk\.0\.attn_q\.weight has 48 columns/);
  const damaged = at("damaged.tercet");
  writeFileSync(damaged, readFileSync(bundledModel()));
  truncateSync(damaged, 100000);
  fail(["export", damaged, "-o", at("damaged.gguf")], "TRUNCATED");
  fail(["export", at("none.tercet"), "-o", at("none.gguf")], "FILE_NOT_FOUND");
  const nowhere = join(at("no-folder"), "a.gguf");
  const unwritable = fail(["export", bundledModel(), "-o", nowhere], "FILE_WRITE_FAILED");
  assert.ok(unwritable.err.startsWith(`tercet: error: ${nowhere}: `), unwritable.err);
  // The model must never be replaced by what is made of it, under none of its names.
  const model = at("alias.tercet");
  writeFileSync(model, readFileSync(bundledModel()));
  symlinkSync(model, at("alias.gguf"));
  for (const destination of [model, at("alias.gguf")]) {
    const itself = fail(["export", model, "-o", destination], "BAD_ARGUMENT");
    assert.match(itself.err, /this is the model itself/);
    assert.deepEqual(readFileSync(model), readFileSync(bundledModel()));
  }
  rmSync(at("alias.gguf"));
  rmSync(model);
  assert.deepEqual(
    readdirSync(at("")).filter((name) => name !== "damaged.tercet"),
    before,
  );
  misuse(["export", bundledModel()], /-o FILE is missing/);
  misuse(["export", bundledModel(), "-o", "x", "--to", "onnx"], /--to takes gguf or safetensors/);
  misuse(["export", bundledModel(), "-o", "x", "--type", "q5_1"], /--type takes one of tq2_0/);
  assert.equal(existsSync("x"), false);
});

/** A copy of a golden folder with changes to its files: name -> function of the JSON, or of the bytes. */
function changed(name, golden, changes) {
  const folder = at(name);
  cpSync(join(goldenModels, golden), folder, { recursive: true });
  for (const [file, change] of Object.entries(changes)) {
    const path = join(folder, file);
    const json = file.endsWith(".json");
    const content = json ? readJson(path) : readFileSync(path);
    const result = change(content) ?? content;
    writeFileSync(path, json ? JSON.stringify(result) : result);
  }
  return folder;
}

test("int8 matrices of a width without whole blocks become halves or floats when asked", () => {
  const model = pack(join(goldenModels, "gpt2-dense-f32"), ["--dense", "q8"]);
  const refused = fail(["export", model, "-o", at("odd.gguf")], "CANNOT_EXPORT");
  assert.match(refused.err, /attn_qkv\.weight has 36 columns.*: try --fallback f16\)/);
  const { gguf, report } = exportOf("odd", model, ["--fallback", "f32"]);
  assert.equal(gguf.typeOf("blk.0.attn_qkv.weight"), "F32");
  assert.equal(report.rounded_weights, 0);
  assert.ok(exportOf("odd-f16", model, ["--fallback", "f16"]).report.rounded_weights > 0);
  const table = ["-o", at("table.gguf"), "--embedding", "q8_0", "--fallback", "f16"];
  const told = fail(["export", model, ...table], "CANNOT_EXPORT").err;
  assert.match(told, /token_embd\.weight has 36 columns.*: try --embedding f16\)/);
});

test("the name of a row without a token is the text of no token", () => {
  const folder = changed("padded", "llama-packed-bitlinear", {
    "tokenizer.json": (json) => {
      const added = json.added_tokens;
      added.find(({ id }) => id === 298).content = "[PAD299]";
      json.added_tokens = added.filter(({ id }) => id !== 299);
    },
  });
  const { gguf } = exportOf("padded", pack(folder), ["--type", "f16"]);
  const tokens = gguf.keys.get("tokenizer.ggml.tokens");
  assert.deepEqual(tokens.slice(298), ["[PAD299]", "[PAD299_]", "<|eot_id|>"]);
  assert.deepEqual(gguf.keys.get("tokenizer.ggml.token_type").slice(298), [3, 5, 3]);
});

test("a scale that no half can hold is named", () => {
  const folder = changed("scale", "llama-packed-bitlinear", {
    "model.safetensors": (bytes) => {
      const data = 8 + Number(bytes.readBigUInt64LE());
      const json = JSON.parse(bytes.subarray(8, data));
      const { data_offsets: places } = json["model.layers.0.self_attn.q_proj.weight_scale"];
      bytes.writeUInt16LE(0x4e6e, data + places[0]); // 998244352 in bf16; it divides
    },
  });
  const args = ["export", pack(folder), "-o", at("scale.gguf"), "--fallback", "f16"];
  assert.match(fail(args, "CANNOT_EXPORT").err, /has the scale 1\.001\d+e-09, which no half/);
  succeed([...args.slice(0, 4), "--type", "f32"]);
});

/** A copy of stories260K with this number in row 1, column 36 of its embedding. */
const withNumber = (value) =>
  changed(`number-${value}`, "stories260K", {
    "model.safetensors": (bytes) => {
      const data = 8 + Number(bytes.readBigUInt64LE());
      const table = JSON.parse(bytes.subarray(8, data))["model.embed_tokens.weight"];
      bytes.writeFloatLE(value, data + table.data_offsets[0] + 4 * (64 + 36));
    },
  });

test("a value too large for the type that was asked for is refused, not made infinite", () => {
  for (const [value, type, option] of [
    [65520, "F16", "f16"],
    [-65536 * 127, "Q8_0", "q8_0"],
  ]) {
    const model = pack(withNumber(value), ["--dense", "f32"]);
    const args = ["export", model, "-o", at("large.gguf"), "--embedding", option];
    const told = fail(args, "CANNOT_EXPORT").err;
    assert.match(
      told,
      new RegExp(`token_embd.weight holds -?[\\de+]+, which.*for ${type}: try --embedding f32`),
    );
  }
  const model = pack(withNumber(65519), ["--dense", "f32"]);
  const { gguf } = exportOf("fits", model, ["--embedding", "f16"]);
  assert.equal(gguf.weight("token_embd.weight", 1, 36)[0], 65504);
});

test("the report for people says what is exact", () => {
  const report = succeed(["export", bundledModel(), "-o", at("people.gguf")]);
  assert.match(report, /^exported +\S+people\.gguf$/m);
  assert.match(report, /^form +GGUF, architecture "bitnet", 68 tensors, 3\.5\d MB$/m);
  assert.match(report, /^exact +5\.11 M ternary weights kept; .* at most \d\S* off$/m);
  assert.match(report, /^note +this model needs squared ReLU/m);
  assert.doesNotMatch(report, /other tokens there/);
  assert.equal(succeed(["export", bundledModel(), "-o", at("people.gguf"), "--quiet"]), "");
});
