// progress.test.mjs - what a load shows when the file is not what it was: never backwards, never more than the whole, and the whole only
// at the end.

import assert from "node:assert/strict";
import { test } from "node:test";
import { importSource } from "./source_under_test.mjs";

const { Progress } = await importSource("progress");

/** Every event of a load; setPhase() sends one at once. */
function watch() {
  const events = [];
  const progress = new Progress((event) => events.push(event));
  const tell = () => {
    progress.setPhase("header", "network");
    progress.setPhase("download", "network");
  };
  return { progress, events, tell };
}

function check(events) {
  for (const [i, { loadedBytes, totalBytes }] of events.entries()) {
    assert.ok(totalBytes === 0 || loadedBytes <= totalBytes, `${loadedBytes} of ${totalBytes}`);
    if (i === 0) continue;
    const before = events[i - 1];
    assert.ok(loadedBytes >= before.loadedBytes, `${before.loadedBytes}, then ${loadedBytes}`);
  }
}

for (const [before, total, name] of [
  [900, 300, "much smaller"],
  [900, 950, "a little smaller"],
  [1000, 300, "smaller, when the first was there"],
  [500, 1000, "of the same size"],
  [500, 2000, "larger"],
])
  test(`a file in whose place another comes that is ${name}`, () => {
    const { progress, events, tell } = watch();
    progress.setTotal(1000);
    progress.inPlace(before);
    tell();
    progress.setTotal(total);
    progress.inPlace(10);
    tell();
    for (let at = 0; at < total; at += 50) {
      progress.inPlace(at);
      tell();
      const { loadedBytes, totalBytes } = events.at(-1);
      assert.ok(loadedBytes < totalBytes, `${loadedBytes} of ${totalBytes} with ${at} of ${total}`);
    }
    progress.ready();
    check(events);
    const { loadedBytes, totalBytes, phase } = events.at(-1);
    assert.deepEqual([loadedBytes, phase], [totalBytes, "ready"]);
  });

test("work in front of the model's bytes, as of a GGUF file, counts beside them", () => {
  const { progress, events, tell } = watch();
  for (const done of [0, 500, 2000]) {
    progress.before(done, 2000, 1000);
    tell();
  }
  progress.setTotal(70);
  progress.inPlace(35);
  tell();
  progress.ready();
  check(events);
  assert.equal(events.at(-1).loadedBytes, events.at(-1).totalBytes);
});
