// grammar_numbers.ts: which texts are numbers between two bounds, digit by digit. Bounds are decimal texts in whole numbers of
// their last place, so that nothing is rounded.
import {
  choice,
  literal,
  NEVER,
  NOTHING,
  repeat,
  sequence,
  type Pattern,
} from "./grammar_pattern.js";

/** More digits than these and another program's number would be another one. */
const MOST_DIGITS = 15;
/** Of multiples without bounds: each remainder is a rule for each number of digits. */
const MOST_DIVISOR = 100;

const digits = (first: number, last: number): Pattern =>
  first > last ? NEVER : { kind: "byte", ranges: [[0x30 + first, 0x30 + last]] };
const anyDigit = digits(0, 9);

export interface Bounds {
  /** Each with whether the bound itself is left out. */
  least: { value: number; open: boolean } | null;
  most: { value: number; open: boolean } | null;
}

/** Any number, as JSON writes it, that other programs read as it is. */
export function anyNumber(integer: boolean): Pattern {
  const whole = choice(literal("0"), sequence(digits(1, 9), repeat(anyDigit, 0, MOST_DIGITS - 1)));
  const sign = repeat(literal("-"), 0, 1);
  if (integer) return sequence(sign, whole);
  const fraction = sequence(literal("."), repeat(anyDigit, 1, MOST_DIGITS));
  const exponent = sequence(
    choice(literal("e"), literal("E")),
    repeat(choice(literal("+"), literal("-")), 0, 1),
    repeat(anyDigit, 1, 2),
  );
  return sequence(sign, whole, repeat(fraction, 0, 1), repeat(exponent, 0, 1));
}

export function integerBetween(bounds: Bounds): Pattern {
  const { least, most } = scaledBounds(bounds, 0);
  return signedBetween(least, most, 0);
}

/** Whole ones, and those with one place more than the bounds have. */
export function numberBetween(bounds: Bounds): Pattern {
  const places = Math.max(placesOf(bounds.least?.value), placesOf(bounds.most?.value)) + 1;
  const { least, most } = scaledBounds(bounds, places);
  return choice(integerBetween(bounds), signedBetween(least, most, places));
}

/** Multiples of an integer: all of a range, or any at all. */
export function multiplesOf(
  divisor: number,
  bounds: Bounds,
  rules: Map<string, Pattern>,
): Pattern | null {
  const step = BigInt(divisor);
  if (bounds.least && bounds.most) {
    const { least, most } = scaledBounds(bounds, 0);
    const first = least + (((-least % step) + step) % step);
    if ((most - first) / step > 2000n) return null;
    const texts = [];
    for (let value = first; value <= most; value += step) texts.push(literal(String(value)));
    return choice(...texts);
  }
  if (bounds.least || bounds.most || divisor > MOST_DIVISOR) return null;
  const name = (left: number, rest: number) => `multiple of ${divisor}: ${left} digits, ${rest}`;
  for (let left = MOST_DIGITS - 1; left >= 0; left--) {
    for (let rest = 0; rest < divisor && !rules.has(name(left, rest)); rest++) {
      const next: Pattern[] = rest === 0 ? [NOTHING] : [];
      for (let digit = 0; digit < 10 && left > 0; digit++)
        next.push(
          sequence(digits(digit, digit), nameOf(name(left - 1, (rest * 10 + digit) % divisor))),
        );
      rules.set(name(left, rest), choice(...next));
    }
  }
  const begins = [];
  for (let digit = 1; digit < 10; digit++)
    begins.push(sequence(digits(digit, digit), nameOf(name(MOST_DIGITS - 1, digit % divisor))));
  return choice(literal("0"), sequence(repeat(literal("-"), 0, 1), choice(...begins)));
}

const nameOf = (name: string): Pattern => ({ kind: "rule", name });

/** 0.05 and 5e-2 have two. */
function placesOf(value: number | undefined): number {
  if (value === undefined) return 0;
  const [, , fraction = "", exponent = "0"] = decimal(value);
  return Math.max(0, fraction.length - Number(exponent));
}

function decimal(value: number): string[] {
  return [...(/^(-?\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value)) ?? [])].map(
    (part) => part ?? undefined,
  ) as string[];
}

/** In units of the last of `places`, both included. An open end is as far as MOST_DIGITS go. */
function scaledBounds({ least, most }: Bounds, places: number): { least: bigint; most: bigint } {
  const scale = 10n ** BigInt(places);
  const far = 10n ** BigInt(MOST_DIGITS) * scale - 1n;
  const lowest = least ? scaled(least.value, places, true) : { value: -far, exact: false };
  const highest = most ? scaled(most.value, places, false) : { value: far, exact: false };
  const first = lowest.value + (least?.open && lowest.exact ? 1n : 0n);
  const last = highest.value - (most?.open && highest.exact ? 1n : 0n);
  // Bounds beyond what is usual leave room of their own.
  return {
    least: least ? first : first < last ? first : last - far,
    most: most ? last : last > first ? last : first + far,
  };
}

/** value * 10^places, rounded up or down, and whether nothing was lost. */
function scaled(value: number, places: number, up: boolean): { value: bigint; exact: boolean } {
  const [, whole = "0", fraction = "", exponent = "0"] = decimal(value);
  const digits = BigInt(whole + fraction);
  const power = places + Number(exponent) - fraction.length;
  if (power >= 0) return { value: digits * 10n ** BigInt(power), exact: true };
  const divisor = 10n ** BigInt(-power);
  const cut = digits / divisor; // towards zero
  const rest = digits % divisor;
  if (rest === 0n) return { value: cut, exact: true };
  return { value: cut + (up && rest > 0n ? 1n : 0n) - (!up && rest < 0n ? 1n : 0n), exact: false };
}

function signedBetween(least: bigint, most: bigint, places: number): Pattern {
  if (least > most) return NEVER;
  const parts = [];
  if (most >= 0n) parts.push(between(least > 0n ? least : 0n, most, places));
  if (least < 0n)
    parts.push(sequence(literal("-"), between(most < 0n ? -most : 1n, -least, places)));
  return choice(...parts);
}

/** 0 <= least <= most, in units of the last of `places`. */
function between(least: bigint, most: bigint, places: number): Pattern {
  const parts: Pattern[] = [];
  const text = (value: bigint) => {
    const all = String(value).padStart(places + 1, "0");
    return places === 0 ? all : `${all.slice(0, -places)}.${all.slice(-places)}`;
  };
  for (let length = text(least).length; length <= text(most).length; length++) {
    const count = BigInt(length - (places > 0 ? 1 : 0));
    const first = count === BigInt(places + 1) ? 0n : 10n ** (count - 1n);
    const last = 10n ** count - 1n;
    parts.push(fixed(text(least > first ? least : first), text(most < last ? most : last)));
  }
  return choice(...parts);
}

/** Texts of one length and shape from `low` to `high`. */
function fixed(low: string, high: string): Pattern {
  if (/^[0.]*$/.test(low) && /^[9.]*$/.test(high)) return shape(low);
  const [a, b] = [low.charCodeAt(0), high.charCodeAt(0)];
  if (a === b) return sequence(literal(low.charAt(0)), fixed(low.slice(1), high.slice(1)));
  return choice(
    sequence(literal(low.charAt(0)), fixed(low.slice(1), low.slice(1).replace(/\d/g, "9"))),
    sequence(digits(a - 0x30 + 1, b - 0x30 - 1), shape(low.slice(1))),
    sequence(literal(high.charAt(0)), fixed(high.slice(1).replace(/\d/g, "0"), high.slice(1))),
  );
}

const shape = (text: string): Pattern =>
  sequence(...[...text].map((sign) => (sign === "." ? literal(".") : anyDigit)));
