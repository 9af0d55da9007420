// store.ts: what a place for models must do. Chunks are written only after their hash held, each write is whole or not
// at all, and the commit record comes last (journal.ts). Failures are TercetErrors: QUOTA_EXCEEDED or STORAGE_FAILED.
import type { CommitRecord, HeaderRecord, SourceRecord } from "./journal.js";
import type { StoredModel } from "./types.js";

export interface Store {
  readonly kind: "indexeddb" | "folder" | "memory";

  // Chunks, commit and source records are refused (STORAGE_FAILED) once the header record is gone: it was deleted.

  readSource(url: string): Promise<SourceRecord | undefined>;
  readSources(): Promise<SourceRecord[]>;
  writeSource(record: SourceRecord): Promise<void>;

  readHeader(modelId: string): Promise<HeaderRecord | undefined>;
  writeHeader(record: HeaderRecord): Promise<void>;

  /** In rising order. */
  chunkIndices(modelId: string): Promise<number[]>;
  readChunk(modelId: string, index: number): Promise<ArrayBuffer | undefined>;
  writeChunk(modelId: string, index: number, bytes: ArrayBuffer): Promise<void>;
  /** A chunk that turned out wrong: it and the commit record go, together. */
  dropChunk(modelId: string, index: number): Promise<void>;

  readCommit(modelId: string): Promise<CommitRecord | undefined>;
  writeCommit(record: CommitRecord): Promise<void>;

  list(): Promise<StoredModel[]>;
  /** Everything of this model; false when there was nothing. */
  deleteModel(modelId: string): Promise<boolean>;
  /** Deletes what no address leads to and no commit record vouches for, and chunks without a header; not of models in `keep`. */
  sweep(keep: ReadonlySet<string>): Promise<void>;
  close(): void;
}
