// grammar_expressions.test.mjs - regular expressions and EBNF as grammars, without a model: each random walk through what the masks allow
// must end in a text that the JavaScript engine accepts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { masksOf, readGrammar, vocabulary, walk } from "./grammar_under_test.mjs";

const expressions = [
  "[a-c]+\\d{2}",
  "^(yes|no|maybe)$",
  "a.{2}b",
  "[α-ω]{3}é",
  "[\\u{10000}-\\u{10FFFF}]x|[^\\x00-\\u{FFFF}]y",
  "\\w\\s\\W|\\D\\S[\\d\\s]",
  "(?<first>a|b)c*?d+?",
  "\\p{Lu}\\p{Ll}{2}|\\P{L}",
  "[^a-z\\]\\\\-]{2}",
  "(?:(?:ab?){2,3}c|d{3,}){0,2}e?",
  "\\+[1-9]\\d{6,14}",
  "[\\-a.]|\\.|\\/|\\cJ|\\t|[\\b]",
  "",
];
for (const source of expressions) {
  test(`regular expression: ${source}`, () => {
    const masks = masksOf(readGrammar({ regex: source }), vocabulary);
    const whole = new RegExp(`^(?:${source})$`, "u");
    for (let seed = 1; seed <= 40; seed++) {
      const text = walk(masks, seed);
      assert.ok(text !== null && whole.test(text), JSON.stringify(text));
    }
  });
}

test("EBNF: arithmetic, a list, what GBNF has", () => {
  const ebnf = String.raw`
    # a comment
    root   ::= sum
    sum    ::= product (("+" | "-") product)*
    product ::= number ( [*/] number ){0,2}
    number ::= "-"? [1-9] [0-9]{0,2} | "(" sum ")" | "\x30" | "\u0037"
  `;
  const masks = masksOf(readGrammar({ ebnf }), vocabulary);
  for (let seed = 1; seed <= 100; seed++) {
    const text = walk(masks, seed, 300);
    if (text === null) continue;
    assert.match(text, /^[-+*/()\d]+$/);
    assert.equal(typeof Function(`return ${text.replaceAll("-", "- ")}`)(), "number", text);
  }
});
