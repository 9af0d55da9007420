// stick_to_end.ts: keeps the end of a growing text in sight for a reader who is at the end, and leaves alone one who is not.

import type { RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

/** A reader who is so near to the end is at the end. */
const NEAR_PIXELS = 48;

export interface StickToEnd {
  /** For what grows. */
  text: RefObject<HTMLDivElement | null>;
  /** For what lies over the end of the window. */
  cover: RefObject<HTMLDivElement | null>;
  /** Whether the reader is at the end. */
  atEnd: boolean;
  toEnd: () => void;
}

export function useStickToEnd(): StickToEnd {
  const text = useRef<HTMLDivElement>(null);
  const cover = useRef<HTMLDivElement>(null);
  const pinned = useRef(true);
  const [atEnd, setAtEnd] = useState(true);

  const hidden = () => {
    const place = text.current?.getBoundingClientRect();
    if (!place || place.height === 0) return 0;
    const bottom = cover.current?.getBoundingClientRect().height ?? 0;
    return place.bottom - (innerHeight - bottom);
  };
  const toEnd = () => {
    pinned.current = true;
    setAtEnd(true);
    const pixels = hidden();
    if (pixels > 0) scrollBy({ top: pixels, behavior: "instant" });
  };

  useEffect(() => {
    let before = scrollY;
    const onScroll = () => {
      // The text may have grown since: only who went up has left the end.
      if (scrollY < before || !pinned.current) pinned.current = hidden() < NEAR_PIXELS;
      before = scrollY;
      setAtEnd(pinned.current);
    };
    const grown = new ResizeObserver(() => {
      if (pinned.current) toEnd();
      else setAtEnd(hidden() < NEAR_PIXELS);
    });
    if (text.current) grown.observe(text.current);
    addEventListener("scroll", onScroll, { passive: true });
    return () => {
      grown.disconnect();
      removeEventListener("scroll", onScroll);
    };
  }, []);

  return { text, cover, atEnd, toEnd };
}
