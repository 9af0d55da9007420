// database.test.mjs - which errors of a read say that the browser lost a record, and which that nothing is known of it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { importSource } from "./source_under_test.mjs";

const { unlessLost } = await importSource("database");

const failing = (name) => Promise.reject(new DOMException("made by the test", name));

test("a record whose file is gone is not there", async () => {
  // Chromium's, Firefox's, and whatever another browser may call it: what is lost must be fetched again, not fail for good.
  for (const name of ["NotReadableError", "DataError", "UnknownError", "NotFoundError"])
    assert.equal(await unlessLost(failing(name)), undefined, name);
  assert.equal(await unlessLost(Promise.resolve(7)), 7);
});

test("a read that was ended before its answer says nothing of the record: who sweeps must not delete", async () => {
  for (const name of [
    "AbortError",
    "InvalidStateError",
    "TransactionInactiveError",
    "TimeoutError",
  ])
    await assert.rejects(unlessLost(failing(name)), { name });
});
