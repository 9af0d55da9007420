// shots.mjs - `npm run shots`: every view of the page as a picture, light and dark, on a phone and on a desk, with the states that
// are seen rarely (nothing open, asking, arriving, failed), into docs/shots/. They are there to be looked at before a change of the
// page is called done. Needs the built page.
//
//   npm run shots [-- --out FOLDER]

import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { chromium } from "playwright-core";
import { withPalette } from "./palette_png.mjs";
import { bundledModel, root, site, tercet } from "./paths.mjs";
import { createServer, listen } from "./serve.mjs";
import { StepError, reportFailure } from "./steps.mjs";

const WAIT_MS = 120_000;
const MODEL = `models/${bundledModel}.tercet`;
const SCREENS = [
  ["desk", { width: 1280, height: 860 }],
  ["phone", { width: 390, height: 844 }],
];

/** All pictures together: they are kept in the repository. */
const LARGEST_BYTES = 3_000_000;
/** In the page's words; the file lies in a folder of its own. */
const CHAT_MODEL = "chat/chat.tercet";
const CHAT_QUESTION = "What is a ternary weight?";
const CHAT_ANSWER = `<think>
A short answer with an example.
</think>

A weight that is **-1, 0 or +1**. Multiplying by it is adding, leaving out, or subtracting:

\`\`\`js
sum += w > 0 ? x : w < 0 ? -x : 0;
\`\`\`

1. It takes less than two bits.
2. It needs no multiplication.`;

/** At which speed models under /slow/ come: slow enough to be seen on the way. */
const SLOW_BYTES_PER_SECOND = 600_000;
/** Of a model under /cut/ so much comes, then the connection ends. */
const CUT_AFTER_BYTES = 1_500_000;

/** The site, the model once more, slowly (/slow/NAME/), not to its end (/cut/NAME/), and a chat model (/chat/). */
async function serveSite(chatFolder) {
  const answerChat = createServer({ root: chatFolder }).listeners("request")[0];
  const answer = createServer({ root: site }).listeners("request")[0];
  const cut = new Set();
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
    if (cut.has(request.url)) {
      request.destroy();
      return;
    }
    if (request.url.startsWith("/cut/")) {
      const { url } = request;
      request.url = `/${MODEL}`;
      const write = response.write.bind(response);
      let sent = 0;
      response.write = (chunk) => {
        sent += chunk.length;
        if (sent < CUT_AFTER_BYTES) return write(chunk);
        // The library asks again for what is missing: then nobody answers.
        cut.add(url);
        response.destroy();
        return false;
      };
    }
    if (request.url.startsWith("/chat/")) {
      request.url = request.url.slice("/chat".length);
      answerChat(request, response);
    } else answer(request, response);
  });
  const port = await listen(server, { port: 0 });
  return { server, origin: `http://127.0.0.1:${port}` };
}

async function takeShots(out) {
  if (!existsSync(join(site, "index.html")))
    throw new StepError("the page is not built: run `node scripts/build.mjs` first");
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const chatFolder = mkdtempSync(join(tmpdir(), "tercet-shots-"));
  packChatModel(chatFolder);
  const { server, origin } = await serveSite(chatFolder);
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
    rmSync(chatFolder, { recursive: true, force: true });
  }
  const files = readdirSync(out);
  const bytes = files.reduce((sum, name) => sum + statSync(join(out, name)).size, 0);
  if (bytes > LARGEST_BYTES)
    throw new StepError(`the pictures are ${bytes} bytes, more than ${LARGEST_BYTES}`);
  console.log(`${files.length} pictures, ${(bytes / 1e6).toFixed(1)} MB, in ${out}`);
}

/**
 * In the page: the model's next words are these, by the library's grammar. The only chat model that is small enough to lie here
 * has no sense, and what is to be seen is how an answer looks.
 */
async function sayThis(text) {
  const { Model } = await import(new URL("tercet/index.js", document.baseURI).href);
  const { chat } = Model.prototype;
  const regex = text.replace(/[.*+?^${}()|[\]\\/]/gu, "\\$&");
  Model.prototype.chat = function (messages, options) {
    return chat.call(this, messages, { ...options, grammar: { regex } });
  };
}

/** The chat model of the golden tests with room for an answer, packed into `folder`. */
function packChatModel(folder) {
  const source = join(folder, "tiny-chat");
  cpSync(join(root, "tests", "golden", "models", "qwen3-grid-bf16"), source, { recursive: true });
  const config = JSON.parse(readFileSync(join(source, "config.json"), "utf8"));
  writeFileSync(
    join(source, "config.json"),
    JSON.stringify({ ...config, max_position_embeddings: 2048 }),
  );
  const packed = join(folder, "chat.tercet");
  execFileSync(tercet, ["pack", source, "-o", packed, "--chat-format", "qwen3", "--quiet"]);
  return packed;
}

async function visit({ browser, origin, out, colorScheme, screen, viewport }) {
  const context = await browser.newContext({ colorScheme, viewport, reducedMotion: "reduce" });
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS);
  const shot = async (name) => {
    await page.evaluate(() => document.activeElement?.blur());
    await page.mouse.move(0, 0);
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
  await ask(`cut/${screen}-${colorScheme}/${bundledModel}.tercet`);
  await page.locator("#accept").click();
  await page.locator("#model-problem").waitFor();
  await shot("start-broken");

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
  await page.evaluate(() => (location.hash = "#/write"));
  await page.locator("#coloured").click();
  await page.locator(".tokens span").first().waitFor();
  await shot("write-coloured");
  await page.locator("#settings").click();
  await page.locator("dialog[open]").waitFor();
  await shot("write-settings");
  await page.keyboard.press("Escape");
  await page.locator("#coloured").click();
  await page.evaluate(() => (location.hash = "#/"));
  await shot("start-open");
  await ask(CHAT_MODEL);
  await page.locator("#accept").click();
  await page.waitForSelector(".open-model.open", { state: "attached" });
  await page.evaluate(() => (location.hash = "#/write"));
  await page.locator("#message").waitFor();
  await shot("chat-empty");
  await page.evaluate(sayThis, CHAT_ANSWER);
  await page.locator("#message").fill(CHAT_QUESTION);
  await page.locator("#message").press("Enter");
  await page.locator(".message.assistant:not(.live)").waitFor();
  await shot("chat");
  await context.close();
}

const args = process.argv.slice(2);
if (args.length === 0 || (args.length === 2 && args[0] === "--out"))
  await takeShots(args[1] ? resolve(args[1]) : join(root, "docs", "shots")).catch(reportFailure);
else {
  process.stderr.write("usage: npm run shots -- [--out FOLDER]\n");
  process.exitCode = 2;
}
