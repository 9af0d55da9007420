// problem.ts: shows one error where it happened: what, what to do, the stable code, and a button if doing the same
// again makes sense. Every error on the page goes through here; none may end in the console alone.

import { TercetError, type Advice } from "../src/index.js";
import { create } from "./elements.js";
import { sentence } from "./format.js";

/** For sentences that do not say themselves what to do. */
const ADVICE: Readonly<Record<Advice, string>> = {
  retry: "Try again.",
  "free-space": "Free some space, then try again.",
  reload: "Load the model again.",
  redownload: "Download the file again.",
  unsupported: "Use a current browser, over https or on this machine.",
  "fix-input": "Change what was entered, then try again.",
};

const BUTTON: Readonly<Partial<Record<Advice, string>>> = {
  retry: "Retry",
  "free-space": "Retry",
  reload: "Load again",
  redownload: "Download again",
};

/** A server that refuses today may have the file tomorrow, even if the address is more likely to be wrong. */
function buttonFor(error: TercetError): string | undefined {
  return error.code === "HTTP_STATUS" ? "Retry" : BUTTON[error.advice];
}

/** The library's sentences read "what happened: what to do"; the halves get their own lines. */
function split(error: TercetError): [what: string, advice: string] {
  const suffix = error.detail ? ` (${error.detail})` : "";
  const text = error.message.endsWith(suffix)
    ? error.message.slice(0, error.message.length - suffix.length)
    : error.message;
  const colon = text.indexOf(": ");
  if (colon < 0) return [sentence(text), ADVICE[error.advice]];
  return [sentence(text.slice(0, colon)), sentence(text.slice(colon + 2))];
}

/** Shows `thrown` in `place`. `retry` is offered if the advice is one that a repetition can follow. */
export function showProblem(place: HTMLElement, thrown: unknown, retry?: () => void): void {
  // A mistake of the page itself also has to be seen, and to be told from an error of the library.
  const known = thrown instanceof TercetError;
  const [what, advice] = known
    ? split(thrown as TercetError)
    : ["The page made a mistake.", "Reload it; if it happens again, please report it."];
  const code = known ? (thrown as TercetError).code : "PAGE_FAILED";
  const detail = known ? (thrown as TercetError).detail : String(thrown);

  const row = create("div", "row");
  row.append(create("code", "", code));
  const label = known ? buttonFor(thrown as TercetError) : undefined;
  if (retry && label) {
    const button = create("button", "", label);
    button.type = "button";
    button.addEventListener("click", () => {
      hideProblem(place);
      retry();
    });
    row.append(button);
  }
  const parts: HTMLElement[] = [create("p", "sentence", what), create("p", "", advice)];
  if (detail) parts.push(create("p", "quiet", detail));
  place.replaceChildren(...parts, row);
  place.hidden = false;
}

export function hideProblem(place: HTMLElement): void {
  place.hidden = true;
  place.replaceChildren();
}
