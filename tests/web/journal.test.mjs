// journal.test.mjs - only a commit record with everything it speaks of makes a model complete.

import assert from "node:assert/strict";
import { test } from "node:test";
import { importSource } from "./source_under_test.mjs";

const { chunkLength, hasAllChunks, modelState, storedBytes } = await importSource("journal");

const header = {
  modelId: "a",
  name: "",
  fileBytes: 100 + 25,
  chunkBytes: 10,
  chunks: 3,
  header: new ArrayBuffer(100),
};
const commit = { modelId: "a", fileBytes: 125, chunks: 3 };

test("every combination of what may be there", () => {
  for (const [facts, state] of [
    [{ chunks: [] }, "absent"],
    [{ chunks: [1] }, "damaged"],
    [{ header, chunks: [] }, "partial"],
    [{ header, chunks: [0, 1] }, "partial"],
    // All chunks, but the last word is missing: a load may have ended before it could check.
    [{ header, chunks: [0, 1, 2] }, "partial"],
    [{ header, chunks: [0, 1, 2], commit }, "complete"],
    [{ header, chunks: [0, 2], commit }, "damaged"],
    [{ header, chunks: [], commit }, "damaged"],
    [{ chunks: [0, 1, 2], commit }, "damaged"],
    [{ header, chunks: [0, 1, 2], commit: { ...commit, chunks: 4 } }, "damaged"],
    [{ header, chunks: [0, 1, 2], commit: { ...commit, fileBytes: 126 } }, "damaged"],
  ]) {
    assert.equal(modelState(facts), state, JSON.stringify(facts));
  }
});

test("bytes of chunks: the last one is short; a foreign index has none", () => {
  assert.deepEqual(
    [0, 1, 2, 3].map((i) => chunkLength(header, 100, i)),
    [10, 10, 5, 0],
  );
  assert.equal(storedBytes(header, []), 100);
  assert.equal(storedBytes(header, [0, 2]), 115);
  assert.equal(storedBytes(header, [0, 1, 2]), 125);
  assert.equal(hasAllChunks(3, [2, 0, 1]), true);
  assert.equal(hasAllChunks(3, [0, 1, 1]), false);
  assert.equal(hasAllChunks(0, []), true);
});
