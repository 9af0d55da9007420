// grammar_masks.ts: which tokens fit a grammar next, as the bits that the core's sampler takes. Tokens with a common beginning are
// looked at together; the answer for a place in the grammar is kept, since a text comes by the same places again and again,
// as long as memory allows. Runs in the worker, between two steps; asks nobody.
import { ebnfGrammar } from "./grammar_ebnf.js";
import { DEAD, GrammarMachine, type Place } from "./grammar_machine.js";
import { characters, grammarError, type Grammar } from "./grammar_pattern.js";
import { regexPattern } from "./grammar_regex.js";
import { schemaGrammar } from "./grammar_schema.js";
import type { Vocabulary } from "./grammar_vocabulary.js";
import type { GrammarOption } from "./types.js";

/** What a grammar may remember of places and masks; beyond that it forgets all but where it is. */
const MOST_BYTES = 16e6;
/** Of all that are kept ready, together. With a text in work and the largest graph it stays below 64 MB. */
const MOST_KEPT_BYTES = 16e6;

/** One grammar over one vocabulary; texts that follow each other share what it learns. */
export class TokenMasks {
  readonly machine: GrammarMachine;
  readonly #vocabulary: Vocabulary;
  readonly #stops: readonly number[];
  readonly #masks = new Map<Place, Uint32Array>();
  readonly #mostBytes: number;

  /** `stops`: tokens that come only where the text may end. */
  constructor(
    grammar: Grammar,
    vocabulary: Vocabulary,
    stops: readonly number[] = vocabulary.stops,
    mostBytes = MOST_BYTES,
  ) {
    this.machine = new GrammarMachine(grammar);
    this.#vocabulary = vocabulary;
    this.#stops = stops;
    this.#mostBytes = mostBytes;
  }

  /** About what it takes. */
  get memoryBytes(): number {
    return this.machine.graphBytes + this.#rememberedBytes;
  }

  get #rememberedBytes(): number {
    return (
      this.machine.placesBytes + this.#masks.size * (Math.ceil(this.#vocabulary.size / 8) + 100)
    );
  }

  /** A bit for each token that may come next; stop tokens where the text may end. The same array for the same place. */
  at(place: Place): Uint32Array {
    let mask = this.#masks.get(place);
    if (!mask) {
      mask = this.#compute(place);
      this.#masks.set(place, mask);
    }
    return mask;
  }

  /** Where the text is behind that token. Other places than that and the start may be gone then: their numbers mean something else. */
  after(place: Place, token: number): Place {
    const { offsets, bytes } = this.#vocabulary;
    for (let at = offsets[token] as number; at < (offsets[token + 1] as number); at++)
      place = this.machine.step(place, bytes[at] as number);
    if (this.#rememberedBytes > this.#mostBytes) {
      this.#masks.clear();
      place = this.machine.forgetAllBut(place);
    }
    return place;
  }

  #compute(start: Place): Uint32Array {
    const { sorted, offsets, bytes, common, longest, size } = this.#vocabulary;
    const { machine } = this;
    const mask = new Uint32Array(Math.ceil(size / 32));
    const path = new Int32Array(longest + 1); // the place after so many bytes
    path[0] = start;
    let dead = Infinity; // so many bytes of the last token do not fit
    for (let i = 0; i < sorted.length; i++) {
      const shared = common[i] as number;
      if (shared >= dead) continue;
      const id = sorted[i] as number;
      const begin = offsets[id] as number;
      const length = (offsets[id + 1] as number) - begin;
      dead = Infinity;
      for (let at = shared; at < length; at++) {
        const next = machine.step(path[at] as number, bytes[begin + at] as number);
        if (next === DEAD) {
          dead = at + 1;
          break;
        }
        path[at + 1] = next;
      }
      if (dead === Infinity) mask[id >> 5] = (mask[id >> 5] as number) | (1 << (id & 31));
    }
    const mayEnd = machine.mayEnd(start);
    for (const id of this.#stops) {
      const [word, bit] = [mask[id >> 5] as number, 1 << (id & 31)];
      mask[id >> 5] = mayEnd ? word | bit : word & ~bit;
    }
    return mask;
  }
}

/** Grammars ready to use, the latest last. One that a text uses is not here: another text of it, at the same time, gets its own. */
export class GrammarShelf {
  readonly #kept = new Map<string, TokenMasks>();

  /** BAD_GRAMMAR says what is wrong with it. */
  take(option: GrammarOption, vocabulary: Vocabulary, stops: readonly number[]): ShelvedMasks {
    const key = JSON.stringify([option, stops]);
    const kept = this.#kept.get(key);
    this.#kept.delete(key);
    return { key, masks: kept ?? new TokenMasks(readGrammar(option), vocabulary, stops) };
  }

  putBack({ key, masks }: ShelvedMasks): void {
    this.#kept.delete(key);
    this.#kept.set(key, masks);
    let bytes = 0;
    for (const [other, { memoryBytes }] of [...this.#kept].reverse())
      if ((bytes += memoryBytes) > MOST_KEPT_BYTES) this.#kept.delete(other);
  }

  /** About what all of them take. */
  get memoryBytes(): number {
    return [...this.#kept.values()].reduce((sum, { memoryBytes }) => sum + memoryBytes, 0);
  }
}

export interface ShelvedMasks {
  readonly key: string;
  readonly masks: TokenMasks;
}

export function readGrammar(option: GrammarOption): Grammar {
  if (option.jsonSchema !== undefined) return schemaGrammar(option.jsonSchema);
  if (option.regex !== undefined) {
    const rules: Grammar["rules"] = new Map();
    return { root: regexPattern(option.regex, { characters, search: false, rules }), rules };
  }
  if (option.ebnf !== undefined) return ebnfGrammar(option.ebnf);
  throw grammarError("it is none of jsonSchema, regex and ebnf");
}
