// settings.ts: how texts are sampled, and how the next model is opened: defaults, ranges, and keeping them over a reload. What is
// stored may be of another version or changed by hand: each value is checked on its own, and what does not fit is the default.

import { signal } from "@preact/signals";
import type { ChatOptions, KvForm, LoadOptions } from "../library.js";
import { recall, remember } from "./remembered.js";

export interface Settings {
  temperature: number;
  topK: number;
  topP: number;
  minP: number;
  repetitionPenalty: number;
  /** null: another one each time. */
  seed: number | null;
  /** null: what suits the kind of text. */
  maxTokens: number | null;
  thinking: boolean;
  /** Tokens in the colour of their probability. */
  coloured: boolean;
  /** null: the model's own, up to 4096 tokens. */
  context: number | null;
  /** null: what the machine has. */
  threads: number | null;
  kv: KvForm;
}

interface Range {
  min: number;
  max: number;
  whole: boolean;
  /** May be left empty. */
  optional?: boolean;
}

export const DEFAULTS: Readonly<Settings> = {
  temperature: 0.7,
  topK: 0,
  topP: 0.95,
  minP: 0,
  repetitionPenalty: 1,
  seed: null,
  maxTokens: null,
  thinking: true,
  coloured: false,
  context: null,
  threads: null,
  kv: "int8",
};

export const KV_FORMS: readonly KvForm[] = ["f32", "f16", "int8", "int4"];

/** As the library checks them; narrower where what lies beyond makes no sense to a person. */
export const RANGES = {
  temperature: { min: 0, max: 5, whole: false },
  topK: { min: 0, max: 1_000_000, whole: true },
  topP: { min: 0.01, max: 1, whole: false },
  minP: { min: 0, max: 1, whole: false },
  repetitionPenalty: { min: 0.5, max: 5, whole: false },
  seed: { min: 0, max: Number.MAX_SAFE_INTEGER, whole: true, optional: true },
  maxTokens: { min: 1, max: 1_000_000, whole: true, optional: true },
  context: { min: 16, max: 1_048_576, whole: true, optional: true },
  threads: { min: 1, max: 64, whole: true, optional: true },
} satisfies Partial<Record<keyof Settings, Range>>;

export type NumberSetting = keyof typeof RANGES;

/** Texts of a base model need not end by themselves; answers mostly do. */
const LENGTH = { story: 200, chat: 2048 };

const KEY = "tercet.settings";

export const settings = signal<Settings>(read());

export function changeSettings(change: Partial<Settings>): void {
  settings.value = { ...settings.value, ...change };
  write();
}

export function resetSettings(): void {
  settings.value = { ...DEFAULTS };
  write();
}

/** Whether `value` (null: empty) may stand there. */
export function fits(name: NumberSetting, value: number | null): boolean {
  const range: Range = RANGES[name];
  if (value === null) return range.optional === true;
  if (!Number.isFinite(value) || value < range.min || value > range.max) return false;
  return !range.whole || Number.isInteger(value);
}

/** Every one of them is given, also those at their default: the page shows what it uses. */
export function samplingOptions(kind: "chat" | "story", from = settings.value): ChatOptions {
  const { temperature, topK, topP, minP, repetitionPenalty, seed, maxTokens } = from;
  return {
    temperature,
    topK,
    topP,
    minP,
    repetitionPenalty,
    maxTokens: maxTokens ?? LENGTH[kind],
    ...(seed === null ? {} : { seed }),
  };
}

/** For the next time that a model is opened. */
export function loadOptions(from = settings.value): LoadOptions {
  const { context, threads, kv } = from;
  return {
    kv,
    ...(context === null ? {} : { context }),
    ...(threads === null ? {} : { threads }),
  };
}

/** What was stored, where it fits. */
export function settingsFrom(stored: unknown): Settings {
  const result: Settings = { ...DEFAULTS };
  if (typeof stored !== "object" || stored === null) return result;
  const given = stored as Record<string, unknown>;
  for (const name of Object.keys(RANGES) as NumberSetting[]) {
    const value = given[name];
    if ((typeof value === "number" || value === null) && fits(name, value))
      Object.assign(result, { [name]: value });
  }
  for (const name of ["thinking", "coloured"] as const)
    if (typeof given[name] === "boolean") result[name] = given[name];
  if (KV_FORMS.includes(given.kv as KvForm)) result.kv = given.kv as KvForm;
  return result;
}

function read(): Settings {
  try {
    return settingsFrom(JSON.parse(recall(KEY) ?? "null"));
  } catch {
    return { ...DEFAULTS };
  }
}

function write(): void {
  remember(KEY, JSON.stringify(settings.value));
}
