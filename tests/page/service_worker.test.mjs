// service_worker.test.mjs - the page's own files: kept with their headers, never a model among them, replaced as a whole
// on the next load after a new version was published, and left alone when a new version is not consistent.

import assert from "node:assert/strict";
import { appendFileSync, cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { buildSite } from "../../web/page/build.mjs";
import { TestSite, limit, makeTemporaryFolder, modelPath, siteFolder } from "./site_under_test.mjs";
import { openVisit, openWithModel } from "./visits.mjs";

const MARK = "/* the next version */";
let newVersion, brokenVersion;

before(async () => {
  const library = join(makeTemporaryFolder(), "library");
  cpSync(join(siteFolder, "tercet"), library, { recursive: true });
  appendFileSync(join(library, "index.js"), MARK);
  newVersion = join(makeTemporaryFolder(), "site");
  await buildSite({ library, model: modelPath, out: newVersion });
  // A server in the middle of an update: the list is new, one file is not.
  brokenVersion = join(makeTemporaryFolder(), "site");
  cpSync(newVersion, brokenVersion, { recursive: true });
  appendFileSync(join(brokenVersion, "style.css"), MARK);
});

async function firstVisit() {
  const site = await TestSite.start();
  const visit = await openWithModel(site);
  await visit.keptOffline();
  return { site, visit };
}

const cacheNames = (visit) => visit.page.evaluate(() => caches.keys());
const isNewVersion = (visit) =>
  visit.page.evaluate(
    async (mark) => (await (await fetch("tercet/index.js")).text()).includes(mark),
    MARK,
  );
const untilWaiting = (visit) =>
  visit.until(async () => Boolean((await navigator.serviceWorker.getRegistration()).waiting));

test("every file is kept with its headers, no model is", limit, async () => {
  const { site, visit } = await firstVisit();
  const kept = await visit.page.evaluate(async () => {
    const entries = [];
    for (const name of await caches.keys()) {
      const cache = await caches.open(name);
      for (const request of await cache.keys()) {
        const { headers } = await cache.match(request);
        entries.push({
          path: new URL(request.url).pathname,
          isolated:
            headers.get("Cross-Origin-Opener-Policy") === "same-origin" &&
            headers.get("Cross-Origin-Embedder-Policy") === "require-corp",
          guarded: headers.has("Content-Security-Policy"),
        });
      }
    }
    return entries;
  });
  const paths = kept.map((entry) => entry.path);
  assert.ok(
    paths.includes("/") && paths.includes("/main.js") && paths.includes("/tercet/index.js"),
  );
  assert.equal(paths.filter((path) => path.endsWith(".wasm")).length, 5, "modules and packer");
  assert.deepEqual(
    paths.filter((path) => path.includes("models")),
    [],
  );
  assert.deepEqual(
    kept.filter((entry) => !entry.isolated || !entry.guarded),
    [],
  );

  // Controlled now: page files come from the cache, the model's address still goes to the server.
  await visit.page.reload();
  await visit.ready();
  site.resetCounts();
  const answers = await visit.page.evaluate(
    async (paths) => {
      const statuses = [];
      for (const path of paths) statuses.push((await fetch(path)).status);
      return statuses;
    },
    [...paths, "/index.html", "/models/none.tercet"],
  );
  assert.equal(answers.pop(), 404);
  assert.ok(answers.every((status) => status === 200));
  // Browsers look for a newer worker whenever they like.
  const pathsAsked = site.paths.filter((path) => path !== "/service_worker.js");
  assert.deepEqual(pathsAsked, ["/models/none.tercet"]);
  visit.expectMessages(/404.*none\.tercet/);
});

test("a new version takes over on the next load and removes the old one", limit, async () => {
  const { site, visit } = await firstVisit();
  const [oldName] = await cacheNames(visit);
  site.serveFolder(newVersion);
  await visit.page.reload();
  await visit.ready();
  assert.equal(await isNewVersion(visit), false, "this load is still the old version, whole");
  await untilWaiting(visit);

  // A second page of the old version: it must not lose its files under its feet.
  const context = visit.page.context();
  const other = await openVisit(site, { context, path: "#/write" });
  await other.ready();
  assert.equal(await isNewVersion(other), false);
  await other.finish();

  await visit.page.reload();
  await visit.ready();
  await visit.until(async () => (await caches.keys()).length === 1);
  assert.equal(await isNewVersion(visit), true);
  const names = await cacheNames(visit);
  assert.equal(names.length, 1);
  assert.notEqual(names[0], oldName);
  assert.equal((await visit.facts())["Model from"], "IndexedDB", "the stored model stays");
  assert.equal((await visit.facts()).Isolated, "Yes");

  await site.stop();
  await visit.page.reload();
  await visit.ready();
  assert.equal(await isNewVersion(visit), true);
  visit.expectMessages(/service_worker\.js/);
});

test("a version whose files do not fit its list is not taken", limit, async () => {
  const { site, visit } = await firstVisit();
  const names = await cacheNames(visit);
  site.serveFolder(brokenVersion);
  const state = await visit.page.evaluate(async () => {
    const registration = await navigator.serviceWorker.getRegistration();
    const found = new Promise((resolve) =>
      registration.addEventListener("updatefound", () => resolve(registration.installing)),
    );
    // Rejects in some versions when the installation fails; what counts is the worker's state.
    registration.update().catch(() => {});
    const worker = await found;
    while (!["redundant", "installed", "activated"].includes(worker.state)) {
      await new Promise((resolve) =>
        worker.addEventListener("statechange", resolve, { once: true }),
      );
    }
    return worker.state;
  });
  assert.equal(state, "redundant");
  assert.deepEqual(await cacheNames(visit), names, "nothing half kept");
  await visit.page.reload();
  await visit.ready();
  assert.equal(await isNewVersion(visit), false);
  // The browser says so itself; so does the refused file.
  visit.expectMessages(/integrity|service_worker\.js/i);
});

test("the list names every file of the site but models and the worker itself", () => {
  const worker = readFileSync(join(siteFolder, "service_worker.js"), "utf8");
  for (const name of ["main.js", "style.css", "icon.svg", "tercet/index.js"]) {
    assert.ok(worker.includes(name), name);
  }
  assert.ok(!worker.includes('.tercet"'), "no model");
});
