// packer_protocol.ts: every message between the engine's worker and the packer's (packer_worker.ts), used by both sides. One
// packer worker works on one GGUF file and is ended with it, so there is neither version nor id here: both scripts come out
// of one folder. Only plain data.
import type { WireError } from "./errors.js";
import type { LoadSource } from "./protocol.js";
import type { NetworkSettings, PackOptions, PackReport } from "./types.js";

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
  /** Name of the place where the packed file is to be made (packing_place.ts). */
  place: string;
  /** In Node the folder of what is kept; null: there is none. */
  cacheDir: string | null;
}

export type ToPacker = PackMessage;

export interface PackedMessage {
  kind: "packed";
  /** The packed file, whole and proved; in Node its path. It lives as long as its place, not as long as the worker. */
  file: Blob | string;
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
  | { kind: "failed"; error: WireError };
