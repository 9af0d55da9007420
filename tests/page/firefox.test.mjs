// firefox.test.mjs - the page in Firefox ESR, in a subfolder of a host without headers: one press writes the native twin's story, with
// threads by the page's own worker, and after a reload without the host the model is still there.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import puppeteer from "puppeteer-core";
import { startPlainHost } from "./plain_host.mjs";
import { limit, nativeStory } from "./site_under_test.mjs";

const firefox = process.env.TERCET_FIREFOX ?? "/usr/bin/firefox-esr";
const missing =
  !existsSync(firefox) && `${firefox} is not installed: apt-get install firefox-esr, as root`;
const STEP_TIMEOUT_MS = 280_000;

/** What Firefox says of a load that was under way when its page was loaded again; one that fails has its address here. */
const ENDED_WITH_ITS_PAGE = /^Failed to load ‘’\. A ServiceWorker intercepted the request/;

describe("the page in Firefox ESR", { skip: missing }, () => {
  let browser, host, page;
  const problems = [];
  before(async () => {
    host = await startPlainHost();
    browser = await puppeteer.launch({
      browser: "firefox",
      executablePath: firefox,
      headless: true,
      protocolTimeout: STEP_TIMEOUT_MS,
      timeout: STEP_TIMEOUT_MS,
    });
    page = await browser.newPage();
    page.setDefaultTimeout(STEP_TIMEOUT_MS);
    page.on("pageerror", ({ message }) => {
      if (!ENDED_WITH_ITS_PAGE.test(message)) problems.push(message);
    });
  }, limit);
  after(async () => {
    await browser?.close();
    host?.stop();
  });

  /** Presses what leads to a text, and gives the text when it is whole, with its seed and its number of tokens. */
  async function writeStory() {
    await page.waitForSelector("#begin:not(:disabled)");
    await page.evaluate(() => document.querySelector("#begin").click());
    await page.waitForFunction(() =>
      /seed \d+/.test(document.querySelector(".answer-figures")?.textContent),
    );
    return page.evaluate(() => {
      const figures = document.querySelector(".answer-figures").textContent;
      const [, tokens, seed] = /^(\d+) tokens.*seed (\d+)/s.exec(figures);
      return { text: document.querySelector("#story").textContent, tokens, seed };
    });
  }

  test(
    "one press leads to the native twin's story, also after the host is gone",
    limit,
    async () => {
      await page.goto(host.address);
      // The page loads itself again as soon as its worker can isolate it; with one processor it has no reason to.
      await page.waitForFunction(() => crossOriginIsolated || navigator.hardwareConcurrency === 1);
      const first = await writeStory();
      assert.equal(first.text, nativeStory({ seed: first.seed, length: first.tokens }));
      await page.evaluate(() => (location.hash = "#/hood"));
      await page.waitForFunction(
        () => document.querySelector("#figure-offline")?.textContent === "Ready",
      );
      host.stop();
      await page.reload();
      await page.waitForFunction(
        () => document.querySelector("#figure-source")?.textContent === "IndexedDB",
      );
      assert.deepEqual(problems, []);
    },
  );
});
