// story_text.tsx: joins the page of a story (story_view.ts), which is written by hand for speed, to the view.

import { useLayoutEffect, useRef } from "preact/hooks";
import { strings } from "../../strings.js";
import type { LiveAnswer } from "./live_answer.js";
import { StoryView } from "./story_view.js";

interface StoryTextProps {
  beginning: string;
  /** What the model has written of it, without what comes in. */
  text: string;
  /** What comes in. */
  answer: LiveAnswer | null;
}

export function StoryText({ beginning, text, answer }: StoryTextProps) {
  const place = useRef<HTMLDivElement>(null);
  const shown = useRef<{ view: StoryView; text: string } | null>(null);
  useLayoutEffect(() => {
    if (!place.current) return;
    const wanted = beginning + text + (answer?.text ?? "");
    let { current } = shown;
    // What is shown already stays as it is, letter for letter: only what is new is added.
    if (!current || !wanted.startsWith(current.text) || current.text.length < beginning.length) {
      const view = new StoryView(place.current);
      view.begin(beginning);
      current = shown.current = { view, text: beginning };
    }
    const own = current;
    const catchUp = () => {
      const now = beginning + text + (answer?.text ?? "");
      own.view.append(now.slice(own.text.length));
      own.text = now;
    };
    catchUp();
    own.view.setWriting(answer !== null);
    return answer?.listen(catchUp);
  }, [beginning, text, answer]);
  return <div class="story" id="story" role="group" aria-label={strings.write.story} ref={place} />;
}
