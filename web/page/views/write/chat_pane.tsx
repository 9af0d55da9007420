// chat_pane.tsx: a conversation: what was said, the answer that comes in, and the field for what is said next.

import { useEffect, useRef } from "preact/hooks";
import { Problem } from "../../parts/problem.js";
import { activity } from "../../state/activity.js";
import { intent } from "../../state/intent.js";
import { model } from "../../state/models.js";
import { strings } from "../../strings.js";
import type { Conversation } from "./conversation.js";
import { LiveMessage, MessageView } from "./message_view.js";
import { PaneFoot } from "./pane_foot.js";
import { useStickToEnd } from "./stick_to_end.js";
import { changeSystem, fitsModel, live, problem, retry, send } from "./writing.js";

const words = strings.write;

export function ChatPane({ conversation }: { conversation: Conversation }) {
  const { messages } = conversation;
  const end = useStickToEnd();
  const { toEnd } = end;
  const answering = live.value?.conversation === conversation.id ? live.value.answer : null;
  const usable = fitsModel(conversation, model.value);
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    toEnd();
    // The first view asked for a text: here somebody has to say something first.
    if (intent.value === "write") intent.value = null;
  }, []);
  const say = (content: string) => {
    void send(content);
    // What was just said is in sight, wherever the reader was.
    requestAnimationFrame(toEnd);
  };
  return (
    <div class="chat-pane">
      <div class="thread" ref={end.text}>
        <SystemPrompt conversation={conversation} />
        {messages.length === 0 && (
          <div class="empty">
            <p class="lead">{words.chatEmpty}</p>
            <p class="quiet">{words.chatEmptyHint(model.value?.info.name ?? "")}</p>
            <ul class="ideas">
              {words.chatIdeas.map((idea) => (
                <li key={idea}>
                  <button type="button" disabled={!usable} onClick={() => say(idea)}>
                    {idea}
                  </button>
                </li>
              ))}
            </ul>
          </div>
        )}
        {messages.map((message, index) => (
          <MessageView
            key={index}
            message={message}
            index={index}
            last={index === messages.length - 1}
            usable={usable && !activity.value?.running}
          />
        ))}
        {answering && <LiveMessage answer={answering} />}
        {problem.value !== null && !answering && (
          <Problem id="write-problem" error={problem.value} onRetry={() => void retry()} />
        )}
      </div>
      <PaneFoot
        end={end}
        ids={{ field: "message", button: "send" }}
        field={field}
        usable={usable}
        running={answering !== null}
        label={words.messageLabel}
        action={words.send}
        placeholder={usable ? words.messagePlaceholder : words.otherModel}
        onSend={say}
      />
    </div>
  );
}

function SystemPrompt({ conversation }: { conversation: Conversation }) {
  return (
    <details class="system">
      <summary>
        {words.system}
        {conversation.system.trim() !== "" && (
          <span class="quiet system-text">{conversation.system.trim()}</span>
        )}
      </summary>
      <textarea
        id="system"
        rows={2}
        aria-label={words.system}
        aria-describedby="system-hint"
        value={conversation.system}
        onChange={(event) => changeSystem(event.currentTarget.value)}
      />
      <p class="quiet" id="system-hint">
        {words.systemHint}
      </p>
    </details>
  );
}
