// write_modules.test.mjs - what the view "Write" computes without a page: titles, exports, what is asked of the library, settings
// and texts that were stored by another version, shades, thoughts that come in by half, speeds. And what the bench takes for a file of
// results.

import assert from "node:assert/strict";
import { test } from "node:test";
import { join } from "node:path";
import { build } from "esbuild";
import { root } from "../../scripts/paths.mjs";

async function importPage(...names) {
  const lines = names.map((name) => `export * from "./${name}.js";`);
  const { outputFiles } = await build({
    stdin: { contents: lines.join("\n"), resolveDir: join(root, "web/page") },
    bundle: true,
    format: "esm",
    target: "es2022",
    write: false,
    external: ["*/library.js"],
  });
  const code = Buffer.from(outputFiles[0].contents).toString("base64");
  return import(`data:text/javascript;base64,${code}`);
}
const {
  newConversation,
  titleOf,
  withMessages,
  renamed,
  chatMessages,
  sessionName,
  idOfSession,
  notedTokens,
  isConversation,
  toMarkdown,
  toJson,
  fileName,
  settingsFrom,
  samplingOptions,
  loadOptions,
  fits,
  DEFAULTS,
  shadeOf,
  formatProbability,
  visibleToken,
  splitText,
  SpeedWindow,
  SLOTS,
  readResultFile,
} = await importPage(
  "views/write/conversation",
  "views/write/export_conversation",
  "state/settings",
  "views/write/token_shades",
  "views/write/thinking_text",
  "parts/speed_window",
  "views/bench/results",
);

const model = { modelId: "a".repeat(64), name: "a model" };
const said = (role, content, more = {}) => ({ role, content, ...more });

test("a title is the first line that says something, cut at a word", () => {
  assert.equal(titleOf("\n  How  are\tyou?\nWell."), "How are you?");
  const long = "What would the world be like if there were no numbers between one and ten at all";
  assert.equal(titleOf(long), "What would the world be like if there were no…");
  assert.equal(titleOf("x".repeat(100)), `${"x".repeat(48)}…`);
  assert.ok(titleOf(`${"x".repeat(47)}😀😀`).isWellFormed?.() ?? true);
  assert.equal(titleOf("  "), "");
});

test("the title follows the first message until it is given by hand", () => {
  const empty = newConversation("chat", model, 5);
  const begun = withMessages(empty, [said("user", "Hi")], 6);
  assert.equal(begun.title, "Hi");
  assert.equal(begun.changedAt, 6);
  assert.equal(empty.messages.length, 0, "the one before is as it was");
  const named = renamed(begun, "  A   talk ");
  assert.equal(withMessages(named, [said("user", "Ho")], 7).title, "A talk");
  assert.equal(renamed(named, " ").title, "Hi", "without a name it follows again");
});

test("what the library is asked: the system prompt if there is one, up to the last question", () => {
  const talk = withMessages(
    newConversation("chat", model, 0),
    [
      said("user", "Hi"),
      said("assistant", "Hello", { thinking: "hm", noted: [["Hello", 0, []]] }),
      said("user", "More"),
      said("assistant", "old"),
    ],
    1,
  );
  assert.deepEqual(chatMessages(talk), [
    said("user", "Hi"),
    said("assistant", "Hello"),
    said("user", "More"),
  ]);
  assert.deepEqual(chatMessages({ ...talk, system: " Be kind. " })[0], said("system", "Be kind."));
  assert.equal(idOfSession(sessionName(talk.id)), talk.id);
  assert.equal(idOfSession("mine"), null);
});

test("tokens whose texts are halves of characters are kept as the piece that they make", () => {
  const token = (text, logprob) => ({ text, logprob, top: [{ text: "x", logprob: -1 }] });
  assert.deepEqual(notedTokens("ab", [token("a", -0.12345), token("b", -1)]), [
    ["a", -0.123, [["x", -1]]],
    ["b", -1, [["x", -1]]],
  ]);
  assert.deepEqual(notedTokens("é", [token("\ufffd", -0.5), token("\ufffd", -3)]), [["é", -3, []]]);
  assert.deepEqual(notedTokens("rest", []), [["rest", 0, []]]);
  assert.deepEqual(notedTokens("", []), []);
});

test("exports hold all that was said, for people and for programs", () => {
  const talk = {
    ...withMessages(
      newConversation("chat", model, 0),
      [
        said("user", "Hi\nthere"),
        said("assistant", "**Hello**", { thinking: "a\n\nb", finish: "stop" }),
      ],
      1000,
    ),
    system: "Be kind.",
  };
  const names = { user: "You", assistant: "Answer", system: "System", thinking: "Thinking" };
  assert.equal(
    toMarkdown(talk, names),
    "# Hi\n\n*a model*\n\n## System\n\nBe kind.\n\n## You\n\nHi\nthere\n\n## Answer\n\n" +
      "> **Thinking**\n>\n> a\n>\n> b\n\n**Hello**\n",
  );
  const { format, messages, system, changedAt } = JSON.parse(toJson(talk));
  assert.equal(format, "tercet-conversation-1");
  assert.equal(system, "Be kind.");
  assert.equal(changedAt, "1970-01-01T00:00:01.000Z");
  assert.deepEqual(
    messages[1],
    said("assistant", "**Hello**", { thinking: "a\n\nb", finish: "stop" }),
  );
  const story = withMessages(
    newConversation("story", model, 0),
    [said("user", "Tom"), said("assistant", " went.")],
    1,
  );
  assert.equal(toMarkdown(story, names), "# Tom\n\n*a model*\n\nTom went.\n");
  assert.equal(fileName({ ...talk, title: 'a/b: "c"…' }, "md"), "a b c.md");
  assert.equal(fileName({ ...talk, title: "..\u0000" }, "json"), "chat.json");
});

test("what is stored is a conversation only if all of it can be shown and taken out", () => {
  const figures = { tokens: 1, tokensPerSecond: 2, secondsToFirst: 3, promptTokens: 4 };
  const answer = said("assistant", "b", {
    thinking: "c",
    finish: null,
    figures: { ...figures, reusedTokens: 0, seed: "5" },
    noted: [["b", -Infinity, [["x", -1]]]],
  });
  const whole = withMessages(newConversation("chat", model, 5), [said("user", "a"), answer], 6);
  assert.ok(isConversation(structuredClone(whole)));
  assert.ok(isConversation(newConversation("story", model, 5)));
  for (const record of [undefined, null, 5, "x", [], {}]) assert.ok(!isConversation(record));
  for (const [name, wrong] of [
    ...Object.keys(whole)
      .filter((one) => one !== "named")
      .map((one) => [one, undefined]),
    ["kind", "toString"],
    ["title", { toString: 1 }],
    ["system", null],
    ["createdAt", NaN],
    ["changedAt", 1e300],
    ["messages", { length: 1 }],
    ["messages", [null]],
  ])
    assert.ok(!isConversation({ ...whole, [name]: wrong }), `${name}: ${JSON.stringify(wrong)}`);
  for (const [name, wrong] of [
    ["role", "constructor"],
    ["content", undefined],
    ["thinking", 5],
    ["figures", figures],
    ["noted", null],
    ["noted", [null]],
    ["noted", [["b", "-1", []]]],
    ["noted", [["b", -1]]],
    ["noted", [["b", -1, [["x"]]]]],
  ])
    assert.ok(
      !isConversation({ ...whole, messages: [said("user", "a"), { ...answer, [name]: wrong }] }),
      `${name}: ${JSON.stringify(wrong)}`,
    );
});

test("a file of results is taken if all of its rows can be shown, and no more than a bench has", () => {
  const row = {
    kernels: "wasm_simd128",
    threads: 1,
    context: 64,
    prompt_tokens_per_s: 5,
    decode_tokens_per_s: 6.5,
  };
  const read = (results, more) =>
    readResultFile(JSON.stringify({ model_id: "a", results, ...more }));
  assert.deepEqual(read([row, { ...row, variant: "relaxed" }]).results[1].variant, "relaxed");
  assert.equal(read(Array(400).fill(row)).results.length, 400);
  for (const wrong of [
    { variant: { toString: 1 } },
    { variant: 5 },
    { kernels: undefined },
    { threads: "1" },
    { context: -1 },
    { prompt_tokens_per_s: null },
    { decode_tokens_per_s: { valueOf: 1 } },
  ])
    assert.equal(read([row, { ...row, ...wrong }]), null, JSON.stringify(wrong));
  for (const results of [[], [null], [5], {}, "x", null, Array(150_000).fill(row)])
    assert.equal(read(results), null);
  assert.equal(read([row], { model_id: 5 }), null);
  for (const text of ["", "null", "5", "[]", "{"]) assert.equal(readResultFile(text), null);
});

test("stored settings are taken one by one, where they fit", () => {
  for (const nothing of [null, 5, "x", [], {}]) assert.deepEqual(settingsFrom(nothing), DEFAULTS);
  const stored = {
    temperature: 1.2,
    topK: 2.5,
    topP: "1",
    minP: NaN,
    seed: 7,
    threads: 0,
    kv: "f64",
  };
  assert.deepEqual(settingsFrom({ ...stored, coloured: true, thinking: "no", other: 1 }), {
    ...DEFAULTS,
    temperature: 1.2,
    seed: 7,
    coloured: true,
  });
  assert.deepEqual(settingsFrom({ temperature: null, seed: null }), DEFAULTS);
  assert.ok(!fits("temperature", null));
  assert.ok(fits("maxTokens", null));
  assert.ok(!fits("topK", 1.5));
  assert.ok(!fits("topP", 1.01));
});

test("an empty length is what suits the text; an empty context is left to the library", () => {
  assert.equal(samplingOptions("story", DEFAULTS).maxTokens, 200);
  assert.equal(samplingOptions("chat", DEFAULTS).maxTokens, 2048);
  assert.equal(samplingOptions("chat", { ...DEFAULTS, maxTokens: 9 }).maxTokens, 9);
  assert.ok(!("seed" in samplingOptions("chat", DEFAULTS)));
  assert.deepEqual(loadOptions(DEFAULTS), { kv: "int8" });
  assert.deepEqual(loadOptions({ ...DEFAULTS, context: 64, threads: 2, kv: "f16" }), {
    kv: "f16",
    context: 64,
    threads: 2,
  });
});

test("shades and signs of tokens", () => {
  assert.deepEqual(
    [1, 0.9, 0.7, 0.4, 0.2, 0.05, 0.001].map((p) => shadeOf(Math.log(p) + 1e-12)),
    [0, 0, 1, 2, 3, 4, 5],
  );
  assert.equal(shadeOf(-Infinity), 5);
  const shares = [1, 0.456, 0.0321, 0.0009, 1e-9].map((p) => formatProbability(Math.log(p)));
  assert.deepEqual(shares, ["100 %", "46 %", "3.2 %", "0.09 %", "< 0.01 %"]);
  assert.equal(visibleToken(" a\n"), "·a↵");
  assert.equal(visibleToken(""), "∅");
  assert.equal(visibleToken("\u0007"), "\\u0007");
});

test("thoughts and answer, at every length of a text that comes in", () => {
  const marks = { begin: "<think>", end: "</think>" };
  const text = "<think>\nHm.\n</think>\n\nYes <b>.";
  for (let length = 0; length <= text.length; length++) {
    const { thinking, content, open } = splitText(text.slice(0, length), marks);
    assert.ok("Hm.".startsWith(thinking), `${length}: ${thinking}`);
    assert.ok("Yes <b>.".startsWith(content), `${length}: ${content}`);
    assert.equal(open, length >= 7 && length < text.indexOf("</think>") + 8, `${length}`);
  }
  assert.deepEqual(splitText(text, marks), { thinking: "Hm.", content: "Yes <b>.", open: false });
  assert.equal(splitText("<thin", null).content, "<thin");
  assert.equal(splitText("<this", marks).content, "<this");
});

test("speeds of the last moments, in slots of a fixed number", () => {
  const shown = new SpeedWindow();
  shown.begin(0);
  assert.equal(shown.speed(100), 0);
  assert.deepEqual(shown.bars(100), []);
  // 40 a second, for 30 seconds.
  for (let i = 0; i < 1200; i++) shown.count(1, 1000 + i * 25);
  const end = 1000 + 1200 * 25;
  assert.equal(shown.tokens, 1200);
  assert.ok(Math.abs(shown.speed(end) - 40) < 1, `${shown.speed(end)}`);
  assert.equal(shown.bars(end).length, SLOTS);
  assert.ok(shown.bars(end).every((bar) => bar === 40));
  // Nothing comes for a long time.
  assert.ok(shown.bars(end + 1e6).every((bar) => bar === 0));
  assert.equal(shown.speed(end + 1e6), 0);
  shown.begin(end);
  assert.equal(shown.tokens, 0);
});
