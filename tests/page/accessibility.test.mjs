// accessibility.test.mjs - the basics, by hand: names and roles, one outline, the order in which the keyboard goes,
// contrast in both colour schemes, room on a narrow screen, no motion for those who asked for none.

import assert from "node:assert/strict";
import { before, test } from "node:test";
import { PROMPT, TestSite, limit } from "./site_under_test.mjs";
import { openVisit, openWithModel } from "./visits.mjs";

let site;
before(async () => {
  site = await TestSite.start();
});

async function withPage(options, work) {
  const visit = await openWithModel(site, options);
  await work(visit, visit.page);
}

test("names, roles and outline", limit, () =>
  withPage({}, async (visit, page) => {
    assert.equal(await page.locator("html").getAttribute("lang"), "en");
    for (const [role, name] of [
      ["main", undefined],
      ["banner", undefined],
      ["navigation", "Views"],
      ["status", undefined],
    ]) {
      const found = page.getByRole(role, name ? { name, exact: true } : {});
      assert.equal(await found.count(), 1, `${role} ${name}`);
    }
    const links = page.getByRole("navigation").getByRole("link");
    for (let at = 0; at < (await links.count()); at++) {
      const view = (await links.nth(at).getAttribute("href")).slice(2);
      const title = await links.nth(at).locator(".long").textContent();
      await links.nth(at).click();
      await visit.goTo(view);
      await page.waitForFunction(
        () => !document.querySelector(".view:not([hidden]) .loading-view"),
      );
      // Title and focus follow the view.
      await page.waitForFunction(
        (wanted) => document.title === wanted,
        view ? `${title} · Tercet` : "Tercet",
      );
      const current = page.getByRole("navigation").locator("[aria-current]");
      assert.equal(await current.count(), 1);
      // One heading of the first level, which has the focus now; none is skipped below it.
      assert.equal(await page.getByRole("heading", { level: 1 }).count(), 1);
      assert.equal(await page.evaluate(() => document.activeElement.tagName), "H1");
      const levels = await page
        .locator(".view:not([hidden])")
        .locator("h1, h2, h3, h4")
        .evaluateAll((all) => all.map((heading) => Number(heading.tagName[1])));
      levels.forEach((level, at) => assert.ok(at === 0 || level <= levels[at - 1] + 1, view));
      await page.evaluate(() => {
        for (const details of document.querySelectorAll("details")) details.open = true;
      });
      const nameless = await page.evaluate(() =>
        [...document.querySelectorAll("button, input, textarea, select, summary")]
          .filter(
            (control) =>
              !(control.labels?.length || control.ariaLabel || control.textContent.trim()),
          )
          .map((control) => control.outerHTML),
      );
      assert.deepEqual(nameless, []);
    }
    const ids = await page.evaluate(() => [...document.querySelectorAll("[id]")].map((e) => e.id));
    assert.equal(new Set(ids).size, ids.length, "ids are unique");
    assert.equal(await page.locator("[style], style, script:not([src])").count(), 0);
  }),
);

test("the keyboard reaches everything in reading order, visibly, and is never lost", limit, () =>
  withPage({ held: true }, async (visit, page) => {
    const order = [];
    const active = () =>
      page.evaluate(() => {
        const { id, parentElement, textContent } = document.activeElement;
        return id || parentElement.id || textContent.slice(0, 20);
      });
    await page.reload();
    await visit.ready();
    // From the heading, to which the link has brought the focus, on through the view.
    await page.evaluate(() => document.querySelector("#title-write").focus());
    for (let i = 0; i < 8; i++) {
      await page.keyboard.press("Tab");
      order.push(await active());
      const outline = await page.evaluate(
        () => getComputedStyle(document.activeElement).outlineStyle,
      );
      assert.equal(outline, "solid", `the focus on ${order.at(-1)} can be seen`);
    }
    assert.equal(order[0], "New story");
    assert.deepEqual(order.slice(1, 3), ["coloured", "settings"]);
    assert.match(order[3], /^One morning Tom/, "a beginning to take");
    assert.deepEqual(order.slice(6), ["prompt", "write"]);
    await visit.set({ maxTokens: 200 });
    await visit.locate("write").focus();
    await page.keyboard.press("Enter");
    await page.waitForSelector("#stop");
    assert.equal(await page.evaluate(() => document.activeElement.id), "stop");
    await page.waitForSelector("#story.writing p");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#write:enabled");
    assert.equal(await page.evaluate(() => document.activeElement.id), "write");
    await page.waitForFunction(() =>
      /Stopped\. \d+ tokens?\.$/.test(document.querySelector("#announcer").textContent),
    );
    assert.equal(
      await visit.locate("story").getAttribute("aria-live"),
      null,
      "no talk at each token",
    );
  }),
);

test(
  "by keyboard alone: from the first view to a text, stopped, and another one",
  limit,
  async () => {
    const visit = await openVisit(site, { held: true });
    const { page } = visit;
    await page.waitForSelector("#begin");
    const tabTo = async (id) => {
      for (let i = 0; i < 30; i++) {
        if ((await page.evaluate(() => document.activeElement.id)) === id) return;
        await page.keyboard.press("Tab");
      }
      assert.fail(`Tab does not lead to ${id}`);
    };
    const written = (beginning) =>
      page.waitForFunction((wanted) => {
        const text = document.querySelector("#story.writing")?.textContent ?? "";
        return text.startsWith(wanted) && text.length > wanted.length;
      }, beginning);
    await tabTo("begin");
    await page.keyboard.press("Enter");
    await written(PROMPT);
    assert.equal(
      await page.evaluate(() => document.activeElement.id),
      "title-write",
      "who is led to another view is at its heading",
    );
    await page.keyboard.press("Escape");
    await page.locator("#ending", { hasText: "Stopped." }).waitFor();
    await tabTo("prompt");
    await page.keyboard.press("Control+A");
    await page.keyboard.type("Two cats");
    await page.keyboard.press("Enter");
    await written("Two cats");
    await tabTo("stop");
    await page.keyboard.press("Enter");
    await page.locator("#ending", { hasText: "Stopped." }).waitFor();
    await tabTo("go-on");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#story.writing");
  },
);

for (const colorScheme of ["light", "dark"]) {
  test(`contrast of text, ${colorScheme}`, limit, () =>
    withPage({ colorScheme }, async (visit, page) => {
      await visit.write({ seed: 1, length: 8 });
      const weak = await page.evaluate(() => {
        const channels = (color) => color.match(/[\d.]+/g).map(Number);
        const luminance = ([r, g, b]) => {
          const [x, y, z] = [r, g, b].map((value) => {
            const share = value / 255;
            return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
          });
          return 0.2126 * x + 0.7152 * y + 0.0722 * z;
        };
        const background = (element) => {
          for (let e = element; e; e = e.parentElement) {
            const color = channels(getComputedStyle(e).backgroundColor);
            if (color.length === 3 || color[3] > 0) return color;
          }
          return [255, 255, 255];
        };
        const found = [];
        for (const element of document.querySelectorAll("body *")) {
          const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
          if (!own || !element.checkVisibility() || element.matches(":disabled, noscript"))
            continue;
          const pair = [channels(getComputedStyle(element).color), background(element)];
          const [low, high] = pair.map(luminance).sort((a, b) => a - b);
          const ratio = (high + 0.05) / (low + 0.05);
          if (ratio < 4.5)
            found.push(`${element.textContent.trim().slice(0, 30)} ${ratio.toFixed(2)}`);
        }
        return found;
      });
      assert.deepEqual(weak, []);
    }),
  );
}

test("narrow screens scroll one way only, and fingers find the buttons", limit, () =>
  withPage(
    { viewport: { width: 320, height: 700 }, hasTouch: true, isMobile: true },
    async (visit, page) => {
      await page.evaluate(() => {
        for (const details of document.querySelectorAll("details")) details.open = true;
      });
      await visit.write({ seed: 1, length: 40 });
      const [content, width] = await page.evaluate(() => [
        document.documentElement.scrollWidth,
        document.documentElement.clientWidth,
      ]);
      assert.ok(content <= width, `${content} px of content on ${width} px`);
      for (const id of ["write"]) {
        const box = await visit.locate(id).boundingBox();
        assert.ok(box.height >= 32 && box.width >= 44, `${id}: ${box.width} x ${box.height}`);
      }
    },
  ),
);

test(
  "what can be pressed keeps its place while a story grows; no motion if asked for none",
  limit,
  () =>
    withPage(
      { held: true, reducedMotion: "reduce", viewport: { width: 390, height: 600 } },
      async (visit, page) => {
        await visit.set({ seed: 4, maxTokens: 200 });
        // In the window: what is operated lies at its lower edge.
        const places = () =>
          page.evaluate(() =>
            ["#prompt", ".primary", ".speed"].map(
              (at) => document.querySelector(`.view-write ${at}`).getBoundingClientRect().top,
            ),
          );
        const before = await places();
        await visit.locate("write").click();
        await page.waitForSelector("#story.writing p");
        const animated = await page.evaluate(
          () =>
            getComputedStyle(document.querySelector("#story p:last-child"), "::after")
              .animationName,
        );
        assert.equal(animated, "none");
        assert.deepEqual(await places(), before);
        // The text grows beyond the window, which ends between two pixels of it, then with whole lines.
        for (let step = 0, length = 0; step < 20; step++) {
          const shown = await page.waitForFunction((least) => {
            const { length } = document.querySelector("#story").textContent;
            return length > least && length;
          }, length);
          length = await shown.jsonValue();
          assert.deepEqual(await places(), before, `after ${length} letters`);
          await visit.release(8);
        }
        assert.ok((await page.evaluate(() => scrollY)) > 50, "the page is longer than the window");
        await visit.release();
        await page.waitForSelector("#ending");
        assert.deepEqual(await places(), before);
      },
    ),
);
