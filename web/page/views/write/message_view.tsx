// message_view.tsx: one message of a conversation with what can be done with it. The row of buttons has its room from the first
// moment, so that nothing moves when an answer is done.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { formatMeasured, formatSpeed, formatTokens } from "../../format.js";
import { model } from "../../state/models.js";
import { strings } from "../../strings.js";
import type { AnswerFigures, Message } from "./conversation.js";
import { CopyButton } from "./copy_button.js";
import type { LiveAnswer } from "./live_answer.js";
import { LiveMarkdown } from "./live_markdown.js";
import { Markdown } from "./markdown.js";
import { settings } from "../../state/settings.js";
import { Thinking } from "./thinking.js";
import { TokenText } from "./token_text.js";
import { regenerate, send } from "./writing.js";

const words = strings.write;

interface MessageProps {
  message: Message;
  index: number;
  last: boolean;
  /** Whether the model is there and free. */
  usable: boolean;
}

export function MessageView({ message, index, last, usable }: MessageProps) {
  const [editing, setEditing] = useState(false);
  const { role, content, thinking, finish, figures, noted } = message;
  if (editing)
    return (
      <article class="message user" aria-label={words.roles.user}>
        <EditField
          content={content}
          onCancel={() => setEditing(false)}
          onSend={(changed) => {
            setEditing(false);
            void send(changed, index);
          }}
        />
      </article>
    );
  if (role === "user")
    return (
      <article class="message user" aria-label={words.roles.user}>
        <p class="as-is said">{content}</p>
        <div class="message-actions">
          <CopyButton text={() => content} label={words.copy} />
          <button type="button" class="plain" disabled={!usable} onClick={() => setEditing(true)}>
            {words.edit}
          </button>
        </div>
      </article>
    );
  const coloured = settings.value.coloured;
  return (
    <article class="message assistant" aria-label={words.roles.assistant}>
      {coloured && noted ? (
        <TokenText tokens={noted} />
      ) : (
        <>
          {thinking && <Thinking text={thinking} open={false} />}
          <Markdown text={content} />
        </>
      )}
      {content.trim() === "" && !thinking && <p class="quiet nothing">{words.nothing}</p>}
      {coloured && !noted && <p class="quiet">{words.notNoted}</p>}
      {note(finish) && <p class="quiet cut">{note(finish)}</p>}
      <div class="message-actions">
        <CopyButton text={() => content} label={words.copy} />
        {last && (
          <button type="button" class="plain" disabled={!usable} onClick={() => void regenerate()}>
            {words.regenerate}
          </button>
        )}
        {figures && <p class="quiet answer-figures">{describe(figures)}</p>}
      </div>
    </article>
  );
}

/** The answer that comes in. */
export function LiveMessage({ answer }: { answer: LiveAnswer }) {
  const coloured = settings.value.coloured;
  const marks = model.value?.info.thinkingMarks ?? null;
  const [begun, setBegun] = useState(answer.text !== "");
  useEffect(() => answer.listen(() => setBegun(true)), [answer]);
  return (
    <article class="message assistant live" aria-label={words.roles.assistant} aria-busy="true">
      {!begun && <p class="quiet waiting">{words.reading}</p>}
      {begun && coloured && <TokenText tokens={answer.noted} live={answer} />}
      {begun && !coloured && <LiveMarkdown live={answer} marks={marks} />}
      <div class="message-actions" />
    </article>
  );
}

function EditField(props: {
  content: string;
  onCancel: () => void;
  onSend: (content: string) => void;
}) {
  const field = useRef<HTMLTextAreaElement>(null);
  // Before anything can be typed: later it would undo a selection.
  useLayoutEffect(() => {
    const { current } = field;
    current?.focus();
    current?.setSelectionRange(current.value.length, current.value.length);
  }, []);
  const done = () => {
    const text = field.current?.value ?? "";
    if (text.trim() !== "") props.onSend(text);
  };
  return (
    <form
      class="edit"
      onSubmit={(event) => {
        event.preventDefault();
        done();
      }}
    >
      <textarea
        ref={field}
        aria-label={words.editLabel}
        aria-describedby="edit-hint"
        defaultValue={props.content}
        onKeyDown={(event) => {
          if (event.key === "Escape") {
            event.stopPropagation();
            props.onCancel();
          }
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          done();
        }}
      />
      <div class="row">
        <p class="quiet" id="edit-hint">
          {words.editHint}
        </p>
        <div class="actions">
          <button type="button" class="plain" onClick={props.onCancel}>
            {words.cancel}
          </button>
          <button type="submit" class="primary">
            {words.resend}
          </button>
        </div>
      </div>
    </form>
  );
}

/** Why an answer is not whole; an answer that ended by itself needs no word. */
function note(finish: Message["finish"]): string {
  if (finish === undefined || finish === "stop" || finish === "stop-text") return "";
  return finish === null ? words.cutOff : words.endings[finish];
}

export function describe(figures: AnswerFigures): string {
  const { tokens, tokensPerSecond, secondsToFirst, promptTokens, reusedTokens } = figures;
  const parts = [formatTokens(tokens)];
  if (tokens > 0)
    parts.push(formatSpeed(tokensPerSecond), words.firstAfter(formatMeasured(secondsToFirst)));
  if (reusedTokens > 0) parts.push(words.reused(reusedTokens, promptTokens));
  return parts.join(" · ");
}
