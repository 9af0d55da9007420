// source_address.ts: what callers of load() may name a model by, turned into what the worker fetches: addresses, also of
// parts, names on the Hugging Face hub, and bytes at hand. Runs on the page, whose base address is the one that counts.
import { requireThat } from "./checks.js";
import { describe, TercetError } from "./errors.js";
import { LOADABLE, resolveAddress } from "./platform.js";
import type { LoadSource } from "./protocol.js";

/**
 * A URL (relative ones as fetch reads them); "hf:owner/repository/file" or "hf:owner/repository@revision/file" for a file
 * on the Hugging Face hub; a list of these, which are the parts of one file in their order, cut anywhere; or the bytes.
 */
export type Source =
  string | URL | readonly (string | URL)[] | Blob | ArrayBuffer | ArrayBufferView<ArrayBuffer>;

const HUB = "https://huggingface.co";

/** @internal */
export function loadSource(source: Source, hub: string | URL | undefined): LoadSource {
  if (typeof source === "string" || source instanceof URL)
    return { kind: "url", urls: [modelAddress(source, hub)] };
  if (source instanceof Blob) return { kind: "blob", blob: source };
  if (source instanceof ArrayBuffer || ArrayBuffer.isView(source))
    return { kind: "blob", blob: new Blob([source]) };
  if (Array.isArray(source) && source.length > 0)
    return { kind: "url", urls: source.map((part: string | URL) => modelAddress(part, hub)) };
  throw new TercetError(
    "BAD_ARGUMENT",
    "load needs an address, a list of addresses, a Blob or File, or an ArrayBuffer",
  );
}

/** @internal */
export function absoluteUrl(url: string | URL, what: string): string {
  try {
    return resolveAddress(url);
  } catch (thrown) {
    throw new TercetError("BAD_ARGUMENT", `${what} is no address: ${describe(url)}`, {
      cause: thrown,
    });
  }
}

function modelAddress(source: string | URL, hub: string | URL | undefined): string {
  requireThat(
    typeof source === "string" || source instanceof URL,
    "each part of a model is an address",
  );
  // "hf" is no scheme that anything could be fetched by, so no address of the page can be meant.
  const text = String(source);
  const url = new URL(
    text.startsWith("hf:") ? hubAddress(text, hub) : absoluteUrl(source, "the model's address"),
  );
  requireThat(
    LOADABLE.test(url.protocol),
    `only http and https addresses can be loaded, not ${url.protocol}`,
  );
  url.hash = "";
  return url.href;
}

/** hf:owner/repository[@revision]/path/of/file; slashes within a revision are written %2F. */
function hubAddress(name: string, hub: string | URL = HUB): string {
  const [, owner, repository, revision = "main", path] =
    /^hf:([\w.-]+)\/([\w.-]+)(?:@([^/\s]+))?\/(.+)$/.exec(name) ?? [];
  // encodeURIComponent() throws at half a character.
  if (!owner || !repository || !path || /\p{Surrogate}/u.test(name))
    throw new TercetError(
      "BAD_ARGUMENT",
      `"${name}" is no file on the hub: write hf:owner/repository/file or hf:owner/repository@revision/file`,
    );
  const base = absoluteUrl(hub, "hub").replace(/\/$/, "");
  const branch = encodeURIComponent(revision.replace(/%2f/gi, "/"));
  const file = path.split("/").map(encodeURIComponent).join("/");
  return `${base}/${owner}/${repository}/resolve/${branch}/${file}`;
}
