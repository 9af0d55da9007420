// shots.mjs - `npm run shots`: every view of the page as a picture, light and dark, on a phone and on a desk, with the states that
// are seen rarely (nothing open, asking, arriving, failed), into docs/shots/. They are there to be looked at before a change of the
// page is called done. Needs the built page.
//
//   npm run shots [-- --out FOLDER] [--only NAME,NAME]
//
// `--only` takes the named states anew, on every screen, and leaves the other pictures as they are: bench-compared,write-failed

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
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { withPalette } from "./palette_png.mjs";
import { bundledModel, root, site, tercet } from "./paths.mjs";
import { createServer, listen } from "./serve.mjs";
import { StepError, reportFailure } from "./steps.mjs";

const WAIT_MS = 600_000;
const MODEL = `models/${bundledModel}.tercet`;
const SCREENS = [
  ["desk", { viewport: { width: 1280, height: 860 } }],
  ["phone", { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true }],
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

/** `only`: the names of the states to picture, null for all. */
async function takeShots(out, only) {
  if (!existsSync(join(site, "index.html")))
    throw new StepError("the page is not built: run `node scripts/build.mjs` first");
  if (!only) rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const taken = new Set();
  const nativeResult = measureNatively();
  const chatFolder = mkdtempSync(join(tmpdir(), "tercet-shots-"));
  packChatModel(chatFolder);
  const { server, origin } = await serveSite(chatFolder);
  const browser = await chromium.launch({
    executablePath: process.env.TERCET_CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu"],
  });
  try {
    for (const colorScheme of ["light", "dark"])
      for (const [screen, device] of SCREENS) {
        const keep = (name, image) => {
          if (only && !only.includes(name)) return;
          taken.add(name);
          const file = `${name}-${screen}-${colorScheme}.png`;
          writeFileSync(join(out, file), withPalette(image));
        };
        const context = await browser.newContext({
          colorScheme,
          reducedMotion: "reduce",
          ...device,
        });
        await visit({ context, origin, keep, site: `${screen}-${colorScheme}`, nativeResult });
        await context.close();
      }
  } finally {
    await browser.close();
    server.closeAllConnections();
    server.close();
    rmSync(chatFolder, { recursive: true, force: true });
  }
  const unknown = only?.filter((name) => !taken.has(name)) ?? [];
  if (unknown.length > 0) throw new StepError(`there is no picture named ${unknown.join(", ")}`);
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

/** A result file of the command, to be dropped on the page's bench. */
function measureNatively() {
  const model = join(site, MODEL);
  const choices = ["--runs", "1", "--context", "192", "--threads", "1"];
  return execFileSync(tercet, ["bench", model, "--json", ...choices]);
}

/** In the page: one byte of what is stored of the only model is another one. */
async function damageStored() {
  const opening = indexedDB.open("tercet");
  await new Promise((resolve) => (opening.onsuccess = resolve));
  const change = opening.result.transaction("chunks", "readwrite");
  const done = new Promise((resolve) => (change.oncomplete = resolve));
  change.objectStore("chunks").openCursor().onsuccess = ({ target: { result: cursor } }) => {
    new Uint8Array(cursor.value)[77] ^= 1;
    cursor.update(cursor.value);
  };
  await done;
  opening.result.close();
}

/** In the engine's worker: it ends as a mistake would end it. */
const crash = () =>
  void setTimeout(() => {
    throw new Error("broken on purpose, for a picture");
  });

/** The engine's worker. The bench started the engine anew: those before it stay on the list for a while, in any order. */
async function onlyEngine(page) {
  for (;;) {
    const engines = page.workers().filter((worker) => worker.url().endsWith("/engine_worker.js"));
    if (engines.length === 1) return engines[0];
    await page.waitForTimeout(100);
  }
}

/** In the page: the top of it, or its end, drawn and at rest; returns whether the other end is worth a picture. */
async function scrollToEdge(edge) {
  scrollTo(0, edge === "top" ? 0 : document.documentElement.scrollHeight);
  for (let frame = 0; frame < 3; frame += 1) await new Promise(requestAnimationFrame);
  const open = document.querySelector("dialog[open]") !== null; // over whatever end it is
  return !open && document.documentElement.scrollHeight > innerHeight + 100;
}

/** `site`: a part of the addresses that are of this visit alone. */
async function visit({ context, origin, keep, site: own, nativeResult }) {
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS);
  const shot = async (name) => {
    await page.evaluate(() => document.activeElement?.blur());
    await page.mouse.move(0, 0);
    const take = () => page.screenshot({ scale: "css", animations: "disabled" });
    // A view that fills the window is shown as that: in a taller one its foot would hang in the middle. Both of its ends are seen.
    if ((await page.locator(".view-write:not([hidden])").count()) === 0) {
      // As tall a window as the view: a picture of a whole page (`fullPage`) is taken of one without touch.
      const window = page.viewportSize();
      const height = await page.evaluate(() => document.documentElement.scrollHeight);
      await page.setViewportSize({ ...window, height: Math.max(height, window.height) });
      await page.evaluate(scrollToEdge, "top");
      keep(name, await take());
      await page.setViewportSize(window);
      return;
    }
    const long = await page.evaluate(scrollToEdge, "top");
    keep(name, await take());
    await page.evaluate(scrollToEdge, "end");
    if (long) keep(`${name}-end`, await take());
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
  await ask(`slow/${own}/${bundledModel}.tercet`);
  await page.locator("#accept").click();
  await page.waitForFunction(() => document.querySelector("#model-progress").value > 0.3);
  await shot("start-arriving");
  await page.locator("#cancel").click();
  await page.locator("#resume").waitFor();
  await shot("start-cancelled");
  await ask(`cut/${own}/${bundledModel}.tercet`);
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
  await page.evaluate(() => (location.hash = "#/bench"));
  const measure = page.getByRole("button", { name: "Start", exact: true });
  await measure.click();
  await page.locator("#bench-results tbody tr").first().waitFor();
  await measure.waitFor();
  const file = { name: "native.json", mimeType: "application/json", buffer: nativeResult };
  await page.locator(".bench input[type=file]").setInputFiles(file);
  await page.getByText("(from file)").waitFor();
  await shot("bench-compared");
  await page.evaluate(() => (location.hash = "#/"));
  await page.evaluate(damageStored);
  await page.getByRole("button", { name: /^Verify / }).click();
  await page.locator(".outcome").waitFor();
  await shot("start-damaged");
  await page.evaluate(() => (location.hash = "#/write"));
  await page.locator("#write:enabled").waitFor();
  await (await onlyEngine(page)).evaluate(crash);
  await page.locator("#write").click();
  await page.locator("#write-problem").waitFor();
  await shot("write-failed");
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
}

function readArguments() {
  try {
    return parseArgs({ options: { out: { type: "string" }, only: { type: "string" } } }).values;
  } catch {
    return null;
  }
}

const asked = readArguments();
if (asked) {
  const out = asked.out ? resolve(asked.out) : join(root, "docs", "shots");
  await takeShots(out, asked.only?.split(",") ?? null).catch(reportFailure);
} else {
  process.stderr.write("usage: npm run shots -- [--out FOLDER] [--only NAME,NAME]\n");
  process.exitCode = 2;
}
