// grammar_masks.ts: which tokens fit a grammar next, as the bits that the core's sampler takes. Tokens with a common beginning are
// looked at together; the answer for a place in the grammar is kept, since a text comes by the same places again and again,
// as long as memory allows. Runs in the worker, between two steps; asks nobody.
import { describe } from "./errors.js";
import { ebnfGrammar } from "./grammar_ebnf.js";
import { DEAD, GrammarMachine, type Place } from "./grammar_machine.js";
import { characters, grammarError, type Grammar } from "./grammar_pattern.js";
import { regexPattern, searchProperties } from "./grammar_regex.js";
import { schemaGrammar } from "./grammar_schema.js";
import { DEPTHS, type TokenList, type Vocabulary } from "./grammar_vocabulary.js";
import type { GrammarOption } from "./types.js";

/** What a grammar may remember of places and masks; beyond that it forgets all but where it is. */
const MOST_BYTES = 16e6;
/** Of all that are kept ready, together. With a text in work and the largest graph it stays below 64 MB. */
const MOST_KEPT_BYTES = 16e6;

export const SPACE = 0x20;

/** Tokens that are looked at between two looks at the clock. */
const PART = 4096;

/** One grammar over one vocabulary; texts that follow each other share what it learns. */
export class TokenMasks {
  readonly machine: GrammarMachine;
  readonly #vocabulary: Vocabulary;
  readonly #stops: readonly number[];
  readonly #masks = new Map<Place, Uint32Array>();
  /** Of the start of a text that loses its first space. */
  #beginning: Uint32Array | null = null;
  /** Of each list of the vocabulary but the last: what all places that are alike for it have. */
  readonly #shared: Map<string, Uint32Array>[] = DEPTHS.map(() => new Map());
  readonly #mostBytes: number;

  /** `stops`: tokens that come only where the text may end. Work in parts, as GrammarMachine.make. */
  static *make(
    grammar: Grammar,
    vocabulary: Vocabulary,
    stops: readonly number[] = vocabulary.stops,
    mostBytes = MOST_BYTES,
  ): Generator<void, TokenMasks> {
    const machine = yield* GrammarMachine.make(grammar, DEPTHS);
    return new TokenMasks(machine, vocabulary, stops, mostBytes);
  }

  private constructor(
    machine: GrammarMachine,
    vocabulary: Vocabulary,
    stops: readonly number[],
    mostBytes: number,
  ) {
    this.machine = machine;
    this.#vocabulary = vocabulary;
    this.#stops = stops;
    this.#mostBytes = mostBytes;
  }

  /** About what it takes. */
  get memoryBytes(): number {
    return this.machine.graphBytes + this.#rememberedBytes;
  }

  get #rememberedBytes(): number {
    const own = this.#masks.size + (this.#beginning ? 1 : 0);
    const masks = this.#shared.reduce((sum, { size }) => sum + size, own);
    return this.machine.placesBytes + masks * (Math.ceil(this.#vocabulary.size / 8) + 100);
  }

  /** As at(), when it is known. */
  known(place: Place): Uint32Array | undefined {
    return this.#masks.get(place);
  }

  /**
   * A bit for each token that may come next; stop tokens where the text may end. The same array for the same place. Work in parts;
   * nothing else may be asked between them. `begins`: at the start of a text that loses its first space, so that a token with one is
   * what stands behind it.
   */
  *at(place: Place, begins = false): Generator<void, Uint32Array> {
    let mask = begins ? this.#beginning : this.#masks.get(place);
    if (mask) return mask;
    mask = new Uint32Array(Math.ceil(this.#vocabulary.size / 32));
    for (const [which, list] of this.#vocabulary.lists.entries()) {
      const shared = this.#shared[which];
      if (!shared || begins) {
        yield* this.#look(place, list, mask, begins);
        continue;
      }
      const name = this.machine.alike(place, which);
      if (name === null) {
        yield* this.#look(place, list, mask);
        continue;
      }
      let part = shared.get(name);
      if (!part) {
        part = new Uint32Array(mask.length);
        yield* this.#look(place, list, part);
        shared.set(name, part);
      }
      for (let word = 0; word < mask.length; word++)
        mask[word] = (mask[word] as number) | (part[word] as number);
    }
    const mayEnd = this.machine.mayEnd(place);
    for (const id of this.#stops) {
      const [word, bit] = [mask[id >> 5] as number, 1 << (id & 31)];
      mask[id >> 5] = mayEnd ? word | bit : word & ~bit;
    }
    if (begins) this.#beginning = mask;
    else this.#masks.set(place, mask);
    return mask;
  }

  /** Where the text is behind that token. Other places than that and the start may be gone then: their numbers mean something else. */
  after(place: Place, token: number, begins = false): Place {
    const { offsets, bytes } = this.#vocabulary;
    let at = offsets[token] as number;
    if (begins && bytes[at] === SPACE) at++;
    for (; at < (offsets[token + 1] as number); at++)
      place = this.machine.step(place, bytes[at] as number);
    if (this.#rememberedBytes > this.#mostBytes) {
      this.#masks.clear();
      for (const shared of this.#shared) shared.clear();
      place = this.machine.forgetAllBut(place);
    }
    return place;
  }

  /** A token without a text of its own. */
  saysNothing(token: number): boolean {
    const { offsets } = this.#vocabulary;
    return !((offsets[token + 1] as number) > (offsets[token] as number));
  }

  /** Sets the bits of those tokens of the list that fit. */
  *#look(
    start: Place,
    { sorted, common }: TokenList,
    mask: Uint32Array,
    begins = false,
  ): Generator<void, void> {
    const { offsets, bytes, longest } = this.#vocabulary;
    const { machine } = this;
    const path = new Int32Array(longest + 1); // the place after so many bytes
    path[0] = start;
    let dead = Infinity; // so many bytes of the last token do not fit
    for (let i = 0; i < sorted.length; i++) {
      if (i % PART === PART - 1) yield;
      const shared = common[i] as number;
      if (shared >= dead) continue;
      const id = sorted[i] as number;
      const begin = offsets[id] as number;
      const length = (offsets[id + 1] as number) - begin;
      dead = Infinity;
      for (let at = shared; at < length; at++) {
        const byte = bytes[begin + at] as number;
        const lost = begins && at === 0 && byte === SPACE;
        const next = lost ? start : machine.step(path[at] as number, byte);
        if (next === DEAD) {
          dead = at + 1;
          break;
        }
        path[at + 1] = next;
      }
      if (dead === Infinity) mask[id >> 5] = (mask[id >> 5] as number) | (1 << (id & 31));
    }
  }
}

/** Grammars ready to use, the latest last. One that a text uses is not here: another text of it, at the same time, gets its own. */
export class GrammarShelf {
  readonly #kept = new Map<string, TokenMasks>();

  /** BAD_GRAMMAR says what is wrong with it. Work in parts. */
  *take(
    option: GrammarOption,
    vocabulary: Vocabulary,
    stops: readonly number[],
  ): Generator<void, ShelvedMasks> {
    try {
      return yield* this.#read(option, vocabulary, stops);
    } catch (thrown) {
      throw isTooMuch(thrown)
        ? grammarError(`it is nested too deeply or too large: ${describe(thrown)}`)
        : thrown;
    }
  }

  *#read(
    option: GrammarOption,
    vocabulary: Vocabulary,
    stops: readonly number[],
  ): Generator<void, ShelvedMasks> {
    const key = JSON.stringify([option, stops]);
    const kept = this.#kept.get(key);
    this.#kept.delete(key);
    if (kept) return { key, masks: kept };
    yield* searchProperties(
      option.jsonSchema === undefined
        ? `${option.regex}${option.ebnf}`
        : JSON.stringify(option.jsonSchema).replaceAll("\\\\", "\\"),
    );
    const grammar = yield* readGrammar(option);
    return { key, masks: yield* TokenMasks.make(grammar, vocabulary, stops) };
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

/** A stack or a list of arguments that ends: RangeError, in Firefox also InternalError. The reading touches no module, so all goes on. */
const isTooMuch = (thrown: unknown): boolean =>
  thrown instanceof Error && (thrown instanceof RangeError || thrown.name === "InternalError");

export interface ShelvedMasks {
  readonly key: string;
  readonly masks: TokenMasks;
}

/** Work in parts. */
export function* readGrammar(option: GrammarOption): Generator<void, Grammar> {
  if (option.jsonSchema !== undefined) return yield* schemaGrammar(option.jsonSchema);
  if (option.regex !== undefined) {
    const rules: Grammar["rules"] = new Map();
    return { root: regexPattern(option.regex, { characters, search: false, rules }), rules };
  }
  if (option.ebnf !== undefined) return ebnfGrammar(option.ebnf);
  throw grammarError("it is none of jsonSchema, regex and ebnf");
}
