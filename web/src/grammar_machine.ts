// grammar_machine.ts: runs a grammar byte by byte. The patterns become a graph of states in which rules call each other; where a text
// has got to is a set of states, each with the calls that it is to come back from. Such sets are numbered when they are first
// met and remember what each byte leads to: after a while every step is one look into a table.
import {
  grammarError,
  isProductive,
  NEVER,
  emptyRules,
  canBeEmpty,
  productiveRules,
  refuseLeftRecursion,
  rule,
  type Grammar,
  type Pattern,
  type Range,
} from "./grammar_pattern.js";

/** Number of a set of states; 0 is the one that no text comes out of. */
export type Place = number;
export const DEAD: Place = 0;

const UNKNOWN = -1;

/** So many are made in 0.1 s, and take 24 MB. */
const MOST_STATES = 120_000;
/** Of what leads from one to another: choices of nothing make them without a state. */
const MOST_ARCS = 4 * MOST_STATES;
/** Ways to read one text, each with its own calls to come back from. Rules that begin alike and call themselves double them. */
const MOST_STACKS = 2000;
const ROOT = "(the whole)";

/** Of what most states have none of. */
const NONE: readonly never[] = [];
/** States that are made between two looks at the clock. */
const PART = 512;

interface Met {
  /** State and stack, in turn, of all that wait for a byte. */
  items: readonly number[];
  mayEnd: boolean;
}

export class GrammarMachine {
  start: Place = DEAD;
  readonly #rules = new Map<string, { start: number; end: number }>();
  readonly #productive: Set<string>;
  // Of each state.
  readonly #bytes: (readonly { ranges: readonly Range[]; to: number }[])[] = [];
  readonly #jumps: (readonly number[])[] = [];
  readonly #calls: (readonly { start: number; back: number }[])[] = [];
  readonly #isEnd: boolean[] = [];
  // Of each stack of calls; 0 is the empty one.
  readonly #parents = [0];
  readonly #returns = [0];
  readonly #stacks = new Map<number, number>();
  /** Bytes between two bounds of the grammar's ranges are never told apart: one entry in the tables. */
  readonly #classOf = new Uint8Array(256);
  #classes = 0;
  /** For each of the depths: of each state one that nobody can tell from it within so many bytes. */
  readonly #depths: readonly number[];
  readonly #twins: number[][];
  /** The same of each stack. */
  readonly #twinStacks: number[][];
  #hasTwins = false;
  #arcs = 0;
  #empty: ReadonlySet<string> = new Set();
  /** Of each place that was met, of each class of bytes: the next place, or UNKNOWN. Grows. */
  #next = new Int32Array(1 << 10);
  readonly #met: Met[] = [];
  readonly #places = new Map<string, Place>();
  readonly #seeds = new Map<string, Place>();
  /** About what the lists and names of places take: a place may be in thousands of states. */
  #listBytes = 0;

  private constructor(productive: Set<string>, depths: readonly number[]) {
    this.#productive = productive;
    this.#depths = depths;
    this.#twins = depths.map(() => []);
    this.#twinStacks = depths.map(() => [0]);
  }

  /**
   * BAD_GRAMMAR for one that no text fits, that is too large, or that comes back to itself without a byte. Work in parts: large
   * grammars take a quarter of a second. `depths`: what alike() is asked for.
   */
  static *make(given: Grammar, depths: readonly number[] = []): Generator<void, GrammarMachine> {
    const rules = new Map(given.rules).set(ROOT, given.root);
    const grammar = { root: rule(ROOT), rules };
    const productive = yield* productiveRules(grammar);
    if (!productive.has(ROOT)) throw grammarError(given.impossible ?? "no text at all fits it");
    const empty = yield* emptyRules(grammar);
    yield* refuseLeftRecursion(grammar, empty);
    const made = new GrammarMachine(productive, depths);
    made.#empty = empty;
    yield* made.#buildAll(rules);
    return made;
  }

  *#buildAll(rules: Grammar["rules"]): Generator<void, void> {
    for (const name of this.#productive) {
      const [start, end] = [this.#state(), this.#state()];
      this.#isEnd[end] = true;
      this.#rules.set(name, { start, end });
    }
    for (const [name, { start, end }] of this.#rules)
      yield* this.#build(rules.get(name) ?? NEVER, start, end);
    yield;
    const begins = new Uint8Array(257);
    for (const arcs of this.#bytes)
      for (const { ranges } of arcs)
        for (const [first, last] of ranges) begins[first] = begins[last + 1] = 1;
    let classes = 0;
    for (let byte = 0; byte < 256; byte++)
      this.#classOf[byte] = byte > 0 && begins[byte] === 1 ? ++classes : classes;
    this.#classes = classes + 1;
    this.#keep({ items: [], mayEnd: false }, DEAD);
    this.start = this.#meet([this.#rules.get(ROOT)?.start ?? 0, 0]);
  }

  /** Where a byte leads to; DEAD when it does not fit. */
  step(place: Place, byte: number): Place {
    const at = place * this.#classes + (this.#classOf[byte] as number);
    const known = this.#next[at] as number;
    if (known >= 0) return known;
    const found = this.#find(place, byte); // may move the table
    return (this.#next[at] = found);
  }

  /** Whether the text may end here. */
  mayEnd(place: Place): boolean {
    return (this.#met[place] as Met).mayEnd;
  }

  /** Whether it must: nothing can follow. */
  mustEnd(place: Place): boolean {
    const { items, mayEnd } = this.#met[place] as Met;
    return mayEnd && items.length === 0;
  }

  /**
   * A name; places with the same one let the same texts of at most `depths[which]` bytes follow. A string of at most 2000 characters has
   * thousands of places, and but for the last few its tokens are those of all. null: no two places are known to be alike.
   */
  alike(place: Place, which: number): string | null {
    if (!this.#hasTwins) return null;
    const { items, mayEnd } = this.#met[place] as Met;
    const twins = this.#twins[which] as number[];
    const states = this.#bytes.length;
    const keys = new Set<number>();
    for (let i = 0; i < items.length; i += 2)
      keys.add(
        this.#twinStack(items[i + 1] as number, which) * states +
          (twins[items[i] as number] as number),
      );
    return `${[...keys].sort((a, b) => a - b).join()}${mayEnd ? "." : ""}`;
  }

  #twinStack(stack: number, which: number): number {
    const [known, twins] = [this.#twinStacks[which] as number[], this.#twins[which] as number[]];
    // A stack's parent is older than itself.
    for (let next = known.length; next <= stack; next++)
      known.push(
        this.#push(
          known[this.#parents[next] as number] as number,
          twins[this.#returns[next] as number] as number,
        ),
      );
    return known[stack] as number;
  }

  /** About what the graph takes, from heaps that were measured. */
  get graphBytes(): number {
    return this.#bytes.length * (180 + 8 * this.#twins.length);
  }

  /** About what it remembers of places that were met. */
  get placesBytes(): number {
    return (
      this.#met.length * 700 +
      this.#listBytes +
      this.#next.byteLength +
      this.#seeds.size * 120 +
      this.#parents.length * (60 + 8 * this.#twins.length)
    );
  }

  /** Makes room. Gives the new number of that place; only the start keeps its own. */
  forgetAllBut(place: Place): Place {
    const [start, here] = [this.start, place].map((kept) => this.#met[kept] as Met);
    this.#met.length = 0;
    this.#listBytes = 0;
    this.#next = new Int32Array(1 << 10);
    this.#places.clear();
    this.#seeds.clear();
    this.#keep({ items: [], mayEnd: false }, DEAD);
    for (const met of new Set([start as Met, here as Met]))
      this.#places.set(nameOf(met), this.#keep(met, UNKNOWN));
    return place === this.start ? this.start : this.#met.length - 1;
  }

  // ---------------------------------------------------------------- the graph

  #state(): number {
    if (this.#bytes.length >= MOST_STATES) throw grammarError("it is too large: repeat less");
    this.#jumps.push(NONE);
    this.#calls.push(NONE);
    this.#isEnd.push(false);
    const state = this.#bytes.push(NONE) - 1;
    for (const twins of this.#twins) twins.push(state);
    return state;
  }

  *#build(pattern: Pattern, from: number, to: number): Generator<void, void> {
    switch (pattern.kind) {
      case "byte":
      case "rule":
        return this.#link(pattern, from, to);
      case "sequence":
        return yield* this.#buildSequence(pattern.parts, from, to);
      case "choice":
        for (const part of pattern.parts)
          if (isProductive(part, this.#productive)) yield* this.#build(part, from, to);
        return;
      case "repeat":
        return yield* this.#buildRepeat(pattern.part, pattern.least, pattern.most, from, to);
    }
  }

  #countArc(): void {
    if (++this.#arcs > MOST_ARCS) throw grammarError("it is too large: repeat less");
  }

  #link(pattern: Pattern, from: number, to: number): void {
    this.#countArc();
    if (pattern.kind === "byte")
      this.#bytes[from] = added(this.#bytes[from], { ranges: pattern.ranges, to });
    else if (pattern.kind === "rule")
      this.#calls[from] = added(this.#calls[from], {
        start: this.#rules.get(pattern.name)?.start ?? 0,
        back: to,
      });
  }

  #jump(from: number, to: number): void {
    this.#countArc();
    this.#jumps[from] = added(this.#jumps[from], to);
  }

  *#buildSequence(parts: readonly Pattern[], from: number, to: number): Generator<void, void> {
    if (parts.length === 0) this.#jump(from, to);
    let at = from;
    for (const [index, part] of parts.entries()) {
      const next = index === parts.length - 1 ? to : this.#state();
      if (next % PART === 0) yield;
      if (part.kind === "byte" || part.kind === "rule") this.#link(part, at, next);
      else yield* this.#build(part, at, next);
      at = next;
    }
  }

  *#buildRepeat(
    part: Pattern,
    least: number,
    most: number,
    from: number,
    to: number,
  ): Generator<void, void> {
    const first = this.#bytes.length;
    let at = from;
    const again = function* (this: GrammarMachine) {
      const next = this.#state();
      if (next % PART === 0) yield;
      yield* this.#build(part, at, next);
      at = next;
    }.bind(this);
    for (let i = 0; i < least; i++) yield* again();
    if (isProductive(part, this.#productive)) {
      if (most === Infinity) {
        this.#pair(part, first, least, least, most);
        const loop = this.#state();
        const back = this.#state();
        this.#jump(at, loop);
        yield* this.#build(part, loop, back);
        this.#jump(back, loop);
        at = loop;
      } else {
        for (let i = least; i < most; i++) {
          this.#jump(at, to);
          yield* again();
        }
        this.#pair(part, first, most, least, most);
      }
    }
    this.#jump(at, to);
  }

  /**
   * Of `count` rounds, made one behind the other from the state `first` on, those from which neither the least nor the most comes near
   * within a depth are as one. The n-th leads to where n + 1 are done; each takes a byte at least, or they would not count bytes.
   */
  #pair(part: Pattern, first: number, count: number, least: number, most: number): void {
    if (count < 2 || canBeEmpty(part, this.#empty)) return;
    const size = (this.#bytes.length - first) / count;
    for (const [which, depth] of this.#depths.entries()) {
      const twins = this.#twins[which] as number[];
      const far = (done: number) => done + depth < least;
      const between = (done: number) => done >= least && done + depth < most;
      let model = -1;
      for (let round = 0; round < count; round++) {
        const kind = far(round + 1) ? far : between(round + 1) ? between : null;
        if (kind === null) {
          model = -1;
          continue;
        }
        if (model < 0 || !kind(model + 1)) {
          model = round;
          continue;
        }
        this.#hasTwins = true;
        const [own, other] = [first + round * size, first + model * size];
        for (let i = 0; i < size; i++) twins[own + i] = twins[other + i] as number;
      }
    }
  }

  // ---------------------------------------------------------------- places

  #find(place: Place, byte: number): Place {
    const { items } = this.#met[place] as Met;
    const seeds: number[] = [];
    for (let i = 0; i < items.length; i += 2)
      for (const { ranges, to } of this.#bytes[items[i] as number] ?? [])
        if (ranges.some(([first, last]) => byte >= first && byte <= last))
          seeds.push(to, items[i + 1] as number);
    if (seeds.length === 0) return DEAD;
    const key = seeds.join();
    let found = this.#seeds.get(key);
    if (found === undefined) {
      found = this.#meet(seeds);
      this.#seeds.set(key, found);
      this.#listBytes += key.length;
    }
    return found;
  }

  /** All that can be reached from these states (and stacks) without a byte. */
  #meet(seeds: readonly number[]): Place {
    const states = this.#bytes.length;
    const seen = new Set<number>();
    const stacks = new Set<number>();
    const waiting: number[] = [];
    const open = [...seeds];
    let mayEnd = false;
    while (open.length > 0) {
      const stack = open.pop() as number;
      const state = open.pop() as number;
      const key = stack * states + state;
      if (seen.has(key)) continue;
      seen.add(key);
      if (stacks.add(stack).size > MOST_STACKS)
        throw grammarError(
          "a text has too many ways to be read: let alternatives begin differently",
        );
      if ((this.#bytes[state] as unknown[]).length > 0) waiting.push(key);
      for (const to of this.#jumps[state] as number[]) open.push(to, stack);
      for (const { start, back } of this.#calls[state] as { start: number; back: number }[])
        open.push(start, this.#isBareEnd(back) ? stack : this.#push(stack, back));
      if (!this.#isEnd[state]) continue;
      if (stack === 0) mayEnd = true;
      else open.push(this.#returns[stack] as number, this.#parents[stack] as number);
    }
    waiting.sort((a, b) => a - b);
    const items = waiting.flatMap((key) => [key % states, Math.floor(key / states)]);
    const met = { items, mayEnd };
    const name = nameOf(met);
    let place = this.#places.get(name);
    if (place === undefined) {
      place = this.#keep(met, UNKNOWN);
      this.#places.set(name, place);
    }
    return place;
  }

  /** Its number; `next`: what each byte leads to, as far as is known. */
  #keep(met: Met, next: Place): Place {
    const place = this.#met.push(met) - 1;
    this.#listBytes += 15 * met.items.length;
    const begin = place * this.#classes;
    if (begin + this.#classes > this.#next.length) {
      const larger = new Int32Array(2 * this.#next.length + this.#classes);
      larger.set(this.#next);
      this.#next = larger;
    }
    this.#next.fill(next, begin, begin + this.#classes);
    return place;
  }

  /** Whoever comes back there only goes on to who called: so that a list is no deep stack. */
  #isBareEnd(state: number): boolean {
    return (
      this.#isEnd[state] === true &&
      [this.#bytes, this.#jumps, this.#calls].every((of) => of[state]?.length === 0)
    );
  }

  #push(stack: number, back: number): number {
    const key = stack * this.#bytes.length + back;
    let found = this.#stacks.get(key);
    if (found === undefined) {
      found = this.#parents.push(stack) - 1;
      this.#returns.push(back);
      this.#stacks.set(key, found);
    }
    return found;
  }
}

/** A list with one more; most are empty, and all empty ones are one. */
const added = <T>(list: readonly T[] | undefined, one: T): readonly T[] => {
  if (list === undefined || list.length === 0) return [one];
  (list as T[]).push(one);
  return list;
};

const nameOf = ({ items, mayEnd }: Met): string => `${items.join()}${mayEnd ? "." : ""}`;
