// gguf_room.mjs - GGUF files where there is too little room, or no place for files at all: the model is packed in memory, the page is
// told, and nothing is left over.

import assert from "node:assert/strict";
import { test } from "node:test";
import { limit } from "./library_under_test.mjs";
import {
  PART_BYTES,
  large,
  largeId,
  nothing,
  openPage,
  page,
  serve,
  server,
  small,
  smallId,
} from "./gguf_under_test.mjs";

test("too little room is seen before the download: nothing of it is kept", limit, async () => {
  serve(large);
  // Chromium says the same for every site, so a small one is told in its place.
  const quota = 2 * large.length;
  const told = `navigator.storage.estimate = async () => ({ usage: 0, quota: ${quota} });`;
  server.packerPreamble = told;
  await openPage();
  server.faults = { cutAfter: 2 * PART_BYTES + 100_000 };
  const failed = await page.run(async () => ({
    ...(await failure(tercet.load("/model.tercet", { network: quick }))),
    left: await leftOver(),
  }));
  assert.equal(failed.code, "NETWORK_FAILED");
  assert.deepEqual(failed.left, nothing);
  server.repair();
  server.packerPreamble = told;
  serve(large);
  const whole = await page.run(() => loadOnce("/model.tercet"));
  assert.equal(whole.modelId, largeId);
  assert.match(whole.notices.join(), /what is downloaded is not kept: .* needs \d+ MB more/);
  // The model itself has room, and is there the next time.
  const again = await page.run(() => loadOnce("/model.tercet"));
  assert.equal(again.source, "indexeddb");
});

test("a full disk: packed from memory into memory, and nothing is left over", limit, async () => {
  serve(large);
  await openPage();
  const session = await page.context.newCDPSession(page.page);
  const { usedBytes } = await page.run(() => tercet.cache.usage());
  const quotaSize = usedBytes + PART_BYTES + 500_000;
  await session.send("Storage.overrideQuotaForOrigin", { origin: server.origin, quotaSize });
  const full = await page.run(async () => ({
    ...(await loadOnce("/model.tercet")),
    left: await leftOver(),
    list: await tercet.cache.list(),
  }));
  assert.equal(full.modelId, largeId);
  assert.match(full.notices.join(), /what is downloaded is not kept/);
  assert.deepEqual(full.left, nothing);
  assert.ok(full.list.every(({ state }) => state === "complete" || state === "partial"));
});

test(
  "where no file can be made it is packed in memory; cache: memory leaves nothing",
  limit,
  async () => {
    serve(small);
    await openPage();
    const found = await page.run(async () => {
      const model = await loadOnce("/model.tercet", { cache: "memory" });
      return { model, left: await leftOver(), list: await tercet.cache.list() };
    });
    assert.equal(found.model.modelId, smallId);
    assert.deepEqual(found.left, nothing);
    assert.deepEqual(found.list, []);
    // As in a private window: the worker's file system says no.
    server.packerPreamble = `navigator.storage.getDirectory = async () => { throw new DOMException("no", "SecurityError"); };`;
    const inMemory = await page.run(() => loadOnce("/model.tercet"));
    assert.equal(inMemory.modelId, smallId);
    assert.ok(inMemory.notices.some((notice) => /packed in memory/.test(notice)));
  },
);

test(
  "the disk becomes full while the packer writes: it goes on in memory, and says so",
  limit,
  async () => {
    serve(small);
    // From the second write on there is room for a few bytes only; then for none.
    server.packerPreamble = `{
      const { write } = FileSystemSyncAccessHandle.prototype;
      let count = 0;
      FileSystemSyncAccessHandle.prototype.write = function (bytes, place) {
        count += 1;
        if (count > 2) throw new DOMException("no room", "QuotaExceededError");
        return write.call(this, count > 1 ? bytes.subarray(0, 5) : bytes, place);
      };
    }`;
    await openPage();
    const found = await page.run(async () => ({
      model: await loadOnce("/model.tercet"),
      left: await leftOver(),
      list: await tercet.cache.list(),
    }));
    assert.equal(found.model.modelId, smallId);
    assert.ok(found.model.notices.some((notice) => /packed in memory: the disk/.test(notice)));
    assert.equal(found.list[0].state, "complete");
    assert.deepEqual(found.left, nothing);
  },
);
