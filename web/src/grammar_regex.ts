// grammar_regex.ts: regular expressions as JavaScript writes them (with the flag u) into patterns. What is no regular language
// (backreferences) or looks around (lookahead, \b) is refused by name, never ignored.
import {
  choice,
  grammarError,
  invertRanges,
  LAST_CHARACTER,
  NOTHING,
  repeat,
  rule,
  sequence,
  sortRanges,
  type Pattern,
  type Range,
} from "./grammar_pattern.js";

export interface RegexOptions {
  /** One character of these ranges, as it is to be written. */
  characters: (ranges: readonly Range[]) => Pattern;
  /** Whether text may stand around a match, unless ^ and $ say otherwise, as JSON Schema has it; else all must match. */
  search: boolean;
  /** Of the grammar. Classes of many characters are put there once and named: each place they stand at would copy hundreds of states. */
  rules: Map<string, Pattern>;
}

const DIGITS: Range[] = [[0x30, 0x39]];
const WORD: Range[] = [...DIGITS, [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]];
const NEW_LINES: Range[] = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
];
const SPACES: Range[] = [
  ...([
    [0x09, 0x0d],
    [0x20, 0x20],
    [0xa0, 0xa0],
    [0x1680, 0x1680],
  ] as Range[]),
  ...([
    [0x2000, 0x200a],
    [0x2028, 0x2029],
    [0x202f, 0x202f],
    [0x205f, 0x205f],
  ] as Range[]),
  ...([
    [0x3000, 0x3000],
    [0xfeff, 0xfeff],
  ] as Range[]),
];
const BLOCK = 0x800;
const CONTROLS: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, 0: 0 };

export function regexPattern(source: string, options: RegexOptions): Pattern {
  try {
    new RegExp(source, "u");
  } catch (thrown) {
    throw grammarError((thrown as Error).message);
  }
  return new RegexReader(source, options).read();
}

/** Its syntax is known to be right: the engine has read it. */
class RegexReader {
  readonly #source: string;
  readonly #options: RegexOptions;
  #at = 0;

  constructor(source: string, options: RegexOptions) {
    this.#source = source;
    this.#options = options;
  }

  read(): Pattern {
    return this.#choice(true);
  }

  #refuse(what: string): never {
    throw grammarError(`${what} in the regular expression /${this.#source}/ at ${this.#at}`);
  }

  #take(text: string): boolean {
    if (!this.#source.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #next(): number {
    const code = this.#source.codePointAt(this.#at) as number;
    this.#at += code > 0xffff ? 2 : 1;
    return code;
  }

  /** Alternatives; `outermost` ones may begin with ^ and end with $. */
  #choice(outermost: boolean): Pattern {
    const parts = [];
    do parts.push(this.#sequence(outermost));
    while (this.#take("|"));
    return parts.length === 1 ? (parts[0] as Pattern) : choice(...parts);
  }

  #sequence(outermost: boolean): Pattern {
    const around = () => repeat(this.#characters([[0, LAST_CHARACTER]]));
    const parts: Pattern[] = [];
    let begins = false;
    let ends = false;
    while (this.#at < this.#source.length && !"|)".includes(this.#source[this.#at] as string)) {
      if (ends) this.#refuse("something behind $");
      if (this.#take("^")) {
        if (!outermost || parts.length > 0) this.#refuse("^ that is not at the beginning");
        begins = true;
      } else if (this.#take("$")) {
        if (!outermost) this.#refuse("$ that is not at the end");
        ends = true;
      } else {
        parts.push(this.#quantified(this.#atom()));
      }
    }
    if (outermost && this.#options.search) {
      if (!begins) parts.unshift(around());
      if (!ends) parts.push(around());
    }
    return sequence(...parts);
  }

  #quantified(part: Pattern): Pattern {
    let least = 1;
    let most = 1;
    const counts = /\{(\d+)(,?)(\d*)\}/y;
    counts.lastIndex = this.#at;
    const match = counts.exec(this.#source);
    if (this.#take("*")) [least, most] = [0, Infinity];
    else if (this.#take("+")) most = Infinity;
    else if (this.#take("?")) least = 0;
    else if (match) {
      this.#at = counts.lastIndex;
      least = Number(match[1]);
      most = match[2] === "" ? least : match[3] === "" ? Infinity : Number(match[3]);
    } else return part;
    this.#take("?"); // lazy or not, the texts are the same
    return repeat(part, least, most);
  }

  #atom(): Pattern {
    if (this.#take("(")) return this.#group();
    if (this.#take(".")) return this.#characters(invertRanges(NEW_LINES));
    if (this.#take("[")) return this.#characters(this.#class());
    if (this.#take("\\")) return this.#characters(this.#escape());
    const code = this.#next();
    return this.#characters([[code, code]]);
  }

  #characters(ranges: readonly Range[]): Pattern {
    const pattern = this.#options.characters(ranges);
    if (pattern.kind !== "choice" || pattern.parts.length < 3) return pattern;
    const name = `characters ${ranges.join()}`;
    this.#options.rules.set(name, pattern);
    return rule(name);
  }

  #group(): Pattern {
    if (this.#take("?") && !this.#take(":")) {
      if (!/^<[^=!]/.test(this.#source.slice(this.#at)))
        this.#refuse("a look ahead or behind, or a flag,");
      this.#at = this.#source.indexOf(">", this.#at) + 1;
    }
    const inside = this.#choice(false);
    this.#take(")");
    return inside.kind === "sequence" && inside.parts.length === 0 ? NOTHING : inside;
  }

  #class(): Range[] {
    const inverted = this.#take("^");
    const ranges: Range[] = [];
    while (!this.#take("]")) {
      const first = this.#classPart();
      const single = first.length === 1 && first[0]?.[0] === first[0]?.[1];
      if (single && this.#source[this.#at] === "-" && this.#source[this.#at + 1] !== "]") {
        this.#at++;
        ranges.push([(first[0] as Range)[0], (this.#classPart()[0] as Range)[1]]);
      } else ranges.push(...first);
    }
    return inverted ? invertRanges(ranges) : sortRanges(ranges);
  }

  #classPart(): Range[] {
    if (this.#take("\\")) {
      if (this.#take("b")) return [[8, 8]];
      return this.#escape();
    }
    const code = this.#next();
    return [[code, code]];
  }

  /** Behind a backslash. */
  #escape(): Range[] {
    const letter = String.fromCodePoint(this.#next());
    const one = (code: number): Range[] => [[code, code]];
    switch (letter) {
      case "d":
        return DIGITS;
      case "D":
        return invertRanges(DIGITS);
      case "w":
        return WORD;
      case "W":
        return invertRanges(WORD);
      case "s":
        return SPACES;
      case "S":
        return invertRanges(SPACES);
      case "p":
      case "P":
        return this.#property(letter);
      case "x":
        return one(this.#hex(2));
      case "u":
        return one(this.#unicode());
      case "c":
        return one(this.#next() % 32);
      case "b":
      case "B":
        return this.#refuse("a word boundary");
      case "k":
        return this.#refuse("a backreference");
    }
    if (letter in CONTROLS) return one(CONTROLS[letter] as number);
    if (/\d/.test(letter)) this.#refuse("a backreference");
    return one(letter.codePointAt(0) as number);
  }

  #hex(digits: number): number {
    this.#at += digits;
    return Number.parseInt(this.#source.slice(this.#at - digits, this.#at), 16);
  }

  #unicode(): number {
    if (this.#take("{")) {
      const end = this.#source.indexOf("}", this.#at);
      const code = this.#hex(end - this.#at);
      this.#at++;
      return code;
    }
    const first = this.#hex(4);
    const second = /^\\u(d[c-f][0-9a-f]{2})/i.exec(this.#source.slice(this.#at));
    if (first < 0xd800 || first > 0xdbff || !second) return first;
    this.#at += 6;
    return 0x10000 + ((first - 0xd800) << 10) + (Number.parseInt(second[1] as string, 16) - 0xdc00);
  }

  /** \p{…} */
  #property(letter: string): Range[] {
    const end = this.#source.indexOf("}", this.#at) + 1;
    const property = `\\${letter}${this.#source.slice(this.#at, end)}`;
    this.#at = end;
    const search = searchProperty(property);
    for (;;) {
      const { done, value } = search.next();
      if (done === true) return value;
    }
  }
}

/** What was asked for lately: from one property to its ranges. */
const known = new Map<string, Range[]>();
const MOST_KNOWN = 50;

/** Looks for all \p{…} of a text ahead, in parts: each takes tens of milliseconds, and reading an expression makes no pauses. */
export function* searchProperties(text: string): Generator<void, void> {
  for (const [property] of text.matchAll(/\\[pP]\{\w+(?:=\w+)?\}/g)) {
    try {
      new RegExp(property, "u");
    } catch {
      continue; // the reading of the expression says what is wrong
    }
    yield* searchProperty(property);
  }
}

/** The engine knows which characters have it; it is asked about blocks of them. */
function* searchProperty(property: string): Generator<void, Range[]> {
  const found = known.get(property);
  if (found) return found;
  const runs = new RegExp(`${property}+`, "gu");
  const decoder = new TextDecoder("utf-16le", { ignoreBOM: true });
  const ranges: Range[] = [];
  for (let first = 0; first <= LAST_CHARACTER; first += BLOCK) {
    if (first >= 0xd800 && first <= 0xdfff) continue; // halves of characters
    yield;
    const units = first > 0xffff ? 2 : 1; // of a string, for each character
    const text = new Uint16Array(BLOCK * units);
    for (let index = 0; index < BLOCK; index++) {
      const code = first + index;
      if (units === 1) text[index] = code;
      else {
        text[2 * index] = 0xd800 + ((code - 0x10000) >> 10);
        text[2 * index + 1] = 0xdc00 + (code & 0x3ff);
      }
    }
    for (const { index, 0: run } of decoder.decode(text).matchAll(runs))
      ranges.push([first + index / units, first + (index + run.length) / units - 1]);
  }
  const sorted = sortRanges(ranges);
  if (known.size >= MOST_KNOWN) known.clear();
  known.set(property, sorted);
  return sorted;
}
