// grammar_refused.test.mjs - grammars that nothing fits, that cannot be kept, or that would grow without end: each is an error that names
// the reason.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { encode, maskAt, masksOf, readGrammar, texts, vocabulary } from "./grammar_under_test.mjs";
import { importSource } from "./source_under_test.mjs";

/** Node does not end while one is open. */
const channels = [];
const MessageChannel = globalThis.MessageChannel;
globalThis.MessageChannel = class extends MessageChannel {
  constructor() {
    super();
    channels.push(this);
  }
};
after(() => channels.forEach(({ port1 }) => port1.close()));
const { Grammars } = await importSource("grammar_guide");

/** Definitions d0 … dN, made of their number, and a reference to the first. */
function chain(count, make, last) {
  const $defs = { [`d${count}`]: last };
  for (let i = 0; i < count; i++) $defs[`d${i}`] = make({ $ref: `#/$defs/d${i + 1}` });
  return { $ref: "#/$defs/d0", $defs };
}

/** Two whose copies of one object, side by side and within each other, are copied again where they are compared. */
function oneOfCopies(depth) {
  const side = () =>
    chain(
      depth,
      (next) => ({
        allOf: [
          { type: "object", required: ["a", "b"], properties: { a: next, b: next } },
          { properties: { a: { description: "a" }, b: { description: "b" } } },
        ],
      }),
      { type: "null" },
    );
  const [one, other] = [side(), side()];
  const $defs = { ...one.$defs };
  for (const [name, schema] of Object.entries(other.$defs))
    $defs[`${name}x`] = JSON.parse(JSON.stringify(schema).replace(/("#[^"]*)"/g, '$1x"'));
  return { oneOf: [{ $ref: "#/$defs/d0" }, { $ref: "#/$defs/d0x" }], $defs };
}

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
    [
      { jsonSchema: chain(40, (next) => ({ allOf: [next, next] }), { type: "string" }) },
      /more than 10000 schemas come together/,
    ],
    [
      {
        jsonSchema: {
          $defs: {
            sum: {
              type: "object",
              properties: {
                left: { $ref: "#/$defs/sum" },
                right: { $ref: "#/$defs/sum" },
                op: { const: "+" },
              },
              required: ["left", "right"],
            },
            product: {
              type: "object",
              properties: {
                left: { $ref: "#/$defs/product" },
                right: { $ref: "#/$defs/product" },
                op: { const: "*" },
              },
              required: ["left", "right"],
            },
          },
          oneOf: [{ $ref: "#/$defs/sum" }, { $ref: "#/$defs/product" }],
        },
      },
      /no JSON fits/, // a sum without end
    ],
    [{ jsonSchema: oneOfCopies(40) }, /more than 10000 schemas come together/],
    [
      {
        jsonSchema: chain(
          30,
          (next) => ({
            type: "object",
            properties: { a: next, b: next },
            allOf: [{ properties: { a: { title: "a" }, b: { title: "b" } } }],
          }),
          { type: "null" },
        ),
      },
      /too many places/,
    ],
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
    [{ regex: `(?:${"|".repeat(2000)}){10000}` }, /too large/],
    [{ regex: `(?:${"[^]|".repeat(2000)}a){10000}` }, /too large/],
    [{ ebnf: "" }, /no rule root/],
    [{ ebnf: 'root ::= "a' }, /line 1 of the EBNF/],
    [{ ebnf: 'root ::= "a" root' }, /no text at all/],
    [{ ebnf: 'root ::= root "a" | "b"' }, /comes back to itself/],
    [{ ebnf: "root ::= x" }, /no rule x/],
    [{ ebnf: 'root ::= ("a"' }, /not closed/],
    [{ ebnf: 'root ::= "a\\u{FFFFFF}"' }, /\\u\{FFFFFF\} is no character/],
    [{ ebnf: 'root ::= "\\U00110000"' }, /\\U00110000 is no character/],
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

test("what ends the engine's stack is refused too, and the next grammar is taken", async () => {
  const grammars = new Grammars(
    { ownToken: (_, id) => ({ text: texts[id], stop: id === 256 }), detokenize: () => "" },
    1,
    { tokenCount: texts.length, vocabulary: texts.length },
  );
  const open = (option) =>
    grammars.open(option, 1, new Uint32Array(0), Uint32Array.of(0), () => false);
  const within = (depth, inside, wrap) => {
    let all = inside;
    for (let i = 0; i < depth; i++) all = wrap(all);
    return all;
  };
  for (const option of [
    { ebnf: `root ::= ${"(".repeat(1e5)}"a"${")".repeat(1e5)}` },
    { regex: "a|".repeat(2e5) },
    { jsonSchema: within(2e4, { type: "null" }, (items) => ({ type: "array", items })) },
    { jsonSchema: { oneOf: [1, 2].map((one) => ({ const: within(1e5, one, (all) => [all]) })) } },
  ])
    await assert.rejects(
      open(option),
      (error) =>
        error.code === "BAD_GRAMMAR" && /nested too deeply or too large: /.test(error.message),
    );
  assert.notEqual(await open({ regex: "a" }), null);
});
