// archive.test.mjs - what is done with stored models besides loading them: verify, export, the question about eviction, and
// what goes from the storage by itself: older versions of an address, and what no address leads to.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import {
  CHUNK_BYTES,
  chunkCount,
  headerBytes,
  limit,
  modelBytes,
  modelId,
  otherVersion,
} from "./library_under_test.mjs";
import { browser, page, server } from "./one_page.mjs";

const load = (options = {}, address = "/model.tercet") =>
  page.run(
    async ({ address, options }) => {
      const model = await tercet.load(address, { network: quick, ...options });
      const info = structuredClone(model.info);
      await model.dispose();
      return info;
    },
    { address, options },
  );

/** Changes records of the library's database: [store, key, new value or undefined to delete, or a function's text]. */
const change = (store, key, how) =>
  page.run(
    async ({ store, key, how }) => {
      const open = indexedDB.open("tercet");
      await new Promise((resolve) => (open.onsuccess = resolve));
      const records = open.result.transaction(store, "readwrite").objectStore(store);
      const done = new Promise((resolve) => (records.transaction.oncomplete = resolve));
      if (how === "flip")
        records.get(key).onsuccess = ({ target }) => {
          new Uint8Array(target.result)[77] ^= 1;
          records.put(target.result, key);
        };
      else if (how === "delete") records.delete(key);
      else records.put(how, key);
      await done;
      open.result.close();
    },
    { store, key, how },
  );
const countChunks = () =>
  page.run(async () => {
    const open = indexedDB.open("tercet");
    await new Promise((resolve) => (open.onsuccess = resolve));
    const counting = open.result.transaction("chunks").objectStore("chunks").count();
    await new Promise((resolve) => (counting.onsuccess = resolve));
    open.result.close();
    return counting.result;
  });
const verify = () => page.run((id) => tercet.cache.verify(id), modelId);

test(
  "verify finds what is damaged and what is missing; the next load fetches that alone",
  limit,
  async () => {
    const absent = await verify();
    assert.deepEqual(absent, { modelId, state: "absent", chunks: 0, damaged: [], missing: [] });
    await load();
    const whole = { modelId, state: "complete", chunks: chunkCount, damaged: [], missing: [] };
    assert.deepEqual(await verify(), whole);
    await change("chunks", [modelId, 1], "flip");
    await change("chunks", [modelId, 2], "delete");
    assert.deepEqual(await verify(), { ...whole, state: "damaged", damaged: [1], missing: [2] });
    server.requests = [];
    await load();
    const fetched = server.requests.filter(({ first }) => first >= headerBytes);
    assert.equal(fetched[0].first, headerBytes + CHUNK_BYTES);
    assert.ok(server.sentBytes <= 2 * CHUNK_BYTES + 65536 * 2);
    assert.deepEqual(await verify(), whole);
  },
);

test("export gives the file as it was; nothing for a model that is not whole", limit, async () => {
  await load();
  const { sha256, type, size } = await page.run(async (id) => {
    const blob = await tercet.cache.export(id);
    const digest = await crypto.subtle.digest("SHA-256", await blob.arrayBuffer());
    const model = await tercet.load(blob);
    await model.dispose();
    return { sha256: [...new Uint8Array(digest)], type: blob.type, size: blob.size };
  }, modelId);
  assert.equal(size, modelBytes.length);
  assert.equal(type, "application/octet-stream");
  assert.deepEqual(Buffer.from(sha256), createHash("sha256").update(modelBytes).digest());
  const codes = () =>
    page.run(async (id) => (await failure(tercet.cache.export(id))).code, modelId);
  await change("chunks", [modelId, 1], "flip");
  assert.equal(await codes(), "CHUNK_HASH_MISMATCH");
  await change("chunks", [modelId, 1], "delete");
  assert.equal(await codes(), "STORAGE_FAILED");
  await page.run((id) => tercet.cache.delete(id), modelId);
  assert.equal(await codes(), "BAD_ARGUMENT");
});

test("whatever is asked of the cache hears a signal", limit, async () => {
  await load();
  const codes = await page.run(async (id) => {
    const aborted = AbortSignal.abort();
    const later = new AbortController();
    const running = failure(tercet.cache.verify(id, { signal: later.signal }));
    later.abort();
    const { list, usage, verify } = tercet.cache;
    const asked = [list, usage, verify.bind(null, id), tercet.cache.export.bind(null, id)];
    const told = [(await running).code];
    for (const ask of asked) told.push((await failure(ask({ signal: aborted }))).code);
    told.push((await failure(tercet.cache.delete(id, { signal: aborted }))).code);
    // One that comes while the answer is awaited ends the waiting.
    const soon = new AbortController();
    const listing = failure(list({ signal: soon.signal }));
    soon.abort();
    told.push((await listing).code);
    return [...told, (await verify(id)).state];
  }, modelId);
  assert.deepEqual(codes, [...Array(7).fill("ABORTED"), "complete"]);
});

test("the browser is asked once a page not to evict, and its answer is told", limit, async () => {
  await page.run(() => {
    globalThis.asked = 0;
    navigator.storage.persist = async () => {
      globalThis.asked += 1;
      return true;
    };
  });
  assert.equal((await load({ persist: false })).persisted, null);
  assert.equal(await page.run(() => asked), 0);
  assert.equal((await load({ cache: "memory" })).persisted, null);
  assert.equal(await page.run(() => asked), 0);
  assert.equal((await load()).persisted, true);
  assert.equal((await load()).persisted, true);
  assert.equal(await page.run(() => asked), 1);
});

test(
  "a new version of an address replaces the old one in the storage, once it is whole",
  limit,
  async () => {
    await load();
    const { newer, newerId } = otherVersion();
    server.bytes = newer;
    server.etag = '"two"';
    server.faults = { cutAfter: server.sentBytes + headerBytes + 1_500_000 };
    await page.run(() =>
      failure(tercet.load("/model.tercet", { revalidate: true, network: { retries: 0 } })),
    );
    const half = await page.run(() => tercet.cache.list());
    const states = Object.fromEntries(half.map(({ modelId, state }) => [modelId, state]));
    assert.deepEqual(states, { [modelId]: "complete", [newerId]: "partial" });
    assert.deepEqual(
      half.map(({ urls }) => urls.length),
      [1, 1],
      "the address leads to both",
    );
    server.repair();
    server.bytes = newer;
    server.etag = '"two"';
    const info = await load({ revalidate: true });
    assert.equal(info.modelId, newerId);
    assert.ok(server.sentBytes < newer.length - CHUNK_BYTES, "what had come of it was kept");
    const after = await page.run(() => tercet.cache.list());
    assert.deepEqual(
      after.map(({ modelId, state }) => [modelId, state]),
      [[newerId, "complete"]],
    );
    assert.equal(await countChunks(), chunkCount);
  },
);

test("an old version stays while another address leads to it", limit, async () => {
  await load();
  await load({}, "/model.tercet?same");
  const { newer, newerId } = otherVersion();
  server.bytes = newer;
  server.etag = '"two"';
  await load({ revalidate: true });
  const ids = (await page.run(() => tercet.cache.list())).map(({ modelId }) => modelId);
  assert.deepEqual(ids.sort(), [modelId, newerId].sort());
});

test(
  "chunks without a header, and parts of models that no address leads to, are swept out",
  limit,
  async () => {
    await load();
    const orphan = "0".repeat(64);
    await page.run(
      async ({ orphan }) => {
        const open = indexedDB.open("tercet");
        await new Promise((resolve) => (open.onsuccess = resolve));
        const records = open.result.transaction("chunks", "readwrite").objectStore("chunks");
        for (let i = 0; i < 3; i++) records.put(new ArrayBuffer(1000), [orphan, i]);
        await new Promise((resolve) => (records.transaction.oncomplete = resolve));
        open.result.close();
      },
      { orphan },
    );
    assert.equal(await countChunks(), chunkCount + 3);
    // The address gives something else, of which a part comes; then the first one again: nothing leads to that part.
    const { newer } = otherVersion();
    await page.run((id) => tercet.cache.delete(id), modelId);
    server.repair();
    server.bytes = newer;
    server.faults = { cutAfter: headerBytes + 1_500_000 };
    await page.run(() => failure(tercet.load("/model.tercet", { network: { retries: 0 } })));
    assert.equal(await countChunks(), 1 + 3);
    server.repair();
    await load();
    assert.equal((await page.run(() => tercet.cache.list())).length, 1);
    assert.equal(await countChunks(), chunkCount);
  },
);
