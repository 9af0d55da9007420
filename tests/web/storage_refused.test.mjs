// storage_refused.test.mjs - a browser that refuses, in whole or in part, to say or to keep anything (private windows, policies, broken
// profiles): loads work all the same.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PROMPT, limit, modelBytes, runNatively } from "./library_under_test.mjs";
import { browser, page, server } from "./one_page.mjs";

const expected = runNatively(["-p", PROMPT, "-n", 8, "--seed", 3]).text;

const load = () =>
  page.run(async (prompt) => {
    const model = await tercet.load("/model.tercet", { network: quick });
    const { text } = await model.generate(prompt, { maxTokens: 8, seed: 3 }).result;
    const { notices } = model.info;
    await model.dispose();
    const usage = await tercet.cache.usage().catch(({ code }) => code);
    return { text, notices, usage, list: await tercet.cache.list().catch(({ code }) => code) };
  }, PROMPT);

test(
  "a browser that does not say how much room there is: the model is stored all the same",
  limit,
  async () => {
    const refuse = 'async () => { throw new TypeError("made by the test"); }';
    server.workerPreamble = `for (const name of ["estimate", "persisted", "persist"]) StorageManager.prototype[name] = ${refuse}`;
    await page.run(() => {
      StorageManager.prototype.persist = async () => {
        throw new TypeError("made by the test");
      };
    });
    const { text, notices, usage, list } = await load();
    assert.deepEqual([text, notices], [expected, []]);
    assert.deepEqual([usage.usedBytes, usage.quotaBytes, usage.persisted], [null, null, false]);
    assert.equal(usage.modelBytes, modelBytes.length);
    assert.equal(list[0].state, "complete");
    assert.equal(await page.run(() => tercet.cache.persist()), false);
  },
);

test(
  "a browser that opens no database: the model runs from memory, and says so",
  limit,
  async () => {
    const refuse =
      'IDBFactory.prototype.open = () => { throw new DOMException("made by the test", "SecurityError"); }';
    server.workerPreamble = refuse;
    const { text, notices, usage, list } = await load();
    assert.equal(text, expected);
    assert.equal(notices.length, 1, notices.join());
    assert.match(notices[0], /memory.*made by the test/);
    assert.deepEqual([usage, list], ["STORAGE_FAILED", "STORAGE_FAILED"]);
  },
);

test(
  "too little room is known before the first chunk: none is written, the model runs from memory",
  limit,
  async () => {
    server.workerPreamble = `
      StorageManager.prototype.estimate = async () => ({ usage: 1_000_000, quota: 3_000_000 });
      const { put } = IDBObjectStore.prototype;
      IDBObjectStore.prototype.put = function (...record) {
        if (this.name === "chunks") throw new TypeError("written");
        return put.apply(this, record);
      };`;
    const { text, notices, list } = await load();
    assert.equal(text, expected);
    assert.equal(notices.length, 1, notices.join());
    assert.match(
      notices[0],
      /^the model runs from memory and is not stored: it needs \d MB more, the browser leaves this site 2 MB$/,
    );
    assert.ok(list.every(({ storedChunks }) => storedChunks === 0));
  },
);
