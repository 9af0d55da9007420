// write_seeds.mjs - writes the inputs from which the fuzzers start, tests/fuzz/corpus/TARGET/seed_*, anew: small ones of each
// kind that a reader tells apart, made of the golden files or from nothing. Run by hand after a change of what a reader reads:
//
//   node tests/fuzz/write_seeds.mjs
//
// Other files in the corpus, found by fuzzers or made by hand, stay; the seeds of the container's header and loader are
// container_goldens.mjs's.

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

for (const target of new Set([...seeds.keys()].map((path) => dirname(path)))) {
  const place = join(tests, "fuzz", "corpus", target);
  mkdirSync(place, { recursive: true });
  for (const name of readdirSync(place)) if (name.startsWith("seed_")) rmSync(join(place, name));
}
for (const [path, bytes] of seeds) writeFileSync(join(tests, "fuzz", "corpus", path), bytes);
process.stdout.write(`${seeds.size} seeds written\n`);
