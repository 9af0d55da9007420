// firefox.test.mjs - the package in Firefox ESR, driven over WebDriver BiDi: the bundled model, with threads and without, writes
// the native twin's text; a second visit needs no network; and the one file, whose worker is a text, runs too.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import puppeteer from "puppeteer-core";
import { PROMPT, TestServer, dist, modelBytes, runNatively } from "../web/library_under_test.mjs";
import { GGUF, INLINED_POLICY, ggufBytes, ggufId } from "./installed_package.mjs";

const firefox = process.env.TERCET_FIREFOX ?? "/usr/bin/firefox-esr";
const missing =
  !existsSync(firefox) && `${firefox} is not installed: apt-get install firefox-esr, as root`;
const limit = { timeout: 300_000 };
const STEP_TIMEOUT_MS = 140_000;
const PROBE_MS = 20_000;

describe("Firefox ESR", { skip: missing }, () => {
  let browser, expected;
  before(async () => {
    browser = await puppeteer.launch({
      browser: "firefox",
      executablePath: firefox,
      headless: true,
      protocolTimeout: STEP_TIMEOUT_MS,
      timeout: STEP_TIMEOUT_MS,
    });
    expected = runNatively(["-p", PROMPT, "-n", 24, "--seed", 5]).tokens;
  }, limit);
  after(() => browser?.close());

  /**
   * A page of that server that answers. A page that isolates itself moves to another process of Firefox, and a question that is
   * asked while it moves is never answered: then another page is opened. What the library does is never asked twice.
   */
  async function open(server) {
    for (let tries = 5; ; --tries) {
      const page = await browser.newPage();
      page.setDefaultTimeout(STEP_TIMEOUT_MS);
      await page.goto(`${server.origin}/`);
      const answer = page.evaluate(() => document.readyState).catch(() => null);
      if ((await Promise.race([answer, sleep(PROBE_MS, null, { ref: false })])) !== null) {
        return page;
      }
      if (tries === 1) throw new Error("Firefox opened a page five times and never answered on it");
      page.close().catch(() => {});
    }
  }

  /** Loads and writes on a new page; `script`: the library's file on the server. */
  async function write(server, script = "/dist/index.js") {
    const page = await open(server);
    const problems = [];
    page.on("pageerror", (error) => problems.push(error.message));
    try {
      const written = await page.evaluate(
        async (script, prompt) => {
          try {
            globalThis.step = "import";
            const { load } = await import(script);
            globalThis.step = "load";
            const model = await load("/model.tercet");
            globalThis.step = "write";
            const { tokens } = await model.generate(prompt, { maxTokens: 24, seed: 5 }).result;
            const { variant, threads, source, isolated, notices } = model.info;
            globalThis.step = "dispose";
            await model.dispose();
            return { tokens, variant, threads, source, isolated, notices };
          } catch (error) {
            return { failed: `${error.code} ${error.message}` };
          }
        },
        script,
        PROMPT,
      );
      assert.equal(written.failed, undefined);
      assert.deepEqual(problems, []);
      return written;
    } catch (error) {
      const step = await page.evaluate(() => globalThis.step).catch(() => "unknown");
      throw new Error(`in step "${step}", errors of the page: ${problems.join("; ") || "none"}`, {
        cause: error,
      });
    } finally {
      await page.close();
    }
  }

  test("isolated: threads, the native tokens, and a second visit from storage", limit, async () => {
    const server = await TestServer.start();
    try {
      const first = await write(server);
      assert.deepEqual(first.tokens, expected);
      assert.equal(first.isolated, true);
      assert.match(first.variant, /-threads$/);
      assert.ok(first.threads > 1);
      assert.equal(first.source, "network");
      assert.ok(server.sentBytes >= modelBytes.length);
      server.requests = [];
      const second = await write(server);
      assert.deepEqual(second.tokens, expected);
      assert.equal(second.source, "indexeddb");
      assert.equal(server.requests.length, 0);
    } finally {
      await server.stop();
    }
  });

  /** What `work` returns on a page of this server; it must not throw. */
  async function onPage(server, work, argument) {
    const page = await open(server);
    try {
      await page.evaluate(async () => (globalThis.tercet = await import("/dist/index.js")));
      return await page.evaluate(work, argument);
    } finally {
      await page.close();
    }
  }

  test("a GGUF file is packed once, a damaged one leaves nothing", limit, async () => {
    const server = await TestServer.start();
    try {
      server.write(GGUF, ggufBytes);
      const found = await onPage(
        server,
        async (address) => {
          const packed = [];
          for (let times = 0; times < 2; times++) {
            const model = await tercet.load(address, { context: 64 });
            const { modelId, source, notices } = model.info;
            packed.push([modelId, source, notices]);
            await model.dispose();
          }
          const bytes = await (await fetch(address)).arrayBuffer();
          const cut = new File([bytes.slice(0, 9000)], "cut.gguf");
          const { code } = await tercet.load(cut).catch((error) => error);
          const listed = await tercet.cache.list();
          return { packed, code, states: listed.map(({ state }) => state) };
        },
        `/${GGUF}`,
      );
      const modelId = ggufId();
      assert.deepEqual(found.packed, [
        [modelId, "network", []],
        [modelId, "indexeddb", []],
      ]);
      assert.equal(found.code, "BAD_SOURCE");
      assert.deepEqual(found.states, ["complete"]);
    } finally {
      await server.stop();
    }
  });

  test("grammars, sessions and saved texts", limit, async () => {
    const server = await TestServer.start();
    try {
      const found = await onPage(
        server,
        async (prompt) => {
          const model = await tercet.load("/model.tercet", { context: 256, sessions: 2 });
          const grammar = { jsonSchema: { enum: ["yes", "no"] } };
          const { text: held } = await model.generate(prompt, { grammar, seed: 5 }).result;
          const write = (session) => session.generate(prompt, { maxTokens: 8, seed: 5 }).result;
          const session = await model.createSession({ context: 128 });
          const first = await write(session);
          await session.save("kept");
          await session.dispose();
          const other = await model.createSession({ context: 128 });
          await other.restore("kept");
          const again = await write(other);
          await model.dispose();
          return { held, first: first.text, again: again.text, reused: again.reusedTokens };
        },
        PROMPT,
      );
      assert.match(found.held, /^"(yes|no)"$/);
      assert.equal(found.again, found.first);
      assert.ok(found.reused > 0);
    } finally {
      await server.stop();
    }
  });

  test("not isolated: one thread, the same tokens", limit, async () => {
    const server = await TestServer.start({ isolation: false });
    try {
      const written = await write(server);
      assert.deepEqual(written.tokens, expected);
      assert.deepEqual([written.isolated, written.threads], [false, 1]);
    } finally {
      await server.stop();
    }
  });

  test("one file, with a worker out of it and its threads", limit, async () => {
    const server = await TestServer.start({ contentPolicy: INLINED_POLICY });
    try {
      server.write("tercet.js", readFileSync(join(dist, "single.js")));
      const written = await write(server, "/tercet.js");
      assert.deepEqual(written.tokens, expected);
      assert.match(written.variant, /-threads$/);
      assert.deepEqual(written.notices, []);
    } finally {
      await server.stop();
    }
  });
});
