// abort.mjs - how long a stop takes: from abort() in the page to the end of the work, and from there to the first token of the next
// text. Run by `npm run bench:abort`. Medians and the 99th of 100, with threads and without isolation, in a prompt, between tokens, and
// while a grammar is made ready: the first of them reads the vocabulary.
//
//   npm run bench:abort -- [--model FILE | --shape LIST] [--runs N] [--json FILE]

import { cpSync, linkSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { modelFile, root } from "../scripts/paths.mjs";
import { createServer, listen } from "../scripts/serve.mjs";
import { isProgram, reportFailure } from "../scripts/steps.mjs";
import { chromiumPath, launcher, prepareBrowser } from "./browser.mjs";
import { machineLine } from "./machine.mjs";
import { benchFolder, chooseModels } from "./models.mjs";
import { readOptions } from "./options.mjs";
import { addRow, startResult, writeResult } from "./results.mjs";
import { columnsOf } from "./summary.mjs";
import { textTable } from "./table.mjs";

const command = {
  usage: "npm run bench:abort -- [OPTIONS]",
  summary:
    "Time from abort() in the page to the end of the work, and to the next text's first token.",
  options: {
    model: { kind: "text", value: "FILE", help: "a .tercet file; default: the bundled model" },
    shape: {
      kind: "list",
      value: "LIST",
      help: "synthetic models instead (tercet bench --shapes)",
    },
    runs: { kind: "count", value: "N", help: "stops of each kind (default 100)", default: 100 },
    json: { kind: "text", value: "FILE", help: "write the figures to FILE" },
  },
};

/** In the page: milliseconds of each round, stops and first tokens after them. */
async function measure({ runs }) {
  const tercet = await import("/dist/index.js");
  const model = await tercet.load("/model.tercet", { cache: "memory" });
  const { vocabulary, context } = model.info;
  const long = (round) =>
    Uint32Array.from({ length: context - 32 }, (_, i) => (7 * i + 31 * round) % vocabulary);
  // Another each time: one that is ready is kept.
  const schema = (round) => ({
    enum: Array.from({ length: 1000 }, (_, i) => `${round} ${i} a value of forty and some signs`),
  });
  const rounds = { prompt: [], tokens: [], grammar: [], next: [] };
  const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
  for (let round = 0; round < runs; round++)
    for (const where of ["prompt", "tokens", "grammar"]) {
      const abort = new AbortController();
      let ready;
      const reached = new Promise((resolve) => (ready = resolve));
      const options =
        where === "prompt"
          ? { onPromptProgress: ({ done, reused }) => done > reused && ready() }
          : where === "grammar"
            ? { grammar: { jsonSchema: schema(round) } }
            : { onToken: () => ready() };
      const text = where === "prompt" ? long(round) : `${round} Once`;
      const { result } = model.generate(text, { signal: abort.signal, seed: round, ...options });
      if (where === "grammar") await sleep((7 * round) % 60);
      else await Promise.race([reached, result]);
      // At any place of a slice or step, not always at its beginning.
      await sleep(round % 5);
      const begin = performance.now();
      abort.abort();
      const { finishReason } = await result;
      const end = performance.now();
      if (finishReason !== "aborted") continue; // it had ended by itself
      rounds[where].push(end - begin);
      await model.generate("Tom", { maxTokens: 1 }).result;
      rounds.next.push(performance.now() - end);
    }
  const { variant, threads } = model.info;
  await model.dispose();
  return { rounds, variant, threads };
}

const place = (list, share) =>
  [...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(share * list.length))];

/** A page with the model and nothing else, once isolated and once not. */
async function measurePages(folder, subject, runs, result) {
  const chromium = await launcher();
  const browser = await chromium.launch({
    executablePath: chromiumPath(),
    args: ["--no-sandbox", "--disable-gpu"],
  });
  try {
    for (const isolation of [true, false]) {
      const server = createServer({ root: folder, isolation });
      const port = await listen(server, { port: 0 });
      const context = await browser.newContext();
      const page = await context.newPage();
      await page.goto(`http://127.0.0.1:${port}/`);
      const { rounds, variant, threads } = await page.evaluate(measure, { runs });
      const engine = isolation ? `${variant}, isolated page` : `${variant}, page without isolation`;
      const figures = {
        stop_prompt_ms: rounds.prompt,
        stop_token_ms: rounds.tokens,
        stop_grammar_ms: rounds.grammar,
        next_token_ms: rounds.next,
      };
      addRow(result, { subject, engine, threads, figures });
      const spread = (list) =>
        `${place(list, 0.5).toFixed(1)} ms, 99th of 100 ${place(list, 0.99).toFixed(1)} ms (${list.length} times)`;
      result.notes.push(
        `${subject}, ${engine}: stop in a prompt ${spread(rounds.prompt)}, between tokens ${spread(rounds.tokens)}, ` +
          `while a grammar is made ready ${spread(rounds.grammar)}; first token of the next text ${spread(rounds.next)}`,
      );
      await context.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  } finally {
    await browser.close();
  }
}

/** Under another name, not copied where that can be helped. */
function placeModel(from, to) {
  try {
    linkSync(from, to);
  } catch {
    cpSync(from, to); // on another disk
  }
}

export async function main(args) {
  const options = readOptions(command, args);
  if (options === null) return;
  const { runs } = options;
  mkdirSync(benchFolder, { recursive: true });
  const result = startResult("abort", { runs });
  await prepareBrowser(["native", "model", "wasm", "web"]);
  const chosen = options.shape ? options : { model: options.model ?? modelFile };
  for (const model of await chooseModels(chosen, (text) => process.stderr.write(`${text}\n`))) {
    const folder = mkdtempSync(join(benchFolder, "abort-"));
    try {
      cpSync(join(root, "dist"), join(folder, "dist"), { recursive: true });
      writeFileSync(join(folder, "index.html"), "<!doctype html><title>bench</title>");
      placeModel(model.path, join(folder, "model.tercet"));
      await measurePages(folder, model.name, runs, result);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  process.stdout.write(`\n${textTable(columnsOf(result), result.rows)}\n`);
  for (const note of result.notes) process.stdout.write(`${note}\n`);
  process.stdout.write(`${machineLine(result.machine)}\n`);
  if (options.json) writeResult(result, options.json);
}

if (isProgram(import.meta)) await main(process.argv.slice(2)).catch(reportFailure);
