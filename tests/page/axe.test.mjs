// axe.test.mjs - axe-core finds nothing serious in any view: light and dark, on a phone and on a desk, before a model is open and
// with one, with texts, dialogs and errors shown. The views are those that the page links to, so that a new one is looked at too.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { before, test } from "node:test";
import { CHAT_MODEL, TestSite, limit, siteWithChat } from "./site_under_test.mjs";
import { openVisit } from "./visits.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
let site;
before(async () => {
  site = await TestSite.start({ folder: siteWithChat() });
});

const PHONE = { width: 360, height: 740 };
const DESK = { width: 1280, height: 900 };

/** In the page: what axe calls serious or worse of what is shown, by the rules that can; `colours`: by the one for colours. */
async function findViolations(colours) {
  const { axe } = globalThis;
  const grave = ["serious", "critical"];
  const left = ["experimental", "deprecated"]; // as axe.run() leaves them
  // A rule that names no impact takes that of its checks.
  const rules = axe._audit.rules
    .filter(({ enabled, tags }) => enabled && !tags.some((tag) => left.includes(tag)))
    .filter(({ id, impact }) =>
      colours ? id === "color-contrast" : !impact || grave.includes(impact),
    )
    .map(({ id }) => id);
  const { violations, passes } = await axe.run({
    runOnly: { type: "rule", values: rules },
    resultTypes: ["violations"],
  });
  const found = violations
    .filter(({ impact }) => grave.includes(impact))
    .map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map(({ html }) => html).join(" ")}`);
  return { found, passed: passes.length };
}

/** Of what is shown, in both colour schemes on both screens. */
async function look({ page }, state) {
  const found = [];
  const view = await page.title();
  for (const viewport of [DESK, PHONE]) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      const colours = colorScheme === "dark"; // a scheme changes nothing else
      const { found: some, passed } = await page.evaluate(findViolations, colours);
      assert.ok(passed >= (colours ? 1 : 10), `${view}: axe looked at nothing`);
      for (const one of some)
        found.push(`${view}, ${state}, ${colorScheme}, ${viewport.width} px: ${one}`);
    }
  }
  await page.setViewportSize(DESK);
  return found;
}

/** Every view in turn, as its link shows it. */
async function lookAtAll(visit, state) {
  const { page } = visit;
  const links = page.getByRole("navigation").getByRole("link");
  const found = [];
  const count = await links.count();
  assert.ok(count >= 5);
  for (let at = 0; at < count; at++) {
    const title = await links.nth(at).locator(".long").textContent();
    await links.nth(at).click();
    await page.waitForFunction(
      (wanted) =>
        document.title.startsWith(wanted) &&
        !document.querySelector(".view:not([hidden]) .loading-view"),
      at === 0 ? "Tercet" : title,
    );
    await page.evaluate(() => {
      for (const details of document.querySelectorAll("details")) details.open = true;
    });
    found.push(...(await look(visit, state)));
  }
  return found;
}

async function openPage() {
  const visit = await openVisit(site, { viewport: DESK });
  await visit.page.waitForSelector("#begin");
  await visit.page.evaluate(axe);
  return visit;
}

test("before a model is open: every view, and an address that holds none", limit, async () => {
  const visit = await openPage();
  const found = await lookAtAll(visit, "without a model");
  visit.expectMessages(/404/);
  await visit.openModel("models/none.tercet");
  await visit.errorCode("model");
  found.push(...(await look(visit, "after a failure")));
  assert.deepEqual(found, []);
});

test("with a model and a story: every view, dialogs, what was refused", limit, async () => {
  const visit = await openPage();
  const { page } = visit;
  await visit.openModel();
  await visit.ready();
  await visit.write({ seed: 1, length: 8 });
  const found = await lookAtAll(visit, "with a model");
  await visit.goTo("write");
  await visit.locate("settings").click();
  await page.getByRole("dialog").waitFor();
  found.push(...(await look(visit, "settings")));
  await page.keyboard.press("Escape");
  await visit.locate("coloured").click();
  await page.locator(".tokens").focus();
  await page.locator(".alternatives").waitFor();
  found.push(...(await look(visit, "coloured tokens")));
  await visit.locate("prompt").fill("One morning Tom went to the store. ".repeat(60));
  await visit.locate("write").click();
  await visit.errorCode("write");
  found.push(...(await look(visit, "a story that was refused")));
  assert.deepEqual(found, []);
});

test(
  "a conversation: its messages, one that is edited, its menu, the texts of a phone",
  limit,
  async () => {
    const visit = await openPage();
    const { page } = visit;
    await visit.openModel(CHAT_MODEL);
    await visit.readyToChat();
    const found = await look(visit, "nothing said yet");
    await visit.set({ seed: 1, maxTokens: 8 });
    for (let said = 1; said <= 2; said++) {
      await visit.locate("message").fill("Hello");
      await page.keyboard.press("Enter");
      await page
        .locator(".message.assistant:not(.live)")
        .nth(said - 1)
        .waitFor();
      await page.waitForSelector("#send:enabled");
    }
    await page.locator(".message.user").first().getByRole("button", { name: "Edit" }).click();
    await page.getByRole("textbox", { name: "Your message" }).waitFor();
    await page.locator(".menu summary").click();
    found.push(...(await look(visit, "messages")));
    await page.setViewportSize(PHONE);
    await page.getByRole("button", { name: "Texts" }).click();
    const drawer = page.getByRole("dialog", { name: "Texts" });
    await drawer.locator(".text-title").waitFor();
    found.push(...(await look(visit, "texts")));
    await page.keyboard.press("Escape");
    await drawer.waitFor({ state: "detached" });
    await page.locator(".menu summary").click();
    await page.getByRole("button", { name: "Delete" }).click();
    await page.getByRole("dialog", { name: "Delete this text" }).waitFor();
    found.push(...(await look(visit, "deleting")));
    assert.deepEqual(found, []);
  },
);
