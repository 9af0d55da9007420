// grammar_vocabulary.ts: the texts of a model's tokens, sorted, so that tokens with a common beginning are looked at together. Large
// vocabularies (150 thousand tokens) take a quarter of a second to read and sort: done in slices, or a stop would wait for it.

/** The longest that messages wait. */
const SLICE_MS = 10;
/** Sorted apart, by their first two bytes: none is large enough to take long. */
const BUCKETS = 1 << 16;

/**
 * Tokens of at most so many bytes apart from longer ones: places in a grammar that differ only further on share their answer for them
 * (GrammarMachine.alike). Nine of ten tokens have at most ten bytes, few more than twenty.
 */
export const DEPTHS: readonly number[] = [10, 20];

/** Tokens in the order of their bytes; those without a text of their own are in none. */
export interface TokenList {
  readonly sorted: Int32Array;
  /** Bytes that each has in common with the one in front of it. */
  readonly common: Int32Array;
}

export interface TokenText {
  text: Uint8Array;
  /** Whether the token ends a text. */
  stop: boolean;
}

export class Vocabulary {
  /** All texts, token after token. */
  readonly bytes: Uint8Array;
  /** Where each begins: [tokens + 1]. */
  readonly offsets: Int32Array;
  /** One for each of DEPTHS, and one of what is longer. */
  readonly lists: readonly TokenList[];
  readonly longest: number;
  /** Logits of the model: some may have no token. */
  readonly size: number;
  readonly stops: readonly number[];

  private constructor(given: Omit<Vocabulary, "memoryBytes">) {
    this.bytes = given.bytes;
    this.offsets = given.offsets;
    this.lists = given.lists;
    this.longest = given.longest;
    this.size = given.size;
    this.stops = given.stops;
  }

  get memoryBytes(): number {
    const lists = this.lists.flatMap(({ sorted, common }) => [sorted, common]);
    const arrays = [this.bytes, this.offsets, ...lists];
    return arrays.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  /** `pause` is awaited every few milliseconds. */
  static async read(
    count: number,
    size: number,
    token: (id: number) => TokenText,
    pause: () => Promise<void>,
  ): Promise<Vocabulary> {
    let begun = performance.now();
    const rest = async () => {
      if (performance.now() - begun < SLICE_MS) return;
      await pause();
      begun = performance.now();
    };
    const offsets = new Int32Array(count + 1);
    const stops: number[] = [];
    let bytes = new Uint8Array(8 * count + 64);
    let longest = 0;
    for (let id = 0; id < count; id++) {
      const { text, stop } = token(id);
      if (stop) stops.push(id);
      const begin = offsets[id] as number;
      if (begin + text.length > bytes.length) {
        const larger = new Uint8Array(2 * bytes.length + text.length);
        larger.set(bytes);
        bytes = larger;
      }
      bytes.set(text, begin);
      offsets[id + 1] = begin + text.length;
      longest = Math.max(longest, text.length);
      if (id % 256 === 0) await rest();
    }
    bytes = bytes.slice(0, offsets[count]);

    const lengthOf = (id: number) => (offsets[id + 1] as number) - (offsets[id] as number);
    const bucketOf = (id: number) => {
      const begin = offsets[id] as number;
      const second = lengthOf(id) > 1 ? (bytes[begin + 1] as number) : 0;
      return ((bytes[begin] as number) << 8) | second;
    };
    const ends = new Int32Array(BUCKETS + 1);
    for (let id = 0; id < count; id++)
      if (lengthOf(id) > 0) ends[bucketOf(id) + 1] = (ends[bucketOf(id) + 1] as number) + 1;
    for (let bucket = 0; bucket < BUCKETS; bucket++)
      ends[bucket + 1] = (ends[bucket + 1] as number) + (ends[bucket] as number);
    const sorted = new Int32Array(ends[BUCKETS] as number);
    const next = ends.slice();
    for (let id = 0; id < count; id++) {
      if (lengthOf(id) === 0) continue;
      const bucket = bucketOf(id);
      const at = next[bucket] as number;
      sorted[at] = id;
      next[bucket] = at + 1;
    }
    await rest();
    const same = (a: number, b: number) => {
      const shorter = Math.min(lengthOf(a), lengthOf(b));
      const [first, second] = [offsets[a] as number, offsets[b] as number];
      let length = 0;
      while (length < shorter && bytes[first + length] === bytes[second + length]) length++;
      return length;
    };
    const compare = (a: number, b: number) => {
      const length = same(a, b);
      if (length === lengthOf(a) || length === lengthOf(b)) return lengthOf(a) - lengthOf(b);
      const [first, second] = [offsets[a] as number, offsets[b] as number];
      return (bytes[first + length] as number) - (bytes[second + length] as number);
    };
    const common = new Int32Array(sorted.length);
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const [from, to] = [ends[bucket] as number, ends[bucket + 1] as number];
      if (from === to) continue;
      sorted.subarray(from, to).sort(compare);
      for (let at = Math.max(from, 1); at < to; at++)
        common[at] = same(sorted[at - 1] as number, sorted[at] as number);
      await rest();
    }
    await rest();
    const lists = [...DEPTHS, Infinity].map((depth, index) =>
      only(sorted, common, (id) => {
        const length = lengthOf(id);
        return length <= depth && length > (DEPTHS[index - 1] ?? 0);
      }),
    );
    return new Vocabulary({ bytes, offsets, lists, longest, size, stops });
  }
}

/** Some of the tokens. What one has in common with an earlier one is the least of all between them. */
function only(sorted: Int32Array, common: Int32Array, wanted: (id: number) => boolean): TokenList {
  const some = { sorted: new Int32Array(sorted.length), common: new Int32Array(sorted.length) };
  let count = 0;
  let least = 0;
  for (let i = 0; i < sorted.length; i++) {
    least = Math.min(least, common[i] as number);
    if (!wanted(sorted[i] as number)) continue;
    some.sorted[count] = sorted[i] as number;
    some.common[count++] = least;
    least = Infinity;
  }
  return { sorted: some.sorted.slice(0, count), common: some.common.slice(0, count) };
}
