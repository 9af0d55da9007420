// chat_visits.mjs - conversations in the page for tests: a visit with the chat model open, whose words can be forced on it, and what is
// done and looked for in a conversation.

import { CHAT_MODEL } from "./site_under_test.mjs";
import { openVisit } from "./visits.mjs";

/** A visit of the page at `site`, which has the chat model, with that open, at the empty conversation. */
export async function visitChat(site, options) {
  const permissions = ["clipboard-read", "clipboard-write"];
  const visit = await openVisit(site, { permissions, ...options });
  await visit.openModel(CHAT_MODEL);
  await visit.readyToChat();
  await teach(visit);
  return visit;
}

/**
 * From now on the model says what `grammar` asks for, waits once it has said `holdAt`, for as long as that stands, and the page
 * remembers what the library was asked.
 */
export async function teach(visit) {
  await visit.page.evaluate(async () => {
    const { Model } = await import(new URL("tercet/index.js", document.baseURI).href);
    const { chat } = Model.prototype;
    globalThis.asked = [];
    globalThis.holdAt = null;
    Model.prototype.chat = function (messages, options) {
      const { grammar } = globalThis;
      globalThis.model = this;
      globalThis.asked.push({ messages, options });
      const generation = chat.call(this, messages, { ...options, ...(grammar ? { grammar } : {}) });
      const next = generation.next.bind(generation);
      let text = "";
      const held = () => {
        const { holdAt } = globalThis;
        return holdAt !== null && text.includes(holdAt) && !options.signal.aborted;
      };
      generation.next = async () => {
        while (held()) await new Promise((resolve) => setTimeout(resolve, 10));
        const step = await next();
        text += step.value ?? "";
        return step;
      };
      return generation;
    };
  });
}

export const hold = (visit, at) => visit.page.evaluate((text) => (globalThis.holdAt = text), at);

export const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\/]/gu, "\\$&");

/** Sends a message and waits for the answer, which will be `answer`, or whatever the model says. */
export async function ask(visit, message, answer = null) {
  const { page } = visit;
  await page.evaluate(
    (regex) => (globalThis.grammar = regex && { regex }),
    answer && escaped(answer),
  );
  const before = await page.locator(".message.assistant:not(.live)").count();
  await visit.locate("message").fill(message);
  await visit.locate("message").press("Enter");
  await page.waitForFunction(
    (count) => document.querySelectorAll(".message.assistant:not(.live)").length > count,
    before,
  );
}

/** Far longer than what the engine writes ahead of its reader: who stops at its beginning stops it in the middle. */
export const longText = (beginning) => `${beginning} ${"And so it goes on. ".repeat(20)}`;

/** Until there are so many of them. */
export const count = (visit, selector, wanted) =>
  visit.page.waitForFunction(
    ([all, number]) => document.querySelectorAll(all).length === number,
    [selector, wanted],
  );

/** The titles of the texts that are kept, once there are so many: they come from a database. */
export async function titles(visit, wanted, place = visit.page) {
  await place
    .locator(".text-title")
    .nth(wanted - 1)
    .waitFor();
  return place.locator(".text-title").allTextContents();
}

/** The names of what was computed and kept, once there are so many. */
export async function saved(visit, wanted) {
  await visit.until(async (number) => {
    globalThis.savedNames = (await globalThis.model.savedSessions()).map(({ name }) => name);
    return globalThis.savedNames.length === number;
  }, wanted);
  return visit.page.evaluate(() => globalThis.savedNames);
}

export const answers = (visit) => visit.page.locator(".message.assistant");
export const questions = (visit) => visit.page.locator(".message.user");
