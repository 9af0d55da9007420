// isolation.test.mjs - a host that sends no headers: with coi-serviceworker beside it, as docs/library/hosting.md says, the page
// becomes isolated by itself and the model runs with threads.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import {
  PROMPT,
  STEP_TIMEOUT_MS,
  TestServer,
  launchBrowser,
  limit,
  runNatively,
} from "../web/library_under_test.mjs";
import { pageScript } from "./installed_package.mjs";

const script = createRequire(import.meta.url).resolve("coi-serviceworker/coi-serviceworker.min.js");

test("a service worker isolates the page of a host without headers", limit, async () => {
  const browser = await launchBrowser();
  const server = await TestServer.start({ isolation: false });
  try {
    server.write("coi-serviceworker.min.js", readFileSync(script));
    server.write("app.js", pageScript("/dist/index.js"));
    const tags = ['src="coi-serviceworker.min.js"', 'type="module" src="app.js"'];
    server.write(
      "index.html",
      `<!doctype html><title>page</title>${tags.map((tag) => `<script ${tag}></script>`).join("")}`,
    );
    const page = await (await browser.newContext()).newPage();
    page.setDefaultTimeout(STEP_TIMEOUT_MS);
    // It reloads the page itself once it is in place, which may be before all of the page is there.
    await page.goto(`${server.origin}/`, { waitUntil: "commit" });
    await page.waitForFunction(
      () => globalThis.crossOriginIsolated && typeof globalThis.write === "function",
      null,
    );
    const written = await page.evaluate((prompt) => globalThis.write(prompt), PROMPT);
    assert.equal(written.text, runNatively(["-p", PROMPT, "-n", 8, "--seed", 5]).text);
    assert.equal(written.isolated, true);
    assert.ok(written.threads > 1);
  } finally {
    await browser.close();
    await server.stop();
  }
});
