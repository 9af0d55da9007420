// page.mjs - how soon the page shows something, on a first visit and on a later one, and whether it stays smooth while the model
// writes: frames a second, the longest frame, long tasks of the main thread and layout shifts, with the text plain and with its
// tokens coloured, and of the same page at rest in between. Run by `npm run bench:page`. It drives the built page as a person
// would; nothing in the page knows of it.
//
//   npm run bench:page -- [--runs N] [--json FILE]

import { createServer, listen } from "../scripts/serve.mjs";
import { bundledModel, site } from "../scripts/paths.mjs";
import { isProgram, reportFailure } from "../scripts/steps.mjs";
import { chromiumPath, launcher, prepareBrowser } from "./browser.mjs";
import { machineLine } from "./machine.mjs";
import { readOptions } from "./options.mjs";
import { addRow, startResult, writeResult } from "./results.mjs";
import { columnsOf } from "./summary.mjs";
import { textTable } from "./table.mjs";

const command = {
  usage: "npm run bench:page -- [OPTIONS]",
  summary:
    "First paint of the page; frames, long tasks and layout shifts of the page while the model writes.",
  options: {
    runs: {
      kind: "count",
      value: "N",
      help: "visits, and stories of each kind (default 10)",
      default: 10,
    },
    json: { kind: "text", value: "FILE", help: "write the figures to FILE" },
  },
};

/** In the page: begins to watch; the result of watch.end() is of the time between. */
function installWatch() {
  globalThis.watch = {
    begin() {
      this.frames = [];
      this.tasks = [];
      this.shifts = 0;
      this.on = true;
      const frame = (time) => {
        this.frames.push(time);
        if (this.on) requestAnimationFrame(frame);
      };
      requestAnimationFrame(frame);
      const observe = (type, note) => {
        const observer = new PerformanceObserver((list) => list.getEntries().forEach(note));
        observer.observe({ type });
        return observer;
      };
      this.observers = [
        observe("longtask", ({ duration }) => this.tasks.push(duration)),
        observe("layout-shift", ({ value, hadRecentInput }) => {
          if (!hadRecentInput) this.shifts += value;
        }),
      ];
    },
    async end() {
      this.on = false;
      // Entries come after the frame that they are of.
      await new Promise((resolve) => setTimeout(resolve, 100));
      for (const observer of this.observers) observer.disconnect();
      const { frames } = this;
      const gaps = frames.slice(1).map((time, i) => time - frames[i]);
      const seconds = (frames.at(-1) - frames[0]) / 1000;
      return {
        seconds,
        frames_per_s: gaps.length / seconds,
        longest_frame_ms: Math.max(...gaps),
        longest_task_ms: Math.max(0, ...this.tasks),
        layout_shift: this.shifts,
      };
    },
  };
}

/** From the click on a link to the first text or picture, as the browser itself tells it. */
async function measurePaint(browser, origin, runs, result) {
  const kinds = { "first visit": [], "later visit": [] };
  const visit = async (page) => {
    await page.goto(`${origin}/`);
    const paint = await page.evaluate(
      () =>
        new Promise((resolve) => {
          const observer = new PerformanceObserver((list) => {
            for (const { name, startTime } of list.getEntries())
              if (name === "first-contentful-paint") resolve(startTime);
          });
          observer.observe({ type: "paint", buffered: true });
        }),
    );
    await page.waitForSelector("#begin");
    return paint;
  };
  for (let run = 0; run <= runs; run++) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 860 } });
    const page = await context.newPage();
    const first = await visit(page);
    // What a later visit finds: the page in the service worker's cache.
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => true));
    const later = await visit(page);
    await context.close();
    if (run === 0) continue; // the one that warms up
    kinds["first visit"].push(first);
    kinds["later visit"].push(later);
  }
  for (const [engine, list] of Object.entries(kinds)) {
    addRow(result, { subject: "the page", engine, figures: { first_paint_ms: list } });
    result.notes.push(`${engine}: slowest first paint ${Math.round(Math.max(...list))} ms`);
  }
}

async function measure(page, origin, runs, result) {
  await page.addInitScript(installWatch);
  await page.goto(`${origin}/`);
  await page.locator("#model-url").evaluate((field) => {
    for (let at = field; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  });
  await page.locator("#model-url").fill(`models/${bundledModel}.tercet`);
  await page.locator("#model-url").press("Enter");
  await page.locator("#accept").click(); // what it needs is shown first
  await page.waitForSelector(".open-model.open", { state: "attached" });
  await page.goto(`${origin}/#/write`);
  await page.waitForSelector("#write:enabled");
  const write = async () => {
    await page.locator("#prompt").fill("One morning Tom went to the store");
    await page.locator("#prompt").press("Enter");
    await page.waitForSelector("#stop");
    await page.waitForSelector("#write:enabled");
  };
  await write(); // the first one also makes what later ones find
  const kinds = { "at rest": [], "plain text": [], "coloured tokens": [] };
  for (let run = 0; run < runs; run++)
    for (const [kind, taken] of Object.entries(kinds)) {
      const wanted = kind === "coloured tokens";
      if ((await page.locator("#coloured").isChecked()) !== wanted)
        await page.locator("#coloured").click();
      await page.evaluate(() => globalThis.watch.begin());
      if (kind === "at rest") await page.waitForTimeout(1000);
      else await write();
      taken.push(await page.evaluate(() => globalThis.watch.end()));
    }
  for (const [engine, taken] of Object.entries(kinds)) {
    const list = (name) => taken.map((one) => one[name]);
    const figures = {
      frames_per_s: list("frames_per_s"),
      longest_frame_ms: list("longest_frame_ms"),
      longest_task_ms: list("longest_task_ms"),
      layout_shift: list("layout_shift"),
    };
    addRow(result, { subject: bundledModel, engine, figures });
    const worst = Math.max(...figures.longest_task_ms);
    const shift = Math.max(...figures.layout_shift);
    result.notes.push(
      `${engine}: longest task of all runs ${worst > 0 ? `${worst} ms` : "under 50 ms"}, ` +
        `most layout shift of a run ${shift.toFixed(4)}`,
    );
  }
}

export async function main(args) {
  const options = readOptions(command, args);
  if (options === null) return;
  const result = startResult("page", { runs: options.runs });
  await prepareBrowser(["native", "model", "wasm", "web"]);
  const server = createServer({ root: site, isolation: true });
  const port = await listen(server, { port: 0 });
  const browser = await (
    await launcher()
  ).launch({
    executablePath: chromiumPath(),
    args: ["--no-sandbox", "--disable-gpu"],
  });
  try {
    await measurePaint(browser, `http://127.0.0.1:${port}`, options.runs, result);
    const page = await browser.newPage({ viewport: { width: 1280, height: 860 } });
    await measure(page, `http://127.0.0.1:${port}`, options.runs, result);
  } finally {
    await browser.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  process.stdout.write(`\n${textTable(columnsOf(result), result.rows)}\n`);
  for (const note of result.notes) process.stdout.write(`${note}\n`);
  process.stdout.write(`${machineLine(result.machine)}\n`);
  if (options.json) writeResult(result, options.json);
}

if (isProgram(import.meta)) await main(process.argv.slice(2)).catch(reportFailure);
