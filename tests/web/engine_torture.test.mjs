// engine_torture.test.mjs - a little of the row `traps` of `npm run torture`: traps in some exported functions, threads and workers
// that are gone. How soon callers are told is said by the row; that they are told, rightly, is checked here. (Silence is in
// heartbeat.test.mjs and restart.test.mjs.)

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { EngineTorture, lateness } from "./engine_torture.mjs";
import { TestServer, launchBrowser, limit } from "./library_under_test.mjs";

let browser, server, torture;
before(async () => {
  browser = await launchBrowser();
  server = await TestServer.start();
  torture = new EngineTorture({ browser, server });
});
after(async () => {
  await torture?.close();
  await browser?.close();
  await server?.stop();
});

/** Less than there are, which the row counts. */
const SENT = { side: "sent", count: 40 };
const RECEIVED = { side: "received", count: 15 };
const SOME = ["engine_create", "loader_give", "session_step", "session_save"];

test(
  "traps in exported functions: whoever waits is told, the engine comes back",
  limit,
  async () => {
    const { functions } = await torture.probe("simd128-threads");
    const named = (name) => functions.find((one) => one.name === `tercet_abi_${name}`);
    // What the torture never gets to is what no script of the library calls.
    const unused = functions.filter(({ name, calls }) => /^tercet_abi/.test(name) && calls === 0);
    assert.deepEqual(
      unused.map(({ name }) => name),
      ["tercet_abi_session_logits"],
    );
    const cases = torture.traps("simd128-threads", SOME.map(named));
    assert.ok(cases.length > SOME.length);
    for (const { name, run } of cases) {
      const { problems, died } = await run();
      assert.deepEqual(problems, [], name);
      assert.ok(died || /later/.test(name), name);
    }
  },
);

test("threads of the pool and workers that are gone: likewise", limit, async () => {
  for (const { name, run } of [
    ...torture.brokenPools("simd128-threads"),
    ...torture.endedThreads("simd128-threads", [2]),
    ...torture.ends("simd128-threads", SENT, ["closes itself"], [1]),
    ...torture.ends("simd128-threads", SENT, ["rejects"], [7]),
    ...torture.ends("simd128-threads", RECEIVED, ["throws there"], [3]),
  ]) {
    const { problems, died } = await run();
    assert.deepEqual([problems, died], [[], true], name);
  }
});

test("what a page reports of a case is found with it", limit, async () => {
  const [one] = torture.ends("simd128-threads", SENT, ["closes itself"], [7]);
  await torture.run(() => {
    void Promise.reject(new Error("nobody catches this"));
    document.body.append(Object.assign(document.createElement("script"), { text: "0" }));
  });
  const { problems } = await one.run();
  assert.equal(problems.length, 2, `${problems}`);
  assert.match(problems[0], /^the page reported: uncaught: .*nobody catches this/);
  assert.match(problems[1], /^the page reported: script-src/);
  assert.deepEqual((await one.run()).problems, []);
});

test("who is told late, and who only has to wait longer", () => {
  const settled = [
    { name: "load", at: 1100, value: "" },
    { name: "generate", at: 1900, value: "" },
  ];
  const asked = { begin: 1000, settled, died: 1200 };
  // All were answered, 900 ms after they asked.
  assert.equal(lateness({ ...asked, wellMs: 900 }), 0);
  assert.equal(lateness({ ...asked, wellMs: 300 }), 600);
  const told = { name: "embed", at: 1950, code: "ENGINE_CRASHED" };
  assert.equal(lateness({ ...asked, settled: [...settled, told], wellMs: 900 }), 750);
});
