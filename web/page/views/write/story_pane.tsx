// story_pane.tsx: a story: the beginning that one writes, and what the model makes of it, as a page of a book or as coloured tokens.

import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { Problem } from "../../parts/problem.js";
import { activity } from "../../state/activity.js";
import { intent } from "../../state/intent.js";
import { model } from "../../state/models.js";
import { strings } from "../../strings.js";
import type { Conversation, NotedToken } from "./conversation.js";
import { CopyButton } from "./copy_button.js";
import type { LiveAnswer } from "./live_answer.js";
import { describe } from "./message_view.js";
import { settings } from "../../state/settings.js";
import { PaneFoot } from "./pane_foot.js";
import { useStickToEnd } from "./stick_to_end.js";
import { StoryText } from "./story_text.js";
import { TokenText } from "./token_text.js";
import { fitsModel, goOn, live, problem, regenerate, retry, write } from "./writing.js";

const words = strings.write;
const NOTHING_NOTED: NotedToken[] = [];

export function StoryPane({ conversation }: { conversation: Conversation }) {
  const [beginning, told] = conversation.messages;
  const end = useStickToEnd();
  const { toEnd } = end;
  const field = useRef<HTMLTextAreaElement>(null);
  const answer = live.value?.conversation === conversation.id ? live.value.answer : null;
  const usable = fitsModel(conversation, model.value);
  const free = usable && !activity.value?.running;

  useLayoutEffect(() => {
    if (field.current) field.current.value = beginning?.content ?? words.prompt;
  }, []);
  useEffect(() => {
    if (told) toEnd();
  }, []);
  const begin = (typed: string) => {
    // What one wrote stays: another story from the same beginning is one key away.
    if (field.current) field.current.value = typed;
    void write(typed);
    requestAnimationFrame(toEnd);
  };
  // The first view sends its visitor here to see a text being written.
  const wanted = intent.value === "write";
  useEffect(() => {
    if (!wanted || !free) return;
    intent.value = null;
    begin(field.current?.value || words.prompt);
  }, [wanted, free]);
  const coloured = settings.value.coloured;
  const whole = told?.noted !== undefined || told === undefined;
  return (
    <div class="story-pane">
      <div class="thread" ref={end.text}>
        {!beginning && (
          <div class="empty">
            <p class="lead">{words.storyEmpty}</p>
            <p class="quiet">{words.storyEmptyHint(model.value?.info.name ?? "")}</p>
            <ul class="ideas">
              {words.storyIdeas.map((idea) => (
                <li key={idea}>
                  <button type="button" disabled={!free} onClick={() => begin(idea)}>
                    {idea} …
                  </button>
                </li>
              ))}
            </ul>
          </div>
        )}
        {beginning && coloured && whole && (
          <ColouredStory beginning={beginning.content} told={told?.noted} answer={answer} />
        )}
        {beginning && !(coloured && whole) && (
          <StoryText beginning={beginning.content} text={told?.content ?? ""} answer={answer} />
        )}
        {beginning && coloured && !whole && <p class="quiet">{words.notNoted}</p>}
        {beginning && (
          <div class="story-end">
            {told && !answer && (
              <p class="quiet ending" id="ending">
                {told.finish ? words.endings[told.finish] : words.cutOff}
              </p>
            )}
            {told && (
              <div class={`message-actions ${answer ? "waiting" : ""}`}>
                <CopyButton text={() => beginning.content + told.content} label={words.copy} />
                <button
                  type="button"
                  class="plain"
                  id="again"
                  disabled={!free}
                  onClick={() => void regenerate()}
                >
                  {words.another}
                </button>
                <button
                  type="button"
                  class="plain"
                  id="go-on"
                  disabled={!free || told.finish === "context"}
                  onClick={() => void goOn()}
                >
                  {words.goOn}
                </button>
                {told.figures && (
                  <p class="quiet answer-figures">
                    {describe(told.figures)} · {words.seedOf(told.figures.seed)}
                  </p>
                )}
              </div>
            )}
          </div>
        )}
        {problem.value !== null && !answer && (
          <Problem id="write-problem" error={problem.value} onRetry={() => void retry()} />
        )}
      </div>
      <PaneFoot
        end={end}
        ids={{ field: "prompt", button: "write" }}
        field={field}
        usable={usable}
        running={answer !== null}
        label={words.promptLabel}
        action={words.write}
        placeholder={usable ? words.promptPlaceholder : words.otherModel}
        onSend={begin}
      />
    </div>
  );
}

function ColouredStory(props: {
  beginning: string;
  told: NotedToken[] | undefined;
  answer: LiveAnswer | null;
}) {
  const { beginning, told = NOTHING_NOTED, answer } = props;
  return (
    <div class="story coloured" id="story">
      <span class="opening">{beginning}</span>
      {told.length > 0 && <TokenText tokens={told} />}
      {answer && <TokenText tokens={answer.noted} live={answer} />}
    </div>
  );
}
