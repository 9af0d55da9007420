// thinking.test.mjs - an answer taken apart into thinking and what was said, whole and in pieces.

import assert from "node:assert/strict";
import { test } from "node:test";
import { importSource } from "./source_under_test.mjs";

const { splitThinking, ThinkingStream } = await importSource("thinking");

const marks = { begin: "<think>", end: "</think>" };

/** text, thinking, content */
const cases = [
  ["<think>\nHm.\nWell.\n</think>\n\nYes.\n", "Hm.\nWell.", "Yes.\n"],
  ["<think>\n\n</think>\n\nYes.", "", "Yes."],
  ["<think></think>Yes.", "", "Yes."],
  [" \n<think>a</think>b", "a", "b"],
  ["<think>a</think>b</think>c", "a", "b</think>c"],
  ["<think>a < b </thin k</think>\n\n c\n\n", "a < b </thin k", " c\n\n"],
  ["<think>\nnot done", "not done", ""],
  ["<think>\nnot done\n</thi", "not done\n</thi", ""],
  ["<think>", "", ""],
  ["<thin", "", "<thin"],
  ["Yes.", "", "Yes."],
  ["\n Yes.", "", "\n Yes."],
  ["Yes <think>a</think>.", "", "Yes <think>a</think>."],
  [" ", "", " "],
  ["", "", ""],
];

test("thinking and content, with newlines between taken off", () => {
  for (const [text, thinking, content] of cases)
    assert.deepEqual(splitThinking(text, marks), { thinking, content }, JSON.stringify(text));
});

test("in pieces of any size the same, and nothing is taken back", () => {
  for (const [text, thinking, content] of cases)
    for (let size = 1; size <= text.length; size++) {
      const stream = new ThinkingStream(marks);
      const got = { thinking: "", content: "" };
      const take = (part) => {
        assert.ok(part.thinking === "" || got.content === "", "thinking comes first");
        got.thinking += part.thinking;
        got.content += part.content;
      };
      for (let at = 0; at < text.length; at += size) take(stream.push(text.slice(at, at + size)));
      take(stream.end());
      assert.deepEqual(got, { thinking, content }, `${JSON.stringify(text)} by ${size}`);
    }
});

test("text that cannot be anything else is given at once", () => {
  const stream = new ThinkingStream(marks);
  assert.deepEqual(stream.push("<think>\nHm"), { thinking: "Hm", content: "" });
  assert.deepEqual(stream.push(" so\n</th"), { thinking: " so", content: "" });
  assert.deepEqual(stream.push("ink>\n\nYes"), { thinking: "", content: "Yes" });
  assert.deepEqual(stream.push("."), { thinking: "", content: "." });
});

test("a format without thinking leaves everything", () => {
  const text = "<think>a</think>b";
  assert.deepEqual(splitThinking(text, null), { thinking: "", content: text });
});
