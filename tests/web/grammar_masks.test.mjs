// grammar_masks.test.mjs - grammars without a model: random walks through what the masks allow, each of which must end in a text
// that another judge accepts: ajv for schemas, the JavaScript engine for regular expressions.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { importSource } from "./source_under_test.mjs";

const { GrammarShelf, readGrammar: reading, TokenMasks } = await importSource("grammar_masks");

const readGrammar = (option) => atOnce(reading(option));
const { DEPTHS, Vocabulary } = await importSource("grammar_vocabulary");

/** Work in parts, done in one. */
function atOnce(work) {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}
const masksOf = (...given) => atOnce(TokenMasks.make(...given));
const maskAt = (masks, place) => atOnce(masks.at(place));

const encode = (text) => new TextEncoder().encode(text);
const END = 256;
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
const texts = [
  ...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)),
  new Uint8Array(0),
  new Uint8Array(0),
  ...WORDS.map(encode),
];
const vocabulary = await Vocabulary.read(
  texts.length,
  texts.length + 40,
  (id) => ({ text: texts[id], stop: id === END }),
  async () => {},
);

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

function randomOf(seed) {
  let state = Math.imul(seed, 2654435761) >>> 0;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

const allows = (mask, token) => ((mask[token >> 5] >>> (token & 31)) & 1) === 1;

/** A text token by token; ends where it may, sooner and sooner. null: longer than `most` tokens. */
function walk(masks, seed, most = 4000) {
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

const schemas = {
  "all types": {
    type: "object",
    properties: {
      name: { type: "string" },
      age: { type: "integer", minimum: 0, maximum: 130 },
      weight: { type: "number" },
      alive: { type: "boolean" },
      nothing: { type: "null" },
      colour: { enum: ["red", "grün", 'with "quotes"', "日本", 7, null, { a: [1, "x"] }] },
    },
    required: ["name", "age", "weight", "alive", "nothing", "colour"],
    additionalProperties: false,
  },
  "optional properties": {
    type: "object",
    properties: {
      a: { type: "null" },
      b: { type: "null" },
      c: { type: "null" },
      d: { type: "null" },
    },
    required: ["c"],
    additionalProperties: false,
  },
  "nested arrays": {
    type: "array",
    items: { type: "array", items: { type: "integer" }, minItems: 1, maxItems: 3 },
    minItems: 2,
    maxItems: 4,
  },
  "arrays by place": {
    type: "array",
    prefixItems: [{ type: "boolean" }, { type: "null" }],
    items: { type: "integer" },
    minItems: 1,
    maxItems: 5,
  },
  "exactly two": {
    type: "array",
    prefixItems: [{ const: 1 }, { const: "x" }],
    items: false,
    minItems: 2,
  },
  anyOf: {
    anyOf: [
      {
        type: "object",
        properties: { kind: { const: "a" } },
        required: ["kind"],
        additionalProperties: false,
      },
      { type: "array", items: { type: "boolean" }, maxItems: 2 },
      { type: "null" },
    ],
  },
  recursion: {
    $defs: {
      node: {
        type: "object",
        properties: {
          value: { type: "integer" },
          next: { anyOf: [{ $ref: "#/$defs/node" }, { type: "null" }] },
        },
        required: ["value", "next"],
        additionalProperties: false,
      },
    },
    $ref: "#/$defs/node",
  },
  "itself in a list": {
    type: "object",
    properties: { children: { type: "array", items: { $ref: "#" }, maxItems: 2 } },
    additionalProperties: false,
  },
  "other properties": {
    type: "object",
    properties: {
      ab: { type: "null" },
      abc: { type: "null" },
      é: { type: "null" },
      'q"': { type: "null" },
    },
    required: ["abc"],
    additionalProperties: { type: "integer" },
  },
  "required without a schema": {
    type: "object",
    required: ["x", "y"],
    properties: { y: { type: "null" } },
  },
  "any object": { type: "object" },
  "any list": { type: "array" },
  anything: true,
  "nothing said": {},
  "several types": { type: ["integer", "null", "string"], minimum: 3, maxLength: 2 },
  lengths: { type: "string", minLength: 2, maxLength: 4 },
  pattern: { type: "string", pattern: '^[a-c"\\\\\\n]{1,3}(?:é|\\d\\d)$' },
  "pattern anywhere": { type: "string", pattern: "b+" },
  "type by its keywords": { properties: { a: { minimum: 5, maximum: 7 } }, required: ["a"] },
  "multiples of seven": { type: "integer", multipleOf: 7 },
  cents: { type: "number", multipleOf: 0.01, minimum: 0, maximum: 99.99 },
  "tenths without bounds": { type: "number", multipleOf: 0.1 },
  quarters: { type: "number", multipleOf: 0.25, exclusiveMinimum: -2.5, maximum: 13.1 },
  "quarters below": { type: "number", multipleOf: 0.25, maximum: -3 },
  "whole quarters": { type: "integer", multipleOf: 1.5, minimum: -20, maximum: 99 },
  "sevens above": { type: "integer", multipleOf: 7, minimum: 995 },
  "large steps": { type: "number", multipleOf: 12.34, minimum: -100, maximum: 1000 },
  "oneOf types": { oneOf: [{ type: "integer" }, { type: ["string", "null"], maxLength: 3 }] },
  "oneOf objects": {
    $defs: {
      b: { type: "object", properties: { kind: { const: "b" }, y: {} }, required: ["kind"] },
    },
    oneOf: [
      { type: "object", properties: { kind: { enum: ["a", "c"] } }, required: ["kind"] },
      { $ref: "#/$defs/b" },
      { type: "array", items: { type: "null" } },
    ],
  },
  "allOf of several": {
    $defs: {
      named: { properties: { name: { type: "string", minLength: 1 } }, required: ["name"] },
    },
    type: "object",
    description: "a person",
    allOf: [
      { $ref: "#/$defs/named" },
      { properties: { name: { maxLength: 5 }, age: { type: "integer" } }, required: ["age"] },
      { properties: { age: { type: "number", minimum: 3 } } },
      { properties: { age: { maximum: 9 } } },
    ],
  },
  "allOf of lists": {
    allOf: [
      { type: "array", items: { enum: [1, 2, 3] } },
      { minItems: 2, maxItems: 4 },
      { items: { enum: [2, 3, 4] } },
    ],
  },
  "multiples between": { type: "integer", multipleOf: 25, minimum: -60, maximum: 130 },
};
const ranges = [
  [-5, 120, false],
  [1.5, 2.25, false],
  [-0.05, 0.3, false],
  [0.1, 0.9, false],
  [-12.5, -3, false],
  [7, null, false],
  [null, -3, false],
  [1e-7, 2e-7, false],
  [0, 1, true],
  [-1, 1, true],
  [99, 1001, true],
  [1e17, null, false],
];
for (const [least, most, open] of ranges) {
  const bounds = {
    ...(least === null ? {} : { [open ? "exclusiveMinimum" : "minimum"]: least }),
    ...(most === null ? {} : { [open ? "exclusiveMaximum" : "maximum"]: most }),
  };
  schemas[`numbers ${JSON.stringify(bounds)}`] = { type: "number", ...bounds };
  const hasWhole =
    least === null || most === null || Math.floor(most) - Math.ceil(least) >= (open ? 2 : 0);
  if (hasWhole) schemas[`integers ${JSON.stringify(bounds)}`] = { type: "integer", ...bounds };
}
for (const format of "date time date-time duration email hostname ipv4 ipv6 uuid".split(" "))
  schemas[`format ${format}`] = { type: "string", format };

function judgeOf(schema) {
  const ajv = new Ajv2020({ strict: false, multipleOfPrecision: 6 });
  addFormats(ajv);
  return ajv.compile(schema);
}

for (const [name, schema] of Object.entries(schemas)) {
  test(`schema: ${name}`, () => {
    const masks = masksOf(readGrammar({ jsonSchema: schema }), vocabulary);
    const judge = judgeOf(schema);
    const seen = new Set();
    let ended = 0;
    for (let seed = 1; seed <= 40; seed++) {
      const text = walk(masks, seed);
      if (text === null) continue;
      ended++;
      seen.add(text);
      assert.ok(judge(JSON.parse(text)), `${text} ${JSON.stringify(judge.errors)}`);
    }
    assert.ok(ended > 20, `only ${ended} of 40 came to an end`);
    const few = /^(exactly two|.*"exclusive|integers .*"minimum":(1.5|-0.05))/.test(name);
    assert.ok(few || seen.size > 1, "the walks are not all one");
  });
}

/** What fits a schema in the form that is written: all of a small set. */
test("everything that can be said can be", () => {
  const fits = (option, text) => {
    const { machine } = masksOf(readGrammar(option), vocabulary);
    let place = machine.start;
    for (const byte of encode(text)) place = machine.step(place, byte);
    return machine.mayEnd(place);
  };
  for (let value = -20; value <= 1200; value++) {
    assert.equal(
      fits({ jsonSchema: { minimum: -7, maximum: 1004, type: "integer" } }, String(value)),
      value >= -7 && value <= 1004,
      String(value),
    );
    assert.equal(
      fits({ jsonSchema: { type: "integer", multipleOf: 6 } }, String(value)),
      value % 6 === 0,
    );
  }
  for (let value = -300; value <= 300; value++) {
    const text = (value / 100).toFixed(2);
    if (text === "-0.00") continue;
    const schema = { type: "number", minimum: -1.2, exclusiveMaximum: 0.5 };
    assert.equal(fits({ jsonSchema: schema }, text), value >= -120 && value < 50, text);
  }
  for (const [schema, unit, step] of [
    [{ multipleOf: 0.25, minimum: -1.3, exclusiveMaximum: 2 }, 2, 25],
    [{ multipleOf: 0.3, minimum: -1.3 }, 1, 3],
    [{ multipleOf: 0.07, maximum: 2.5 }, 2, 7],
    [{ multipleOf: 1.01, minimum: -2, maximum: 3 }, 2, 101],
    [{ multipleOf: 0.01 }, 2, 1],
  ])
    for (let value = -300; value <= 300; value++) {
      const number = value / 10 ** unit;
      const inside =
        number >= (schema.minimum ?? -Infinity) &&
        number <= (schema.maximum ?? Infinity) &&
        number < (schema.exclusiveMaximum ?? Infinity);
      const text = number.toFixed(unit);
      const wanted = inside && value % step === 0;
      const jsonSchema = { type: "number", ...schema };
      assert.equal(fits({ jsonSchema }, text), wanted, `${text} ${JSON.stringify(schema)}`);
    }
  const object = {
    type: "object",
    properties: { a: { type: "null" }, b: { type: "null" } },
    required: ["b"],
  };
  for (const text of ['{"b":null}', '{"a": null, "b":null}'])
    assert.ok(fits({ jsonSchema: object }, text));
  for (const text of ["{}", '{"a":null}', '{"b":null,}', '{"b":null,"b":null}', '{ "b":null}'])
    assert.ok(!fits({ jsonSchema: object }, text), text);
  const other = {
    type: "object",
    properties: { ab: {} },
    required: [],
    additionalProperties: true,
  };
  for (const text of ['{"a":1}', '{"abc":1}', '{"":1}', '{"ab":1,"b":2}', '{"x":{"ab":1}}'])
    assert.ok(fits({ jsonSchema: other }, text), text);
  assert.ok(!fits({ jsonSchema: other }, '{"x":1,"ab":2}'), "a name a second time, and late");
  const nested = `${"[".repeat(200)}${"]".repeat(200)}`;
  assert.ok(fits({ jsonSchema: true }, nested));
  assert.ok(!fits({ jsonSchema: true }, nested.slice(1)));
});

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

test("a schema of thousands of places is read in parts too", () => {
  for (const value of [
    { type: "number", minimum: -3.5, maximum: 1e6 },
    { anyOf: [{ type: "array", items: { type: "integer" }, minItems: 2 }, { type: "null" }] },
  ]) {
    const names = Array.from({ length: 500 }, (_, i) => `property ${i}`);
    const properties = Object.fromEntries(names.map((name) => [name, value]));
    for (const additionalProperties of [false, { type: "string" }]) {
      const work = reading({ jsonSchema: { type: "object", properties, additionalProperties } });
      let parts = 0;
      while (!work.next().done) parts++;
      // One for each schema, and one where its property is joined to those behind it.
      assert.ok(parts >= 2 * names.length, `${parts} parts`);
    }
  }
});

test("objects of thousands of properties, hundreds of them optional", () => {
  for (const [count, required] of [
    [4000, 4000],
    [300, 0],
    [300, 1],
  ]) {
    const names = Array.from({ length: count }, (_, i) => `property ${i}`);
    const properties = Object.fromEntries(names.map((name) => [name, { type: "null" }]));
    const jsonSchema = { properties, required: required > 0 ? names.slice(-required) : [] };
    const { machine } = masksOf(readGrammar({ jsonSchema }), vocabulary);
    const fits = (given) => {
      let place = machine.start;
      for (const byte of encode(`{${given.map((name) => `"${name}": null`).join(", ")}}`))
        place = machine.step(place, byte);
      return machine.mayEnd(place);
    };
    const last = names.at(-1);
    assert.ok(fits(names));
    assert.equal(fits([]), required === 0);
    assert.equal(fits(["property 3", last]), required < 2);
    assert.ok(!fits([last, "property 3"]), "another order");
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
