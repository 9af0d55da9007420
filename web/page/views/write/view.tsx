// view.tsx: writing with the model: stories with one that continues texts, conversations with one that answers. Texts that were
// kept are on the left, or behind a button where there is no room.

import { useEffect, useState } from "preact/hooks";
import { addressOf } from "../../state/routes.js";
import { model, opening } from "../../state/models.js";
import { strings } from "../../strings.js";
import { ChatPane } from "./chat_pane.js";
import { ConversationBar } from "./conversation_bar.js";
import { ConversationList } from "./conversation_list.js";
import { Dialog } from "./dialog.js";
import { SettingsDialog } from "./settings_dialog.js";
import { StoryPane } from "./story_pane.js";
import { current, enter, kindOf, openConversation, startNew } from "./writing.js";

const words = strings.write;

export default function WriteView() {
  const [dialog, setDialog] = useState<"settings" | "texts" | null>(null);
  const close = () => setDialog(null);
  useEffect(() => model.subscribe(enter), []);
  const conversation = current.value;
  const kind = conversation?.kind ?? (model.value ? kindOf(model.value) : null);
  const pick = (id: string | null) => {
    close();
    void (id === null ? startNew() : openConversation(id));
  };
  return (
    <div class="write">
      <aside class="texts" aria-label={words.texts}>
        <ConversationList onPick={pick} />
      </aside>
      <div class="desk">
        <ConversationBar
          onSettings={() => setDialog("settings")}
          onTexts={() => setDialog("texts")}
        />
        {kind === "chat" && conversation && (
          <ChatPane key={conversation.id} conversation={conversation} />
        )}
        {kind === "story" && conversation && <StoryPane conversation={conversation} />}
        {!conversation && <NoModel />}
      </div>
      {dialog === "settings" && <SettingsDialog onClose={close} />}
      {dialog === "texts" && (
        <Dialog title={words.texts} className="drawer" onClose={close}>
          <ConversationList onPick={pick} />
        </Dialog>
      )}
    </div>
  );
}

function NoModel() {
  const { value } = opening;
  const busy = value.state === "opening" || value.state === "open";
  return (
    <div class="empty">
      <p class="lead">{busy ? words.opening : words.noModel}</p>
      {!busy && (
        <p>
          <a class="button" href={addressOf("")}>
            {words.toStart}
          </a>
        </p>
      )}
    </div>
  );
}
