// conversation_store.ts: conversations in IndexedDB, in a database of the page's own. A conversation is one record, so what is
// found is whole. What the engine computed of it is the library's to keep (Session.save).

import { openDB, type DBSchema, type IDBPDatabase } from "idb";
import { isConversation, type Conversation } from "./conversation.js";

/** A line of the list. */
export type ConversationTitle = Pick<
  Conversation,
  "id" | "kind" | "title" | "modelId" | "modelName" | "changedAt"
>;

interface Schema extends DBSchema {
  conversations: { key: string; value: Conversation };
}

/** Opened for each piece of work: an open connection would hold up another tab with a newer page. */
async function use<Value>(
  work: (database: IDBPDatabase<Schema>) => Promise<Value>,
): Promise<Value> {
  const database = await openDB<Schema>("tercet-conversations", 1, {
    upgrade(fresh) {
      fresh.createObjectStore("conversations", { keyPath: "id" });
    },
    blocking: (_current, _blocked, event) => (event.target as IDBDatabase).close(),
  });
  try {
    return await work(database);
  } finally {
    database.close();
  }
}

/** The newest first, without what readConversation gives nothing of. Their messages are left out: a list does not need them. */
export async function listConversations(): Promise<ConversationTitle[]> {
  const titles: ConversationTitle[] = [];
  await use(async (database) => {
    let cursor = await database.transaction("conversations").store.openCursor();
    for (; cursor; cursor = await cursor.continue()) {
      if (!isConversation(cursor.value)) continue;
      const { id, kind, title, modelId, modelName, changedAt } = cursor.value;
      titles.push({ id, kind, title, modelId, modelName, changedAt });
    }
  });
  return titles.sort((a, b) => b.changedAt - a.changedAt || (a.id < b.id ? -1 : 1));
}

/** undefined: there is none, or what is there could not be shown. That stays as it is: another version of the page may know it. */
export async function readConversation(id: string): Promise<Conversation | undefined> {
  const found = await use((database) => database.get("conversations", id));
  return isConversation(found) ? found : undefined;
}

export async function writeConversation(conversation: Conversation): Promise<void> {
  await use((database) => database.put("conversations", conversation));
}

export async function deleteConversation(id: string): Promise<void> {
  await use((database) => database.delete("conversations", id));
}
