// engine_faults.test.mjs - the engine that loads a model is late, hangs, dies, is missing, or is of another version: each gives a stable
// code or another engine, and loading works afterwards. (What can go wrong with the bytes is in faults.test.mjs.)

import assert from "node:assert/strict";
import { test } from "node:test";
import { PROMPT, limit } from "./library_under_test.mjs";
import { failToLoad, loadWell } from "./load_under_test.mjs";
import { page, server } from "./one_page.mjs";

// What Firefox does now and then: it never comes back from making a worker in a worker.
const HANGS = `self.Worker = class {
  constructor() {
    const ask = new XMLHttpRequest();
    ask.open("POST", "/gate/pass?at=hang", false);
    ask.send();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  }
}`;

/** Loads with an engine that hangs so many times; the page's clock is moved to where it is given up. */
async function loadWellAfterHangs(times) {
  await page.page.clock.install();
  await page.run(() => fetch("/gate/arm?at=hang"));
  const loading = loadWell({ threads: 2 });
  for (let left = times; left > 0; left--) {
    await page.run(async (again) => {
      await fetch("/gate/held");
      if (again) await fetch("/gate/arm?at=hang");
      await fetch("/gate/open");
    }, left > 1);
    await page.page.clock.runFor(6000);
  }
  return loading;
}

test("an engine that hangs where it makes its threads gives way to another", limit, async () => {
  const preambles = [HANGS];
  server.workerPreamble = () => preambles.shift() ?? "";
  const info = await loadWellAfterHangs(1);
  assert.equal(info.threads, 2);
  assert.deepEqual(info.notices, []);
});

test("threads that never start are done without, which is said", limit, async () => {
  server.workerPreamble = () => HANGS;
  const info = await loadWellAfterHangs(2);
  assert.equal(info.threads, 1);
  assert.match(info.notices.join(), /one thread: the browser hung/);
});

test("abort while a script or module does not come: at once", limit, async () => {
  for (const silent of [/\.wasm$/, /threads\.mjs$/, /engine_worker\.js$/]) {
    server.silent = silent;
    await page.run(() => {
      globalThis.abort = new AbortController();
      globalThis.work = failure(tercet.load("/model.tercet", { signal: abort.signal }));
    });
    await server.silenced();
    // The server stays silent: only the stop can end it.
    const error = await page.run(() => {
      abort.abort();
      return work;
    });
    assert.equal(error.code, "ABORTED", String(silent));
    server.repair();
  }
  await loadWell();
});

test(
  "dead worker hangs callers? No: everything pending is rejected, and loading again works",
  limit,
  async () => {
    for (const end of ["close", "throw"]) {
      await page.visit(server); // one engine's worker at a time
      const pending = page.run(async (prompt) => {
        globalThis.model = await tercet.load("/model.tercet");
        const run = model.generate(prompt, { seed: 1 });
        await run.next(); // then nobody takes more: it waits, and so does all behind it
        const behind = failure(model.generate(prompt).next());
        document.title = "running";
        return [await behind, await failure(run.result)];
      }, PROMPT);
      await page.page.waitForFunction(() => document.title === "running");
      const worker = page.page.workers().find((one) => one.url().endsWith("engine_worker.js"));
      await worker
        .evaluate((end) => {
          if (end === "close") self.close();
          else
            setTimeout(() => {
              throw new Error("made by the test");
            });
        }, end)
        .catch(() => {}); // it is gone
      const [first, second] = await pending;
      assert.equal(first.code, "ENGINE_CRASHED", end);
      assert.equal(second.code, "ENGINE_CRASHED", end);
      assert.equal(first.advice, "reload");
      if (end === "throw") assert.match(first.detail, /made by the test/);
      const later = await page.run(() => failure(model.tokenize("later")));
      assert.equal(later.code, "ENGINE_CRASHED");
      await page.run(() => (document.title = "again"));
      await loadWell();
    }
  },
);

test("worker or modules are missing: an error, not silence", limit, async () => {
  const nowhere = await failToLoad({ assetsUrl: "/nowhere/" });
  assert.equal(nowhere.code, "ENGINE_CRASHED");
  assert.match(nowhere.detail, /engine_worker\.js/);
  server.missing = /\.wasm$/;
  assert.equal((await failToLoad()).code, "HTTP_STATUS");
  // Only the relaxed modules are missing: the others do, and it is said.
  server.missing = /relaxed/;
  const info = await loadWell();
  assert.equal(info.variant, "simd128-threads");
  assert.match(info.notices.join(), /relaxed-threads did not start/);
  const forced = await failToLoad({ variant: "relaxed" });
  assert.match(forced.code, /NETWORK_FAILED|HTTP_STATUS/);
});

test(
  "a worker of another version is refused by the page, a page by the worker",
  limit,
  async () => {
    server.write(
      "old/engine_worker.js",
      'postMessage({ v: 99, id: 0, kind: "ready", lifeLock: null });',
    );
    const error = await failToLoad({ assetsUrl: "/old/" });
    assert.equal(error.code, "PROTOCOL");
    assert.equal(error.advice, "reload");
    const answer = await page.run(
      () =>
        new Promise((resolve) => {
          const worker = new Worker("/dist/engine_worker.js", { type: "module" });
          worker.onmessage = ({ data }) => {
            if (data.kind === "ready") worker.postMessage({ v: 99, id: 1, op: "cacheList" });
            else resolve(data);
          };
        }),
    );
    assert.equal(answer.kind, "crashed");
    assert.equal(answer.error.code, "PROTOCOL");
  },
);

test("an insecure page is told what to do", limit, async () => {
  const address = new URL(server.origin);
  address.hostname = "insecure.test";
  await page.visit({ origin: address.origin });
  const error = await failToLoad();
  assert.equal(error.code, "UNSUPPORTED_BROWSER");
  assert.match(error.detail, /https/);
});
