// icons.mjs - draws the PNG icons of the page from icon.svg, with the browser that the tests use. Run it when icon.svg
// changes; the results are in the repository, so that building the page needs no browser.
//
//   node web/page/icons.mjs

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = fileURLToPath(new URL(".", import.meta.url));
const svg = readFileSync(`${here}/icon.svg`, "utf8");

/** Name, size, and the share that the drawing takes: platforms may cut a maskable one to a circle of 80%. */
const ICONS = [
  ["icon-192.png", 192, 1],
  ["icon-512.png", 512, 1],
  ["icon-maskable.png", 512, 0.72],
  ["apple-touch-icon.png", 180, 0.86],
];

const browser = await chromium.launch({
  executablePath: process.env.TERCET_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu"],
});
try {
  for (const [name, size, share] of ICONS) {
    const page = await browser.newPage({ viewport: { width: size, height: size } });
    const ground = share < 1 ? "#fbfbf9" : "transparent";
    await page.setContent(
      `<style>body{margin:0;background:${ground};display:grid;place-items:center;height:100vh}` +
        `svg{width:${share * 100}vw}</style>${svg}`,
    );
    writeFileSync(`${here}/${name}`, await page.screenshot({ omitBackground: true }));
    await page.close();
  }
} finally {
  await browser.close();
}
