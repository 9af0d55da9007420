// site.test.mjs - the site as any host serves it: in a subfolder, with no header but the type of a file. The page isolates
// itself by its service worker and then has threads, works without the server, asks no other site for anything, and can be
// installed as an app.

import assert from "node:assert/strict";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { startPlainHost } from "./plain_host.mjs";
import { limit, modelAddress, nativeStory, siteFolder } from "./site_under_test.mjs";
import { browser, newContext, openVisit } from "./visits.mjs";

let host;
before(async () => {
  host = await startPlainHost();
});
after(() => host?.stop());

test(
  "in a subfolder of a host without headers: threads by the worker, offline, nothing from elsewhere",
  limit,
  async () => {
    const blank = await browser.newPage();
    const processors = await blank.evaluate(() => navigator.hardwareConcurrency);
    await blank.close();
    const context = await newContext();
    const asked = new Set();
    context.on("request", (request) => asked.add(new URL(request.url()).origin));
    const visit = await openVisit(host, { context });
    // Nobody has done anything yet: the page loads itself again as soon as the worker can isolate it. On a machine
    // with one processor it has no reason to.
    if (processors > 1) await visit.page.waitForFunction(() => crossOriginIsolated);
    await visit.openModel();
    await visit.ready();
    const facts = await visit.facts();
    assert.equal(facts.Isolated, processors > 1 ? "Yes" : "No");
    assert.equal(/-threads$/.test(facts.Module), processors > 1, facts.Module);
    assert.equal(await visit.write({ seed: 4, length: 24 }), nativeStory({ seed: 4, length: 24 }));
    assert.deepEqual([...asked], [host.origin], "nobody else was asked for anything");

    await visit.keptOffline();
    await context.setOffline(true);
    visit.expectMessages(/service_worker\.js|ERR_INTERNET_DISCONNECTED/);
    await visit.page.reload();
    await visit.ready();
    assert.equal((await visit.facts())["Model from"], "IndexedDB");
    assert.equal(await visit.write({ seed: 5, length: 24 }), nativeStory({ seed: 5, length: 24 }));
  },
);

test("who has begun something is not interrupted for the sake of threads", limit, async () => {
  const visit = await openVisit(host, { path: "#/write" });
  await visit.keptOffline();
  assert.equal(await visit.page.evaluate(() => crossOriginIsolated), false);
  await visit.openModel();
  await visit.ready();
  assert.equal(await visit.write({ seed: 4, length: 8 }), nativeStory({ seed: 4, length: 8 }));
});

test("it can be installed as an app", limit, async () => {
  // Not at the first view, which would load itself again for threads meanwhile.
  const visit = await openVisit(host, { path: "#/hood" });
  await visit.keptOffline();
  const session = await visit.page.context().newCDPSession(visit.page);
  const { errors, data } = await session.send("Page.getAppManifest");
  assert.deepEqual(errors, []);
  const manifest = JSON.parse(data);
  for (const { src, sizes, type } of manifest.icons) {
    const bytes = readFileSync(join(siteFolder, src));
    if (type !== "image/png") continue;
    assert.equal(`${bytes.readUInt32BE(16)}x${bytes.readUInt32BE(20)}`, sizes, src);
  }
  const { installabilityErrors } = await session.send("Page.getInstallabilityErrors");
  const others = installabilityErrors.filter(({ errorId }) => errorId !== "in-incognito");
  assert.deepEqual(others, []);
});

test("the page's own policy stands in the page, for hosts that send none", () => {
  const page = readFileSync(join(siteFolder, "index.html"), "utf8");
  const [, policy] = /http-equiv="Content-Security-Policy"\s+content="([^"]+)"/.exec(page) ?? [];
  assert.match(policy, /script-src 'self' 'wasm-unsafe-eval';/);
  assert.match(policy, /require-trusted-types-for 'script'/);
  assert.ok(readdirSync(siteFolder).includes("_headers"));
  assert.ok(statSync(join(siteFolder, modelAddress)).isFile());
});
