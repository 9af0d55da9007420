// grammar_schema.test.mjs - JSON Schemas as grammars, without a model: random walks through what the masks allow, each of which must end
// in a JSON text that another judge, npm ajv, accepts; and what can be said at all, of small sets and of large ones.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import {
  acceptor,
  masksOf,
  readGrammar,
  readInParts,
  vocabulary,
  walk,
} from "./grammar_under_test.mjs";

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
  "allOf of names that every object has": {
    allOf: [
      {
        type: "object",
        properties: { constructor: { type: "integer" } },
        required: ["constructor"],
      },
      { properties: { toString: { enum: ["a", "b"] }, constructor: { minimum: 7, maximum: 8 } } },
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
  const ajv = new Ajv2020({ strict: false, ownProperties: true, multipleOfPrecision: 6 });
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

test("no two schemas are taken for each other, whatever their names", () => {
  const typed = acceptor({
    jsonSchema: {
      properties: {
        b: { $ref: "#/properties/a/anyOf/0" },
        a: { type: "integer", anyOf: [{ minimum: 1 }] },
      },
    },
  });
  for (const text of ['{"b":1.5}', '{"b":1.5,"a":1}', '{"a":7}']) assert.ok(typed(text), text);
  for (const text of ['{"a":1.5}', '{"b":2,"a":1.5}']) assert.ok(!typed(text), text);
  const within = acceptor({
    jsonSchema: {
      properties: {
        a: { type: "integer", anyOf: [{ minimum: 1 }] },
        c: { $ref: "#/properties/a" },
        b: { $ref: "#/properties/a/anyOf/0" },
      },
    },
  });
  assert.ok(within('{"a":1,"c":1,"b":1.5}'));
  for (const text of ['{"a":1.5}', '{"c":1.5}']) assert.ok(!within(text), text);
  const escaped = acceptor({
    jsonSchema: {
      properties: {
        "a b": { type: "string" },
        "a%20b": { type: "integer" },
        c: { $ref: "#/properties/a%20b" },
      },
    },
  });
  assert.ok(escaped('{"a b":"x","a%20b":1,"c":"x"}'));
  assert.ok(!escaped('{"c":1}'));
  const asOne = acceptor({
    jsonSchema: {
      properties: { p: { allOf: [{ type: "null" }] }, "p as one": { type: "boolean" } },
    },
  });
  assert.ok(asOne('{"p":null,"p as one":true}'));
  assert.ok(!asOne('{"p as one":null}'));
});

test("a type beside anyOf holds for each of its schemas, also for one with a type of its own", () => {
  const accepts = acceptor({
    jsonSchema: {
      $defs: { text: { type: ["string", "number"] }, any: {} },
      properties: {
        a: { type: "integer", anyOf: [{ type: "string" }, { type: "number", minimum: 5 }] },
        b: { type: ["number", "null"], anyOf: [{ $ref: "#/$defs/text" }, { type: "boolean" }] },
        c: { type: "boolean", anyOf: [true, { type: "null" }] },
        d: { type: "null", oneOf: [{ $ref: "#/$defs/any" }] },
        e: { $ref: "#/$defs/text" },
      },
    },
  });
  for (const text of ['{"a":7,"b":1.5,"c":true,"d":null,"e":"x"}']) assert.ok(accepts(text), text);
  for (const text of ['"a":"x"', '"a":5.5', '"b":"x"', '"b":true', '"b":null', '"c":1', '"d":1'])
    assert.ok(!accepts(`{${text}}`), text);
  const chain = acceptor({
    jsonSchema: {
      $defs: {
        node: {
          anyOf: [
            {
              type: "object",
              properties: { next: { type: "object", anyOf: [{ $ref: "#/$defs/node" }] } },
              additionalProperties: false,
            },
            { type: "null" },
          ],
        },
      },
      $ref: "#/$defs/node",
    },
  });
  for (const text of ["null", "{}", '{"next":{"next":{}}}']) assert.ok(chain(text), text);
  for (const text of ['{"next":null}', '{"next":{"next":null}}']) assert.ok(!chain(text), text);
});

test("oneOf of objects that differ far below, in what each names twice", () => {
  const $defs = {};
  for (const side of ["x", "y"]) {
    $defs[`${side}40`] = { const: side };
    for (let i = 0; i < 40; i++) {
      const next = { $ref: `#/$defs/${side}${i + 1}` };
      // The common ones are looked at first, and say nothing.
      const properties = { a: { $ref: `#/$defs/s${i}` }, b: next, c: next };
      $defs[`${side}${i}`] = { type: "object", properties, required: ["a", "b", "c"] };
      const inner = i < 39 ? { $ref: `#/$defs/s${i + 1}` } : { type: "null" };
      $defs[`s${i}`] = {
        type: "object",
        properties: { a: inner, b: inner },
        required: ["a", "b"],
      };
    }
  }
  const oneOf = [{ $ref: "#/$defs/x38" }, { $ref: "#/$defs/y38" }];
  const deep = acceptor({ jsonSchema: { $defs, oneOf } });
  const text = (side) => {
    const last = `{"a":{"a":null,"b":null},"b":"${side}","c":"${side}"}`;
    return `{"a":{"a":{"a":null,"b":null},"b":{"a":null,"b":null}},"b":${last},"c":${last}}`;
  };
  for (const side of ["x", "y"]) assert.ok(deep(text(side)), side);
  assert.ok(!deep(text("x").replace('"c":"x"', '"c":"y"')));
  // As many again of each level are 2^40.
  readGrammar({ jsonSchema: { $defs, oneOf: [{ $ref: "#/$defs/x0" }, { $ref: "#/$defs/y0" }] } });
});

/** What fits a schema in the form that is written: all of a small set. */
test("everything that can be said can be", () => {
  const between = acceptor({ jsonSchema: { minimum: -7, maximum: 1004, type: "integer" } });
  const sixes = acceptor({ jsonSchema: { type: "integer", multipleOf: 6 } });
  for (let value = -20; value <= 1200; value++) {
    assert.equal(between(String(value)), value >= -7 && value <= 1004, String(value));
    assert.equal(sixes(String(value)), value % 6 === 0);
  }
  const open = acceptor({ jsonSchema: { type: "number", minimum: -1.2, exclusiveMaximum: 0.5 } });
  for (let value = -300; value <= 300; value++) {
    const text = (value / 100).toFixed(2);
    if (text === "-0.00") continue;
    assert.equal(open(text), value >= -120 && value < 50, text);
  }
  for (const [schema, unit, step] of [
    [{ multipleOf: 0.25, minimum: -1.3, exclusiveMaximum: 2 }, 2, 25],
    [{ multipleOf: 0.3, minimum: -1.3 }, 1, 3],
    [{ multipleOf: 0.07, maximum: 2.5 }, 2, 7],
    [{ multipleOf: 1.01, minimum: -2, maximum: 3 }, 2, 101],
    [{ multipleOf: 0.01 }, 2, 1],
  ]) {
    const fits = acceptor({ jsonSchema: { type: "number", ...schema } });
    for (let value = -300; value <= 300; value++) {
      const number = value / 10 ** unit;
      const inside =
        number >= (schema.minimum ?? -Infinity) &&
        number <= (schema.maximum ?? Infinity) &&
        number < (schema.exclusiveMaximum ?? Infinity);
      const text = number.toFixed(unit);
      const wanted = inside && value % step === 0;
      assert.equal(fits(text), wanted, `${text} ${JSON.stringify(schema)}`);
    }
  }
  const object = acceptor({
    jsonSchema: {
      type: "object",
      properties: { a: { type: "null" }, b: { type: "null" } },
      required: ["b"],
    },
  });
  for (const text of ['{"b":null}', '{"a": null, "b":null}']) assert.ok(object(text));
  for (const text of ["{}", '{"a":null}', '{"b":null,}', '{"b":null,"b":null}', '{ "b":null}'])
    assert.ok(!object(text), text);
  const other = acceptor({
    jsonSchema: {
      type: "object",
      properties: { ab: {} },
      required: [],
      additionalProperties: true,
    },
  });
  for (const text of ['{"a":1}', '{"abc":1}', '{"":1}', '{"ab":1,"b":2}', '{"x":{"ab":1}}'])
    assert.ok(other(text), text);
  assert.ok(!other('{"x":1,"ab":2}'), "a name a second time, and late");
  const nested = `${"[".repeat(200)}${"]".repeat(200)}`;
  const anything = acceptor({ jsonSchema: true });
  assert.ok(anything(nested));
  assert.ok(!anything(nested.slice(1)));
});

test("a schema of thousands of places is read in parts too", () => {
  for (const value of [
    { type: "number", minimum: -3.5, maximum: 1e6 },
    { anyOf: [{ type: "array", items: { type: "integer" }, minItems: 2 }, { type: "null" }] },
  ]) {
    const names = Array.from({ length: 500 }, (_, i) => `property ${i}`);
    const properties = Object.fromEntries(names.map((name) => [name, value]));
    for (const additionalProperties of [false, { type: "string" }]) {
      const work = readInParts({
        jsonSchema: { type: "object", properties, additionalProperties },
      });
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
    const accepts = acceptor({ jsonSchema });
    const fits = (given) => accepts(`{${given.map((name) => `"${name}": null`).join(", ")}}`);
    const last = names.at(-1);
    assert.ok(fits(names));
    assert.equal(fits([]), required === 0);
    assert.equal(fits(["property 3", last]), required < 2);
    assert.ok(!fits([last, "property 3"]), "another order");
  }
});
