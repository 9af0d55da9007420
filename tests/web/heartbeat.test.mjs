// heartbeat.test.mjs - workers that are there and do nothing: the browser says nothing of them, only their silence does. Whoever waits is
// told, and restart() brings the engine back. (What dies is in restart.test.mjs; the counting of beats in engine_client.test.mjs.)

import assert from "node:assert/strict";
import { test } from "node:test";
import { PROMPT, limit, runNatively } from "./library_under_test.mjs";
import { page, server } from "./one_page.mjs";

const expected = runNatively(["-p", PROMPT, "-n", 8, "--seed", 5]).text;

/**
 * From now on a beat is 20 ms, and 30 of them are soon over. Only between a loaded model and its end: meanwhile nothing is asked of the
 * engine but what it never answers, so that no machine is too slow.
 */
function beatFast() {
  globalThis.plainInterval = setInterval;
  globalThis.setInterval = (work, ms) => plainInterval(work, ms === 1000 ? 20 : ms);
}

/** `spoil` makes the engine silent; everybody who waits is told so, and the engine comes back. */
async function diesAndComesBack(spoil) {
  await page.run(async (prompt) => {
    globalThis.model = await tercet.load("/model.tercet", {
      threads: 2,
      sessions: 2,
    });
    globalThis.other = await model.createSession({ context: 128 });
    await model.generate(prompt, { seed: 5, maxTokens: 8 }).result;
  }, PROMPT);
  await page.run(beatFast);
  await spoil();
  const told = await page.run(async (prompt) => {
    const pending = [
      model.generate(prompt.repeat(3), { seed: 1 }).result,
      model.generate(prompt, { seed: 2 }).next(),
      other.generate(prompt, { seed: 1 }).result,
      model.tokenize(prompt.repeat(100)),
      model.embed(prompt),
    ];
    return Promise.all(pending.map(failure));
  }, PROMPT);
  for (const { code, detail } of told) {
    assert.equal(code, "ENGINE_CRASHED");
    assert.match(detail, /no sign of work for 30 s/);
  }
  server.workerPreamble = "";
  const texts = await page.run(async (prompt) => {
    globalThis.setInterval = plainInterval;
    const later = await failure(model.tokenize("later"));
    await model.restart();
    const options = { seed: 5, maxTokens: 8 };
    const texts = [
      await model.generate(prompt, options).result,
      await other.generate(prompt, options).result,
    ];
    await model.dispose();
    return [later.code, ...texts.map(({ text }) => text)];
  }, PROMPT);
  assert.deepEqual(texts, ["ENGINE_CRASHED", expected, expected]);
}

test("a worker that waits in shared memory for what never comes", limit, async () => {
  server.workerPreamble = `{
    const channel = new BroadcastChannel("test");
    channel.onmessage = () => {
      channel.postMessage("waits");
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    };
  }`;
  await diesAndComesBack(() =>
    page.run(async () => {
      const channel = new BroadcastChannel("test");
      const waits = new Promise((resolve) => (channel.onmessage = resolve));
      channel.postMessage("wait");
      await waits;
      channel.close();
    }),
  );
});

test("a worker that a debugger holds", limit, async () => {
  // It holds at the next thing that the worker does: at this.
  server.workerPreamble = "setInterval(() => {}, 10)";
  await diesAndComesBack(async () => {
    const session = await page.context.newCDPSession(page.page);
    const attached = new Promise((resolve) =>
      session.on("Target.attachedToTarget", ({ sessionId, targetInfo }) => {
        if (/engine_worker/.test(targetInfo.url)) resolve(sessionId);
      }),
    );
    await session.send("Target.setAutoAttach", {
      autoAttach: true,
      waitForDebuggerOnStart: false,
      flatten: false,
    });
    const sessionId = await attached;
    const paused = new Promise((resolve) =>
      session.on("Target.receivedMessageFromTarget", ({ message }) => {
        if (JSON.parse(message).method === "Debugger.paused") resolve();
      }),
    );
    for (const [at, method] of ["Debugger.enable", "Debugger.pause"].entries()) {
      const message = JSON.stringify({ id: at + 1, method });
      await session.send("Target.sendMessageToTarget", { sessionId, message });
    }
    await paused;
  });
});
