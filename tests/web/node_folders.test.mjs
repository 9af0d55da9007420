// node_folders.test.mjs - the folders of the store in Node with files in them that are no records: each is as if it were not there.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { importSource } from "./source_under_test.mjs";

const { FolderStore } = await importSource("node/store_folder");
const { GgufParts } = await importSource("node/gguf_parts");
const { GgufSource } = await importSource("gguf_source");
const ID = "a".repeat(64);
const header = '{"name":"b","fileBytes":2,"chunkBytes":1,"chunks":1}';

/** With a folder that holds these files, by path. */
async function inFolder(t, files) {
  const folder = mkdtempSync(join(tmpdir(), "tercet-folders-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

test("models: records that hold null, and what else lies about", async (t) => {
  const whole = { [`${ID}/header.json`]: header, [`${ID}/header`]: "x", [`${ID}/chunk-0`]: "y" };
  for (const [stray, state] of [
    [{ "sources/x.json": "null" }, "partial"],
    [{ "sources/y.json/z": "" }, "partial"],
    [{ ["b".repeat(64)]: "a file" }, "partial"],
    [{ [`${ID}/commit.json`]: "null" }, "partial"],
    [{ [`${ID}/header.json`]: "null" }, undefined],
    [{ [`${ID}/header.json`]: "{}", [`${ID}/commit.json`]: "{}" }, undefined],
  ]) {
    const folder = await inFolder(t, { ...whole, ...stray });
    const store = await FolderStore.open(pathToFileURL(folder));
    const told = JSON.stringify(stray);
    assert.equal((await store.list())[0]?.state, state, told);
    assert.deepEqual(await store.readSources(), [], told);
    await store.sweep(new Set([ID]));
    // Somebody else's.
    for (const path of Object.keys(stray)) assert.ok(existsSync(join(folder, path)), path);
    assert.equal(await store.deleteModel(ID), true, told);
    assert.deepEqual(await store.list(), [], told);
  }
});

test("downloads: a record that holds null is none", async (t) => {
  const folder = await inFolder(t, { "gguf/abc/file.json": "null" });
  const parts = await GgufParts.kept(pathToFileURL(folder).href);
  assert.deepEqual(await parts.readAll(), []);
  await parts.deleteForgotten(Date.now());
});

test("a GGUF file of this machine is known by its size and time: no server is asked", async (t) => {
  const { fetch } = globalThis;
  t.after(() => (globalThis.fetch = fetch));
  globalThis.fetch = async () => assert.fail("it was asked");
  const network = { retries: 0, retryDelayMs: 1, stallTimeoutMs: 1000 };
  const message = { source: { kind: "url", urls: ["file:///model.gguf"] }, network };
  const source = new GgufSource(message, new AbortController().signal, null, [], null);
  assert.equal(await source.isStill({ etag: null, ggufBytes: 5 }), true);
});
