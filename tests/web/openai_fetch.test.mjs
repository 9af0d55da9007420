// openai_fetch.test.mjs - answers as a ReadableStream, without a model: what a reader's leaving does to the work behind it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { importSource } from "./source_under_test.mjs";

const { answerRequest } = await importSource("openai_fetch");

test("who cancels a body while its next piece is computed stops the work", async () => {
  let heard = null;
  // As the real one: a long prompt in work, which ends when its signal says so and not before.
  async function* chunks(signal) {
    yield { choices: [] };
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    heard = signal.reason;
    signal.throwIfAborted();
  }
  const create = async (_params, { signal }) => chunks(signal);
  const init = { method: "POST", body: JSON.stringify({ stream: true, messages: [] }) };
  const address = "https://tercet.invalid/v1/chat/completions";
  const response = await answerRequest({}, { create }, address, init);
  const reader = response.body.getReader();
  assert.match(new TextDecoder().decode((await reader.read()).value), /choices/);
  const next = reader.read();
  await new Promise(setImmediate); // the piece is asked for
  await reader.cancel();
  assert.equal((await next).done, true);
  assert.equal(heard?.name, "AbortError");

  const leave = new AbortController();
  const other = await answerRequest({}, { create }, address, { ...init, signal: leave.signal });
  const second = other.body.getReader();
  await second.read();
  const waiting = second.read();
  await new Promise(setImmediate);
  leave.abort(new Error("enough"));
  await assert.rejects(waiting, /enough/);
});
