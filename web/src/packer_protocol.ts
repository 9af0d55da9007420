// packer_protocol.ts: every message between the engine's worker and the packer's (packer_worker.ts), used by both sides. One
// packer worker works on one GGUF file and is ended with it, so there is no version here and only reads have an id: both
// scripts come out of one folder. Only plain data.
import type { WireError } from "./errors.js";
import type { LoadSource } from "./protocol.js";
import type { NetworkSettings, PackOptions, PackReport } from "./types.js";

/** Of the origin's own file system: packed models on their way to the store. */
export const PACKING_FOLDER = "tercet-packing";

export interface PackMessage {
  op: "pack";
  source: LoadSource;
  /** What the packed model is called where the file's keys say nothing. */
  name: string;
  options: PackOptions;
  network: NetworkSettings;
  /** The packer's module: its address, or itself. */
  binary: string | Blob;
  /** Whether what is downloaded is kept for the next try. */
  keep: boolean;
}

export type ToPacker =
  | PackMessage
  /** Bytes of the packed file. */
  | { op: "read"; id: number; offset: number; bytes: number }
  /** The packed model is stored whole: nothing of the source and of the packing is needed any more. */
  | { op: "finish" };

export interface PackedMessage {
  kind: "packed";
  fileBytes: number;
  /** Of the source: the server's name for its version, and its size. */
  etag: string | null;
  sourceBytes: number;
  report: PackReport;
  notices: string[];
}

export type FromPacker =
  | {
      kind: "progress";
      phase: "download" | "pack";
      doneBytes: number;
      totalBytes: number;
      /** Bytes that came in since the last message; they make the speed. */
      arrivedBytes: number;
    }
  | PackedMessage
  | { kind: "bytes"; id: number; bytes: Uint8Array<ArrayBuffer> }
  | { kind: "readFailed"; id: number; error: WireError }
  | { kind: "finished" }
  | { kind: "failed"; error: WireError };
