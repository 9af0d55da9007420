// grammar_schema_parts.ts: what two JSON schemas are together: one that says what both say (allOf), and whether a value can fit
// both (oneOf). What cannot be told for sure is refused, never guessed. Makes no patterns.
import { grammarError } from "./grammar_pattern.js";

export type Json =
  null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };
export type Schema = { readonly [name: string]: Json };
/** What the schema that a $ref names says. */
export type Find = (target: Json | undefined, place: string) => Json;

/** Keywords that forbid nothing. */
export const SAYS_NOTHING = [
  ...["title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"],
  ...["$schema", "$id", "$comment", "$defs", "definitions", "$anchor"],
];
/** Schemas that refer to each other for ever are told by their number. */
const MOST_NESTED = 100;
/** Schemas that are looked at for one answer, without a pause: two in each that is named by two others are 2^n. Takes 0.1 s. */
const MOST_LOOKS = 10_000;

/** What is left of MOST_LOOKS. */
interface Looks {
  left: number;
}

/** The schema of a place without its allOf. BAD_GRAMMAR where it and its parts cannot be said as one. */
export function mergedSchema(
  schema: Schema,
  place: string,
  find: Find,
  looks: Looks = { left: MOST_LOOKS },
  depth = 0,
): Json {
  if (depth > MOST_NESTED) throw grammarError(`${place}: "allOf" leads back to itself`);
  const { allOf, ...own } = schema;
  let merged: Json = spoken(own);
  list(allOf, `${place}/allOf`).forEach((part, index) => {
    const at = `${place}/allOf/${index}`;
    merged = both(merged, plain(part, at, find, looks, depth + 1), at);
  });
  return merged;
}

/** What fits a schema and is of a type, or of one of several. */
export function typedSchema(schema: Json, type: Json, place: string, find: Find): Json {
  const said = plain(schema, place, find, { left: MOST_LOOKS });
  if (!isObject(said)) return said === true ? { type } : said;
  const own = said["type"];
  return { ...said, type: own === undefined ? type : bothSay("type", own, type, place) };
}

/** Without references and allOf at its top. */
function plain(schema: Json, place: string, find: Find, looks: Looks, depth = 0): Json {
  if (--looks.left < 0)
    throw grammarError(`${place}: more than ${MOST_LOOKS} schemas come together here`);
  if (depth > MOST_NESTED) throw grammarError(`${place}: "$ref" leads back to itself`);
  if (typeof schema === "boolean") return schema;
  if (!isObject(schema)) throw grammarError(`${place} is no schema`);
  const keys = Object.keys(spoken(schema));
  if (schema["$ref"] !== undefined && keys.length === 1)
    return plain(find(schema["$ref"], place), place, find, looks, depth + 1);
  if (schema["allOf"] !== undefined) return mergedSchema(schema, place, find, looks, depth);
  return spoken(schema);
}

const spoken = (schema: Schema): Schema =>
  Object.fromEntries(Object.entries(schema).filter(([key]) => !SAYS_NOTHING.includes(key)));

function both(a: Json, b: Json, place: string): Json {
  if (a === false || b === false) return false;
  if (!isObject(a)) return b;
  if (!isObject(b)) return a;
  requireSameNames(a, b, place);
  return mergedObject(a, b, (key, one, other) => bothSay(key, one, other, place));
}

/** The members of both; of a name that both have, what `meet` makes of the two. Any name may come: `constructor`, `__proto__`. */
function mergedObject(
  a: Schema,
  b: Schema,
  meet: (name: string, a: Json, b: Json) => Json,
): Schema {
  const merged = new Map(Object.entries(a));
  for (const [name, value] of Object.entries(b)) {
    const other = merged.get(name);
    merged.set(name, other === undefined ? value : meet(name, other, value));
  }
  return Object.fromEntries(merged);
}

function bothSay(key: string, a: Json, b: Json, place: string): Json {
  if (JSON.stringify(a) === JSON.stringify(b)) return a;
  switch (key) {
    case "type": {
      const types = [a].flat().flatMap((one) => [b].flat().flatMap((two) => bothTypes(one, two)));
      return types.length === 1 ? (types[0] as Json) : types;
    }
    case "required":
      return [...new Set([...list(a, `${place}/required`), ...list(b, `${place}/required`)])];
    case "enum": {
      const others = new Set(list(b, `${place}/enum`).map((value) => JSON.stringify(value)));
      return list(a, `${place}/enum`).filter((value) => others.has(JSON.stringify(value)));
    }
    case "properties":
      if (!isObject(a) || !isObject(b)) break;
      return mergedObject(a, b, (_, one, other) => ({ allOf: [one, other] }));
    case "items":
      return { allOf: [a, b] };
    case "minimum":
    case "exclusiveMinimum":
    case "minLength":
    case "minItems":
      if (typeof a === "number" && typeof b === "number") return Math.max(a, b);
      break;
    case "maximum":
    case "exclusiveMaximum":
    case "maxLength":
    case "maxItems":
      if (typeof a === "number" && typeof b === "number") return Math.min(a, b);
      break;
  }
  throw grammarError(`${place}: another "${key}" than the rest of "allOf" is not possible`);
}

function bothTypes(a: Json, b: Json): Json[] {
  if (a === b) return [a];
  const numbers = [a, b].includes("integer") && [a, b].includes("number");
  return numbers ? ["integer"] : [];
}

/** additionalProperties and items speak of what their own schema does not name: with names of another, they would mean less. */
function requireSameNames(a: Schema, b: Schema, place: string): void {
  for (const [names, rest] of [
    ["properties", "additionalProperties"],
    ["prefixItems", "items"],
  ] as const) {
    const speaks = [a, b].some((one) => one[rest] !== undefined && one[rest] !== true);
    const named = (one: Schema) => Object.keys((one[names] ?? {}) as object).sort();
    if (speaks && JSON.stringify(named(a)) !== JSON.stringify(named(b)))
      throw grammarError(
        `${place}: "${rest}" in "allOf" is possible where all parts have the same "${names}"`,
      );
  }
}

// ---------------------------------------------------------------- oneOf

/**
 * The numbers, from 1, of two schemas that a value may fit both of, as far as can be told; null when there are none. Pauses before each
 * pair.
 */
export function* overlappingPair(
  parts: readonly Json[],
  find: Find,
): Generator<void, [number, number] | null> {
  for (let second = 1; second < parts.length; second++)
    for (let first = 0; first < second; first++) {
      yield;
      if (!new Pairs(find).areApart(parts[first] as Json, parts[second] as Json))
        return [first + 1, second + 1];
    }
  return null;
}

/** Whether values can fit both of two schemas, and of those that they name. */
class Pairs {
  readonly #find: Find;
  /** By identity. Two schemas that are named twice are compared once. */
  readonly #told = new Map<Json, Map<Json, boolean>>();
  readonly #looks: Looks = { left: MOST_LOOKS };

  constructor(find: Find) {
    this.#find = find;
  }

  /** False also where it cannot be told. */
  areApart(first: Json, second: Json, depth = 0): boolean {
    const known = this.#told.get(first) ?? new Map<Json, boolean>();
    this.#told.set(first, known);
    const found = known.get(second);
    if (found !== undefined) return found;
    // A pair that comes back to itself through required properties is apart: a value of both would hold a smaller one of both.
    known.set(second, true);
    const apart = this.#compare(first, second, depth);
    known.set(second, apart);
    return apart;
  }

  #compare(first: Json, second: Json, depth: number): boolean {
    if (this.#looks.left <= 0) return false;
    const [a, b] = [first, second].map((one) => plain(one, "oneOf", this.#find, this.#looks));
    if (a === false || b === false) return true;
    if (!isObject(a) || !isObject(b) || depth > MOST_NESTED) return false;
    const [some, others] = [valuesOf(a), valuesOf(b)];
    if (some && others) return !some.some((value) => others.some((other) => same(value, other)));
    const [types, otherTypes] = [typesOf(a), typesOf(b)];
    if (!types || !otherTypes) return false;
    const common = types.filter((type) => otherTypes.includes(type));
    if (common.length === 0) return true;
    if (common.length > 1 || common[0] !== "object") return false;
    const [needed, otherNeeded] = [a["required"], b["required"]];
    if (!Array.isArray(needed) || !Array.isArray(otherNeeded)) return false;
    return needed.some((name) => {
      if (typeof name !== "string" || !otherNeeded.includes(name)) return false;
      const [one, other] = [a, b].map((schema) => {
        const properties = schema["properties"];
        return isObject(properties)
          ? Object.getOwnPropertyDescriptor(properties, name)?.value
          : undefined;
      });
      return one !== undefined && other !== undefined && this.areApart(one, other, depth + 1);
    });
  }
}

function valuesOf(schema: Schema): readonly Json[] | null {
  if (schema["const"] !== undefined) return [schema["const"]];
  return Array.isArray(schema["enum"]) ? (schema["enum"] as Json[]) : null;
}

/** Types of all values that fit; integers are numbers. null: not told. */
function typesOf(schema: Schema): string[] | null {
  const types =
    valuesOf(schema)?.map(typeOf) ??
    (schema["type"] === undefined ? null : [schema["type"]].flat());
  if (!types?.every((type) => typeof type === "string")) return null;
  return types.map((type) => (type === "integer" ? "number" : type));
}

const typeOf = (value: Json): string =>
  value === null ? "null" : Array.isArray(value) ? "array" : typeof value;

/** 1.0 is 1; the names of objects have no order. */
function same(a: Json, b: Json): boolean {
  if (isObject(a) && isObject(b)) {
    const names = Object.keys(a);
    return (
      names.length === Object.keys(b).length &&
      names.every((name) => Object.hasOwn(b, name) && same(a[name] as Json, b[name] as Json))
    );
  }
  if (Array.isArray(a) && Array.isArray(b))
    return (
      a.length === b.length && a.every((value, index) => same(value as Json, b[index] as Json))
    );
  return a === b;
}

// ---------------------------------------------------------------- JSON

export function isObject(value: Json | undefined): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function list(value: Json | undefined, place: string): readonly Json[] {
  if (!Array.isArray(value)) throw grammarError(`${place} is no list`);
  return value as readonly Json[];
}

export function isOfType(value: Json, type: string): boolean {
  if (type === "integer") return Number.isInteger(value);
  if (type === "array") return Array.isArray(value);
  if (type === "null") return value === null;
  if (type === "object") return isObject(value);
  return typeof value === type;
}
