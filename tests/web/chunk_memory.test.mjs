// chunk_memory.test.mjs - memory that chunks lay in: given back at once where nobody reads it, and the collector called in
// time for the rest. What that is worth in a browser is measured by bench/web.mjs and bench/load.mjs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { importSource } from "./source_under_test.mjs";

const { ChunkMemory, release } = await importSource("chunk_memory");
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
