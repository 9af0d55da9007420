// wordpiece.test.mjs - the WordPiece encoder against the definition restated in JavaScript, whose Unicode tables are its own:
// random and hostile texts in many scripts, over a vocabulary that can spell some of them.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { nativeBuild } from "../../scripts/paths.mjs";

const program = join(process.env.TERCET_NATIVE_BUILD ?? nativeBuild, "tests", "tokenize_folder");
const folders = [];
after(() => folders.forEach((folder) => rmSync(folder, { recursive: true })));

const specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
const common = "once upon a time there was the and ing ed er un able able".split(" ");

/** Letters of many scripts, signs, words, and pieces of words; half of what could be spelled is not there. */
function makeVocabulary() {
  const letters = [..."abcdefghijklmnopqrstuvwxyz0123456789"];
  const signs = [..."!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"];
  const others = [..."αβγσςабвжю中文字日本가각かｶ₂½¿¡–“”…€™ßøæđłıऀकअ"];
  const jamo = ["\u1100", "\u1161", "\u11a8"];
  const words = [...specials, ...letters, ...signs, ...others, ...jamo, ...common];
  const pieces = [...letters, ...others, ...jamo, ...common, ".", "!"].map((piece) => `##${piece}`);
  return new Map([...new Set([...words, ...pieces])].map((token, id) => [token, id]));
}

const vocabulary = makeVocabulary();

function folderWith(change = () => {}) {
  const added = specials.map((content, id) => ({ id, content, special: true, normalized: false }));
  const json = {
    version: "1.0",
    added_tokens: added,
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: {
      type: "TemplateProcessing",
      single: [
        { SpecialToken: { id: "[CLS]", type_id: 0 } },
        { Sequence: { id: "A", type_id: 0 } },
        { SpecialToken: { id: "[SEP]", type_id: 0 } },
      ],
    },
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      type: "WordPiece",
      unk_token: "[UNK]",
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(vocabulary),
    },
  };
  change(json);
  const folder = mkdtempSync(join(tmpdir(), "tercet-wordpiece-"));
  folders.push(folder);
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(json));
  return folder;
}

function run(folder, texts, ...flags) {
  const args = [folder, String(vocabulary.size), ...flags];
  return spawnSync(program, args, {
    input: texts.join("\0"),
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
}

function tokenize(folder, texts, ...flags) {
  const { status, stdout, stderr } = run(folder, texts, ...flags);
  assert.equal(status, 0, stderr);
  // "!" says that decoding does not give the text back, which WordPiece need not.
  return stdout.split("\n").map((line) => line.replace(/ ?!$/, ""));
}

/** The definition: huggingface/tokenizers, normalizers/bert.rs, pre_tokenizers/bert.rs, models/wordpiece. */
function expected(text) {
  const clean = [...text]
    .filter(
      (c) =>
        c !== "\0" && c !== "\ufffd" && (/[\t\n\r]/.test(c) || !/\p{Cc}|\p{Cf}|\p{Co}/u.test(c)),
    )
    .map((c) => (/\s/u.test(c) ? " " : c));
  const apart = clean.map((c) => (isChinese(c.codePointAt(0)) ? ` ${c} ` : c)).join("");
  // Letter by letter, so that no sigma is final.
  const folded = [...apart.normalize("NFD").replace(/\p{Mn}/gu, "")]
    .map((c) => c.toLowerCase())
    .join("");
  const words = folded
    .split(" ")
    .flatMap((word) => word.split(/([!-/:-@[-`{-~]|\p{P})/u).filter((part) => part !== ""));
  return words.flatMap(spell).join(" ");
}

const isChinese = (c) =>
  [
    [0x4e00, 0x9fff],
    [0x3400, 0x4dbf],
    [0x20000, 0x2a6df],
    [0x2a700, 0x2b73f],
    [0x2b740, 0x2b81f],
    [0x2b920, 0x2ceaf],
    [0xf900, 0xfaff],
    [0x2f800, 0x2fa1f],
  ].some(([first, last]) => c >= first && c <= last);

function spell(word) {
  const letters = [...word];
  const ids = [];
  if (letters.length > 100) return [vocabulary.get("[UNK]")];
  for (let at = 0; at < letters.length;) {
    let end = letters.length;
    let id;
    for (; end > at && id === undefined; end--)
      id = vocabulary.get((at > 0 ? "##" : "") + letters.slice(at, end).join(""));
    if (id === undefined) return [vocabulary.get("[UNK]")];
    ids.push(id);
    at = end + 1;
  }
  return ids;
}

/** Where characters come from; new versions of Unicode have added nothing here. */
const scripts = [
  [0x01, 0x7e],
  [0x61, 0x7a],
  [0x61, 0x6a],
  [0x20, 0x20],
  [0xa0, 0x24f],
  [0x250, 0x36f],
  [0x384, 0x556],
  [0x5d0, 0x6ff],
  [0x900, 0x97f],
  [0x9cb, 0x9cc],
  [0xe01, 0xe3a],
  [0x1100, 0x11ff],
  [0x1e00, 0x1ffe],
  [0x2000, 0x206f],
  [0x2100, 0x218b],
  [0x3000, 0x30ff],
  [0x4e00, 0x4eff],
  [0xac00, 0xd7a3],
  [0xe000, 0xe010],
  [0xf900, 0xfa6d],
  [0xfb00, 0xfb4f],
  [0xfe00, 0xfeff],
  [0xfff9, 0xfffd],
  [0x10400, 0x1044f],
  [0x1109a, 0x110ab],
  [0x1d15e, 0x1d164],
  [0x1f300, 0x1f320],
  [0x20000, 0x20010],
  [0x2f800, 0x2fa1d],
  [0xf0000, 0xf0002],
];

function randomTexts(count) {
  let state = 20261121;
  const below = (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  return Array.from({ length: count }, () => {
    const [some, more] = [scripts[below(scripts.length)], scripts[below(scripts.length)]];
    return Array.from({ length: below(40) }, () => {
      if (below(9) === 0) return [...common, "aeiou\u0301", "ÀÉ", "..", " ", "\t"][below(17)];
      const [first, last] = [some, more, [0x61, 0x7a], [0x20, 0x20]][below(4)];
      return String.fromCodePoint(first + below(last - first + 1));
    }).join("");
  });
}

test("10,000 random texts as the definition has them", () => {
  const texts = randomTexts(10_000);
  const got = tokenize(folderWith(), texts);
  let spelled = 0;
  texts.forEach((text, i) => {
    assert.equal(got[i], expected(text), JSON.stringify(text));
    spelled += got[i].split(" ").length;
  });
  assert.ok(spelled > 20_000, String(spelled));
});

test("words of 100 and 101 characters, the beginning, and specials", () => {
  const id = (token) => vocabulary.get(token);
  const folder = folderWith();
  const long = "ab".repeat(50);
  const [whole, longer, empty] = tokenize(folder, [long, `${long}a`, ""]);
  assert.equal(whole.split(" ").length, 100);
  assert.equal(longer, String(id("[UNK]")));
  assert.equal(empty, "");
  const [begun] = tokenize(folder, ["Once[SEP]"], "--beginning", "--special");
  assert.equal(begun, [id("[CLS]"), id("once"), id("[SEP]")].join(" "));
  // Whole words come back with one space between them, signs behind a word without.
  const { stdout } = run(folder, ["once upon a time, there was.", "Once upon"]);
  assert.match(stdout, /\d\n.* !\n$/);
});

test("1 MB of text is linear work", () => {
  const folder = folderWith();
  const texts = ["able".repeat(25) + " ", "aaaaaaaaa ", "[].,", "é中"].map((part) =>
    part.repeat(Math.ceil(1_000_000 / Buffer.byteLength(part))),
  );
  const got = tokenize(folder, texts);
  assert.equal(got[0].split(" ").length, 9901 * 25);
});

test("another kind of WordPiece is refused by name", () => {
  const refusals = [
    ["lowercase", (json) => (json.normalizer.lowercase = false)],
    ["strip_accents", (json) => (json.normalizer.strip_accents = false)],
    ["handle_chinese_chars", (json) => (json.normalizer.handle_chinese_chars = false)],
    ["NFC", (json) => (json.normalizer = { type: "NFC" })],
    ["a part missing", (json) => (json.pre_tokenizer = null)],
    ["continuing_subword_prefix", (json) => (json.model.continuing_subword_prefix = "@@")],
    ["max_input_chars_per_word", (json) => (json.model.max_input_chars_per_word = 50)],
    ["lstrip", (json) => (json.added_tokens[4].lstrip = true)],
    ["not in the vocabulary", (json) => (json.model.unk_token = "[NO]")],
    ["no special token", (json) => (json.post_processor.single[0].SpecialToken.id = "once")],
    ["not a whole number", (json) => (json.model.vocab.once = "1")],
  ];
  for (const [word, change] of refusals) {
    const { status, stderr } = run(folderWith(change), ["a"]);
    assert.equal(status, 1, word);
    assert.ok(stderr.includes(word), `${word}: ${stderr}`);
  }
});
