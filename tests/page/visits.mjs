// visits.mjs - what most files of the page's tests begin with: one browser for all tests of the file, and for each test visits with
// storage of their own, which end with it. To import it is to have it. Files with a `before` of their own: it runs at the same time as the
// one here, so the browser is there in tests alone.

import { after, afterEach, before } from "node:test";
import { Visit, cleanUp, launchBrowser } from "./site_under_test.mjs";

export let browser;
/** Of the test that runs. */
const contexts = [];
const visits = [];

before(async () => {
  browser = await launchBrowser();
});
after(async () => {
  await browser?.close();
  await cleanUp();
});
afterEach(async () => {
  const ended = contexts.splice(0);
  try {
    // Fails the test when a page reported what nobody expected.
    for (const visit of visits.splice(0)) await visit.finish();
  } finally {
    for (const context of ended) await context.close();
  }
});

/** Storage of its own for the visits of this test; `options` are Playwright's. */
export async function newContext(options) {
  const context = await browser.newContext(options);
  contexts.push(context);
  return context;
}

/** A visit of the page at `site` (what has an `address`), in a context of its own unless one is given; `held` as of Visit.open. */
export async function openVisit(site, { path = "", held, context = null, ...options } = {}) {
  const place = context ?? (await newContext(options));
  const visit = await Visit.open(place, `${site.address}${path}`, { held });
  visits.push(visit);
  return visit;
}

/** The same with the model open that comes with the page: a story can be written. */
export async function openWithModel(site, options) {
  const visit = await openVisit(site, options);
  await visit.openModel();
  await visit.ready();
  return visit;
}
