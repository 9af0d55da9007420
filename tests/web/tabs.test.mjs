// tabs.test.mjs - two tabs of one site and one model: it is downloaded once, whoever began, whoever is closed; and what
// other tabs have under way is left alone.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import {
  CHUNK_BYTES,
  PROMPT,
  TestPage,
  TestServer,
  headerBytes,
  launchBrowser,
  limit,
  modelBytes,
  modelId,
  runNatively,
} from "./library_under_test.mjs";

let browser, server, first, second;
before(async () => {
  browser = await launchBrowser();
  server = await TestServer.start();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});
beforeEach(async () => {
  server.repair();
  first = await TestPage.open(browser, server);
  second = await first.anotherTab(server);
});
afterEach(() => first.finish());

/** Bytes of the model after which the network waits for the test: two chunks, and a part of the third. */
const HELD = headerBytes + 2 * CHUNK_BYTES + 100_000;

const expected = runNatively(["-p", PROMPT, "-n", 16, "--seed", 3]).text;

const loadIn = (tab, options = {}) =>
  tab.run(
    async ({ prompt, options }) => {
      const model = await tercet.load("/model.tercet", { network: quick, ...options });
      const { text } = await model.generate(prompt, { maxTokens: 16, seed: 3 }).result;
      const { notices, modelId } = model.info;
      await model.dispose();
      return { text, notices, modelId };
    },
    { prompt: PROMPT, options },
  );

/** Once the store has so many chunks. */
async function stored(tab, count) {
  for (;;) {
    const [model] = await tab.run(() => tercet.cache.list());
    if (model?.storedChunks >= count) return;
  }
}

test("two tabs, two copies? No: loaded at the same time, downloaded once", limit, async () => {
  // One is about to learn what lies at the address, and the other one waits for that.
  server.faults = { holdFrom: 1000 };
  const loads = [loadIn(first), loadIn(second)];
  await first.page.waitForFunction(async () => {
    const { pending } = await navigator.locks.query();
    return pending.some(({ name }) => name.startsWith("tercet-address-"));
  });
  server.faults = { slowly: 10 };
  for (const { text, notices } of await Promise.all(loads)) {
    assert.equal(text, expected);
    assert.deepEqual(notices, []);
  }
  assert.equal(server.sentBytes, modelBytes.length, "not a byte twice");
});

test("a tab that comes later goes along with the one that downloads", limit, async () => {
  server.faults = { holdFrom: HELD };
  const leader = loadIn(first);
  await stored(second, 1);
  const following = loadIn(second);
  // It has learnt what lies there, and waits.
  await server.requested(3);
  server.faults = {};
  const follower = await following;
  assert.equal(follower.text, expected);
  assert.equal((await leader).text, expected);
  // To learn what lies at the address it asks for the first bytes.
  assert.ok(server.sentBytes <= modelBytes.length + 65536, `${server.sentBytes}`);
});

test("the tab that downloads is closed: the other one goes on at the chunk", limit, async () => {
  server.faults = { holdFrom: HELD };
  await first.run(() => void tercet.load("/model.tercet", { network: quick }).catch(() => {}));
  await stored(second, 1);
  const download = server.requests.at(-1);
  const follower = loadIn(second);
  await first.page.close();
  // Else it is sent to the end, into the buffers of a connection that nobody reads.
  await server.until(() => download.left);
  server.faults = {};
  assert.equal((await follower).text, expected);
  const most = modelBytes.length + 65536 + 2 * CHUNK_BYTES;
  assert.ok(
    server.sentBytes < most,
    `${server.sentBytes}: the chunk on its way, and what was in buffers`,
  );
  assert.equal((await second.run(() => tercet.cache.list()))[0].state, "complete");
});

test("the tab that downloads gives up: the other one goes on", limit, async () => {
  server.faults = { holdFrom: HELD };
  await first.run(() => {
    globalThis.abort = new AbortController();
    globalThis.work = failure(tercet.load("/model.tercet", { signal: abort.signal }));
  });
  await stored(second, 1);
  const follower = loadIn(second);
  const { code } = await first.run(async () => {
    abort.abort();
    return work;
  });
  assert.equal(code, "ABORTED");
  server.faults = {};
  assert.equal((await follower).text, expected);
});

test("a tab that waits for another can be stopped", limit, async () => {
  server.faults = { holdFrom: HELD };
  await first.run(() => void tercet.load("/model.tercet").catch(() => {}));
  await stored(second, 1);
  // The other one's download never goes on: only the stop can end this.
  const error = await second.run(async () => {
    const abort = new AbortController();
    return failure(
      tercet.load("/model.tercet", {
        signal: abort.signal,
        onProgress: ({ loadedBytes }) => loadedBytes > 1_000_000 && abort.abort(),
      }),
    );
  });
  assert.equal(error.code, "ABORTED");
});

test("a tab whose storage is refused does not keep the others waiting", limit, async () => {
  server.faults = { slowly: 10 };
  const [memory, kept] = await Promise.all([loadIn(first, { cache: "memory" }), loadIn(second)]);
  assert.equal(memory.text, expected);
  assert.equal(kept.text, expected);
  assert.equal((await second.run(() => tercet.cache.list()))[0].modelId, modelId);
});
