// renderer_memory.mjs - how much memory a page takes: the processes of one Chromium, found in /proc, and the peak of their
// resident sets over what they had when the page was idle.
//
// Two figures, because each has a weakness. PSS (smaps_rollup) shares out what processes have in common, and is sampled, so
// that a short peak may be missed. The high-water mark of the resident set (VmHWM) is kept by the kernel and misses
// nothing, but counts shared pages in every process; over the same page's idle figure most of that cancels out.

import { readFileSync, readdirSync } from "node:fs";

const SAMPLE_MS = 50;

/** Of the process that was started with this profile folder; null when it is gone. */
export function browserProcess(profile) {
  for (const pid of processIds()) {
    const words = commandLine(pid);
    if (words.includes(`--user-data-dir=${profile}`) && !words.some(isType)) return pid;
  }
  return null;
}

/** { pssBytes, rssBytes, peakRssBytes } of one process, from the texts of smaps_rollup and status. */
export function parseMemory(smapsRollup, status) {
  return {
    pssBytes: kibibytes(smapsRollup, "Pss"),
    rssBytes: kibibytes(status, "VmRSS"),
    peakRssBytes: kibibytes(status, "VmHWM"),
  };
}

/** Watches from the idle page on. */
export class MemoryWatch {
  #browser;
  /** Of each process at the beginning, and the most since. */
  #idle;
  #peak = new Map();
  #idlePss;
  #peakPss = 0;
  #timer;
  #samples = 0;

  /** To be made when the page is there and has done nothing yet. */
  constructor(browser) {
    this.#browser = browser;
    this.#idle = this.#take();
    this.#idlePss = this.#peakPss;
    this.#timer = setInterval(() => this.#take(), SAMPLE_MS);
  }

  /** Ends the watch. All bytes are over the idle page but those that are called idle. */
  stop() {
    clearInterval(this.#timer);
    const last = this.#take();
    // Chromium keeps other renderers than the page's; the page's is the one that works.
    const renderers = [...this.#idle].filter(([, { isRenderer }]) => isRenderer);
    const growth = ([pid, idle]) => this.#peak.get(pid).pssBytes - idle.pssBytes;
    const [pid, idle] = renderers.reduce((most, one) => (growth(one) > growth(most) ? one : most));
    const peak = this.#peak.get(pid);
    return {
      rendererPeakBytes: peak.pssBytes - idle.pssBytes,
      rendererHighWaterBytes: peak.peakRssBytes - idle.rssBytes,
      rendererAfterBytes: (last.get(pid) ?? idle).pssBytes - idle.pssBytes,
      browserPeakBytes: this.#peakPss - this.#idlePss,
      idleRendererBytes: idle.pssBytes,
      idleBrowserBytes: this.#idlePss,
      samples: this.#samples,
    };
  }

  #take() {
    const now = new Map();
    let pssBytes = 0;
    for (const pid of [this.#browser, ...descendants(this.#browser)]) {
      const memory = readMemory(pid);
      if (!memory) continue; // it ended meanwhile
      pssBytes += memory.pssBytes;
      const isRenderer = commandLine(pid).includes("--type=renderer");
      now.set(pid, { ...memory, isRenderer });
      const most = this.#peak.get(pid) ?? memory;
      this.#peak.set(pid, {
        pssBytes: Math.max(most.pssBytes, memory.pssBytes),
        peakRssBytes: Math.max(most.peakRssBytes, memory.peakRssBytes),
      });
    }
    this.#peakPss = Math.max(this.#peakPss, pssBytes);
    this.#samples += 1;
    return now;
  }
}

function readMemory(pid) {
  const rollup = read(pid, "smaps_rollup");
  const status = read(pid, "status");
  // A process that ended and was not waited for yet has no memory to tell of.
  return rollup.includes("Pss:") && status.includes("VmHWM:") ? parseMemory(rollup, status) : null;
}

function kibibytes(text, name) {
  const [, number] = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text) ?? [];
  if (number === undefined) throw new Error(`the kernel tells no ${name}`);
  return Number(number) * 1024;
}

function descendants(ancestor) {
  const children = new Map();
  for (const pid of processIds()) {
    // The name may hold spaces and brackets: what follows its last bracket is state and parent.
    const parent = Number(read(pid, "stat").replace(/^.*\)/s, "").trim().split(" ")[1]);
    children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  const found = [];
  for (const queue = [...(children.get(ancestor) ?? [])]; queue.length > 0;) {
    const pid = queue.shift();
    found.push(pid);
    queue.push(...(children.get(pid) ?? []));
  }
  return found;
}

function processIds() {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function isType(word) {
  return word.startsWith("--type=");
}

/** A renderer joins its words with spaces, other processes with NUL. */
function commandLine(pid) {
  return read(pid, "cmdline").split(/[\0 ]/);
}

function read(pid, file) {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch (error) {
    // Gone, or another user's.
    if (["ENOENT", "ESRCH", "EACCES", "EPERM"].includes(error.code)) return "";
    throw error;
  }
}
