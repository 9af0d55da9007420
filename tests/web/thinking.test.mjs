// thinking.test.mjs - an answer taken apart into thinking and what was said.

import assert from "node:assert/strict";
import { test } from "node:test";
import { importSource } from "./source_under_test.mjs";

const { splitThinking } = await importSource("thinking");

const marks = { thinkingBegin: "<think>", thinkingEnd: "</think>" };

test("thinking and content, with newlines between taken off", () => {
  for (const [text, thinking, content] of [
    ["<think>\nHm.\nWell.\n</think>\n\nYes.\n", "Hm.\nWell.", "Yes.\n"],
    ["<think>\n\n</think>\n\nYes.", "", "Yes."],
    [" \n<think>a</think>b", "a", "b"],
    ["<think>a</think>b</think>c", "a", "b</think>c"],
    ["<think>\nnot done", "not done", ""],
    ["<think>", "", ""],
    ["Yes.", "", "Yes."],
    ["Yes <think>a</think>.", "", "Yes <think>a</think>."],
    ["", "", ""],
  ])
    assert.deepEqual(splitThinking(text, marks), { thinking, content }, JSON.stringify(text));
});

test("a format without thinking leaves everything", () => {
  const none = { thinkingBegin: "", thinkingEnd: "" };
  const text = "<think>a</think>b";
  assert.deepEqual(splitThinking(text, none), { thinking: "", content: text });
});
