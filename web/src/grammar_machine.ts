// grammar_machine.ts: runs a grammar byte by byte. The patterns become a graph of states in which rules call each other; where a text
// has got to is a set of states, each with the calls that it is to come back from. Such sets are numbered when they are first
// met and remember what each byte leads to: after a while every step is one look into a table.
import {
  grammarError,
  isProductive,
  NEVER,
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

const MOST_STATES = 200_000;
/** Ways to read one text, each with its own calls to come back from. Rules that begin alike and call themselves double them. */
const MOST_STACKS = 2000;
const ROOT = "(the whole)";

interface Met {
  /** State and stack, in turn, of all that wait for a byte. */
  items: readonly number[];
  mayEnd: boolean;
  next: Int32Array; // [256] place, or -1: not known yet
}

export class GrammarMachine {
  readonly start: Place;
  readonly #rules = new Map<string, { start: number; end: number }>();
  readonly #productive: Set<string>;
  // Of each state.
  readonly #bytes: { ranges: readonly Range[]; to: number }[][] = [];
  readonly #jumps: number[][] = [];
  readonly #calls: { start: number; back: number }[][] = [];
  readonly #isEnd: boolean[] = [];
  // Of each stack of calls; 0 is the empty one.
  readonly #parents = [0];
  readonly #returns = [0];
  readonly #stacks = new Map<number, number>();
  readonly #met: Met[] = [];
  readonly #places = new Map<string, Place>();
  readonly #seeds = new Map<string, Place>();

  /** BAD_GRAMMAR for one that no text fits, that is too large, or that comes back to itself without a byte. */
  constructor(given: Grammar) {
    const rules = new Map(given.rules).set(ROOT, given.root);
    const grammar = { root: rule(ROOT), rules };
    this.#productive = productiveRules(grammar);
    if (!this.#productive.has(ROOT)) throw grammarError("no text at all fits it");
    refuseLeftRecursion(grammar);
    for (const name of this.#productive) {
      const [start, end] = [this.#state(), this.#state()];
      this.#isEnd[end] = true;
      this.#rules.set(name, { start, end });
    }
    for (const [name, { start, end }] of this.#rules)
      this.#build(rules.get(name) ?? NEVER, start, end);
    this.#met.push({ items: [], mayEnd: false, next: new Int32Array(256) });
    this.start = this.#meet([this.#rules.get(ROOT)?.start ?? 0, 0]);
  }

  /** Where a byte leads to; DEAD when it does not fit. */
  step(place: Place, byte: number): Place {
    const { next } = this.#met[place] as Met;
    const known = next[byte] as number;
    return known >= 0 ? known : (next[byte] = this.#find(place, byte));
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

  /** How much it remembers; each takes about 1 kB. */
  get places(): number {
    return this.#met.length;
  }

  // ---------------------------------------------------------------- the graph

  #state(): number {
    if (this.#bytes.length >= MOST_STATES) throw grammarError("it is too large: repeat less");
    this.#jumps.push([]);
    this.#calls.push([]);
    this.#isEnd.push(false);
    return this.#bytes.push([]) - 1;
  }

  #build(pattern: Pattern, from: number, to: number): void {
    switch (pattern.kind) {
      case "byte":
        this.#bytes[from]?.push({ ranges: pattern.ranges, to });
        return;
      case "sequence":
        return this.#buildSequence(pattern.parts, from, to);
      case "choice":
        for (const part of pattern.parts)
          if (isProductive(part, this.#productive)) this.#build(part, from, to);
        return;
      case "repeat":
        return this.#buildRepeat(pattern.part, pattern.least, pattern.most, from, to);
      case "rule":
        this.#calls[from]?.push({ start: this.#rules.get(pattern.name)?.start ?? 0, back: to });
        return;
    }
  }

  #buildSequence(parts: readonly Pattern[], from: number, to: number): void {
    if (parts.length === 0) this.#jumps[from]?.push(to);
    let at = from;
    parts.forEach((part, index) => {
      const next = index === parts.length - 1 ? to : this.#state();
      this.#build(part, at, next);
      at = next;
    });
  }

  #buildRepeat(part: Pattern, least: number, most: number, from: number, to: number): void {
    let at = from;
    const again = () => {
      const next = this.#state();
      this.#build(part, at, next);
      at = next;
    };
    for (let i = 0; i < least; i++) again();
    if (isProductive(part, this.#productive)) {
      if (most === Infinity) {
        const loop = this.#state();
        const back = this.#state();
        this.#jumps[at]?.push(loop);
        this.#build(part, loop, back);
        this.#jumps[back]?.push(loop);
        at = loop;
      } else {
        for (let i = least; i < most; i++) {
          this.#jumps[at]?.push(to);
          again();
        }
      }
    }
    this.#jumps[at]?.push(to);
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
    const name = `${waiting.join()}${mayEnd ? "." : ""}`;
    let place = this.#places.get(name);
    if (place === undefined) {
      const items = waiting.flatMap((key) => [key % states, Math.floor(key / states)]);
      place = this.#met.push({ items, mayEnd, next: new Int32Array(256).fill(-1) }) - 1;
      this.#places.set(name, place);
    }
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
