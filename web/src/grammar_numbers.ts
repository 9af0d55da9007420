// grammar_numbers.ts: which texts are numbers between two bounds, digit by digit. Bounds are decimal texts in whole numbers of
// their last place, so that nothing is rounded.
import {
  choice,
  isProductive,
  literal,
  NEVER,
  NOTHING,
  repeat,
  rule,
  sequence,
  type Pattern,
} from "./grammar_pattern.js";

/** More digits than these and another program's number would be another one. */
const MOST_DIGITS = 15;
/** Of multiples without bounds: each remainder is a rule for each number of digits. */
const MOST_DIVISOR = 100;
/** Of a divisor. */
const MOST_PLACES = 9;

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

/** Multiples of numbers, with the rules that they name: one for each number of signs left and each remainder. */
export class Multiples {
  readonly rules = new Map<string, Pattern>();
  /** Those of the rules that some text fits. */
  readonly possible = new Set<string>();

  /**
   * Multiples of a number above 0, as decimals: 0.07 is one of 0.01, whatever its nearest binary fractions are. null when they are too
   * many to be written down, and their remainders as well.
   */
  of(divisor: number, bounds: Bounds, integer: boolean): Pattern | null {
    let places = placesOf(divisor);
    if (places > MOST_PLACES) return null;
    // In units of the last place of the divisor.
    let step = scaled(divisor, places, false).value;
    if (integer) {
      step /= greatestCommonDivisor(step, 10n ** BigInt(places));
      places = 0;
    }
    const { least, most } = scaledBounds(bounds, places, MOST_DIGITS);
    if (step === 1n) {
      // Any with so many places, or fewer.
      const parts = [signedBetween(least, most, places)];
      for (let fewer = places - 1; fewer >= 0; fewer--) {
        const range = scaledBounds(bounds, fewer, MOST_DIGITS);
        parts.push(signedBetween(range.least, range.most, fewer));
      }
      return choice(...parts);
    }
    if (step <= BigInt(MOST_DIVISOR)) {
      const last = (left: string, rest: number) =>
        this.#rest(left.length, rest, Number(step), places);
      return signedBetween(least, most, places, Number(step), last);
    }
    const first = least + (((-least % step) + step) % step);
    if (!bounds.least || !bounds.most || (most - first) / step > 2000n) return null;
    const texts = [];
    for (let value = first; value <= most; value += step)
      texts.push(literal(decimalText(value, places)));
    return choice(...texts);
  }

  /** What is left of a text, `left` signs long, when the digits in front of it leave `rest`: all that make it a multiple. */
  #rest(left: number, rest: number, divisor: number, places: number): Pattern {
    if (left === 0) return rest === 0 ? NOTHING : NEVER;
    const name = `multiple of ${divisor} with ${places} places: ${left} signs, ${rest}`;
    if (!this.rules.has(name)) {
      const next = (rest: number) => this.#rest(left - 1, rest, divisor, places);
      const all =
        places > 0 && left === places + 1
          ? sequence(literal("."), next(rest))
          : choice(
              ...Array.from({ length: 10 }, (_, digit) =>
                sequence(digits(digit, digit), next((10 * rest + digit) % divisor)),
              ),
            );
      this.rules.set(name, all);
      if (isProductive(all, this.possible)) this.possible.add(name);
    }
    return rule(name);
  }
}

function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  while (b > 0n) [a, b] = [b, a % b];
  return a;
}

/** In units of the last of `places`. */
function decimalText(value: bigint, places: number): string {
  const [sign, size] = value < 0n ? ["-", -value] : ["", value];
  const all = String(size).padStart(places + 1, "0");
  return sign + (places === 0 ? all : `${all.slice(0, -places)}.${all.slice(-places)}`);
}

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
function scaledBounds(
  { least, most }: Bounds,
  places: number,
  mostDigits = MOST_DIGITS + places,
): { least: bigint; most: bigint } {
  const far = 10n ** BigInt(mostDigits) - 1n;
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

/** What may stand for the rest of a text whose signs are all free; `rest`: of the digits in front of it, divided. */
type Last = (shape: string, rest: number) => Pattern;

function signedBetween(
  least: bigint,
  most: bigint,
  places: number,
  divisor = 1,
  last: Last = anyOf,
): Pattern {
  if (least > most) return NEVER;
  const parts = [];
  const all = (low: bigint, high: bigint) => between(low, high, places, divisor, last);
  if (most >= 0n) parts.push(all(least > 0n ? least : 0n, most));
  if (least < 0n) parts.push(sequence(literal("-"), all(most < 0n ? -most : 1n, -least)));
  return choice(...parts);
}

/** 0 <= least <= most, in units of the last of `places`. */
function between(
  least: bigint,
  most: bigint,
  places: number,
  divisor: number,
  last: Last,
): Pattern {
  const parts: Pattern[] = [];
  const text = (value: bigint) => decimalText(value, places);
  for (let length = text(least).length; length <= text(most).length; length++) {
    const count = BigInt(length - (places > 0 ? 1 : 0));
    const first = count === BigInt(places + 1) ? 0n : 10n ** (count - 1n);
    const end = 10n ** count - 1n;
    const [low, high] = [least > first ? least : first, most < end ? most : end];
    parts.push(fixed(text(low), text(high), 0, divisor, last));
  }
  return choice(...parts);
}

/** Texts of one length and shape from `low` to `high`; `rest`: of the digits in front of them. */
function fixed(low: string, high: string, rest: number, divisor: number, last: Last): Pattern {
  if (/^[0.]*$/.test(low) && /^[9.]*$/.test(high)) return last(low, rest);
  const after = (sign: string) => (sign === "." ? rest : (10 * rest + Number(sign)) % divisor);
  const [a, b] = [low.charAt(0), high.charAt(0)];
  const [lower, higher] = [low.slice(1), high.slice(1)];
  if (a === b) return sequence(literal(a), fixed(lower, higher, after(a), divisor, last));
  const parts = [
    sequence(literal(a), fixed(lower, lower.replace(/\d/g, "9"), after(a), divisor, last)),
  ];
  if (divisor === 1) parts.push(sequence(digits(Number(a) + 1, Number(b) - 1), last(lower, 0)));
  else
    for (let digit = Number(a) + 1; digit < Number(b); digit++)
      parts.push(sequence(digits(digit, digit), last(lower, after(String(digit)))));
  parts.push(
    sequence(literal(b), fixed(higher.replace(/\d/g, "0"), higher, after(b), divisor, last)),
  );
  return choice(...parts);
}

const anyOf: Last = (shape) =>
  sequence(...[...shape].map((sign) => (sign === "." ? literal(".") : anyDigit)));
