// visit.mjs - one visit of one engine: a fresh Chromium with a profile on the disk, as a user has one (a private window keeps
// its storage in memory), a page that has done nothing, then load, first token and speed. A second visit with the same
// profile finds what the first one stored.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromiumPath, launcher } from "../browser.mjs";
import { MemoryWatch, browserProcess } from "./renderer_memory.mjs";

/** Long enough for a figure of what an idle page takes. */
const IDLE_MS = 500;

const FLAGS = [
  ...["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
  ...["--disable-component-update", "--disable-sync"],
  // Nothing but this machine: whoever asks for another name gets no answer.
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
  // A renderer kept ready for the next page would be counted with ours.
  "--disable-features=SpareRendererForSitePerProcess",
];

/** A profile folder; remove() it at the end. */
export class Profile {
  folder = mkdtempSync(join(tmpdir(), "tercet-bench-web-"));

  remove() {
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

/**
 * `wanted` goes to the engine's module in bench/web/page/ as it is. The answer is what its visit() returned, with
 * `memory` and `problems` (what the page wrote to its console as an error); a page that fails or does not answer in time
 * gives { error } instead.
 */
export async function visit(site, profile, engine, wanted, { timeoutMs, memory = true }) {
  const chromium = await launcher();
  const context = await chromium.launchPersistentContext(profile.folder, {
    executablePath: chromiumPath(),
    args: FLAGS,
    // Playwright would close this browser and let the benchmark go on with the next. So the signal ends us, and with our
    // end of its pipe Chromium.
    handleSIGTERM: false,
    handleSIGHUP: false,
  });
  const problems = [];
  let watch = null;
  let timer;
  try {
    const page = context.pages()[0] ?? (await context.newPage());
    page.on("crash", () => problems.push("the renderer crashed"));
    page.on("pageerror", (error) => problems.push(`uncaught: ${error.message}`));
    page.on("console", (message) => {
      if (message.type() === "error") problems.push(message.text());
    });
    await page.goto(`${site.origin}/page/index.html`);
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
    if (memory) watch = new MemoryWatch(browserProcess(profile.folder));
    const crashed = new Promise((_, reject) =>
      page.on("crash", () => reject(new Error("the renderer crashed"))),
    );
    const late = new Promise((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`no answer within ${timeoutMs / 1000} s`)),
        timeoutMs,
      );
    });
    const work = page.evaluate(
      async ({ engine, wanted }) => (await import(`./${engine}.js`)).visit(wanted),
      { engine, wanted },
    );
    work.catch(() => {}); // when the race is over
    const answer = await Promise.race([work, crashed, late]);
    return { ...answer, memory: watch?.stop() ?? null, problems };
  } catch (error) {
    return { error: firstLine(error.message), memory: watch?.stop() ?? null, problems };
  } finally {
    clearTimeout(timer);
    await context.close().catch(() => {});
  }
}

/** Playwright puts the page's stack below. */
function firstLine(text) {
  return text.replace(/^page\.evaluate: /, "").split("\n")[0];
}
