// load.test.mjs - a model comes over the network into storage and memory, and the next visit needs no server for it; every
// module on every kind of page; what info and progress say.

import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import {
  PROMPT,
  TestPage,
  TestServer,
  chunkCount,
  headerBytes,
  launchBrowser,
  limit,
  modelBytes,
  modelId,
  otherVersion,
  runNatively,
} from "./library_under_test.mjs";

let browser, isolated, plain;
before(async () => {
  browser = await launchBrowser();
  isolated = await TestServer.start();
  plain = await TestServer.start({ isolation: false });
});
after(async () => {
  await browser?.close();
  await isolated?.stop();
  await plain?.stop();
});
beforeEach(() => {
  isolated.repair();
  plain.repair();
});

/** Loads and writes; everything about it as plain data. */
function loadAndWrite({ prompt, options }) {
  return (async () => {
    const progress = [];
    const model = await tercet.load("/model.tercet", {
      ...options,
      onProgress: (event) => progress.push({ ...event }),
    });
    const run = model.generate(prompt, { maxTokens: 48, seed: 11 });
    let text = "";
    for await (const piece of run) text += piece;
    const result = await run.result;
    const info = structuredClone(model.info);
    await model.dispose();
    return { progress, text, info, result: { ...result, seed: String(result.seed) } };
  })();
}

const expected = runNatively(["-p", PROMPT, "-n", 48, "--seed", 11]);

test(
  "first visit from the network, second from IndexedDB with the server gone for the model",
  limit,
  async () => {
    const page = await TestPage.open(browser, isolated);
    const first = await page.run(loadAndWrite, { prompt: PROMPT, options: {} });
    assert.equal(first.text, expected.text);
    assert.deepEqual(first.result.tokens, expected.tokens);
    assert.equal(first.result.text, first.text);
    assert.equal(first.result.finishReason, expected.finish);
    assert.equal(first.result.promptTokens, expected.prompt_tokens.length);
    assert.equal(first.result.seed, "11");
    assert.equal(first.info.source, "network");
    assert.equal(first.info.modelId, modelId);
    assert.equal(first.info.fileBytes, modelBytes.length);
    assert.equal(first.info.isolated, true);
    assert.match(first.info.variant, /-threads$/);
    assert.deepEqual(first.info.notices, []);
    // Each byte once: header and chunks.
    assert.equal(isolated.sentBytes, modelBytes.length);

    isolated.repair();
    isolated.faults = { status: 503 };
    await page.visit(isolated);
    const second = await page.run(loadAndWrite, {
      prompt: PROMPT,
      options: { network: { retries: 0 } },
    });
    assert.equal(second.text, expected.text);
    assert.equal(second.info.source, "indexeddb");
    assert.deepEqual(second.info.notices, []);
    assert.deepEqual(isolated.requests, [], "not one request for the model");
    await page.finish();
  },
);

test("progress: rising, from header to ready, with the source it comes from", limit, async () => {
  // The worker's clock goes on by more than the time between two events whenever it looks.
  isolated.workerPreamble = "{ let now = 0; performance.now = () => (now += 150); }";
  const page = await TestPage.open(browser, isolated);
  const { progress } = await page.run(loadAndWrite, { prompt: PROMPT, options: {} });
  const phases = [...new Set(progress.map(({ phase }) => phase))];
  assert.deepEqual(phases, ["header", "download", "load", "ready"]);
  const download = progress.filter(({ phase }) => phase === "download");
  assert.ok(download.length >= 3, `${download.length} events`);
  assert.ok(download.at(-1).bytesPerSecond > 0);
  assert.ok(download.at(-1).secondsLeft >= 0);
  progress.reduce((before, { loadedBytes, totalBytes }) => {
    assert.ok(loadedBytes >= before, "never backwards");
    assert.ok(totalBytes === 0 || loadedBytes <= totalBytes);
    return loadedBytes;
  }, 0);
  assert.equal(progress.at(-1).loadedBytes, modelBytes.length);
  assert.equal(progress.at(-1).totalBytes, modelBytes.length);
  assert.ok(progress.every(({ source }) => source === "network"));

  await page.visit(isolated);
  const again = await page.run(loadAndWrite, { prompt: PROMPT, options: {} });
  const sources = new Set(again.progress.filter((p) => p.phase === "cache").map((p) => p.source));
  assert.deepEqual([...sources], ["indexeddb"]);
  await page.finish();
});

test("all four modules, forced, and the same text from each", limit, async () => {
  const page = await TestPage.open(browser, isolated);
  for (const [variant, threads, kernels] of [
    ["simd128", 1, /^wasm_simd128$/],
    ["simd128-threads", 2, /^wasm_simd128$/],
    ["relaxed", 1, /^wasm_relaxed(_dot)?$/],
    ["relaxed-threads", 2, /^wasm_relaxed(_dot)?$/],
    ["simd128-threads", 1, /^wasm_simd128$/],
    ["relaxed-threads", 12, /^wasm_relaxed(_dot)?$/],
  ]) {
    const options = { variant, threads };
    const { text, info } = await page.run(loadAndWrite, { prompt: PROMPT, options });
    assert.equal(info.variant, variant);
    assert.equal(info.threads, threads);
    assert.match(info.kernels, kernels);
    assert.deepEqual(info.notices, [], "all threads found room in the planned memory");
    assert.equal(text, expected.text, variant);
  }
  const forced = { variant: "simd128", kernels: "portable" };
  const portable = await page.run(loadAndWrite, { prompt: PROMPT, options: forced });
  assert.equal(portable.info.kernels, "portable");
  assert.equal(portable.text, expected.text);
  await page.finish();
});

test("without isolation: one thread, and it says why, once", limit, async () => {
  const page = await TestPage.open(browser, plain);
  const logged = [];
  page.page.on("console", (message) => logged.push(`${message.type()}: ${message.text()}`));
  const { text, info } = await page.run(loadAndWrite, { prompt: PROMPT, options: { threads: 2 } });
  assert.equal(text, expected.text);
  assert.equal(info.threads, 1);
  assert.equal(info.isolated, false);
  assert.doesNotMatch(info.variant, /threads/);
  assert.equal(info.notices.length, 1);
  assert.match(info.notices[0], /one thread.*Cross-Origin-Opener-Policy/);
  assert.deepEqual(
    logged.filter((line) => line.startsWith("info: tercet:")).map((line) => line.slice(14)),
    info.notices,
  );
  // One thread is what was asked for: nothing to say.
  const one = await page.run(loadAndWrite, { prompt: PROMPT, options: { threads: 1 } });
  assert.deepEqual(one.info.notices, []);
  const refused = await page.run(() =>
    failure(tercet.load("/model.tercet", { variant: "simd128-threads" })),
  );
  assert.equal(refused.code, "UNSUPPORTED_BROWSER");
  assert.equal(refused.advice, "unsupported");
  await page.finish();
});

test("memory is the planned size and stays it", limit, async () => {
  const page = await TestPage.open(browser, isolated);
  const { info } = await page.run(loadAndWrite, { prompt: PROMPT, options: { threads: 1 } });
  const needed = info.fileBytes + info.sessionBytes;
  assert.ok(
    info.memoryBytes > needed && info.memoryBytes < needed + (2 << 20),
    `${info.memoryBytes}`,
  );
  const options = { threads: 1, context: 32 };
  const short = await page.run(loadAndWrite, { prompt: PROMPT, options });
  assert.equal(short.info.context, 32);
  assert.ok(short.info.memoryBytes < info.memoryBytes);
  assert.equal(short.result.finishReason, "context");
  const tooLong = await page.run(() => failure(tercet.load("/model.tercet", { context: 100_000 })));
  assert.equal(tooLong.code, "BAD_ARGUMENT");
  assert.match(tooLong.detail, /context/);
  await page.finish();
});

test(
  "kv says how keys and values are kept: smaller forms take less, the default is int8",
  limit,
  async () => {
    const page = await TestPage.open(browser, isolated);
    const infos = {};
    for (const kv of [undefined, "f32", "f16", "int8", "int4"]) {
      const options = kv === undefined ? { threads: 1 } : { threads: 1, kv };
      const { info, text } = await page.run(loadAndWrite, { prompt: PROMPT, options });
      assert.equal(info.kv, kv ?? "int8");
      assert.ok(text.length > 0);
      infos[kv] = info;
    }
    assert.equal(infos.undefined.sessionBytes, infos.int8.sessionBytes);
    const { f32, f16, int8, int4 } = infos;
    for (const [more, less] of [
      [f32, f16],
      [f16, int8],
      [int8, int4],
    ]) {
      assert.ok(more.sessionBytes > less.sessionBytes, `${more.kv} and ${less.kv}`);
      assert.ok(more.memoryBytes > less.memoryBytes, `${more.kv} and ${less.kv}`);
    }
    const refused = await page.run(() => failure(tercet.load("/model.tercet", { kv: "int2" })));
    assert.match(refused.detail, /kv is one of f32, f16, int8, int4/);
    await page.finish();
  },
);

test("a Blob and an ArrayBuffer load from memory and store nothing", limit, async () => {
  const page = await TestPage.open(browser, isolated);
  const results = await page.run(async (prompt) => {
    const buffer = await (await fetch("/model.tercet")).arrayBuffer();
    const texts = [];
    for (const source of [
      buffer,
      new Uint8Array(buffer),
      new Blob([buffer]),
      new File([buffer], "m"),
    ]) {
      const model = await tercet.load(source);
      const { text } = await model.generate(prompt, { maxTokens: 48, seed: 11 }).result;
      texts.push([text, model.info.source]);
      await model.dispose();
    }
    return { texts, kept: buffer.byteLength, stored: await tercet.cache.list() };
  }, PROMPT);
  for (const [text, source] of results.texts) {
    assert.equal(text, expected.text);
    assert.equal(source, "memory");
  }
  assert.equal(results.kept, modelBytes.length, "the caller's buffer is still the caller's");
  assert.deepEqual(results.stored, []);
  await page.finish();
});

test("the cache: list, usage, delete; cache: memory stores nothing", limit, async () => {
  const page = await TestPage.open(browser, isolated);
  await page.run(loadAndWrite, { prompt: PROMPT, options: { cache: "memory" } });
  assert.deepEqual(await page.run(() => tercet.cache.list()), []);
  await page.run(loadAndWrite, { prompt: PROMPT, options: {} });
  const list = await page.run(() => tercet.cache.list());
  assert.equal(list.length, 1);
  const { name, ...rest } = list[0];
  assert.ok(name.length > 0);
  assert.deepEqual(rest, {
    modelId,
    urls: [`${isolated.origin}/model.tercet`],
    state: "complete",
    fileBytes: modelBytes.length,
    storedBytes: modelBytes.length,
    chunks: chunkCount,
    storedChunks: chunkCount,
  });
  const usage = await page.run(() => tercet.cache.usage());
  assert.equal(usage.modelBytes, modelBytes.length);
  assert.ok(usage.quotaBytes > usage.usedBytes);
  const deleted = await page.run(
    async (id) => [
      await tercet.cache.delete(id),
      await tercet.cache.delete(id),
      await tercet.cache.list(),
      (await failure(tercet.cache.delete("nonsense"))).code,
    ],
    modelId,
  );
  assert.deepEqual(deleted, [true, false, [], "BAD_ARGUMENT"]);
  isolated.requests = [];
  await page.run(loadAndWrite, { prompt: PROMPT, options: {} });
  assert.equal(isolated.sentBytes, modelBytes.length, "deleted is deleted");
  await page.finish();
});

test("the same model at another address is not fetched again", limit, async () => {
  const page = await TestPage.open(browser, isolated);
  await page.run(loadAndWrite, { prompt: PROMPT, options: {} });
  isolated.requests = [];
  const info = await page.run(async () => {
    const model = await tercet.load(new URL("/model.tercet?again#part", location.href));
    return model.info;
  });
  assert.equal(info.source, "indexeddb");
  assert.ok(isolated.sentBytes <= 65536, `${isolated.sentBytes} bytes were fetched to find out`);
  await page.finish();
});

test(
  "revalidate asks for the first bytes; a new model at the address replaces the old",
  limit,
  async () => {
    const page = await TestPage.open(browser, isolated);
    await page.run(loadAndWrite, { prompt: PROMPT, options: {} });
    isolated.requests = [];
    const same = await page.run(loadAndWrite, { prompt: PROMPT, options: { revalidate: true } });
    assert.equal(same.info.source, "indexeddb");
    assert.equal(isolated.requests.length, 1);
    assert.ok(isolated.sentBytes <= 65536);
    // Another version of the file: one chunk differs, and so does the header with its hash.
    const { newer, newerId } = otherVersion();
    isolated.bytes = newer;
    isolated.etag = '"two"';
    const old = await page.run(loadAndWrite, { prompt: PROMPT, options: {} });
    assert.equal(old.info.modelId, modelId, "without revalidate the stored one is used");
    const fresh = await page.run(loadAndWrite, { prompt: PROMPT, options: { revalidate: true } });
    assert.equal(fresh.info.modelId, newerId);
    assert.equal(fresh.info.source, "network");
    // The server cannot be asked: what is stored is used, and that is said.
    isolated.faults = { status: 503 };
    const offline = { revalidate: true, network: { retries: 0 } };
    const stored = await page.run(loadAndWrite, { prompt: PROMPT, options: offline });
    assert.equal(stored.info.modelId, newerId);
    assert.match(stored.info.notices.join(), /could not be asked/);
    await page.finish();
  },
);

test("a newer version that did not come whole does not hide the old one", limit, async () => {
  const page = await TestPage.open(browser, isolated);
  await page.run(loadAndWrite, { prompt: PROMPT, options: {} });
  const { newer, newerId } = otherVersion();
  isolated.bytes = newer;
  isolated.etag = '"two"';
  // The header comes, the chunk that differs does not.
  isolated.requests = [];
  isolated.faults = { cutAfter: headerBytes + 500_000 };
  const network = { retries: 0 };
  const cut = await page.run(
    (network) => failure(tercet.load("/model.tercet", { revalidate: true, network })),
    network,
  );
  assert.equal(cut.code, "NETWORK_FAILED");
  isolated.faults = { status: 503 };
  const old = await page.run(loadAndWrite, { prompt: PROMPT, options: { network } });
  assert.equal(old.info.modelId, modelId);
  assert.equal(old.info.source, "indexeddb");
  // And once it is whole, it is what the address gives.
  isolated.faults = {};
  await page.run(loadAndWrite, { prompt: PROMPT, options: { revalidate: true } });
  isolated.faults = { status: 503 };
  const fresh = await page.run(loadAndWrite, { prompt: PROMPT, options: { network } });
  assert.equal(fresh.info.modelId, newerId);
  await page.finish();
});

test("relative addresses are those of the page's base, as fetch reads them", limit, async () => {
  const page = await TestPage.open(browser, isolated);
  const [worker, model] = await page.run(async () => {
    // The policy of the test page allows no <base>.
    const base = new URL("/elsewhere/", location.href).href;
    Object.defineProperty(document, "baseURI", { value: base });
    const failures = [await failure(tercet.load("../model.tercet", { assetsUrl: "../nowhere" }))];
    failures.push(await failure(tercet.load("model.tercet")));
    return failures.map(({ detail }) => detail);
  });
  assert.match(worker, /engine_worker/);
  assert.match(model, /\/elsewhere\/model\.tercet answered 404/);
  await page.finish();
});

test("integrity: the model that was asked for, or none", limit, async () => {
  const page = await TestPage.open(browser, isolated);
  const options = { integrity: modelId };
  const { info } = await page.run(loadAndWrite, { prompt: PROMPT, options });
  assert.equal(info.modelId, modelId);
  isolated.requests = [];
  const refused = await page.run(
    (integrity) => failure(tercet.load("/model.tercet", { integrity })),
    "0".repeat(64),
  );
  assert.equal(refused.code, "HEADER_HASH_MISMATCH");
  assert.ok(isolated.sentBytes <= 65536, "refused before any of its data was fetched");
  await page.finish();
});

test("a server without ranges works; so does one without Content-Length", limit, async () => {
  for (const faults of [{ noRanges: true }, { noRanges: true, chunked: true }, { chunked: true }]) {
    isolated.repair();
    isolated.faults = faults;
    const page = await TestPage.open(browser, isolated);
    const { text, info } = await page.run(loadAndWrite, { prompt: PROMPT, options: {} });
    assert.equal(text, expected.text);
    assert.equal(info.source, "network");
    if (faults.noRanges) assert.equal(isolated.requests.length, 1);
    await page.finish();
  }
});

test("arguments that cannot work are refused at once", limit, async () => {
  const page = await TestPage.open(browser, isolated);
  const codes = await page.run(async () => {
    const bad = [
      [42],
      ["http://"],
      ["ftp://example.org/m.tercet"],
      ["/model.tercet", { threads: 0 }],
      ["/model.tercet", { threads: 65 }],
      ["/model.tercet", { context: 1.5 }],
      ["/model.tercet", { slice: 513 }],
      ["/model.tercet", { kv: "int2" }],
      ["/model.tercet", { kv: 3 }],
      ["/model.tercet", { variant: "mmx" }],
      ["/model.tercet", { integrity: "abc" }],
      ["/model.tercet", { cache: "disk" }],
      ["/model.tercet", { network: { retries: -1 } }],
    ];
    const codes = [];
    for (const args of bad) codes.push((await failure(tercet.load(...args))).code);
    return codes;
  });
  assert.deepEqual(codes, new Array(codes.length).fill("BAD_ARGUMENT"));
  assert.deepEqual(isolated.requests, []);
  const kernels = await page.run(() =>
    failure(tercet.load("/model.tercet", { kernels: "x86_avx2" })),
  );
  assert.equal(kernels.code, "NO_KERNELS");
  await page.finish();
});

test(
  "a prompt named to load() is computed while the model arrives, and reused",
  limit,
  async () => {
    const page = await TestPage.open(browser, isolated);
    const long = `${PROMPT} `.repeat(30);
    for (const [threads, prompt] of [
      [1, PROMPT],
      [2, PROMPT],
      [2, long],
    ]) {
      const whole = runNatively(["-p", prompt, "-n", 24, "--seed", 5]);
      for (const cache of ["indexeddb", "indexeddb", "memory"]) {
        const { result, info } = await page.run(
          async ({ prompt, threads, cache }) => {
            const model = await tercet.load("/model.tercet", { prompt, threads, cache });
            const result = await model.generate(prompt, { maxTokens: 24, seed: 5 }).result;
            const info = structuredClone(model.info);
            await model.dispose();
            return { result: { ...result, seed: 0 }, info };
          },
          { prompt, threads, cache },
        );
        assert.deepEqual(
          result.tokens,
          whole.tokens,
          "the same text as from a prompt that came after",
        );
        assert.equal(result.reusedTokens, result.promptTokens - 1, "all but the last token");
        assert.deepEqual(info.notices, []);
      }
    }
    const { other, tokens, refused } = await page.run(async (prompt) => {
      const model = await tercet.load("/model.tercet", { prompt });
      const other = await model.generate("Once upon a time", { maxTokens: 4, seed: 5 }).result;
      const ids = await model.tokenize(prompt, { addBeginning: true });
      await model.dispose();
      const again = await tercet.load("/model.tercet", { prompt: [...ids] });
      const { reusedTokens, promptTokens } = await again.generate(ids, { maxTokens: 1 }).result;
      await again.dispose();
      const fails = (prompt) => failure(tercet.load("/model.tercet", { prompt }));
      return {
        other: other.tokens,
        tokens: promptTokens - reusedTokens,
        refused: [
          (await fails([1 << 30])).code,
          (await fails([1.5])).code,
          (await fails([{ role: "user", content: "Hello" }])).code,
          (await fails(7)).code,
        ],
      };
    }, PROMPT);
    const wanted = runNatively(["-p", "Once upon a time", "-n", 4, "--seed", 5]).tokens;
    assert.deepEqual(other, wanted, "another prompt is not disturbed");
    assert.equal(tokens, 1);
    assert.deepEqual(refused, ["BAD_TOKEN", "BAD_ARGUMENT", "NO_CHAT_FORMAT", "BAD_ARGUMENT"]);
    await page.finish();
  },
);
