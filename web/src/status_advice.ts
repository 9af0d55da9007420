// status_advice.ts: what a page can offer for each status of the core. Apart from user_messages.ts since the worker acts on it
// too, but has no use for sentences. A status without a row here does not compile.
import type { StatusName } from "./generated_constants.js";

/** What a page can offer for an error. */
export type Advice =
  | "retry" // try the same again; nothing was lost
  | "free-space" // free memory or storage first
  | "reload" // load the page or the model again
  | "redownload" // the file is damaged: fetch or pack it again
  | "unsupported" // this browser or this version cannot do it
  | "fix-input"; // the caller passed something that cannot work

export const STATUS_ADVICE: Readonly<Record<StatusName, Advice>> = {
  OK: "retry",
  END_OF_TEXT: "retry",
  FEWER_THREADS: "retry",
  CONTEXT_FULL: "fix-input",
  NEED_BYTES: "retry",
  CANCELLED: "retry",
  BAD_ARGUMENT: "fix-input",
  OUT_OF_MEMORY: "free-space",
  DISABLED: "reload",
  NO_KERNELS: "unsupported",
  BAD_MAGIC: "fix-input",
  VERSION_TOO_NEW: "unsupported",
  TRUNCATED: "redownload",
  BAD_HEADER: "redownload",
  LIMIT_EXCEEDED: "redownload",
  HEADER_HASH_MISMATCH: "redownload",
  CHUNK_HASH_MISMATCH: "redownload",
  UNSUPPORTED: "unsupported",
  TRAILING_BYTES: "redownload",
  INVALID_UTF8: "fix-input",
  PROMPT_TOO_LONG: "fix-input",
  BAD_TOKEN: "fix-input",
  NO_CHAT_FORMAT: "fix-input",
  BAD_STATE: "redownload",
  BAD_SOURCE: "fix-input",
  NOT_TERNARY: "fix-input",
  NOT_LOSSLESS: "unsupported",
  UNSUPPORTED_SOURCE: "unsupported",
  CANNOT_EXPORT: "unsupported",
  FILE_NOT_FOUND: "fix-input",
  FILE_READ_FAILED: "retry",
  FILE_WRITE_FAILED: "retry",
  DISK_FULL: "free-space",
};
