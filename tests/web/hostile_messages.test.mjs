// hostile_messages.test.mjs - what the fuzz target worker_messages found, each by itself (tests/fuzz/script_messages.mjs).
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { importSource } from "./source_under_test.mjs";

const { RunControl } = await importSource("run_control");

test("a demand that is no number grants nothing, and a number behind it counts", () => {
  const control = new RunControl(1, 0, null);
  for (const pieces of ["many", {}, NaN]) control.grant(pieces);
  assert.equal(control.wanted, false);
  control.grant(2n);
  assert.equal(control.wanted, true);
  control.taken();
  control.taken();
  assert.equal(control.wanted, false);
  control.grant(null);
  assert.equal(control.wanted, true);
  for (const [first, wanted] of [
    [7n, true],
    ["many", false],
    [null, true],
  ]) {
    const other = new RunControl(1, first, null);
    assert.equal(other.wanted, wanted, `${first}`);
    other.grant(1);
    other.taken();
    assert.equal(other.wanted, wanted, `${first}`);
  }
});

test("a request of an unknown kind is refused", async () => {
  const worker = new Worker(new URL("../../dist/node/engine_worker.js", import.meta.url));
  try {
    const [{ kind, v }] = await once(worker, "message");
    assert.equal(kind, "ready");
    for (const op of ["constructor", 7, undefined]) {
      worker.postMessage({ v, id: 5, op });
      const [answer] = await once(worker, "message");
      assert.deepEqual([answer.kind, answer.id, answer.error?.code], ["error", 5, "PROTOCOL"]);
    }
  } finally {
    await worker.terminate();
  }
});
