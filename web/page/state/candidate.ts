// candidate.ts: a model that somebody has pointed at and not yet agreed to: what it would need, beside what this machine
// and browser have, so that a long download does not end in an error that could have been told before.

import { signal } from "@preact/signals";
import { cache, inspect, type ModelPlan } from "../library.js";
import { open, stored, type Origin } from "./models.js";
import { loadOptions } from "./settings.js";

/** What this machine and browser have; null where the browser does not say. */
export interface Room {
  /** Memory of the machine; browsers round it, and say less than there is. */
  memoryBytes: number | null;
  /** What this site may still store. */
  storageBytes: number | null;
}

export type Candidate =
  | { state: "asking"; origin: Origin }
  | { state: "known"; origin: Origin; plan: ModelPlan; room: Room }
  | { state: "failed"; origin: Origin; error: unknown };

export const candidate = signal<Candidate | null>(null);

/** Of the model that comes with the page; null until it was asked, which happens once. */
export const bundledNeeds = signal<{ plan: ModelPlan; room: Room } | null>(null);

/** Asks for a few kilobytes, and fetches the engine, which is needed next anyway. */
export async function considerBundled(bundled: Origin): Promise<void> {
  if (bundledNeeds.value !== null || typeof bundled.source !== "string") return;
  try {
    const plan = await inspect(addressOfSource(bundled.source), loadOptions());
    bundledNeeds.value = { plan, room: await findRoom() };
  } catch {
    // Opening it will say what is wrong.
  }
}

/** A share of the machine that a page should not pass: the browser and everything else live there too. */
const MOST_OF_MEMORY = 0.75;

let asking: AbortController | null = null;

/** Finds out what a model needs and shows it, for its user to decide. A file at hand that fits is opened without asking. */
export async function consider(origin: Origin): Promise<void> {
  asking?.abort();
  const own = new AbortController();
  asking = own;
  if (typeof origin.source === "string" && isStored(addressOfSource(origin.source))) {
    candidate.value = null;
    await open(origin);
    return;
  }
  candidate.value = { state: "asking", origin };
  try {
    const source =
      typeof origin.source === "string" ? addressOfSource(origin.source) : (origin.source ?? "");
    const [plan, room] = await Promise.all([
      inspect(source, { ...loadOptions(), signal: own.signal }),
      findRoom(),
    ]);
    if (asking !== own) return;
    candidate.value = { state: "known", origin, plan, room };
    if (origin.kind === "file" && !needsTooMuch(plan, room)) await accept();
  } catch (error) {
    if (asking === own)
      candidate.value = own.signal.aborted ? null : { state: "failed", origin, error };
  }
}

/** Nothing of it has to be downloaded: there is nothing to decide, and perhaps no network to ask. */
function isStored(address: string): boolean {
  return (stored.value ?? []).some(
    ({ state, urls }) => state === "complete" && urls.includes(address),
  );
}

/** Opens what is shown. */
export async function accept(): Promise<boolean> {
  const { value } = candidate;
  candidate.value = null;
  return value !== null && open(value.origin);
}

export function decline(): void {
  asking?.abort();
  asking = null;
  candidate.value = null;
}

export async function findRoom(): Promise<Room> {
  const usage = await cache.usage().catch(() => null);
  const { deviceMemory } = navigator as { deviceMemory?: number };
  return {
    memoryBytes: deviceMemory === undefined ? null : deviceMemory * 2 ** 30,
    storageBytes:
      usage?.quotaBytes == null ? null : Math.max(0, usage.quotaBytes - (usage.usedBytes ?? 0)),
  };
}

export function needsTooMuch(plan: ModelPlan, room: Room): boolean {
  if (plan.memoryBytes === null || room.memoryBytes === null) return false;
  return plan.memoryBytes > MOST_OF_MEMORY * room.memoryBytes;
}

export function needsTooMuchStorage(plan: ModelPlan, room: Room): boolean {
  return room.storageBytes !== null && plan.fileBytes > room.storageBytes;
}

/** "hf:" names are the library's; all else is an address as the page reads it. */
function addressOfSource(source: string): string {
  return source.startsWith("hf:") ? source : new URL(source, document.baseURI).href;
}
