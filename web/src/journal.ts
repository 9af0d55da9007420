// journal.ts: what a store holds of a model, and which of four states that is: absent, partial, complete, damaged. Header,
// chunks and commit record are written in this order, so only a commit record with everything it speaks of is proof.
// Pure functions over facts; storing is the stores' business.
import type { StoredState } from "./types.js";

/** The header as it lies in the file, and what it says about the rest. */
export interface HeaderRecord {
  modelId: string;
  name: string;
  header: ArrayBuffer;
  fileBytes: number;
  chunkBytes: number;
  chunks: number;
}

/** Written last, when every chunk was there. */
export interface CommitRecord {
  modelId: string;
  fileBytes: number;
  chunks: number;
}

/** Which model an address gave when it was last read. */
export interface SourceRecord {
  /** Of a file in parts: their addresses, joined by blanks. */
  url: string;
  modelId: string;
  etag: string | null;
  /** Of a GGUF file that the model was made of: its size. The address has no bytes of the model itself. */
  ggufBytes?: number;
  /** A newer model that the address gives but that is not whole yet: until then `modelId` is what it stands for. */
  arriving?: Omit<SourceRecord, "url" | "arriving">;
}

/** Whether the record leads to this model. */
export function leadsTo(record: SourceRecord, modelId: string): boolean {
  return record.modelId === modelId || record.arriving?.modelId === modelId;
}

export interface JournalFacts {
  header: Omit<HeaderRecord, "header"> | undefined;
  /** Indices of the chunks that are there. */
  chunks: readonly number[];
  commit: CommitRecord | undefined;
}

export function modelState({ header, chunks, commit }: JournalFacts): StoredState {
  if (!header && !commit) return chunks.length === 0 ? "absent" : "damaged";
  if (!commit) return "partial";
  if (!header || header.chunks !== commit.chunks || header.fileBytes !== commit.fileBytes)
    return "damaged";
  return hasAllChunks(header.chunks, chunks) ? "complete" : "damaged";
}

export function hasAllChunks(count: number, chunks: readonly number[]): boolean {
  const present = new Set(chunks);
  for (let index = 0; index < count; index++) if (!present.has(index)) return false;
  return true;
}

/** Bytes of a chunk; the last one may be short. */
export function chunkLength(
  header: Pick<HeaderRecord, "chunkBytes" | "fileBytes">,
  headerBytes: number,
  index: number,
): number {
  const begin = headerBytes + index * header.chunkBytes;
  return Math.max(0, Math.min(header.chunkBytes, header.fileBytes - begin));
}

/** Bytes of header and chunks that are stored. */
export function storedBytes(header: HeaderRecord, chunks: readonly number[]): number {
  const headerBytes = header.header.byteLength;
  return chunks.reduce((sum, index) => sum + chunkLength(header, headerBytes, index), headerBytes);
}
