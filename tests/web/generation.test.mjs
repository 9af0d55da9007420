// generation.test.mjs - one text in work, with an engine that says what the test tells it to.

import assert from "node:assert/strict";
import { test } from "node:test";
import { importSource } from "./source_under_test.mjs";

const { RunningGeneration, generateMessage, tokenArray } = await importSource("generation");

test("a callback that throws loses no piece, neither of the stream nor of the other callback", async () => {
  let onEvent, finish;
  const client = {
    request: (_message, options) => {
      ({ onEvent } = options);
      return { id: 1, result: new Promise((resolve) => (finish = resolve)) };
    },
    grant() {},
    abort() {},
  };
  const told = [];
  const run = new RunningGeneration(
    client,
    generateMessage("a", { logprobs: 0 }, 0),
    {
      onLogprobs: () => {
        throw new Error("made by the test");
      },
      onToken: (piece) => told.push(piece),
    },
    () => assert.fail("nobody stopped it"),
  );
  const logprobs = [{ token: 1, logprob: 0 }];
  for (const text of ["one", "two"])
    assert.throws(() => onEvent({ event: "piece", text, logprobs }), /made by the test/);
  finish({ text: "onetwo" });
  const pieces = [];
  for await (const piece of run) pieces.push(piece);
  assert.deepEqual(
    [pieces, told],
    [
      ["one", "two"],
      ["one", "two"],
    ],
  );
});

test("a stop that is no text, a signal that is none, and holes among tokens are refused at once", () => {
  for (const options of [
    ...[5, null, {}, true, [5], [,]].map((stop) => ({ stop })),
    ...[5, {}, "abort", new AbortController()].map((signal) => ({ signal })),
  ])
    assert.throws(() => generateMessage("a", options, 0), { code: "BAD_ARGUMENT" });
  const { signal } = new AbortController();
  assert.deepEqual(generateMessage("a", { stop: "x", signal }, 0).stop, ["x"]);
  assert.deepEqual(generateMessage("a", { stop: ["x", "y"], signal: null }, 0).stop, ["x", "y"]);
  for (const tokens of [[, 5], new Array(3), [undefined]])
    assert.throws(() => tokenArray(tokens), { code: "BAD_ARGUMENT" });
  assert.deepEqual(tokenArray([0, 5]), Uint32Array.of(0, 5));
});
