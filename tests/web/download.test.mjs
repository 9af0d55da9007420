// download.test.mjs - which answers the reader of byte ranges takes for the same version of a file, and how much of one
// it takes at once.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { importSource } from "./source_under_test.mjs";

const { HttpSource, SourceChanged } = await importSource("download");

const url = "https://models.test/model.tercet";
const file = new Uint8Array(300_000).map((_, at) => at * 31);

const { fetch: realFetch } = globalThis;
globalThis.location = { origin: new URL(url).origin };
after(() => {
  globalThis.fetch = realFetch;
  delete globalThis.location;
});

/** Two ranges that lie apart, answered with these ETags; gives what If-Range said. */
async function readTwice(etags) {
  const conditions = [];
  globalThis.fetch = async (_, { headers }) => {
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers.Range).map(Number);
    const answer = { "Content-Range": `bytes ${first}-${last}/${file.length}` };
    const etag = etags[conditions.length];
    if (etag !== null) answer.ETag = etag;
    conditions.push(headers["If-Range"] ?? null);
    return new Response(file.slice(first, last + 1), { status: 206, headers: answer });
  };
  const source = new HttpSource(url, null, {
    network: { retries: 0, retryDelayMs: 1, stallTimeoutMs: 60_000 },
    signal: new AbortController().signal,
    onArrived: () => {},
    onFilled: () => {},
  });
  try {
    for (const [offset, bytes] of [
      [0, 1000],
      [200_000, 1000],
    ])
      assert.deepEqual(
        await source.read(offset, bytes, offset + bytes),
        file.slice(offset, offset + bytes),
      );
  } finally {
    source.close();
  }
  return conditions;
}

test("a weak and a strong ETag of one name are one version of the file", async () => {
  // A weak one never stands in If-Range.
  assert.deepEqual(await readTwice(['W/"one"', '"one"']), [null, null]);
  assert.deepEqual(await readTwice(['W/"one"', 'W/"one"']), [null, null]);
  assert.deepEqual(await readTwice(['"one"', 'W/"one"']), [null, '"one"']);
  assert.deepEqual(await readTwice([null, '"one"']), [null, null]);
});

test("another name is another version, weak or strong", async () => {
  for (const etags of [
    ['"one"', '"two"'],
    ['W/"one"', '"two"'],
    ['W/"one"', 'W/"two"'],
    ['"one"', '"W/one"'],
  ])
    await assert.rejects(readTwice(etags), SourceChanged);
});

test("however much has come, a second block is not taken before the first may be given up", async () => {
  const block = 1 << 20;
  const whole = new Uint8Array(4 * block).map((_, at) => at * 31);
  globalThis.fetch = async (_, { headers }) => {
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers.Range).map(Number);
    // As browsers do: all that has come is there as one piece.
    const body = new ReadableStream({
      type: "bytes",
      start(controller) {
        controller.enqueue(whole.slice(first, last + 1));
        controller.close();
      },
    });
    const answer = { "Content-Range": `bytes ${first}-${last}/${whole.length}` };
    return new Response(body, { status: 206, headers: answer });
  };
  let arrived = 0;
  const source = new HttpSource(url, null, {
    network: { retries: 0, retryDelayMs: 1, stallTimeoutMs: 60_000 },
    signal: new AbortController().signal,
    onArrived: (bytes) => (arrived += bytes),
    onFilled: () => {},
  });
  try {
    assert.deepEqual(await source.read(0, block, whole.length), whole.slice(0, block));
    let stored;
    const storing = new Promise((resolve) => (stored = resolve));
    const second = source.read(block, block, whole.length, storing);
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.ok(arrived < 2 * block, `${arrived} bytes were taken`);
    stored();
    assert.deepEqual(await second, whole.slice(block, 2 * block));
  } finally {
    source.close();
  }
});

/** A source whose server answers everything with these headers and so many bytes. */
function answering(status, headers, bytes = 100) {
  globalThis.fetch = async () => new Response(new Uint8Array(bytes), { status, headers });
  return new HttpSource(url, null, {
    network: { retries: 0, retryDelayMs: 1, stallTimeoutMs: 60_000 },
    signal: new AbortController().signal,
    onArrived: () => {},
    onFilled: () => {},
  });
}

/** What no number of bytes looks like, some of which Number() takes. */
const NO_LENGTHS = ["100, 100", "abc", "", "-5", "100.5", "1e2", "0x64", "1e300", "9".repeat(400)];

test("a length that is no whole number says nothing: the file is read all the same", async () => {
  for (const length of NO_LENGTHS)
    for (const [status, headers] of [
      [200, { "Content-Length": length }],
      [206, { "Content-Length": length }],
      [206, { "Content-Range": `bytes 0-99/${length}` }],
    ]) {
      const source = answering(status, headers);
      const told = JSON.stringify([status, headers]).slice(0, 60);
      try {
        assert.deepEqual(await source.start(), { fileBytes: null }, told);
        // The second one asks again.
        for (const again of ["once", "twice"])
          assert.equal((await source.read(0, 60, 100)).length, 60, `${told} ${again}`);
      } finally {
        source.close();
      }
    }
  const source = answering(200, { "Content-Length": "100" });
  assert.deepEqual(await source.start(), { fileBytes: 100 });
  source.close();
});

test("a server that gives no whole number for the size of a file does not say how long it is", async () => {
  for (const length of NO_LENGTHS) {
    const source = answering(200, { "Content-Length": length });
    await assert.rejects(source.size(), { code: "NETWORK_FAILED" }, length.slice(0, 60));
    source.close();
  }
  const source = answering(200, { "Content-Length": "100" });
  assert.equal(await source.size(), 100);
  source.close();
});
