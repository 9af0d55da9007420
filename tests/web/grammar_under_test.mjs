// grammar_under_test.mjs - what the tests of grammars without a model share: the modules, whose work in parts is done at once, a small
// vocabulary with words that reach over the joints of JSON, and random walks through what the masks allow.

import assert from "node:assert/strict";
import { importSource } from "./source_under_test.mjs";

export const {
  GrammarShelf,
  readGrammar: readInParts,
  TokenMasks,
} = await importSource("grammar_masks");
export const { DEPTHS, Vocabulary } = await importSource("grammar_vocabulary");

/** Work in parts, done in one. */
export function atOnce(work) {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

export const readGrammar = (option) => atOnce(readInParts(option));
export const masksOf = (...given) => atOnce(TokenMasks.make(...given));
export const maskAt = (masks, place) => atOnce(masks.at(place));

export const encode = (text) => new TextEncoder().encode(text);
export const END = 256;
/** Every byte, an end, one without text, and words that reach over the joints of JSON. */
const WORDS = [
  '{"',
  '": ',
  '", "',
  '"]',
  "true",
  "fals",
  "null",
  " ",
  '"a',
  "é",
  "12",
  "-1",
  "日本",
  '\\"',
  "}}",
  "]}",
  "aa",
];
export const texts = [
  ...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)),
  new Uint8Array(0),
  new Uint8Array(0),
  ...WORDS.map(encode),
];
export const vocabulary = await Vocabulary.read(
  texts.length,
  texts.length + 40,
  (id) => ({ text: texts[id], stop: id === END }),
  async () => {},
);

/** Of a grammar: whether a text is one of its texts. */
export function acceptor(option) {
  const { machine } = masksOf(readGrammar(option), vocabulary);
  return (text) => {
    let place = machine.start;
    for (const byte of encode(text)) place = machine.step(place, byte);
    return machine.mayEnd(place);
  };
}

function randomOf(seed) {
  let state = Math.imul(seed, 2654435761) >>> 0;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

export const allows = (mask, token) => ((mask[token >> 5] >>> (token & 31)) & 1) === 1;

/** A text token by token; ends where it may, sooner and sooner. null: longer than `most` tokens. */
export function walk(masks, seed, most = 4000) {
  const random = randomOf(seed);
  const { machine } = masks;
  let place = machine.start;
  const bytes = [];
  for (let count = 0; count < most; count++) {
    const mask = maskAt(masks, place);
    const open = [];
    for (let token = 0; token < vocabulary.size; token++) if (allows(mask, token)) open.push(token);
    assert.ok(open.length > 0, "no token fits: the grammar has led nowhere");
    assert.ok(open.every((token) => token === END || texts[token]?.length > 0));
    const quote = 0x22;
    let token = open[random(open.length)];
    if (allows(mask, END) && random(3) === 0) token = END;
    // Strings and lists would go on for ever: what ends them is likelier than its share.
    else if (count > 20 && random(4) === 0)
      token = [quote, 0x5d, 0x7d].find((end) => open.includes(end)) ?? token;
    if (token === END)
      return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(bytes));
    for (const byte of texts[token]) {
      place = machine.step(place, byte);
      assert.notEqual(place, 0);
      bytes.push(byte);
    }
  }
  return null;
}
