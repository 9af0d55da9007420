// token_stream.test.mjs - the iterator alone: demand, order, ends, failures, and leaving at every moment.

import assert from "node:assert/strict";
import { test } from "node:test";
import { importSource } from "./source_under_test.mjs";

const { TokenStream } = await importSource("token_stream");

/** A stream whose producer only writes down what it is told. */
function make() {
  const told = [];
  const stream = new TokenStream({
    start: (demand) => told.push(["start", demand]),
    grant: (pieces) => told.push(["grant", pieces]),
    stop: () => told.push(["stop"]),
  });
  return { stream, told };
}

const done = { value: undefined, done: true };
const piece = (value) => ({ value, done: false });

test("nothing starts before the first next; each piece taken grants one more", async () => {
  const { stream, told } = make();
  assert.deepEqual(told, []);
  const first = stream.next();
  assert.equal(told.length, 1);
  const [[start, window]] = told;
  assert.equal(start, "start");
  assert.ok(window >= 1 && window <= 16);
  stream.push("a");
  stream.push("b");
  assert.deepEqual(await first, piece("a"));
  assert.deepEqual(await stream.next(), piece("b"));
  assert.deepEqual(told.slice(1), [
    ["grant", 1],
    ["grant", 1],
  ]);
  stream.end();
  assert.deepEqual(await stream.next(), done);
  assert.deepEqual(await stream.next(), done);
});

test("what is queued is handed out after the end, and before a failure", async () => {
  for (const finish of [(s) => s.end(), (s) => s.fail(new Error("bad"))]) {
    const { stream } = make();
    void stream.next();
    for (const text of ["a", "b", "c"]) stream.push(text);
    finish(stream);
    stream.push("late");
    assert.deepEqual(await stream.next(), piece("b"));
    assert.deepEqual(await stream.next(), piece("c"));
    const last = await stream.next().catch((error) => error.message);
    assert.ok(last === "bad" || last.done);
    assert.deepEqual(await stream.next(), done, "a failure is told once");
  }
});

test("waiting readers get their answers in order; a failure goes to the first", async () => {
  const { stream } = make();
  const readers = [stream.next(), stream.next(), stream.next(), stream.next()];
  stream.push("a");
  stream.push("b");
  stream.fail(new Error("bad"));
  const results = await Promise.allSettled(readers);
  assert.deepEqual(
    results.map(({ value, reason }) => value?.value ?? reason?.message ?? "done"),
    ["a", "b", "bad", "done"],
  );
});

test("break stops the producer, once, and drops what is queued", async () => {
  const { stream, told } = make();
  const loop = (async () => {
    for await (const text of stream) {
      assert.equal(text, "a");
      break;
    }
  })();
  stream.push("a");
  stream.push("b");
  await loop;
  await stream.return();
  assert.deepEqual(
    told.filter(([what]) => what === "stop"),
    [["stop"]],
  );
  assert.deepEqual(await stream.next(), done);
});

test("return before anything began, and after the end", async () => {
  const { stream, told } = make();
  assert.deepEqual(await stream.return(), done);
  assert.deepEqual(told, [["stop"]]);
  assert.deepEqual(await stream.next(), done);
  assert.deepEqual(told, [["stop"]], "a stream that was left never starts");
  const ended = make();
  void ended.stream.next();
  ended.stream.end();
  await ended.stream.return();
  assert.ok(!ended.told.some(([what]) => what === "stop"), "there is nothing to stop any more");
});

test("throw() leaves too, and gives the reason back", async () => {
  const { stream, told } = make();
  void stream.next();
  await assert.rejects(stream.throw(new Error("mine")), /mine/);
  assert.deepEqual(told.at(-1), ["stop"]);
});

test("runFreely starts without limit, or lifts it, and grants nothing more", async () => {
  const before = make();
  before.stream.runFreely();
  before.stream.runFreely();
  assert.deepEqual(before.told, [["start", null]]);
  const during = make();
  const first = during.stream.next();
  during.stream.runFreely();
  during.stream.push("a");
  await first;
  assert.deepEqual(during.told.slice(1), [["grant", null]]);
});

test("a producer that ends inside start leaves no reader waiting", async () => {
  for (const finish of [(s) => s.end(), (s) => s.fail(new Error("bad"))]) {
    const stream = new TokenStream({
      start: () => finish(stream),
      grant: () => {},
      stop: () => {},
    });
    const result = await stream.next().catch((error) => error.message);
    assert.ok(result === "bad" || result.done);
  }
});
