// chunk_memory.test.mjs - memory that chunks lay in: given back at once where nobody reads it, and the collector called in
// time for the rest; and no chunk's own buffer is given to a function of the browser, which would hold it after it is given
// back. What that is worth in a browser is measured by bench/web.mjs and bench/load.mjs.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { importSource } from "./source_under_test.mjs";

const { ChunkMemory, CopyMemory, release } = await importSource("chunk_memory");
const { hash, holds } = await importSource("content_hash");
const { StoredChunks } = await importSource("stored_chunks");
const MIB = 1 << 20;

/** Sizes of the buffers that `work` makes. */
function buffersMadeBy(work, make = (bytes) => new Original(Math.min(bytes, 8))) {
  const Original = globalThis.ArrayBuffer;
  const sizes = [];
  globalThis.ArrayBuffer = function ArrayBuffer(bytes) {
    sizes.push(bytes);
    return make(bytes);
  };
  try {
    work();
  } finally {
    globalThis.ArrayBuffer = Original;
  }
  return sizes;
}

test("the collector is called once for every 16 MiB that passed", () => {
  const memory = new ChunkMemory();
  const pass = (bytes, times) => () => {
    for (let i = 0; i < times; i++) memory.passed(bytes);
  };
  assert.deepEqual(buffersMadeBy(pass(MIB, 15)), []);
  assert.deepEqual(buffersMadeBy(pass(MIB, 1)), [64 * MIB]);
  assert.equal(buffersMadeBy(pass(MIB, 160)).length, 10);
  assert.equal(buffersMadeBy(pass(64 * MIB, 2)).length, 2, "chunks larger than that");
});

test("no room for the call is no failure", () => {
  const refuse = () => {
    throw new RangeError("Array buffer allocation failed");
  };
  const memory = new ChunkMemory();
  assert.equal(buffersMadeBy(() => memory.passed(16 * MIB), refuse).length, 1);
});

test("released memory is gone at once, and without transfer() it is left alone", () => {
  const bytes = Uint8Array.of(1, 2, 3);
  const withoutTransfer = Object.assign(new ArrayBuffer(3), { transfer: undefined });
  release(withoutTransfer);
  assert.equal(withoutTransfer.byteLength, 3);
  if (typeof ArrayBuffer.prototype.transfer !== "function") return; // Node 20
  release(bytes.buffer);
  assert.equal(bytes.length, 0);
});

/** Buffers that the browser's hash is given while `work` runs. */
async function buffersHashedBy(work) {
  const { subtle } = crypto;
  const original = subtle.digest;
  const buffers = [];
  subtle.digest = function digest(name, bytes) {
    buffers.push(bytes.buffer ?? bytes);
    return original.call(subtle, name, bytes);
  };
  try {
    await work();
  } finally {
    delete subtle.digest;
  }
  return buffers;
}

function chunkOf(bytes, seed) {
  return Uint8Array.from({ length: bytes }, (_, at) => (at * seed) & 255);
}

function sha256(bytes) {
  return new Uint8Array(createHash("sha256").update(bytes).digest());
}

test("the browser's hash never sees the buffer of a chunk, and copies take the memory of one", async () => {
  const chunks = [5000, 5000, 4000, 5000].map((bytes, i) => chunkOf(bytes, 3 + 2 * i));
  const store = { readChunk: async (_, index) => chunks[index].buffer };
  const read = async () => {
    const stored = new StoredChunks(store, "model", [0, 1, 2, 3], 5000);
    for (const [index, chunk] of chunks.entries())
      assert.deepEqual((await stored.take(index)).sha256, sha256(chunk));
  };
  const check = async () => {
    for (const chunk of chunks) assert.equal(await holds(chunk, sha256(chunk)), true);
  };
  for (const work of [read, check]) {
    const buffers = await buffersHashedBy(work);
    assert.equal(buffers.length, chunks.length);
    assert.equal(new Set(buffers).size, 1);
    for (const { buffer } of chunks) assert.notEqual(buffer, buffers[0]);
  }
});

test("hashes that are asked for at once are each of their own bytes", async () => {
  const chunks = [0, 1, 70_000, 3 * MIB, 5 * MIB, 2].map((bytes, i) => chunkOf(bytes, 5 + 2 * i));
  const found = await Promise.all(chunks.map((chunk) => hash(chunk)));
  assert.deepEqual(found, chunks.map(sha256));
});

test("a copy has the bytes, and one that is as large as a header is none", () => {
  const copies = new CopyMemory();
  const bytes = chunkOf(1000, 7).subarray(10, 600);
  const copy = copies.of(bytes);
  assert.deepEqual(copy, bytes);
  assert.notEqual(copy.buffer, bytes.buffer);
  assert.equal(copies.of(bytes.subarray(1)).buffer, copy.buffer);
  const large = new Uint8Array(4 * MIB + 1);
  assert.equal(copies.of(large), large);
});
