// conversation_list.tsx: the texts that are kept in this browser, the newest first, by days.

import { model } from "../../state/models.js";
import { strings } from "../../strings.js";
import type { ConversationTitle } from "./conversation_store.js";
import { current, kindOf, titles } from "./writing.js";

const words = strings.write;

export function ConversationList({ onPick }: { onPick: (id: string | null) => void }) {
  const opened = model.value;
  const label =
    opened === null ? words.newText : kindOf(opened) === "story" ? words.newStory : words.newChat;
  return (
    <div class="text-list">
      <button
        type="button"
        class="new-text"
        disabled={opened === null}
        onClick={() => onPick(null)}
      >
        {label}
      </button>
      {titles.value.length === 0 && <p class="quiet">{words.noTexts}</p>}
      {byDay(titles.value).map(([day, some]) => (
        <section key={day}>
          <h2>{day}</h2>
          <ul>
            {some.map(({ id, title, kind }) => (
              <li key={id}>
                <button
                  type="button"
                  class="text-title"
                  aria-current={current.value?.id === id ? "true" : undefined}
                  title={title}
                  onClick={() => onPick(id)}
                >
                  <span class={`kind ${kind}`} aria-hidden="true" />
                  <span class="name">{title || words.untitled}</span>
                </button>
              </li>
            ))}
          </ul>
        </section>
      ))}
    </div>
  );
}

function byDay(all: readonly ConversationTitle[]): [string, ConversationTitle[]][] {
  const days = new Map<string, ConversationTitle[]>();
  for (const title of all) {
    const day = nameOfDay(new Date(title.changedAt));
    const some = days.get(day);
    if (some) some.push(title);
    else days.set(day, [title]);
  }
  return [...days];
}

function nameOfDay(date: Date): string {
  const midnight = new Date();
  midnight.setHours(0, 0, 0, 0);
  if (date >= midnight) return words.today;
  midnight.setDate(midnight.getDate() - 1);
  if (date >= midnight) return words.yesterday;
  return date.toLocaleDateString("en", { day: "numeric", month: "long", year: "numeric" });
}
