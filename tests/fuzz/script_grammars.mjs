// script_grammars.mjs - fuzz targets: any text as a JSON Schema, a regular expression or an EBNF grammar. It is refused as BAD_GRAMMAR,
// or gives masks: some token fits at each place that they lead to, and where a text may end, another judge takes it: ajv for schemas,
// the JavaScript engine for regular expressions.
import assert from "node:assert/strict";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { importSource } from "../web/source_under_test.mjs";

const { GrammarShelf } = await importSource("grammar_masks");
const { Vocabulary } = await importSource("grammar_vocabulary");

const END = 256;
const LONGER = ['{"', '": ', '", "', "true", "fals", "null", "é", "12", "日本", "}}", "aa", '\\"'];
const texts = [
  ...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)),
  new Uint8Array(0),
  ...LONGER.map((text) => Buffer.from(text)),
];
const vocabulary = await Vocabulary.read(
  texts.length,
  texts.length,
  (id) => ({ text: texts[id], stop: id === END }),
  async () => {},
);

/** A host lets messages in between two parts of the work; it ends a grammar that is never done. */
const MOST_PARTS = 100_000;
function done(work) {
  for (let part = 0; part < MOST_PARTS; part++) {
    const { done: isDone, value } = work.next();
    if (isDone) return value;
  }
  throw new Error("this work does not end");
}

/** null: BAD_GRAMMAR. */
function masksOf(option) {
  try {
    return done(new GrammarShelf().take(option, vocabulary, vocabulary.stops)).masks;
  } catch (thrown) {
    if (thrown?.code !== "BAD_GRAMMAR") throw thrown;
    assert.ok(thrown.detail.length > 0, "a refusal has a sentence");
    return null;
  }
}

const MOST_TOKENS = 40;

/** Token by token through what fits; the text when it came to an end. A place may be refused for what it would cost. */
function walk(masks, random) {
  let place = masks.machine.start;
  const bytes = [];
  try {
    for (let count = 0; count < MOST_TOKENS; count++) {
      const mask = done(masks.at(place));
      const open = [];
      for (let token = 0; token < texts.length; token++)
        if ((mask[token >> 5] >>> (token & 31)) & 1) open.push(token);
      assert.ok(open.length > 0, "some token fits");
      const mayEnd = open.includes(END);
      assert.equal(mayEnd, masks.machine.mayEnd(place));
      const token = mayEnd && random(3) === 0 ? END : open[random(open.length)];
      if (token === END) return Buffer.from(bytes);
      bytes.push(...texts[token]);
      place = masks.after(place, token);
      assert.notEqual(place, 0, "what fits leads somewhere");
    }
  } catch (thrown) {
    if (thrown?.code !== "BAD_GRAMMAR") throw thrown;
  }
  return null;
}

function takes(masks, random, judge) {
  if (masks === null) return false;
  for (let round = 0; round < 3; round++) {
    const bytes = walk(masks, random);
    if (bytes === null) continue;
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    assert.ok(judge(text), `another judge does not take ${JSON.stringify(text)}`);
  }
  return true;
}

/** A judge that cannot read the grammar says nothing. It reads it when there is a text to judge. */
function judgeOr(make) {
  let judge = null;
  return (text) => {
    try {
      judge ??= make();
    } catch {
      judge = () => true;
    }
    return judge(text);
  };
}

const words = (text) => text.split(" ");
const schemaWords = [
  ...words(
    '{ } [ ] , : "" "$ref" "#" "#/$defs/a" "$defs" "type" "object" "array" "string" "number"',
  ),
  ...words(
    '"integer" "boolean" "null" "properties" "required" "additionalProperties" "items" "a" "b"',
  ),
  ...words(
    '"prefixItems" "minItems" "maxItems" "enum" "const" "anyOf" "oneOf" "allOf" "minLength"',
  ),
  ...words(
    '"maxLength" "pattern" "format" "minimum" "maximum" "exclusiveMinimum" "multipleOf" "date"',
  ),
  ...words(
    '"exclusiveMaximum" "description" "__proto__" "not" "if" true false null 0 1 2.5 -3 1e9 1e400',
  ),
];
const expressionWords = [
  ...words(
    "( ) (?: [ ] [^ | * + ? {2} {1,3} {,4} {0,99999} . ^ $ \\d \\w \\s \\b \\S \\n \\u{1F600}",
  ),
  ...words(
    "\\p{L} \\P{Lu} \\p{Script=Greek} \\p{ \\1 \\k<a> (?<a> (?= (?! (?<= a-z é 日 \\x41 \\u00e9 \\cJ -",
  ),
];
const ebnfWords = [
  ...words('root ::= | * + ? {2,5} {1} ( ) "a" [a-z] [^\\n] a b # . \\\\ \\x41 \\u0041 \\t'),
  "\n",
  "\nroot ::= ",
  "\na ::= ",
];

function runSchema(input, random) {
  let schema;
  try {
    schema = JSON.parse(input.toString());
  } catch {
    return false;
  }
  return takes(masksOf({ jsonSchema: schema }), random, judgeSchema(schema));
}

const ajv = new Ajv2020({
  strict: false,
  ownProperties: true,
  multipleOfPrecision: 6,
  logger: false,
});
addFormats(ajv);

/** One judge for all schemas: to read the schema of schemas takes it a hundred times as long as to read one of these. */
function compileSchema(schema) {
  try {
    return ajv.compile(schema);
  } finally {
    if (typeof schema === "object" && schema !== null) ajv.removeSchema(schema);
  }
}

/** Texts of a schema are JSON, whatever else they are. */
function judgeSchema(schema) {
  const judge = judgeOr(() => compileSchema(schema));
  return (text) => judge(JSON.parse(text));
}

function runExpression(input, random) {
  const source = input.toString();
  const judge = judgeOr(() => {
    const whole = new RegExp(`^(?:${source})$`, "u");
    // What stands for itself must stand for the same: `a)|(b` would be another expression with these brackets.
    new RegExp(source, "u");
    return (text) => text.length > 24 || whole.test(text);
  });
  return takes(masksOf({ regex: source }), random, judge);
}

const runEbnf = (input, random) => takes(masksOf({ ebnf: input.toString() }), random, () => true);

export const targets = {
  grammar_schema: { words: schemaWords, json: true, run: runSchema },
  grammar_regex: { words: expressionWords, run: runExpression },
  grammar_ebnf: { words: ebnfWords, run: runEbnf },
};
