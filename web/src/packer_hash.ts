// packer_hash.ts: SHA-256 with an answer at once, which WebCrypto does not give. node/packer_hash.ts takes its place in Node.
import { createSHA256 } from "hash-wasm";

/** Of two stretches, one behind the other. */
export type Hash = (first: Uint8Array, second: Uint8Array) => Uint8Array;

export async function makeHash(): Promise<Hash> {
  const hasher = await createSHA256();
  return (first, second) => hasher.init().update(first).update(second).digest("binary");
}
