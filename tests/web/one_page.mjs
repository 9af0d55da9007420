// one_page.mjs - what most files of tests begin with: one browser and one server for all tests of the file, and for each test a server
// without faults and a page of its own. To import it is to have it.

import { after, afterEach, before, beforeEach } from "node:test";
import { TestPage, TestServer, launchBrowser } from "./library_under_test.mjs";

export let browser, server, page;

before(async () => {
  browser = await launchBrowser();
  server = await TestServer.start();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});
beforeEach(async () => {
  server.repair();
  page = await TestPage.open(browser, server);
});
afterEach(() => page?.finish());
