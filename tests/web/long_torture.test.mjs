// long_torture.test.mjs - a little of the rows `restarts`, `abort` and `browser-soak` of `npm run torture`: a few engines one after
// another, stops at some places, some hundred tokens. Memory and milliseconds are judged by the rows alone: here, what must be right
// on any machine.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { PROMPT, TestServer, launchBrowser, limit, runNatively } from "./library_under_test.mjs";
import {
  BLOCK_SEEN_BYTES_LEAST,
  COLLECT,
  MEMORY_FLAGS,
  TRAP_ON_DEMAND,
  WAYS,
  WatchedPage,
  beginSoak,
  grownProcess,
  restartAgain,
  slope,
  soak,
  stopEverywhere,
} from "./long_torture.mjs";

let browser, server, page;
before(async () => {
  browser = await launchBrowser({ flags: MEMORY_FLAGS });
  server = await TestServer.start();
  page = await WatchedPage.open(browser, server);
});
after(async () => {
  await page?.finish();
  await browser?.close();
  await server?.stop();
});

const expected = runNatively(["-p", PROMPT, "-n", 8, "--seed", 5]).text;

test(
  "engines one after another, ended in every way: none is left, each is right",
  limit,
  async () => {
    server.workerPreamble = TRAP_ON_DEMAND;
    const times = WAYS.length + 1;
    assert.deepEqual(await restartAgain(page, { times, expected }), []);
    const { processBytes, scriptBytes } = await page.memory();
    assert.ok(processBytes > scriptBytes && scriptBytes > 0);
  },
);

test("a text that was stopped is written anew as if nothing had been", limit, async () => {
  server.workerPreamble = "";
  const prompt = "One morning Tom went to the store. ".repeat(8);
  const given = { prompt, options: { threads: 2 }, maxTokens: 24, stride: 5 };
  const { problems, stops, places, missed, slices } = await page.run(stopEverywhere, given);
  assert.deepEqual(problems, []);
  assert.ok(slices > 5, `${slices} slices`);
  assert.ok(stops.length > 2, `${stops.length} stops`);
  assert.equal(stops.length + missed, places);
});

test("texts one after another leave the engine as it was", limit, async () => {
  server.workerPreamble = COLLECT;
  const bytes = await page.run(beginSoak, { options: {} });
  const { written, text } = await page.run(soak, { tokens: 300, first: PROMPT });
  assert.ok(written >= 300);
  assert.equal(text, expected);
  const { processBytes } = await page.memory(1);
  assert.ok(processBytes > bytes, "the engine's memory is in the process that is watched");
  await page.run(() => model.dispose());
});

test("the process that is watched is the one in which the page's block shows", () => {
  const before = new Map([
    [11, 50e6],
    [12, 90e6],
    [14, 40e6],
  ]);
  const grown = (pid) => (before.get(pid) ?? 0) + BLOCK_SEEN_BYTES_LEAST;
  const after = (...pids) => new Map([...before, ...pids.map((pid) => [pid, grown(pid)])]);
  assert.equal(grownProcess(before, after(12)), 12);
  // One that has come since is not the page's, however large.
  assert.equal(grownProcess(before, after(12, 13)), 12);
  assert.throws(() => grownProcess(before, after()), /must show in one renderer/);
  assert.throws(() => grownProcess(before, after(13)), /must show in one renderer/);
  assert.throws(() => grownProcess(before, after(11, 12)), /must show in one renderer/);
  assert.throws(() => grownProcess(before, new Map([[12, grown(12) - 1]])), /"pid":12/);
});

test("the line through figures", () => {
  assert.equal(slope([5, 5, 5, 5]), 0);
  assert.ok(Math.abs(slope([1, 3, 5, 7]) - 2) < 1e-12);
  assert.ok(Math.abs(slope([4, 3, 2]) + 1) < 1e-12);
  assert.equal(slope([4]), 0);
});
