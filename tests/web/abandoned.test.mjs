// abandoned.test.mjs - a module that a load gives up leaves neither its workers nor its memory behind: counted inside the
// engine's worker, which goes on with another module.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import {
  PROMPT,
  TestPage,
  TestServer,
  dist,
  launchBrowser,
  limit,
  modelBytes,
  runNatively,
} from "./library_under_test.mjs";

const THREADS = 3;

/** Goes before the engine's worker; answers on a channel how many workers and memories there are. */
function count() {
  const workers = new Set();
  const memories = [];
  globalThis.Worker = class extends Worker {
    constructor(...values) {
      super(...values);
      workers.add(this);
    }
    terminate() {
      super.terminate();
      workers.delete(this);
    }
  };
  const { Memory } = WebAssembly;
  WebAssembly.Memory = function (limits) {
    const memory = new Memory(limits);
    memories.push(new WeakRef(memory));
    return memory;
  };
  const channel = new BroadcastChannel("count");
  channel.onmessage = async ({ data }) => {
    if (data !== "ask") return;
    await gc({ execution: "async" });
    channel.postMessage({
      workers: workers.size,
      memories: memories.filter((memory) => memory.deref()).length,
      made: memories.length,
    });
  };
}

let browser, server;
before(async () => {
  browser = await launchBrowser({ flags: ["--js-flags=--expose-gc"] });
  server = await TestServer.start();
  // The same package with an eye on it, and once more where the better module with threads fails once they have started.
  const breakModule = (glue) => {
    const version = /(\w+)\._tercet_abi_version/; // the object's name is whatever esbuild made it
    assert.match(glue, version);
    return glue.replace(version, '$1[$1.poolSize ? "gone" : "_tercet_abi_version"]');
  };
  for (const name of readdirSync(dist).filter((name) => /\.(js|mjs|wasm)$/.test(name))) {
    const bytes = readFileSync(join(dist, name));
    const counted = name === "engine_worker.js" ? `(${count})();\n${bytes}` : bytes;
    server.write(join("counted", name), counted);
    const broken = name === "tercet-relaxed-threads.mjs" ? breakModule(`${bytes}`) : counted;
    server.write(join("broken", name), broken);
  }
});
after(async () => {
  await browser?.close();
  await server?.stop();
});
beforeEach(() => server.repair());

const expected = runNatively(["-p", PROMPT, "-n", 16, "--seed", 3]).text;

function loadAndCount({ prompt, options }) {
  return (async () => {
    const model = await tercet.load("/model.tercet", options);
    const { text } = await model.generate(prompt, { maxTokens: 16, seed: 3 }).result;
    const channel = new BroadcastChannel("count");
    const ask = () =>
      new Promise((resolve) => {
        channel.onmessage = ({ data }) => resolve(data);
        channel.postMessage("ask");
      });
    let counts = await ask();
    // A thread that was ended may take its time to let go of its memory.
    for (let times = 0; times < 200 && counts.memories > 1; times++) counts = await ask();
    channel.close();
    const { notices, threads, variant } = model.info;
    await model.dispose();
    return { text, counts, notices, threads, variant };
  })();
}

test("of a file that was replaced while it was read", limit, async () => {
  const page = await TestPage.open(browser, server);
  server.etag = '"old"';
  server.faults = { cutAfter: Math.floor(modelBytes.length / 2) };
  const network = { retries: 20, retryDelayMs: 30 };
  const options = { assetsUrl: "/counted/", threads: THREADS, network };
  const work = page.run(loadAndCount, { prompt: PROMPT, options });
  await server.requested(5);
  server.etag = '"new"';
  server.faults = {};
  const { text, counts, threads } = await work;
  assert.equal(text, expected);
  assert.equal(threads, THREADS);
  // A planner and a module, twice.
  assert.deepEqual(counts, { workers: THREADS - 1, memories: 1, made: 4 });
  await page.finish();
});

test("of a module that failed after its threads had started", limit, async () => {
  const page = await TestPage.open(browser, server);
  const options = { assetsUrl: "/broken/", threads: THREADS };
  const { text, counts, notices, variant } = await page.run(loadAndCount, {
    prompt: PROMPT,
    options,
  });
  assert.equal(text, expected);
  assert.equal(variant, "simd128-threads");
  assert.match(notices.join(), /relaxed-threads did not start/);
  assert.deepEqual(counts, { workers: THREADS - 1, memories: 1, made: 3 });
  await page.finish();
});
