// markup.test.mjs - what strangers name, a model, its licence, its file and its address, is text wherever the page shows it: it
// makes no element, asks for nothing and runs nothing. What a model says is in chat.test.mjs.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root, tercet } from "../../scripts/paths.mjs";
import { TestSite, limit, makeTemporaryFolder, siteFolder } from "./site_under_test.mjs";
import { openVisit } from "./visits.mjs";

/** As markup it would be an element, would ask for a file, and would run. */
const markup = (where) => `<img src=ran-${where} onerror=globalThis.ran=1>`;

const golden = join(root, "tests/golden/models");
const pack = (source, model, ...flags) =>
  execFileSync(tercet, ["pack", source, "-o", model, "--quiet", ...flags]);

/** The site with a model whose name, licence and address are markup. */
function siteWithNames() {
  const folder = join(makeTemporaryFolder(), "site");
  cpSync(siteFolder, folder, { recursive: true });
  const source = join(makeTemporaryFolder(), markup("name"));
  cpSync(join(golden, "qwen3-grid-bf16"), source, { recursive: true });
  writeFileSync(join(source, "README.md"), `---\nlicense: ${markup("licence")}\n---\n`);
  const model = join(folder, "models", `${markup("address")}.tercet`);
  pack(source, model, "--chat-format", "qwen3");
  return folder;
}

/** A GGUF file that says no name: its file's is taken. */
function namelessFile() {
  const gguf = readFileSync(join(golden, "gguf-llama-tq2_0/model.gguf"));
  gguf.write("general.nama", gguf.indexOf("general.name"));
  return gguf;
}

test(
  "markup in a model's name and licence, a file's name and an address is text",
  limit,
  async () => {
    const site = await TestSite.start({ folder: siteWithNames() });
    const visit = await openVisit(site);
    const { page } = visit;
    /** Once a text node says so in each of these elements, and in no other. */
    const saidIn = (name, wanted) =>
      visit.until(
        ([said, places]) => {
          const found = [];
          const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          while (texts.nextNode()) {
            const { data, parentElement } = texts.currentNode;
            if (data.includes(said)) found.push(parentElement);
          }
          const count = (place) => found.filter((element) => element.matches(place)).length;
          return found.length === places.length && places.every((place) => count(place) === 1);
        },
        [name, wanted],
      );
    const nothingRan = async () => {
      assert.equal(await page.locator("[onerror], [src^='ran-']").count(), 0);
      assert.equal(await page.evaluate(() => globalThis.ran), undefined);
      // Also what was an element for a moment has asked for its picture.
      const asked = site.paths.filter((path) => path.includes("ran-"));
      assert.deepEqual(
        asked.filter((path) => !path.startsWith("/models/%3Cimg")),
        [],
      );
    };
    const places = [
      ".open-model.open",
      "#model-name",
      "#stored-models .model-name",
      ".view-write .empty .quiet",
      ".view-bench dl.figures dd",
      ".view-hood .figures.table dd",
    ];

    await visit.locate("model-url").fill(`models/${encodeURIComponent(markup("address"))}.tercet`);
    await visit.locate("model-url").press("Enter");
    await visit.locate("accept").waitFor();
    await saidIn(markup("name"), ["#candidate .model-name"]);
    await nothingRan();
    await visit.locate("accept").click();
    await page.waitForSelector(".open-model.open", { state: "attached" });
    for (const view of ["write", "inside", "bench", "hood", ""]) await visit.goTo(view);
    await saidIn(markup("name"), places);
    await saidIn(markup("licence"), [".view-hood .figures.table div:nth-child(3) dd"]);
    await nothingRan();

    // A file without a name for its model gives it its own; one that is no model is told of while it is looked at.
    const choose = (name, buffer) =>
      visit.locate("model-file").setInputFiles({ name, mimeType: "", buffer });
    await choose(`${markup("file")}.gguf`, namelessFile());
    await saidIn(markup("file"), places);
    await page.evaluate(() => {
      globalThis.told = "";
      new MutationObserver(([{ target }]) => (globalThis.told += target.textContent)).observe(
        document.querySelector("#candidate"),
        { childList: true, characterData: true, subtree: true },
      );
    });
    await choose(`${markup("broken")}.tercet`, Buffer.from("this is no model at all".repeat(20)));
    assert.equal(await visit.errorCode("model"), "BAD_MAGIC");
    assert.ok((await page.evaluate(() => globalThis.told)).includes(markup("broken")));
    await nothingRan();
  },
);
