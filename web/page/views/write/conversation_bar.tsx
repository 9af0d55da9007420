// conversation_bar.tsx: the line above a text: its title, the switch for coloured tokens, settings, and what can be done with the
// text as a whole.

import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { strings } from "../../strings.js";
import type { Conversation } from "./conversation.js";
import { Dialog } from "./dialog.js";
import { fileName, toJson, toMarkdown } from "./export_conversation.js";
import { changeSettings, settings } from "../../state/settings.js";
import { current, remove, rename } from "./writing.js";

const words = strings.write;

export function ConversationBar(props: { onSettings: () => void; onTexts: () => void }) {
  const conversation = current.value;
  const [renaming, setRenaming] = useState(false);
  const [deleting, setDeleting] = useState(false);
  const kept = conversation !== null && conversation.messages.length > 0;
  useEffect(() => setRenaming(false), [conversation?.id]);
  return (
    <div class="bar">
      <button type="button" class="plain texts-button" onClick={props.onTexts}>
        {words.texts}
      </button>
      {kept && renaming ? (
        <TitleField conversation={conversation} onDone={() => setRenaming(false)} />
      ) : kept ? (
        <h2 class="text-name">{conversation.title || words.untitled}</h2>
      ) : (
        <span class="text-name" />
      )}
      <div class="bar-actions">
        <label class="switch">
          <input
            type="checkbox"
            role="switch"
            id="coloured"
            checked={settings.value.coloured}
            onChange={(event) => changeSettings({ coloured: event.currentTarget.checked })}
          />
          <span>{words.coloured}</span>
        </label>
        <button type="button" class="plain" id="settings" onClick={props.onSettings}>
          {words.settings}
        </button>
        <Menu disabled={!kept}>
          <button type="button" onClick={() => setRenaming(true)}>
            {words.rename}
          </button>
          <button type="button" onClick={() => exportAs(conversation, "md")}>
            {words.exportMarkdown}
          </button>
          <button type="button" onClick={() => exportAs(conversation, "json")}>
            {words.exportJson}
          </button>
          <button type="button" onClick={() => setDeleting(true)}>
            {words.delete}
          </button>
        </Menu>
      </div>
      {deleting && conversation && (
        <Dialog title={words.deleteTitle} className="small" onClose={() => setDeleting(false)}>
          <p>{words.deleteSure(conversation.title || words.untitled)}</p>
          <div class="row">
            <button
              type="button"
              class="primary"
              onClick={() => {
                setDeleting(false);
                void remove(conversation.id);
              }}
            >
              {words.delete}
            </button>
          </div>
        </Dialog>
      )}
    </div>
  );
}

function TitleField(props: { conversation: Conversation; onDone: () => void }) {
  const { conversation, onDone } = props;
  const field = useRef<HTMLInputElement>(null);
  // Before anything can be typed: later it would select that.
  useLayoutEffect(() => {
    field.current?.focus();
    field.current?.select();
  }, []);
  // Once: the field also loses the focus when it goes.
  const over = useRef(false);
  const done = (take: boolean) => {
    const { current } = field;
    if (over.current || !current) return;
    over.current = true;
    onDone();
    if (take && current.value !== conversation.title) void rename(conversation.id, current.value);
  };
  return (
    <form
      class="title-form"
      onSubmit={(event) => {
        event.preventDefault();
        done(true);
      }}
    >
      <input
        ref={field}
        class="title-field"
        aria-label={words.titleLabel}
        maxLength={120}
        defaultValue={conversation.title}
        onBlur={() => done(true)}
        onKeyDown={(event) => {
          if (event.key !== "Escape") return;
          event.stopPropagation();
          done(false);
        }}
      />
    </form>
  );
}

/** A button with further ones behind it; closed by choosing, by Escape and by going elsewhere. */
function Menu(props: { disabled: boolean; children: ComponentChildren }) {
  const place = useRef<HTMLDetailsElement>(null);
  const close = (focus: boolean) => {
    const details = place.current;
    if (!details?.open) return;
    details.open = false;
    if (focus) details.querySelector("summary")?.focus();
  };
  useEffect(() => {
    const outside = (event: Event) => {
      if (!place.current?.contains(event.target as Node)) close(false);
    };
    document.addEventListener("pointerdown", outside);
    return () => document.removeEventListener("pointerdown", outside);
  }, []);
  return (
    <details
      class={`menu ${props.disabled ? "unused" : ""}`}
      ref={place}
      onKeyDown={(event) => {
        if (event.key !== "Escape" || !place.current?.open) return;
        event.stopPropagation();
        close(true);
      }}
      onFocusOut={(event) => {
        const to = event.relatedTarget;
        if (to instanceof Node && !place.current?.contains(to)) close(false);
      }}
    >
      <summary aria-label={words.more}>
        <span aria-hidden="true">•••</span>
      </summary>
      <div class="menu-items" onClick={() => close(false)}>
        {props.children}
      </div>
    </details>
  );
}

function exportAs(conversation: Conversation | null, ending: "md" | "json"): void {
  if (conversation === null) return;
  const text = ending === "md" ? toMarkdown(conversation, words.roles) : toJson(conversation);
  const type = ending === "md" ? "text/markdown" : "application/json";
  const address = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
  const link = document.createElement("a");
  link.href = address;
  link.download = fileName(conversation, ending);
  link.click();
  // The browser has begun to read it by then.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
