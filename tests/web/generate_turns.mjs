// generate_turns.mjs - when a text is computed: no sooner and no further than somebody wants it, one after another, and not once it is
// stopped. Run by generate.test.mjs, and by itself.

import assert from "node:assert/strict";
import { test } from "node:test";
import { page, plainPage, stillWorks } from "./generate_under_test.mjs";
import { PROMPT, limit, runNatively } from "./library_under_test.mjs";

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
