// site_under_test.mjs - what the page's tests share: the built site behind the project's own server, with faults that
// can be switched on; a browser; visits that collect everything that goes wrong on the page; and the native twin.
//
// It must never soften a failure: a visit that saw an error nobody expected fails its test in `finish`.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync } from "node:fs";
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { createServer, listen } from "../../scripts/serve.mjs";
import { root, site as builtSite, tercet as builtTercet } from "../../scripts/paths.mjs";

/** Other builds can be tested by naming them, as the other tests do. */
export const siteFolder = process.env.TERCET_SITE ?? builtSite;
const tercet = process.env.TERCET_BIN ?? builtTercet;

const [modelName] = readdirSync(join(siteFolder, "models"));
export const modelPath = join(siteFolder, "models", modelName);
/** As the page writes it. */
export const modelAddress = `models/${modelName}`;
export const modelBytes = readFileSync(modelPath);

/** Long: a busy machine is no fault of the page. */
export const STEP_TIMEOUT_MS = 150_000;
/** To look for what holds on a fast machine only: pages run so many times slower (workers do not). */
const SLOWDOWN = Number(process.env.TERCET_PAGE_SLOWDOWN ?? 1);
/** Of a test as a whole. */
export const limit = { timeout: 600_000 };

export async function launchBrowser() {
  const flags = "--no-sandbox --disable-gpu --no-first-run --disable-background-networking";
  return chromium.launch({
    executablePath: process.env.TERCET_CHROMIUM ?? "/usr/bin/chromium",
    args: [...flags.split(" "), "--disable-component-update", "--disable-sync"],
    timeout: STEP_TIMEOUT_MS,
  });
}

const temporaryFolders = [];
const openSites = new Set();

export function makeTemporaryFolder() {
  const folder = mkdtempSync(join(tmpdir(), "tercet-page-"));
  temporaryFolders.push(folder);
  return folder;
}

export const CHAT_MODEL = "models/chat.tercet";

/** The site with one more model, which answers, without sense. */
export function siteWithChat() {
  const folder = join(makeTemporaryFolder(), "site");
  cpSync(siteFolder, folder, { recursive: true });
  const source = join(makeTemporaryFolder(), "q3");
  cpSync(join(root, "tests/golden/models/qwen3-grid-bf16"), source, { recursive: true });
  const config = JSON.parse(readFileSync(join(source, "config.json"), "utf8"));
  config.max_position_embeddings = 2048;
  writeFileSync(join(source, "config.json"), JSON.stringify(config));
  const out = join(folder, CHAT_MODEL);
  execFileSync(tercet, ["pack", source, "-o", out, "--chat-format", "qwen3", "--quiet"]);
  return folder;
}

/** After a file's tests, also failed ones: an open server would keep the process alive. */
export async function cleanUp() {
  for (const site of openSites) await site.stop();
  for (const folder of temporaryFolders.splice(0)) rmSync(folder, { recursive: true, force: true });
}

function rangeOf(header) {
  const [, first = "0", last = ""] = /^bytes=(\d+)-(\d*)$/.exec(header ?? "") ?? [];
  return [Number(first), last === "" ? modelBytes.length - 1 : Number(last)];
}

/** The site on a port of its own. Faults concern the model file only; page files always come whole. */
export class TestSite {
  /** Bytes of model files that were sent; the ranges that were asked for, as [first, last] byte. */
  modelBytesSent = 0;
  modelRanges = [];
  /** Paths of all requests, in order. */
  paths = [];
  #isolation;
  #answer;
  #answerModel;
  #server;
  #bytesUntilHold = Infinity;
  #cut = false;
  #bytesPerSecond = Infinity;
  #port = 0;
  /** Answers that wait for `#bytesUntilHold` to grow, or for the cut. */
  #waiting = new Set();

  static async start({ isolation = true, folder = siteFolder } = {}) {
    const started = new TestSite();
    started.#isolation = isolation;
    started.serveFolder(folder);
    await started.listen();
    return started;
  }

  get origin() {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Of the page. */
  get address() {
    return `${this.origin}/`;
  }

  /** From now on the site is another folder: a new version. */
  serveFolder(folder) {
    this.#answer = this.#listenerOf(folder);
    this.#answerModel = this.#answer;
  }

  /** From now on the model's address holds these bytes; null: nothing. */
  serveModel(bytes) {
    const folder = makeTemporaryFolder();
    mkdirSync(join(folder, "models"));
    if (bytes !== null) writeFileSync(join(folder, "models", modelName), bytes);
    this.#answerModel = this.#listenerOf(folder);
  }

  /**
   * Sends so many more bytes of the model, then none, until `visit.shows` says that the page has come so far, and for as long as
   * nobody says `cutModel` or `repair`. So a test acts in the middle of a download on any machine.
   */
  holdModelAfter(bytes) {
    this.#bytesUntilHold = bytes;
  }

  /** Bytes that come later: a page tells what came at most some times a second, and the last of it with the next. */
  sendMore(bytes) {
    this.#bytesUntilHold += bytes;
    this.#wake();
  }

  /** Cuts the connections that are held, and every later one at once. */
  cutModel() {
    this.#cut = true;
    this.#wake();
  }

  slowModelTo(bytesPerSecond) {
    this.#bytesPerSecond = bytesPerSecond;
  }

  repair() {
    this.#bytesUntilHold = Infinity;
    this.#cut = false;
    this.#bytesPerSecond = Infinity;
    this.#answerModel = this.#answer;
    this.#wake();
  }

  #wake() {
    for (const go of this.#waiting) go();
    this.#waiting.clear();
  }

  resetCounts() {
    this.modelBytesSent = 0;
    this.modelRanges = [];
    this.paths = [];
  }

  async listen() {
    this.#server = createHttpServer((request, response) => this.#receive(request, response));
    this.#port = await listen(this.#server, { port: this.#port });
    openSites.add(this);
  }

  async stop() {
    openSites.delete(this);
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #listenerOf(folder) {
    return createServer({ root: folder, isolation: this.#isolation }).listeners("request")[0];
  }

  #receive(request, response) {
    this.paths.push(request.url);
    if (!request.url.startsWith("/models/")) {
      this.#answer(request, response);
      return;
    }
    this.modelRanges.push(rangeOf(request.headers.range));
    if (this.#cut) {
      response.destroy();
      return;
    }
    // The body goes out piece by piece at the wanted speed, until the hold; its end waits for it.
    const write = response.write.bind(response);
    const end = response.end.bind(response);
    let sending = Promise.resolve();
    response.write = (chunk) => {
      sending = sending.then(async () => {
        for (let rest = chunk; rest.length > 0;) {
          const sent = rest.subarray(0, Math.max(0, Math.min(rest.length, this.#bytesUntilHold)));
          rest = rest.subarray(sent.length);
          this.#bytesUntilHold -= sent.length;
          this.modelBytesSent += sent.length;
          await new Promise((resolve) =>
            setTimeout(resolve, (sent.length / this.#bytesPerSecond) * 1000),
          );
          if (response.destroyed) return;
          if (sent.length > 0) await new Promise((resolve) => write(sent, resolve));
          if (this.#bytesUntilHold > 0 && !this.#cut) continue;
          if (!this.#cut) await new Promise((resolve) => this.#waiting.add(resolve));
          if (this.#cut) response.destroy();
          if (response.destroyed) return;
        }
        response.emit("drain");
      });
      return false;
    };
    response.end = (chunk) => void sending.then(() => end(chunk));
    this.#answerModel(request, response);
  }
}

/**
 * In the page: the engine runs only some tokens ahead of its reader (WINDOW_PIECES of token_stream.ts), and does not hear how far
 * the reader is before the test says so.
 */
function holdDemand() {
  const { postMessage } = Worker.prototype;
  const held = [];
  let free = 0;
  const go = () => {
    for (; free > 0 && held.length > 0; free--) held.shift()();
  };
  Worker.prototype.postMessage = function (message, ...rest) {
    const post = () => postMessage.call(this, message, ...rest);
    // What the text before has not been given it does not need any more.
    if (message?.op === "generate") held.length = 0;
    if (message?.op !== "demand") return post();
    held.push(post);
    go();
  };
  globalThis.releaseDemand = (pieces) => {
    free += pieces;
    go();
  };
}

/** One page of one browser context, watched. Close it with `finish`, which fails on anything unexpected. */
export class Visit {
  #problems = [];
  #expected = [];

  /** `held`: of each text some tokens come and no more until `release`, so that a test can act in the middle of it. */
  static async open(context, url, { held = false } = {}) {
    const visit = new Visit();
    visit.page = await context.newPage();
    visit.page.setDefaultTimeout(STEP_TIMEOUT_MS);
    visit.page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) {
        visit.#problems.push(`console: ${message.text()} ${message.location().url}`);
      }
    });
    visit.page.on("pageerror", (error) => visit.#problems.push(`uncaught: ${error.stack}`));
    await visit.page.addInitScript(() => {
      addEventListener("securitypolicyviolation", (event) => {
        console.error(`policy violation: ${event.violatedDirective} ${event.blockedURI}`);
      });
    });
    if (SLOWDOWN > 1) {
      const session = await context.newCDPSession(visit.page);
      await session.send("Emulation.setCPUThrottlingRate", { rate: SLOWDOWN });
    }
    if (held) await visit.page.addInitScript(holdDemand);
    await visit.page.goto(url);
    return visit;
  }

  /** Messages of this kind belong to the test: a request that fails leaves one in the console. */
  expectMessages(pattern) {
    this.#expected.push(pattern);
  }

  async finish() {
    const unexpected = this.#problems.filter(
      (problem) => !this.#expected.some((pattern) => pattern.test(problem)),
    );
    await this.page.close();
    assert.deepEqual(unexpected, [], "the page reported problems");
  }

  /** So many more tokens come; the engine runs a little ahead of that. */
  async release(pieces = Infinity) {
    await this.page.evaluate((count) => globalThis.releaseDemand(count), pieces);
  }

  /** Asks in the page until it holds; a predicate that is a promise is more than waitForFunction takes. */
  async until(predicate, value) {
    for (const end = Date.now() + STEP_TIMEOUT_MS; Date.now() < end;) {
      if (await this.page.evaluate(predicate, value)) return;
      await this.page.waitForTimeout(50);
    }
    assert.fail(`not within ${STEP_TIMEOUT_MS} ms: ${predicate}`);
  }

  locate(id) {
    return this.page.locator(`#${id}`);
  }

  text(id) {
    return this.locate(id).textContent();
  }

  /** Drags a file or a folder of this machine over the page and lets it go there, as the browser tells a page that a person did. */
  async drop(path, { x, y }) {
    const session = await this.page.context().newCDPSession(this.page);
    const data = { items: [], files: [path], dragOperationsMask: 1 };
    for (const type of ["dragEnter", "dragOver", "drop"])
      await session.send("Input.dispatchDragEvent", { type, x, y, data });
    await session.detach();
  }

  /** Shows a view, as its link does; "" is the first one. */
  async goTo(view) {
    await this.page.evaluate((id) => (location.hash = `#/${id}`), view);
    await this.page.waitForSelector(`.view-${view || "start"}:not([hidden])`);
  }

  /**
   * Begins to open the model that comes with the page, by its address: what it needs is shown, and agreed to. Ends early where
   * the page finds out that there is no model at that address. `site` and `holdAfter`: so many bytes of the download come, and no
   * more until the site is repaired.
   */
  async openModel(address = modelAddress, { site = null, holdAfter = Infinity } = {}) {
    await this.goTo("");
    // By then the first view has asked for the header of the model that it offers: what comes later is the download's.
    if (site !== null)
      await this.page.waitForFunction(() =>
        /MB of memory/.test(document.querySelector(".begin").textContent),
      );
    await this.locate("model-url").fill(address);
    await this.page.evaluate(() => {
      const state = document.querySelector(".open-model");
      globalThis.opened = false;
      const watch = () => (globalThis.opened ||= state.classList.contains("opening"));
      new MutationObserver(watch).observe(state, { attributes: true });
    });
    await this.locate("model-url").press("Enter");
    // One that is stored is opened at once.
    await this.page.waitForFunction(
      () => globalThis.opened || document.querySelector("#accept, #candidate-problem"),
    );
    if (site !== null) {
      await this.locate("accept").waitFor();
      site.resetCounts();
      site.holdModelAfter(holdAfter);
    }
    if ((await this.locate("accept").count()) > 0) await this.locate("accept").click();
  }

  /** The page has shown that it has so many bytes of the model which `site` holds there. */
  async arrived(site, bytes) {
    await this.shows(
      site,
      (share) => document.querySelector("#model-progress")?.value >= share,
      bytes / modelBytes.length,
    );
  }

  /** A predicate in the page about a download that `site` holds: what the page has not told yet it tells with the next bytes. */
  async shows(site, predicate, value) {
    for (const end = Date.now() + STEP_TIMEOUT_MS; Date.now() < end;) {
      if (await this.page.evaluate(predicate, value)) return;
      site.sendMore(100);
      await this.page.waitForTimeout(150);
    }
    assert.fail(`not within ${STEP_TIMEOUT_MS} ms: ${predicate}`);
  }

  /** A model is open: a story can be written. */
  async ready() {
    await this.page.waitForSelector(".open-model.open", { state: "attached" });
    await this.goTo("write");
    await this.page.waitForSelector("#write:enabled");
  }

  /** A model for conversations is open: a message can be sent. */
  async readyToChat() {
    await this.page.waitForSelector(".open-model.open", { state: "attached" });
    await this.goTo("write");
    await this.page.waitForSelector("#send:enabled");
  }

  /** A model from there is open. */
  async modelFrom(source) {
    await this.goTo("hood");
    await this.page.waitForFunction(
      (wanted) => document.querySelector("#figure-source")?.textContent === wanted,
      source,
    );
    await this.ready();
  }

  /** The figures of the views by their labels. */
  async facts() {
    await this.goTo("hood");
    await this.page.waitForSelector("#figure-offline");
    const facts = await this.page.evaluate(() =>
      Object.fromEntries(
        [...document.querySelectorAll("dl.figures > div")].map((row) => [
          row.querySelector("dt").textContent,
          row.querySelector("dd").textContent,
        ]),
      ),
    );
    await this.goTo("write");
    return facts;
  }

  /** Everything that the page needs without a network is stored. */
  async keptOffline() {
    await this.goTo("hood");
    await this.page.waitForFunction(
      () => document.querySelector("#figure-offline")?.textContent === "Ready",
    );
    await this.goTo("write");
  }

  /** Settings by name, for example { seed: 5, maxTokens: 64 }. */
  async set(values) {
    await this.goTo("write");
    await this.locate("settings").click();
    for (const [name, value] of Object.entries(values))
      await this.locate(`setting-${name}`).fill(String(value));
    await this.page.keyboard.press("Escape");
    await this.page.waitForSelector("dialog", { state: "detached" });
  }

  /** Writes a story and returns what the page shows, the beginning included. */
  async write({ seed, length = 64 }) {
    await this.set({ seed, maxTokens: length });
    // The end of the story before stands there until the new one begins.
    await this.page.evaluate(() => document.querySelector("#ending")?.setAttribute("data-old", ""));
    await this.locate("write").click();
    await this.page.waitForSelector("#ending:not([data-old])");
    return this.text("story");
  }

  /** The error in `place`; what keeps a model from being offered at all counts as the model's. */
  problem(place) {
    return this.page.locator(
      place === "model" ? "#model-problem, #candidate-problem" : `#${place}-problem`,
    );
  }

  /** The code of the error that is shown in `place` ("model" or "write"). */
  async errorCode(place) {
    const found = this.problem(place);
    await found.waitFor();
    return found.locator("code").textContent();
  }
}

export const PROMPT = "One morning Tom went to the store";

/** The same story by the native twin, the beginning included. */
export function nativeStory({ seed, length = 64, prompt = PROMPT }) {
  const sampling = "--temperature 0.7 --top-p 0.95 --top-k 0 --min-p 0".split(" ");
  const output = execFileSync(
    tercet,
    [
      ...["run", modelPath, "--prompt", prompt, ...sampling, "--json"],
      ...["--seed", String(seed), "--tokens", String(length)],
    ],
    { encoding: "utf8", timeout: STEP_TIMEOUT_MS },
  );
  return prompt + JSON.parse(output).text;
}
