// axe.test.mjs - axe-core finds nothing serious in any view: light on a phone and dark on a desk, before a model is
// open and with one. The views are those that the page links to, so that a new one is looked at too.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { TestSite, Visit, cleanUp, launchBrowser } from "./site_under_test.mjs";

const limit = { timeout: 600_000 };
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
let browser, site;
before(async () => {
  browser = await launchBrowser();
  site = await TestSite.start();
});
after(async () => {
  await browser?.close();
  await cleanUp();
});

/** Every view in turn, as its link shows it; each with what axe calls serious or worse. */
async function lookAtAll(visit, state) {
  const { page } = visit;
  const links = page.getByRole("navigation").getByRole("link");
  const found = [];
  for (let at = 0; at < (await links.count()); at++) {
    await links.nth(at).click();
    await page.waitForFunction(() => !document.querySelector(".view:not([hidden]) .loading-view"));
    await page.evaluate(() => {
      for (const details of document.querySelectorAll("details")) details.open = true;
    });
    const view = await page.title();
    const { violations, passes } = await page.evaluate(() => globalThis.axe.run());
    assert.ok(passes.length > 10, `${view}: axe looked at nothing`);
    for (const { id, impact, nodes } of violations) {
      if (impact !== "serious" && impact !== "critical") continue;
      found.push(`${view}, ${state}: ${impact} ${id}: ${nodes.map((node) => node.html).join(" ")}`);
    }
  }
  assert.ok((await links.count()) >= 3);
  return found;
}

for (const [colorScheme, screen, viewport] of [
  ["light", "phone", { width: 360, height: 740 }],
  ["dark", "desk", { width: 1280, height: 900 }],
]) {
  test(`${colorScheme}, ${screen}`, limit, async () => {
    const context = await browser.newContext({ colorScheme, viewport });
    const visit = await Visit.open(context, `${site.origin}/`);
    await visit.page.waitForSelector("#begin");
    await visit.page.evaluate(axe);
    const found = await lookAtAll(visit, "without a model");
    await visit.openModel("models/none.tercet");
    visit.expectMessages(/404/);
    await visit.errorCode("model");
    found.push(...(await lookAtAll(visit, "after a failure")));
    await visit.openModel();
    await visit.ready();
    await visit.write({ seed: 1, length: 8 });
    found.push(...(await lookAtAll(visit, "with a model")));
    assert.deepEqual(found, []);
    await visit.finish();
    await context.close();
  });
}
