// gguf_kept.mjs - a GGUF file that was loaded before: the packed model is known again and comes from the storage, with neither the server
// nor the packer, and is packed anew where the file is another one or a stored chunk was damaged.

import assert from "node:assert/strict";
import { test } from "node:test";
import { limit } from "./library_under_test.mjs";
import {
  golden,
  openPage,
  nothing,
  packNatively,
  page,
  prepare,
  serve,
  server,
  small,
  smallId,
} from "./gguf_under_test.mjs";

test("a second visit needs neither the server nor the packer", limit, async () => {
  serve(small);
  await openPage();
  const first = await page.run(() => loadOnce("/model.tercet"));
  assert.equal(first.modelId, smallId);
  assert.equal(first.source, "network");
  server.repair();
  server.missing = /tercet-packer/;
  serve(small);
  server.faults = { status: 500 };
  await page.visit(server);
  await prepare();
  const second = await page.run(() => loadOnce("/model.tercet"));
  assert.equal(second.modelId, smallId);
  assert.equal(second.source, "indexeddb");
  assert.deepEqual(server.requests, []);
  assert.ok(second.events.every(({ phase }) => phase !== "pack" && phase !== "download"));
});

test(
  "a file that was chosen before is known again, another one with the same beginning is not",
  limit,
  async () => {
    serve(small);
    await openPage();
    const found = await page.run(async () => {
      const bytes = new Uint8Array(await (await fetch("/model.tercet")).arrayBuffer());
      const asFile = (content) => new File([content], "model.gguf", { lastModified: 1 });
      const first = await loadOnce(asFile(bytes));
      const second = await loadOnce(asFile(bytes));
      // One byte of one weight's block, far behind the header: still a model, with other weights.
      const other = bytes.slice();
      for (let at = 1 << 20; at < other.length; at += 1 << 16) other[at] ^= 0;
      other.fill(0, other.length - 30, other.length - 20);
      const third = await loadOnce(asFile(other)).catch((error) => error.code);
      return { first, second, third };
    });
    assert.equal(found.first.modelId, smallId);
    assert.equal(found.first.source, "memory");
    assert.equal(found.second.modelId, smallId);
    assert.equal(found.second.source, "indexeddb");
    assert.ok(found.second.events.every(({ phase }) => phase !== "pack"));
    assert.notEqual(found.third.modelId, smallId);
    assert.notEqual(found.third.source, "indexeddb");
  },
);

test("revalidate: the same file is not packed again, another one is", limit, async () => {
  serve(small);
  await openPage();
  await page.run(() => loadOnce("/model.tercet"));
  const same = await page.run(() => loadOnce("/model.tercet", { revalidate: true }));
  assert.equal(same.source, "indexeddb");
  serve(golden("gguf-qwen3-ptq1_0"), '"two"');
  const kept = await page.run(() => loadOnce("/model.tercet"));
  assert.equal(kept.modelId, smallId);
  const other = await page.run(() => loadOnce("/model.tercet", { revalidate: true }));
  assert.equal(other.modelId, packNatively(golden("gguf-qwen3-ptq1_0")).modelId);
});

test("a stored chunk that was damaged is packed again", limit, async () => {
  serve(small);
  await openPage();
  await page.run(() => loadOnce("/model.tercet"));
  await page.run(
    () =>
      new Promise((resolve) => {
        const opening = indexedDB.open("tercet");
        opening.onsuccess = () => {
          const change = opening.result.transaction("chunks", "readwrite");
          const store = change.objectStore("chunks");
          const asked = store.openCursor();
          asked.onsuccess = () => {
            const { value, key } = asked.result;
            new Uint8Array(value)[1000] ^= 1;
            store.put(value, key);
          };
          change.oncomplete = () => resolve(opening.result.close());
        };
      }),
  );
  const found = await page.run(async () => ({
    ...(await loadOnce("/model.tercet")),
    left: await leftOver(),
    list: await tercet.cache.list(),
  }));
  assert.equal(found.modelId, smallId);
  assert.ok(found.notices.some((notice) => /chunk 0 was damaged/.test(notice)));
  assert.deepEqual(found.left, nothing);
  assert.equal(found.list[0].state, "complete");
});
