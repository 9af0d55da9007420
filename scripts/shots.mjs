// shots.mjs - `npm run shots`: every view of the page as a picture, light and dark, on a phone and on a desk, with the states that
// are seen rarely (nothing open, asking, arriving, failed), into docs/shots/. They are there to be looked at before a change of the
// page is called done. Needs the built page.
//
//   npm run shots [-- --out FOLDER]

import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { chromium } from "playwright-core";
import { withPalette } from "./palette_png.mjs";
import { bundledModel, root, site } from "./paths.mjs";
import { createServer, listen } from "./serve.mjs";
import { StepError, reportFailure } from "./steps.mjs";

const WAIT_MS = 120_000;
const MODEL = `models/${bundledModel}.tercet`;
const SCREENS = [
  ["desk", { width: 1280, height: 860 }],
  ["phone", { width: 390, height: 844 }],
];

/** At which speed models under /slow/ come: slow enough to be seen on the way. */
const SLOW_BYTES_PER_SECOND = 600_000;

/** The site, and the model once more, slowly: /slow/NAME/. */
async function serveSite() {
  const answer = createServer({ root: site }).listeners("request")[0];
  const server = createHttpServer((request, response) => {
    if (request.url.startsWith("/slow/")) {
      request.url = `/${MODEL}`;
      const write = response.write.bind(response);
      const end = response.end.bind(response);
      let sending = Promise.resolve();
      response.write = (chunk) => {
        sending = sending.then(async () => {
          await sleep((chunk.length / SLOW_BYTES_PER_SECOND) * 1000);
          if (response.destroyed) return;
          write(chunk);
          response.emit("drain");
        });
        return false;
      };
      response.end = (chunk) => void sending.then(() => end(chunk));
    }
    answer(request, response);
  });
  const port = await listen(server, { port: 0 });
  return { server, origin: `http://127.0.0.1:${port}` };
}

async function takeShots(out) {
  if (!existsSync(join(site, "index.html")))
    throw new StepError("the page is not built: run `node scripts/build.mjs` first");
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const { server, origin } = await serveSite();
  const browser = await chromium.launch({
    executablePath: process.env.TERCET_CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu"],
  });
  try {
    for (const colorScheme of ["light", "dark"])
      for (const [screen, viewport] of SCREENS)
        await visit({ browser, origin, out, colorScheme, screen, viewport });
  } finally {
    await browser.close();
    server.closeAllConnections();
    server.close();
  }
  const files = readdirSync(out);
  const bytes = files.reduce((sum, name) => sum + statSync(join(out, name)).size, 0);
  console.log(`${files.length} pictures, ${(bytes / 1e6).toFixed(1)} MB, in ${out}`);
}

async function visit({ browser, origin, out, colorScheme, screen, viewport }) {
  const context = await browser.newContext({ colorScheme, viewport, reducedMotion: "reduce" });
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS);
  const shot = async (name) => {
    await page.evaluate(() => document.activeElement?.blur());
    // A view that fills the window is shown as that: in a taller one its foot would hang in the middle.
    const fullPage = (await page.locator(".view-write:not([hidden])").count()) === 0;
    const image = await page.screenshot({ fullPage, scale: "css", animations: "disabled" });
    writeFileSync(join(out, `${name}-${screen}-${colorScheme}.png`), withPalette(image));
  };
  const ask = async (address) => {
    await page.evaluate(() => (location.hash = "#/"));
    await page.locator("#model-url").fill(address);
    await page.locator("#model-url").press("Enter");
  };
  await page.goto(`${origin}/`);
  await page.waitForFunction(() => /memory/.test(document.querySelector(".begin")?.textContent));
  await shot("start");
  await ask("models/none.tercet");
  await page.locator("#candidate-problem").waitFor();
  await shot("start-failed");
  await ask(MODEL);
  await page.locator("#accept").waitFor();
  await shot("start-needs");
  await page.locator("#decline").click();
  await ask(`slow/${screen}-${colorScheme}/${bundledModel}.tercet`);
  await page.locator("#accept").click();
  await page.waitForFunction(() => document.querySelector("#model-progress").value > 0.3);
  await shot("start-arriving");
  await page.locator("#cancel").click();
  await page.locator("#resume").waitFor();
  await shot("start-cancelled");

  const links = page.getByRole("navigation").getByRole("link");
  const views = await links.evaluateAll((all) => all.map((link) => link.getAttribute("href")));
  const each = async (suffix) => {
    for (const href of views.filter((address) => address !== "#/")) {
      await page.evaluate((address) => (location.hash = address), href);
      await page.waitForFunction(
        () => !document.querySelector(".view:not([hidden]) .loading-view"),
      );
      await page.waitForTimeout(400);
      await shot(`${href.slice(2)}${suffix}`);
    }
  };
  await each("-empty");
  await page.evaluate(() => (location.hash = "#/"));
  await page.locator("#begin").click();
  await page.waitForFunction(() => document.querySelector("#story")?.textContent.length > 300);
  await page.waitForFunction(() => !document.querySelector(".links .busy"));
  await each("");
  await page.evaluate(() => (location.hash = "#/"));
  await shot("start-open");
  await context.close();
}

const args = process.argv.slice(2);
if (args.length === 0 || (args.length === 2 && args[0] === "--out"))
  await takeShots(args[1] ? resolve(args[1]) : join(root, "docs", "shots")).catch(reportFailure);
else {
  process.stderr.write("usage: npm run shots -- [--out FOLDER]\n");
  process.exitCode = 2;
}
