// user_messages.ts of the worker: takes the place of the page's when the worker is bundled. An error crosses to the page as its
// code and detail and gets its sentence and advice there, so that no visitor downloads the sentences twice.
import type { StatusName } from "../generated_constants.js";
import { STATUS_ADVICE, type Advice } from "../status_advice.js";
import type { ErrorCode } from "../user_messages.js";

export type { Advice, ErrorCode, HostCode } from "../user_messages.js";

/** Any: the packer's worker sends what the page looks at once more. */
export function isErrorCode(code: string): code is ErrorCode {
  return typeof code === "string";
}

/** The code itself. */
export function userMessage(code: ErrorCode): string {
  return code;
}

/** Of the core's codes, which the worker acts on; any other says "retry" and gets its own advice in the page. */
export function adviceFor(code: ErrorCode): Advice {
  return STATUS_ADVICE[code as StatusName] ?? "retry";
}
