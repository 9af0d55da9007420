// complaints.test.mjs - what users of other libraries for models in a page complain of, as far as no other file has it: see
// docs/library/complaints.md, the list of them all.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  PROMPT,
  headerBytes,
  limit,
  modelBytes,
  modelId,
  runNatively,
} from "./library_under_test.mjs";
import { page, server } from "./one_page.mjs";

const expected = runNatively(["-p", PROMPT, "-n", 16, "--seed", 3]).text;

/** What a person would see of a load, and what came of it. */
const load = (source, options = {}) =>
  page.run(
    async ({ source, options, prompt }) => {
      const shown = [];
      const onProgress = ({ phase, loadedBytes, totalBytes }) =>
        shown.push({ phase, loadedBytes, totalBytes });
      try {
        const all = { network: quick, ...options, onProgress };
        const model = await tercet.load(source, all);
        const { text } = await model.generate(prompt, { maxTokens: 16, seed: 3 }).result;
        const { source: from, threads } = structuredClone(model.info);
        await model.dispose();
        return { shown, text, from, threads };
      } catch ({ code, advice, detail }) {
        return { shown, code, advice, detail };
      }
    },
    { source, options, prompt: PROMPT },
  );

test(
  '"100 %" shown with shards missing? No: what is not there is an error and no progress',
  limit,
  async () => {
    const ends = [1_000_000, 2_000_000, 3_000_000, modelBytes.length];
    const parts = ends.map((end, index) => {
      const path = `/part-${index}`;
      server.files.set(path, modelBytes.subarray(ends[index - 1] ?? 0, end));
      return path;
    });
    const whole = server.files.get(parts[2]);
    for (const [what, spoil, code] of [
      ["is not there", () => server.files.delete(parts[2]), "HTTP_STATUS"],
      ["is too short", () => server.files.set(parts[2], whole.subarray(0, 500_000)), "TRUNCATED"],
      ["is empty", () => server.files.set(parts[2], Buffer.alloc(0)), "TRUNCATED"],
    ]) {
      spoil();
      const failed = await load(parts);
      assert.equal(failed.code, code, what);
      for (const { phase, loadedBytes, totalBytes } of failed.shown) {
        assert.notEqual(phase, "ready", what);
        assert.ok(totalBytes === 0 || loadedBytes < totalBytes, `${what}: ${loadedBytes}`);
      }
      for (const { state } of await page.run(() => tercet.cache.list()))
        assert.equal(state, "partial", what);
      server.files.set(parts[2], whole);
    }
    // The part is back: nothing is broken for good.
    const { text, shown } = await load(parts);
    assert.equal(text, expected);
    assert.deepEqual(shown.at(-1), {
      phase: "ready",
      loadedBytes: modelBytes.length,
      totalBytes: modelBytes.length,
    });
    const [{ state }] = await page.run(() => tercet.cache.list());
    assert.equal(state, "complete");
  },
);

test(
  "engine stuck after stop? No: stopped at every place of its work, the next text is right",
  limit,
  async () => {
    const texts = await page.run(
      async ({ prompt }) => {
        const model = await tercet.load("/model.tercet");
        const texts = [];
        const stops = [
          // Before anything, while the prompt is computed, and after some pieces; by the signal, by leaving the loop, by return().
          async (abort) => abort.abort(),
          async (abort, run) => {
            const first = run.next();
            abort.abort();
            await first;
          },
          async (abort, run) => {
            for await (const piece of run) if (piece) break;
          },
          async (abort, run) => {
            for (let i = 0; i < 5; i++) await run.next();
            abort.abort();
          },
          async (abort, run) => {
            await run.next();
            await run.return();
          },
        ];
        for (const stop of stops) {
          const abort = new AbortController();
          const run = model.generate((prompt + " ").repeat(10), { seed: 9, signal: abort.signal });
          await stop(abort, run);
          const { finishReason } = await run.result;
          const { text } = await model.generate(prompt, { maxTokens: 16, seed: 3 }).result;
          texts.push([finishReason, text]);
        }
        await model.dispose();
        return texts;
      },
      { prompt: PROMPT },
    );
    assert.deepEqual(texts, Array(5).fill(["aborted", expected]));
  },
);

/** In front of the worker: a device that gives so many bytes to WebAssembly and no more. */
const smallDevice = (bytes) => `{
  const { Memory } = WebAssembly;
  WebAssembly.Memory = function (shape) {
    if (shape.initial * 65536 > ${bytes}) throw new RangeError("could not allocate memory");
    return new Memory(shape);
  };
  WebAssembly.Memory.prototype = Memory.prototype;
}`;

test(
  "out-of-memory reload loops? No: one code, no reload, no second download, on every visit",
  limit,
  async () => {
    const visited = [];
    const visit = async () => {
      await page.visit(server);
      visited.length = 0;
      page.page.on("framenavigated", (frame) => visited.push(frame.url()));
      page.page.on("crash", () => visited.push("crash"));
      server.requests = [];
    };
    server.workerPreamble = smallDevice(4 << 20);
    for (const times of [1, 2]) {
      await visit();
      const { code, advice, shown } = await load("/model.tercet");
      assert.deepEqual([code, advice], ["OUT_OF_MEMORY", "free-space"], `visit ${times}`);
      // Memory is taken before the first chunk comes.
      assert.ok(
        server.sentBytes <= headerBytes + 65536,
        `visit ${times}: ${server.sentBytes} bytes`,
      );
      assert.ok(shown.every(({ phase }) => phase !== "ready"));
      assert.deepEqual(visited, []);
    }
    server.workerPreamble = "";
    await visit();
    // With the memory it works; what is stored stays when the next visit has not got it, and is not asked for again.
    assert.equal((await load("/model.tercet")).text, expected);
    server.workerPreamble = smallDevice(4 << 20);
    for (const times of [1, 2]) {
      await visit();
      assert.equal((await load("/model.tercet")).code, "OUT_OF_MEMORY", `stored, visit ${times}`);
      assert.deepEqual(server.requests, []);
      assert.deepEqual(visited, []);
      const [stored] = await page.run(() => tercet.cache.list());
      assert.deepEqual([stored.modelId, stored.state], [modelId, "complete"]);
    }
    // And the same page goes on once there is room.
    server.workerPreamble = "";
    const { text, from } = await load("/model.tercet");
    assert.deepEqual([text, from], [expected, "indexeddb"]);
    assert.deepEqual(server.requests, []);
  },
);

test(
  "default of half the cores? No: as many threads as the machine has, at most eight",
  limit,
  async () => {
    for (const [cores, wanted] of [
      [1, 1],
      [3, 3],
      [6, 6],
      [24, 8],
    ]) {
      const processors = `Object.defineProperty(navigator, "hardwareConcurrency", { value: ${cores} });`;
      server.workerPreamble = processors;
      const { text, threads } = await load("/model.tercet");
      assert.equal(threads, wanted, `${cores} cores`);
      assert.equal(text, expected);
    }
    server.workerPreamble = "";
    const here = await page.run(() => navigator.hardwareConcurrency);
    assert.equal((await load("/model.tercet")).threads, Math.min(here, 8));
  },
);
