// long_torture.mjs - what only shows when it is done again and again: an engine that is closed or killed and opened, texts that are
// stopped at every place of their work, texts without end; and what memory does meanwhile. Used by `npm run torture` (rows
// `restarts`, `abort`, `browser-soak`) and, with little, by a test. What is a matter of memory or time is given back as figures: the
// rows judge them, the test does not.

import { readFileSync } from "node:fs";
import { parseMemory } from "../../bench/web/renderer_memory.mjs";
import { PROMPT, STEP_TIMEOUT_MS, TestPage } from "./library_under_test.mjs";

/** So that what nobody needs can be given back before memory is read, and the figure of the page's JavaScript is exact. */
export const MEMORY_FLAGS = ["--js-flags=--expose-gc", "--enable-precise-memory-info"];

/** What the page holds while its process is looked for, and how much of it must be seen there. */
const BLOCK_BYTES = 64 << 20;
export const BLOCK_SEEN_BYTES_LEAST = 48 << 20;

/** A page whose memory is watched: that of its process, workers and all, and that of its own JavaScript. */
export class WatchedPage {
  #page;
  #process;

  /**
   * `browser`: one with MEMORY_FLAGS. Chromium has renderers besides the page's, in reserve or of the browser itself: a block that the page
   * takes must show in one of them, and be gone from it once the page has let go of it; the wrong process would never grow.
   */
  static async open(browser, server) {
    const opened = new WatchedPage();
    opened.#page = await TestPage.open(browser, server);
    await opened.run(collectAndMeasure, 0);
    const before = await rendererBytes(browser);
    await opened.run(holdBlock, BLOCK_BYTES);
    const holding = await rendererBytes(browser);
    opened.#process = grownProcess(before, holding);
    await opened.run(() => void delete globalThis.block);
    const most = holding.get(opened.#process) - BLOCK_SEEN_BYTES_LEAST;
    const begin = performance.now();
    // The browser gives it back when it likes.
    while ((await opened.memory()).processBytes > most)
      if (performance.now() - begin > STEP_TIMEOUT_MS)
        throw new Error("a block that the page has let go of stays in the process that is watched");
    return opened;
  }

  run(work, argument, limitMs = STEP_TIMEOUT_MS) {
    return this.#page.run(work, argument, limitMs);
  }

  /** { processBytes, scriptBytes } once what nobody needs is gone, also in as many workers that run with COLLECT. */
  async memory(workers = 0) {
    const scriptBytes = await this.run(collectAndMeasure, workers);
    return { processBytes: processBytes(this.#process), scriptBytes };
  }

  /**
   * As memory(), the least of many once it has not become less for a while. A browser ends the threads of a worker that is gone up to two
   * seconds later, and gives back the memory that they shared when it collects next: ten seconds, of a process that has grown by
   * engines that are long gone.
   */
  async settledMemory() {
    let least = await this.memory();
    for (let since = performance.now(); performance.now() - since < SETTLED_MS;) {
      await new Promise((resolve) => setTimeout(resolve, 250));
      const { processBytes, scriptBytes } = await this.memory();
      if (processBytes < least.processBytes - SETTLED_BYTES) since = performance.now();
      least = {
        processBytes: Math.min(processBytes, least.processBytes),
        scriptBytes: Math.min(scriptBytes, least.scriptBytes),
      };
    }
    return least;
  }

  finish() {
    return this.#page.finish();
  }
}

const SETTLED_MS = 10_000;
/** Less than this is no change. */
const SETTLED_BYTES = 64 << 10;

const processBytes = (pid) => {
  const read = (file) => readFileSync(`/proc/${pid}/${file}`, "utf8");
  return parseMemory(read("smaps_rollup"), read("status")).pssBytes;
};

/** Of each process that the browser calls a renderer, by its number. */
async function rendererBytes(browser) {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  const bytes = new Map();
  for (const { id, type } of processInfo)
    try {
      if (type === "renderer") bytes.set(id, processBytes(id));
    } catch (error) {
      // One in reserve may have ended meanwhile.
      if (!["ENOENT", "ESRCH"].includes(error.code)) throw error;
    }
  return bytes;
}

/** The one process that has grown by a block; who was not there before has not held the page. */
export function grownProcess(before, after) {
  const growth = [...after]
    .filter(([pid]) => before.has(pid))
    .map(([pid, bytes]) => ({ pid, bytes: bytes - before.get(pid) }));
  const grown = growth.filter(({ bytes }) => bytes >= BLOCK_SEEN_BYTES_LEAST);
  if (grown.length !== 1)
    throw new Error(
      `a block of ${BLOCK_BYTES} bytes in the page must show in one renderer: ${JSON.stringify(growth)}`,
    );
  return grown[0].pid;
}

/** In the page. */
function holdBlock(bytes) {
  // Each page of it is written, or it would take nothing.
  globalThis.block = new Uint8Array(bytes).fill(0xa5);
}

/** In front of the engine's script: it gives back what it does not need when it is asked. */
export const COLLECT = `{
  const channel = new BroadcastChannel("collect");
  channel.onmessage = ({ data }) => {
    if (data !== "collect") return;
    for (let times = 0; times < 3; times++) gc();
    channel.postMessage("collected");
  };
}`;

/** In the page. */
async function collectAndMeasure(workers) {
  for (let times = 0; times < 3; times++) {
    gc();
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  if (workers > 0)
    await new Promise((resolve) => {
      const channel = new BroadcastChannel("collect");
      let answers = 0;
      channel.onmessage = () => {
        if (++answers < workers) return;
        channel.close();
        resolve();
      };
      channel.postMessage("collect");
    });
  return performance.memory.usedJSHeapSize;
}

/** Bytes a step by which the numbers grow: the straight line that fits them best. */
export function slope(numbers) {
  const middle = (numbers.length - 1) / 2;
  const mean = numbers.reduce((sum, one) => sum + one, 0) / numbers.length;
  let [above, below] = [0, 0];
  for (const [index, one] of numbers.entries()) {
    above += (index - middle) * (one - mean);
    below += (index - middle) ** 2;
  }
  return below === 0 ? 0 : above / below;
}

/* ---------------------------------------------------------------- restarts */

/** In front of the engine's script: a trap in the step of the token that the page asks for under this name. */
export const TRAP_ON_DEMAND = `addEventListener("message", (event) => {
  if (event.data.text !== "trap") return;
  event.stopImmediatePropagation();
  const bytes = new Uint8Array([0,97,115,109,1,0,0,0,1,4,1,96,0,0,3,2,1,0,7,5,1,1,102,0,0,10,5,1,3,0,0,11]);
  new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports.f();
});`;

/** What ends an engine, in turn. */
export const WAYS = ["dispose", "restart", "trap", "dispose while it writes"];

/** Opens an engine, has some tokens of it, ends it: { text, code, workers }. In the page. */
async function openAndEnd({ way, prompt, options }) {
  const model = await tercet.load("/model.tercet", options);
  const write = () => model.generate(prompt, { seed: 5, maxTokens: 8 }).result;
  let { text } = await write();
  let code = null;
  if (way === "restart") {
    await model.restart();
    ({ text } = await write());
  }
  if (way === "trap") {
    ({ code } = await failure(model.tokenize("trap")));
    await model.restart();
    ({ text } = await write());
  }
  if (way === "dispose while it writes") {
    const pending = failure(model.generate(prompt, { seed: 6 }).result);
    await model.dispose();
    ({ code } = await pending);
  }
  await model.dispose();
  const held = async () =>
    (await navigator.locks.query()).held.filter(({ name }) => name.startsWith("tercet")).length;
  const begin = performance.now();
  while ((await held()) > 0 && performance.now() - begin < 60_000)
    await new Promise((resolve) => setTimeout(resolve, 20));
  return { text, code, workers: await held() };
}

const CODES = { trap: "ENGINE_CRASHED", "dispose while it writes": "DISPOSED" };

/** `times` engines one after another: what was not as it must be. */
export async function restartAgain(page, { times, expected, options = {} }) {
  const problems = [];
  for (let time = 0; time < times; time++) {
    const way = WAYS[time % WAYS.length];
    const { text, code, workers } = await page.run(openAndEnd, { way, prompt: PROMPT, options });
    if (text !== expected) problems.push(`${time}, ${way}: ${text}`);
    if (code !== (CODES[way] ?? null)) problems.push(`${time}, ${way}: ${code}`);
    if (workers > 0) problems.push(`${time}, ${way}: ${workers} workers are left`);
  }
  return problems;
}

/* ---------------------------------------------------------------- abort */

/**
 * Stops a text when its token number `at` is there, or when so many slices of its prompt are computed, at every `stride`th place; then
 * writes it again. In the page. Gives { problems, stops: milliseconds from abort() to the end, further: tokens that came after that one, of
 * those at a token, places: where it was to be stopped, missed: at how many of them it came to its end each time, ... }.
 */
export async function stopEverywhere({ prompt, options, maxTokens, stride }) {
  const model = await tercet.load("/model.tercet", { slice: 8, ...options });
  const [problems, stops, further] = [[], [], []];
  let missed = 0;
  // A page that is slow to hear of a token stops a text that is whole already: then it is tried again.
  const triesMost = 5;
  const text = { seed: 5, maxTokens, logprobs: 2, speculation: "off" };
  const facts = ({ text, tokens, logprobs, finishReason }) =>
    JSON.stringify([text, tokens, logprobs, finishReason]);
  let slices = 0;
  const onPromptProgress = ({ done, reused }) => (slices += done > reused ? 1 : 0);
  const whole = await model.generate(prompt, { ...text, onPromptProgress }).result;
  const fresh = facts(whole);
  const every = (count) =>
    Array.from({ length: count }, (_, at) => at + 1).filter((at) => at % stride === 1 % stride);
  const places = { token: every(maxTokens), slice: every(slices) };
  const forget = () => model.generate("§", { maxTokens: 1 }).result;
  const stopAt = async (where, at) => {
    // A prompt that is known already has no slices.
    if (where === "slice") await forget();
    const abort = new AbortController();
    let begin = null;
    let seen = 0;
    const pass = () => {
      if (++seen !== at) return;
      begin = performance.now();
      abort.abort();
    };
    const { finishReason, tokens } = await model.generate(prompt, {
      ...text,
      signal: abort.signal,
      ...(where === "token"
        ? { onToken: pass }
        : { onPromptProgress: ({ done, reused }) => done > reused && pass() }),
    }).result;
    const end = performance.now();
    if (tokens.some((token, index) => token !== whole.tokens[index]))
      problems.push(`stopped at ${where} ${at}: it had begun otherwise`);
    if (begin === null || finishReason !== "aborted") return false;
    stops.push(end - begin);
    if (where === "token") further.push(tokens.length - at);
    return true;
  };
  for (const where of ["token", "slice"])
    for (const at of places[where]) {
      let stopped = false;
      for (let tries = 1; !stopped && tries <= triesMost; tries++)
        stopped = await stopAt(where, at);
      if (!stopped) missed += 1;
      const again = facts(await model.generate(prompt, text).result);
      if (again !== fresh) problems.push(`after a stop at ${where} ${at}: ${again.slice(0, 200)}`);
    }
  await model.dispose();
  const asked = places.token.length + places.slice.length;
  return { problems, stops, further, places: asked, missed, tokens: whole.tokens.length, slices };
}

/* ---------------------------------------------------------------- soak */

/** Opens the engine of a soak; its memory in bytes. In the page. */
export async function beginSoak({ options }) {
  globalThis.model = await tercet.load("/model.tercet", options);
  globalThis.texts = 0;
  return model.info.memoryBytes;
}

/** Text after text, each with other sampling, until there are so many tokens more; how many, and the first text once more. In the page. */
export async function soak({ tokens, first }) {
  let written = 0;
  while (written < tokens) {
    const number = globalThis.texts++;
    const { tokens: made, promptTokens } = await model.generate(`${number} Tom and the`, {
      seed: number,
      maxTokens: 200,
      temperature: (number % 4) * 0.4,
      topK: number % 3 === 0 ? 40 : 0,
      topP: number % 5 === 0 ? 0.9 : 1,
      repetitionPenalty: number % 2 === 0 ? 1.1 : 1,
      logprobs: number % 7 === 0 ? 3 : undefined,
      stop: number % 6 === 0 ? ["the end"] : [],
    }).result;
    written += made.length + promptTokens;
  }
  const { text } = await model.generate(first, { seed: 5, maxTokens: 8 }).result;
  return { written, text };
}
