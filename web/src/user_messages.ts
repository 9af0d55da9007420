// user_messages.ts: one table of sentences for people: every code that the library can give, what happened and what to
// do, and the advice that a page can act on. Codes of the core take their sentence from generated_constants.ts. A code
// without a row here does not compile.
import { STATUS_TEXT, type StatusName } from "./generated_constants.js";
import { STATUS_ADVICE, type Advice } from "./status_advice.js";

export type { Advice } from "./status_advice.js";

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
