// generate.test.mjs - text from a loaded model: the native twin's for the same seed, stopped when it shall stop, computed
// only as far as somebody wants it, and errors that leave the engine usable.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  PROMPT,
  GATED,
  TestPage,
  TestServer,
  launchBrowser,
  limit,
  modelPath,
  runNatively,
  tercet,
} from "./library_under_test.mjs";

let browser, isolated, plain, page, plainPage;
before(async () => {
  browser = await launchBrowser();
  isolated = await TestServer.start();
  plain = await TestServer.start({ isolation: false });
  page = await TestPage.open(browser, isolated);
  plainPage = await TestPage.open(browser, plain);
  for (const [one, server] of [
    [page, isolated],
    [plainPage, plain],
  ]) {
    await one.run(async () => (globalThis.model = await tercet.load("/model.tercet")));
    server.workerPreamble = GATED;
    await one.run(async () => {
      globalThis.held = await tercet.load("/model.tercet");
      /** Aborts this work while it waits at a gate. */
      globalThis.abortAt = async (place, start) => {
        const abort = new AbortController();
        await fetch(`/gate/arm?at=${place}`);
        const work = start(abort.signal);
        await fetch("/gate/held");
        abort.abort();
        await fetch("/gate/open");
        return work;
      };
    });
    server.workerPreamble = "";
  }
});
after(async () => {
  await page?.finish();
  await plainPage?.finish();
  await browser?.close();
  await isolated?.stop();
  await plain?.stop();
});

/** The engine works: the text of a known seed is the known text. */
async function stillWorks(where = page) {
  const text = await where.run(
    async (prompt) => (await model.generate(prompt, { maxTokens: 8, seed: 5 }).result).text,
    PROMPT,
  );
  assert.equal(text, runNatively(["-p", PROMPT, "-n", 8, "--seed", 5]).text);
}

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

for (const [name, where] of [
  ["with threads", () => page],
  ["without isolation", () => plainPage],
]) {
  // How long a stop takes is measured by `npm run bench:abort`; here the work is held where it is stopped, and counted.
  test(
    `abort that only rejects the promise? No: leaving a loop or aborting stops the work, ${name}`,
    limit,
    async () => {
      const results = await where().run(async (prompt) => {
        const words = (prompt + " ").repeat(25);
        const results = {};
        let run = held.generate(prompt, { seed: 1 });
        for await (const _ of run) break;
        results.left = await run.result;

        // Nobody holds it back: it would go on to the end of the context.
        results.signal = await abortAt(
          "piece",
          (signal) => held.generate(prompt, { seed: 1, signal }).result,
        );

        // In the prompt, after its first slice: nothing has been written yet.
        const progress = [];
        const onPromptProgress = ({ done }) => progress.push(done);
        results.prompt = await abortAt(
          "turn",
          (signal) => held.generate(words, { seed: 1, signal, onPromptProgress }).result,
        );
        // What the session has of it is what was computed.
        const { reusedTokens } = await held.generate(words, { seed: 1, maxTokens: 1 }).result;
        results.computed = reusedTokens;
        results.progress = progress;

        const abort = new AbortController();
        abort.abort();
        run = held.generate(prompt, { signal: abort.signal });
        const pieces = [];
        for await (const piece of run) pieces.push(piece);
        results.before = { ...(await run.result), pieces };
        return results;
      }, PROMPT);
      for (const { finishReason } of [results.left, results.signal, results.prompt, results.before])
        assert.equal(finishReason, "aborted");
      assert.deepEqual(results.prompt.tokens, []);
      const { promptTokens } = results.prompt;
      assert.ok(promptTokens > 150, `a prompt of ${promptTokens} tokens`);
      assert.equal(results.progress.length, 2, "what was reused, and one slice");
      assert.ok(
        results.computed <= results.progress.at(-1),
        `${results.computed} of ${promptTokens}`,
      );
      assert.ok(results.computed < promptTokens - 50, `${results.computed} of ${promptTokens}`);
      assert.ok(results.left.tokens.length < 20 && results.signal.tokens.length < 20);
      assert.deepEqual(results.before.pieces, []);
      await stillWorks(where());
    },
  );
}

test(
  "tokens are computed on demand: a consumer that waits is not run away from",
  limit,
  async () => {
    const { early, late } = await page.run(async (prompt) => {
      const run = model.generate(prompt, { seed: 2 });
      await run.next();
      await new Promise((resolve) => setTimeout(resolve, 300));
      await run.return();
      const early = (await run.result).tokens.length;
      const free = model.generate(prompt, { seed: 2, maxTokens: 100 });
      const first = await free.next();
      const { tokens, text } = await free.result; // and nobody iterates
      const rest = [];
      for await (const piece of free) rest.push(piece);
      return { early, late: { made: tokens.length, same: first.value + rest.join("") === text } };
    }, PROMPT);
    assert.ok(early >= 1 && early <= 16, `${early} tokens for one that was taken`);
    assert.deepEqual(late, { made: 100, same: true });
  },
);

test("nothing is computed before somebody asks; onToken asks", limit, async () => {
  const results = await page.run(async (prompt) => {
    model.generate(prompt); // forgotten
    const seen = [];
    const run = model.generate(prompt, {
      seed: 5,
      maxTokens: 8,
      onToken: (piece) => seen.push(piece),
    });
    const { text } = await run.result;
    return { same: seen.join("") === text, text };
  }, PROMPT);
  assert.ok(results.same);
  assert.equal(results.text, runNatively(["-p", PROMPT, "-n", 8, "--seed", 5]).text);
});

test("two at once wait for each other; results do not mix", limit, async () => {
  const texts = await page.run(async (prompt) => {
    const runs = [5, 6, 7].map((seed) => model.generate(prompt, { seed, maxTokens: 8 }).result);
    return (await Promise.all(runs)).map(({ text }) => text);
  }, PROMPT);
  const native = [5, 6, 7].map((seed) => runNatively(["-p", PROMPT, "-n", 8, "--seed", seed]).text);
  assert.deepEqual(texts, native);
  // One that waits in line can be stopped there.
  const reasons = await page.run(async (prompt) => {
    const first = model.generate(prompt, { seed: 1 });
    await first.next();
    const second = model.generate(prompt, { seed: 1 });
    const waiting = second.next();
    await new Promise((resolve) => setTimeout(resolve, 50));
    await second.return();
    await first.return();
    return [await waiting, (await first.result).finishReason, (await second.result).finishReason];
  }, PROMPT);
  assert.deepEqual(reasons, [{ value: undefined, done: true }, "aborted", "aborted"]);
});

test("stopped while it waits behind one that nobody reads: at once", limit, async () => {
  const results = await page.run(async (prompt) => {
    const first = model.generate(prompt, { seed: 1 });
    await first.next(); // and no more: it holds the engine
    const abort = new AbortController();
    const { signal } = abort;
    const second = model.generate(prompt, { seed: 2, signal });
    const iteration = second.next();
    const { result } = second;
    const logits = failure(model.logits([1, 2], { signal }));
    await new Promise((resolve) => setTimeout(resolve, 50));
    abort.abort();
    // All of them, while the one in front goes on holding the engine.
    const { done } = await iteration;
    const { finishReason, seed } = await result;
    const { code } = await logits;
    await first.return();
    return { done, finishReason, seed: Number(seed), code, first: (await first.result).text };
  }, PROMPT);
  const { first, ...rest } = results;
  assert.deepEqual(rest, { done: true, finishReason: "aborted", seed: 2, code: "ABORTED" });
  // The one in front was not disturbed.
  const native = runNatively(["-p", PROMPT, "-n", 20, "--seed", 1]).text;
  assert.ok(first.length > 0 && native.startsWith(first), first);
  await stillWorks();
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

test("dispose ends what runs; a disposed model says so", limit, async () => {
  const codes = await page.run(async (prompt) => {
    const model = await tercet.load("/model.tercet");
    const run = model.generate(prompt);
    await run.next();
    const pending = failure(run.result);
    await model.dispose();
    await model.dispose();
    const codes = [(await pending).code, (await failure(model.tokenize("a"))).code];
    try {
      model.generate(prompt);
    } catch (error) {
      codes.push(error.code);
    }
    return codes;
  }, PROMPT);
  assert.deepEqual(codes, ["DISPOSED", "DISPOSED", "DISPOSED"]);
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
