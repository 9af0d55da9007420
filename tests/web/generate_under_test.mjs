// generate_under_test.mjs - what the tests of generate() share: one browser with a page that is isolated and one that is not, each with the
// model twice: `model`, and `held`, whose worker stops at gates. To import it is to have it; the tests are in generate.test.mjs and
// generate_turns.mjs, which run in one process.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import {
  GATED,
  PROMPT,
  TestPage,
  TestServer,
  launchBrowser,
  runNatively,
} from "./library_under_test.mjs";

export let browser, isolated, plain, page, plainPage;

before(async () => {
  browser = await launchBrowser();
  isolated = await TestServer.start();
  plain = await TestServer.start({ isolation: false });
  page = await TestPage.open(browser, isolated);
  plainPage = await TestPage.open(browser, plain);
  for (const [one, server] of [
    [page, isolated],
    [plainPage, plain],
  ]) {
    await one.run(async () => (globalThis.model = await tercet.load("/model.tercet")));
    server.workerPreamble = GATED;
    await one.run(async () => {
      globalThis.held = await tercet.load("/model.tercet");
      /** Aborts this work while it waits at a gate. */
      globalThis.abortAt = async (place, start) => {
        const abort = new AbortController();
        await fetch(`/gate/arm?at=${place}`);
        const work = start(abort.signal);
        await fetch("/gate/held");
        abort.abort();
        await fetch("/gate/open");
        return work;
      };
    });
    server.workerPreamble = "";
  }
});
after(async () => {
  await page?.finish();
  await plainPage?.finish();
  await browser?.close();
  await isolated?.stop();
  await plain?.stop();
});

/** The engine works: the text of a known seed is the known text. */
export async function stillWorks(where = page) {
  const text = await where.run(
    async (prompt) => (await model.generate(prompt, { maxTokens: 8, seed: 5 }).result).text,
    PROMPT,
  );
  assert.equal(text, runNatively(["-p", PROMPT, "-n", 8, "--seed", 5]).text);
}
