// kill_torture.mjs - loads whose browser, or whose tab, is killed (SIGKILL) at a random moment: nobody gets to write
// anything down. What is left must be enough for the next visit, or for the other tab. Cases as in load_torture.mjs, used by
// the same command and test.

import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { browserProcess } from "../../bench/web/renderer_memory.mjs";
import { LOAD_LIMIT_MS, PACED, loadOnly, loadWhole, repair } from "./load_torture.mjs";
import { TestPage, launchBrowser, launchProfile } from "./library_under_test.mjs";
import { countEnd, newOutcome } from "./torture_outcome.mjs";

/** A kill after so long, measured in whole loads, finds one that has ended. */
const KILL_RANGE = 1.1;
const LAUNCH_TRIES = 5;
/** A browser takes a new process for a tab, not one that it had in reserve: so it is known which one is the tab's. */
const NO_RESERVE = ["--disable-features=SpareRendererForSitePerProcess,AndroidWarmUpSpareRenderer"];

/** mulberry32: the same moments in every run of the same seed. */
export function randomNumbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** So many moments from 0 to 1. */
export function randomMoments(count, seed) {
  return Array.from({ length: count }, (_, index) => randomNumbers(seed * 100_003 + index)());
}

export class KillTorture {
  #server;
  #model;
  #usualMs = new Map();

  /** `model`: of tortureModel() or ggufModel(). */
  constructor({ server, model }) {
    this.#server = server;
    this.#model = model;
  }

  /** The browser is killed at these moments of a first load; another one opens the same profile. */
  browsers(moments) {
    return moments.map((moment, index) => ({
      name: `${index}: ${moment.toFixed(3)}`,
      // The network is slower than the page, or the page than the network.
      run: () => this.#killBrowser(moment, index % 2 === 0 ? { paced: PACED } : {}),
    }));
  }

  /** Of two tabs the one that downloads is killed; the other one goes on. */
  leaders(moments) {
    return moments.map((moment, index) => ({
      name: `${index}: ${moment.toFixed(3)}`,
      run: () => this.#killLeader(moment),
    }));
  }

  async #killBrowser(moment, faults) {
    const outcome = newOutcome();
    const usualMs = await this.#usual(faults);
    await withProfile(async (profile) => {
      this.#repair(faults);
      const first = await launchAgain(() => launchProfile(profile));
      const page = await TestPage.openIn(first, this.#server);
      const loading = this.#load(page);
      await sleep(moment * usualMs * KILL_RANGE);
      await killAll(browserProcess(profile));
      const found = await loading;
      countEnd(outcome, found === null ? "killed" : (found.code ?? "loaded before"));
      await first.close().catch(() => {});
      const before = this.#server.requests.slice();
      this.#repair({});
      const second = await launchAgain(() => launchProfile(profile));
      try {
        await this.#checkVisit(outcome, await TestPage.openIn(second, this.#server), before);
      } finally {
        await second.close();
      }
    });
    return outcome;
  }

  async #killLeader(moment) {
    const outcome = newOutcome();
    const faults = { paced: PACED };
    const usualMs = await this.#usual(faults);
    const browser = await launchAgain(() => launchBrowser({ flags: NO_RESERVE }));
    try {
      this.#repair(faults);
      const follower = await TestPage.open(browser, this.#server);
      const others = await renderers(browser);
      const leader = await follower.anotherTab(this.#server);
      const [process_, ...more] = (await renderers(browser)).filter((id) => !others.includes(id));
      if (process_ === undefined || more.length > 0) throw new Error("which process is the tab's?");
      let crashed = false;
      leader.page.on("crash", () => (crashed = true));
      const leading = this.#load(leader);
      await this.#server.requested(1);
      const following = this.#load(follower);
      await sleep(moment * usualMs * KILL_RANGE);
      process.kill(process_, "SIGKILL");
      const led = await leading;
      countEnd(outcome, led === null ? "killed" : "loaded before");
      const found = await following;
      if (led === null && !crashed) outcome.problems.push("the tab that downloads was not killed");
      if (found === null || found.code) {
        outcome.problems.push(`the other tab: ${found?.code ?? "killed"} (${found?.detail})`);
        outcome.notWhole += 1;
      } else if (found.notices.length > 0) {
        outcome.problems.push(`the other tab says: ${found.notices.join("; ")}`);
      }
      const before = this.#server.requests.slice();
      this.#repair({});
      await follower.visit(this.#server);
      await this.#checkVisit(outcome, follower, before);
      if (this.#server.requests.length > 0) outcome.problems.push("the other tab stored not all");
      await follower.finish();
    } finally {
      await browser.close();
    }
    return outcome;
  }

  /** null when the page is gone before it says anything. */
  #load(page) {
    return page
      .run(loadOnly, { url: this.#model.url, options: {} }, LOAD_LIMIT_MS)
      .catch((error) => {
        if (!/crashed|closed|did not answer/.test(error.message)) throw error;
        return null;
      });
  }

  async #checkVisit(outcome, page, before) {
    const { id } = this.#model;
    await loadWhole(outcome, page, { before, id, model: this.#model, server: this.#server });
    const left = await page.run(leftovers, undefined, LOAD_LIMIT_MS);
    if (left.length > 0) outcome.problems.push(`left over: ${left.join(", ")}`);
  }

  /** How long such a load takes when nobody is killed. */
  async #usual(faults) {
    const key = JSON.stringify(faults);
    if (!this.#usualMs.has(key)) {
      const ms = await withProfile(async (profile) => {
        this.#repair(faults);
        const context = await launchAgain(() => launchProfile(profile));
        try {
          const page = await TestPage.openIn(context, this.#server);
          const begin = performance.now();
          await this.#load(page);
          return performance.now() - begin;
        } finally {
          await context.close();
        }
      });
      this.#usualMs.set(key, ms);
    }
    return this.#usualMs.get(key);
  }

  #repair(faults) {
    repair(this.#server, this.#model);
    this.#server.faults = faults;
  }
}

/** What packing leaves behind when it is not tidy: parts of GGUF files, files of packings. Self-contained: runs in the page. */
async function leftovers() {
  const found = [];
  const databases = await indexedDB.databases();
  if (databases.some(({ name }) => name === "tercet-gguf")) {
    const database = await new Promise((resolve, reject) => {
      const opening = indexedDB.open("tercet-gguf");
      opening.onsuccess = () => resolve(opening.result);
      opening.onerror = () => reject(opening.error);
    });
    for (const store of database.objectStoreNames) {
      const keys = await new Promise((resolve) => {
        const asking = database.transaction(store).objectStore(store).getAllKeys();
        asking.onsuccess = () => resolve(asking.result);
      });
      found.push(...keys.map((key) => `${store} ${key}`));
    }
    database.close();
  }
  try {
    const top = await navigator.storage.getDirectory();
    const folder = await top.getDirectoryHandle("tercet-packing");
    for await (const name of folder.keys()) found.push(`file ${name}`);
  } catch (error) {
    if (error.name !== "NotFoundError") throw error;
  }
  return found;
}

async function withProfile(work) {
  const profile = mkdtempSync(join(tmpdir(), "tercet-torture-"));
  try {
    return await work(profile);
  } finally {
    rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
}

/** A browser that does not start on a busy machine is no finding. */
async function launchAgain(launch) {
  for (let left = LAUNCH_TRIES - 1; ; left--) {
    try {
      return await launch();
    } catch (error) {
      if (left === 0) throw error;
      await sleep(1000);
    }
  }
}

async function renderers(browser) {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  return processInfo.filter(({ type }) => type === "renderer").map(({ id }) => id);
}

/** A browser with all its processes, at once; until they are gone. */
async function killAll(pid) {
  if (pid === null) throw new Error("the browser that was to be killed is gone");
  const family = [pid];
  for (let i = 0; i < family.length; i++) family.push(...childrenOf(family[i]));
  for (const one of family) {
    try {
      process.kill(one, "SIGKILL");
    } catch (error) {
      if (error.code !== "ESRCH") throw error;
    }
  }
  while (family.some(isAlive)) await sleep(10);
}

/** A process that has ended and was not waited for writes nothing any more. */
function isAlive(pid) {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch (error) {
    if (error.code === "ENOENT" || error.code === "ESRCH") return false;
    throw error;
  }
}

function childrenOf(pid) {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, "utf8")
        .split(" ")
        .filter(Boolean)
        .map(Number),
    );
  } catch (error) {
    if (error.code === "ENOENT" || error.code === "ESRCH") return [];
    throw error;
  }
}

function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
