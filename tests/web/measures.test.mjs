// measures.test.mjs - what a model says of a text without going on with it: how likely its tokens were, an embedding, perplexity, how
// many tokens it has; the native twin's numbers, bit for bit where numbers come from the core.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  GATED,
  PROMPT,
  TestPage,
  TestServer,
  launchBrowser,
  limit,
  modelPath,
  runNatively,
  tercet,
} from "./library_under_test.mjs";

let browser, isolated, plain, page, plainPage, folder;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), "tercet-measures-"));
  browser = await launchBrowser();
  isolated = await TestServer.start();
  plain = await TestServer.start({ isolation: false });
  page = await TestPage.open(browser, isolated);
  plainPage = await TestPage.open(browser, plain);
  for (const one of [page, plainPage])
    await one.run(async () => {
      globalThis.model = await tercet.load("/model.tercet", { context: 128 });
    });
});
after(async () => {
  await page?.finish();
  await plainPage?.finish();
  await browser?.close();
  await isolated?.stop();
  await plain?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const native = (args) => JSON.parse(execFileSync(tercet, args.map(String), { encoding: "utf8" }));

test(
  "logprobs: of the logits before every choice of sampling, the likeliest first, text unchanged",
  limit,
  async () => {
    const got = await page.run(async (prompt) => {
      const options = { seed: 3, temperature: 1.2, repetitionPenalty: 1.3, maxTokens: 12 };
      const plain = await model.generate(prompt, options).result;
      const early = [];
      const noted = await model.generate(prompt, {
        ...options,
        logprobs: 4,
        onLogprobs: (some) => early.push(...some),
      }).result;
      const bare = await model.generate(prompt, { ...options, logprobs: 0 }).result;
      const start = await model.tokenize(prompt, { addBeginning: true });
      const logits = await model.logits([...start, ...noted.tokens]);
      const { vocabulary } = model.info;
      // By hand, from the logits in front of each token.
      const wanted = noted.tokens.map((token, i) => {
        const at = (start.length - 1 + i) * vocabulary;
        const row = Array.from(logits.subarray(at, at + vocabulary));
        const highest = Math.max(...row);
        const total =
          Math.log(row.reduce((sum, one) => sum + Math.exp(one - highest), 0)) + highest;
        const best = row.map((one, id) => [one, id]).sort((a, b) => b[0] - a[0] || a[1] - b[1]);
        return {
          logprob: row[token] - total,
          top: best.slice(0, 4).map(([one, id]) => [id, one - total]),
        };
      });
      const far = await model.generate(prompt, { ...options, logprobs: 20 }).result;
      return { plain, noted, bare, wanted, early, far: far.logprobs.map(({ top }) => top.length) };
    }, PROMPT);
    assert.equal(got.plain.logprobs, null);
    assert.deepEqual(got.noted.tokens, got.plain.tokens);
    assert.equal(got.noted.text, got.plain.text);
    assert.equal(got.noted.logprobs.length, got.noted.tokens.length);
    assert.deepEqual(got.early, got.noted.logprobs.slice(0, got.early.length));
    assert.ok(got.early.length >= 10);
    for (const [i, one] of got.noted.logprobs.entries()) {
      assert.equal(one.token, got.noted.tokens[i]);
      assert.equal(Buffer.from(one.bytes).toString(), one.text);
      assert.ok(Math.abs(one.logprob - got.wanted[i].logprob) < 1e-5);
      assert.deepEqual(
        one.top.map(({ token }) => token),
        got.wanted[i].top.map(([id]) => id),
      );
      for (const [k, { logprob }] of one.top.entries())
        assert.ok(Math.abs(logprob - got.wanted[i].top[k][1]) < 1e-5);
    }
    assert.ok(got.bare.logprobs.every(({ top }) => top.length === 0));
    assert.deepEqual(
      got.far,
      got.far.map(() => 20),
    );
    for (const logprobs of [-1, 21, 1.5, true])
      assert.equal(
        (
          await page.run(
            (logprobs) => failure((async () => model.generate("a", { logprobs }))()),
            logprobs,
          )
        ).code,
        "BAD_ARGUMENT",
      );
  },
);

test("embed: the native twin's numbers, with threads and without", limit, async () => {
  const text = `${PROMPT}. `.repeat(9);
  const { embedding, tokens } = native(["embed", modelPath, "--text", text]);
  for (const where of [page, plainPage]) {
    const got = await where.run(async (text) => {
      const result = await model.embed(text);
      const ids = await model.embed(await model.tokenize(text, { addBeginning: true }));
      const empty = await failure(model.embed([]));
      const long = await failure(model.embed(new Uint32Array(200)));
      return {
        embedding: [...result.embedding],
        tokens: result.tokens,
        same: ids.embedding.every((one, i) => one === result.embedding[i]),
        codes: [empty.code, long.code],
      };
    }, text);
    assert.equal(got.tokens, tokens);
    assert.deepEqual(got.embedding, embedding.map(Math.fround));
    assert.ok(got.same);
    assert.deepEqual(got.codes, ["BAD_ARGUMENT", "PROMPT_TOO_LONG"]);
  }
});

test("who measures nothing and has no GGUF file needs no script for that", limit, async () => {
  plain.missing = /tercet-(tools|gguf|packer|grammar|look)/;
  const bare = await TestPage.open(browser, plain);
  try {
    const got = await bare.run(async (prompt) => {
      const model = await tercet.load("/model.tercet", { context: 128 });
      const write = async () =>
        (await model.generate(prompt, { maxTokens: 4, seed: 5 }).result).text;
      const before = await write();
      const failed = await failure(model.embed(prompt));
      const listed = (await tercet.cache.list()).map(({ modelId }) => modelId);
      const same = (await write()) === before;
      const { modelId } = model.info;
      await model.dispose();
      return { failed, listed: listed.includes(modelId), same };
    }, PROMPT);
    assert.equal(got.failed.code, "NETWORK_FAILED");
    assert.match(got.failed.detail, /tercet-tools\.mjs/);
    assert.deepEqual([got.listed, got.same], [true, true]);
  } finally {
    await bare.finish();
    plain.missing = null;
  }
});

test("perplexity: the native twin's figure, over several windows", limit, async () => {
  const text = "Tom went to the store. It was closed, and so he went home again. ".repeat(20);
  writeFileSync(join(folder, "text.txt"), text);
  const wanted = native([
    "perplexity",
    modelPath,
    join(folder, "text.txt"),
    "--context",
    128,
    "--json",
  ]);
  assert.ok(wanted.windows > 2);
  for (const where of [page, plainPage]) {
    const got = await where.run(
      async (text) => ({
        result: await model.perplexity(text),
        short: (await failure(model.perplexity([1]))).code,
        odd: (await failure(model.perplexity([1, 4000000000]))).code,
      }),
      text,
    );
    assert.equal(got.result.natsPerToken, wanted.nats_per_token);
    assert.equal(got.result.tokens, wanted.tokens);
    assert.ok(Math.abs(got.result.perplexity / wanted.perplexity - 1) < 1e-12);
    assert.deepEqual([got.short, got.odd], ["BAD_ARGUMENT", "BAD_TOKEN"]);
  }
});

test(
  "tokenizer calls missing? No: tokenize, detokenize and countTokens are there",
  limit,
  async () => {
    const got = await page.run(async (prompt) => {
      const ids = await model.tokenize(prompt);
      return {
        ids: [...ids],
        text: await model.detokenize(ids),
        count: await model.countTokens(prompt),
        bare: await model.countTokens(prompt, { addBeginning: false }),
        used: (await model.generate(prompt, { maxTokens: 1 }).result).promptTokens,
        none: (await failure(model.countTokens([{ role: "user", content: "a" }]))).code,
      };
    }, PROMPT);
    assert.equal(got.text, PROMPT);
    assert.equal(got.count, got.used);
    assert.equal(got.bare, got.ids.length);
    assert.equal(got.none, "NO_CHAT_FORMAT");
  },
);

test("onPromptProgress: at once with what is reused, then rising to the whole", limit, async () => {
  for (const where of [page, plainPage]) {
    const got = await where.run(async (prompt) => {
      const text = `${prompt} `.repeat(9);
      const seen = [[], []];
      for (const list of seen)
        await model.generate(text, {
          maxTokens: 2,
          seed: 1,
          onPromptProgress: (one) => list.push(one),
        }).result;
      return { seen, total: await model.countTokens(text) };
    }, `A ${PROMPT}`);
    const [first, second] = got.seen;
    assert.ok(first.length >= 3);
    assert.ok(first[0].done <= 1 && first[0].done === first[0].reused);
    assert.ok(first.every(({ total }) => total === got.total));
    assert.ok(first.every(({ done }, i) => i === 0 || done > first[i - 1].done));
    assert.equal(first.at(-1).done, got.total);
    assert.equal(second[0].done, got.total - 1);
    assert.equal(second.at(-1).done, got.total);
  }
});

test(
  "a page without isolation begins with one token, so that no pass is longer than a token takes",
  limit,
  async () => {
    const steps = await plainPage.run(async () => {
      const model = await tercet.load("/model.tercet");
      const dones = [];
      const onPromptProgress = ({ done }) => dones.push(done);
      const words = "One morning Tom went to the store. ".repeat(6);
      await model.generate(words, { maxTokens: 1, onPromptProgress }).result;
      await model.dispose();
      return dones;
    });
    assert.deepEqual(steps.slice(0, 2), [0, 1]);
    assert.ok(steps.at(-1) > 40, `${steps}`);
  },
);

test("default of half the cores: ours is all of them, at most 8", limit, async () => {
  for (const [where, isolated] of [
    [page, true],
    [plainPage, false],
  ]) {
    const { threads, cores } = await where.run(async () => {
      const model = await tercet.load("/model.tercet");
      const { threads } = model.info;
      await model.dispose();
      return { threads, cores: navigator.hardwareConcurrency };
    });
    assert.equal(threads, isolated ? Math.min(cores, 8) : 1);
  }
});

test(
  "logits and measures on a page without isolation stop between short slices",
  limit,
  async () => {
    // The work is held behind its first slice, and stopped there.
    plain.workerPreamble = GATED;
    const got = await plainPage.run(async () => {
      const held = await tercet.load("/model.tercet", { context: 256 });
      const tokens = Uint32Array.from({ length: 250 }, (_, i) => (i * 7) % 500);
      const codes = [];
      for (const work of ["logits", "embed", "perplexity"]) {
        const abort = new AbortController();
        await fetch("/gate/arm?at=turn");
        const running = failure(held[work](tokens, { signal: abort.signal }));
        await fetch("/gate/held");
        abort.abort();
        await fetch("/gate/open");
        codes.push((await running).code);
      }
      const { text } = await held.generate("One morning", { maxTokens: 3, seed: 1 }).result;
      await held.dispose();
      return { codes, text };
    });
    plain.workerPreamble = "";
    assert.deepEqual(got.codes, ["ABORTED", "ABORTED", "ABORTED"]);
    assert.equal(got.text, runNatively(["-p", "One morning", "-n", 3, "--seed", 1]).text);
  },
);
