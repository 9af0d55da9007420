// arguments.test.mjs - what callers pass that no type would let through: each is refused with BAD_ARGUMENT before anything starts, none with
// an error of the language, and none is taken for something else.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { importSource } from "./source_under_test.mjs";

const refused = { code: "BAD_ARGUMENT" };
/** What String() throws at; and what it makes something else of. */
const noText = [Object.create(null), { toString: 1, valueOf: 1 }, Symbol("made by the test")];
const HEX = "a".repeat(64);

test("pack.chatFormat is a text and nothing that becomes one", async () => {
  const { packOptions } = await importSource("pack_options");
  for (const chatFormat of [...noText, null, 5, ["qwen3"], ""])
    assert.throws(() => packOptions({ chatFormat }), refused);
  assert.deepEqual(packOptions({ chatFormat: "qwen3" }), { chatFormat: "qwen3" });
});

test("addresses: what is no text, and names on the hub with half a character", async () => {
  const { absoluteUrl, loadSource } = await importSource("source_address");
  globalThis.document = { baseURI: "https://page.test/" };
  for (const value of noText) {
    assert.throws(() => absoluteUrl(value, "assetsUrl"), refused);
    assert.throws(() => loadSource("hf:a/b/c", value), refused);
  }
  for (const name of ["hf:a/b/\ud800", "hf:a/b@\udc00/c", "hf:a/b/\udc00\ud800"])
    assert.throws(() => loadSource(name), refused);
  assert.match(loadSource("hf:a/b/\ud83d\ude00").urls[0], /a\/b\/resolve\/main\/%F0%9F%98%80$/);
});

test("a conversation with holes is none", async () => {
  const { chatPrompt } = await importSource("chat");
  const info = { chatFormat: "qwen3", thinkingSwitch: true };
  const one = { role: "user", content: "a" };
  for (const messages of [new Array(2), [one, , one], [, one]])
    assert.throws(() => chatPrompt(messages, {}, info), refused);
  assert.deepEqual(chatPrompt([one], {}, info).messages, [one]);
});

test("requests in OpenAI's shape: values that are no text where one belongs", async () => {
  const { createCompletion, createEmbeddings } = await importSource("openai_answers");
  const { generateMessage } = await importSource("generation");
  const model = {
    info: { hidden: 4, thinkingSwitch: true },
    chat: (_messages, options) => generateMessage("a", options, 0),
    embed: async () => assert.fail("it was asked"),
  };
  const odd = { toString: 1 };
  const messages = [{ role: "user", content: "a" }];
  for (const params of [
    { messages: [{ role: odd, content: "a" }] },
    { messages: [{ role: "user", content: [{ type: odd }] }] },
    { messages, response_format: { type: odd } },
    { messages, stop: 5 },
    { messages, stop: {} },
  ])
    await assert.rejects(createCompletion(model, params, {}), refused, JSON.stringify(params));
  await assert.rejects(createCompletion(model, { messages }, { signal: {} }), refused);
  for (const input of [[null], ["a", null], [[]], ["a", undefined]])
    await assert.rejects(createEmbeddings(model, { input }, {}), refused, JSON.stringify(input));
});

test("a model deletes a session that is named, and takes a kv by its name", async () => {
  const { Model } = await importSource("model");
  const asked = [];
  const client = {
    shareCancel() {},
    request: (message) => (asked.push(message), { result: Promise.resolve(true) }),
  };
  const loaded = { info: {}, opened: { session: 0, info: {}, cancel: null } };
  const model = Model.open({ client, loaded }, () => assert.fail("it was started again"));
  // In the worker no name once stood for all of them.
  for (const name of [undefined, null, "", 5, {}, "a".repeat(257)])
    await assert.rejects(model.deleteSession(name), refused);
  for (const kv of [...noText, ["int8"], "toString", null])
    await assert.rejects(model.sessionBytes({ kv }), refused);
  assert.deepEqual(asked, []);
  await model.deleteSession("story");
  await model.sessionBytes({ kv: "int8" });
  assert.deepEqual(
    asked.map(({ op }) => op),
    ["sessionDelete", "sessionBytes"],
  );
});

/** As a browser's, and answers whatever it is asked with an error. */
class FakeWorker {
  static started = 0;
  static told = [];
  constructor() {
    FakeWorker.started += 1;
    queueMicrotask(() => this.#say({ id: 0, kind: "ready", lifeLock: null }));
  }
  postMessage(message) {
    FakeWorker.told.push(structuredClone(message));
    const error = { code: "BAD_MAGIC", detail: "made by the test", where: null };
    this.#say({ id: message.id, kind: "error", error });
  }
  terminate() {}
  #say(message) {
    this.onmessage({ data: { v: 2, ...message } });
  }
}

test("load and cache: nothing starts for options that cannot work", async () => {
  const before = globalThis.Worker;
  after(() => (globalThis.Worker = before));
  globalThis.Worker = FakeWorker;
  globalThis.document = { baseURI: "https://page.test/" };
  const { cache, inspect, load } = await importSource("index");
  const source = new ArrayBuffer(1);
  for (const options of [
    ...[{}, 5, new AbortController()].map((signal) => ({ signal })),
    ...[...noText, ["int8"], null].map((kv) => ({ kv })),
    ...[...noText, [HEX], null].map((integrity) => ({ integrity })),
    ...noText.map((assetsUrl) => ({ assetsUrl })),
  ]) {
    await assert.rejects(load(source, options), refused);
    await assert.rejects(inspect(source, options), refused);
  }
  for (const signal of [{}, 5]) await assert.rejects(cache.list({ signal }), refused);
  for (const id of [...noText, [HEX], null, undefined])
    await assert.rejects(cache.delete(id), refused);
  assert.equal(FakeWorker.started, 0);
  // What no worker can be told, in whichever option.
  for (const options of [{ kernels: Symbol("a") }, { revalidate: () => 1 }])
    await assert.rejects(load(source, options), refused);
  assert.deepEqual(FakeWorker.told, []);
  // null: as if it were left out.
  await assert.rejects(load(source, { network: null, signal: null }), { code: "BAD_MAGIC" });
  const { network } = FakeWorker.told[0];
  assert.deepEqual(network, { retries: 4, retryDelayMs: 500, stallTimeoutMs: 20_000 });
});
