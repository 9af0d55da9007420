// start.test.mjs - the first view as a person uses it: one button to a text, what a model needs before it is downloaded, files
// chosen and dropped, and the models in this browser: go on with a download, verify, save, delete. And under the hood.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { errorCodes } from "../../scripts/error-table.mjs";
import { root } from "../../scripts/paths.mjs";
import { TestSite, limit, modelAddress, modelBytes, modelPath } from "./site_under_test.mjs";
import { openVisit } from "./visits.mjs";

const ggufPath = join(root, "tests/golden/models/gguf-llama-tq2_0/model.gguf");
let site;
before(async () => {
  site = await TestSite.start();
});

async function withPage(work, options) {
  site.repair();
  site.resetCounts();
  const visit = await openVisit(site, options);
  await visit.page.waitForSelector("#begin");
  await work(visit, visit.page);
}

/** What is under way, or was last, in words: "6.2 M parameters · 3.6 MB · …" */
const untilState = (page, pattern) =>
  page.waitForFunction(
    (source) => new RegExp(source).test(document.querySelector("#model-state").textContent),
    pattern.source,
  );

test("one button leads to a text, and says before what it costs", limit, () =>
  withPage(async (visit, page) => {
    await page.waitForFunction(() =>
      /Downloads 3\.6 MB once.*needs [\d.]+ MB of memory/.test(
        document.querySelector(".begin").textContent,
      ),
    );
    assert.ok(site.modelBytesSent < modelBytes.length / 2, "no more than its header has come");
    await page.getByRole("button", { name: "Write a story" }).click();
    await page.waitForFunction(() => location.hash === "#/write");
    await page.waitForFunction(() => document.querySelector("#story")?.textContent.length > 100);
    // The beginning was computed while the model came.
    await page.waitForSelector("#ending");
    assert.match(
      await page.locator(".answer-figures").textContent(),
      /[1-9]\d* of \d+ prompt tokens were here already/,
    );
    await page.getByRole("link", { name: "Start" }).click();
    assert.equal(await page.getByRole("button", { name: "Go on writing" }).count(), 1);
    // Closed it needs no memory, and stays in this browser.
    await page.getByRole("button", { name: "Close the model" }).click();
    await page.getByRole("button", { name: "Write a story" }).waitFor();
    await page.getByText("Nothing is downloaded.").waitFor();
    await page.locator("#model-state").waitFor({ state: "hidden" });
    assert.equal(await page.locator(".open-model").textContent(), "No model is open");
  }),
);

test("an address: what it needs and what is here, then no or yes", limit, () =>
  withPage(async (visit, page) => {
    const ask = async () => {
      await visit.locate("model-url").fill(modelAddress);
      await page.getByRole("button", { name: "Open", exact: true }).click();
      await page.waitForSelector("#accept");
    };
    await ask();
    const figures = await page.locator("#candidate dl").textContent();
    assert.match(
      figures,
      /Download3\.6 MBMemory needed[\d.]+ MBMemory of this machine.*Storage free/,
    );
    await page.getByRole("button", { name: "Cancel" }).click();
    assert.equal(await visit.locate("accept").count(), 0);
    assert.ok(site.modelBytesSent < modelBytes.length / 2, `${site.modelBytesSent} bytes sent`);
    await ask();
    assert.equal(await page.evaluate(() => document.activeElement.id), "accept");
    await page.keyboard.press("Enter");
    await untilState(page, /3\.6 MB · downloaded/);
  }),
);

test("files: chosen, dropped, packed, refused", limit, () =>
  withPage(async (visit, page) => {
    await visit.locate("model-file").setInputFiles(modelPath);
    await untilState(page, /from your file, not stored/);

    const drop = async (files) => {
      const transfer = await page.evaluateHandle((given) => {
        const data = new DataTransfer();
        for (const { name, base64 } of given)
          data.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name));
        return data;
      }, files);
      await page.dispatchEvent("body", "dragover", { dataTransfer: transfer });
      assert.equal(await page.getByText("Drop the file to open it").count(), 1);
      await page.dispatchEvent("body", "drop", { dataTransfer: transfer });
      assert.equal(await page.getByText("Drop the file to open it").count(), 0);
    };
    const text = (name, bytes) => ({ name, base64: Buffer.from(bytes).toString("base64") });
    await drop([text("notes.txt", "nothing")]);
    await page.getByText("Drop one .tercet or .gguf file.").waitFor();
    await drop([text("broken.tercet", "this is no model at all".repeat(20))]);
    assert.equal(await visit.errorCode("model"), "BAD_MAGIC");

    // A file of the machine, with the pointer; also on another view, and the first one shows how it goes.
    await visit.goTo("hood");
    await visit.drop(ggufPath, { x: 300, y: 300 });
    await page.waitForSelector(".view-start:not([hidden]) #accept, .open-model.opening");
    if ((await visit.locate("accept").count()) > 0) await visit.locate("accept").click();
    await page.waitForFunction(() => document.querySelectorAll("#stored-models li").length === 1);
    await page.waitForSelector(".open-model.open", { state: "attached" });
  }),
);

test("who has a finger and no mouse is not told to drop a file", limit, async () => {
  const said = (page) => page.locator(".choose-file span.quiet").innerText();
  await withPage(async (_, page) => assert.equal(await said(page), "a .tercet or .gguf file"), {
    isMobile: true,
    hasTouch: true,
  });
  await withPage(async (_, page) => assert.match(await said(page), /^or drop a .* file anywhere/));
});

test(
  "models in this browser: go on after a reload, verify, save as a file, keep, delete",
  limit,
  () =>
    withPage(async (visit, page) => {
      const most = Math.floor(modelBytes.length * 0.7);
      visit.expectMessages(/Failed to load resource|ERR_/);
      await visit.openModel(modelAddress, { site, holdAfter: most });
      await visit.arrived(site, most * 0.9);
      site.cutModel();
      assert.equal(await visit.errorCode("model"), "NETWORK_FAILED");
      site.repair();
      await page.reload();
      const row = visit.locate("stored-models").getByRole("listitem");
      await row.getByText(/\d+ % of it has arrived/).waitFor();
      site.resetCounts();
      await row.getByRole("button", { name: /^Resume/ }).click();
      await untilState(page, /3\.6 MB · downloaded/);
      const again = site.modelRanges.reduce((sum, [first, last]) => sum + last - first + 1, 0);
      assert.ok(
        again < modelBytes.length * 0.8,
        `what had come is not fetched again: ${JSON.stringify(site.modelRanges)}`,
      );

      await row.getByRole("button", { name: /^Verify/ }).click();
      await row.getByText(/^Every byte holds: 4 of 4 parts\.$/).waitFor();
      const [download] = await Promise.all([
        page.waitForEvent("download"),
        row.getByRole("button", { name: /^Save as file/ }).click(),
      ]);
      assert.match(download.suggestedFilename(), /^gutenberg-6m-b158\.tercet$/);
      assert.ok(
        modelBytes.equals(readFileSync(await download.path())),
        "the file that it came from",
      );

      await row.getByRole("button", { name: /^Delete/ }).click();
      await row.getByRole("button", { name: /^Keep/ }).click();
      assert.equal(await row.count(), 1);
      await row.getByRole("button", { name: /^Delete/ }).click();
      await row.getByRole("button", { name: "Delete 3.6 MB" }).click();
      await page.getByText("No model is stored here yet.").waitFor();
    }),
);

/** Changes one byte of what is stored of a chunk, as a failing disk does. */
async function damageStored(page, index) {
  await page.evaluate(
    (which) =>
      new Promise((resolve, reject) => {
        const request = indexedDB.open("tercet");
        request.onerror = reject;
        request.onsuccess = () => {
          const change = request.result.transaction("chunks", "readwrite");
          const chunks = change.objectStore("chunks");
          chunks.getAllKeys().onsuccess = ({ target }) => {
            const key = target.result.find((one) => one[1] === which);
            chunks.get(key).onsuccess = ({ target: { result: bytes } }) => {
              new Uint8Array(bytes)[1000] ^= 1;
              chunks.put(bytes, key);
            };
          };
          change.onabort = reject;
          change.oncomplete = () => resolve(request.result.close());
        };
      }),
    index,
  );
}

test(
  "a damaged part: Verify says so and takes it away, opening fetches it and no other",
  limit,
  () =>
    withPage(async (visit, page) => {
      await visit.openModel();
      await visit.ready();
      await damageStored(page, 2);
      await visit.goTo("hood");
      await visit.locate("verify").click();
      await visit
        .locate("verified")
        .getByText("1 of 4 parts was damaged and is removed: opening it fetches it again.")
        .waitFor();
      await visit.goTo("");
      const row = visit.locate("stored-models").getByRole("listitem");
      await row.getByText(/\d+ % of it has arrived/).waitFor();
      await page.reload();
      site.resetCounts();
      await row.getByRole("button", { name: /^Resume/ }).click();
      await untilState(page, /3\.6 MB · downloaded/);
      // The first view also asks for the header, which is far shorter than a part.
      const again = site.modelRanges.filter(([, last]) => last > 512 * 1024);
      assert.equal(again.length, 1, JSON.stringify(site.modelRanges));
      const [[first, last]] = again;
      assert.equal(last - first + 1, 1024 * 1024, "one part");
      await row.getByRole("button", { name: /^Verify/ }).click();
      await row.getByText("Every byte holds: 4 of 4 parts.").waitFor();
    }),
);

test("under the hood: why this module, the model's id, verified again, every error", limit, () =>
  withPage(async (visit, page) => {
    await visit.openModel();
    await visit.ready();
    await visit.goTo("hood");
    const id = modelBytes.subarray(32, 64).toString("hex");
    assert.equal(await visit.text("model-id"), id);
    const reasons = await page.locator(".reasons").textContent();
    assert.match(reasons, /SIMD.*(threads|One processor)/);
    await visit.locate("verify").click();
    await visit.locate("verified").getByText("Every byte holds: 4 of 4 parts.").waitFor();
    await visit.locate("errors").locator("summary").click();
    const codes = await visit.locate("errors").locator("tbody code").allTextContents();
    assert.deepEqual(codes, await errorCodes());
    const row = page.getByRole("row", { name: /QUOTA_EXCEEDED/ });
    assert.match(await row.textContent(), /storage is full.*Free some space/);
    // The browser is asked for these anew after each change.
    await page.waitForFunction(() =>
      /Stored models3\.6 MB.*Allowed by the browser\d/.test(
        document.querySelector(".view-hood").textContent,
      ),
    );
    const facts = await visit.facts();
    assert.match(facts["Allowed by the browser"], /GB$/);
    assert.equal(facts["Stored models"], "3.6 MB");
  }),
);
