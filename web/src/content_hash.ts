// content_hash.ts: whether bytes are the ones that a hash names. WebCrypto does the work, on threads of its own. Knows of
// the container only where the hash of a header stands.
import { CopyMemory } from "./chunk_memory.js";
import { CONTAINER } from "./generated_constants.js";

const copies = new CopyMemory();

/** SHA-256. The buffer of the bytes is not held by it. */
export async function hash(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  // It copies what it is given before it returns (Web Cryptography API, digest, step 2).
  return new Uint8Array(await crypto.subtle.digest("SHA-256", copies.of(bytes)));
}

export async function holds(bytes: Uint8Array<ArrayBuffer>, sha256: Uint8Array): Promise<boolean> {
  return sameBytes(await hash(bytes), sha256);
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

/** The hash of a header covers everything but the place where it stands itself. */
export async function headerHolds(
  header: Uint8Array<ArrayBuffer>,
  sha256: Uint8Array,
): Promise<boolean> {
  const { PREFIX_AT_SHA256, PREFIX_BYTES } = CONTAINER;
  const covered = new Uint8Array(header.length - (PREFIX_BYTES - PREFIX_AT_SHA256));
  covered.set(header.subarray(0, PREFIX_AT_SHA256));
  covered.set(header.subarray(PREFIX_BYTES), PREFIX_AT_SHA256);
  return holds(covered, sha256);
}
