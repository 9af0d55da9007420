// grammar_refused.test.mjs - grammars that nothing fits, that cannot be kept, or that would grow without end: each is an error that names
// the reason.

import assert from "node:assert/strict";
import { test } from "node:test";
import { encode, maskAt, masksOf, readGrammar, vocabulary } from "./grammar_under_test.mjs";

test("what nothing fits, and what cannot be kept, is refused by name", () => {
  const refused = [
    [{ jsonSchema: false }, /# is false/],
    [{ jsonSchema: { type: "integer", minimum: 5, maximum: 3 } }, /between its bounds/],
    [
      { jsonSchema: { type: "integer", exclusiveMinimum: 1, exclusiveMaximum: 2 } },
      /between its bounds/,
    ],
    [{ jsonSchema: { type: "number", minimum: 2, exclusiveMaximum: 2 } }, /between its bounds/],
    [{ jsonSchema: { enum: [] } }, /enum/],
    [{ jsonSchema: { type: "string", enum: [1, 2] } }, /of its type/],
    [{ jsonSchema: { type: "array", items: false, minItems: 1 } }, /is false/],
    [{ jsonSchema: { type: "array", minItems: 3, maxItems: 1 } }, /minItems is above maxItems/],
    [{ jsonSchema: { type: "string", minLength: 3, maxLength: 1 } }, /minLength is above/],
    [
      { jsonSchema: { properties: { a: {} }, required: ["b"], additionalProperties: false } },
      /requires "b", which additionalProperties forbids/,
    ],
    [{ jsonSchema: { properties: { a: { $ref: "#" } }, required: ["a"] } }, /no JSON fits/],
    [{ jsonSchema: { $ref: "#" } }, /no JSON fits/],
    [{ jsonSchema: { anyOf: [{ $ref: "#" }, { type: "null" }] } }, /comes back to itself/],
    [{ jsonSchema: { $ref: "#/$defs/x" } }, /there is no #\/\$defs\/x/],
    [{ jsonSchema: { $ref: "https://example.org/schema" } }, /same schema/],
    [{ jsonSchema: { type: "text" } }, /"type" is "text"/],
    [{ jsonSchema: { type: "constructor" } }, /"type" is "constructor"/],
    [{ jsonSchema: { type: "string", format: "__proto__" } }, /format "__proto__" is not known/],
    [{ jsonSchema: { type: "string", format: ["date"] } }, /format \["date"\] is not known/],
    [{ jsonSchema: { type: "string", pattern: { toString: 1 } } }, /"pattern" is a text/],
    [
      { jsonSchema: { maxLength: 3, additionalProperties: null } },
      /additionalProperties is no sch/,
    ],
    [{ jsonSchema: { $ref: "#/%" } }, /there is no #\/%/],
    [{ jsonSchema: { oneOf: [{ type: { toString: 1 } }, { type: "null" }] } }, /"oneOf"/],
    [
      {
        jsonSchema: {
          oneOf: [
            { type: "object", required: 5 },
            { type: "object", required: ["a"] },
          ],
        },
      },
      /"oneOf"/,
    ],
    [{ jsonSchema: "string" }, /no schema/],
    [{ jsonSchema: { not: { type: "null" } } }, /"not" is a keyword that cannot be kept/],
    [{ jsonSchema: { type: "array", uniqueItems: true } }, /"uniqueItems"/],
    [{ jsonSchema: { oneOf: [{}, {}] } }, /"oneOf" is possible where .* the 1. and the 2./],
    [
      { jsonSchema: { oneOf: [{ type: "null" }, { type: "integer" }, { type: "number" }] } },
      /the 2. and the 3./,
    ],
    [
      {
        jsonSchema: {
          oneOf: [
            { type: "object", properties: { a: { const: 1 } }, required: ["a"] },
            { type: "object", properties: { a: { const: 2 } } },
          ],
        },
      },
      /"oneOf"/,
    ],
    [{ jsonSchema: { oneOf: [{ enum: [1, { a: [2] }] }, { const: { a: [2] } }] } }, /"oneOf"/],
    [{ jsonSchema: { allOf: [{ $ref: "#" }] } }, /leads back to itself/],
    [{ jsonSchema: { allOf: [{ type: "string" }, { type: "null" }] } }, /no JSON fits/],
    [{ jsonSchema: { allOf: [{ minimum: 5 }, { maximum: 4 }] } }, /between its bounds/],
    [{ jsonSchema: { allOf: [{ pattern: "a" }, { pattern: "b" }] } }, /another "pattern"/],
    [{ jsonSchema: { allOf: [{ pattern: "a" }, { maxLength: 3 }] } }, /only one of/],
    [
      {
        jsonSchema: {
          allOf: [
            { properties: { a: {} }, additionalProperties: false },
            { properties: { b: {} } },
          ],
        },
      },
      /"additionalProperties" in "allOf" is possible where all parts have the same/,
    ],
    [
      { jsonSchema: { type: "object", properties: {}, anyOf: [{}] } },
      /"properties" beside "anyOf"/,
    ],
    [{ jsonSchema: { type: "object", minProperties: 1 } }, /"minProperties"/],
    [
      { jsonSchema: { type: "string", format: "uri-template" } },
      /format "uri-template" is not known/,
    ],
    [{ jsonSchema: { type: "string", pattern: "a", maxLength: 3 } }, /only one of/],
    [{ jsonSchema: { type: "string", pattern: "(a)\\1" } }, /backreference/],
    [{ jsonSchema: { type: "number", multipleOf: 1.01 } }, /"multipleOf" has at most 9/],
    [{ jsonSchema: { type: "number", multipleOf: 1e-10 } }, /"multipleOf" has at most 9/],
    [{ jsonSchema: { type: "number", multipleOf: 0 } }, /"multipleOf" is above 0/],
    [{ jsonSchema: { multipleOf: 50, minimum: 51, maximum: 99 } }, /between its bounds/],
    [{ jsonSchema: { multipleOf: 0.3, minimum: 0.4, maximum: 0.5 } }, /between its bounds/],
    [{ jsonSchema: { type: "string", maxLength: 1e6 } }, /repeated more than/],
    [
      {
        jsonSchema: {
          type: "array",
          items: { type: "array", items: { type: "string", maxLength: 900 }, maxItems: 900 },
        },
      },
      null,
    ],
    [{ regex: "(a" }, /Unterminated group|Invalid regular/],
    [{ regex: "a(?=b)" }, /look ahead/],
    [{ regex: "\\bfoo" }, /word boundary/],
    [{ regex: "a^b" }, /\^ that is not at the beginning/],
    [{ regex: "[^\\s\\S]" }, /no text at all/],
    [{ regex: "(?:.{1000}){1000}" }, /too large/],
    [{ ebnf: "" }, /no rule root/],
    [{ ebnf: 'root ::= "a' }, /line 1 of the EBNF/],
    [{ ebnf: 'root ::= "a" root' }, /no text at all/],
    [{ ebnf: 'root ::= root "a" | "b"' }, /comes back to itself/],
    [{ ebnf: "root ::= x" }, /no rule x/],
    [{ ebnf: 'root ::= ("a"' }, /not closed/],
    [{ ebnf: "root ::= *" }, /nothing to stand behind/],
    [{ ebnf: 'root ::= "a"\nroot ::= "b"' }, /defined twice/],
    [{}, /none of/],
  ];
  for (const [option, reason] of refused) {
    if (reason === null) continue;
    const make = () => masksOf(readGrammar(option), vocabulary);
    assert.throws(
      make,
      (error) => error.code === "BAD_GRAMMAR" && reason.test(error.message),
      JSON.stringify(option),
    );
  }
});

test("rules that begin alike and call themselves end in an error, not in all memory", () => {
  const schema = {
    $defs: {
      node: {
        anyOf: [
          {
            type: "object",
            properties: { a: { $ref: "#/$defs/node" }, b: { type: "null" } },
            required: ["a", "b"],
            additionalProperties: false,
          },
          {
            type: "object",
            properties: { a: { $ref: "#/$defs/node" } },
            required: ["a"],
            additionalProperties: false,
          },
          { type: "null" },
        ],
      },
    },
    $ref: "#/$defs/node",
  };
  const deepest = (grammar, piece) => {
    const masks = masksOf(readGrammar(grammar), vocabulary);
    let place = masks.machine.start;
    for (let depth = 0; depth < 40; depth++) {
      try {
        maskAt(masks, place);
        for (const byte of encode(piece)) place = masks.machine.step(place, byte);
      } catch (error) {
        assert.equal(error.code, "BAD_GRAMMAR");
        assert.match(error.message, /too many ways/);
        return depth;
      }
    }
    return Infinity;
  };
  // Two readings of each level; some levels are possible, 2^40 readings are not.
  for (const [grammar, piece] of [
    [{ jsonSchema: schema }, '{"a":'],
    [{ ebnf: 'root ::= "a" root "b" | "a" root "c" | "d"' }, "a"],
  ]) {
    const depth = deepest(grammar, piece);
    assert.ok(depth >= 5 && depth < 40, `${depth}`);
  }
  // What begins alike without a call, and what only nests, has no such bound.
  assert.equal(deepest({ jsonSchema: true }, '{"a":'), Infinity);
  assert.equal(deepest({ regex: "(?:.*a.{30}){3}" }, "ab"), Infinity);
});
