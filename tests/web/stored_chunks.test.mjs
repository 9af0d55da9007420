// stored_chunks.test.mjs - reading ahead: what is asked of a store, when, and what comes of its answers.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { importSource } from "./source_under_test.mjs";

const { StoredChunks } = await importSource("stored_chunks");
const MIB = 1 << 20;

/** A store that answers when it is told to, and counts who waits. */
class SlowStore {
  asked = [];
  waiting = new Map();

  readChunk(modelId, index) {
    assert.equal(modelId, "model");
    this.asked.push(index);
    return new Promise((resolve, reject) => this.waiting.set(index, { resolve, reject }));
  }

  answer(index) {
    this.waiting.get(index).resolve(Uint8Array.of(index, 1, 2).buffer);
    this.waiting.delete(index);
  }
}

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

test("several are on their way before the first is wanted, and no more than the limit", async () => {
  const store = new SlowStore();
  const indices = Array.from({ length: 40 }, (_, i) => i);
  const chunks = new StoredChunks(store, "model", indices, MIB);
  assert.deepEqual(store.asked, indices.slice(0, 8));
  const first = chunks.take(0);
  store.answer(1);
  store.answer(0);
  const { bytes, sha256: digest } = await first;
  assert.deepEqual([...bytes], [0, 1, 2]);
  assert.equal(Buffer.from(digest).toString("hex"), sha256(bytes));
  assert.deepEqual(store.asked, indices.slice(0, 9), "one more for the one that was taken");
  assert.deepEqual([...(await chunks.take(1)).bytes], [1, 1, 2]);
});

test("large chunks: two at once, whatever they weigh", () => {
  const store = new SlowStore();
  new StoredChunks(store, "model", [0, 1, 2, 3], 64 * MIB);
  assert.deepEqual(store.asked, [0, 1]);
});

test("only what is stored is asked for; the rest is null", async () => {
  const store = new SlowStore();
  const chunks = new StoredChunks(store, "model", [2, 5, 6], MIB);
  assert.deepEqual(store.asked, [2, 5, 6]);
  assert.equal(await chunks.take(0), null);
  store.waiting.get(2).resolve(undefined); // deleted by another tab
  assert.equal(await chunks.take(2), null);
  assert.equal(await chunks.take(4), null);
  store.answer(6);
  assert.deepEqual([...(await chunks.take(6)).bytes], [6, 1, 2], "5 was passed over");
});

test("an error is told to who takes the chunk, and to nobody else", async () => {
  const store = new SlowStore();
  const chunks = new StoredChunks(store, "model", [0, 1], MIB);
  store.waiting.get(1).reject(new Error("the disk is gone"));
  store.answer(0);
  assert.equal((await chunks.take(0)).bytes.length, 3);
  await assert.rejects(chunks.take(1), /the disk is gone/);
});
