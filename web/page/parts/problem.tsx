// problem.tsx: shows one error where it happened: what, what to do, the stable code, and a button if doing the same
// again makes sense. Every error on the page goes through here; none may end in the console alone.

import { TercetError } from "../library.js";
import { sentence } from "../format.js";
import { strings } from "../strings.js";

const { advice, button, page, pageAdvice, pageCode } = strings.problem;

/** A server that refuses today may have the file tomorrow, even if the address is more likely to be wrong. */
function buttonFor(error: TercetError): string | undefined {
  return error.code === "HTTP_STATUS" ? button.retry : button[error.advice];
}

/** The library's sentences read "what happened: what to do"; the halves get their own lines. */
function split(error: TercetError): [what: string, advice: string] {
  const suffix = error.detail ? ` (${error.detail})` : "";
  const text = error.message.endsWith(suffix)
    ? error.message.slice(0, error.message.length - suffix.length)
    : error.message;
  const colon = text.indexOf(": ");
  if (colon < 0) return [sentence(text), advice[error.advice]];
  return [sentence(text.slice(0, colon)), sentence(text.slice(colon + 2))];
}

interface ProblemProps {
  id?: string;
  error: unknown;
  /** Offered if the advice is one that a repetition can follow. */
  onRetry?: () => void;
}

export function Problem({ id, error, onRetry }: ProblemProps) {
  // A mistake of the page itself also has to be seen, and to be told from an error of the library.
  const known = error instanceof TercetError ? (error as TercetError) : null;
  const [what, todo] = known ? split(known) : [page, pageAdvice];
  const detail = known ? known.detail : String(error);
  const label = known ? buttonFor(known) : undefined;
  return (
    <div class="problem" id={id} role="alert">
      <p class="sentence">{what}</p>
      <p>{todo}</p>
      {detail && <p class="quiet detail">{detail}</p>}
      <div class="row">
        <code>{known ? known.code : pageCode}</code>
        {onRetry && label && (
          <button type="button" onClick={onRetry}>
            {label}
          </button>
        )}
      </div>
    </div>
  );
}
