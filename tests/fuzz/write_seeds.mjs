// write_seeds.mjs - writes the inputs from which the fuzzers start, tests/fuzz/corpus/TARGET/seed_*, anew: small ones of each
// kind that a reader tells apart, made of the golden files or from nothing. Run by hand after a change of what a reader reads:
//
//   node tests/fuzz/write_seeds.mjs
//
// Other files in the corpus, found by fuzzers or made by hand, stay; the seeds of the container's header and loader are
// ../core/container/container_seeds.mjs's.

import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const tests = fileURLToPath(new URL("../", import.meta.url));
const golden = (path) => readFileSync(join(tests, "golden", path));
const json = (path) => JSON.parse(golden(path).toString());

const seeds = new Map();
const seed = (target, name, ...parts) =>
  seeds.set(`fuzz_${target}/seed_${name}`, Buffer.concat(parts.map((part) => Buffer.from(part))));

/** Files of a folder in memory (memory_folder.h): { A: content, B: ["+500:", content] }. */
const folder = (files) =>
  Buffer.concat(
    Object.entries(files).flatMap(([letter, content]) =>
      [`@@@${letter}`, content].flat().map((part) => Buffer.from(part)),
    ),
  );

const u32 = (...values) => {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => bytes.writeUInt32LE(value >>> 0, 4 * index));
  return bytes;
};

// ---------------------------------------------------------------- sections of a container

/** Section `id` of a golden .tercet file. */
function section(file, id) {
  const bytes = golden(`container/${file}.tercet`);
  for (let at = 64; at < 64 + 24 * bytes.readUInt32LE(12); at += 24) {
    if (bytes.readUInt32LE(at) !== id) continue;
    const begin = Number(bytes.readBigUInt64LE(at + 8));
    return bytes.subarray(begin, begin + Number(bytes.readBigUInt64LE(at + 16)));
  }
  throw new Error(`${file} has no section ${id}`);
}

for (const kind of ["well_formed", "well_formed_chat", "well_formed_wordpiece"])
  seed("container_tokenizer", kind, section(kind, 5));
for (const tables of [0, 1])
  seed("container_chat", `${tables}`, u32(tables), section("well_formed_chat", 6));

// ---------------------------------------------------------------- tokenizers

const pipelines = {
  gpt2: json("models/gpt2-grid-f16/tokenizer.json"),
  llama3: json("models/bitnet-packed-autobitlinear/tokenizer.json"),
  qwen: json("models/qwen3-mlx/tokenizer.json"),
  wordpiece: json("models/ternarylm-online-f32/tokenizer.json"),
};

/** The first tokens of a vocabulary under ids from 0 on, its merges among them, its added tokens behind. */
function shorten(tokenizer, count) {
  const words = Object.entries(tokenizer.model.vocab)
    .sort(([, a], [, b]) => b - a)
    .map(([word]) => word);
  const kept = new Set();
  // From the end, where the longest tokens are; what they are made of comes along.
  for (const word of words.slice(words.length - count)) kept.add(word);
  for (const word of words.filter((one) => [...one].length === 2).slice(0, 6)) {
    kept.add(word);
    for (const letter of word) kept.add(letter);
  }
  const made = structuredClone(tokenizer);
  const added = new Map(made.added_tokens.map((token) => [token.content, token]));
  made.model.vocab = Object.fromEntries(
    [...kept].filter((word) => !added.has(word)).map((word, id) => [word, id]),
  );
  let next = Object.keys(made.model.vocab).length;
  for (const token of added.values()) {
    token.id = next++;
    if (token.content in tokenizer.model.vocab) made.model.vocab[token.content] = token.id;
  }
  for (const token of Object.values(made.post_processor?.special_tokens ?? {}))
    token.ids = [added.get(token.id).id];
  if (made.model.merges) {
    const has = (word) => word in made.model.vocab;
    made.model.merges = made.model.merges.filter((merge) => {
      const [left, right] = Array.isArray(merge) ? merge : merge.split(" ");
      return has(left) && has(right) && has(left + right);
    });
  }
  return made;
}

const config = JSON.stringify({
  add_bos_token: true,
  bos_token: { content: "<|endoftext|>" },
  eos_token: "<|im_end|>",
});
for (const [name, tokenizer] of Object.entries(pipelines)) {
  const short = shorten(tokenizer, name === "wordpiece" ? 40 : 12);
  seed("tokenizer_json", name, folder({ A: JSON.stringify(short) }));
  seed("tokenizer_json", `${name}_config`, folder({ A: JSON.stringify(short), B: config }));
}

/** As llama's converters write it: a Metaspace or a pair of normalizers, bytes as <0x0A>. */
const sentencepieceJson = (around) => ({
  version: "1.0",
  added_tokens: [
    { id: 0, content: "<unk>", special: true, normalized: false },
    { id: 1, content: "<s>", special: true, normalized: false },
    { id: 9, content: "<tool>", special: false, normalized: false },
  ],
  ...around,
  decoder: null,
  model: {
    type: "BPE",
    unk_token: "<unk>",
    fuse_unk: true,
    byte_fallback: true,
    ignore_merges: false,
    vocab: { "<unk>": 0, "<s>": 1, "<0x0A>": 2, "▁": 3, t: 4, h: 5, "▁t": 6, "▁th": 7, e: 8 },
    merges: ["▁ t", ["▁t", "h"]],
  },
});
const normalizer = {
  type: "Sequence",
  normalizers: [
    { type: "Prepend", prepend: "▁" },
    { type: "Replace", pattern: { String: " " }, content: "▁" },
  ],
};
const metaspace = { type: "Metaspace", replacement: "▁", prepend_scheme: "first", split: false };
seed(
  "tokenizer_json",
  "sentencepiece",
  folder({ A: JSON.stringify(sentencepieceJson({ normalizer, pre_tokenizer: null })) }),
);
seed(
  "tokenizer_json",
  "metaspace",
  folder({ A: JSON.stringify(sentencepieceJson({ normalizer: null, pre_tokenizer: metaspace })) }),
);

const short = shorten(pipelines.gpt2, 12);
const pair = {
  A: JSON.stringify(short.model.vocab),
  B: `#version: 0.2\n${short.model.merges.map((merge) => [merge].flat().join(" ")).join("\n")}\n`,
};
seed("tokenizer_pair", "plain", folder(pair));
seed(
  "tokenizer_pair",
  "added",
  folder({
    ...pair,
    C: JSON.stringify({ "<|tool|>": 60, "<|im_end|>": 61 }),
    D: JSON.stringify({ tokenizer_class: "GPT2Tokenizer", ...JSON.parse(config) }),
    E: JSON.stringify({
      eos_token: { content: "<|im_end|>" },
      additional_special_tokens: ["<|tool|>"],
    }),
  }),
);

seed("tokenizer_bin", "golden", golden("models/bitmamba2-bin/tokenizer.bin"));
const lengthAndText = (text) => Buffer.concat([u32(Buffer.byteLength(text)), Buffer.from(text)]);
seed(
  "tokenizer_bin",
  "words",
  ...["t", "h", "e", "Ġ", "th", "he", "Ġt", "the", "Ġthe", "<|endoftext|>"].map(lengthAndText),
);

/** A protocol buffer's field of type 2 (bytes) or 0 (a number). */
const varint = (value) => {
  const bytes = [];
  for (let rest = value; ; rest >>>= 7) {
    bytes.push(rest > 127 ? (rest & 127) | 128 : rest);
    if (rest <= 127) return Buffer.from(bytes);
  }
};
const field = (number, content) =>
  typeof content === "number"
    ? Buffer.concat([varint(number << 3), varint(content)])
    : Buffer.concat([
        varint((number << 3) | 2),
        varint(Buffer.byteLength(content)),
        Buffer.from(content),
      ]);
const float = (number, value) => {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([varint((number << 3) | 5), bytes]);
};
const piece = (text, score, type = 1) =>
  field(1, Buffer.concat([field(1, text), float(2, score), field(3, type)]));
const sentencepiece = Buffer.concat([
  piece("<unk>", 0, 2),
  piece("<s>", 0, 3),
  piece("</s>", 0, 3),
  ...[10, 32, 255].map((byte) =>
    piece(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`, 0, 6),
  ),
  ...["▁t", "he", "▁the", "▁", "t", "h", "e"].map((text, index) => piece(text, -index)),
  piece("<tool>", 0, 4),
  field(2, Buffer.concat([field(3, 2), field(35, 1), field(40, 0), field(41, 1), field(42, 2)])),
  field(3, Buffer.concat([field(1, "identity"), field(3, 1), field(4, 0), field(5, 1)])),
]);
seed("tokenizer_model", "plain", folder({ A: sentencepiece }));
seed(
  "tokenizer_model",
  "added",
  folder({
    A: sentencepiece,
    B: JSON.stringify({
      add_bos_token: true,
      add_eos_token: false,
      bos_token: "<s>",
      legacy: false,
      added_tokens_decoder: {
        1: { content: "<s>", special: true },
        14: { content: "<|im_end|>", special: true, normalized: false, lstrip: false },
        15: { content: "<think>", special: false, rstrip: false },
      },
    }),
  }),
);

for (let choice = 0; choice < 16; choice++)
  seed(
    "tokenizer_decode",
    `tables_${choice}`,
    [((choice & 8) << 2) | (choice & 7)],
    Buffer.from([0, 0, 72, 0, 195, 0, 169, 0, 4, 1, 16, 1, 17, 1, 255, 0]),
  );

// ---------------------------------------------------------------- models

/** The header of a safetensors file, and how many bytes stand behind it. */
function safetensors(path) {
  const file = golden(path);
  const length = Number(file.readBigUInt64LE(0));
  return {
    text: JSON.stringify(JSON.parse(file.subarray(8, 8 + length).toString())),
    bytes: file.length - 8 - length,
  };
}

const families = [
  "bitnet-packed-autobitlinear",
  "gpt2-grid-f16",
  "llama-packed-bitlinear",
  "qwen3-mlx",
  "qwen3-grid-bf16",
  "ternarylm-online-f32",
];
for (const family of families) {
  const config = JSON.stringify(json(`models/${family}/config.json`));
  const { text, bytes } = safetensors(`models/${family}/model.safetensors`);
  seed("model_config", family, folder({ A: config, B: text }));
  seed("model_folder", family, folder({ A: config, B: [`#${bytes}:`, text] }));
}
const sharded = "models/llama-grid-bf16-sharded";
const index = JSON.parse(
  golden(`${sharded}/model.safetensors.index.json`)
    .toString()
    .replaceAll("model-00001-of-00002", "a")
    .replaceAll("model-00002-of-00002", "b"),
);
const [first, second] = ["1", "2"].map((number) =>
  safetensors(`${sharded}/model-0000${number}-of-00002.safetensors`),
);
seed(
  "model_folder",
  "sharded",
  folder({
    A: JSON.stringify(json(`${sharded}/config.json`)),
    C: JSON.stringify(index),
    D: [`#${first.bytes}:`, first.text],
    E: [`#${second.bytes}:`, second.text],
    F: JSON.stringify({ eos_token_id: [2, 3], do_sample: true, temperature: 0.7 }),
  }),
);

/** A BitMamba-2 file with this shape; all weights are zeros, all scales 1. */
function bitmamba(vocabulary, hidden, layers, heads) {
  const inner = 2 * hidden;
  const floats = (...shape) => [
    u32(0, shape.length, ...shape),
    Buffer.alloc(4 * shape.reduce((a, b) => a * b)),
  ];
  const scale = Buffer.alloc(4);
  scale.writeFloatLE(1);
  const trits = (rows, columns) => [
    u32(2, rows, columns),
    scale,
    Buffer.alloc(rows * Math.ceil(columns / 4), 0x55),
  ];
  const layer = () => [
    ...floats(hidden),
    ...trits(2 * inner + 3 * heads, hidden),
    ...floats(inner, 1, 4),
    ...floats(inner),
    ...floats(heads),
    ...floats(heads),
    ...floats(inner),
    ...floats(inner),
    ...trits(hidden, inner),
  ];
  return Buffer.concat([
    u32(0x42495432, vocabulary, hidden, layers, heads),
    ...floats(vocabulary, hidden),
    ...Array.from({ length: layers }, layer).flat(),
    ...floats(hidden),
    ...floats(hidden),
    ...trits(vocabulary, hidden),
  ]);
}
seed("bitmamba", "small", bitmamba(4, 4, 1, 2));
seed("bitmamba", "two_layers", bitmamba(3, 6, 2, 3));
seed("bitmamba", "cut", bitmamba(4, 4, 1, 2).subarray(0, 200));

/** The models that the header's own targets know, with what chooses the layout of I2_S behind. */
for (const name of readdirSync(join(tests, "fuzz", "corpus", "fuzz_gguf_model")).filter(
  (name) => !name.startsWith("seed_"),
))
  seed("gguf_file", name, readFileSync(join(tests, "fuzz", "corpus", "fuzz_gguf_model", name)));

/** The same under the packer's module: a program of calls (fuzz_packer_abi.c), and behind it the file. */
const packerCalls = {
  bitnet: [packs({})],
  gpt2: [packs({ dense: 2, chat: 0x02 }), packs({ quantize: 1, embedding: 4 })],
  "llama-spm": [[2, 40], [0, ...[0, 0x7f], 4, ...Buffer.from("a.b"), 0], packs({ name: 0x7f })],
  // Reads that fail from the third on; then memory that ends; then what was written comes back changed.
  "qwen3-yarn": [
    ...[hosts(2, 3, 1), packs({}), hosts(9, 20, 0), packs({}), hosts(7, 0, 9), packs({})],
  ],
};
function packs({ name = 7, chat = 0, quantize = 0, dense = 0, embedding = 0, i2s = 0 }) {
  return [3, name, chat, quantize, dense, embedding, i2s];
}
function hosts(lie, from, value) {
  return [1, lie, from, value & 255, value >> 8, 0, 0];
}
for (const [name, program] of Object.entries(packerCalls)) {
  const bytes = program.flat();
  const file = readFileSync(join(tests, "fuzz", "corpus", "fuzz_gguf_model", name));
  seed("packer_abi", name, [bytes.length], bytes, file);
}

// ---------------------------------------------------------------- small files

seed("generation_config", "greedy", folder({ A: '{"eos_token_id":2}' }));
seed(
  "generation_config",
  "list",
  folder({ A: '{"eos_token_id":[1,2,2]}', B: '{"eos_token_id":null,"do_sample":false}' }),
);
seed(
  "generation_config",
  "sampling",
  folder({
    A: "{}",
    B: '{"eos_token_id":[299],"do_sample":true,"temperature":0.6,"top_k":20,"top_p":0.95,"min_p":0.05}',
  }),
);

seed("json", "values", '{"a":[1,-2.5e3,true,false,null,"x\\u00e9\\n"],"b":{"c":{}},"d":1e999} \n');
seed("json", "twice", '{"a":1,"a":2}');
seed("json", "deep", `${"[".repeat(70)}${"]".repeat(70)}`);
seed("json", "not_utf8", '{"a":"', [0xc3, 0x28], '"}');
seed("json", "zero", '{"a":"\\u0000"}');

seed(
  "model_card",
  "licence",
  "---\nlanguage: en\nlicense: apache-2.0\ntags:\n- x\n---\n# A model\n",
);
seed("model_card", "quoted", '---\r\nlicense:  "mit" \r\n---\n');
seed("model_card", "strange", "---\nlicense: a\u0001é", [0xff, 0xc2, 0x80], "\n");
seed("model_card", "none", "# A model\n");

for (const name of ["bitnet", "chatml", "system", "tools"]) {
  const template = readFileSync(
    join(tests, "fuzz", "corpus", "fuzz_chat_template", name),
  ).toString();
  seed("chat_folder", `${name}_file`, folder({ A: template }));
  seed("chat_folder", `${name}_config`, folder({ B: JSON.stringify({ chat_template: template }) }));
}
seed(
  "chat_folder",
  "named",
  folder({
    B: JSON.stringify({
      chat_template: [
        { name: "tool_use", template: "x" },
        { name: "default", template: "{{ messages }}" },
      ],
    }),
  }),
);

// A byte for the type (block_codecs.h), one for the row, bytes that no two places share.
for (let type = 0; type < 18; type++)
  seed(
    "block_codecs",
    `type_${type}`,
    [type, type],
    Buffer.from({ length: 256 }, (_, at) => (at * 37 + 11) % 251),
  );

// ---------------------------------------------------------------- sampling

const f32 = (...values) => Buffer.from(Float32Array.from(values).buffer);
for (const [name, options] of Object.entries({
  greedy: [0, 0, 1, 0, 1, 64],
  top_k: [0.8, 5, 1, 0, 1, 64],
  top_p: [1, 0, 0.9, 0.05, 1.2, 4],
  all: [1.5, 40, 0.5, 0.1, 0.7, 16],
}))
  for (const masked of [0, 1])
    seed(
      "sampling",
      `${name}_${masked}`,
      [47, masked, 12, 0, 0, 0, 0],
      ...options.map((value, index) => (index === 1 || index === 5 ? u32(value) : f32(value))),
      u32(0, 7, 0),
      u32(0xdeadbeef, 0x1234),
      u32(...Array.from({ length: 16 }, (_, at) => at * 5)),
      f32(...Array.from({ length: 48 }, (_, at) => ((at * 37) % 41) / 8 - 2)),
    );
seed("sampling", "no_numbers", [9, 2, 3], u32(0, 0x7fc00000, 3, 0x7f800000), u32(0xff800000, 1));
seed("sampling", "infinities", [9, 3, 3], Buffer.alloc(40, 0x3f), u32(0x155, 0), [
  ...Buffer.alloc(64, 1),
  ...u32(0x7f800000, 0xff800000, 0x7fc00000, 1, 0x7f800000, 0x80000000),
]);

// ---------------------------------------------------------------- calls of a WebAssembly module

const calls = [
  ...readFileSync(join(tests, "fuzz", "fuzz_abi.c"), "utf8").matchAll(/^ {4}X\((\w+), "(\w*)"/gm),
].map(([, name, kinds]) => ({ name, kinds }));

/** A call as fuzz_abi.c reads it. Handles: 0 engine, 1 plan, 2 model, then what was opened; addresses: blocks of 256 bytes. */
function abiCall(name, ...values) {
  const index = calls.findIndex((one) => one.name === name);
  const { kinds } = calls[index];
  if (kinds.length !== values.length) throw new Error(`${name} takes ${kinds}`);
  const wide = (value, width) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(value));
    return [0xff, ...bytes.subarray(0, width)];
  };
  return [
    index,
    ...[...kinds].flatMap((kind, at) => {
      const value = values[at];
      if (kind === "f") return [0, ...f32(value)];
      if (kind === "t") return [value];
      const most = { h: 0xe0, a: 0x80 }[kind] ?? 0xf0;
      return value < most ? [value] : wide(value, "wd".includes(kind) ? 8 : 4);
    }),
  ];
}
const abiWrite = (address, bytes) => [
  calls.length,
  address & 255,
  address >> 8,
  bytes.length,
  ...bytes,
];
const abiServe = (loader, most, damage = 0) => [
  calls.length + 1,
  loader,
  most,
  damage & 255,
  damage >> 8,
];
const abiProgram = (name, ...operations) => seed("abi", name, [255, 0], operations.flat());
const opened = abiCall("session_create", 2, 32, 8, 1);
const sampled = abiCall("session_sampling", 3, 0.8, 8, 0.9, 0.05, 1.1, 16, 7);
const prompted = abiCall("session_prefill", 3, 1, 6, 0, 0);

abiProgram(
  "text",
  ...[opened, sampled, prompted, ...Array(4).fill(abiCall("session_step", 3))],
  ...[abiCall("session_text", 3, 1), abiCall("session_logits", 3), abiCall("session_info", 3)],
  abiCall("destroy", 3),
);
abiProgram(
  "options",
  ...[opened, abiCall("session_slice", 3, 4), abiCall("session_speculation", 3, 4)],
  ...[abiCall("session_mask", 3, 120, 9), abiCall("session_stop_tokens", 3, 1, 3)],
  ...[abiCall("session_set_logprobs", 3, 1, 5), prompted, abiCall("session_step_part", 3)],
  ...[
    abiCall("session_step", 3),
    abiCall("session_logprobs", 3),
    abiCall("session_reuse", 3, 1, 4),
  ],
  ...[abiCall("session_reset", 3, 2), abiCall("session_cancel_flag", 3), prompted],
);
abiProgram(
  "measures",
  ...[opened, abiCall("session_prefill", 3, 1, 6, 8, 4), abiCall("session_reset", 3, 0)],
  ...[abiCall("session_embed", 3, 1, 6, 8), abiCall("session_reset", 3, 0)],
  abiCall("session_score", 3, 1, 6, 8, 6, 0),
);
abiProgram(
  "state",
  ...[opened, prompted, abiCall("session_state_bytes", 3)],
  ...[abiCall("session_save", 3, 0, 8, 200), abiCall("session_save", 3, 200, 9, 200)],
  ...[abiCall("session_reset", 3, 0), abiCall("session_restore", 3, 0, 8, 200)],
  abiCall("session_restore", 3, 200, 9, 200),
);
abiProgram(
  "load",
  ...[abiCall("loader_create", 0, 0, 0), abiServe(3, 255), abiCall("loader_info", 3)],
  ...[abiCall("loader_finish", 3), abiCall("destroy", 3), abiCall("model_info", 4)],
  ...[abiCall("model_bytes", 4), abiCall("session_create", 4, 0, 0, 3), abiCall("destroy", 4)],
);
abiProgram(
  "damaged",
  abiCall("loader_create", 0, 0, 0),
  abiServe(3, 255, 9000),
  abiServe(3, 3, 70),
);
abiProgram(
  "arriving",
  ...[abiCall("loader_create", 0, 0, 0), abiServe(3, 2), abiCall("loader_open", 3)],
  ...[abiCall("session_create", 4, 0, 0, 0), abiCall("session_arrive", 5, 1, 5)],
  ...[abiCall("session_arrive_more", 5), abiServe(3, 255), abiCall("session_arrive_more", 5)],
  ...[abiCall("destroy", 3), abiCall("session_step", 5)],
);
abiProgram(
  "plan",
  ...[abiCall("engine_create", 2, 97, 8), abiCall("engine_info", 3)],
  ...[abiCall("loader_create", 3, 0, 1), abiServe(4, 255), abiCall("plan_create", 4)],
  ...[abiCall("plan_bytes", 5, 16, 4, 8, 2, 3), abiCall("session_bytes", 5, 16, 4, 3)],
);
abiProgram(
  "words",
  ...[abiCall("buffer_create", 200), abiCall("tokenize", 2, 32, 60, 1, 8, 60)],
  ...[abiCall("detokenize", 2, 1, 20, 8, 100), abiCall("token", 1, 30)],
  ...[abiCall("chat_info", 2, 0, 0), abiCall("chat_info", 2, 96, 6)],
  ...[abiCall("chat_tokenize", 2, 0, 0, 64, 3, 0, 8, 200), abiWrite(300, Buffer.from("\xff\xfe"))],
);

for (const target of new Set([...seeds.keys()].map((path) => dirname(path)))) {
  const place = join(tests, "fuzz", "corpus", target);
  mkdirSync(place, { recursive: true });
  for (const name of readdirSync(place)) if (name.startsWith("seed_")) rmSync(join(place, name));
}
for (const [path, bytes] of seeds) writeFileSync(join(tests, "fuzz", "corpus", path), bytes);
process.stdout.write(`${seeds.size} seeds written\n`);
