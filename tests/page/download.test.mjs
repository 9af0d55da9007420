// download.test.mjs - how the model comes to the page when things go wrong: cancelled, cut at half, damaged, missing,
// not a model, deleted. Each is a clear error with its stable code, nothing that arrived is lost, and
// "Retry" fetches only what is missing.

import assert from "node:assert/strict";
import { test } from "node:test";
import { TestSite, limit, modelAddress, modelBytes, nativeStory } from "./site_under_test.mjs";
import { openVisit } from "./visits.mjs";

const CHUNK_BYTES = 1024 * 1024; // of the container format
/** A failed request is in the console whatever a page does about it. */
const FAILED_REQUEST = /Failed to load resource.*\/models\//;

/** `holdAfter`: so many bytes of the model's download come, until the site is repaired. */
async function open(site, { holdAfter = Infinity } = {}) {
  const visit = await openVisit(site);
  visit.expectMessages(FAILED_REQUEST);
  await visit.openModel(modelAddress, holdAfter < Infinity ? { site, holdAfter } : {});
  return visit;
}

const isOpen = async (visit) => (await visit.page.locator(".open-model.open").count()) === 1;

/** Of the `arrived` bytes at most one chunk was asked for again; the first bytes are read anew to know the file. */
function assertResumed(site, arrived) {
  const data = site.modelRanges.filter(([first]) => first > 0);
  const again = data.reduce((sum, [first, last]) => sum + last - first + 1, 0);
  const missing = modelBytes.length - arrived;
  assert.ok(
    again <= missing + CHUNK_BYTES,
    `${again} for ${missing}: ${JSON.stringify(site.modelRanges)}`,
  );
}

test("progress shows bytes, rate and time left; cancelling keeps what came", limit, async () => {
  const site = await TestSite.start();
  const early = Math.floor(modelBytes.length * 0.3);
  const late = Math.floor(modelBytes.length * 0.6);
  const visit = await open(site, { holdAfter: early });
  await visit.arrived(site, early - CHUNK_BYTES / 4);
  await visit.shows(site, () =>
    /^\d\.\d of \d\.\d MB · [\d.]+ [kM]?B\/s · (under )?\d+ (s|min|h) left$/.test(
      document.querySelector("#model-state").textContent,
    ),
  );
  const share = () => visit.locate("model-progress").evaluate((bar) => bar.value);
  const before = await share();
  assert.ok(before > 0.1 && before < 0.4, `${before}`);
  site.sendMore(late - early);
  await visit.arrived(site, late - CHUNK_BYTES / 4);
  assert.equal(await isOpen(visit), false);
  const shown = await share();
  assert.ok(shown > before && shown < 0.7, `${shown} after ${before}`);
  await visit.locate("cancel").click();
  await visit.page.waitForSelector("#resume");
  assert.match(await visit.text("model-state"), /^Cancelled\. What has arrived is kept\.$/);
  assert.equal(await visit.problem("model").count(), 0, "what one asked for is no error");

  site.repair();
  site.resetCounts();
  await visit.locate("resume").click();
  await visit.ready();
  assertResumed(site, Math.floor(shown * modelBytes.length));
  assert.equal(await visit.write({ seed: 2, length: 16 }), nativeStory({ seed: 2, length: 16 }));
});

test(
  "a network that is cut at half: an error with its code, then Retry resumes at the chunk",
  limit,
  async () => {
    const site = await TestSite.start();
    const half = Math.floor(modelBytes.length / 2);
    const visit = await open(site, { holdAfter: half });
    // What the browser has received and the page has not read yet is lost with the connection.
    await visit.arrived(site, half - CHUNK_BYTES / 4);
    const arrived = site.modelBytesSent;
    site.cutModel();
    assert.equal(await visit.errorCode("model"), "NETWORK_FAILED");
    const said = await visit.problem("model").textContent();
    assert.match(said, /The download was cut\./);
    assert.equal(await isOpen(visit), false);
    assert.equal(site.modelBytesSent, arrived, "nothing comes through a cut network");

    site.repair();
    site.resetCounts();
    await visit.problem("model").getByRole("button", { name: "Retry" }).click();
    await visit.ready();
    assertResumed(site, half - CHUNK_BYTES / 4);
    assert.equal(await visit.problem("model").count(), 0);
    assert.equal(await visit.write({ seed: 2, length: 16 }), nativeStory({ seed: 2, length: 16 }));
  },
);

/** The model with one bit changed. */
function damaged(offset) {
  const bytes = Buffer.from(modelBytes);
  bytes[offset] ^= 1;
  return bytes;
}

for (const [what, bytes, code, button] of [
  [
    "a flipped bit in a chunk",
    damaged(modelBytes.length - 5000),
    "CHUNK_HASH_MISMATCH",
    "Download again",
  ],
  ["a flipped bit in the header", damaged(200), "HEADER_HASH_MISMATCH", "Download again"],
  [
    "a file that ends too early",
    modelBytes.subarray(0, modelBytes.length - 5000),
    "TRUNCATED",
    "Download again",
  ],
  ["a file that is no model", Buffer.from("<!doctype html>".repeat(100)), "BAD_MAGIC", null],
  ["a file that is not there", null, "HTTP_STATUS", "Retry"],
]) {
  test(`${what}: ${code}, and a whole file loads afterwards`, limit, async () => {
    const site = await TestSite.start();
    site.serveModel(bytes);
    const visit = await open(site);
    assert.equal(await visit.errorCode("model"), code);
    assert.equal(await isOpen(visit), false);
    site.repair();
    const buttons = visit.problem("model").getByRole("button");
    if (button) {
      await buttons.getByText(button).click();
      // What was refused before its download is offered again.
      await visit.page.waitForSelector("#accept, .open-model.opening, .open-model.open");
      if ((await visit.locate("accept").count()) > 0) await visit.locate("accept").click();
    } else {
      assert.equal(await buttons.count(), 0, "the same again would not help");
      await visit.openModel();
    }
    await visit.ready();
    assert.equal(await visit.write({ seed: 2, length: 16 }), nativeStory({ seed: 2, length: 16 }));
  });
}

test("a deleted model works on, and the next visit downloads it again", limit, async () => {
  const site = await TestSite.start();
  const visit = await open(site);
  await visit.ready();
  await visit.goTo("");
  const list = visit.locate("stored-models").getByRole("listitem");
  await list.first().waitFor();
  assert.equal(await list.count(), 1);
  await list.getByRole("button", { name: /^Delete/ }).click();
  await list.getByRole("button", { name: /^Delete/ }).click(); // really
  await visit.page.waitForFunction(() => !document.querySelector("#stored-models li"));
  assert.equal(await visit.write({ seed: 2, length: 16 }), nativeStory({ seed: 2, length: 16 }));
  site.resetCounts();
  await visit.page.reload();
  await visit.openModel();
  await visit.ready();
  assert.ok(site.modelBytesSent >= modelBytes.length);
  assert.equal((await visit.facts())["Model from"], "Network");
});

test(
  "an address that cannot be read is refused before anything is asked of it",
  limit,
  async () => {
    const site = await TestSite.start();
    const visit = await open(site);
    await visit.ready();
    await visit.goTo("");
    for (const [address, said] of [
      ["http://elsewhere.invalid/a.tercet", /Only https/],
      ["https://", /not an address/],
      [" ", /Enter an address/],
    ]) {
      await visit.locate("model-url").fill(address);
      await visit.locate("model-url").press("Enter");
      assert.match(
        await visit.locate("model-url").evaluate((field) => field.validationMessage),
        said,
      );
    }
    assert.ok(await isOpen(visit), "the model before is still there");
  },
);
