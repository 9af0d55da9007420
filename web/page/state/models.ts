// models.ts: the model of the page: opening one from wherever it is, how far that is, what is stored in this browser. One
// model and one load at a time; the model before is disposed before the next comes. Shows nothing itself: views read the
// signals.

import { signal } from "@preact/signals";
import { cache, load, type LoadProgress, type Model, type StoredModel } from "../library.js";
import { TercetError } from "../library.js";
import { recall, remember } from "./remembered.js";
import { loadOptions } from "./settings.js";

/** A model that can be opened, as a person knows it. */
export interface Origin {
  /** "bundled": comes with the page. "stored": in this browser, by its id, perhaps without an address. */
  kind: "bundled" | "url" | "file" | "stored";
  /** A name to show until the model tells its own. */
  label: string;
  /** An address or a File; for "stored" an address that it came from, or null. */
  source: string | File | null;
  /** Of "stored". */
  modelId?: string;
}

export type Opening =
  | { state: "none" }
  | { state: "opening"; origin: Origin; progress: LoadProgress | null }
  | { state: "cancelled"; origin: Origin; progress: LoadProgress | null }
  | { state: "failed"; origin: Origin; error: unknown }
  | { state: "open"; origin: Origin };

/** The open model, or null. Views that use it are told when it changes; its own session is shared by all views. */
export const model = signal<Model | null>(null);
/** How the last opening went, or goes. */
export const opening = signal<Opening>({ state: "none" });
/** The models in this browser's storage; null until they were read. */
export const stored = signal<StoredModel[] | null>(null);
/** Sentences of the library about what is not as asked for, each once a visit. */
export const notices = signal<readonly string[]>([]);

const LAST_OPENED = "tercet.last-opened";
const noticed = new Set<string>();
let running: AbortController | null = null;

/** "models/a.tercet", "https://host/a.gguf?x" -> "a" */
export function nameOfAddress(address: string): string {
  const path = new URL(address, document.baseURI).pathname;
  const name = path.slice(path.lastIndexOf("/") + 1) || path;
  try {
    return decodeURIComponent(name).replace(/\.(tercet|gguf)$/, "");
  } catch {
    return name;
  }
}

/**
 * Opens a model in place of the one before. Whatever happens is in `opening`; it never rejects. True: it is open. `prompt`: what
 * the first text will begin with, computed while the model arrives.
 */
export async function open(origin: Origin, prompt?: string): Promise<boolean> {
  running?.abort();
  const own = new AbortController();
  running = own;
  opening.value = { state: "opening", origin, progress: null };
  const before = model.value;
  model.value = null;
  try {
    await before?.dispose();
    const opened = await load(await sourceOf(origin), {
      ...loadOptions(),
      prompt,
      signal: own.signal,
      onProgress(progress) {
        if (running === own) opening.value = { state: "opening", origin, progress };
      },
    });
    if (running !== own) {
      await opened.dispose();
      return false;
    }
    running = null;
    const fresh = opened.info.notices.filter((notice) => !noticed.has(notice));
    for (const notice of fresh) noticed.add(notice);
    notices.value = fresh;
    model.value = opened;
    opening.value = { state: "open", origin };
    remember(LAST_OPENED, origin.kind === "file" ? null : opened.info.modelId);
    void readStored();
    return true;
  } catch (error) {
    if (running !== own) return false; // another load has taken over
    running = null;
    const { value } = opening;
    const progress = value.state === "opening" ? value.progress : null;
    opening.value =
      error instanceof TercetError && error.code === "ABORTED"
        ? { state: "cancelled", origin, progress }
        : { state: "failed", origin, error };
    void readStored();
    return false;
  }
}

/** Stops the opening that is under way. What has arrived is kept. */
export function cancelOpening(): void {
  running?.abort();
}

/** The same again, after it was cancelled or failed, or after the engine crashed. */
export async function openAgain(): Promise<boolean> {
  const { value } = opening;
  return value.state === "none" ? false : open(value.origin);
}

export async function closeModel(): Promise<void> {
  running?.abort();
  running = null;
  const before = model.value;
  model.value = null;
  opening.value = { state: "none" };
  await before?.dispose();
}

/** Reads the list of stored models anew. Where there is no storage there are none. */
export async function readStored(): Promise<void> {
  stored.value = await cache.list().catch(() => []);
}

/** What was opened last, if it is still here whole: opening it asks nobody for anything. */
export async function lastOpened(): Promise<Origin | null> {
  const modelId = recall(LAST_OPENED);
  if (modelId === null) return null;
  if (stored.value === null) await readStored();
  const found = stored.value?.find((entry) => entry.modelId === modelId);
  return found?.state === "complete" ? originOfStored(found) : null;
}

export function originOfStored(entry: StoredModel): Origin {
  const [address = null] = entry.urls;
  // The addresses of a file in parts are one entry; packed files are known by what they were made of.
  const usable = address !== null && /^https?:\S+$/.test(address) ? address : null;
  return {
    kind: "stored",
    label: entry.name || (usable ? nameOfAddress(usable) : entry.modelId.slice(0, 12)),
    source: usable,
    modelId: entry.modelId,
  };
}

async function sourceOf(origin: Origin): Promise<string | Blob> {
  if (typeof origin.source === "string")
    return origin.source.startsWith("hf:")
      ? origin.source
      : new URL(origin.source, document.baseURI).href;
  return origin.source ?? cache.export(origin.modelId ?? "");
}
