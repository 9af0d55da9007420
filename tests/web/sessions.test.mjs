// sessions.test.mjs - several texts on one model, each with its own memory; saved, and taken up again after a reload as if nothing had
// been in between; and whatever lies damaged in the storage is refused without harm.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { root } from "../../scripts/paths.mjs";
import {
  PROMPT,
  TestPage,
  TestServer,
  launchBrowser,
  limit,
  runNatively,
  tercet,
} from "./library_under_test.mjs";

const folder = mkdtempSync(join(tmpdir(), "tercet-sessions-"));
let browser, isolated, plain;
before(async () => {
  const file = join(folder, "qwen3.tercet");
  const source = join(root, "tests/golden/models/qwen3-grid-bf16");
  execFileSync(tercet, ["pack", source, "-o", file, "--chat-format", "qwen3", "--quiet"]);
  browser = await launchBrowser();
  isolated = await TestServer.start();
  isolated.write("qwen3.tercet", readFileSync(file));
  plain = await TestServer.start({ isolation: false });
});
after(async () => {
  await browser?.close();
  await isolated?.stop();
  await plain?.stop();
  rmSync(folder, { recursive: true, force: true });
});

for (const [name, server] of [
  ["with threads", () => isolated],
  ["without isolation", () => plain],
]) {
  test(
    `${name}: texts of several sessions go on side by side, and none knows of another`,
    limit,
    async () => {
      const page = await TestPage.open(browser, server());
      const got = await page.run(async (prompt) => {
        const model = await tercet.load("/model.tercet", { sessions: 3, context: 256 });
        const asked = await model.sessionBytes({ kv: "f16", context: 64 });
        const second = await model.createSession();
        const third = await model.createSession({ kv: "f16", context: 64 });
        // Taken in turns: each waits for its reader while another is read.
        const runs = [model, second, third].map((one, i) =>
          one.generate(prompt, { seed: 5 + i, maxTokens: 20 }),
        );
        const texts = ["", "", ""];
        const open = new Set([0, 1, 2]);
        while (open.size > 0)
          for (const i of open) {
            const { value, done } = await runs[i].next();
            if (done) open.delete(i);
            else texts[i] += value;
          }
        const again = await second.generate(prompt, { seed: 6, maxTokens: 20 }).result;
        const infos = [model.session.info, second.info, third.info];
        const full = await failure(model.createSession({ context: 256, kv: "f32" }));
        await second.dispose();
        const gone = await failure(second.embed("a"));
        const refused = await failure(model.sessionBytes({ context: 100000 }));
        await model.dispose();
        return {
          texts,
          reused: again.reusedTokens,
          prompt: again.promptTokens,
          infos,
          asked,
          full,
          gone,
          refused,
        };
      }, PROMPT);
      const kv = ["int8", "int8", "f16"];
      for (const [i, text] of got.texts.entries()) {
        const flags = ["-n", 20, "--seed", 5 + i, "--kv", kv[i], "--context", i === 2 ? 64 : 256];
        assert.equal(text, runNatively(["-p", PROMPT, ...flags]).text, kv[i]);
        assert.equal(got.infos[i].kv, kv[i]);
      }
      assert.equal(got.reused, got.prompt - 1, "its own text, whatever the others did");
      assert.equal(got.infos[2].bytes, got.asked);
      assert.equal(got.full.code, "OUT_OF_MEMORY");
      assert.match(got.full.message, /"sessions"/);
      assert.equal(got.gone.code, "DISPOSED");
      assert.equal(got.refused.code, "BAD_ARGUMENT");
      await page.finish();
    },
  );
}

test("a disposed session stops what runs in it, and makes room for the next", limit, async () => {
  const page = await TestPage.open(browser, isolated);
  const got = await page.run(async (prompt) => {
    const model = await tercet.load("/model.tercet", { sessions: 2, context: 128 });
    const reasons = [];
    for (let round = 0; round < 5; round++) {
      const session = await model.createSession();
      const run = session.generate(prompt, { seed: 1 });
      await run.next(); // and nobody reads on
      const waiting = session.generate(prompt).result;
      await session.dispose();
      await session.dispose();
      reasons.push((await run.result).finishReason, (await waiting).finishReason);
    }
    const { text } = await model.generate(prompt, { seed: 5, maxTokens: 8 }).result;
    await model.dispose();
    return { reasons: [...new Set(reasons)], text };
  }, PROMPT);
  assert.deepEqual(got.reasons, ["aborted"]);
  assert.equal(got.text, runNatively(["-p", PROMPT, "-n", 8, "--seed", 5]).text);
  await page.finish();
});

test(
  "a reload goes on where the text was: nothing is computed twice, and no token differs",
  limit,
  async () => {
    for (const server of [isolated, plain])
      for (const kv of ["int8", "f16"]) {
        const page = await TestPage.open(browser, server);
        const options = { kv, context: 256 };
        const before = await page.run(
          async ({ prompt, options }) => {
            const model = await tercet.load("/model.tercet", options);
            const first = await model.generate(prompt, { seed: 3, maxTokens: 30 }).result;
            const saved = await model.session.save("story");
            const start = await model.tokenize(prompt, { addBeginning: true });
            const longer = [...start, ...first.tokens, ...(await model.tokenize(" Then"))];
            const second = await model.generate(longer, { seed: 4, maxTokens: 20 }).result;
            return { longer, saved, second: second.tokens, made: first.tokens.length };
          },
          { prompt: PROMPT, options },
        );
        await page.visit(server, "/");
        server.requests = [];
        const after = await page.run(
          async ({ longer, options }) => {
            const model = await tercet.load("/model.tercet", options);
            const restored = await model.restoreSession("story");
            const second = await model.generate(longer, { seed: 4, maxTokens: 20 }).result;
            const listed = await model.savedSessions();
            const names = [await model.deleteSession("story"), await model.deleteSession("story")];
            const nothing = await model.restoreSession("story");
            const { text } = await model.generate("x", { maxTokens: 1 }).result;
            await model.dispose();
            return { restored, listed, second, names, nothing, text: typeof text };
          },
          { longer: before.longer, options },
        );
        assert.deepEqual(server.requests, [], "the model came from the storage");
        assert.deepEqual(after.second.tokens, before.second);
        assert.equal(after.second.reusedTokens, before.saved.tokens);
        assert.ok(before.saved.tokens >= before.made);
        assert.deepEqual(after.restored, before.saved);
        assert.deepEqual(after.listed, [before.saved]);
        assert.deepEqual([after.names, after.nothing, after.text], [[true, false], null, "string"]);
        await page.finish();
      }
  },
);

test("a chat goes on after a reload, with its messages", limit, async () => {
  const page = await TestPage.open(browser, isolated);
  const talk = async (turn) => {
    const model = await tercet.load("/qwen3.tercet");
    const options = { seed: 8, maxTokens: 12 };
    if (turn === 1) {
      await model.chat([{ role: "user", content: "Hi" }], options).result;
      await model.session.save("hello");
    } else {
      await model.restoreSession("hello");
    }
    const messages = [...model.session.messages, { role: "user", content: "And you?" }];
    const { text, reusedTokens } = await model.chat(messages, options).result;
    const count = model.session.messages.length;
    await model.dispose();
    return { text, reusedTokens, count, messages };
  };
  const uninterrupted = await page.run(talk, 1);
  await page.visit(isolated, "/");
  const resumed = await page.run(talk, 2);
  assert.deepEqual(resumed, uninterrupted);
  assert.equal(resumed.count, 4);
  assert.equal(resumed.messages[1].role, "assistant");
  assert.ok(resumed.reusedTokens >= 5, `${resumed.reusedTokens}`);
  await page.finish();
});

test(
  "what is damaged, half written, or of another form is refused; the session is then as good as new",
  limit,
  async () => {
    const page = await TestPage.open(browser, isolated);
    const got = await page.run(async (prompt) => {
      const options = { context: 200 };
      const model = await tercet.load("/model.tercet", options);
      const database = await new Promise((resolve) => {
        const request = indexedDB.open("tercet-sessions", 1);
        request.onsuccess = () => resolve(request.result);
        request.onupgradeneeded = () => {
          request.result.createObjectStore("sessions", { keyPath: ["modelId", "name"] });
          request.result.createObjectStore("parts");
        };
      });
      const change = (work) =>
        new Promise((resolve, reject) => {
          const transaction = database.transaction(["sessions", "parts"], "readwrite");
          work(transaction.objectStore("sessions"), transaction.objectStore("parts"));
          transaction.oncomplete = resolve;
          transaction.onerror = () => reject(transaction.error);
        });
      const every = (store, edit) => {
        store.openCursor().onsuccess = ({ target }) => {
          const cursor = target.result;
          if (!cursor) return;
          edit(cursor);
          cursor.continue();
        };
      };
      await model.generate(prompt, { seed: 1, maxTokens: 20 }).result;
      await model.session.save("one");
      const codes = [];
      const attempt = async () => {
        codes.push((await failure(model.restoreSession("one"))).code);
        const { text, reusedTokens } = await model.generate(prompt, { seed: 5, maxTokens: 8 })
          .result;
        codes.push(reusedTokens, text);
      };
      // One bit of the state.
      await change((_, parts) =>
        every(parts, (cursor) => {
          const bytes = new Uint8Array(cursor.value.slice(0));
          bytes[bytes.length - 9] ^= 4;
          cursor.update(bytes.buffer);
        }),
      );
      await attempt();
      // A part that is gone.
      await model.session.save("one");
      await change((_, parts) => parts.clear());
      await attempt();
      // Hashes that hold, of a state that is too short.
      await model.session.save("one");
      const half = new Uint8Array(1000);
      const sha256 = new Uint8Array(await crypto.subtle.digest("SHA-256", half));
      await change((sessions, parts) => {
        every(parts, (cursor) => cursor.update(half.buffer.slice(0)));
        every(sessions, (cursor) => cursor.update({ ...cursor.value, sha256: [sha256] }));
      });
      await attempt();
      await model.session.save("one");
      await model.dispose();
      const other = await tercet.load("/model.tercet", { ...options, kv: "f16" });
      codes.push((await failure(other.restoreSession("one"))).code);
      await other.dispose();
      const short = await tercet.load("/model.tercet", { context: 10 });
      codes.push((await failure(short.restoreSession("one"))).code);
      codes.push((await failure(short.session.save(""))).code);
      await short.dispose();
      database.close();
      return codes;
    }, PROMPT);
    const { text } = runNatively(["-p", PROMPT, "-n", 8, "--seed", 5]);
    const fresh = ["BAD_STATE", 0, text];
    assert.deepEqual(got, [
      ...fresh,
      ...fresh,
      ...fresh,
      "BAD_STATE",
      "PROMPT_TOO_LONG",
      "BAD_ARGUMENT",
    ]);
    await page.finish();
  },
);

test("a save that is cut short leaves the one before it", limit, async () => {
  const page = await TestPage.open(browser, isolated);
  const got = await page.run(async (prompt) => {
    const model = await tercet.load("/model.tercet", { context: 200 });
    await model.generate(prompt, { seed: 1, maxTokens: 20 }).result;
    const { tokens } = await model.session.save("one");
    await model.generate(`${prompt} and`, { seed: 1, maxTokens: 40 }).result;
    const abort = new AbortController();
    const saving = failure(model.session.save("one", { signal: abort.signal }));
    abort.abort();
    const { code } = await saving;
    const restored = await model.restoreSession("one");
    // Deleting the model deletes what was saved with it.
    const { modelId } = model.info;
    await tercet.cache.delete(modelId);
    const left = await model.savedSessions();
    await model.dispose();
    return { code, tokens, restored: restored.tokens, left };
  }, PROMPT);
  assert.equal(got.code, "ABORTED");
  assert.equal(got.restored, got.tokens);
  assert.deepEqual(got.left, []);
  await page.finish();
});
