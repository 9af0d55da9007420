// grammar_schema.ts: JSON Schema into patterns: what OpenAI's structured outputs have of it, and a little more. Every text that fits
// the patterns is JSON that the schema accepts; not every such JSON fits: it is written on one line, in the order of the
// schema, and properties that the schema does not name come only where additionalProperties allows them in so many words. A
// keyword that cannot be kept is refused, never ignored.
import { FORMATS } from "./grammar_formats.js";
import {
  anyNumber,
  integerBetween,
  Multiples,
  numberBetween,
  type Bounds,
} from "./grammar_numbers.js";
import {
  characters,
  choice,
  grammarError,
  invertRanges,
  isProductive,
  LAST_CHARACTER,
  literal,
  NEVER,
  NOTHING,
  optional,
  repeat,
  rule,
  sequence,
  sortRanges,
  type Grammar,
  type Pattern,
  type Range,
} from "./grammar_pattern.js";
import { regexPattern } from "./grammar_regex.js";
import {
  isObject,
  isOfType,
  list,
  mergedSchema,
  overlappingPair,
  SAYS_NOTHING,
  typedSchema,
  type Json,
  type Schema,
} from "./grammar_schema_parts.js";

/** Keywords of each type; they say which type is meant where none is named. */
const OF_TYPE: Readonly<Record<string, readonly string[]>> = {
  object: ["properties", "required", "additionalProperties"],
  array: ["items", "prefixItems", "minItems", "maxItems"],
  string: ["pattern", "format", "minLength", "maxLength"],
  number: ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
  integer: ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
  boolean: [],
  null: [],
};
const SHORT_ESCAPES: Readonly<Record<number, string>> = {
  8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\",
}; // prettier-ignore
const MUST_ESCAPE: Range[] = [[0, 0x1f], [0x22, 0x22], [0x5c, 0x5c]]; // prettier-ignore
/** Each takes two states of the machine or more, which has no more of them. An allOf that is named twice by another may need 2^n. */
const MOST_RULES = 60_000;
const EVERY: Range[] = [[0, LAST_CHARACTER]];

/** Pauses at every place of the schema, so that the work can be done in parts. */
type Reading<Result = Pattern> = Generator<void, Result>;

/** In parts: a schema may have thousands of places. */
export function schemaGrammar(schema: unknown): Generator<void, Grammar> {
  return new SchemaReader(schema as Json).read();
}

/** Of each of them in turn. */
function* inTurn<From, To>(
  all: readonly From[],
  work: (one: From, index: number) => Reading<To>,
): Reading<To[]> {
  const found: To[] = [];
  for (let i = 0; i < all.length; i++) found.push(yield* work(all[i] as From, i));
  return found;
}

/** Characters of these ranges inside of a JSON string. Each is written in one way, so that names can be told apart. */
function inString(ranges: readonly Range[]): Pattern {
  const plain = invertRanges([...invertRanges(ranges), ...MUST_ESCAPE]);
  const parts: Pattern[] = plain.length > 0 ? [characters(plain)] : [];
  const letters: Range[] = [];
  const digits: Range[][] = [[], []]; // behind \u000 and \u001
  for (const [first, last] of sortRanges(ranges)) {
    for (const [from, to] of MUST_ESCAPE)
      for (let code = Math.max(first, from); code <= Math.min(last, to); code++) {
        const short = SHORT_ESCAPES[code]?.charCodeAt(1);
        const digit = (code % 16).toString(16).charCodeAt(0);
        if (short !== undefined) letters.push([short, short]);
        else digits[code >> 4]?.push([digit, digit]);
      }
  }
  // One way behind the backslash, not one for each: strings are what grammars are asked about most.
  const escapes: Pattern[] = letters.length > 0 ? [characters(letters)] : [];
  digits.forEach((last, index) => {
    if (last.length > 0) escapes.push(sequence(literal(`u00${index}`), characters(last)));
  });
  if (escapes.length > 0) parts.push(sequence(literal("\\"), choice(...escapes)));
  return choice(...parts);
}

class SchemaReader {
  readonly #root: Json;
  readonly #rules = new Map<string, Pattern>();
  readonly #multiples = new Multiples();

  constructor(root: Json) {
    this.#root = root;
  }

  *read(): Reading<Grammar> {
    const rules = this.#rules;
    const quote = literal('"');
    const [value, space] = [rule("value"), optional(literal(" "))];
    const listOf = (open: string, part: Pattern, close: string) =>
      sequence(
        literal(open),
        optional(sequence(part, repeat(sequence(rule("comma"), part)))),
        literal(close),
      );
    rules.set("character", inString(EVERY));
    rules.set("string", sequence(quote, repeat(rule("character")), quote));
    rules.set("comma", sequence(literal(","), space));
    rules.set("colon", sequence(literal(":"), space));
    rules.set("array", listOf("[", value, "]"));
    rules.set("object", listOf("{", sequence(rule("string"), rule("colon"), value), "}"));
    rules.set("number", anyNumber(false));
    const words = ["true", "false", "null"].map(literal);
    rules.set("value", choice(...["object", "array", "string", "number"].map(rule), ...words));
    const root = yield* this.#at(this.#root, "#");
    for (const [name, pattern] of this.#multiples.rules) rules.set(name, pattern);
    return { root, rules, impossible: this.#why ?? "no JSON fits the schema" };
  }

  /** What the first schema that nothing fits says; the whole need not be impossible for it. */
  #why: string | undefined;

  #impossible(why: string): Pattern {
    this.#why ??= `no JSON fits the schema: ${why}`;
    return NEVER;
  }

  /** The pattern of the schema at a place, as a rule: a schema may name itself. No two schemas may have the same place. */
  *#at(schema: Json, place: string): Reading {
    const name = `schema ${place}`;
    if (!this.#rules.has(name)) {
      yield;
      if (this.#rules.size >= MOST_RULES)
        throw grammarError("it is too large: it has too many places");
      this.#rules.set(name, NEVER);
      this.#rules.set(name, yield* this.#pattern(schema, place));
    }
    return rule(name);
  }

  *#pattern(schema: Json, place: string): Reading {
    if (schema === true) return rule("value");
    if (schema === false) return this.#impossible(`${place} is false`);
    if (!isObject(schema)) throw grammarError(`${place} is no schema`);
    const keys = Object.keys(schema).filter(
      (key) => !SAYS_NOTHING.includes(key) && schema[key] !== undefined,
    );
    const alone = (key: string, ...with_: string[]) => {
      const other = keys.find((one) => one !== key && !with_.includes(one));
      if (other !== undefined)
        throw grammarError(`${place}: "${other}" beside "${key}" is not possible`);
    };
    if (keys.includes("$ref")) {
      alone("$ref");
      return yield* this.#reference(schema["$ref"] as Json, place);
    }
    if (keys.includes("allOf"))
      return yield* this.#at(mergedSchema(schema, place, this.#find), `${place}/as one`);
    if (keys.includes("oneOf")) {
      alone("oneOf", "type");
      const parts = list(schema["oneOf"], `${place}/oneOf`);
      const [first, second] = (yield* overlappingPair(parts, this.#find)) ?? [];
      if (first !== undefined)
        throw grammarError(
          `${place}: "oneOf" is possible where no two of its schemas have a value in common, and nothing says so of ` +
            `the ${first}. and the ${second}.: give them different types, or objects a required property with a different "const", ` +
            `or write "anyOf"`,
        );
      const { oneOf, ...others } = schema;
      return yield* this.#pattern({ ...others, anyOf: oneOf as Json }, place);
    }
    if (keys.includes("anyOf")) {
      alone("anyOf", "type");
      const parts = list(schema["anyOf"], `${place}/anyOf`);
      const type = schema["type"];
      const at = (part: Json, i: number) => {
        const own = `${place}/anyOf/${i}`;
        if (type === undefined) return this.#at(part, own);
        const both = typedSchema(part, type, own, this.#find);
        // A reference may lead back here: what it is with this type has one place.
        const target = isObject(part) ? part["$ref"] : undefined;
        return this.#at(
          both,
          target === undefined ? own : `${refPlace(target)} of ${JSON.stringify(type)}`,
        );
      };
      return choice(...(yield* inTurn(parts, at)));
    }
    if (keys.includes("enum") || keys.includes("const")) return this.#values(schema, keys, place);
    return yield* this.#typed(schema, keys, place);
  }

  /**
   * Under a name of its own, which says where the target's text ends: a schema may say more where it stands (anyOf gives its parts its
   * type), and a property's name may read like a target's escapes.
   */
  #reference(target: Json, place: string): Reading {
    return this.#at(this.#find(target, place), refPlace(target));
  }

  /** What a $ref at that place means. */
  readonly #find = (target: Json | undefined, place: string): Json => {
    if (typeof target !== "string" || !/^#(\/|$)/.test(target))
      throw grammarError(`${place}: "$ref" goes to a place in the same schema: "#/$defs/…"`);
    let found = this.#root;
    for (const part of target.split("/").slice(1)) {
      const name = decoded(part)?.replaceAll("~1", "/").replaceAll("~0", "~");
      const inside: Json | undefined =
        name !== undefined && (isObject(found) || Array.isArray(found))
          ? Object.getOwnPropertyDescriptor(found, name)?.value
          : undefined;
      if (inside === undefined) throw grammarError(`${place}: there is no ${target}`);
      found = inside;
    }
    return found;
  };

  #values(schema: Schema, keys: string[], place: string): Pattern {
    const key = keys.includes("enum") ? "enum" : "const";
    const other = keys.find((one) => one !== key && one !== "type");
    if (other !== undefined)
      throw grammarError(`${place}: "${other}" beside "${key}" is not possible`);
    const all = key === "enum" ? list(schema["enum"], `${place}/enum`) : [schema["const"] as Json];
    const types = this.#types(schema, keys, place);
    const fits = all.filter(
      (value) => types === null || types.some((type) => isOfType(value, type)),
    );
    if (fits.length === 0) return this.#impossible(`${place}: no value of "${key}" is of its type`);
    return choice(...fits.map((value) => literal(JSON.stringify(value))));
  }

  /** null: any. */
  #types(schema: Schema, keys: string[], place: string): string[] | null {
    if (!keys.includes("type")) return null;
    const types = [schema["type"] as Json].flat() as Json[];
    for (const type of types)
      if (typeof type !== "string" || !Object.hasOwn(OF_TYPE, type))
        throw grammarError(`${place}: "type" is ${JSON.stringify(type)}`);
    return types as string[];
  }

  *#typed(schema: Schema, keys: string[], place: string): Reading {
    const constraints = keys.filter((key) => key !== "type");
    const known = Object.values(OF_TYPE).flat();
    for (const key of constraints)
      if (!known.includes(key) && !(key === "uniqueItems" && schema[key] === false))
        throw grammarError(`${place}: "${key}" is a keyword that cannot be kept`);
    let types = this.#types(schema, keys, place);
    if (types === null) {
      if (constraints.length === 0) return rule("value");
      const speaking = ["object", "array", "string", "number"];
      types = speaking.filter((type) => constraints.some((key) => OF_TYPE[type]?.includes(key)));
    }
    return choice(...(yield* inTurn(types, (type) => this.#ofType(type, schema, place))));
  }

  *#ofType(type: string, schema: Schema, place: string): Reading {
    switch (type) {
      case "object":
        return yield* this.#object(schema, place);
      case "array":
        return yield* this.#array(schema, place);
      case "string":
        return this.#string(schema, place);
      case "boolean":
        return choice(literal("true"), literal("false"));
      case "null":
        return literal("null");
      default:
        return this.#number(schema, type === "integer", place);
    }
  }

  // ---------------------------------------------------------------- objects

  *#object(schema: Schema, place: string): Reading {
    const given = schema["properties"] ?? {};
    const required = list(schema["required"] ?? [], `${place}/required`);
    const more = schema["additionalProperties"];
    if (!isObject(given)) throw grammarError(`${place}: "properties" is no object`);
    if (
      schema["properties"] === undefined &&
      required.length === 0 &&
      (more === undefined || more === true)
    )
      return rule("object");
    const properties = new Map<string, { value: Pattern; needed: boolean }>();
    const names = new Set(required);
    for (const [name, value] of Object.entries(given))
      properties.set(name, {
        value: yield* this.#at(
          value,
          `${place}/properties/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`,
        ),
        needed: names.has(name),
      });
    const others = () => this.#at(more as Json, `${place}/additionalProperties`);
    for (const name of required) {
      if (typeof name !== "string") throw grammarError(`${place}: "required" holds names`);
      if (properties.has(name)) continue;
      if (more === false)
        return this.#impossible(`${place} requires "${name}", which additionalProperties forbids`);
      properties.set(name, {
        value: more === undefined ? rule("value") : yield* others(),
        needed: true,
      });
    }
    const open = more !== undefined && more !== false;
    const tail = open
      ? yield* this.#otherProperties([...properties.keys()], yield* others(), place)
      : null;
    const begin = yield* this.#properties([...properties], tail, place);
    return sequence(literal("{"), begin, literal("}"));
  }

  /** Properties in their order, and what may stand behind them. From the last one back: there may be thousands, each a rule. */
  *#properties(
    all: readonly [string, { value: Pattern; needed: boolean }][],
    others: Pattern | null,
    place: string,
  ): Reading {
    const name = (index: number) => `properties ${place} ${index}`;
    /** One or more of the index-th and those behind it. */
    const some = (index: number) => (index < all.length ? rule(name(index)) : (others ?? NEVER));
    const lastNeeded = all.map(([, { needed }]) => needed).lastIndexOf(true);
    // No repetitions: what stands last in a choice needs no way back.
    const orNothing = (index: number, pattern: Pattern) =>
      index <= lastNeeded
        ? pattern
        : index === all.length && !others
          ? NOTHING
          : choice(pattern, NOTHING);
    for (let index = all.length - 1; index >= 0; index--) {
      yield;
      const [key, { value, needed }] = all[index] as (typeof all)[number];
      const more = orNothing(index + 1, sequence(rule("comma"), some(index + 1)));
      const here = sequence(literal(JSON.stringify(key)), rule("colon"), value, more);
      this.#rules.set(name(index), needed ? here : choice(here, some(index + 1)));
    }
    return orNothing(0, some(0));
  }

  /** One or more of other names. */
  *#otherProperties(names: string[], value: Pattern, place: string): Reading {
    const key = `other names ${place}`;
    const one = sequence(rule(key), rule("colon"), value);
    this.#rules.set(key, sequence(literal('"'), yield* otherText(names), literal('"')));
    return sequence(one, repeat(sequence(rule("comma"), one)));
  }

  // ---------------------------------------------------------------- arrays, strings, numbers

  *#array(schema: Schema, place: string): Reading {
    const first = list(schema["prefixItems"] ?? [], `${place}/prefixItems`);
    const least = this.#count(schema, "minItems", place) ?? 0;
    const most = this.#count(schema, "maxItems", place) ?? Infinity;
    const items = schema["items"] ?? true;
    if (least > most) return this.#impossible(`${place}: minItems is above maxItems`);
    if (first.length === 0 && items === true && least === 0 && most === Infinity)
      return rule("array");
    const of = (index: number) =>
      index < first.length
        ? this.#at(first[index] as Json, `${place}/prefixItems/${index}`)
        : this.#at(items, `${place}/items`);
    const comma = (index: number) => (index > 0 ? rule("comma") : NOTHING);
    const rest = function* (index: number): Reading {
      const needed = index < least;
      if (index >= most) return NOTHING;
      if (index >= first.length && index > 0) {
        const more = sequence(rule("comma"), yield* of(index));
        return repeat(more, Math.max(0, least - index), most - index);
      }
      const here = sequence(comma(index), yield* of(index), yield* rest(index + 1));
      return needed ? here : optional(here);
    };
    return sequence(literal("["), yield* rest(0), literal("]"));
  }

  #string(schema: Schema, place: string): Pattern {
    const quoted = (inside: Pattern) => sequence(literal('"'), inside, literal('"'));
    const named = ["pattern", "format"].filter((key) => schema[key] !== undefined);
    const least = this.#count(schema, "minLength", place);
    const most = this.#count(schema, "maxLength", place);
    if (named.length > 0 && (named.length > 1 || least !== null || most !== null))
      throw grammarError(`${place}: only one of "pattern", "format" and a length is possible`);
    if (schema["format"] !== undefined) {
      const format = schema["format"];
      if (typeof format !== "string" || !Object.hasOwn(FORMATS, format))
        throw grammarError(`${place}: the format ${JSON.stringify(format)} is not known`);
      return quoted(
        regexPattern(FORMATS[format] as string, {
          characters: inString,
          search: false,
          rules: this.#rules,
        }),
      );
    }
    const pattern = schema["pattern"];
    if (pattern !== undefined) {
      if (typeof pattern !== "string") throw grammarError(`${place}: "pattern" is a text`);
      return quoted(
        regexPattern(pattern, {
          characters: inString,
          search: true,
          rules: this.#rules,
        }),
      );
    }
    if (least === null && most === null) return rule("string");
    if ((least ?? 0) > (most ?? Infinity))
      return this.#impossible(`${place}: minLength is above maxLength`);
    return quoted(repeat(rule("character"), least ?? 0, most ?? Infinity));
  }

  #count(schema: Schema, key: string, place: string): number | null {
    const value = schema[key];
    if (value === undefined) return null;
    if (typeof value !== "number" || !Number.isInteger(value) || value < 0)
      throw grammarError(`${place}: "${key}" is a whole number`);
    return value;
  }

  #number(schema: Schema, integer: boolean, place: string): Pattern {
    const read = (key: string) => {
      const value = schema[key];
      if (value !== undefined && (typeof value !== "number" || !Number.isFinite(value)))
        throw grammarError(`${place}: "${key}" is a number`);
      return value as number | undefined;
    };
    const bound = (key: string, open: string, sharper: (a: number, b: number) => boolean) => {
      const [value, beyond] = [read(key), read(open)];
      if (beyond !== undefined && (value === undefined || !sharper(value, beyond)))
        return { value: beyond, open: true };
      return value === undefined ? null : { value, open: false };
    };
    const bounds: Bounds = {
      least: bound("minimum", "exclusiveMinimum", (a, b) => a > b),
      most: bound("maximum", "exclusiveMaximum", (a, b) => a < b),
    };
    const divisor = read("multipleOf");
    const between =
      divisor !== undefined
        ? this.#multiplesOf(divisor, bounds, integer, place)
        : bounds.least === null && bounds.most === null
          ? anyNumber(integer)
          : integer
            ? integerBetween(bounds)
            : numberBetween(bounds);
    if (!isProductive(between, this.#multiples.possible))
      return this.#impossible(`${place}: no number is between its bounds`);
    return between;
  }

  #multiplesOf(divisor: number, bounds: Bounds, integer: boolean, place: string): Pattern {
    if (divisor <= 0) throw grammarError(`${place}: "multipleOf" is above 0`);
    const found = this.#multiples.of(divisor, bounds, integer);
    if (!found)
      throw grammarError(
        `${place}: "multipleOf" has at most 9 decimals; with more than 100 in units of the last of them it goes with both ` +
          `bounds and at most 2000 values between them`,
      );
    return found;
  }
}

const refPlace = (target: Json): string => `$ref ${JSON.stringify(target)}`;

/** A part of an address; undefined when its percent signs are none of an address. */
function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}

/** Every text but these, as it is inside of a string. */
function* otherText(names: readonly string[]): Reading {
  yield;
  const any = repeat(rule("character"));
  if (names.length === 0) return any;
  const next = new Map<number, string[]>();
  for (const name of names) {
    const code = name.codePointAt(0);
    if (code === undefined) continue;
    const rest = name.slice(code > 0xffff ? 2 : 1);
    const rests = next.get(code);
    if (rests) rests.push(rest);
    else next.set(code, [rest]);
  }
  const known = [...next.keys()].map((code): Range => [code, code]);
  const parts = [sequence(inString(invertRanges(known)), any)];
  for (const [code, rests] of next)
    parts.push(sequence(inString([[code, code]]), yield* otherText(rests)));
  return choice(...parts, ...(names.includes("") ? [] : [NOTHING]));
}
