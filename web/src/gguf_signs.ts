// gguf_signs.ts: by what a GGUF file is known, which every load looks at; all else about them is in a script of its own
// (gguf_module.ts), which is fetched for a file that is one.
import type { LoadMessage } from "./protocol.js";

const MAGIC = "GGUF";

/** Thrown where a header was to be read and a GGUF file was found. */
export class SourceIsGguf extends Error {}

export function isGguf(prefix: Uint8Array): boolean {
  return String.fromCharCode(...prefix.subarray(0, MAGIC.length)) === MAGIC;
}

/** Whether there is no need to look: by its name, or because it is to be packed and no name says that it is already. */
export function saysGguf({ source, pack }: LoadMessage): boolean {
  const names =
    source.kind === "url"
      ? source.urls.map((url) => new URL(url).pathname)
      : [source.blob instanceof File ? source.blob.name : ""];
  if (Object.keys(pack).length > 0) return !names.every((name) => /\.tercet$/i.test(name));
  return source.kind === "url" && names.every((name) => /\.gguf$/i.test(name));
}
