// packer_hash.ts: SHA-256 with an answer at once, in Node.
import { createHash } from "node:crypto";
import type { Hash } from "../packer_hash.js";

export type { Hash } from "../packer_hash.js";

export async function makeHash(): Promise<Hash> {
  return (first, second) => createHash("sha256").update(first).update(second).digest();
}
