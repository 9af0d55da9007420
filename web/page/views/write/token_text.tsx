// token_text.tsx: a text as its tokens, each shaded by how likely the model held it, with what it might have written instead under
// the pointer and under the keyboard's focus. The tokens are one list to the keyboard: one stop, then arrow keys. Spans are
// made by hand and only ever added, as there are thousands of them and more each frame.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { strings } from "../../strings.js";
import type { NotedToken } from "./conversation.js";
import type { LiveAnswer } from "./live_answer.js";
import { formatProbability, shadeOf, visibleToken } from "./token_shades.js";

interface Shown {
  index: number;
  /** In the window, in pixels. */
  left: number;
  top: number;
  above: boolean;
}

const CARD_WIDTH = 224;
const CARD_HEIGHT = 190;

let lists = 0;

export function TokenText(props: { tokens: readonly NotedToken[]; live?: LiveAnswer | undefined }) {
  const { tokens, live } = props;
  const list = useRef<HTMLDivElement>(null);
  const [id] = useState(() => `tokens-${lists++}`);
  const [shown, setShown] = useState<Shown | null>(null);

  useLayoutEffect(() => {
    const place = list.current;
    if (!place) return;
    place.replaceChildren();
    append(place, tokens, id);
    return live?.listen(() => append(place, tokens, id));
  }, [tokens, live]);

  const show = (index: number, said: boolean) => {
    const place = list.current;
    const span = place?.children[index];
    if (!place || !(span instanceof HTMLElement)) return;
    for (const old of place.querySelectorAll("[aria-selected]"))
      old.removeAttribute("aria-selected");
    span.setAttribute("aria-selected", "true");
    if (said) {
      span.setAttribute("aria-label", spoken(tokens[index]!));
      place.setAttribute("aria-activedescendant", span.id);
      span.scrollIntoView({ block: "nearest" });
    }
    setShown({ index, ...placeOf(span) });
  };
  const hide = () => {
    list.current?.querySelector("[aria-selected]")?.removeAttribute("aria-selected");
    setShown(null);
  };

  useEffect(() => {
    if (shown === null) return;
    const follow = () => {
      const span = list.current?.children[shown.index];
      if (span instanceof HTMLElement) setShown({ index: shown.index, ...placeOf(span) });
    };
    addEventListener("resize", follow);
    addEventListener("scroll", follow, { passive: true });
    return () => {
      removeEventListener("resize", follow);
      removeEventListener("scroll", follow);
    };
  }, [shown?.index]);

  const onKeyDown = (event: KeyboardEvent) => {
    const last = tokens.length - 1;
    const at = shown?.index ?? -1;
    const next = {
      ArrowRight: Math.min(at + 1, last),
      ArrowDown: Math.min(at + 10, last),
      ArrowLeft: Math.max(at - 1, 0),
      ArrowUp: Math.max(at - 10, 0),
      Home: 0,
      End: last,
    }[event.key];
    if (event.key === "Escape" && shown) {
      event.stopPropagation();
      hide();
    }
    if (next === undefined) return;
    event.preventDefault();
    show(next, true);
  };

  return (
    <div class="token-text" onPointerLeave={hide}>
      <div
        ref={list}
        class="tokens"
        role="listbox"
        aria-orientation="horizontal"
        aria-label={strings.write.tokensLabel}
        tabIndex={0}
        onKeyDown={onKeyDown}
        onFocus={() => shown ?? show(0, true)}
        onBlur={hide}
        onPointerOver={(event) => {
          const index = indexOf(event.target);
          if (index !== null) show(index, false);
        }}
        onClick={(event) => {
          const index = indexOf(event.target);
          if (index !== null) show(index, false);
        }}
      />
      {shown && tokens[shown.index] && <Card token={tokens[shown.index]!} at={shown} />}
    </div>
  );
}

function Card({ token, at }: { token: NotedToken; at: Shown }) {
  const place = useRef<HTMLDivElement>(null);
  // By script: the page's content policy forbids style attributes in markup, not this.
  useLayoutEffect(() => {
    if (!place.current) return;
    place.current.style.left = `${at.left}px`;
    place.current.style.top = `${at.top}px`;
  }, [at]);
  const [text, logprob, top] = token;
  const rows = top.some(([other]) => other === text) ? top : [[text, logprob] as const, ...top];
  return (
    <div ref={place} class={`alternatives${at.above ? " above" : ""}`} aria-hidden="true">
      <table>
        <tbody>
          {rows.map(([other, value], i) => (
            <tr key={i} class={other === text ? "chosen" : undefined}>
              <td>{visibleToken(other)}</td>
              <td>
                <meter min={0} max={1} value={Math.exp(value)} />
              </td>
              <td>{formatProbability(value)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Of the card beside a token: below it, or above where there is no room, and never beyond the window's sides. */
function placeOf(span: HTMLElement): Omit<Shown, "index"> {
  const [box = span.getBoundingClientRect()] = span.getClientRects();
  const above = box.bottom + CARD_HEIGHT > innerHeight && box.top > CARD_HEIGHT;
  return {
    left: Math.max(8, Math.min(box.left, document.documentElement.clientWidth - CARD_WIDTH - 8)),
    top: above ? box.top : box.bottom,
    above,
  };
}

/** Adds the spans that are missing. */
function append(place: HTMLElement, tokens: readonly NotedToken[], id: string): void {
  const fresh = document.createDocumentFragment();
  for (let i = place.childElementCount; i < tokens.length; i++) {
    const [text, logprob] = tokens[i]!;
    const span = document.createElement("span");
    span.className = `shade-${shadeOf(logprob)}`;
    span.id = `${id}-${i}`;
    span.setAttribute("role", "option");
    span.textContent = text;
    fresh.append(span);
  }
  place.append(fresh);
}

function indexOf(target: EventTarget | null): number | null {
  if (!(target instanceof HTMLElement) || target.getAttribute("role") !== "option") return null;
  return Number(target.id.slice(target.id.lastIndexOf("-") + 1));
}

function spoken([text, logprob, top]: NotedToken): string {
  const others = top
    .filter(([other]) => other !== text)
    .map(([other, value]) =>
      strings.write.tokenSpoken(visibleToken(other), formatProbability(value)),
    );
  const own = strings.write.tokenSpoken(visibleToken(text), formatProbability(logprob));
  return others.length > 0 ? strings.write.tokenInstead(own, others.join(", ")) : own;
}
