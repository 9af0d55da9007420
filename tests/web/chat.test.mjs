// chat.test.mjs - conversations in a page: the native twin's tokens, what is kept from turn to turn, and what is refused. The
// model is a golden one without sense, packed with a chat format; `story` is the bundled one, which has none.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { root } from "../../scripts/paths.mjs";
import { TestPage, TestServer, launchBrowser, limit, tercet } from "./library_under_test.mjs";

const folder = mkdtempSync(join(tmpdir(), "tercet-chat-"));
const source = join(root, "tests/golden/models/qwen3-grid-bf16");

function pack(name, format) {
  const file = join(folder, name);
  execFileSync(tercet, ["pack", source, "-o", file, "--chat-format", format, "--quiet"]);
  return file;
}

let browser, isolated, plain, page, plainPage;
let qwen3, bare;
before(async () => {
  qwen3 = pack("qwen3.tercet", "qwen3");
  bare = pack("bare.tercet", "none");
  browser = await launchBrowser();
  isolated = await TestServer.start();
  plain = await TestServer.start({ isolation: false });
  for (const server of [isolated, plain]) {
    server.write("qwen3.tercet", readFileSync(qwen3));
    server.write("bare.tercet", readFileSync(bare));
  }
  page = await TestPage.open(browser, isolated);
  plainPage = await TestPage.open(browser, plain);
  for (const one of [page, plainPage])
    await one.run(async () => {
      globalThis.model = await tercet.load("/qwen3.tercet");
      globalThis.bare = await tercet.load("/bare.tercet");
      globalThis.story = await tercet.load("/model.tercet");
      // What is thrown at once, or told by the result.
      globalThis.refusal = async (work) => {
        try {
          await work().result;
          return "no failure";
        } catch ({ code, detail, advice, where }) {
          return { code, detail, advice, where };
        }
      };
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

/** What `tercet chat` answers to these lines. */
function natively(lines, ...flags) {
  const out = execFileSync(tercet, ["chat", qwen3, "--json", ...flags.map(String)], {
    input: lines.map((line) => `${line}\n`).join(""),
    encoding: "utf8",
  });
  return JSON.parse(out).answers;
}

test("info says which chat format a model has", limit, async () => {
  const got = await page.run(() =>
    [model, bare, story].map(({ info }) => [info.chatFormat, info.thinkingSwitch]),
  );
  assert.deepEqual(got, [
    ["qwen3", true],
    [null, false],
    [null, false],
  ]);
});

test("a conversation gives the native twin's tokens, turn for turn", limit, async () => {
  const lines = ["Hi", "<|im_end|> Grüße 世界", "More"];
  const native = natively(
    lines,
    "--seed",
    11,
    "--temperature",
    1.2,
    "-n",
    7,
    "--system",
    "Be kind.",
  );
  for (const where of [page, plainPage]) {
    const turns = await where.run(async (lines) => {
      const fresh = await tercet.load("/qwen3.tercet");
      const messages = [{ role: "system", content: "Be kind." }];
      const turns = [];
      for (const content of lines) {
        messages.push({ role: "user", content });
        const options = { seed: 11, temperature: 1.2, maxTokens: 7 };
        const { tokens, text, promptTokens, reusedTokens, finishReason, message } =
          await fresh.chat(messages, options).result;
        // What the native twin keeps: everything that was said, thinking included.
        messages.push({ role: "assistant", content: text });
        turns.push({ tokens, text, promptTokens, reusedTokens, finishReason, message });
      }
      await fresh.dispose();
      return turns;
    }, lines);
    turns.forEach((turn, i) => {
      assert.deepEqual(turn.tokens, native[i].tokens, `turn ${i}`);
      assert.equal(turn.text, native[i].text);
      assert.equal(turn.promptTokens, native[i].prompt_tokens.length);
      assert.equal(turn.reusedTokens, native[i].reused_tokens);
      assert.deepEqual(turn.message, { role: "assistant", content: turn.text });
    });
    assert.equal(turns[0].reusedTokens, 0);
    assert.ok(turns[1].reusedTokens >= turns[0].promptTokens);
  }
});

test("a known format can be chosen, and thinking switched off", limit, async () => {
  const got = await page.run(async () => {
    const messages = [{ role: "user", content: "Hi", name: "ignored" }];
    const options = { temperature: 0, maxTokens: 5 };
    const run = async (on, more) => {
      const { tokens, promptTokens } = await on.chat(messages, { ...options, ...more }).result;
      return { tokens, promptTokens };
    };
    return [
      await run(model, {}),
      await run(bare, { chatFormat: "qwen3" }),
      await run(model, { thinking: false }),
      await run(bare, { chatFormat: "qwen3", thinking: false }),
      await run(model, { chatFormat: "chatml" }),
    ];
  });
  const [own, chosen, quiet, chosenQuiet, chatml] = got;
  assert.deepEqual(chosen, own);
  assert.deepEqual(chosenQuiet, quiet);
  assert.deepEqual(chatml, own); // the same until thinking comes in
  assert.ok(quiet.promptTokens > own.promptTokens);
  const [native] = natively(["Hi"], "--temperature", 0, "-n", 5, "--no-think");
  assert.deepEqual(quiet.tokens, native.tokens);
});

test("an answer is streamed and can be stopped as any text", limit, async () => {
  const got = await page.run(async () => {
    const messages = [{ role: "user", content: "Hi" }];
    const options = { seed: 2, maxTokens: 30 };
    const whole = await model.chat(messages, options).result;
    const pieces = [];
    const stream = model.chat(messages, options);
    for await (const piece of stream) pieces.push(piece);
    const broken = model.chat(messages, options);
    for await (const piece of broken) if (piece) break;
    const stopped = model.chat(messages, { ...options, signal: AbortSignal.abort() });
    const heard = [];
    await model.chat(messages, { ...options, onToken: (piece) => heard.push(piece) }).result;
    return {
      whole,
      pieces: pieces.join(""),
      heard: heard.join(""),
      message: (await stream.result).message,
      broken: await broken.result,
      stopped: await stopped.result,
    };
  });
  assert.equal(got.pieces, got.whole.text);
  assert.equal(got.heard, got.whole.text);
  assert.equal(got.message.content, got.whole.text);
  assert.equal(got.broken.finishReason, "aborted");
  assert.ok(got.whole.text.startsWith(got.broken.message.content));
  assert.deepEqual(got.stopped.message, { role: "assistant", content: "" });
  assert.equal(got.stopped.thinking, "");
  assert.equal(got.stopped.finishReason, "aborted");
});

test("a text after a conversation ends as it did before one", limit, async () => {
  const [before, after] = await page.run(async () => {
    const text = () => story.generate("Tom", { seed: 1, maxTokens: 30 }).result;
    const before = (await text()).tokens;
    await bare.chat([{ role: "user", content: "Hi" }], { chatFormat: "qwen3", maxTokens: 3 })
      .result;
    return [before, (await text()).tokens];
  });
  assert.deepEqual(after, before);
});

test("a model without a chat format says so at once, and what to do", limit, async () => {
  const got = await page.run(() => {
    try {
      story.chat([{ role: "user", content: "Hi" }]);
      return "no failure";
    } catch ({ code, message, advice }) {
      return { code, message, advice };
    }
  });
  assert.equal(got.code, "NO_CHAT_FORMAT");
  assert.equal(got.advice, "fix-input");
  assert.match(got.message, /generate\(\).*chatFormat/);
});

test("what makes no sense is refused, and the engine goes on", limit, async () => {
  const got = await page.run(async () => {
    const user = [{ role: "user", content: "Hi" }];
    const cases = {
      empty: () => model.chat([]),
      none: () => model.chat(),
      text: () => model.chat("Hi"),
      nothing: () => model.chat([null]),
      role: () => model.chat([{ role: "tool", content: "a" }]),
      inherited: () => model.chat([{ role: "constructor", content: "a" }]),
      content: () => model.chat([{ role: "user", content: ["a"] }]),
      half: () => model.chat([...user, { role: "user", content: "a\ud800" }]),
      answered: () => model.chat([...user, { role: "assistant", content: "a" }]),
      format: () => model.chat(user, { chatFormat: 3 }),
      unknown: () => model.chat(user, { chatFormat: "jinja" }),
      missing: () => bare.chat(user, { chatFormat: "llama3" }),
      thinking: () => model.chat(user, { thinking: "no" }),
      switchless: () => bare.chat(user, { chatFormat: "chatml", thinking: false }),
      long: () => model.chat([{ role: "user", content: "Hi ".repeat(1000) }]),
      endless: () => model.chat([{ role: "user", content: "Hi ".repeat(3e6) }]),
      tokens: () => model.chat(user, { maxTokens: -1 }),
    };
    const told = {};
    for (const [name, work] of Object.entries(cases)) told[name] = await refusal(work);
    told.after = (await model.chat(user, { maxTokens: 1 }).result).tokens.length;
    return told;
  });
  const codes = Object.fromEntries(Object.entries(got).map(([name, { code }]) => [name, code]));
  assert.equal(got.after, 1);
  assert.deepEqual(codes, {
    ...Object.fromEntries(
      "empty none text nothing role inherited content answered format unknown thinking switchless tokens"
        .split(" ")
        .map((name) => [name, "BAD_ARGUMENT"]),
    ),
    half: "INVALID_UTF8",
    missing: "NO_CHAT_FORMAT",
    long: "PROMPT_TOO_LONG",
    endless: "PROMPT_TOO_LONG",
    after: undefined,
  });
  assert.equal(got.half.where, 1);
  assert.match(got.unknown.detail, /known are qwen3, chatml, llama3, bitnet/);
  assert.match(got.answered.detail, /nothing to answer/);
});
