// gguf_tabs.mjs - one GGUF file in two tabs: it is downloaded once and packed once, whoever of the two is closed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { limit } from "./library_under_test.mjs";
import {
  ENDLESS,
  fetchedParts,
  large,
  largeId,
  nothing,
  openPage,
  page,
  prepare,
  serve,
  server,
} from "./gguf_under_test.mjs";

/** Who packed; how far it is, the tab has in `phases` meanwhile. */
function load(tab) {
  return tab.run(async () => {
    globalThis.phases = [];
    const onProgress = ({ phase }) => phases.push(phase);
    const model = await tercet.load("/model.tercet", { context: 64, threads: 1, onProgress });
    const { modelId } = model.info;
    await model.dispose();
    return { modelId, packed: phases.includes("pack") };
  });
}

test(
  "two tabs, one file: one download, one packing; whoever is closed while it packs",
  limit,
  async () => {
    serve(large);
    server.faults = { slowly: 3 };
    await openPage();
    const other = await page.anotherTab(server);
    const both = await Promise.all([load(page), load(other)]);
    assert.deepEqual(
      both.map(({ modelId }) => modelId),
      [largeId, largeId],
    );
    assert.equal(both.filter(({ packed }) => packed).length, 1);
    // To learn what lies at the address each asks for the first bytes.
    assert.ok(server.sentBytes <= large.length + (256 << 10), `${server.sentBytes}`);
    await other.run(async (id) => tercet.cache.delete(id), largeId);

    // It has downloaded all, made its file, and packs for as long as it lives.
    server.requests = [];
    server.faults = {};
    server.packerPreamble = ENDLESS;
    await page.run(() => void tercet.load("/model.tercet").catch(() => {}));
    const tab = page.page;
    page.page = other.page;
    await prepare();
    for (let left = nothing; left.files.length === 0;) left = await page.run(() => leftOver());
    server.packerPreamble = "";
    const follower = load(other);
    await tab.close();
    const { modelId, packed } = await follower;
    assert.equal(modelId, largeId);
    assert.equal(packed, true);
    // Every part was there: of the second tab the server saw at most a question.
    const fetched = fetchedParts();
    assert.equal(fetched.length, 1, JSON.stringify(server.requests));
    const list = await other.run(() => tercet.cache.list());
    assert.deepEqual(
      list.map(({ modelId, state }) => [modelId, state]),
      [[largeId, "complete"]],
    );
    assert.deepEqual(await page.run(() => leftOver()), nothing);
  },
);

test(
  "a tab that comes while the packed file is stored waits for it, and packs nothing",
  limit,
  async () => {
    serve(large);
    await openPage();
    // The first tab has packed, planned and said so, and reads the packed file when it is told to.
    server.workerPreamble = `{
      const told = new Promise((go) => (new BroadcastChannel("read the packed file").onmessage = go));
      const { arrayBuffer } = Blob.prototype;
      let planned = false;
      Blob.prototype.arrayBuffer = async function () {
        if (planned) await told;
        return arrayBuffer.call(this);
      };
      const { put } = IDBObjectStore.prototype;
      IDBObjectStore.prototype.put = function (...record) {
        if (this.name === "sources") planned = true;
        return put.apply(this, record);
      };
    }`;
    const other = await page.anotherTab(server);
    const leader = load(page);
    for (let planned = false; !planned;)
      planned = await other.run(
        async (id) => (await tercet.cache.list()).some(({ modelId }) => modelId === id),
        largeId,
      );
    server.workerPreamble = "";
    const follower = load(other);
    for (let decided = false; !decided;)
      decided = await other.run(async (name) => {
        const { pending } = await navigator.locks.query();
        return phases.includes("pack") || pending.some((lock) => lock.name === name);
      }, `tercet-model-${largeId}`);
    await other.run(() => void new BroadcastChannel("read the packed file").postMessage("now"));
    assert.deepEqual(await leader, { modelId: largeId, packed: true });
    assert.deepEqual(await follower, { modelId: largeId, packed: false });
    assert.deepEqual(await page.run(() => leftOver()), nothing);
  },
);
