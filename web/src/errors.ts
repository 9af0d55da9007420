// errors.ts: the one error class of the library. Errors cross from the worker as plain objects (WireError) and are built
// again from the code, so both sides agree on sentence and advice. Nothing here knows where an error came from.
import {
  adviceFor,
  isErrorCode,
  userMessage,
  type Advice,
  type ErrorCode,
} from "./user_messages.js";

export type { Advice, ErrorCode, HostCode } from "./user_messages.js";

const BRAND = Symbol.for("tercet.TercetError");

/** What crosses between page and worker. */
export interface WireError {
  code: ErrorCode;
  detail: string;
  where: number | null;
}

/**
 * Everything that the library throws or rejects with. `code` is stable, `message` is a sentence for people, `advice` says
 * what a page can offer, `detail` says what exactly failed (address, chunk, byte), `where` is the byte offset, token
 * position or chunk that the detail speaks of, when there is one.
 * `instanceof TercetError` also holds across two copies of the library.
 */
export class TercetError extends Error {
  readonly code: ErrorCode;
  readonly advice: Advice;
  readonly detail: string;
  readonly where: number | null;

  constructor(
    code: ErrorCode,
    detail = "",
    options: { where?: number | null; cause?: unknown } = {},
  ) {
    const text = userMessage(code);
    super(
      detail ? `${text} (${detail})` : text,
      options.cause === undefined ? {} : { cause: options.cause },
    );
    this.name = "TercetError";
    this.code = code;
    this.advice = adviceFor(code);
    this.detail = detail;
    this.where = options.where ?? null;
    Object.defineProperty(this, BRAND, { value: true });
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === "object" && value !== null && BRAND in value;
  }
}

/** A name and message for any thrown value; never throws itself. */
export function describe(thrown: unknown): string {
  if (thrown instanceof Error) return `${thrown.name}: ${thrown.message}`;
  try {
    return String(thrown);
  } catch {
    return "an unknown error";
  }
}

/** Keeps a TercetError, wraps anything else under `code`. */
export function toTercetError(thrown: unknown, code: ErrorCode): TercetError {
  if (thrown instanceof TercetError) return thrown as TercetError;
  return new TercetError(code, describe(thrown), { cause: thrown });
}

export function toWireError(error: TercetError): WireError {
  return { code: error.code, detail: error.detail, where: error.where };
}

/** Codes that this copy does not know (a newer worker) become PROTOCOL. */
export function fromWireError(wire: WireError): TercetError {
  if (!isErrorCode(wire.code))
    return new TercetError("PROTOCOL", `${String(wire.code)}: ${wire.detail}`);
  return new TercetError(wire.code, wire.detail, { where: wire.where });
}

/** A notice of the worker, which knows errors by their codes: with sentences in their place. */
export function fromWireNotice(notice: string): string {
  return notice.replace(/TercetError: ([A-Z_]+)/g, (told, code: string) =>
    isErrorCode(code) ? userMessage(code) : told,
  );
}

/** The error of an aborted signal, with the caller's reason as its cause. */
export function abortedError(signal?: AbortSignal): TercetError {
  return new TercetError("ABORTED", "", { cause: signal?.reason });
}
