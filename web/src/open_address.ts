// open_address.ts: what lies behind an address; in a browser always the network. node/open_address.ts takes its place in Node.
import type { SizedSource } from "./byte_source.js";
import { HttpSource, type DownloadOptions } from "./download.js";

export function openAddress(
  url: string,
  etag: string | null,
  options: DownloadOptions,
): SizedSource {
  return new HttpSource(url, etag, options);
}

/** What the store knows a GGUF file by. */
export async function addressName(url: string): Promise<string> {
  return url;
}
