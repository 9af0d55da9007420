// twin.test.mjs - the promise that no other engine makes: the native build and every WebAssembly module, any kernel set, any
// number of threads, give the same tokens and the same logits, bit for bit. 20 prompts x 64 tokens each, sampled with a
// seed; the logits of every position, prompt included, go into one SHA-256 a prompt.
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { chromium } from "playwright-core";
import { createServer, listen } from "../../scripts/serve.mjs";

const root = resolve(import.meta.dirname, "../..");
const tercet = process.env.TERCET_BIN ?? join(root, "build/native/tercet");
const model = join(root, "models/gutenberg-6m-b158.tercet");
const prompts = JSON.parse(readFileSync(join(root, "tests/golden/prompts.json"), "utf8"));
const TOKENS = 64;
/** Of the slow combinations beyond the promise only the first prompts are run. */
const FEW = 4;

/** Enough of every sampling step that a difference in any would show. */
const sampling = { temperature: 0.8, topK: 200, topP: 0.95, minP: 0.01, repetitionPenalty: 1.1 };

async function runNatively(
  prompt,
  seed,
  kernels,
  threads,
  { kv = "int8", file = model, count = TOKENS } = {},
) {
  const flags = Object.entries({
    "--prompt": prompt,
    "--tokens": count,
    "--temperature": sampling.temperature,
    "--top-k": sampling.topK,
    "--top-p": sampling.topP,
    "--min-p": sampling.minP,
    "--repetition-penalty": sampling.repetitionPenalty,
    "--seed": seed,
    "--kernels": kernels,
    "--threads": threads,
    "--kv": kv,
  }).flatMap(([name, value]) => [name, String(value)]);
  const words = ["run", file, ...flags, "--json", "--hash-logits"];
  const { stdout } = await promisify(execFile)(tercet, words, { maxBuffer: 1 << 24 });
  const { tokens, logits_sha256 } = JSON.parse(stdout);
  return { tokens, logits: logits_sha256 };
}

/** What `work` gives for every one of the list, two of them at a time: one process has one thread, or waits for its others. */
async function inPairs(list, work) {
  const results = [];
  const waiting = list.entries();
  const worker = async () => {
    for (const [i, one] of waiting) results[i] = await work(one, i);
  };
  await Promise.all([worker(), worker()]);
  return results;
}

/** The definition: portable kernels, one thread; int8, which is the default, and a few prompts with the other caches. */
const expected = await inPairs(prompts, (prompt, i) => runNatively(prompt, i, "portable", 1));
const expectedOf = { int8: expected };
for (const kv of ["f16", "f32", "int4"])
  expectedOf[kv] = await inPairs(prompts.slice(0, FEW), (prompt, i) =>
    runNatively(prompt, i, "portable", 1, { kv }),
  );

/**
 * What the bundled model's family has not: layer norms, learned positions, biases, gelu (GPT-2); norms of heads, groups of
 * scales, a ternary embedding and head, text that is put into normal form C (Qwen3). Small models, few and short prompts.
 */
const OTHER_TOKENS = 24;
const otherPrompts = ["the cat", "Once upon a time", "1 + 1 =", "cafe\u0301 \u1100\u1161 \u212B"];
const packedFolder = mkdtempSync(join(tmpdir(), "tercet-families-"));
after(() => rmSync(packedFolder, { recursive: true, force: true }));
const families = [
  ["gpt2", "gpt2-odd-heads", "--vectors", "f16"],
  ["qwen3", "qwen3-grid-bf16"],
  ["bitmamba2", "bitmamba2-bin/model.bin"],
  ["llama", "llama-linear-norms"],
  ["ternarylm", "ternarylm-online-f32", "--quantize", "absmean"],
];
const others = await inPairs(families, async ([family, source, ...options]) => {
  const file = join(packedFolder, `${family}.tercet`);
  const folder = join(root, "tests/golden/models", source);
  execFileSync(tercet, ["pack", folder, "-o", file, "--quiet", ...options]);
  const run = (kernels, threads) =>
    inPairs(otherPrompts, (prompt, i) =>
      runNatively(prompt, i, kernels, threads, { file, count: OTHER_TOKENS }),
    );
  return { family, file, run, expected: await run("portable", 1) };
});

test("so do the definitions of the other families", () => {
  for (const { family, expected } of others) {
    assert.ok(expected.every(({ tokens }) => tokens.length > 0));
    assert.ok(
      expected.some(({ tokens }) => tokens.length > 8),
      family,
    );
    assert.equal(new Set(expected.map(({ logits }) => logits)).size, otherPrompts.length);
  }
});

test("the definition says something: whole texts, all different", () => {
  assert.equal(prompts.length, 20);
  for (const { tokens, logits } of expected) {
    assert.ok(tokens.length > 0 && tokens.length <= TOKENS);
    assert.match(logits, /^[0-9a-f]{64}$/);
  }
  assert.ok(expected.filter(({ tokens }) => tokens.length === TOKENS).length >= 15);
  const all = Object.values(expectedOf).flat();
  assert.equal(all.length, prompts.length + 3 * FEW);
  assert.equal(new Set(all.map(({ logits }) => logits)).size, all.length);
});

describe("native", () => {
  const usable = execFileSync(tercet, ["--version"], { encoding: "utf8" });
  for (const kernels of ["portable", "x86_avx2", "x86_avxvnni", "x86_avx512vnni"]) {
    for (const threads of [1, 2, 3]) {
      const here = usable.includes(kernels) && !usable.includes(`${kernels} (not here)`);
      const missing = !here && `this machine cannot run ${kernels}`;
      test(`${kernels}, ${threads} threads`, { skip: missing }, async () => {
        // With one thread the portable kernels are the definition itself, once more.
        const count = kernels === "portable" && threads !== 2 ? FEW : prompts.length;
        await inPairs(prompts.slice(0, count), async (prompt, i) => {
          const result = await runNatively(prompt, i, kernels, threads);
          assert.deepEqual(result, expected[i], `prompt ${i}`);
        });
        for (const other of others)
          assert.deepEqual(await other.run(kernels, threads), other.expected, other.family);
        if (threads !== 2) return;
        for (const kv of ["f16", "f32", "int4"])
          await inPairs(expectedOf[kv], async (want, i) => {
            const result = await runNatively(prompts[i], i, kernels, threads, { kv });
            assert.deepEqual(result, want, `${kv} ${i}`);
          });
      });
    }
  }
});

/** Loads models/NAME.tercet in the page and answers every prompt, as runNatively does. */
function runInPage(page, place, name, prompts, count) {
  return page.evaluate(
    async ({ place, name, prompts, sampling, count }) => {
      const { load } = await import("/dist/index.js");
      const options = { ...place, cache: "memory" };
      if (options.kernels === "the best") delete options.kernels;
      const model = await load(`/models/${name}.tercet`, options);
      const { info } = model;
      const all = [];
      for (const [seed, prompt] of prompts.entries()) {
        const run = model.generate(prompt, { ...sampling, maxTokens: count, seed });
        const { tokens } = await run.result;
        const begun = await model.tokenize(prompt, { addBeginning: true });
        const logits = await model.logits([...begun, ...tokens]);
        const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", logits));
        const hex = Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
        all.push({ tokens, logits: hex });
      }
      await model.dispose();
      return { all, info: { ...info } };
    },
    { place, name, prompts, sampling, count },
  );
}

describe("WebAssembly in Chromium", () => {
  let folder, server, browser, page;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "tercet-twin-"));
    cpSync(join(root, "dist"), join(folder, "dist"), { recursive: true });
    mkdirSync(join(folder, "models"));
    cpSync(model, join(folder, "models/model.tercet"));
    for (const { family, file } of others) cpSync(file, join(folder, `models/${family}.tercet`));
    writeFileSync(join(folder, "index.html"), "<!doctype html><title>twin</title>");
    server = createServer({ root: folder });
    const port = await listen(server, { port: 0 });
    browser = await chromium.launch({
      executablePath: "/usr/bin/chromium",
      args: [
        ...["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
        ...["--disable-component-update", "--disable-sync"],
      ],
      timeout: 140_000,
    });
    page = await browser.newPage();
    page.setDefaultTimeout(300_000);
    await page.goto(`http://127.0.0.1:${port}/`);
  });
  after(async () => {
    await browser?.close();
    server?.close();
    server?.closeAllConnections();
    rmSync(folder, { recursive: true, force: true });
  });

  for (const [variant, threads, kernels, kv = "int8"] of [
    ["simd128", 1, "wasm_simd128"],
    ["simd128", 1, "portable"],
    ["simd128-threads", 1, "wasm_simd128"],
    ["simd128-threads", 2, "wasm_simd128"],
    ["relaxed", 1, "wasm_relaxed"],
    ["relaxed-threads", 1, "wasm_relaxed"],
    ["relaxed-threads", 2, "wasm_relaxed"],
    ["relaxed-threads", 2, "the best"], // wasm_relaxed_dot, where this machine has it
    ["simd128", 1, "wasm_simd128", "f16"],
    ["relaxed-threads", 2, "wasm_relaxed", "f16"],
    ["simd128-threads", 2, "wasm_simd128", "f32"],
    ["relaxed", 1, "wasm_relaxed", "f32"],
    ["simd128", 1, "wasm_simd128", "int4"],
    ["relaxed-threads", 2, "the best", "int4"],
  ]) {
    test(`${variant}, ${kernels}, ${threads} threads, ${kv}`, { timeout: 300_000 }, async () => {
      const few = kernels === "portable" || kv !== "int8";
      const some = few ? prompts.slice(0, FEW) : prompts;
      const place = { variant, threads, kernels, kv };
      const results = await runInPage(page, place, "model", some, TOKENS);
      assert.equal(results.info.variant, variant);
      assert.equal(results.info.threads, threads);
      if (kernels === "the best") assert.match(results.info.kernels, /^wasm_relaxed(_dot)?$/);
      else assert.equal(results.info.kernels, kernels);
      assert.equal(results.info.kv, kv);
      assert.equal(results.all.length, some.length);
      results.all.forEach((result, i) =>
        assert.deepEqual(result, expectedOf[kv][i], `prompt ${i}`),
      );
      if (kv !== "int8") return;
      for (const { family, expected: want } of others) {
        const { all } = await runInPage(page, place, family, otherPrompts, OTHER_TOKENS);
        assert.deepEqual(all, want, family);
      }
    });
  }
});
