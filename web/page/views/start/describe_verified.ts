// describe_verified.ts: what a verification found, in a sentence.

import type { VerifiedModel } from "../../library.js";
import { strings } from "../../strings.js";

const words = strings.start;

export function describeVerified({ chunks, damaged, missing }: VerifiedModel): string {
  if (damaged.length > 0) return words.verifiedDamaged(damaged.length, chunks);
  return missing.length > 0 ? words.verifiedPartly(missing.length, chunks) : words.verified(chunks);
}
