// user_messages.ts: one table of sentences for people: every code that the library can give, what happened and what to
// do, and the advice that a page can act on. Codes of the core take their sentence from generated_constants.ts. A code
// without a row here does not compile.
import { STATUS_TEXT, type StatusName } from "./generated_constants.js";

/** What a page can offer for an error. */
export type Advice =
  | "retry" // try the same again; nothing was lost
  | "free-space" // free memory or storage first
  | "reload" // load the page or the model again
  | "redownload" // the file is damaged: fetch or pack it again
  | "unsupported" // this browser or this version cannot do it
  | "fix-input"; // the caller passed something that cannot work

/** Codes of the JavaScript side; the others are names of the core's statuses (tercet.h). */
export type HostCode =
  | "ABORTED"
  | "BAD_GRAMMAR"
  | "NETWORK_FAILED"
  | "HTTP_STATUS"
  | "STORAGE_FAILED"
  | "QUOTA_EXCEEDED"
  | "ENGINE_CRASHED"
  | "DISPOSED"
  | "UNSUPPORTED_BROWSER"
  | "PROTOCOL";

/** Stable; safe to compare with. */
export type ErrorCode = StatusName | HostCode;

interface UserMessage {
  text: string;
  advice: Advice;
}

export const HOST_MESSAGES: Readonly<Record<HostCode, UserMessage>> = {
  ABORTED: { text: "stopped on request", advice: "retry" },
  BAD_GRAMMAR: {
    text: "an answer cannot be held to this grammar: change the schema or expression",
    advice: "fix-input",
  },
  NETWORK_FAILED: {
    text: "the download was cut: try again, what has arrived is kept",
    advice: "retry",
  },
  HTTP_STATUS: { text: "the server refused the file: check its address", advice: "fix-input" },
  STORAGE_FAILED: {
    text: 'the browser\'s storage failed: reload the page, or load with cache: "memory"',
    advice: "reload",
  },
  QUOTA_EXCEEDED: {
    text: "the browser's storage is full: delete stored models or free disk space",
    advice: "free-space",
  },
  ENGINE_CRASHED: {
    text: "the engine stopped unexpectedly: load the model again, stored parts are kept",
    advice: "reload",
  },
  DISPOSED: { text: "this model was disposed: load it again", advice: "reload" },
  UNSUPPORTED_BROWSER: {
    text: "this browser or page cannot run Tercet: use a current browser over https or localhost",
    advice: "unsupported",
  },
  PROTOCOL: {
    text: "page and worker are of different Tercet versions: reload the page without its cache",
    advice: "reload",
  },
};

const STATUS_ADVICE: Readonly<Record<StatusName, Advice>> = {
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

function isHostCode(code: ErrorCode): code is HostCode {
  return Object.hasOwn(HOST_MESSAGES, code);
}

/** True for every code of this version, false for any other string. */
export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(HOST_MESSAGES, code) || Object.hasOwn(STATUS_TEXT, code);
}

/** The sentence for a code: what happened and what to do. */
export function userMessage(code: ErrorCode): string {
  return isHostCode(code) ? HOST_MESSAGES[code].text : STATUS_TEXT[code];
}

export function adviceFor(code: ErrorCode): Advice {
  return isHostCode(code) ? HOST_MESSAGES[code].advice : STATUS_ADVICE[code];
}
