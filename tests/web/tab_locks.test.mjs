// tab_locks.test.mjs - a load that waits for another tab and is stopped hears it at once: no clock of this test moves.

import assert from "node:assert/strict";
import { test } from "node:test";
import { importSource } from "./source_under_test.mjs";

const { DownloadTurn } = await importSource("tab_locks");

/** Locks that another tab has: whoever asks waits until the signal. */
function takenLocks(t) {
  const request = (_name, options, work) => {
    if (options.ifAvailable) return Promise.resolve(work(null));
    return new Promise((_, reject) => {
      options.signal.addEventListener("abort", () => reject(options.signal.reason));
    });
  };
  const before = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  Object.defineProperty(globalThis, "navigator", {
    value: { locks: { request } },
    configurable: true,
  });
  t.after(() => {
    if (before) Object.defineProperty(globalThis, "navigator", before);
    else delete globalThis.navigator;
  });
}

test("while another tab downloads", async (t) => {
  takenLocks(t);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const abort = new AbortController();
  const turn = new DownloadTurn("0".repeat(64));
  assert.equal(await turn.takeIfFree(), false);
  const waiting = turn.wait(async () => false, abort.signal);
  await Promise.resolve();
  abort.abort();
  await assert.rejects(waiting, { code: "ABORTED" });
  turn.leave();
  await assert.rejects(
    new DownloadTurn("0".repeat(64)).wait(async () => false, abort.signal),
    { code: "ABORTED" },
    "stopped before it began to wait",
  );
});
