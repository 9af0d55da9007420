// token_shades.ts: how sure the model was of a token, as one of a few shades, and tokens as they can be read: a blank or a line
// end alone would be nothing to see. Pure functions.

/** From "almost certain" (0) to "against the odds" (5): probabilities below these limits are a shade deeper. */
const LIMITS = [0.9, 0.6, 0.3, 0.1, 0.02];

export const SHADES = LIMITS.length + 1;

export function shadeOf(logprob: number): number {
  const probability = Math.exp(logprob);
  const shade = LIMITS.findIndex((limit) => probability >= limit);
  return shade < 0 ? LIMITS.length : shade;
}

/** "45 %", "3.2 %", "< 0.01 %" */
export function formatProbability(logprob: number): string {
  const percent = Math.exp(logprob) * 100;
  if (percent >= 99.95) return "100 %";
  if (percent >= 9.95) return `${percent.toFixed(0)} %`;
  if (percent >= 0.095) return `${percent.toFixed(1)} %`;
  if (percent >= 0.0095) return `${percent.toFixed(2)} %`;
  return "< 0.01 %";
}

/** "·store", "↵": what cannot be seen gets a sign. */
export function visibleToken(text: string): string {
  if (text === "") return "∅";
  return text.replace(/[\p{Z}\p{C}]/gu, (character) => {
    const sign = { " ": "·", "\n": "↵", "\t": "⇥" }[character];
    return sign ?? `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`;
  });
}
