// writing.ts: the conversation or story that is open, and everything that can be done with it: ask, ask again, go on, edit, stop,
// open, rename, delete. It keeps each change, and what the engine computed as well, so that opening a conversation later
// costs no more than what is new. Shows nothing: the view reads the signals.

import { batch, signal } from "@preact/signals";
import { TercetError, type GenerateOptions, type GenerateResult } from "../../library.js";
import type { Model, TokenLogprob } from "../../library.js";
import { begin, stopRunning } from "../../state/activity.js";
import { finishHearing, hear, say } from "../../state/announcer.js";
import { generateTimed } from "../../state/layer_times.js";
import { model, openAgain } from "../../state/models.js";
import { recall, remember } from "../../state/remembered.js";
import { formatTokens } from "../../format.js";
import { strings } from "../../strings.js";
import {
  chatMessages,
  idOfSession,
  newConversation,
  renamed,
  sessionName,
  withMessages,
  type AnswerFigures,
  type Conversation,
  type Message,
} from "./conversation.js";
import {
  deleteConversation,
  listConversations,
  readConversation,
  writeConversation,
  type ConversationTitle,
} from "./conversation_store.js";
import { LiveAnswer } from "./live_answer.js";
import { samplingOptions, settings } from "../../state/settings.js";
import { splitText } from "./thinking_text.js";

/** Noted of each token: as many as a card shows. */
const ALTERNATIVES = 5;
/** So many conversations keep what was computed of them; the older ones are computed again when they go on. */
const KEPT_SESSIONS = 6;
/** What would take more is not kept: writing it would hold up the next answer. */
const KEPT_BYTES = 256e6;

export interface Live {
  conversation: string;
  answer: LiveAnswer;
}

/** null: there is no model yet to begin one with, and none was opened. */
export const current = signal<Conversation | null>(null);
export const titles = signal<readonly ConversationTitle[]>([]);
export const live = signal<Live | null>(null);
/** What went wrong with the last answer of the current conversation, or with its keeping. */
export const problem = signal<unknown>(null);

const LAST = "tercet.conversation";

/** Until the engine was asked for what it had computed of the current conversation: what it is asked then goes on from there. */
let entering: Promise<void> = Promise.resolve();
let working: Promise<void> | null = null;
let saving: AbortController | null = null;
/** The model that was open last. */
let entered: Model | null = null;

export function kindOf(opened: Model): Conversation["kind"] {
  return opened.info.chatFormat === null ? "story" : "chat";
}

/** Whether the open model can go on with it. */
export function fitsModel(conversation: Conversation, opened: Model | null): boolean {
  return opened !== null && kindOf(opened) === conversation.kind;
}

/** At the start and whenever the model changes: what was open last if the model can go on with it, else a new one. */
export function enter(opened: Model | null): void {
  if (opened !== null && opened !== entered) {
    // What went wrong was the model's before, or its engine's.
    problem.value = null;
    entered = opened;
  }
  entering = takeUp(opened);
}

async function takeUp(opened: Model | null): Promise<void> {
  await readTitles();
  if (current.value === null) {
    const id = recall(LAST);
    const last = id === null ? undefined : await readConversation(id).catch(() => undefined);
    // The model may have changed meanwhile.
    if (last && (opened === null || fitsModel(last, opened))) current.value ??= last;
  }
  if (opened === null || opened !== model.value) return;
  if (current.value !== null && fitsModel(current.value, opened))
    void restore(opened, current.value);
  else if (live.value === null)
    current.value = newConversation(kindOf(opened), opened.info, Date.now());
}

export async function startNew(): Promise<void> {
  await stopAndWait();
  const opened = model.value;
  if (opened === null) return;
  problem.value = null;
  const system = current.value?.kind === "chat" ? current.value.system : "";
  current.value = { ...newConversation(kindOf(opened), opened.info, Date.now()), system };
  remember(LAST, null);
}

export async function openConversation(id: string): Promise<void> {
  await stopAndWait();
  const found = await readConversation(id);
  if (!found) return readTitles();
  problem.value = null;
  current.value = found;
  remember(LAST, id);
  if (model.value && fitsModel(found, model.value)) await restore(model.value, found);
}

export async function rename(id: string, title: string): Promise<void> {
  const found = current.value?.id === id ? current.value : await readConversation(id);
  if (!found) return;
  const changed = renamed(found, title);
  if (current.value?.id === id) current.value = changed;
  await keep(changed);
}

export async function remove(id: string): Promise<void> {
  if (current.value?.id === id) {
    await stopAndWait();
    current.value = null;
    remember(LAST, null);
  }
  // One that could not be deleted stands in the list again.
  await deleteConversation(id).catch(() => {});
  await model.value?.deleteSession(sessionName(id)).catch(() => false);
  await readTitles();
  if (current.value === null && model.value) await startNew();
}

export function changeSystem(system: string): void {
  const conversation = current.value;
  if (conversation === null || conversation.system === system) return;
  current.value = { ...conversation, system, changedAt: Date.now() };
  if (conversation.messages.length > 0) void keep(current.value);
}

/** A message of the user, in the place of the one at `index` and all that followed it, or behind all others. */
export async function send(content: string, index?: number): Promise<void> {
  const conversation = current.value;
  if (conversation === null || content.trim() === "") return;
  const before = conversation.messages.slice(0, index);
  await answer(withMessages(conversation, [...before, { role: "user", content }], Date.now()));
}

/** Another answer in the place of the last one. */
export async function regenerate(): Promise<void> {
  const conversation = current.value;
  if (conversation === null) return;
  const messages = [...conversation.messages];
  while (messages.at(-1)?.role === "assistant") messages.pop();
  if (messages.length > 0) await answer(withMessages(conversation, messages, Date.now()));
}

/** A story from a beginning: in the place of one that began so, else a new one. */
export async function write(beginning: string): Promise<void> {
  const opened = model.value;
  if (opened === null) return;
  const now = Date.now();
  const before = current.value;
  const [first] = before?.messages ?? [];
  const same = first === undefined || first.content === beginning;
  const conversation =
    before?.kind === "story" && same ? before : newConversation("story", opened.info, now);
  await answer(withMessages(conversation, [{ role: "user", content: beginning }], now));
}

/** More of a story, from where it ends. */
export async function goOn(): Promise<void> {
  const conversation = current.value;
  if (conversation !== null) await answer(conversation);
}

/** After a problem: the engine is started again if it is gone, then the answer begun again. */
export async function retry(): Promise<void> {
  const gone = problem.value instanceof TercetError && problem.value.advice === "reload";
  problem.value = null;
  if (gone && !(await openAgain())) return;
  await regenerate();
}

async function answer(asked: Conversation): Promise<void> {
  // One that is over is perhaps still being kept.
  if (live.value === null) await working;
  await entering;
  const opened = model.value;
  if (opened === null || working !== null) return;
  const run = begin(asked.kind === "chat" ? "chat" : "write");
  if (run === null) return;
  saving?.abort();
  const { promise, resolve } = deferred();
  working = promise;
  const conversation: Conversation = {
    ...asked,
    modelId: opened.info.modelId,
    modelName: opened.info.name,
  };
  // Of a story that goes on: what is there already.
  const told =
    conversation.messages.at(-1)?.role === "assistant" ? conversation.messages.at(-1) : null;
  const own = new LiveAnswer();
  const before = current.value;
  let noted = told?.noted ?? [];
  problem.value = null;
  current.value = conversation;
  live.value = { conversation: conversation.id, answer: own };
  remember(LAST, conversation.id);
  const begun = keep(conversation);
  say(strings.write.writing);
  /** Puts what has come in its place in the conversation, and keeps it. */
  const finish = (end: Pick<Message, "finish" | "figures">, over?: { result?: GenerateResult }) => {
    const { thinking, content } = splitText(own.text, opened.info.thinkingMarks);
    const chat = conversation.kind === "chat";
    const message: Message = {
      role: "assistant",
      content: chat ? content : (told?.content ?? "") + own.text,
      ...(chat && thinking !== "" ? { thinking } : {}),
      ...end,
      ...(own.noted.length > 0 ? { noted: (noted = [...noted, ...own.noted]) } : {}),
    };
    const earlier = told ? conversation.messages.slice(0, -1) : conversation.messages;
    // The title may have been given meanwhile.
    const base = current.value?.id === conversation.id ? current.value : conversation;
    const done = withMessages(base, [...earlier, message], Date.now());
    // In one step: for as long as it stood in both places the text would be shown twice.
    batch(() => {
      if (current.value?.id === done.id) current.value = done;
      if (!over) return;
      own.end();
      live.value = null;
      run.end(over.result);
    });
    return keep(done);
  };
  // A page that is closed in the middle keeps what has come.
  const onHide = () => void finish({ finish: null });
  addEventListener("pagehide", onHide);
  let result: GenerateResult | undefined;
  try {
    const notes: TokenLogprob[][] = [];
    const options: GenerateOptions = {
      ...samplingOptions(conversation.kind),
      logprobs: ALTERNATIVES,
      onLogprobs: (some) => notes.push(some),
      signal: run.signal,
    };
    const thinking = opened.info.thinkingSwitch ? { thinking: settings.value.thinking } : {};
    const story = conversation.messages.map(({ content }) => content).join("");
    result = await generateTimed<GenerateResult>(
      (timed) =>
        conversation.kind === "chat"
          ? opened.chat(chatMessages(conversation), { ...options, ...timed, ...thinking })
          : opened.generate(story, { ...options, ...timed }),
      (piece) => {
        // Notes come with the pieces and in their order; only what ends a text may come without.
        const noted = notes.shift() ?? [];
        run.token(piece, noted);
        own.push(piece, noted);
        hear(piece);
      },
    );
    const kept = finish({ finish: result.finishReason, figures: figuresOf(result) }, { result });
    finishHearing(
      `${strings.write.endings[result.finishReason]} ${formatTokens(result.tokens.length)}.`,
    );
    await kept;
  } catch (thrown) {
    if (own.text !== "") await finish({ finish: null }, {});
    else if (conversation.kind === "story" && isRefused(thrown)) {
      await begun;
      await takeBack(conversation, before);
    }
    if (current.value?.id === conversation.id)
      problem.value = thrown ?? new Error("the text could not be written");
  } finally {
    removeEventListener("pagehide", onHide);
    own.end();
    live.value = null;
    run.end(result);
    working = null;
    resolve();
  }
  if (result) void saveSession(opened, conversation.id, result);
}

/** Whether it was the text itself that could not be taken: then only another one helps. */
function isRefused(thrown: unknown): boolean {
  return thrown instanceof TercetError && thrown.advice === "fix-input";
}

/** A story that was refused before its first word is no story: the list has what it had before. */
async function takeBack(refused: Conversation, before: Conversation | null): Promise<void> {
  const same = before?.id === refused.id ? before : null;
  const empty = { ...refused, messages: [], title: "", named: false };
  if (current.value?.id === refused.id) current.value = same ?? empty;
  if (same !== null && same.messages.length > 0) return keep(same);
  remember(LAST, null);
  await deleteConversation(refused.id).catch(() => {});
  await readTitles();
}

function figuresOf({
  tokens,
  timings,
  promptTokens,
  reusedTokens,
  seed,
}: GenerateResult): AnswerFigures {
  return {
    tokens: tokens.length,
    tokensPerSecond: timings.tokensPerSecond,
    secondsToFirst: timings.timeToFirstTokenSeconds,
    promptTokens,
    reusedTokens,
    seed: String(seed),
  };
}

/** What the engine computed: the next visit then goes on from there. It is a gain of time and no more: failures cost nothing else. */
async function saveSession(opened: Model, id: string, result: GenerateResult): Promise<void> {
  const { info } = opened;
  const tokens = result.promptTokens + result.tokens.length;
  if ((tokens / info.context) * info.sessionBytes > KEPT_BYTES) return;
  const own = new AbortController();
  saving = own;
  try {
    await opened.session.save(sessionName(id), { signal: own.signal });
    const known = new Set(titles.value.map((title) => title.id));
    const saved = (await opened.savedSessions())
      .filter(({ name }) => idOfSession(name) !== null)
      .sort((a, b) => b.savedAt - a.savedAt);
    for (const [place, { name }] of saved.entries())
      if (place >= KEPT_SESSIONS || !known.has(idOfSession(name) ?? ""))
        await opened.deleteSession(name);
  } catch {
    // Stopped by the next answer, or there is no room for it.
  } finally {
    if (saving === own) saving = null;
  }
}

async function restore(opened: Model, conversation: Conversation): Promise<void> {
  if (conversation.messages.length === 0 || conversation.modelId !== opened.info.modelId) return;
  // What cannot be had, of another form of the KV cache or damaged, is computed again.
  await opened.restoreSession(sessionName(conversation.id)).catch(() => null);
}

async function stopAndWait(): Promise<void> {
  if (working === null) return;
  stopRunning();
  await working;
}

async function keep(conversation: Conversation): Promise<void> {
  try {
    await writeConversation(conversation);
    await readTitles();
  } catch (thrown) {
    problem.value ??= new TercetError("STORAGE_FAILED", String(thrown), { cause: thrown });
  }
}

async function readTitles(): Promise<void> {
  titles.value = await listConversations().catch(() => []);
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((settle) => (resolve = settle));
  return { promise, resolve };
}
