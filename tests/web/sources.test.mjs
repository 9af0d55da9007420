// sources.test.mjs - where a model may lie: in parts, on the hub, behind redirections that are signed for one use, on other
// sites that show few headers, on servers that compress, ask for patience, or answer something else altogether.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import {
  CHUNK_BYTES,
  PROMPT,
  TestPage,
  TestServer,
  flipAt,
  headerBytes,
  launchBrowser,
  limit,
  modelBytes,
  modelId,
  runNatively,
} from "./library_under_test.mjs";

let browser, server, other, page;
before(async () => {
  browser = await launchBrowser();
  server = await TestServer.start({ contentPolicy: null });
  other = await TestServer.start();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  await other?.stop();
});
beforeEach(async () => {
  server.repair();
  other.repair();
  page = await TestPage.open(browser, server);
});
afterEach(() => page.finish());

const expected = runNatively(["-p", PROMPT, "-n", 16, "--seed", 3]).text;
const quick = { retries: 1, retryDelayMs: 20, stallTimeoutMs: 60_000 };

async function loadWell(source, options = {}) {
  const { text, info } = await page.run(
    async ({ source, options, prompt }) => {
      const model = await tercet.load(source, options);
      const { text } = await model.generate(prompt, { maxTokens: 16, seed: 3 }).result;
      const info = structuredClone(model.info);
      await model.dispose();
      return { text, info };
    },
    { source, options: { network: quick, ...options }, prompt: PROMPT },
  );
  assert.equal(text, expected);
  return info;
}
const failToLoad = (source, options = {}) =>
  page.run(({ source, options }) => failure(tercet.load(source, options)), {
    source,
    options: { network: quick, ...options },
  });

/** Cuts the model at these places, an empty part where a place comes twice; puts the parts on the server. */
function cutModel(at, server) {
  const ends = [...at, modelBytes.length];
  return ends.map((end, index) => {
    const path = `/part-${index}`;
    server.files.set(path, modelBytes.subarray(ends[index - 1] ?? 0, end));
    return path;
  });
}

test(
  "parts of a file, cut anywhere, are one model: each byte once, then from the store",
  limit,
  async () => {
    const cuts = [10, headerBytes + 5, headerBytes + 5, headerBytes + CHUNK_BYTES, 2_500_001];
    const parts = cutModel(cuts, server);
    const info = await loadWell(parts);
    assert.equal(info.modelId, modelId);
    assert.equal(server.sentBytes, modelBytes.length);
    assert.deepEqual(
      new Set(server.requests.map(({ method }) => method)),
      new Set(["HEAD", "GET"]),
      "the sizes are asked for, not guessed",
    );
    server.requests = [];
    server.faults = { status: 503 };
    assert.equal((await loadWell(parts)).source, "indexeddb");
    assert.deepEqual(server.requests, []);
    const [listed] = await page.run(() => tercet.cache.list());
    assert.equal(listed.state, "complete");
    assert.deepEqual(listed.urls, [parts.map((path) => server.origin + path).join(" ")]);
  },
);

test("parts: a cut, a part that is missing, parts in the wrong order", limit, async () => {
  const parts = cutModel([1_000_000, 2_000_000, 3_000_000], server);
  server.faults = { cutAfter: 2_200_000 };
  assert.equal((await failToLoad(parts)).code, "NETWORK_FAILED");
  const [kept] = await page.run(() => tercet.cache.list());
  assert.equal(kept.state, "partial");
  assert.ok(kept.storedChunks >= 1);
  server.faults = {};
  server.requests = [];
  await loadWell(parts);
  assert.ok(server.sentBytes <= modelBytes.length - kept.storedChunks * CHUNK_BYTES, "it went on");
  assert.equal((await failToLoad(parts.slice(0, 3), { cache: "memory" })).code, "TRUNCATED");
  const wrong = [parts[0], parts[2], parts[1], parts[3]];
  assert.equal((await failToLoad(wrong, { cache: "memory" })).code, "CHUNK_HASH_MISMATCH");
  assert.equal((await failToLoad([])).code, "BAD_ARGUMENT");
  assert.equal((await failToLoad([parts[0], 3])).code, "BAD_ARGUMENT");
});

test(
  "parts on a server that refuses HEAD, and on one that shows no sizes of ranges",
  limit,
  async () => {
    const parts = cutModel([1_500_000], server);
    server.faults = { noHead: true };
    await loadWell(parts, { cache: "memory" });
    // And on one that answers HEAD as if every file were empty; one of the parts is.
    server.faults = { emptyHead: true };
    await loadWell(cutModel([1_500_000, 1_500_000], server), { cache: "memory" });
    cutModel([1_500_000], server);
    const elsewhere = cutModel([1_500_000], other).map((path) => other.origin + path);
    other.faults = { cors: true };
    await loadWell(elsewhere);
  },
);

test("a name on the hub is the file's address there", limit, async () => {
  const path = "/owner/my.model/resolve/main/files/tiny%20one.tercet";
  server.files.set(path, modelBytes);
  await loadWell("hf:owner/my.model/files/tiny one.tercet", { hub: "/" });
  server.files.set("/mirror/owner/my.model/resolve/v1.0/tiny.tercet", modelBytes);
  const info = await loadWell("hf:owner/my.model@v1.0/tiny.tercet", {
    hub: `${server.origin}/mirror/`,
  });
  assert.equal(info.modelId, modelId);
  server.files.set("/owner/m/resolve/refs%2Fpr%2F1/a/b.tercet", modelBytes);
  await loadWell("hf:owner/m@refs%2Fpr%2F1/a/b.tercet", { hub: server.origin });
  // Without the prefix it is an address of the page.
  server.files.set("/owner/m/b.tercet", modelBytes);
  await loadWell("owner/m/b.tercet");
  for (const bad of ["hf:owner/file", "hf:", "hf:a/b/", "hf:a b/c/d", "hf:a/b@/c"])
    assert.equal((await failToLoad(bad)).code, "BAD_ARGUMENT", bad);
  assert.deepEqual(
    server.requests.filter(({ path }) => !server.files.has(path)),
    [],
    "nothing else was asked for",
  );
});

test("another site that shows neither ETag nor Content-Range; cut and resumed", limit, async () => {
  server.tellsTaken = true;
  other.faults = { cors: true, cutAfter: 2_000_000, told: true };
  const address = `${other.origin}/model.tercet`;
  assert.equal((await failToLoad(address)).code, "NETWORK_FAILED");
  other.faults = { cors: true };
  other.requests = [];
  const info = await loadWell(address);
  assert.equal(info.source, "network");
  assert.ok(
    other.requests.every(({ method }) => method === "GET"),
    "no preflight",
  );
  assert.ok(other.sentBytes < modelBytes.length - CHUNK_BYTES);
});

test(
  "an address that sends on to places signed for one use: each request asks for a new one",
  limit,
  async () => {
    let signed = 0;
    const used = new Set();
    other.faults = {
      cors: true,
      // The first request of each is answered, a second one is sent away.
      redirect: (path) => {
        if (used.has(path)) return "/gone";
        used.add(path);
        return undefined;
      },
    };
    for (let i = 0; i < 50; i++) other.files.set(`/signed-${i}`, modelBytes);
    server.faults = { redirect: () => `${other.origin}/signed-${signed++}`, cors: true };
    const info = await loadWell("/model.tercet");
    assert.equal(info.source, "network");
    assert.ok(signed >= 2);
    // The rest after a cut: nothing that only a preflight would allow goes to the other site.
    other.faults = { ...other.faults, damage: flipAt(headerBytes + CHUNK_BYTES + 5) };
    await page.run((id) => tercet.cache.delete(id), modelId);
    assert.equal((await failToLoad("/model.tercet")).code, "CHUNK_HASH_MISMATCH");
    other.faults = { cors: true };
    await loadWell("/model.tercet");
    assert.ok(other.requests.every(({ method }) => method === "GET"));
  },
);

test("a server that cuts ranges out of the compressed file is read whole", limit, async () => {
  server.faults = { compressed: true };
  const info = await loadWell("/model.tercet", { network: { ...quick, retries: 3 } });
  assert.equal(info.source, "network");
  assert.equal(server.requests.at(-1).range, null, "no range was asked for any more");
  other.faults = { compressed: true, cors: true };
  await page.run((id) => tercet.cache.delete(id), modelId);
  await loadWell(`${other.origin}/model.tercet`, { network: { ...quick, retries: 3 } });
});

test(
  "a web page in place of the file: refused at once, waited for in the middle",
  limit,
  async () => {
    server.faults = { html: true };
    const error = await failToLoad("/model.tercet");
    assert.equal(error.code, "HTTP_STATUS");
    assert.equal(error.advice, "fix-input");
    assert.match(error.detail, /web page/);
    assert.equal(server.requests.length, 1);
    server.repair();
    server.faults = { cutAfter: 2_000_000 };
    const work = loadWell("/model.tercet", { network: { ...quick, retries: 20 } });
    await server.requested(4);
    server.faults = { html: true };
    await server.requested(6);
    server.faults = {};
    await work;
  },
);

test(
  "429 and 503: asked again when the server says, not before; not waited for too long",
  limit,
  async () => {
    for (const [status, retryAfter] of [
      [429, "1"],
      // The date has no fractions of a second.
      [503, () => new Date(Date.now() + 2000).toUTCString()],
    ]) {
      server.repair();
      await page.run(async (id) => void (await tercet.cache.delete(id)), modelId);
      server.faults = { status, retryAfter, left: 1 };
      await loadWell("/model.tercet");
      const [refused, answered] = server.requests;
      assert.ok(answered.at - refused.at >= 900, `${status}: ${answered.at - refused.at} ms`);
    }
    server.repair();
    await page.run((id) => tercet.cache.delete(id), modelId);
    server.faults = { status: 429, retryAfter: "3600" };
    const error = await failToLoad("/model.tercet");
    assert.equal(error.code, "NETWORK_FAILED");
    assert.match(error.detail, /3600 s/);
    assert.equal(server.requests.length, 1);
  },
);

test(
  "a file that is replaced on a server without ETags is noticed by its size",
  limit,
  async () => {
    server.etag = null;
    server.faults = { cutAfter: 2_000_000 };
    const work = loadWell("/model.tercet", { network: { ...quick, retries: 20 } });
    await server.requested(4);
    server.bytes = Buffer.concat([modelBytes, Buffer.alloc(64)]);
    server.faults = {};
    await assert.rejects(work, /TRAILING_BYTES|longer than its header/);
  },
);
