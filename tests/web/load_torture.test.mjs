// load_torture.test.mjs - a little of `npm run torture:load`, on the bundled model: each kind of fault, fewer times.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { KillTorture } from "./kill_torture.mjs";
import { ENDLESS, LoadTorture, tortureModel } from "./load_torture.mjs";
import { TestServer, launchBrowser, modelPath, otherVersion } from "./library_under_test.mjs";
import { countAgain, holds, newOutcome, sumOutcomes, tortureTable } from "./torture_outcome.mjs";

const limit = { timeout: 600_000 };

let browser, server, torture, model;
before(async () => {
  browser = await launchBrowser();
  server = await TestServer.start();
  model = tortureModel(modelPath);
  torture = new LoadTorture({ browser, server, model });
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Every outcome is as it must be, and the broken loads ended so. */
async function accept(cases, ended) {
  const outcomes = [];
  for (const { run } of cases) outcomes.push(await run());
  for (const outcome of outcomes) assert.ok(holds(outcome), JSON.stringify(outcome));
  if (ended) assert.deepEqual(sumOutcomes("", outcomes).ended, ended);
}

test("the network is cut after a chunk, inside one, and again and again", limit, async () => {
  await accept(torture.cuts([1], 0), { NETWORK_FAILED: 1 });
  await accept(torture.chains([0, 1], 500_000, 2), { NETWORK_FAILED: 2 });
  await accept(torture.cutsWithinOneLoad([700_001]), { loaded: 1 });
});

test("servers that answer something else in the middle", limit, async () => {
  await accept(torture.answers([1], { status: 404 }), { HTTP_STATUS: 1 });
  await accept(torture.answers([1], { html: true }), { NETWORK_FAILED: 1 });
  await accept(torture.answers([1], { status: 503, left: 2 }), { loaded: 1 });
  await accept(torture.answers([1], { noRanges: true }, { excused: true }), { loaded: 1 });
  await accept(torture.answers([1], { otherRange: 65536 }), { HTTP_STATUS: 1 });
  await accept(torture.longer([1], { said: 700_001, beyond: 100_000 }), { loaded: 1 });
  await accept(torture.longer([0], { said: 700_001, beyond: ENDLESS }), { loaded: 1 });
  const other = otherVersion();
  await accept(torture.replacements([1], { bytes: other.newer, id: other.newerId }), { loaded: 1 });
});

test("a server that names the same file differently in every answer", limit, async () => {
  await accept(torture.always([1], { etagEach: true }), { loaded: 1 });
});

test("the storage is full at a write", limit, async () => {
  await accept(torture.fullStorage([5]), { loaded: 1 });
  await accept(torture.fullStorage([1], { late: true }), { loaded: 1 });
});

test("the browser is killed; of two tabs the one that downloads is killed", limit, async () => {
  const killing = new KillTorture({ server, model });
  await accept([...killing.browsers([0.5]), ...killing.leaders([0.5])]);
});

test("a row says where only what was stored counts", () => {
  const cells = (outcome) => tortureTable([sumOutcomes("a", [{ ...newOutcome(), ...outcome }])]);
  assert.match(cells({}), /\| 0 \| 0\.0 \|$/);
  assert.match(cells({ storedAlone: true }), /\| 0 \(stored chunks alone\) \| 0\.0 \|$/);
  assert.match(cells({ storedAlone: true, chunksAgain: null }), /\(as the server has it\)/);
});

test("what comes twice is counted", () => {
  const counted = {
    chunks: 3,
    bounds: (chunk) => ({ begin: 100 + chunk * 10, end: 110 + chunk * 10 }),
  };
  const request = (first, taken, sent = taken) => ({ first, taken, sent });
  const again = (requests, isNeeded) => countAgain(requests, counted, isNeeded);
  assert.deepEqual(again([request(0, 130)]), { again: 0, sentAgain: 0 });
  // Cut inside a chunk and gone on with: nothing twice. Begun anew: half of it, and that is no chunk.
  assert.deepEqual(again([request(0, 115), request(115, 15)]), { again: 0, sentAgain: 0 });
  assert.deepEqual(again([request(0, 115), request(110, 20)]), { again: 0, sentAgain: 5 });
  assert.deepEqual(again([request(0, 125), request(110, 20)]), { again: 1, sentAgain: 15 });
  // Sent, and lost in the browser's buffers.
  assert.deepEqual(again([request(0, 105, 130), request(100, 30)]), { again: 0, sentAgain: 30 });
  assert.deepEqual(
    again([request(null, 0), request(0, 130)], () => false),
    {
      again: 3,
      sentAgain: 30,
    },
  );
  assert.equal(holds({ ...newOutcome(), chunksAgain: 1 }), true);
  for (const fault of [{ corrupt: 1 }, { notWhole: 1 }, { chunksAgain: 2 }, { problems: ["x"] }])
    assert.equal(holds({ ...newOutcome(), ...fault }), false);
});
