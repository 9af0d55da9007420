// session_runner.test.mjs - what the runner makes of a module's answers that a small model does not give.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { importSource } from "./source_under_test.mjs";

// The runner's way to let messages in is a channel, which would keep this process alive.
const channels = [];
const { MessageChannel } = globalThis;
globalThis.MessageChannel = class extends MessageChannel {
  constructor() {
    super();
    channels.push(this);
  }
};
after(() => channels.forEach(({ port1 }) => port1.close()));

const { SessionRunner } = await importSource("session_runner");
const { TercetError } = await importSource("errors");

test("no memory for a long prompt is a prompt that is too long, counted in bytes", async () => {
  const module = {
    setSampling() {},
    tokenize() {
      throw new TercetError("OUT_OF_MEMORY", "made by the test");
    },
  };
  const runner = new SessionRunner({ module, facts: { sampling: {} }, context: 1000 });
  const codeOf = async (prompt) => {
    const message = { op: "generate", prompt, sampling: {}, seed: 0n, maxTokens: null, stop: [] };
    return runner
      .generate(message, {}, () => {})
      .then(
        () => "no failure",
        ({ code }) => code,
      );
  };
  // 8 bytes a token are planned for.
  assert.equal(await codeOf("a".repeat(8000)), "OUT_OF_MEMORY");
  assert.equal(await codeOf("a".repeat(8001)), "PROMPT_TOO_LONG");
  assert.equal(await codeOf("\u6c34".repeat(7999)), "PROMPT_TOO_LONG");
  assert.equal(await codeOf("\u{1f600}".repeat(2001)), "PROMPT_TOO_LONG");
});
