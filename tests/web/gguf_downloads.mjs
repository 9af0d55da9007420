// gguf_downloads.mjs - the download of a GGUF file goes on where it was cut or stopped, its stored parts are checked and of one version,
// and nothing of it is left over; the list of models has it as long as it is unfinished.

import assert from "node:assert/strict";
import { test } from "node:test";
import { limit } from "./library_under_test.mjs";
import {
  BEGINNING_BYTES,
  ENDLESS,
  PART_BYTES,
  fetchedParts,
  finishPage,
  large,
  largeId,
  nothing,
  openPage,
  packNatively,
  page,
  prepare,
  serve,
  server,
  small,
} from "./gguf_under_test.mjs";

test("a download that is cut goes on at its part on the next visit", limit, async () => {
  serve(large);
  server.faults = { cutAfter: 2 * PART_BYTES + 100_000 };
  await openPage();
  const failed = await page.run(() => failure(tercet.load("/model.tercet", { network: quick })));
  assert.equal(failed.code, "NETWORK_FAILED");
  assert.deepEqual((await page.run(() => leftOver())).parts, [0, 1]);
  server.repair();
  serve(large);
  await page.visit(server);
  await prepare();
  const found = await page.run(async () => ({
    ...(await loadOnce("/model.tercet")),
    left: await leftOver(),
  }));
  assert.equal(found.modelId, largeId);
  assert.deepEqual(found.left, nothing);
  // The question what the file is, and no byte of a part that was there.
  assert.ok(server.requests.some(({ first }) => first === 2 * PART_BYTES));
  const again = server.requests.filter(({ first }) => first < 2 * PART_BYTES);
  assert.ok(
    again.every(({ sent }) => sent <= BEGINNING_BYTES),
    JSON.stringify(server.requests),
  );
});

test(
  "parts that a killed load left behind its stored model are deleted by the next one",
  limit,
  async () => {
    serve(small);
    await openPage();
    await page.run(() => loadOnce("/model.tercet"));
    const { before, after } = await page.run(async () => {
      const url = new URL("/model.tercet", location.href).href;
      await new Promise((resolve, reject) => {
        const opening = indexedDB.open("tercet-gguf");
        opening.onsuccess = () => {
          const change = opening.result.transaction(["files", "parts"], "readwrite");
          const record = { url, etag: '"one"', fileBytes: 3, touched: Date.now() };
          change.objectStore("files").put(record);
          const part = { blob: new Blob(["abc"]), sha256: new ArrayBuffer(32) };
          change.objectStore("parts").put(part, [url, 0]);
          change.oncomplete = () => resolve(opening.result.close());
          change.onerror = () => reject(change.error);
        };
      });
      const before = await leftOver();
      const { source } = await loadOnce("/model.tercet");
      return { before, after: { ...(await leftOver()), source } };
    });
    assert.deepEqual(before.parts, [0]);
    assert.deepEqual(after, { ...nothing, source: "indexeddb" });
  },
);

test("a stored part that was damaged is fetched again, alone", limit, async () => {
  serve(large);
  server.faults = { cutAfter: 2 * PART_BYTES + 100_000 };
  await openPage();
  await page.run(() => failure(tercet.load("/model.tercet", { network: quick })));
  await page.run(
    () =>
      new Promise((resolve, reject) => {
        const opening = indexedDB.open("tercet-gguf");
        opening.onsuccess = () => {
          const change = opening.result.transaction("parts", "readwrite");
          const store = change.objectStore("parts");
          const asked = store.openCursor();
          asked.onsuccess = () => {
            const { value, key } = asked.result;
            const blob = new Blob([value.blob.slice(1), "x"]);
            store.put({ ...value, blob }, key);
          };
          change.oncomplete = () => resolve(opening.result.close());
          change.onerror = () => reject(change.error);
        };
      }),
  );
  server.repair();
  serve(large);
  const found = await page.run(() => loadOnce("/model.tercet"));
  assert.equal(found.modelId, largeId);
  // Part 0, whose beginning came with the first question, and part 2; not part 1.
  const fetched = fetchedParts();
  assert.deepEqual(
    fetched.map(({ first }) => Math.floor(first / PART_BYTES)),
    [0, 2],
  );
  assert.ok(fetched[0].sent <= PART_BYTES);
});

test("parts of another version are not mixed in", limit, async () => {
  for (const etag of ['"one"', null]) {
    serve(large, etag);
    server.faults = { cutAfter: PART_BYTES + 100_000 };
    await openPage();
    await page.run(() => failure(tercet.load("/model.tercet", { network: quick })));
    server.repair();
    serve(small, etag && '"two"');
    const found = await page.run(async () => ({
      ...(await loadOnce("/model.tercet")),
      left: await leftOver(),
    }));
    assert.equal(found.modelId, packNatively(small).modelId);
    assert.deepEqual(found.left, nothing);
    await finishPage();
    server.repair();
  }
});

test("an unfinished download is in the list, counts, and can be deleted", limit, async () => {
  serve(large);
  server.faults = { cutAfter: 2 * PART_BYTES + 100_000 };
  await openPage();
  const found = await page.run(async () => {
    await failure(tercet.load("/model.tercet", { network: quick }));
    const [download, ...others] = await tercet.cache.list();
    const { modelBytes } = await tercet.cache.usage();
    const { state } = await tercet.cache.verify(download.modelId);
    const { code } = await failure(tercet.cache.export(download.modelId));
    const deleted = [];
    for (let times = 0; times < 2; times++)
      deleted.push(await tercet.cache.delete(download.modelId));
    const left = await leftOver();
    return {
      download,
      others,
      modelBytes,
      state,
      code,
      deleted,
      left,
      list: await tercet.cache.list(),
    };
  });
  const { modelId, ...download } = found.download;
  assert.match(modelId, /^[0-9a-f]{64}$/);
  assert.deepEqual(download, {
    name: "model.tercet",
    urls: [`${server.origin}/model.tercet`],
    state: "partial",
    fileBytes: large.length,
    storedBytes: 2 * PART_BYTES,
    chunks: Math.ceil(large.length / PART_BYTES),
    storedChunks: 2,
  });
  assert.equal(found.modelBytes, 2 * PART_BYTES);
  assert.deepEqual([found.state, found.code], ["absent", "BAD_ARGUMENT"]);
  assert.deepEqual([found.deleted, found.others, found.list], [[true, false], [], []]);
  assert.deepEqual(found.left, nothing);
});

test("a download that is deleted while it comes leaves no part without a list", limit, async () => {
  serve(large);
  server.faults = { holdFrom: PART_BYTES + 200_000 };
  await openPage();
  const deleted = await page.run(async () => {
    globalThis.loading = loadOnce("/model.tercet");
    let download;
    while ((download?.storedChunks ?? 0) === 0) [download] = await tercet.cache.list();
    return tercet.cache.delete(download.modelId);
  });
  assert.equal(deleted, true);
  server.faults = {};
  const found = await page.run(async () => ({ ...(await loading), left: await leftOver() }));
  assert.equal(found.modelId, largeId);
  assert.ok(found.notices.some((notice) => /what is downloaded is not kept/.test(notice)));
  assert.deepEqual(found.left, nothing);
});

test(
  "stopped while it comes, or is packed, it goes on later with what had come",
  limit,
  async () => {
    for (const phase of ["download", "pack"]) {
      serve(large);
      // The first part is there and no more comes; or all has come, the file is made, and it packs for as long as it lives.
      if (phase === "download") server.faults = { holdFrom: PART_BYTES + 200_000 };
      else server.packerPreamble = ENDLESS;
      await openPage();
      const code = await page.run(async (when) => {
        const stop = new AbortController();
        const { signal } = stop;
        const phases = [];
        const onProgress = ({ phase }) => phases.push(phase);
        const failed = failure(tercet.load("/model.tercet", { signal, onProgress }));
        for (let there = false; !there;) {
          const [download] = await tercet.cache.list();
          const { files } = await leftOver();
          there = when === "pack" ? files.length > 0 : download?.storedChunks === 1;
        }
        if (!phases.includes("download")) throw new Error(phases.join(" "));
        stop.abort();
        return (await failed).code;
      }, phase);
      assert.equal(code, "ABORTED");
      server.repair();
      serve(large);
      const found = await page.run(async () => ({
        ...(await loadOnce("/model.tercet")),
        left: await leftOver(),
      }));
      assert.equal(found.modelId, largeId);
      assert.deepEqual(found.left, nothing);
      const fetched = fetchedParts();
      assert.deepEqual(
        fetched.map(({ first }) => first),
        phase === "download" ? [PART_BYTES] : [],
      );
      await finishPage();
      server.repair();
    }
  },
);
