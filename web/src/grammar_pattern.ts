// grammar_pattern.ts: what a grammar is made of: patterns of bytes, which rules may name, and so nest without end. Everything that
// can be asked for (JSON Schema, a regular expression, EBNF) becomes such patterns; grammar_machine.ts runs them.
import { TercetError } from "./errors.js";

/** First and last; of bytes or of characters. */
export type Range = readonly [number, number];

export type Pattern =
  | { kind: "byte"; ranges: readonly Range[] }
  | { kind: "sequence"; parts: readonly Pattern[] }
  | { kind: "choice"; parts: readonly Pattern[] }
  | { kind: "repeat"; part: Pattern; least: number; most: number }
  | { kind: "rule"; name: string };

export interface Grammar {
  root: Pattern;
  /** What to say when no text at all fits it. */
  impossible?: string;
  rules: Map<string, Pattern>;
}

export const LAST_CHARACTER = 0x10ffff;
/** Rules that are looked at between two looks at the clock. */
const PART = 256;
/** Of one repetition: more is refused, not computed for ever. */
const MOST_REPEATS = 10_000;

export const NOTHING: Pattern = { kind: "sequence", parts: [] };
/** Matches no text at all. */
export const NEVER: Pattern = { kind: "choice", parts: [] };

export const sequence = (...parts: Pattern[]): Pattern => ({ kind: "sequence", parts });
export const choice = (...parts: Pattern[]): Pattern => ({ kind: "choice", parts });
export const optional = (part: Pattern): Pattern => repeat(part, 0, 1);
export const rule = (name: string): Pattern => ({ kind: "rule", name });

export function repeat(part: Pattern, least = 0, most = Infinity): Pattern {
  if (least > MOST_REPEATS || (most > MOST_REPEATS && most !== Infinity))
    throw grammarError(`something is repeated more than ${MOST_REPEATS} times`);
  return most < least ? NEVER : { kind: "repeat", part, least, most };
}

export function grammarError(detail: string): TercetError {
  return new TercetError("BAD_GRAMMAR", detail);
}

/** These bytes, as UTF-8. */
export function literal(text: string): Pattern {
  if (/\p{Surrogate}/u.test(text)) throw grammarError("half a character");
  return { kind: "sequence", parts: Array.from(new TextEncoder().encode(text), one) };
}

/** This byte. Made once: long lists of words hold each many times. */
const one = (byte: number): Pattern =>
  (ONES[byte] ??= { kind: "byte", ranges: [[byte, byte]] } as const);
const ONES: Pattern[] = [];

/** One character of these ranges, as UTF-8. */
export function characters(ranges: readonly Range[]): Pattern {
  const parts: Pattern[] = [];
  const single: Range[] = [];
  for (const [first, last] of ranges) {
    for (const [from, to] of [
      [first, Math.min(last, 0xd7ff)],
      [Math.max(first, 0xe000), last],
    ] as Range[]) {
      if (from > to) continue;
      if (from < 0x80) single.push([from, Math.min(to, 0x7f)]);
      if (to >= 0x80) addSequences(Math.max(from, 0x80), to, parts);
    }
  }
  if (single.length > 0) parts.unshift({ kind: "byte", ranges: single });
  return parts.length === 1 ? (parts[0] as Pattern) : choice(...parts);
}

/** Cut until all bytes but the first differing one run over all that they can be; then they are ranges of their own. */
function addSequences(first: number, last: number, out: Pattern[]): void {
  for (const most of [0x7ff, 0xffff]) {
    if (first <= most && last > most) {
      addSequences(first, most, out);
      addSequences(most + 1, last, out);
      return;
    }
  }
  const more = first < 0x800 ? 1 : first < 0x10000 ? 2 : 3; // bytes behind the first
  for (let i = 1; i <= more; i++) {
    const low = 2 ** (6 * i) - 1;
    if (first >> (6 * i) === last >> (6 * i)) continue;
    if ((first & low) !== 0) {
      addSequences(first, first | low, out);
      addSequences((first | low) + 1, last, out);
      return;
    }
    if ((last & low) !== low) {
      addSequences(first, (last & ~low) - 1, out);
      addSequences(last & ~low, last, out);
      return;
    }
  }
  const lead = [0, 0xc0, 0xe0, 0xf0][more] as number;
  const bytes: Pattern[] = [];
  for (let i = more; i >= 0; i--) {
    const byte = (code: number) => (i === more ? lead : 0x80) | ((code >> (6 * i)) & 0x3f);
    bytes.push({ kind: "byte", ranges: [[byte(first), byte(last)]] });
  }
  out.push(sequence(...bytes));
}

/** Rising, disjoint, none next to another. */
export function sortRanges(ranges: readonly Range[]): Range[] {
  const sorted: [number, number][] = [];
  for (const [first, last] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const previous = sorted.at(-1);
    if (previous && first <= previous[1] + 1) previous[1] = Math.max(previous[1], last);
    else sorted.push([first, last]);
  }
  return sorted;
}

/** All characters but these. */
export function invertRanges(ranges: readonly Range[]): Range[] {
  const rest: Range[] = [];
  let next = 0;
  for (const [first, last] of sortRanges(ranges)) {
    if (first > next) rest.push([next, first - 1]);
    next = last + 1;
  }
  if (next <= LAST_CHARACTER) rest.push([next, LAST_CHARACTER]);
  return rest;
}

/** Which rules can end in a finite text; what cannot is as good as NEVER. Work in parts. */
export const productiveRules = (grammar: Grammar) => closure(grammar, isProductive);

/** Rules of which that holds, given those of which it holds. */
function* closure(
  { rules }: Grammar,
  holds: (pattern: Pattern, known: ReadonlySet<string>) => boolean,
): Generator<void, Set<string>> {
  const known = new Set<string>();
  let looked = 0;
  for (let before = -1; before !== known.size;) {
    before = known.size;
    for (const [name, pattern] of rules) {
      if (++looked % PART === 0) yield;
      if (!known.has(name) && holds(pattern, known)) known.add(name);
    }
  }
  return known;
}

export function isProductive(pattern: Pattern, rules: ReadonlySet<string>): boolean {
  switch (pattern.kind) {
    case "byte":
      return pattern.ranges.length > 0;
    case "sequence":
      return pattern.parts.every((part) => isProductive(part, rules));
    case "choice":
      return pattern.parts.some((part) => isProductive(part, rules));
    case "repeat":
      return pattern.least === 0 || isProductive(pattern.part, rules);
    case "rule":
      return rules.has(pattern.name);
  }
}

/** Rules that no byte at all fits as well. Work in parts. */
export const emptyRules = (grammar: Grammar) => closure(grammar, canBeEmpty);

/** `empty`: what emptyRules gave. */
export function canBeEmpty(pattern: Pattern, empty: ReadonlySet<string>): boolean {
  switch (pattern.kind) {
    case "byte":
      return false;
    case "sequence":
      return pattern.parts.every((part) => canBeEmpty(part, empty));
    case "choice":
      return pattern.parts.some((part) => canBeEmpty(part, empty));
    case "repeat":
      return pattern.least === 0 || canBeEmpty(pattern.part, empty);
    case "rule":
      return empty.has(pattern.name);
  }
}

/** Refuses rules that come back to themselves before any byte: nobody could say how often. Work in parts. */
export function* refuseLeftRecursion(
  { rules }: Grammar,
  empty: ReadonlySet<string>,
): Generator<void, void> {
  const begins = (pattern: Pattern): string[] => {
    if (pattern.kind === "rule") return [pattern.name];
    if (pattern.kind === "choice") return pattern.parts.flatMap(begins);
    if (pattern.kind === "repeat") return begins(pattern.part);
    if (pattern.kind === "byte") return [];
    const names: string[] = [];
    for (const part of pattern.parts) {
      names.push(...begins(part));
      if (!canBeEmpty(part, empty)) break;
    }
    return names;
  };
  const seen = new Set<string>();
  for (const root of rules.keys()) {
    // A stack of our own: rules may follow each other by the thousand.
    const path = new Set<string>();
    const open: { name: string; next: Iterator<string> }[] = [];
    const enter = (name: string) => {
      seen.add(name);
      path.add(name);
      open.push({ name, next: begins(rules.get(name) ?? NEVER).values() });
    };
    if (!seen.has(root)) enter(root);
    if (seen.size % PART === 0) yield;
    for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
      const { value, done } = top.next.next();
      if (done === true) {
        path.delete(top.name);
        open.pop();
      } else if (path.has(value))
        throw grammarError(`${value} comes back to itself with nothing in front of it`);
      else if (!seen.has(value)) enter(value);
    }
  }
}
