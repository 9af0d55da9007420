// export_conversation.ts: a conversation as a file for people (Markdown) and for programs (JSON). Pure functions.

import type { Conversation } from "./conversation.js";

/** Versioned: whoever reads it can tell what it is. */
const FORMAT = "tercet-conversation-1";

export interface ExportNames {
  user: string;
  assistant: string;
  system: string;
  thinking: string;
}

export function toMarkdown(conversation: Conversation, names: ExportNames): string {
  const parts = [`# ${conversation.title.replace(/\n/g, " ")}`, `*${conversation.modelName}*`];
  if (conversation.kind === "story") {
    parts.push(conversation.messages.map(({ content }) => content).join(""));
    return `${parts.join("\n\n")}\n`;
  }
  if (conversation.system.trim() !== "")
    parts.push(`## ${names.system}`, conversation.system.trim());
  for (const { role, content, thinking } of conversation.messages) {
    parts.push(`## ${names[role]}`);
    if (thinking) parts.push(quoted(`**${names.thinking}**\n\n${thinking.trim()}`));
    if (content.trim() !== "") parts.push(content.trim());
  }
  return `${parts.join("\n\n")}\n`;
}

export function toJson(conversation: Conversation): string {
  const { kind, title, modelId, modelName, system, createdAt, changedAt } = conversation;
  const messages = conversation.messages.map(({ role, content, thinking, finish, figures }) => ({
    role,
    content,
    ...(thinking ? { thinking } : {}),
    ...(finish === undefined ? {} : { finish }),
    ...(figures ? { figures } : {}),
  }));
  const file = {
    format: FORMAT,
    kind,
    title,
    model: { id: modelId, name: modelName },
    createdAt: new Date(createdAt).toISOString(),
    changedAt: new Date(changedAt).toISOString(),
    ...(system.trim() === "" ? {} : { system: system.trim() }),
    messages,
  };
  return `${JSON.stringify(file, null, 2)}\n`;
}

/** "Tom and the shop.md": without what file systems refuse. */
export function fileName(conversation: Conversation, ending: string): string {
  const stem = conversation.title
    .normalize("NFC")
    .replace(/[\u0000-\u001f<>:"/\\|?*…]+/g, " ")
    .trim()
    .replace(/\s+/g, " ")
    .replace(/^\.+|\.+$/g, "");
  return `${stem === "" ? conversation.kind : stem}.${ending}`;
}

function quoted(text: string): string {
  return text
    .split("\n")
    .map((line) => (line === "" ? ">" : `> ${line}`))
    .join("\n");
}
