// conversation.ts: what is kept of a conversation or a story, and what can be done to it, as pure functions: every change is
// a new value, so that a view can compare. It knows neither the engine nor the storage.

import type { ChatMessage, FinishReason, ModelInfo, TokenLogprob } from "../../library.js";

/** A token as it is kept: [text, ln of its probability, the likeliest ones as [text, ln]]. Short, as there are many. */
export type NotedToken = [text: string, logprob: number, top: [text: string, logprob: number][]];

/** How an answer came about. */
export interface AnswerFigures {
  tokens: number;
  tokensPerSecond: number;
  secondsToFirst: number;
  promptTokens: number;
  /** Of these, not computed again. */
  reusedTokens: number;
  /** As a text: it may be above 2^53. */
  seed: string;
}

export interface Message {
  role: "user" | "assistant";
  /** Of an answer: without its thinking. */
  content: string;
  thinking?: string;
  /** null: it was left in the middle, by an error or by closing the page. */
  finish?: FinishReason | null;
  figures?: AnswerFigures;
  /** What was noted of its tokens, thinking and its marks included; absent when nothing was. */
  noted?: NotedToken[];
}

export interface Conversation {
  id: string;
  /** "story": its messages are one beginning and one continuation. */
  kind: "chat" | "story";
  title: string;
  /** Whether the title was given by hand: then it stays. */
  named: boolean;
  modelId: string;
  modelName: string;
  system: string;
  messages: Message[];
  /** As Date.now(). */
  createdAt: number;
  changedAt: number;
}

const TITLE_CHARACTERS = 48;

export function newConversation(
  kind: Conversation["kind"],
  model: Pick<ModelInfo, "modelId" | "name">,
  now: number,
): Conversation {
  return {
    id: crypto.randomUUID(),
    kind,
    title: "",
    named: false,
    modelId: model.modelId,
    modelName: model.name,
    system: "",
    messages: [],
    createdAt: now,
    changedAt: now,
  };
}

/**
 * Whether a record of the storage is a conversation as it is kept here. It may be of another version or changed by hand, and showing,
 * exporting or going on with less would fail in the middle.
 */
export function isConversation(record: unknown): record is Conversation {
  const found = Object(record) as Partial<Record<keyof Conversation, unknown>>;
  return (
    (found.kind === "chat" || found.kind === "story") &&
    [found.id, found.title, found.modelId, found.modelName, found.system].every(isText) &&
    [found.createdAt, found.changedAt].every(isTime) &&
    isArrayOf(isMessage)(found.messages)
  );
}

const isText = (value: unknown) => typeof value === "string";
const isNumber = (value: unknown) => typeof value === "number";
const isTime = (value: unknown) => isNumber(value) && !isNaN(new Date(value as number).getTime());
const isArrayOf = (sound: (item: unknown) => boolean) => (value: unknown) =>
  Array.isArray(value) && value.every(sound);

function isMessage(value: unknown): boolean {
  const { role, content, thinking, figures, noted } = Object(value) as Record<string, unknown>;
  return (
    (role === "user" || role === "assistant") &&
    isText(content) &&
    (thinking === undefined || isText(thinking)) &&
    (figures === undefined || isFigures(figures)) &&
    (noted === undefined || isArrayOf(isNoted)(noted))
  );
}

function isFigures(value: unknown): boolean {
  const found = Object(value) as Partial<Record<keyof AnswerFigures, unknown>>;
  const { seed, tokens, tokensPerSecond, secondsToFirst, promptTokens, reusedTokens } = found;
  const numbers = [tokens, tokensPerSecond, secondsToFirst, promptTokens, reusedTokens];
  return isText(seed) && numbers.every(isNumber);
}

function isNoted(value: unknown): boolean {
  const isLikely = (one: unknown) => Array.isArray(one) && isText(one[0]) && isNumber(one[1]);
  return isLikely(value) && isArrayOf(isLikely)((value as unknown[])[2]);
}

/** The first line that says something, cut at a word. */
export function titleOf(text: string): string {
  const line = text.trim().split("\n", 1)[0]?.trim().replace(/\s+/g, " ") ?? "";
  if (line.length <= TITLE_CHARACTERS) return line;
  // Not in the middle of a character that takes two.
  const cut = line.slice(0, TITLE_CHARACTERS).replace(/[\uD800-\uDBFF]$/, "");
  const blank = cut.lastIndexOf(" ");
  return `${blank > TITLE_CHARACTERS / 2 ? cut.slice(0, blank) : cut}…`;
}

/** With other messages; the title follows the first one until it is given by hand. */
export function withMessages(
  conversation: Conversation,
  messages: Message[],
  now: number,
): Conversation {
  const first = messages.find(({ role }) => role === "user");
  const title = conversation.named || !first ? conversation.title : titleOf(first.content);
  return { ...conversation, messages, title, changedAt: now };
}

export function renamed(conversation: Conversation, title: string): Conversation {
  const given = title.trim().replace(/\s+/g, " ").slice(0, 120);
  if (given !== "") return { ...conversation, title: given, named: true };
  return withMessages(
    { ...conversation, named: false },
    conversation.messages,
    conversation.changedAt,
  );
}

/** What the library is asked, up to and with the last message of the user. */
export function chatMessages(conversation: Conversation): ChatMessage[] {
  const spoken = conversation.messages.map(({ role, content }) => ({ role, content }));
  while (spoken.at(-1)?.role === "assistant") spoken.pop();
  const system = conversation.system.trim();
  return system === "" ? spoken : [{ role: "system", content: system }, ...spoken];
}

/** Under which the library keeps what was computed of it. */
export function sessionName(id: string): string {
  return `conversation ${id}`;
}

export function idOfSession(name: string): string | null {
  return /^conversation ([0-9a-f-]{36})$/.exec(name)?.[1] ?? null;
}

/** Of several tokens as kept: the texts of the library may be halves of characters, which the piece has whole. */
export function notedTokens(piece: string, noted: readonly TokenLogprob[]): NotedToken[] {
  if (noted.length === 0) return piece === "" ? [] : [[piece, 0, []]];
  const kept = noted.map(({ text, logprob, top }): NotedToken => [
    text,
    rounded(logprob),
    top.map((other) => [other.text, rounded(other.logprob)]),
  ]);
  if (kept.map(([text]) => text).join("") === piece) return kept;
  // The piece belongs to all of them together; the least likely one says how sure the model was.
  const least = kept.reduce((a, b) => (b[1] < a[1] ? b : a));
  return [[piece, least[1], kept.length === 1 ? least[2] : []]];
}

function rounded(logprob: number): number {
  return Math.round(logprob * 1000) / 1000;
}
