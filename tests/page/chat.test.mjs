// chat.test.mjs - conversations in the page as a person has them: asking, reading, stopping, editing, going on after a reload,
// taking them out, deleting them. The model is a golden one without sense, given room for long texts; where a test needs it
// to say something, the words are forced on it by the library's grammar, so that the engine, the stream and the page are the real ones.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, test } from "node:test";
import {
  answers,
  ask,
  count,
  escaped,
  hold,
  longText,
  questions,
  saved,
  teach,
  titles,
  visitChat,
} from "./chat_visits.mjs";
import { TestSite, limit, siteWithChat } from "./site_under_test.mjs";

let site;
before(async () => {
  site = await TestSite.start({ folder: siteWithChat() });
});

test(
  "an answer is Markdown, its code and its text can be copied, and nothing in it is markup",
  limit,
  async () => {
    const visit = await visitChat(site);
    const { page } = visit;
    const code = "const a = 1; // <b>\nlet c;";
    const said = [
      "## First\n\nThis is **bold** and `code`.\n\n1. one\n2. two",
      "```js\n" + code + "\n```",
      "| a | b |\n|---|--:|\n| 1 | 2 |",
      '<img src=x onerror="alert(1)"><script>alert(2)</script>',
      "[good](https://example.com/) [bad](javascript:alert(3)) ![](https://example.com/i.png) &lt;i&gt; &constructor; &valueOf;",
    ].join("\n\n");
    page.on("dialog", () => assert.fail("something of the answer ran"));
    await ask(visit, "How?", `<think>\nHm, how.\n</think>\n\n${said}`);
    const answer = answers(visit).last();
    assert.equal(await answer.locator(".markdown h4").textContent(), "First");
    assert.equal(await answer.locator("strong").textContent(), "bold");
    assert.deepEqual(await answer.locator("li").allTextContents(), ["one", "two"]);
    assert.equal(await answer.locator("pre").textContent(), code);
    assert.deepEqual(await answer.locator("td").allTextContents(), ["1", "2"]);
    assert.equal(await answer.locator("img, script, i").count(), 0);
    assert.match(await answer.textContent(), /<img src=x onerror="alert\(1\)"><script>/);
    const links = await answer.locator("a").evaluateAll((all) => all.map((a) => [a.href, a.rel]));
    assert.deepEqual(links, [
      ["https://example.com/", "noopener noreferrer"],
      ["https://example.com/i.png", "noopener noreferrer"],
    ]);
    assert.match(await answer.textContent(), /bad.*<i> &constructor; &valueOf;/);

    const thoughts = answer.locator("details.thinking");
    assert.equal(await thoughts.evaluate((details) => details.open), false);
    await thoughts.locator("summary").click();
    assert.equal(await thoughts.locator("p").textContent(), "Hm, how.");

    // What a button says for a moment is noted: on a busy machine the moment is over before one looks.
    await answer.evaluate((article) => {
      globalThis.labels = [];
      new MutationObserver((changes) => {
        for (const { target } of changes) globalThis.labels.push(target.textContent);
      }).observe(article, { childList: true, characterData: true, subtree: true });
    });
    const copied = (text) =>
      visit.until(
        async (wanted) =>
          globalThis.labels.includes("Copied") && (await navigator.clipboard.readText()) === wanted,
        text,
      );
    await answer.getByRole("button", { name: "Copy code" }).click();
    await copied(code);
    await page.evaluate(() => (globalThis.labels = []));
    await answer.getByRole("button", { name: "Copy", exact: true }).click();
    await copied(said);
  },
);

test("edit and send again, another answer, stop by key, a system prompt", limit, async () => {
  const visit = await visitChat(site);
  const { page } = visit;
  await page.locator(".system summary").click();
  await visit.locate("system").fill("Be kind.");
  await ask(visit, "One", "First.");
  await ask(visit, "Two", "Second.");
  const asked = () => page.evaluate(() => globalThis.asked.at(-1).messages);
  assert.deepEqual(await asked(), [
    { role: "system", content: "Be kind." },
    { role: "user", content: "One" },
    { role: "assistant", content: "First." },
    { role: "user", content: "Two" },
  ]);

  await page.evaluate(() => (globalThis.grammar = { regex: "Another\\." }));
  await answers(visit).last().getByRole("button", { name: "Another answer" }).click();
  await page.waitForFunction(
    () =>
      [...document.querySelectorAll(".message.assistant .markdown")].at(-1)?.textContent ===
      "Another.",
  );
  assert.equal(await answers(visit).count(), 2, "in the place of the last");

  await questions(visit).first().getByRole("button", { name: "Edit" }).click();
  const field = page.getByRole("textbox", { name: "Your message" });
  await field.fill("Uno");
  await page.evaluate((regex) => (globalThis.grammar = { regex }), escaped(longText("Uno dos.")));
  await hold(visit, "dos");
  await field.press("Enter");
  await page.locator(".message.live .markdown", { hasText: "dos" }).waitFor();
  assert.equal(await questions(visit).count(), 1, "what followed is gone");
  assert.equal(await questions(visit).locator("p").textContent(), "Uno");
  await page.keyboard.press("Escape");
  await page.waitForSelector(".message.assistant .cut");
  assert.equal(await answers(visit).locator(".cut").textContent(), "Stopped.");
  await visit.locate("send").waitFor();
  assert.deepEqual((await asked()).at(-1), { role: "user", content: "Uno" });
  assert.deepEqual(await titles(visit, 1), ["Uno"], "it is one conversation");
  // A line break is no message.
  await visit.locate("message").fill("a");
  await visit.locate("message").press("Shift+Enter");
  assert.equal(await visit.locate("message").inputValue(), "a\n");
});

test(
  "a conversation is there after a reload and goes on where it was, is renamed, taken out, deleted",
  limit,
  async () => {
    const visit = await visitChat(site);
    const { page } = visit;
    await ask(visit, "What is your name and who are you?", "I am nobody in particular.");
    const [name] = await saved(visit, 1);
    assert.match(name, /^conversation /);
    await page.reload();
    await page.waitForSelector("#send:enabled");
    await teach(visit);
    assert.equal(
      await questions(visit).locator("p").textContent(),
      "What is your name and who are you?",
    );
    assert.match(await answers(visit).textContent(), /I am nobody in particular\./);
    await ask(visit, "And now?", "Still.");
    const figures = await answers(visit).last().locator(".answer-figures").textContent();
    assert.match(figures, /\d+ of \d+ prompt tokens were here already/);

    await page.locator(".menu summary").click();
    await page.getByRole("button", { name: "Rename" }).click();
    await page.getByRole("textbox", { name: "Title" }).fill("Names");
    await page.keyboard.press("Enter");
    await page.locator(".text-title", { hasText: "Names" }).waitFor();
    const download = async (button) => {
      await page.locator(".menu summary").click();
      const [file] = await Promise.all([
        page.waitForEvent("download"),
        page.getByRole("button", { name: button }).click(),
      ]);
      return { name: file.suggestedFilename(), text: readFileSync(await file.path(), "utf8") };
    };
    const markdown = await download("Export as Markdown");
    assert.equal(markdown.name, "Names.md");
    assert.match(markdown.text, /^# Names\n[^]*## You\n\nAnd now\?\n\n## Answer\n\nStill\.\n$/);
    const json = await download("Export as JSON");
    assert.equal(json.name, "Names.json");
    const { messages } = JSON.parse(json.text);
    assert.deepEqual(
      messages.map(({ content }) => content),
      ["What is your name and who are you?", "I am nobody in particular.", "And now?", "Still."],
    );
    // The words were forced on the model: what it is given back it reads as other tokens. Its first prompt is the same.
    const { promptTokens } = messages[1].figures;
    const { reusedTokens } = messages[3].figures;
    assert.ok(reusedTokens >= promptTokens - 1, `${reusedTokens} of ${promptTokens}`);

    // A second one, and back to the first.
    await page.getByRole("button", { name: "New conversation" }).click();
    await count(visit, ".message", 0);
    await ask(visit, "Other", "Else.");
    await saved(visit, 2);
    await page.locator(".text-title", { hasText: "Names" }).click();
    await count(visit, ".message.user", 2);

    await page.locator(".menu summary").click();
    await page.getByRole("button", { name: "Delete" }).click();
    const dialog = page.getByRole("dialog");
    assert.match(await dialog.textContent(), /“Names” will be gone/);
    await dialog.getByRole("button", { name: "Delete" }).click();
    await count(visit, ".text-title", 1);
    assert.deepEqual(await titles(visit, 1), ["Other"]);
    assert.ok((await saved(visit, 1))[0] !== name, "what was computed for it is gone too");
    await count(visit, ".message", 0);
  },
);

test(
  "who asks before the page has read its texts goes on from what was computed all the same",
  limit,
  async () => {
    const visit = await visitChat(site);
    const { page } = visit;
    await ask(visit, "What is your name and who are you?", "I am nobody in particular.");
    await saved(visit, 1);
    // Nobody reads the texts for as long as a writer holds them.
    await page.evaluate(
      () =>
        new Promise((held) => {
          globalThis.letGo = false;
          indexedDB.open("tercet-conversations").onsuccess = ({ target }) => {
            const texts = target.result.transaction("conversations", "readwrite");
            texts.oncomplete = () => target.result.close();
            const stay = () => {
              held();
              if (!globalThis.letGo) texts.objectStore("conversations").count().onsuccess = stay;
            };
            stay();
          };
        }),
    );
    await visit.locate("settings").click();
    await page.getByRole("button", { name: "Open again with these" }).click();
    await page.waitForSelector(".open-model.open", { state: "attached" });
    await page.keyboard.press("Escape");
    await page.evaluate((regex) => (globalThis.grammar = { regex }), "Still\\.");
    await visit.locate("message").fill("And now?");
    await visit.locate("message").press("Enter");
    await page.evaluate(() => (globalThis.letGo = true));
    await answers(visit).nth(1).locator(".answer-figures").waitFor();
    const figures = await answers(visit).last().locator(".answer-figures").textContent();
    assert.match(figures, /\d+ of \d+ prompt tokens were here already/);
  },
);

test(
  "tokens in the colour of their probability, with what else was likely, by pointer and by key",
  limit,
  async () => {
    const visit = await visitChat(site);
    const { page } = visit;
    await visit.locate("coloured").click();
    await page.evaluate(
      (regex) => (globalThis.grammar = { regex }),
      escaped("The cat is on the old mat."),
    );
    await hold(visit, "cat");
    await visit.locate("message").fill("Where?");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".message.live .tokens > span");
    await hold(visit, null);
    await page.waitForSelector(".message.assistant:not(.live) .tokens");
    const spans = page.locator(".tokens > span");
    const whole = (await spans.allTextContents()).join("");
    assert.equal(whole, "The cat is on the old mat.");
    const classes = await spans.evaluateAll((all) => all.map((span) => span.className));
    assert.ok(
      classes.every((name) => /^shade-[0-5]$/.test(name)),
      `${classes}`,
    );

    await spans.nth(2).hover();
    const card = page.locator(".alternatives");
    await card.waitFor();
    const rows = await card.locator("tr").allTextContents();
    assert.ok(rows.length >= 5, `${rows}`);
    for (const row of rows) assert.match(row, /(\d|<) ?[\d.]* ?%$/);
    assert.equal(await card.locator(".chosen").count(), 1);
    await page.mouse.move(0, 0);
    await card.waitFor({ state: "detached" });

    await page.locator(".tokens").focus();
    await card.waitFor();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    const active = await page.evaluate(() => {
      const list = document.activeElement;
      const token = document.getElementById(list.getAttribute("aria-activedescendant"));
      return [[...list.children].indexOf(token), token.ariaLabel];
    });
    assert.equal(active[0], 2);
    assert.match(active[1], /%; likely were .*%/);
    await page.keyboard.press("End");
    assert.equal(
      await page.locator(".tokens > [aria-selected]").textContent(),
      await spans.last().textContent(),
    );
    await page.keyboard.press("Escape");
    await card.waitFor({ state: "detached" });
    await visit.locate("coloured").click();
    await page.waitForSelector(".message.assistant .markdown");
    assert.equal(await spans.count(), 0);
  },
);

test(
  "while an answer streams nothing jumps, the end is followed by who is there, and sentences are spoken",
  limit,
  async () => {
    const visit = await visitChat(site, { viewport: { width: 390, height: 480 } });
    const { page } = visit;
    await page.evaluate(() => {
      globalThis.shifts = [];
      const note = (entries) => {
        for (const { value, hadRecentInput, sources } of entries)
          if (!hadRecentInput)
            globalThis.shifts.push([value, ...sources.map(({ node }) => node?.className)]);
      };
      const observer = new PerformanceObserver((list) => note(list.getEntries()));
      observer.observe({ type: "layout-shift" });
      // Frames that are under way are told of later.
      globalThis.jumps = async () => {
        for (let frame = 0; frame < 3; frame++)
          await new Promise((resolve) => requestAnimationFrame(resolve));
        await new Promise((resolve) => setTimeout(resolve));
        note(observer.takeRecords());
        return globalThis.shifts.splice(0);
      };
      globalThis.spoken = [];
      const region = document.querySelector("#announcer");
      new MutationObserver(() => globalThis.spoken.push(region.textContent)).observe(region, {
        childList: true,
        characterData: true,
        subtree: true,
      });
    });
    const lines = Array.from(
      { length: 8 },
      (_, i) => `${i + 1}. This is the item number ${i + 1} of it.`,
    );
    const text = `Here they are.\n\n${lines.join("\n")}\n\nThat is all. Done.`;
    await page.evaluate((regex) => (globalThis.grammar = { regex }), escaped(text));
    await hold(visit, "number 5");
    await visit.locate("message").fill("List them");
    await page.keyboard.press("Enter");
    await count(visit, ".live li", 5);
    // The page follows with the frame after.
    const endInSight = () =>
      page.waitForFunction(() => {
        const thread = document.querySelector(".thread").getBoundingClientRect();
        return thread.bottom - document.querySelector(".foot").getBoundingClientRect().top < 48;
      });
    await endInSight();
    // What moves with the wheel is no jump, and is told as one at times.
    const jumps = () => page.evaluate(() => globalThis.jumps());
    assert.deepEqual(await jumps(), []);
    // Who reads above is left alone.
    await page.mouse.move(150, 250);
    await page.mouse.wheel(0, -5000);
    await page.waitForSelector(".to-end");
    await page.waitForFunction(() => scrollY === 0);
    await jumps();
    await hold(visit, "number 7");
    await count(visit, ".live li", 7);
    assert.deepEqual(await jumps(), []);
    assert.equal(await page.evaluate(() => scrollY), 0);
    assert.deepEqual(await jumps(), []);
    await page.locator(".to-end").click();
    await page.locator(".to-end").waitFor({ state: "detached" });
    await endInSight();
    await jumps();
    await hold(visit, null);
    await page.waitForSelector(".message.assistant:not(.live) .answer-figures");
    assert.deepEqual(await jumps(), []);
    const spoken = await page.evaluate(() => globalThis.spoken);
    const talk = spoken.filter((one) => one && one !== "Writing");
    assert.ok(talk.length < 30, "not each token");
    for (const one of talk) assert.match(one, /[.!?]$/, "whole sentences");
    assert.match(talk.at(-1), /The model ended its text\. \d+ tokens\.$/);
  },
);

test(
  "settings explain themselves, stay over a reload, open the model again, and can be reset",
  limit,
  async () => {
    const visit = await visitChat(site);
    const { page } = visit;
    await visit.set({ temperature: 0, maxTokens: 5, seed: 9, context: 256, threads: 1 });
    await visit.locate("settings").click();
    const dialog = page.getByRole("dialog", { name: "Settings" });
    await dialog.locator("#setting-kv").waitFor();
    const fields = await dialog.locator(".setting").all();
    assert.equal(fields.length, 10);
    for (const field of fields) assert.ok((await field.locator("small").textContent()).length > 15);
    await dialog.locator("#setting-kv").selectOption("f16");
    await dialog.getByRole("button", { name: "Open again with these" }).click();
    await dialog.getByText("Open now: 256 tokens, 1 thread, f16.").waitFor();
    await page.keyboard.press("Escape");
    await page.reload();
    await page.waitForSelector("#send:enabled");
    await teach(visit);
    await ask(visit, "Hi");
    const { options } = await page.evaluate(() => {
      const { onLogprobs, signal, ...options } = globalThis.asked[0].options;
      return { options };
    });
    assert.deepEqual(
      [options.temperature, options.maxTokens, options.seed, options.topP, options.thinking],
      [0, 5, 9, 0.95, true],
    );
    await visit.locate("settings").click();
    assert.equal(await visit.locate("setting-temperature").inputValue(), "0");
    await dialog.getByRole("button", { name: "Reset to defaults" }).click();
    assert.equal(await visit.locate("setting-temperature").inputValue(), "0.7");
    assert.equal(await visit.locate("setting-seed").inputValue(), "");
    assert.equal(await visit.locate("setting-kv").inputValue(), "int8");
  },
);

test("on a phone the texts lie behind a button, and everything fits", limit, async () => {
  const visit = await visitChat(site, { viewport: { width: 320, height: 640 }, hasTouch: true });
  const { page } = visit;
  await ask(
    visit,
    "A question",
    `A ${"verylongword".repeat(12)}.\n\n\`\`\`\n${"x = 1; ".repeat(30)}\n\`\`\``,
  );
  await page.getByRole("button", { name: "Texts" }).click();
  const drawer = page.getByRole("dialog", { name: "Texts" });
  assert.deepEqual(await titles(visit, 1, drawer), ["A question"]);
  await drawer.getByRole("button", { name: "New conversation" }).click();
  await drawer.waitFor({ state: "detached" });
  await count(visit, ".message", 0);
  await page.getByRole("button", { name: "Texts" }).click();
  await drawer.locator(".text-title").click();
  await answers(visit).waitFor();
  const [content, width] = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    document.documentElement.clientWidth,
  ]);
  assert.ok(content <= width, `${content} px of content on ${width} px`);
});
