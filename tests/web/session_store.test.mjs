// session_store.test.mjs - saved sessions when several tabs, full disks and closed tabs come into it: what a name stands for is whole or
// not there, and nothing that no name stands for stays in the storage.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PROMPT, limit, modelBytes, runNatively } from "./library_under_test.mjs";
import { page, server } from "./one_page.mjs";

/** In the engine's worker: a save under a name that begins with "held" waits at each part until the tab says "go on" on a channel. */
const HELD_PARTS = `{
  const channel = new BroadcastChannel("parts");
  const digest = crypto.subtle.digest.bind(crypto.subtle);
  let held = false;
  let open = () => {};
  channel.onmessage = ({ data }) => data === "go on" && open();
  crypto.subtle.digest = async (...values) => {
    if (held) {
      channel.postMessage("waits");
      await new Promise((resolve) => (open = resolve));
    }
    return digest(...values);
  };
  addEventListener("message", ({ data }) => {
    if (data.op === "sessionSave") held = data.name.startsWith("held");
  });
}`;

/** A model with a text as long as its context, whose state takes several parts. */
const open = (tab) =>
  tab.run(async (prompt) => {
    globalThis.model = await tercet.load("/model.tercet", { context: 256, kv: "f32" });
    const words = (await model.tokenize(prompt.repeat(80))).slice(0, 250);
    await model.generate(words, { seed: 1, maxTokens: 1 }).result;
  }, PROMPT);

/** { names: of what is whole, orphans: parts that no record names }, read past the library. */
const stored = (tab) =>
  tab.run(async () => {
    const opening = indexedDB.open("tercet-sessions");
    const database = await new Promise(
      (resolve) => (opening.onsuccess = () => resolve(opening.result)),
    );
    const asked = ["sessions", "parts"].map((name) => {
      const store = database.transaction(name).objectStore(name);
      const request = name === "parts" ? store.getAllKeys() : store.getAll();
      return new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
    });
    const [records, keys] = await Promise.all(asked);
    database.close();
    const partsOf = ({ name, save }) => keys.filter((key) => key[1] === name && key[2] === save);
    const named = records.flatMap(partsOf);
    return {
      names: records
        .filter((record) => partsOf(record).length === record.sha256.length)
        .map(({ name }) => name),
      broken: records
        .filter((record) => partsOf(record).length !== record.sha256.length)
        .map(({ name }) => name),
      parts: records.map(({ sha256 }) => sha256.length),
      orphans: keys.length - named.length,
    };
  });

/** A save in this tab that has written one part and waits before the second. */
async function beginHeldSave(tab) {
  await tab.run(() => {
    globalThis.channel = new BroadcastChannel("parts");
    globalThis.heard = [];
    channel.onmessage = ({ data }) => heard.push(data);
    globalThis.abort = new AbortController();
    globalThis.saving = model.session.save("held one", { signal: abort.signal });
  });
  await tab.page.waitForFunction(() => heard.includes("waits"));
  await tab.run(() => {
    heard.length = 0;
    channel.postMessage("go on");
  });
  await tab.page.waitForFunction(() => heard.includes("waits"));
}

const finishHeldSave = (tab) =>
  tab.run(() => {
    channel.onmessage = ({ data }) => data === "waits" && channel.postMessage("go on");
    channel.postMessage("go on");
    return saving.finally(() => channel.close());
  });

/** Once `globalThis.done` of the tab is true, or somebody holds saved sessions while another waits for them. */
const doneOrWaiting = (tab) =>
  tab.page.waitForFunction(async () => {
    const { held, pending } = await navigator.locks.query();
    const ours = (lock) => lock.name === "tercet-sessions";
    return globalThis.done || (held.some(ours) && pending.some(ours));
  });

async function twoTabs() {
  const second = await page.anotherTab(server);
  server.workerPreamble = HELD_PARTS;
  await open(page);
  server.workerPreamble = "";
  await open(second);
  return second;
}

test("two tabs save under one name at the same time: it is there, whole", limit, async () => {
  const second = await twoTabs();
  await beginHeldSave(page);
  await second.run(() => {
    globalThis.work = model.session.save("held one").then(() => (globalThis.done = true));
  });
  await doneOrWaiting(second);
  await finishHeldSave(page);
  await second.run(() => work);
  const found = await stored(page);
  assert.ok(found.parts[0] >= 3, `${found.parts} parts`);
  assert.deepEqual([found.names, found.broken, found.orphans], [["held one"], [], 0]);
  const { tokens } = await second.run(() => model.restoreSession("held one"));
  assert.ok(tokens >= 250);
});

test(
  "one tab restores or deletes while another saves: no half of it is taken for damaged",
  limit,
  async () => {
    const second = await twoTabs();
    await second.run(() => model.session.save("held one"));
    for (const deletes of [false, true]) {
      await beginHeldSave(page);
      await second.run((deletes) => {
        globalThis.done = false;
        const { modelId } = model.info;
        const asked = deletes
          ? tercet.cache.delete(modelId).then(() => model.savedSessions())
          : model.restoreSession("held one");
        globalThis.work = asked.finally(() => (globalThis.done = true));
      }, deletes);
      await doneOrWaiting(second);
      await finishHeldSave(page);
      const got = await second.run(() => work);
      const { names, broken, orphans } = await stored(page);
      if (deletes) assert.deepEqual([got, names, broken, orphans], [[], [], [], 0]);
      else assert.ok(got.tokens >= 250);
      assert.deepEqual([broken, orphans], [[], 0]);
    }
  },
);

test("a save that waits for another tab can be stopped", limit, async () => {
  const second = await twoTabs();
  await beginHeldSave(page);
  const { code, text } = await second.run(async (prompt) => {
    const abort = new AbortController();
    const work = failure(model.session.save("two", { signal: abort.signal }));
    const waits = async () => (await navigator.locks.query()).pending.length > 0;
    while (!(await waits()));
    abort.abort();
    const { code } = await work;
    return { code, text: (await model.generate(prompt, { maxTokens: 4 }).result).text };
  }, PROMPT);
  assert.equal(code, "ABORTED");
  assert.ok(text.length > 0, "the engine goes on");
  await finishHeldSave(page);
});

test(
  "a save that is stopped leaves nothing of itself, and what had the name before",
  limit,
  async () => {
    server.workerPreamble = HELD_PARTS;
    await open(page);
    await page.run(() => model.session.save("one"));
    await beginHeldSave(page);
    assert.equal((await stored(page)).orphans, 1, "the test sees the part that was written");
    const { code } = await page.run(() => {
      const told = failure(saving);
      abort.abort();
      channel.postMessage("go on");
      return told;
    });
    assert.equal(code, "ABORTED");
    const { names, broken, orphans } = await stored(page);
    assert.deepEqual([names, broken, orphans], [["one"], [], 0]);
  },
);

test("parts of a tab that was closed while it saved go with the next save", limit, async () => {
  const second = await twoTabs();
  await beginHeldSave(page);
  await page.page.close();
  assert.equal((await stored(second)).orphans, 1);
  await second.run(() => model.session.save("another"));
  const { names, broken, orphans } = await stored(second);
  assert.deepEqual([names, broken, orphans], [["another"], [], 0]);
  page.page = second.page;
});

test(
  "no room for a save: QUOTA_EXCEEDED, nothing of it stays, what was saved is there, the engine works",
  limit,
  async () => {
    const session = await page.context.newCDPSession(page.page);
    // Before anything is stored: the browser remembers for a while how much room there was. The model and a save fit, two do not.
    await session.send("Storage.overrideQuotaForOrigin", {
      origin: server.origin,
      quotaSize: modelBytes.length + 4_500_000,
    });
    await open(page);
    await page.run(() => model.session.save("one"));
    for (const name of ["one", "two"]) {
      const { code, advice } = await page.run((name) => failure(model.session.save(name)), name);
      assert.deepEqual([code, advice], ["QUOTA_EXCEEDED", "free-space"], name);
      const { names, broken, orphans } = await stored(page);
      assert.deepEqual([names, broken, orphans], [["one"], [], 0], name);
    }
    await session.send("Storage.overrideQuotaForOrigin", { origin: server.origin });
    const restored = await page.run(() => model.restoreSession("one"));
    assert.ok(restored.tokens >= 250);
  },
);

test(
  "records that lost a part of what they say: no save and no load ends over them",
  limit,
  async () => {
    await open(page);
    const got = await page.run(async (prompt) => {
      const told = {};
      const change = async (name, store, spoil) => {
        const opening = indexedDB.open(name);
        const database = await new Promise(
          (resolve) => (opening.onsuccess = () => resolve(opening.result)),
        );
        const records = database.transaction(store, "readwrite").objectStore(store);
        const all = records.getAll();
        await new Promise((resolve) => (all.onsuccess = resolve));
        for (const record of all.result) {
          spoil(record);
          records.put(record);
        }
        await new Promise((resolve) => (records.transaction.oncomplete = resolve));
        database.close();
      };
      await model.session.save("one");
      await change("tercet-sessions", "sessions", (record) => delete record.messages);
      told.messages = (await model.restoreSession("one")).messages;
      await model.session.save("one");
      // The session holds that very text: without a hash there is nothing that says so.
      for (const spoil of [(record) => record.sha256.pop(), (record) => delete record.sha256]) {
        await change("tercet-sessions", "sessions", spoil);
        told.unhashed = [
          ...(told.unhashed ?? []),
          (await failure(model.restoreSession("one"))).code,
        ];
      }
      await model.dispose();
      await change("tercet", "headers", (record) => delete record.fileBytes);
      const other = await tercet.load("/model.tercet");
      told.text = (await other.generate(prompt, { maxTokens: 8, seed: 5 }).result).text;
      await other.dispose();
      return told;
    }, PROMPT);
    const { text } = runNatively(["-p", PROMPT, "-n", 8, "--seed", 5]);
    assert.deepEqual(got, { messages: [], unhashed: ["BAD_STATE", "BAD_STATE"], text });
  },
);
