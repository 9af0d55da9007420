// load.mjs - `npm run bench:load`: how long a page that has the model takes to the first token, against the time to read the
// model's bytes out of the same IndexedDB and drop them. Each run is a fresh Chromium on the same profile, in turn.

import { basename, dirname, join } from "node:path";
import { root } from "../scripts/paths.mjs";
import { isProgram, reportFailure, StepError } from "../scripts/steps.mjs";
import { prepareBrowser } from "./browser.mjs";
import { machineLine } from "./machine.mjs";
import { chooseModels } from "./models.mjs";
import { readOptions } from "./options.mjs";
import { addRow, startResult, writeResult } from "./results.mjs";
import { median } from "./statistics.mjs";
import { columnsOf } from "./summary.mjs";
import { formatBytes, textTable } from "./table.mjs";
import { BenchSite } from "./web/site.mjs";
import { Profile, visit } from "./web/visit.mjs";

const command = {
  usage: "npm run bench:load -- [OPTIONS]",
  summary: "Time to the first token of a page that has the model, against reading its bytes alone.",
  options: {
    shape: {
      kind: "list",
      value: "LIST",
      help: "synthetic models (tercet bench --shapes); default gpt2-xl",
      default: ["gpt2-xl"],
    },
    model: { kind: "text", value: "FILE", help: "this file instead" },
    runs: { kind: "count", value: "N", help: "pairs of runs (default 5)", default: 5 },
    threads: { kind: "count", value: "N", help: "threads of the engine (default 2)", default: 2 },
    context: { kind: "count", value: "N", help: "tokens of context (default 256)", default: 256 },
    dist: { kind: "text", value: "FOLDER", help: "another build of the library (default dist)" },
    json: { kind: "text", value: "FILE", help: "write the figures to FILE" },
  },
};

/** Chunks a question of the plain reading: the faster of one and many is what counts. */
const BATCHES = [1, 8];

function figuresOf(answer, what) {
  if (answer.error) throw new StepError(`${what}: ${answer.error}`);
  return answer;
}

async function measure({ path, name }, options, result) {
  const site = await BenchSite.start({
    tercet: options.dist ?? join(root, "dist"),
    page: join(root, "bench", "web", "page"),
    models: dirname(path),
  });
  const profile = new Profile();
  const wanted = {
    model: `/models/${basename(path)}`,
    threads: options.threads,
    context: options.context,
    promptTokens: 0,
    firstPrompt: 1,
  };
  const times = { timeoutMs: 200_000 };
  try {
    figuresOf(await visit(site, profile, "tercet", wanted, times), "the first visit");
    const reads = BATCHES.map(() => []);
    const load = { load_seconds: [], first_token_seconds: [], renderer_over_model_bytes: [] };
    for (let run = 0; run < options.runs; run++) {
      for (const [i, batch] of BATCHES.entries()) {
        const read = await visit(site, profile, "stored_bytes", { batch }, times);
        reads[i].push(figuresOf(read, "reading").readSeconds);
      }
      const answer = figuresOf(await visit(site, profile, "tercet", wanted, times), "a visit");
      if (answer.source !== "indexeddb")
        throw new StepError(`the model came from ${answer.source}, not from IndexedDB`);
      load.load_seconds.push(answer.loadSeconds);
      load.first_token_seconds.push(answer.firstTokenSeconds);
      const over = answer.memory.rendererPeakBytes - answer.fileBytes - answer.sessionBytes;
      load.renderer_over_model_bytes.push(over);
    }
    const best = Math.min(...reads.map((times) => median(times)));
    for (const [i, batch] of BATCHES.entries())
      addRow(result, {
        subject: name,
        engine: `bytes alone, ${batch} a question`,
        figures: { read_seconds: reads[i] },
      });
    addRow(result, { subject: name, engine: "Tercet", threads: options.threads, figures: load });
    const token = median(load.first_token_seconds);
    result.notes.push(
      `${name}: bytes alone ${BATCHES.map((batch, i) => `${median(reads[i]).toFixed(2)} s (${batch} a question)`).join(", ")}; ` +
        `loaded after ${median(load.load_seconds).toFixed(2)} s, first token after ${token.toFixed(2)} s = ` +
        `${(token / best).toFixed(2)} x the faster reading; renderer over model and session ` +
        `${formatBytes(median(load.renderer_over_model_bytes))}`,
    );
  } finally {
    profile.remove();
    await site.stop();
  }
}

export async function main(args) {
  const options = readOptions(command, args);
  if (options === null) return;
  const result = startResult("load", {
    runs: options.runs,
    threads: options.threads,
    context: options.context,
    ...(options.dist && { dist: options.dist }),
  });
  await prepareBrowser(options.dist === null ? ["native", "model", "wasm", "web"] : []);
  for (const model of await chooseModels(options, (text) => process.stderr.write(`${text}\n`)))
    await measure(model, options, result);
  process.stdout.write(`\n${textTable(columnsOf(result), result.rows)}\n`);
  for (const note of result.notes) process.stdout.write(`${note}\n`);
  process.stdout.write(`${machineLine(result.machine)}\n`);
  if (options.json) writeResult(result, options.json);
}

if (isProgram(import.meta)) await main(process.argv.slice(2)).catch(reportFailure);
