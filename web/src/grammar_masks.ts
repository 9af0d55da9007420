// grammar_masks.ts: which tokens fit a grammar next, as the bits that the core's sampler takes. The vocabulary is sorted once, so
// that tokens with a common beginning are looked at together; the answer for a place in the grammar is kept, since a text
// comes by the same places again and again. Runs in the worker, between two steps; asks nobody.
import { ebnfGrammar } from "./grammar_ebnf.js";
import { DEAD, GrammarMachine, type Place } from "./grammar_machine.js";
import { characters, grammarError, type Grammar } from "./grammar_pattern.js";
import { regexPattern } from "./grammar_regex.js";
import { schemaGrammar } from "./grammar_schema.js";
import type { GrammarOption } from "./types.js";

/** A grammar that remembers more than so many places (about 1 kB each, and a mask) starts again with the next text. */
const MOST_PLACES = 20_000;
const MOST_MASKS = 1_000;
/** Grammars that are kept ready. */
const MOST_KEPT = 8;

/** Sorted by their bytes. Tokens without a text of their own are left out. */
export class Vocabulary {
  readonly ids: Int32Array;
  readonly offsets: Int32Array;
  readonly bytes: Uint8Array;
  /** Bytes that each has in common with the one in front of it. */
  readonly common: Int32Array;
  readonly longest: number;

  constructor(
    readonly texts: readonly Uint8Array[],
    readonly size: number,
    readonly stops: readonly number[],
  ) {
    const order = texts
      .map((_, id) => id)
      .filter((id) => (texts[id] as Uint8Array).length > 0 && !stops.includes(id));
    order.sort((a, b) => compare(texts[a] as Uint8Array, texts[b] as Uint8Array));
    this.ids = Int32Array.from(order);
    this.offsets = new Int32Array(order.length + 1);
    this.common = new Int32Array(order.length);
    let longest = 0;
    order.forEach((id, index) => {
      const text = texts[id] as Uint8Array;
      const before =
        index === 0 ? new Uint8Array(0) : (texts[order[index - 1] as number] as Uint8Array);
      let same = 0;
      while (same < before.length && same < text.length && before[same] === text[same]) same++;
      this.common[index] = same;
      this.offsets[index + 1] = (this.offsets[index] as number) + text.length;
      longest = Math.max(longest, text.length);
    });
    this.longest = longest;
    this.bytes = new Uint8Array(this.offsets[order.length] as number);
    order.forEach((id, index) => this.bytes.set(texts[id] as Uint8Array, this.offsets[index]));
  }
}

function compare(a: Uint8Array, b: Uint8Array): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) if (a[i] !== b[i]) return (a[i] as number) - (b[i] as number);
  return a.length - b.length;
}

/** One grammar over one vocabulary; texts that follow each other share what it learns. */
export class TokenMasks {
  readonly machine: GrammarMachine;
  readonly #vocabulary: Vocabulary;
  readonly #masks = new Map<Place, Uint32Array>();

  constructor(grammar: Grammar, vocabulary: Vocabulary) {
    this.machine = new GrammarMachine(grammar);
    this.#vocabulary = vocabulary;
  }

  get isFull(): boolean {
    return this.machine.places > MOST_PLACES;
  }

  /** A bit for each token that may come next; stop tokens where the text may end. The same array for the same place. */
  at(place: Place): Uint32Array {
    let mask = this.#masks.get(place);
    if (!mask) {
      if (this.#masks.size >= MOST_MASKS) this.#masks.clear();
      mask = this.#compute(place);
      this.#masks.set(place, mask);
    }
    return mask;
  }

  /** Where the text is behind that token. */
  after(place: Place, token: number): Place {
    for (const byte of this.#vocabulary.texts[token] ?? []) place = this.machine.step(place, byte);
    return place;
  }

  #compute(start: Place): Uint32Array {
    const { ids, offsets, bytes, common, longest, size, stops } = this.#vocabulary;
    const { machine } = this;
    const mask = new Uint32Array(Math.ceil(size / 32));
    const allow = (id: number) => {
      mask[id >> 5] = (mask[id >> 5] as number) | (1 << (id & 31));
    };
    const path = new Int32Array(longest + 1); // the place after so many bytes
    path[0] = start;
    let dead = Infinity; // so many bytes of the last token do not fit
    for (let i = 0; i < ids.length; i++) {
      const shared = common[i] as number;
      if (shared >= dead) continue;
      const begin = offsets[i] as number;
      const length = (offsets[i + 1] as number) - begin;
      dead = Infinity;
      for (let at = shared; at < length; at++) {
        const next = machine.step(path[at] as number, bytes[begin + at] as number);
        if (next === DEAD) {
          dead = at + 1;
          break;
        }
        path[at + 1] = next;
      }
      if (dead === Infinity) allow(ids[i] as number);
    }
    if (machine.mayEnd(start)) stops.forEach(allow);
    return mask;
  }
}

/** Grammars ready to use, the latest last. */
export class GrammarShelf {
  readonly #kept = new Map<string, TokenMasks>();

  /** BAD_GRAMMAR says what is wrong with it. */
  get(option: GrammarOption, vocabulary: Vocabulary): TokenMasks {
    const key = JSON.stringify([option, vocabulary.stops]);
    let masks = this.#kept.get(key);
    this.#kept.delete(key);
    if (!masks || masks.isFull) masks = new TokenMasks(readGrammar(option), vocabulary);
    this.#kept.set(key, masks);
    for (const [oldest] of this.#kept) {
      if (this.#kept.size <= MOST_KEPT) break;
      this.#kept.delete(oldest);
    }
    return masks;
  }
}

export function readGrammar(option: GrammarOption): Grammar {
  if (option.jsonSchema !== undefined) return schemaGrammar(option.jsonSchema);
  if (option.regex !== undefined)
    return { root: regexPattern(option.regex, { characters, search: false }), rules: new Map() };
  if (option.ebnf !== undefined) return ebnfGrammar(option.ebnf);
  throw grammarError("it is none of jsonSchema, regex and ebnf");
}
