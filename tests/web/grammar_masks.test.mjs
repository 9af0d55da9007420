// grammar_masks.test.mjs - the masks of a grammar are what trying each token by itself gives, however tokens are shared out, places are
// alike or forgotten and work is cut in parts; how much is kept is bounded.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  DEPTHS,
  END,
  GrammarShelf,
  Vocabulary,
  allows,
  atOnce,
  encode,
  maskAt,
  masksOf,
  readGrammar,
  texts,
  vocabulary,
} from "./grammar_under_test.mjs";

/** The same with words that are longer than each of DEPTHS. */
const longTexts = [
  ...texts,
  ...["x".repeat(11), "é".repeat(9), "ab".repeat(9), "y".repeat(26), "\\n".repeat(13)].map(encode),
];
const longWords = await Vocabulary.read(
  longTexts.length,
  longTexts.length,
  (id) => ({ text: longTexts[id], stop: id === END }),
  async () => {},
);

test("masks are what trying each token by itself gives", () => {
  const masks = masksOf(readGrammar({ jsonSchema: true }), vocabulary);
  const { machine } = masks;
  let place = machine.start;
  for (const byte of encode('{"a": [12, -1.5e3, "é\\"日", {"": null}], "b": true')) {
    const mask = maskAt(masks, place);
    for (let token = 0; token < vocabulary.size; token++) {
      let to = place;
      for (const one of texts[token] ?? []) to = machine.step(to, one);
      const fits = token === END ? machine.mayEnd(place) : to !== 0 && texts[token]?.length > 0;
      assert.equal(allows(mask, token), fits, `token ${token} at ${place}`);
    }
    place = machine.step(place, byte);
  }
});

test("places that are alike for short tokens have the masks of trying each token by itself", () => {
  for (const [option, text] of [
    [{ jsonSchema: { type: "string", minLength: 30, maxLength: 70 } }, "a".repeat(70)],
    [{ jsonSchema: { type: "array", items: { maxLength: 50 }, maxItems: 40 } }, '"b",'.repeat(39)],
    [{ regex: "(?:[a-z]{2}(?:é|\\d{12,30})?){30,45}" }, "abé".repeat(45)],
    [{ regex: "(?:(?:[xy]{3}-){20}z)*[abxy]{100,}" }, `${"xyx-".repeat(20)}z${"ab".repeat(60)}`],
    [{ regex: "(?:(?:a?b?){0,40}c){25}" }, "abbac".repeat(25)],
    [{ ebnf: 'root ::= pair{30,40}\npair ::= [a-z]{1,3} ("-" pair)? ";"' }, "ab-c;;".repeat(40)],
  ]) {
    const masks = masksOf(readGrammar(option), longWords);
    const { machine } = masks;
    let place = machine.start;
    for (const byte of encode(
      option.jsonSchema?.type === "string" ? `"${text}"` : option.jsonSchema ? `[${text}` : text,
    )) {
      const mask = maskAt(masks, place);
      longTexts.forEach((bytes, token) => {
        let to = place;
        for (const one of bytes) to = machine.step(to, one);
        const fits = token === END ? machine.mayEnd(place) : to !== 0 && bytes.length > 0;
        assert.equal(
          allows(mask, token),
          fits,
          `token ${token} at ${place} of ${JSON.stringify(option)}`,
        );
      });
      place = machine.step(place, byte);
      assert.notEqual(place, 0, JSON.stringify(option));
    }
  }
});

test("with little memory places are forgotten, and the masks stay the same", () => {
  const grammar = () =>
    readGrammar({ jsonSchema: { type: "array", items: { type: "string", maxLength: 90 } } });
  const [large, small] = [masksOf(grammar(), vocabulary), null].map(
    (masks) => masks ?? masksOf(grammar(), vocabulary, vocabulary.stops, 60_000),
  );
  const places = [large.machine.start, small.machine.start];
  let most = 0;
  for (let round = 0; round < 8; round++) {
    for (const byte of encode(`${round === 0 ? "[" : ", "}"é日${"abc".repeat(25)}\\n"`)) {
      assert.deepEqual(maskAt(small, places[1]), maskAt(large, places[0]));
      [large, small].forEach((masks, i) => (places[i] = masks.after(places[i], byte)));
      assert.notEqual(places[0], 0);
      most = Math.max(most, small.machine.placesBytes);
    }
  }
  assert.ok(large.machine.placesBytes > 100_000, "there was something to forget");
  assert.ok(most < 100_000, `${most} bytes`);
  assert.deepEqual(maskAt(small, small.machine.start), maskAt(large, large.machine.start));
});

test("places in thousands of states count for what they take, and are forgotten", () => {
  const masks = masksOf(readGrammar({ regex: "(?:a?){2000}" }), vocabulary);
  const { machine } = masks;
  let place = machine.start;
  let most = 0;
  let passed = 0;
  for (let round = 0; round < 700; round++) {
    const before = machine.placesBytes;
    place = masks.after(place, "a".charCodeAt(0));
    most = Math.max(most, machine.placesBytes);
    passed += Math.max(0, machine.placesBytes - before);
  }
  assert.ok(machine.mayEnd(place) && !machine.mustEnd(place));
  assert.ok(passed > 20e6, `${passed} bytes in all`);
  assert.ok(most < 17e6, `${most} bytes`);
});

test("texts at the same time have grammars of their own; what is kept is bounded", () => {
  const shelf = new GrammarShelf();
  const option = { regex: "[a-z]{3}" };
  const take = (...given) => atOnce(shelf.take(...given));
  const first = take(option, vocabulary, [END]);
  const second = take(option, vocabulary, [END]);
  assert.notEqual(first.masks, second.masks);
  shelf.putBack(first);
  shelf.putBack(second);
  assert.equal(take(option, vocabulary, [END]).masks, second.masks);
  assert.notEqual(take(option, vocabulary, []).masks, second.masks, "other stop tokens");
  for (let count = 0; count < 12; count++) {
    const shelved = take({ regex: `[a-z]{9000}${count}` }, vocabulary, [END]);
    shelf.putBack(shelved);
  }
  assert.ok(shelf.memoryBytes > 10e6 && shelf.memoryBytes <= 16e6, `${shelf.memoryBytes} bytes`);
});

test("a large vocabulary is read in slices, sorted by bytes", async () => {
  let state = 1;
  const random = (limit) => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) % limit;
  const many = Array.from({ length: 60_000 }, () =>
    Uint8Array.from({ length: random(random(20) ? 7 : 30) }, () => [32, 97, 98, 255, 0][random(5)]),
  );
  let pauses = 0;
  const read = await Vocabulary.read(
    many.length,
    many.length,
    (id) => ({ text: many[id], stop: id === 7 }),
    async () => void pauses++,
  );
  assert.ok(pauses > 0);
  assert.deepEqual([read.stops, read.longest], [[7], 29]);
  const textOf = (id) => Buffer.from(read.bytes.subarray(read.offsets[id], read.offsets[id + 1]));
  const lengths = [0, ...DEPTHS, Infinity];
  const all = read.lists.flatMap(({ sorted }) => [...sorted]);
  assert.equal(all.length, many.filter(({ length }) => length > 0).length);
  assert.equal(new Set(all).size, all.length);
  for (const [which, { sorted, common }] of read.lists.entries()) {
    assert.ok(sorted.length > 100, "there are tokens of each kind");
    let before = Buffer.alloc(0);
    sorted.forEach((id, at) => {
      const text = textOf(id);
      assert.ok(text.equals(many[id]) && Buffer.compare(before, text) <= 0);
      assert.ok(text.length > lengths[which] && text.length <= lengths[which + 1]);
      const same = text.findIndex((byte, index) => byte !== before[index]);
      assert.equal(common[at], same < 0 ? text.length : same);
      before = text;
    });
  }
});

test("large grammars are made in parts, none of them long", () => {
  for (const option of [
    { jsonSchema: { enum: Array.from({ length: 1000 }, (_, i) => `${i} ${"value ".repeat(9)}`) } },
    { regex: "(?:[a-z]{950}x){50}" },
    { jsonSchema: { type: "string", pattern: "^\\p{Lu}\\P{Ll}$" } },
  ]) {
    let parts = 0;
    const work = new GrammarShelf().take(option, vocabulary, [END]);
    while (!work.next().done) parts++;
    assert.ok(parts > 50, `${parts} parts of ${JSON.stringify(option).slice(0, 60)}`);
  }
});

test("a text that loses its first space: the space of its first token counts for nothing, every other one does", () => {
  const id = (text) => texts.findIndex((bytes) => Buffer.from(bytes).equals(encode(text)));
  for (const [source, first, then] of [
    // Also what has a space and more: the word itself, or the space alone, in front of a space that stays.
    [" a|b", [" ", "b"], [" "]],
    ["aa", ["a", "aa", " "], ["a", "aa"]],
    [".{2}", [" ", "aa", "é", "12"], ["aa", "é", "12", " "]],
  ]) {
    const masks = masksOf(readGrammar({ regex: source }), vocabulary);
    const { start } = masks.machine;
    const begins = atOnce(masks.at(start, true));
    for (const text of first) assert.ok(allows(begins, id(text)), `${source}: ${text}`);
    // The space has come and is not in the text: what follows is the first that counts.
    const place = masks.after(start, id(" "), true);
    assert.equal(place, start);
    for (const text of then)
      assert.ok(allows(maskAt(masks, place), id(text)), `${source}: ${text}`);
    assert.equal(allows(begins, id("}}")), source === ".{2}");
    assert.equal(atOnce(masks.at(start, true)), begins, "kept");
    assert.notEqual(maskAt(masks, start), begins);
  }
});
