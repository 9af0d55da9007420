// load_torture.test.mjs - a little of `npm run torture:load`, on the bundled model: each kind of fault, fewer times.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { LoadTorture, tortureModel } from "./load_torture.mjs";
import { TestServer, launchBrowser, modelPath, otherVersion } from "./library_under_test.mjs";

const limit = { timeout: 180_000 };

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

/** What must hold of every row, and how the loads with the fault may have ended. */
function accept(ended) {
  const row = torture.rows.at(-1);
  assert.equal(row.corrupt, 0, row.fault);
  assert.equal(row.notWhole, 0, row.fault);
  assert.equal(row.tooMuch, 0, `${row.fault}: ${row.chunksAgain} chunks came again`);
  assert.deepEqual(row.ended, ended, row.fault);
}

test("the network is cut after a chunk, inside one, and again and again", limit, async () => {
  await torture.cuts("cut after a chunk", [0, 1], 0);
  accept({ NETWORK_FAILED: 2 });
  await torture.cuts("cut inside a chunk", [0, 1], 500_000);
  accept({ NETWORK_FAILED: 2 });
  await torture.cutsWithinOneLoad("every connection is cut", 700_001);
  accept({ loaded: 1 });
});

test("servers that answer something else in the middle", limit, async () => {
  await torture.answers("404", [1], { status: 404 });
  accept({ HTTP_STATUS: 1 });
  await torture.answers("HTML with 200", [1], { html: true });
  accept({ NETWORK_FAILED: 1 });
  await torture.answers("503, passing", [1], { status: 503 }, { passing: true });
  accept({ loaded: 1 });
  const other = otherVersion();
  await torture.replacements("replaced", [1], { bytes: other.newer, id: other.newerId });
  accept({ loaded: 1 });
});

test("the storage is full at a write; the browser is killed", limit, async () => {
  await torture.fullStorage("full at the k-th write", [1, 3, 5]);
  accept({ loaded: 3 });
  let next = 0.2;
  await torture.kills("killed", 2, () => (next += 0.3));
  const row = torture.rows.at(-1);
  assert.equal(row.corrupt + row.notWhole + row.tooMuch, 0, JSON.stringify(row));
});
