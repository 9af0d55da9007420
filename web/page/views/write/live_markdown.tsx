// live_markdown.tsx: an answer that streams in, as Markdown. The Markdown is read a few times a second; what comes between goes
// letter by letter to one text node at its end, once a frame.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { ModelInfo } from "../../library.js";
import type { LiveAnswer } from "./live_answer.js";
import { Markdown } from "./markdown.js";
import { splitText } from "./thinking_text.js";
import { Thinking } from "./thinking.js";

const READ_EVERY_MS = 100;

export function LiveMarkdown(props: { live: LiveAnswer; marks: ModelInfo["thinkingMarks"] }) {
  const { live, marks } = props;
  const [shown, setShown] = useState(() => splitText(live.text, marks));
  const tail = useRef<HTMLSpanElement>(null);
  const shownContent = useRef("");

  const fillTail = (content: string) => {
    const place = tail.current;
    if (!place) return;
    const rest = content.slice(shownContent.current.length);
    const node = place.firstChild;
    if (!(node instanceof Text)) place.append(rest);
    else if (rest.startsWith(node.data)) node.appendData(rest.slice(node.data.length));
    else node.data = rest;
  };

  useEffect(() => {
    let lastRead = 0;
    let timer = 0;
    const read = () => {
      clearTimeout(timer);
      timer = 0;
      lastRead = performance.now();
      setShown(splitText(live.text, marks));
    };
    const stop = live.listen(() => {
      const wait = READ_EVERY_MS - (performance.now() - lastRead);
      if (wait <= 0) return read();
      fillTail(splitText(live.text, marks).content);
      timer ||= setTimeout(read, wait) as unknown as number;
    });
    read();
    return () => {
      stop();
      clearTimeout(timer);
    };
  }, [live]);

  useLayoutEffect(() => {
    shownContent.current = shown.content;
    // A piece may have come since this was read.
    fillTail(splitText(live.text, marks).content);
  }, [shown]);

  return (
    <>
      {(shown.thinking !== "" || shown.open) && (
        <Thinking text={shown.thinking} open={shown.open} />
      )}
      <Markdown text={shown.content} tail={<span class="tail" ref={tail} />} />
    </>
  );
}
