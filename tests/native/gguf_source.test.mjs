// gguf_source.test.mjs - GGUF files as sources: what of their keys and tensors is refused and in which words, what is taken
// although it is unusual, and what `inspect` and `tokenize` say of files that are not packed. Logits are golden_forms'.

import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { test } from "node:test";
import { root } from "../../scripts/paths.mjs";
import {
  array,
  bool,
  changed,
  f32,
  integers,
  readGguf,
  text,
  texts,
  u32,
  writeGguf,
} from "./gguf_edit.mjs";
import {
  argmax,
  at,
  fail,
  goldenModels,
  logits,
  misuse,
  pack,
  succeed,
  succeedJson,
} from "./twin_under_test.mjs";

const golden = (name) => join(goldenModels, `gguf-${name}`, "model.gguf");
let files = 0;

/** A golden file with other keys or tensors. */
function edited(name, keys = {}, tensors = {}) {
  const file = readGguf(golden(name));
  const path = at(`edited-${files++}.gguf`);
  return writeGguf(path, {
    ...file,
    keys: changed(file.keys, keys),
    tensors: changed(file.tensors, tensors),
  });
}

const tensor = (name, which) => readGguf(golden(name)).tensors.get(which);
const f32Tensor = (values) => {
  const data = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => data.writeFloatLE(value, 4 * i));
  return { shape: [values.length], type: 0, data };
};

function refuses(path, code, ...words) {
  const { err } = fail(["pack", path, "-o", at("refused.tercet")], code);
  for (const word of words) assert.match(err, word);
  assert.ok(!existsSync(at("refused.tercet")));
}

test("a file that is written again as it was packs to the same model", () => {
  const again = succeedJson(["inspect", pack(edited("llama-q2_0"))]);
  assert.equal(again.model_id, succeedJson(["inspect", pack(golden("llama-q2_0"))]).model_id);
});

/* ---------------------------------------------------------------- what is refused */

const L = "llama-q2_0";
const B = "bitnet-i2_s";
const refusals = [
  [
    "no architecture",
    L,
    { "general.architecture": undefined },
    "BAD_SOURCE",
    /general.architecture/,
  ],
  [
    "another architecture",
    L,
    { "general.architecture": text("phi3") },
    "UNSUPPORTED_SOURCE",
    /phi3.*llama, qwen3, gpt2/,
  ],
  [
    "qwen35",
    L,
    { "general.architecture": text("qwen35") },
    "UNSUPPORTED_SOURCE",
    /gated delta nets/,
  ],
  ["rotated weights", L, { "prism.hadamard.version": u32(1) }, "UNSUPPORTED_SOURCE", /rotated/],
  [
    "a mixture of experts",
    L,
    { "llama.expert_count": u32(8) },
    "UNSUPPORTED_SOURCE",
    /mixture of experts/,
  ],
  [
    "a sliding window",
    L,
    { "llama.attention.sliding_window": u32(16) },
    "UNSUPPORTED_SOURCE",
    /sliding_window/,
  ],
  ["a scale of logits", L, { "llama.logit_scale": f32(0.5) }, "UNSUPPORTED_SOURCE", /logit_scale/],
  ["an encoder", L, { "llama.attention.causal": bool(false) }, "UNSUPPORTED_SOURCE", /causal/],
  ["no layers", L, { "llama.block_count": u32(0) }, "BAD_SOURCE", /block_count/],
  [
    "a missing width",
    L,
    { "llama.embedding_length": undefined },
    "BAD_SOURCE",
    /embedding_length.*missing/,
  ],
  [
    "a width that is text",
    L,
    { "llama.embedding_length": text("128") },
    "BAD_SOURCE",
    /embedding_length/,
  ],
  [
    "layers that differ",
    L,
    { "llama.feed_forward_length": array(4, [u32(192).bytes, u32(193).bytes]) },
    "UNSUPPORTED_SOURCE",
    /layer to layer/,
  ],
  [
    "heads that do not divide",
    L,
    { "llama.attention.head_count_kv": u32(3) },
    "UNSUPPORTED_SOURCE",
    /head_count_kv/,
  ],
  [
    "values of another width",
    L,
    { "llama.attention.value_length": u32(8) },
    "UNSUPPORTED_SOURCE",
    /value_length/,
  ],
  [
    "a part of a head that rotates",
    L,
    { "llama.rope.dimension_count": u32(8) },
    "UNSUPPORTED_SOURCE",
    /dimension_count/,
  ],
  [
    "an unknown scaling",
    L,
    { "llama.rope.scaling.type": text("longrope") },
    "UNSUPPORTED_SOURCE",
    /longrope.*yarn/,
  ],
  ["a base that is no number", L, { "llama.rope.freq_base": f32(NaN) }, "BAD_SOURCE", /freq_base/],
  ["a base of one", L, { "llama.rope.freq_base": f32(1) }, "BAD_SOURCE", /freq_base/],
  [
    "YaRN with a key of its own",
    L,
    {
      "llama.rope.scaling.type": text("yarn"),
      "llama.rope.scaling.factor": f32(4),
      "llama.rope.scaling.yarn_log_multiplier": f32(0.1),
    },
    "UNSUPPORTED_SOURCE",
    /yarn_log_multiplier/,
  ],
  [
    "another activation",
    "bitnet-tq1_0",
    { "bitnet.hidden_activation": text("gelu") },
    "UNSUPPORTED_SOURCE",
    /hidden_activation/,
  ],
  [
    "no tokenizer",
    L,
    { "tokenizer.ggml.model": undefined, "tokenizer.ggml.tokens": undefined },
    "BAD_SOURCE",
    /tokenizer.ggml.tokens/,
  ],
  ["another tokenizer", L, { "tokenizer.ggml.model": text("rwkv") }, "UNSUPPORTED_SOURCE", /rwkv/],
  [
    "an unknown way to cut text",
    L,
    { "tokenizer.ggml.pre": text("tekken") },
    "UNSUPPORTED_SOURCE",
    /tekken.*qwen2/,
  ],
  [
    "no way to cut text",
    L,
    { "tokenizer.ggml.pre": undefined },
    "UNSUPPORTED_SOURCE",
    /tokenizer.ggml.pre/,
  ],
  ["no merges", L, { "tokenizer.ggml.merges": undefined }, "BAD_SOURCE", /merges/],
  ["a merge of one name", L, { "tokenizer.ggml.merges": texts(["ab"]) }, "BAD_SOURCE", /merge 0/],
  [
    "a merge of strangers",
    L,
    { "tokenizer.ggml.merges": texts(["zq qz"]) },
    "BAD_SOURCE",
    /merge 0/,
  ],
  ["no scores", "llama-tq2_0", { "tokenizer.ggml.scores": undefined }, "BAD_SOURCE", /scores/],
  [
    "types of other tokens",
    L,
    { "tokenizer.ggml.token_type": integers([1, 1]) },
    "BAD_SOURCE",
    /token_type/,
  ],
  [
    "an end of text in front",
    L,
    { "tokenizer.ggml.add_eos_token": bool(true) },
    "UNSUPPORTED_SOURCE",
    /add_eos_token/,
  ],
  [
    "a beginning that is no token",
    L,
    { "tokenizer.ggml.bos_token_id": u32(5000) },
    "BAD_SOURCE",
    /bos_token_id/,
  ],
];

for (const [what, name, keys, code, words] of refusals)
  test(`refused: ${what}`, () => refuses(edited(name, keys), code, words));

test("refused: tensors that are missing, left over, of another shape or type", () => {
  const q = tensor(L, "blk.0.attn_q.weight");
  const norm = tensor(L, "output_norm.weight");
  refuses(edited(L, {}, { "blk.1.ffn_up.weight": undefined }), "BAD_SOURCE", /blk.1.ffn_up.weight/);
  refuses(
    edited(L, {}, { "blk.0.attn_q_norm_in.weight": norm }),
    "UNSUPPORTED_SOURCE",
    /norm_in.weight is a norm of one linear layer.*pack the model's folder/,
  );
  refuses(
    edited(L, {}, { "blk.0.ffn_gate_exps.weight": q }),
    "UNSUPPORTED_SOURCE",
    /exps.*mixture of experts.*take a dense model/,
  );
  const turned = { ...q, shape: [64, 128] };
  refuses(edited(L, {}, { "blk.0.attn_q.weight": turned }), "BAD_SOURCE", /attn_q.weight/);
  refuses(
    edited(L, {}, { "blk.0.attn_q.weight": { ...q, type: 38 } }),
    "UNSUPPORTED_SOURCE",
    /TL1.*Hugging Face/,
  );
  refuses(
    edited(B, {}, { "blk.0.attn_q.weight": { ...q, type: 39 } }),
    "UNSUPPORTED_SOURCE",
    /TL2.*Hugging Face/,
  );
  refuses(
    edited(L, {}, { "blk.0.attn_q.weight": { ...q, type: 12 } }),
    "UNSUPPORTED_SOURCE",
    /Q4_K.*instead/s,
  );
  const scale = f32Tensor([1, 2]);
  refuses(edited(L, {}, { "blk.0.attn_q.scale": scale }), "UNSUPPORTED_SOURCE", /attn_q.scale/);
  const divisors = f32Tensor([1, 1, 1]);
  refuses(edited(L, {}, { "rope_freqs.weight": divisors }), "BAD_SOURCE", /rope_freqs/);
  const head = { ...tensor(B, "token_embd.weight") };
  head.data = Buffer.from(head.data).fill(0x11, 0, 64);
  refuses(edited(B, {}, { "output.weight": head }), "BAD_SOURCE", /output.weight differs/);
});

test("refused: the code 3, and scales that are none", () => {
  const q = tensor(L, "blk.0.attn_q.weight");
  const three = { ...q, data: Buffer.from(q.data) };
  three.data[2 + 5] = 0xd5;
  refuses(
    edited(L, {}, { "blk.0.attn_q.weight": three }),
    "NOT_TERNARY",
    /attn_q.*code 3.*row 0, column 23/s,
  );
  const path = edited(L, {}, { "blk.0.attn_q.weight": three });
  succeed(["pack", path, "-o", at("dense.tercet"), "--dense", "f16"]);
  const infinite = { ...q, data: Buffer.from(q.data) };
  infinite.data.writeUInt16LE(0x7c00, 0);
  refuses(edited(L, {}, { "blk.0.attn_q.weight": infinite }), "BAD_SOURCE", /no finite number/);
  const i2s = tensor(B, "blk.0.attn_q.weight");
  const code = { ...i2s, data: Buffer.from(i2s.data) };
  code.data[0] = 0xc0;
  refuses(edited(B, {}, { "blk.0.attn_q.weight": code }), "BAD_SOURCE", /code 3/);
  for (const wrong of [0, -1, NaN, Infinity]) {
    const data = Buffer.from(i2s.data);
    data.writeFloatLE(wrong, (128 * 128) / 4);
    refuses(
      edited(B, {}, { "blk.0.attn_q.weight": { ...i2s, data } }),
      "BAD_SOURCE",
      /scale of tensor/,
    );
  }
});

/* ---------------------------------------------------------------- what is taken */

const same = (a, b) =>
  assert.equal(succeedJson(["inspect", a]).model_id, succeedJson(["inspect", b]).model_id);

test("integers of any type, per-layer arrays of equal ones, both names of an activation", () => {
  const plain = pack(golden("llama-q2_0"));
  same(
    pack(
      edited(L, {
        "llama.block_count": { type: 10, bytes: Buffer.from([2, 0, 0, 0, 0, 0, 0, 0]) },
      }),
    ),
    plain,
  );
  same(
    pack(edited(L, { "llama.attention.head_count": { type: 0, bytes: Buffer.from([4]) } })),
    plain,
  );
  same(pack(edited(L, { "llama.attention.head_count_kv": integers([2, 2]) })), plain);
  const bitnet = pack(golden("bitnet-tq1_0"));
  for (const name of ["hidden_act", "hidden_activation"])
    same(
      pack(
        edited("bitnet-tq1_0", {
          "bitnet.hidden_act": undefined,
          "bitnet.hidden_activation": undefined,
          [`bitnet.${name}`]: text("relu2"),
        }),
      ),
      bitnet,
    );
});

test("a tensor's own multiplier counts like a scale in its blocks", () => {
  const q = tensor(L, "blk.0.attn_q.weight");
  const doubled = { ...q, data: Buffer.from(q.data) };
  for (let i = 0; i < (128 * 64) / 64; i++)
    doubled.data.writeUInt16LE(doubled.data.readUInt16LE(18 * i) + 0x400, 18 * i);
  same(
    pack(edited(L, {}, { "blk.0.attn_q.scale": f32Tensor([2]) })),
    pack(edited(L, {}, { "blk.0.attn_q.weight": doubled })),
  );
});

test("I2_S in another order of bytes is another model, and needs to be asked for", () => {
  const ids = ["x86", "arm", "row4"].map(
    (layout) => succeedJson(["inspect", pack(golden(B), ["--i2s-layout", layout])]).model_id,
  );
  assert.equal(new Set(ids).size, 3);
  assert.equal(ids[0], succeedJson(["inspect", pack(golden(B))]).model_id);
  misuse(
    ["pack", golden(B), "-o", at("x.tercet"), "--i2s-layout", "sparc"],
    /i2s-layout takes one of/,
  );
});

test("the first tokens of a text may be found without keys", () => {
  const inspect = (keys) => succeedJson(["inspect", pack(edited("llama-tq2_0", keys))]);
  const none = {
    "tokenizer.ggml.bos_token_id": undefined,
    "tokenizer.ggml.add_bos_token": undefined,
  };
  assert.equal(inspect(none).beginning_token, 1); /* SentencePiece has them in these places */
  assert.deepEqual(
    succeed([
      "tokenize",
      edited("llama-tq2_0", { "tokenizer.ggml.add_bos_token": bool(false) }),
      "abc",
    ]),
    succeed(["tokenize", golden("llama-tq2_0"), "abc", "--no-bos"]),
  );
});

test("dense blocks become f16 or int8 by choice, and what is lost is told", () => {
  const dense = golden("llama-q8_0-dense");
  fail(["pack", dense, "-o", at("d.tercet")], "NOT_TERNARY");
  const report = (options) => succeedJson(["pack", dense, "-o", at("d.tercet"), ...options]);
  assert.equal(report(["--dense", "f32"]).lossless, true);
  const half = report(["--dense", "f16"]);
  assert.equal(half.lossless, false);
  assert.ok(half.quantize_error > 0 && half.quantize_error < 1e-3, `${half.quantize_error}`);
  const q8 = report(["--dense", "q8", "--embedding", "q8"]);
  assert.ok(
    q8.quantize_error > half.quantize_error && q8.quantize_error < 0.02,
    `${q8.quantize_error}`,
  );
});

test("the destination is never the source", () => {
  const path = edited(L);
  const before = readFileSync(path);
  const { err } = fail(["pack", path, "-o", path], "BAD_ARGUMENT");
  assert.match(err, /file of the source/);
  assert.deepEqual(readFileSync(path), before);
});

/* ---------------------------------------------------------------- there and back */

const tokens = "1,372,623,286,261,5,900,77";
const lastLogits = (model) =>
  logits(model, ["--tokens", tokens], succeedJson(["inspect", model]).shape.vocabulary).at(-1);

for (const type of ["f32", "f16", "tq2_0", "tq1_0", "q2_0", "q4_0", "q8_0"])
  test(`a model that is exported as ${type} and packed again is the same model`, () => {
    const first = pack(join(root, "models/gutenberg-6m-b158"));
    const exported = at(`back-${type}.gguf`);
    succeed(["export", first, "--to", "gguf", "--type", type, "-o", exported, "--quiet"]);
    const second = pack(exported);
    const table = (model) =>
      succeedJson(["inspect", model, "--tensors"]).tensors.map(
        ({ name, type: kind, scale, rows, columns, zeros }) =>
          [name, kind, scale, rows, columns, zeros].join(" "),
      );
    assert.deepEqual(table(second), table(first));
    const said = "Once upon a time there was a";
    assert.equal(succeed(["tokenize", second, said]), succeed(["tokenize", first, said]));
    const [before, after] = [lastLogits(first), lastLogits(second)];
    // f32 keeps scales as they are: the same bits. The others have halves, and this is their rounding.
    if (type === "f32") assert.deepEqual(after, before);
    const worst = before.reduce((most, value, i) => Math.max(most, Math.abs(value - after[i])), 0);
    assert.ok(worst < 0.5, `${worst}`);
    assert.equal(argmax(after), argmax(before));
  });

/* ---------------------------------------------------------------- inspect and tokenize */

test("inspect says what a source is, and whether it packs", () => {
  const good = succeedJson(["inspect", golden("qwen3-ptq1_0"), "--tensors"]);
  assert.equal(good.format, "gguf");
  assert.equal(good.readable, true);
  assert.equal(good.shape.layers, 1);
  assert.deepEqual(good.types.map(({ name }) => name).sort(), ["F32", "PTQ1_0"]);
  const packed = succeedJson(["inspect", pack(golden("qwen3-ptq1_0"))]);
  assert.equal(good.parameters, packed.parameters);
  assert.equal(good.ternary.parameters, packed.ternary.parameters);
  assert.equal(good.ternary.zeros, packed.ternary.zeros);
  assert.deepEqual(good.ternary.sparsity_by_layer, packed.ternary.sparsity_by_layer);
  assert.equal(good.tensors.length, readGguf(golden("qwen3-ptq1_0")).tensors.size);
  const words = succeed(["inspect", golden("qwen3-ptq1_0")]);
  assert.match(words, /stored as +PTQ1_0.*1\.750 bits each/);
  assert.match(words, /packs +yes/);
  const bad = edited(L, { "llama.expert_count": u32(4) });
  const told = succeedJson(["inspect", bad]);
  assert.equal(told.readable, false);
  assert.equal(told.reason.code, "UNSUPPORTED_SOURCE");
  assert.match(
    succeed(["inspect", bad]),
    /packs +no: .*mixture of experts.* \[UNSUPPORTED_SOURCE\]/,
  );
  assert.match(succeed(["inspect", golden("llama-q8_0-dense")]), /packs +with --dense/);
  const folder = succeedJson(["inspect", join(goldenModels, "llama-packed-bitlinear")]);
  assert.equal(folder.format, "folder");
  assert.equal(folder.ternary.scale, "tensor");
  writeFileSync(at("no.gguf"), "GGU");
  fail(["inspect", at("no.gguf")], "BAD_SOURCE");
});

test("tokenize gives the same ids before and after packing", () => {
  const said = "Hello, wörld!  12345 <|begin_of_text|> \n\n 🌍 it's";
  const folders = ["llama-packed-bitlinear", "gpt2-online-bare", "stories260K"];
  const sources = [golden(L), golden("llama-tq2_0"), golden("qwen3-ptq1_0")];
  folders.forEach((name) => sources.push(join(goldenModels, name)));
  for (const source of sources) {
    const how =
      source.endsWith(".gguf") || source.includes("packed") ? [] : ["--quantize", "absmean"];
    const packed = pack(source, basename(source) === "stories260K" ? ["--dense", "f32"] : how);
    for (const flags of [[], ["--no-bos"], ["--no-special"]]) {
      const ids = succeed(["tokenize", packed, said, ...flags]);
      assert.equal(succeed(["tokenize", source, said, ...flags]), ids, source);
      assert.equal(
        succeed(["tokenize", source, "--decode", ids]),
        succeed(["tokenize", packed, "--decode", ids]),
      );
    }
    assert.deepEqual(
      succeedJson(["tokenize", source, said]),
      succeedJson(["tokenize", packed, said]),
    );
  }
  fail(["tokenize", at("none.gguf"), "a"], "FILE_NOT_FOUND");
  fail(["tokenize", golden(L), "--decode", "100000"], "BAD_TOKEN");
});

test("a file with keys and a vocabulary alone can tokenize", () => {
  const path = at("vocabulary.gguf");
  writeGguf(path, { ...readGguf(golden(L)), tensors: new Map() });
  const said = "Hello, wörld! 123";
  assert.equal(succeed(["tokenize", path, said]), succeed(["tokenize", golden(L), said]));
  refuses(path, "BAD_SOURCE", /token_embd.weight is missing/);
});

const vectors = resolve(join(root, "../shared/data/tokenizers/llama.cpp-vectors"));
const skip = existsSync(vectors) ? false : `llama.cpp's vocabularies are not in ${vectors}`;
for (const name of ["gpt-2", "phi-3", "mpt"])
  test(`llama.cpp's 46 texts, from the keys of its own ${name} vocabulary`, { skip }, () => {
    const file = join(vectors, `ggml-vocab-${name}.gguf`);
    const said = readFileSync(`${file}.inp`, "utf8").split("\n__ggml_vocab_test__\n");
    const ids = readFileSync(`${file}.out`, "utf8").split("\n");
    assert.ok(said.length >= 46 && ids.length >= said.length);
    said.forEach((one, i) => {
      const got = succeed(["tokenize", file, "-", "--no-bos", "--no-special"], { input: one });
      assert.equal(got.trim(), ids[i].trim(), JSON.stringify(one));
    });
  });

const story = resolve(join(root, "../shared/data/models/stories260K/stories260K-f32.gguf"));
test(
  "a trained model gives the same logits from GGUF, with permuted rows, as from its folder",
  { skip: existsSync(story) ? false : `there is no ${story}` },
  () => {
    const [a, b] = [story, join(goldenModels, "stories260K")].map((source) =>
      logits(
        pack(source, ["--dense", "f32"]),
        ["--tokens", "1,403,407,261,378", "--kv", "f32"],
        512,
      ).at(-1),
    );
    a.forEach((value, i) => assert.ok(Math.abs(value - b[i]) < 1e-4, `${i}`));
  },
);
