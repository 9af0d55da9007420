// engine_client.test.mjs - the page's end of a worker, with a worker that only writes down what it is told.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { importSource } from "./source_under_test.mjs";

const { EngineClient, throwIfAborted } = await importSource("engine_client");

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc");

class FakeWorker {
  told = [];
  ended = false;
  postMessage(message) {
    this.told.push(message);
  }
  terminate() {
    this.ended = true;
  }
  say(message) {
    this.onmessage({ data: { v: 2, ...message } });
  }
}

function make({ ready = true } = {}) {
  const worker = new FakeWorker();
  const client = new EngineClient(worker);
  if (ready) worker.say({ id: 0, kind: "ready", lifeLock: null });
  return { worker, client };
}

test("a request that is stopped before the worker is there never reaches it", async () => {
  const { worker, client } = make({ ready: false });
  const abort = new AbortController();
  const stopped = client.request({ op: "cacheList" }, { signal: abort.signal });
  const other = client.request({ op: "cacheUsage" });
  abort.abort();
  await assert.rejects(stopped.result, { code: "ABORTED" });
  worker.say({ id: 0, kind: "ready", lifeLock: null });
  assert.deepEqual(
    worker.told.map(({ op }) => op),
    ["cacheUsage"],
  );
  worker.say({ id: other.id, kind: "result", value: 7 });
  assert.equal(await other.result, 7);
  client.terminate(new Error("the end of the test"));
});

test("abort writes whom, then the flag, and sends a message", async () => {
  const { worker, client } = make();
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const request = new Int32Array(new SharedArrayBuffer(4));
  client.shareCancel(3, { request, memory, flagAddress: 64 });
  const { id, result } = client.request({
    op: "bench",
    session: 3,
    promptTokens: 1,
    decodeTokens: 1,
  });
  const other = client.request({ op: "logits", session: 4, tokens: new Uint32Array(1) });
  client.abort(other.id); // of a session that has no flag: by message alone
  client.abort(id + 1); // not running
  assert.equal(request[0], 0);
  client.abort(id);
  assert.equal(request[0], id);
  assert.equal(new Int32Array(memory.buffer)[16], 1);
  assert.deepEqual(worker.told.at(-1), { v: 2, id: 0, op: "abort", target: id });
  const reason = new Error("the end of the test");
  client.terminate(reason);
  await assert.rejects(result, reason);
  await assert.rejects(other.result, reason);
  assert.ok(worker.ended);
});

test("a worker that gives no sign of work is taken for dead; one that does, in any way, is not", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval", "setTimeout"] });
  const beat = (count) => {
    for (let i = 0; i < count; i++) t.mock.timers.tick(1000);
  };
  const { worker, client } = make();
  client.heartbeatSeconds = 5;
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const request = new Int32Array(new SharedArrayBuffer(4));
  client.shareCancel(0, { request, memory, flagAddress: 64 });
  const pings = () => worker.told.filter(({ op }) => op === "ping").length;
  beat(100);
  assert.equal(pings(), 0, "nobody waits for it");
  const first = client.request({ op: "generate", session: 0 });
  beat(5);
  assert.equal(pings(), 5);
  worker.say({ id: 0, kind: "pong" });
  beat(5); // an answer in between
  // Inside one long call: the count of layers goes on.
  for (let i = 0; i < 20; i++) {
    new Int32Array(memory.buffer)[17] += 1;
    beat(1);
  }
  beat(4);
  worker.say({ id: first.id, kind: "result", value: 1 });
  assert.equal(await first.result, 1);
  const before = pings();
  beat(100);
  assert.equal(pings(), before, "nobody waits for it");
  const second = client.request({ op: "tokenize", text: "a" });
  const third = client.request({ op: "generate", session: 0 });
  beat(6);
  for (const { result } of [second, third])
    await assert.rejects(
      result,
      (error) => error.code === "ENGINE_CRASHED" && /no sign of work for 5 s/.test(error.detail),
    );
  assert.ok(worker.ended);
  await assert.rejects(client.request({ op: "tokenize", text: "a" }).result, {
    code: "ENGINE_CRASHED",
  });
  // Switched off.
  const patient = make();
  patient.client.heartbeatSeconds = 0;
  const waiting = patient.client.request({ op: "tokenize", text: "a" });
  beat(1000);
  patient.worker.say({ id: waiting.id, kind: "result", value: 3 });
  assert.equal(await waiting.result, 3);
});

test("a client whose worker was ended does not hold the engine's memory", async () => {
  const { client } = make();
  const held = (() => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    const request = new Int32Array(new SharedArrayBuffer(4));
    client.shareCancel(3, { request, memory, flagAddress: 64 });
    return new WeakRef(memory);
  })();
  await new Promise((resolve) => setTimeout(resolve)); // a WeakRef holds its target for one turn
  collectGarbage();
  assert.ok(held.deref(), "as long as the worker lives it is needed");
  client.terminate(new Error("the end of the test"));
  await new Promise((resolve) => setTimeout(resolve));
  collectGarbage();
  assert.equal(held.deref(), undefined);
  await assert.rejects(client.request({ op: "cacheList" }).result); // it is itself still there
});

test("what cannot be cloned is refused, also when it waited for the worker, and holds up nothing", async () => {
  for (const ready of [false, true]) {
    const { worker, client } = make({ ready });
    // As a worker does.
    worker.postMessage = (message) => worker.told.push(structuredClone(message));
    const first = client.request({ op: "cacheList", cacheDir: Symbol("made by the test") });
    const second = client.request({ op: "cacheUsage" });
    const third = client.request({ op: "load", revalidate: () => 1 });
    const last = client.request({ op: "cacheList" });
    const refused = [first, third].map(({ result }) =>
      assert.rejects(result, { code: "BAD_ARGUMENT" }),
    );
    if (!ready) worker.say({ id: 0, kind: "ready", lifeLock: null });
    await Promise.all(refused);
    assert.deepEqual(
      worker.told.map(({ op, id }) => [op, id]),
      [
        ["cacheUsage", second.id],
        ["cacheList", last.id],
      ],
    );
    worker.say({ id: last.id, kind: "result", value: 1 });
    assert.equal(await last.result, 1);
    const reason = new Error("the end of the test");
    client.terminate(reason);
    await assert.rejects(second.result, reason);
  }
});

test("a signal that is none is refused, and leaves nothing behind that waits", async () => {
  for (const signal of [{}, 5, 0, "", false, { addEventListener() {} }, new AbortController()])
    assert.throws(() => throwIfAborted(signal), { code: "BAD_ARGUMENT" });
  for (const signal of [undefined, null, new AbortController().signal]) throwIfAborted(signal);
  assert.throws(() => throwIfAborted(AbortSignal.abort()), { code: "ABORTED" });
  const { worker, client } = make();
  const other = client.request({ op: "cacheUsage" });
  // Past that check, as none of ours does.
  assert.throws(() => client.request({ op: "cacheList" }, { signal: {} }));
  assert.deepEqual(
    worker.told.map(({ op }) => op),
    ["cacheUsage"],
  );
  const reason = new Error("the end of the test");
  client.terminate(reason);
  await assert.rejects(other.result, reason);
});
