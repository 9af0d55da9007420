// abort.mjs - how long a stop takes: from abort() in the page to the end of the work, and from there to the first token of the next
// text. Run by `npm run bench:abort`. Medians and the 99th of 100, with threads and without isolation, in a prompt and between tokens.
//
//   node bench/abort.mjs [--model FILE] [--runs N]

import { mkdtempSync, rmSync, writeFileSync, readFileSync, cpSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { modelFile, root } from "../scripts/paths.mjs";
import { createServer, listen } from "../scripts/serve.mjs";

const { values } = parseArgs({
  options: {
    model: { type: "string", default: modelFile },
    runs: { type: "string", default: "100" },
  },
});
const runs = Number(values.runs);
const folder = mkdtempSync(join(tmpdir(), "tercet-abort-"));
cpSync(join(root, "dist"), join(folder, "dist"), { recursive: true });
writeFileSync(join(folder, "index.html"), "<!doctype html><title>bench</title>");
writeFileSync(join(folder, "model.tercet"), readFileSync(values.model));

const browser = await chromium.launch({
  executablePath: process.env.TERCET_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu"],
});

/** In the page: milliseconds of each round, stops and first tokens after them. */
async function measure({ runs }) {
  const tercet = await import("/dist/index.js");
  const model = await tercet.load("/model.tercet", { cache: "memory" });
  const words = "One morning Tom went to the store. ".repeat(
    Math.max(1, Math.floor(model.info.context / 12)),
  );
  const rounds = { prompt: [], tokens: [], next: [] };
  for (let round = 0; round < runs; round++)
    for (const where of ["prompt", "tokens"]) {
      const abort = new AbortController();
      let ready;
      const reached = new Promise((resolve) => (ready = resolve));
      const options =
        where === "prompt"
          ? { onPromptProgress: ({ done, reused }) => done > reused && ready() }
          : { onToken: () => ready() };
      const text = where === "prompt" ? `${round} ${words}` : `${round} Once`;
      const { result } = model.generate(text, { signal: abort.signal, seed: round, ...options });
      await Promise.race([reached, result]);
      // At any place of a slice or step, not always at its beginning.
      await new Promise((resolve) => setTimeout(resolve, round % 5));
      const begin = performance.now();
      abort.abort();
      const { finishReason } = await result;
      const end = performance.now();
      if (finishReason !== "aborted") continue; // it had ended by itself
      rounds[where].push(end - begin);
      await model.generate("Tom", { maxTokens: 1 }).result;
      rounds.next.push(performance.now() - end);
    }
  const { variant, threads, kernels, name } = model.info;
  await model.dispose();
  return { rounds, variant, threads, kernels, name };
}

const place = (list, share) =>
  [...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(share * list.length))];

try {
  for (const isolation of [true, false]) {
    const server = createServer({ root: folder, isolation });
    const port = await listen(server, { port: 0 });
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(`http://127.0.0.1:${port}/`);
    const { rounds, variant, threads, name } = await page.evaluate(measure, { runs });
    console.log(`${name}, ${variant}, ${threads} ${threads === 1 ? "thread" : "threads"}`);
    for (const [what, list] of Object.entries({
      "stop in a prompt": rounds.prompt,
      "stop between tokens": rounds.tokens,
      "next first token": rounds.next,
    }))
      console.log(
        `  ${what.padEnd(20)} median ${place(list, 0.5).toFixed(1)} ms, 99th of 100 ${place(list, 0.99).toFixed(1)} ms (${list.length} times)`,
      );
    await context.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
} finally {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
}
