// gguf_record.ts: what is written down of a GGUF file on its way, wherever it is kept (gguf_parts.ts). Constants and types only.
import type { PartBytes } from "./source_bytes.js";

/** Where browsers keep them. */
export const DOWNLOADS_DATABASE = "tercet-gguf";
/** An interrupted download costs at most one part; a part is one file on the disk. */
export const PART_BYTES = 4 << 20;
/** What nobody went on with for so long is in the way of others. */
export const FORGOTTEN_AFTER_MS = 7 * 24 * 3600 * 1000;

export interface PartsRecord {
  url: string;
  /** The version that the parts are of. Without one, another visit cannot know that it would be the same. */
  etag: string | null;
  fileBytes: number;
  touched: number;
}

export interface Part {
  blob: PartBytes;
  sha256: ArrayBuffer;
}
