// story.test.mjs - writing a story in the page, end to end: it is the native twin's story on the first visit, from the
// browser's own storage, without any network, and with one thread; it can be stopped, and a prompt that is
// too long is an error that leaves the page usable.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CHAT_MODEL,
  PROMPT,
  TestSite,
  limit,
  modelBytes,
  nativeStory,
  siteWithChat,
} from "./site_under_test.mjs";
import { newContext, openVisit, openWithModel } from "./visits.mjs";

test("first visit, second visit without the model's server, third without any", limit, async () => {
  const site = await TestSite.start();
  const context = await newContext();
  const expected = nativeStory({ seed: 11 });

  const first = await openWithModel(site, { context });
  assert.ok(site.modelBytesSent >= modelBytes.length, "the model came over the network");
  await first.page.evaluate(() => {
    globalThis.longest = 0;
    const measure = () => {
      const { length } = document.querySelector("#story")?.textContent ?? "";
      globalThis.longest = Math.max(globalThis.longest, length);
    };
    const everything = { subtree: true, childList: true, characterData: true };
    new MutationObserver(measure).observe(document.querySelector(".view-write"), everything);
  });
  assert.equal(await first.write({ seed: 11 }), expected);
  const longest = await first.page.evaluate(() => globalThis.longest);
  assert.equal(longest, expected.length, "at its end the text does not stand there twice");
  const facts = await first.facts();
  assert.equal(facts["Model from"], "Network");
  assert.equal(facts.Isolated, "Yes");
  const processors = await first.page.evaluate(() => navigator.hardwareConcurrency);
  const several = processors > 1; // a machine with one has no use for the module with threads
  assert.equal(/-threads$/.test(facts.Module), several, facts.Module);
  assert.equal(Number(facts.Threads) >= 2, several, `threads: ${facts.Threads}`);
  assert.match(facts.Kernels, /^wasm_/);
  assert.match(facts["Model memory"], /^\d+(\.\d+)? [kMG]B$/);
  assert.match(facts["Session memory"], /^\d+(\.\d+)? [kMG]B$/);
  assert.match(facts.Speed, /^\d+(\.\d)? tokens\/s$/);
  assert.equal(facts.Written, "64 tokens");
  assert.match(facts["First token"], /^\d+(\.\d+)? m?s$/);
  assert.match(await first.page.locator(".answer-figures").textContent(), /64 tokens.*seed 11$/);
  assert.equal(await first.locate("notice").count(), 0, "nothing to give notice of");
  await first.keptOffline();
  await first.finish();

  site.serveModel(null);
  site.resetCounts();
  const second = await openVisit(site, { context, path: "#/write" });
  await second.ready();
  assert.equal((await second.facts())["Model from"], "IndexedDB");
  assert.equal(await second.write({ seed: 11 }), expected);
  assert.equal(
    await second.write({ seed: 12 }),
    nativeStory({ seed: 12 }),
    "another seed, another story",
  );
  assert.equal(site.modelBytesSent, 0);
  await second.finish();

  await site.stop();
  const third = await openVisit(site, { context, path: "#/write" });
  await third.ready();
  assert.equal(await third.write({ seed: 11 }), expected);
  const offline = await third.facts();
  assert.equal(offline["Model from"], "IndexedDB");
  assert.equal(offline.Isolated, "Yes", "cached answers keep COOP and COEP");
  assert.equal(offline.Threads, facts.Threads);
  // The browser asks for a newer service worker and finds nobody.
  third.expectMessages(/service_worker\.js/);
});

test(
  "a page that is not isolated runs on one thread, says so once, and writes the same",
  limit,
  async (t) => {
    const site = await TestSite.start({ isolation: false });
    // With a service worker it would isolate itself.
    const visit = await openVisit(site, { serviceWorkers: "block" });
    visit.expectMessages(/registration blocked/);
    await visit.openModel();
    await visit.ready();
    const facts = await visit.facts();
    assert.equal(facts.Isolated, "No");
    assert.equal(facts.Threads, "1");
    assert.doesNotMatch(facts.Module, /threads/);
    if ((await visit.page.evaluate(() => navigator.hardwareConcurrency)) === 1) {
      return t.skip("this machine has one processor: nothing is lost, so nothing is said");
    }
    await visit.goTo("");
    assert.match(await visit.text("notice-text"), /one thread.*not cross-origin isolated/i);
    assert.ok(await visit.locate("notice").isVisible());
    assert.equal(await visit.write({ seed: 11 }), nativeStory({ seed: 11 }));
    await visit.goTo("");
    await visit.locate("notice-dismiss").click();
    assert.equal(await visit.locate("notice").count(), 0);

    await visit.openModel();
    await visit.modelFrom("IndexedDB");
    assert.equal(await visit.locate("notice").count(), 0, "the notice comes once");
  },
);

test(
  "stopping keeps what is written, by button and by key; the next story starts afresh",
  limit,
  async () => {
    const site = await TestSite.start();
    const visit = await openWithModel(site, { held: true });
    await visit.set({ seed: 5, maxTokens: 200 });
    for (const stop of [
      () => visit.locate("stop").click(),
      () => visit.page.keyboard.press("Escape"),
    ]) {
      await visit.locate("prompt").focus();
      await visit.page.keyboard.press("Enter");
      // As soon as there is one token: the rest must not come.
      await visit.page.waitForFunction(
        (beginning) => document.querySelector("#story.writing")?.textContent.length > beginning,
        PROMPT.length,
      );
      await stop();
      await visit.page.waitForSelector("#ending");
      const text = await visit.text("story");
      assert.equal(await visit.text("ending"), "Stopped.");
      assert.ok(nativeStory({ seed: 5, length: 200 }).startsWith(text));
      assert.ok(await visit.locate("write").isEnabled(), "it can begin again");
    }
    // It appears as it is written, not at once: what has come stands there while the rest is held.
    const whole = nativeStory({ seed: 5 });
    await visit.set({ maxTokens: 64 });
    await visit.locate("write").click();
    for (let step = 0, length = PROMPT.length; step < 5; step++) {
      const shown = await visit.page.waitForFunction((before) => {
        const text = document.querySelector("#story.writing")?.textContent ?? "";
        return text.length > before && text;
      }, length);
      const text = await shown.jsonValue();
      assert.ok(whole.startsWith(text) && text.length < whole.length, text);
      ({ length } = text);
      await visit.release(8);
    }
    await visit.release();
    await visit.page.waitForSelector("#ending");
    assert.equal(await visit.text("story"), whole);
  },
);

test(
  "a prompt that is too long and a bad setting are said, and the page goes on",
  limit,
  async () => {
    const site = await TestSite.start();
    const visit = await openWithModel(site);
    await visit.locate("prompt").fill("One morning Tom went to the store. ".repeat(60));
    await visit.locate("write").click();
    assert.equal(await visit.errorCode("write"), "PROMPT_TOO_LONG");
    assert.equal(await visit.locate("write-problem").getByRole("button").count(), 0);
    // It is no story: the list has none, and what was typed is still there to be shortened.
    assert.equal(await visit.page.locator(".text-title").count(), 0);
    assert.match(await visit.locate("prompt").inputValue(), /^One morning Tom/);
    assert.equal(await visit.locate("story").count(), 0);
    const kept = () =>
      visit.page.evaluate(async () => {
        const database = await new Promise((resolve, reject) => {
          const request = indexedDB.open("tercet-conversations");
          request.onsuccess = () => resolve(request.result);
          request.onerror = () => reject(request.error);
        });
        const request = database.transaction("conversations").objectStore("conversations").count();
        await new Promise((resolve) => (request.onsuccess = resolve));
        database.close();
        return request.result;
      });
    assert.equal(await kept(), 0, "nothing is left of it");

    await visit.locate("prompt").fill(PROMPT);
    await visit.locate("settings").click();
    const field = visit.locate("setting-topP");
    await field.fill("7");
    assert.equal(await field.getAttribute("aria-invalid"), "true");
    assert.equal(await visit.text("setting-topP-hint"), "A number from 0.01 to 1.");
    await visit.page.keyboard.press("Escape");
    assert.equal(await visit.write({ seed: 3 }), nativeStory({ seed: 3 }));
    assert.equal(await visit.locate("write-problem").count(), 0);

    // Markup in a prompt is text, as is everything that comes from a model.
    const markup = `<img src="x" onerror="alert(1)"> <b>Tom</b>`;
    await visit.locate("prompt").fill(markup);
    assert.equal(
      await visit.write({ seed: 3, length: 8 }),
      nativeStory({ seed: 3, length: 8, prompt: markup }),
    );
    assert.equal(await visit.locate("story").locator("img, b").count(), 0);
  },
);

test(
  "an engine that crashes is said, and loaded again from the browser's storage",
  limit,
  async () => {
    const site = await TestSite.start({ folder: siteWithChat() });
    const visit = await openWithModel(site);
    visit.expectMessages(/broken on purpose/);
    const crash = async () => {
      const engines = visit.page.workers().filter((one) => one.url().endsWith("/engine_worker.js"));
      await engines.at(-1).evaluate(() => {
        setTimeout(() => {
          throw new Error("broken on purpose");
        });
      });
      await visit.locate("write").click();
      assert.equal(await visit.errorCode("write"), "ENGINE_CRASHED");
    };
    await crash();
    assert.match(await visit.text("write-problem"), /broken on purpose/);
    site.resetCounts();
    await visit.locate("write-problem").getByRole("button", { name: "Load again" }).click();
    await visit.modelFrom("IndexedDB");
    assert.equal(site.modelBytesSent, 0);
    assert.equal(await visit.write({ seed: 3, length: 16 }), nativeStory({ seed: 3, length: 16 }));
    await crash();
    await visit.openModel(CHAT_MODEL);
    await visit.page.waitForSelector("#send", { state: "attached" });
    assert.equal(await visit.problem("write").count(), 0, "it was another model's engine");
  },
);

test(
  "where the browser forbids storage, a story is written and deleted all the same",
  limit,
  async () => {
    const site = await TestSite.start();
    const context = await newContext({ serviceWorkers: "block" });
    await context.addInitScript(() => {
      for (const name of ["localStorage", "sessionStorage", "indexedDB", "caches"])
        Object.defineProperty(globalThis, name, {
          get() {
            throw new DOMException("storage is forbidden on purpose", "SecurityError");
          },
        });
    });
    // There it looks for the model that was open last.
    const visit = await openVisit(site, { context, path: "#/write" });
    visit.expectMessages(/registration blocked/);
    await visit.openModel();
    await visit.ready();
    assert.equal(await visit.write({ seed: 3, length: 16 }), nativeStory({ seed: 3, length: 16 }));
    // That it could not be kept is said; it is there.
    assert.equal(await visit.errorCode("write"), "STORAGE_FAILED");
    await visit.page.locator(".menu summary").click();
    await visit.page.getByRole("button", { name: "Delete" }).click();
    await visit.page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await visit.locate("story").waitFor({ state: "detached" });
    assert.equal(await visit.write({ seed: 4, length: 16 }), nativeStory({ seed: 4, length: 16 }));
  },
);

test(
  "a text that is not whole in the storage is neither listed nor opened, and stays there",
  limit,
  async () => {
    const site = await TestSite.start();
    const visit = await openVisit(site, { path: "#/write" });
    const { page } = visit;
    const inStorage = (work, value) =>
      page.evaluate(
        ([name, given]) =>
          new Promise((resolve, reject) => {
            // Made as the page makes it, should it not have come to it yet.
            const opened = indexedDB.open("tercet-conversations", 1);
            opened.onupgradeneeded = () =>
              opened.result.createObjectStore("conversations", { keyPath: "id" });
            opened.onerror = reject;
            opened.onsuccess = () => {
              const change = opened.result.transaction("conversations", "readwrite");
              const asked = change.objectStore("conversations")[name](given);
              change.onabort = reject;
              change.oncomplete = () => {
                opened.result.close();
                resolve(asked.result);
              };
            };
          }),
        [work, value],
      );
    const broken = {
      id: "1",
      kind: "story",
      title: "Broken",
      modelId: "a",
      modelName: "a",
      system: "",
    };
    const times = { createdAt: 1, changedAt: 1 };
    const messages = [{ role: "user", content: "Once" }];
    await inStorage("put", { ...broken, ...times });
    await inStorage("put", { ...broken, ...times, id: "2", title: "Whole", messages });
    await page.evaluate(() => localStorage.setItem("tercet.conversation", "1"));
    await page.reload();
    const titles = page.locator(".texts .text-title");
    await titles.first().waitFor();
    assert.deepEqual(await titles.allInnerTexts(), ["Whole"]);
    await titles.click();
    await visit.locate("story").waitFor();
    assert.equal(await visit.text("story"), "Once");
    assert.equal(await page.locator(".text-name").innerText(), "Whole");
    assert.deepEqual(await inStorage("get", "1"), { ...broken, ...times });
  },
);
