// chunk_flow.test.mjs - how much of a model lies about between network and store: of a store that answers late, or never, the
// download notices before the second chunk is whole, so that memory beside the model's own has a bound in bytes.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { importSource } from "./source_under_test.mjs";

const { ChunkFlow } = await importSource("chunk_flow");
const { HttpSource } = await importSource("download");
const { KeptModel } = await importSource("kept_model");
const { Progress } = await importSource("progress");
const { DownloadTurn } = await importSource("tab_locks");

const CHUNK_BYTES = 1 << 20;
const CHUNKS = 5;
const FILE_BYTES = CHUNKS * CHUNK_BYTES;
/** What download.ts takes at once: so much of a chunk stays on its way until the one before is stored. */
const PIECE_BYTES = 262_144;
const sha256 = createHash("sha256").update(new Uint8Array(CHUNK_BYTES)).digest();

// Node 20 has none.
globalThis.navigator ??= {};
const { fetch } = globalThis;
let taken = 0;
/** A server that gives zeros as fast as they are asked for. */
before(() => {
  globalThis.fetch = async () => {
    const body = new ReadableStream({
      type: "bytes",
      pull({ byobRequest }) {
        const { length } = byobRequest.view;
        taken += length;
        byobRequest.respond(length);
      },
    });
    const headers = { "Content-Range": `bytes 0-${FILE_BYTES - 1}/${FILE_BYTES}`, ETag: '"one"' };
    return new Response(body, { status: 206, headers });
  };
});
after(() => (globalThis.fetch = fetch));

/** Writes end when they are told to. */
class LateStore {
  kind = "indexeddb";
  writes = [];

  async chunkIndices() {
    return [];
  }

  writeChunk(modelId, index, buffer) {
    assert.equal(buffer.byteLength, CHUNK_BYTES);
    return new Promise((resolve) => this.writes.push({ index, resolve }));
  }
}

/** Until what is to come has come, or `work` has failed, and then so long that what is not to come would have. */
async function settle(hasCome, work) {
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  let ended = false;
  work.then(
    () => (ended = true),
    () => (ended = true),
  );
  while (!hasCome() && !ended) await turn();
  for (let turns = 0; turns < 300; turns++) await turn();
}

test("no more than a chunk is read while the one before waits for the store", async () => {
  const store = new LateStore();
  const { signal } = new AbortController();
  const source = new HttpSource("http://127.0.0.1/model.tercet", null, {
    network: { retries: 0, retryDelayMs: 1, stallTimeoutMs: 600_000 },
    signal,
    onArrived: () => {},
    onFilled: () => {},
  });
  const notices = [];
  const parts = {
    signal,
    notices,
    kept: new KeptModel(store, notices),
    source,
    progress: new Progress(() => {}),
  };
  const file = {
    modelId: "one",
    headerBytes: 0,
    chunkBytes: CHUNK_BYTES,
    chunks: CHUNKS,
    fileBytes: FILE_BYTES,
  };
  // Node has no locks: it is its turn.
  const turn = new DownloadTurn("one");
  const flow = await ChunkFlow.open(parts, file, turn);
  const passed = [];
  const passing = (async () => {
    for (let index = 0; index < CHUNKS; index++) {
      const want = { chunkIndex: index, offset: index * CHUNK_BYTES, bytes: CHUNK_BYTES, sha256 };
      await flow.pass(want, (bytes) => passed.push(bytes.length));
    }
  })();
  for (let stored = 0; stored < CHUNKS; stored++) {
    // Chunk `stored` is being written, the next one has come but for its last piece.
    const most = Math.min((stored + 2) * CHUNK_BYTES - PIECE_BYTES, FILE_BYTES);
    const { writes } = store;
    const hasCome = () => taken >= most && writes.length > stored && passed.length > stored;
    await settle(hasCome, passing);
    assert.equal(taken, most, `with ${stored} chunks stored`);
    assert.deepEqual(
      writes.map(({ index }) => index),
      Array.from({ length: stored + 1 }, (_, index) => index),
    );
    assert.equal(passed.length, stored + 1, "what came is in its place, stored or not");
    writes[stored].resolve();
  }
  await passing;
  turn.leave();
  source.close();
  assert.deepEqual(passed, Array(CHUNKS).fill(CHUNK_BYTES));
  assert.deepEqual(notices, []);
});
