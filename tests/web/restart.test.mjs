// restart.test.mjs - an engine that dies in any way takes no caller with it, and comes back from the browser's storage while the
// server is gone.

import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { createServer, listen } from "../../scripts/serve.mjs";
import {
  PROMPT,
  TestPage,
  TestServer,
  dist,
  launchBrowser,
  limit,
  modelBytes,
  runNatively,
} from "./library_under_test.mjs";

let browser, server, page;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser?.close());
beforeEach(async () => {
  server = await TestServer.start();
  // Faults on demand: what the page asks for under these names.
  server.workerPreamble = `addEventListener("message", (event) => {
    const { data } = event;
    if (["close", "throw", "trap"].includes(data.text)) event.stopImmediatePropagation();
    if (data.text === "hang") {
      const ask = new XMLHttpRequest();
      ask.open("POST", "/gate/pass?at=hang", false);
      ask.send();
      for (;;);
    }
    if (data.text === "close") close();
    if (data.text === "throw") throw new Error("made by the test");
    if (data.text === "trap") {
      const bytes = new Uint8Array([0,97,115,109,1,0,0,0,1,4,1,96,0,0,3,2,1,0,7,5,1,1,102,0,0,10,5,1,3,0,0,11]);
      new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports.f();
    }
  })`;
  page = await TestPage.open(browser, server);
});
afterEach(async () => {
  await page.finish();
  await server.stop();
});

const expected = runNatively(["-p", PROMPT, "-n", 8, "--seed", 5]).text;

for (const [name, end] of [
  ["a worker that closes itself", "close"],
  ["a worker that throws", "throw"],
  ["a trap", "trap"],
  ["a worker that hangs", "hang"],
])
  test(
    `${name}: every caller is told, and restart() brings the engine back without the server`,
    limit,
    async () => {
      await page.run(async (prompt) => {
        globalThis.model = await tercet.load("/model.tercet", { sessions: 2 });
        globalThis.other = await model.createSession({ context: 128 });
        await model.generate(prompt, { seed: 3, maxTokens: 20 }).result;
        await model.session.save("mine");
        await other.generate(prompt, { seed: 3, maxTokens: 20 }).result;
      }, PROMPT);
      // One that hangs is missed by the page's clock, which the test then moves.
      if (end === "hang") await page.page.clock.install();
      const telling = page.run(
        async ({ prompt, end }) => {
          await fetch("/gate/arm?at=hang");
          const run = model.generate(prompt, { seed: 1 });
          await run.next(); // then nobody takes more: it waits, and so does all behind it
          const pending = [
            failure(run.result),
            failure(model.generate(prompt).result),
            failure(other.generate(prompt).result.then(() => new Promise(() => {}))),
            failure(model.tokenize(end)),
          ];
          const codes = [];
          for (const one of [pending[0], pending[1], pending[3]]) codes.push((await one).code);
          codes.push((await failure(model.tokenize("later"))).code);
          return codes;
        },
        { prompt: PROMPT, end },
      );
      if (end === "hang") {
        await page.run(async () => {
          await fetch("/gate/held");
          await fetch("/gate/open");
        });
        // A worker that lives would answer in between.
        for (let second = 0; second <= 32; second++) await page.page.clock.runFor(1000);
      }
      assert.deepEqual(await telling, Array(4).fill("ENGINE_CRASHED"), end);
      // The engine's own files are in the browser's cache, as a host with sensible headers has them; the model is not asked for.
      server.workerPreamble = "";
      server.requests = [];
      server.faults = { status: 503 };
      const back = await page.run(async (prompt) => {
        const before = model.info.modelId;
        await Promise.all([model.restart(), model.restart()]);
        const { text, reusedTokens } = await model.generate(prompt, { seed: 5, maxTokens: 8 })
          .result;
        const side = await other.generate(prompt, { seed: 5, maxTokens: 8 }).result;
        return {
          text,
          reusedTokens,
          side: side.text,
          reused: side.reusedTokens,
          same: model.info.modelId === before,
          source: model.info.source,
          context: other.info.context,
        };
      }, PROMPT);
      assert.equal(back.text, expected);
      assert.ok(back.reusedTokens > 3, "it was saved");
      assert.deepEqual([back.side, back.reused], [expected, 0]);
      assert.deepEqual([back.same, back.source, back.context], [true, "indexeddb", 128]);
      assert.deepEqual(server.requests, []);
      await page.run(() => model.dispose());
      assert.equal((await page.run(() => failure(model.restart()))).code, "DISPOSED");
    },
  );

test(
  "restart() of an engine that works: what is pending is rejected, and it works again",
  limit,
  async () => {
    server.workerPreamble = "";
    const got = await page.run(async (prompt) => {
      const model = await tercet.load("/model.tercet");
      const run = model.generate(prompt, { seed: 1 });
      await run.next();
      const pending = failure(run.result);
      await model.restart();
      const { code } = await pending;
      const { text } = await model.generate(prompt, { seed: 5, maxTokens: 8 }).result;
      await model.dispose();
      return [code, text];
    }, PROMPT);
    assert.deepEqual(got, ["ENGINE_CRASHED", expected]);
  },
);

test("a restart that fails can be tried again", limit, async () => {
  server.workerPreamble = "";
  await page.run(async () => {
    globalThis.model = await tercet.load("/model.tercet", { cache: "memory", network: quick });
  });
  server.faults = { status: 404 };
  const first = await page.run(() => failure(model.restart()));
  assert.equal(first.code, "HTTP_STATUS");
  const between = await page.run(() => failure(model.tokenize("a")));
  assert.equal(between.code, "ENGINE_CRASHED");
  server.faults = {};
  const { text } = await page.run(async (prompt) => {
    await model.restart();
    return model.generate(prompt, { seed: 5, maxTokens: 8 }).result;
  }, PROMPT);
  assert.equal(text, expected);
  await page.run(() => model.dispose());
});

test(
  "the server is gone altogether: the model comes from the storage, the engine's files from the browser's cache",
  limit,
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "tercet-restart-"));
    cpSync(dist, join(folder, "dist"), { recursive: true });
    writeFileSync(join(folder, "index.html"), "<!doctype html><title>test</title>");
    writeFileSync(join(folder, "model.tercet"), modelBytes);
    // As a host says it of files that do not change.
    const [answer] = createServer({ root: folder, contentPolicy: null }).listeners("request");
    const gone = createHttpServer((request, response) => {
      const send = response.writeHead;
      response.writeHead = (status, headers) =>
        send.call(response, status, { ...headers, "Cache-Control": "max-age=3600" });
      answer(request, response);
    });
    const port = await listen(gone, { port: 0 });
    const there = await TestPage.open(browser, { origin: `http://127.0.0.1:${port}` });
    await there.run(async (prompt) => {
      globalThis.model = await tercet.load("/model.tercet");
      await model.generate(prompt, { seed: 3, maxTokens: 20 }).result;
      await model.session.save("mine");
    }, PROMPT);
    gone.closeAllConnections();
    await new Promise((resolve) => gone.close(resolve));
    const got = await there.run(async (prompt) => {
      const unreachable = await fetch("/model.tercet", { cache: "no-store" }).then(
        () => false,
        () => true,
      );
      await model.restart();
      const { text, reusedTokens } = await model.generate(prompt, { seed: 5, maxTokens: 8 }).result;
      await model.dispose();
      return { unreachable, text, reusedTokens };
    }, PROMPT);
    assert.ok(got.unreachable);
    assert.equal(got.text, expected);
    assert.ok(got.reusedTokens > 3);
    there.problems = []; // the request that could not be answered
    await there.finish();
    rmSync(folder, { recursive: true, force: true });
  },
);

test(
  "a session that cannot be made again says so; the others are who they were",
  limit,
  async () => {
    server.workerPreamble = `addEventListener("message", (event) => {
    const { data } = event;
    if (data.op !== "sessionCreate" || data.shape.context !== 99) return;
    if (!REFUSED) return;
    event.stopImmediatePropagation();
    const error = { code: "OUT_OF_MEMORY", detail: "made by the test", where: null };
    postMessage({ v: 2, id: data.id, kind: "error", error });
  })`;
    const preamble = server.workerPreamble;
    server.workerPreamble = preamble.replace("REFUSED", "false");
    await page.run(async (prompt) => {
      globalThis.model = await tercet.load("/model.tercet", { sessions: 6, context: 128 });
      globalThis.gone = await model.createSession({ context: 64 });
      globalThis.lost = await model.createSession({ context: 99 });
      globalThis.third = await model.createSession({ context: 101 });
      globalThis.fourth = await model.createSession({ context: 102 });
      await gone.dispose(); // from here on the numbers of the new engine are others
      for (const [i, session] of [lost, third, fourth].entries()) {
        await session.generate(prompt, { seed: i, maxTokens: 8 }).result;
        await session.save(`session ${i}`);
      }
    }, PROMPT);
    server.workerPreamble = preamble.replace("REFUSED", "true");
    const use = async (prompt) => {
      await model.restart();
      const said = await failure(lost.embed("a"));
      const infos = [third.info.context, fourth.info.context];
      // Each has its own text again.
      const reused = [];
      for (const session of [third, fourth])
        reused.push(
          (await session.generate(prompt, { seed: 5, maxTokens: 8 }).result).reusedTokens,
        );
      return { said, infos, reused };
    };
    const first = await page.run(use, PROMPT);
    assert.deepEqual([first.said.code, first.said.detail], ["OUT_OF_MEMORY", "made by the test"]);
    assert.deepEqual(first.infos, [101, 102]);
    assert.ok(
      first.reused.every((tokens) => tokens > 3),
      `${first.reused}`,
    );
    // It is asked for again with the next start.
    server.workerPreamble = "";
    const second = await page.run(use, PROMPT);
    assert.equal(second.said, "no failure");
    assert.deepEqual(second.infos, [101, 102]);
    // Disposed while it is lost it takes no other with it.
    server.workerPreamble = preamble.replace("REFUSED", "true");
    const third = await page.run(async (prompt) => {
      await model.restart();
      await lost.dispose();
      const { text } = await fourth.generate(prompt, { seed: 5, maxTokens: 8 }).result;
      const thirds = await third.generate(prompt, { seed: 5, maxTokens: 8 }).result;
      await model.dispose();
      return [text, thirds.text];
    }, PROMPT);
    assert.deepEqual(third, [expected, expected]);
  },
);

test("dispose() of a session never fails, whatever became of the engine", limit, async () => {
  const got = await page.run(async () => {
    const codes = [];
    globalThis.model = await tercet.load("/model.tercet", { sessions: 4, context: 64 });
    const [one, two, three] = [
      await model.createSession(),
      await model.createSession(),
      await model.createSession(),
    ];
    const dying = failure(model.tokenize("throw"));
    codes.push(await failure(one.dispose())); // under way when the engine dies
    codes.push((await dying).code);
    codes.push(await failure(two.dispose())); // it is dead
    await model.dispose();
    codes.push(await failure(three.dispose()), await failure(three.dispose()));
    return codes;
  });
  const well = "no failure";
  assert.deepEqual(got, [well, "ENGINE_CRASHED", well, well, well]);
});
