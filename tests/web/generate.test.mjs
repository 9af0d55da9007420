// generate.test.mjs - text from a loaded model: the native twin's for the same seed, stopped when it shall stop, computed
// only as far as somebody wants it (generate_turns.mjs), and errors that leave the engine usable.

import "./generate_turns.mjs";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { page, plain, plainPage, stillWorks } from "./generate_under_test.mjs";
import { PROMPT, limit, modelPath, runNatively, tercet } from "./library_under_test.mjs";

test("sampling options and seeds are the native twin's", limit, async () => {
  for (const [options, flags] of [
    [{ seed: 0 }, ["--seed", 0]],
    [{ seed: 123456789012345 }, ["--seed", "123456789012345"]],
    [{ temperature: 0 }, ["--temperature", 0]],
    [{ seed: 4, temperature: 1.3, topK: 20 }, ["--seed", 4, "--temperature", 1.3, "--top-k", 20]],
    [{ seed: 5, topP: 0.5, minP: 0.1 }, ["--seed", 5, "--top-p", 0.5, "--min-p", 0.1]],
    [{ seed: 6, repetitionPenalty: 1.5 }, ["--seed", 6, "--repetition-penalty", 1.5]],
    [
      { seed: 6, repetitionPenalty: 1.5, repetitionWindow: 4 },
      ["--seed", 6, "--repetition-penalty", 1.5, "--repetition-window", 4],
    ],
  ]) {
    const got = await page.run(
      async ({ prompt, options }) => {
        const { text, tokens } = await model.generate(prompt, { maxTokens: 40, ...options }).result;
        return { text, tokens };
      },
      { prompt: PROMPT, options },
    );
    const native = runNatively(["-p", PROMPT, "-n", 40, ...flags]);
    assert.equal(got.text, native.text, flags.join(" "));
    assert.deepEqual(got.tokens, native.tokens);
  }
});

test("drafting changes no token; how much came true is told", limit, async () => {
  const prompt = "Tom ran to the house. Tom ran to the house. Tom ran to the";
  const results = await page.run(async (prompt) => {
    const all = [];
    for (const speculation of ["off", "auto", 2, 8]) {
      const options = { temperature: 0, maxTokens: 100, speculation };
      const result = await model.generate(prompt, options).result;
      all.push({ tokens: result.tokens, ...result.speculation });
    }
    return all;
  }, prompt);
  const native = runNatively(["-p", prompt, "-n", 100, "--temperature", 0]);
  for (const { tokens, passes, acceptedTokens } of results) {
    assert.deepEqual(tokens, native.tokens);
    // The last step may have ended the text; drafts may reach past it.
    assert.equal(passes + acceptedTokens, tokens.length);
  }
  const [off, , , forced] = results;
  assert.deepEqual([off.draftedTokens, off.acceptance], [0, 0]);
  assert.ok(forced.draftedTokens > 0);
  assert.equal(forced.acceptance, forced.acceptedTokens / forced.draftedTokens);
  for (const speculation of [0, 1, 9, 2.5, "on"]) {
    const code = await page.run((speculation) => {
      try {
        model.generate("a", { speculation });
        return "no failure";
      } catch (error) {
        return error.code;
      }
    }, speculation);
    assert.equal(code, "BAD_ARGUMENT", String(speculation));
  }
});

test("a second turn computes only what is new, and says so", limit, async () => {
  for (const where of [page, plainPage]) {
    const turns = await where.run(async (prompt) => {
      const fresh = await tercet.load("/model.tercet");
      const options = { seed: 3, maxTokens: 20 };
      const first = await fresh.generate(prompt, options).result;
      const longer = [...(await fresh.tokenize(prompt, { addBeginning: true })), ...first.tokens];
      const second = await fresh.generate(longer, options).result;
      const other = await fresh.generate("Something else", options).result;
      const again = await fresh.generate(longer, options).result;
      await fresh.dispose();
      return { first, second, other, again, promptLength: longer.length };
    }, PROMPT);
    const { first, second, other, again, promptLength } = turns;
    assert.equal(first.reusedTokens, 0);
    assert.equal(second.promptTokens, promptLength);
    // Whether the session holds exactly these tokens, or the text ended with one that is not computed.
    assert.ok(promptLength - second.reusedTokens <= 1, `${second.reusedTokens}/${promptLength}`);
    assert.ok(other.reusedTokens <= 1); // the beginning of the text
    assert.equal(again.reusedTokens, other.reusedTokens);
    assert.deepEqual(again.tokens, second.tokens);
    const alone = runNatively(["-p", "Something else", "-n", 20, "--seed", 3]);
    assert.deepEqual(other.tokens, alone.tokens);
  }
});

test("the largest seed; a random one that is told and repeats", limit, async () => {
  const results = await page.run(async (prompt) => {
    const write = async (seed) => {
      const result = await model.generate(prompt, {
        maxTokens: 24,
        ...(seed === null ? {} : { seed }),
      }).result;
      return [result.text, String(result.seed)];
    };
    const [text, seed] = await write(null);
    return {
      largest: await write(2n ** 64n - 1n),
      large: await write(Number.MAX_SAFE_INTEGER),
      text,
      seed,
      again: await write(BigInt(seed)),
      other: await write(null),
    };
  }, PROMPT);
  const native = runNatively(["-p", PROMPT, "-n", 24, "--seed", Number.MAX_SAFE_INTEGER]);
  assert.deepEqual(results.large, [native.text, String(Number.MAX_SAFE_INTEGER)]);
  assert.equal(results.largest[1], "18446744073709551615");
  assert.notEqual(results.largest[0], native.text);
  assert.equal(results.again[0], results.text);
  assert.notEqual(results.other[1], results.seed);
});

test("stop texts are found across tokens and left out, as natively", limit, async () => {
  const whole = runNatively(["-p", PROMPT, "-n", 60, "--seed", 9]).text;
  const middle = whole.slice(21, 34);
  for (const stops of [
    [middle],
    ["no such text", middle],
    [middle.slice(3, 5)],
    [whole.slice(-3)],
  ]) {
    const got = await page.run(
      async ({ prompt, stop }) => {
        const run = model.generate(prompt, { maxTokens: 60, seed: 9, stop });
        const pieces = [];
        for await (const piece of run) pieces.push(piece);
        const { text, finishReason, tokens } = await run.result;
        return { pieces, text, finishReason, tokens };
      },
      { prompt: PROMPT, stop: stops },
    );
    const flags = stops.flatMap((stop) => ["--stop", stop]);
    const native = runNatively(["-p", PROMPT, "-n", 60, "--seed", 9, ...flags]);
    assert.equal(got.finishReason, "stop-text");
    assert.equal(native.finish, "stop-text");
    assert.equal(got.text, native.text);
    assert.equal(got.pieces.join(""), got.text);
    assert.deepEqual(got.tokens, native.tokens);
    assert.ok(!stops.some((stop) => got.text.includes(stop)));
  }
});

test("the end of the context, and no tokens at all", limit, async () => {
  const got = await page.run(async (prompt) => {
    const { text, finishReason, tokens } = await model.generate(prompt, { temperature: 0 }).result;
    const none = await model.generate(prompt, { maxTokens: 0 }).result;
    return { text, finishReason, made: tokens.length, none: [none.text, none.finishReason] };
  }, PROMPT);
  const native = runNatively(["-p", PROMPT, "-n", 1000, "--temperature", 0, "--context", 256]);
  assert.equal(got.finishReason, native.finish);
  assert.equal(got.text, native.text);
  assert.deepEqual(got.none, ["", "length"]);
});

test("what cannot be generated is refused, and the engine works on", limit, async () => {
  const codes = await page.run(async (prompt) => {
    const tries = [
      ["long prompt", "word ".repeat(500)],
      ["very long prompt", "word ".repeat(1_000_000)],
      ["100 kB of one letter", "a".repeat(100_000)],
      ["100 kB of emoji", "\u{1f600}".repeat(25_000)],
      ["characters of three bytes", "\u6c34".repeat(2047)],
      ["token that is none", [1, 4096]],
      ["no tokens", []],
      ["half a character", "a\ud800b"],
      ["temperature", prompt, { temperature: -1 }],
      ["top-p", prompt, { topP: 0 }],
      ["min-p", prompt, { minP: 2 }],
      ["penalty", prompt, { repetitionPenalty: 0 }],
    ];
    const codes = {};
    for (const [name, what, options] of tries)
      codes[name] = (await failure(model.generate(what, { maxTokens: 4, ...options }).result)).code;
    // Iterating tells the same, once, and then ends.
    const run = model.generate([9999]);
    codes.iterating = (await failure(run.next())).code;
    codes.afterwards = (await run.next()).done;
    for (const options of [
      { maxTokens: -1 },
      { seed: -1 },
      { seed: 0.5 },
      { stop: "" },
      { stop: ["ok", "\ud83d"] },
      { topK: 0.5 },
      { topP: "a" },
    ]) {
      let code = "no failure";
      try {
        model.generate(prompt, options);
      } catch (error) {
        code = error.code;
      }
      codes[JSON.stringify(options)] = code;
    }
    return codes;
  }, PROMPT);
  assert.deepEqual(codes, {
    "long prompt": "PROMPT_TOO_LONG",
    "very long prompt": "PROMPT_TOO_LONG",
    "100 kB of one letter": "PROMPT_TOO_LONG",
    "100 kB of emoji": "PROMPT_TOO_LONG",
    "characters of three bytes": "PROMPT_TOO_LONG",
    "token that is none": "BAD_TOKEN",
    "no tokens": "BAD_ARGUMENT",
    "half a character": "INVALID_UTF8",
    temperature: "BAD_ARGUMENT",
    "top-p": "BAD_ARGUMENT",
    "min-p": "BAD_ARGUMENT",
    penalty: "BAD_ARGUMENT",
    iterating: "BAD_TOKEN",
    afterwards: true,
    '{"maxTokens":-1}': "BAD_ARGUMENT",
    '{"seed":-1}': "BAD_ARGUMENT",
    '{"seed":0.5}': "BAD_ARGUMENT",
    '{"stop":""}': "BAD_ARGUMENT",
    '{"stop":["ok","\\ud83d"]}': "BAD_ARGUMENT",
    '{"topK":0.5}': "BAD_ARGUMENT",
    '{"topP":"a"}': "BAD_ARGUMENT",
  });
  await stillWorks();
});

test(
  "a bad token is named by its place in the whole prompt, before anything is computed",
  limit,
  async () => {
    const tokens = new Array(100).fill(1);
    tokens[90] = 70_000;
    const errors = await page.run(
      async (tokens) => [
        await failure(model.generate(tokens).result),
        await failure(model.logits(tokens)),
      ],
      tokens,
    );
    for (const { code, where, detail } of errors) {
      assert.equal(code, "BAD_TOKEN");
      assert.equal(where, 90);
      assert.match(detail, /70000 at place 90/);
    }
  },
);

test("a byte order mark is text, at the beginning too", limit, async () => {
  const texts = ["\ufeffone", "one\ufeff two", "\ufeff\ufeff"];
  const back = await page.run(
    async (texts) =>
      Promise.all(texts.map(async (text) => model.detokenize(await model.tokenize(text)))),
    texts,
  );
  assert.deepEqual(back, texts);
});

test("text to tokens and back; logits are the native twin's, bit for bit", limit, async () => {
  const text = 'Tom\'s café, 日本 🙂\n"Yes," he said.';
  const got = await page.run(async (text) => {
    const tokens = await model.tokenize(text, { addBeginning: true });
    const logits = await model.logits(tokens);
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", logits));
    return {
      tokens: [...tokens],
      back: await model.detokenize(await model.tokenize(text)),
      empty: [
        [...(await model.tokenize(""))],
        await model.detokenize([]),
        (await model.logits([])).length,
      ],
      values: logits.length,
      rows: logits.length / model.info.vocabulary,
      hash: Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join(""),
      bad: (await failure(model.logits([5000]))).code,
      long: (await failure(model.logits(new Uint32Array(300)))).code,
    };
  }, text);
  assert.equal(got.back, text);
  assert.deepEqual(got.empty, [[], "", 0]);
  assert.equal(got.rows, got.tokens.length);
  assert.deepEqual([got.bad, got.long], ["BAD_TOKEN", "PROMPT_TOO_LONG"]);
  const folder = mkdtempSync(join(tmpdir(), "tercet-logits-"));
  const file = join(folder, "logits.f32");
  try {
    execFileSync(tercet, ["logits", modelPath, "--tokens", got.tokens.join(","), "-o", file], {
      stdio: "ignore",
    });
    const { createHash } = await import("node:crypto");
    assert.equal(got.hash, createHash("sha256").update(readFileSync(file)).digest("hex"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  await stillWorks();
});

test("bench measures, timings are sane", limit, async () => {
  const { bench, timings, stopped } = await page.run(async (prompt) => {
    const bench = await model.bench({ promptTokens: 64, decodeTokens: 16 });
    const { timings } = await model.generate(prompt, { maxTokens: 16, seed: 1 }).result;
    const stopped = await abortAt("turn", (signal) => failure(held.bench({ signal })));
    return { bench, timings, stopped: stopped.code };
  }, PROMPT);
  assert.equal(bench.promptTokens, 64);
  assert.equal(bench.decodeTokens, 16);
  // Under the names of the native twin's JSON, and each of them is there.
  assert.deepEqual(bench.figures, {
    decode_tokens_per_s: bench.decodeTokensPerSecond,
    prompt_tokens_per_s: bench.promptTokensPerSecond,
    packed_gb_per_s: bench.packedGigabytesPerSecond,
    peak_memory_bytes: bench.memoryBytes,
    kernels: bench.kernels,
    threads: bench.threads,
  });
  const words = ["bench", modelPath, "--runs", "1", "--prompt", "8", "-n", "4", "--json"];
  const [row] = JSON.parse(execFileSync(tercet, words, { encoding: "utf8" })).results;
  assert.deepEqual(
    Object.keys(bench.figures).filter((name) => !(name in row)),
    [],
  );
  for (const name of ["promptTokensPerSecond", "decodeTokensPerSecond", "packedGigabytesPerSecond"])
    assert.ok(bench[name] > 0 && Number.isFinite(bench[name]), name);
  assert.ok(timings.promptSeconds > 0 && timings.decodeSeconds > 0);
  assert.ok(timings.timeToFirstTokenSeconds >= timings.promptSeconds);
  assert.ok(timings.tokensPerSecond > 1);
  assert.equal(stopped, "ABORTED");
});

test("the ten lines of the README work on a plain page", limit, async () => {
  const text = await page.run(async () => {
    const { load } = await import("/dist/index.js");
    const model = await load("/model.tercet", { onProgress: () => {} });
    let text = "";
    for await (const piece of model.generate("One morning", { maxTokens: 20, seed: 1 }))
      text += piece;
    await model.dispose();
    return text;
  });
  assert.equal(text, runNatively(["-p", "One morning", "-n", 20, "--seed", 1]).text);
});
