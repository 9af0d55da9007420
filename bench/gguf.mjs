// gguf.mjs - `npm run bench:gguf`: a page that is given a GGUF file: how long it takes to come, to be packed and to be loaded,
// how much memory that takes over an idle page, and what the next visit takes; beside it the native `tercet pack` of the
// same file on one thread. Each visit is a fresh Chromium; a run is a fresh profile.

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { root, tercet } from "../scripts/paths.mjs";
import { isProgram, reportFailure, StepError } from "../scripts/steps.mjs";
import { prepareBrowser } from "./browser.mjs";
import { machineLine } from "./machine.mjs";
import { benchFolder, chooseModels, requireDisk } from "./models.mjs";
import { readOptions } from "./options.mjs";
import { addRow, startResult, writeResult } from "./results.mjs";
import { median } from "./statistics.mjs";
import { columnsOf } from "./summary.mjs";
import { formatBytes, textTable } from "./table.mjs";
import { BenchSite } from "./web/site.mjs";
import { Profile, visit } from "./web/visit.mjs";

const command = {
  usage: "npm run bench:gguf -- [OPTIONS]",
  summary: "Time and memory of a page that packs a GGUF file, and of its next visit.",
  options: {
    shape: {
      kind: "list",
      value: "LIST",
      help: "synthetic models (tercet bench --shapes); default llama-729m",
      default: ["llama-729m"],
    },
    model: { kind: "text", value: "FILE", help: "this .tercet file instead" },
    type: { kind: "text", value: "TYPE", help: "of the GGUF file (tercet export); default tq2_0" },
    runs: { kind: "count", value: "N", help: "pairs of visits (default 3)", default: 3 },
    threads: { kind: "count", value: "N", help: "threads of the engine (default 2)", default: 2 },
    context: { kind: "count", value: "N", help: "tokens of context (default 256)", default: 256 },
    json: { kind: "text", value: "FILE", help: "write the figures to FILE" },
  },
};

/** The model as a GGUF file, made once. */
function ggufOf({ path, name }, type) {
  const file = join(benchFolder, `${basename(path, ".tercet")}-${type}.gguf`);
  if (existsSync(file) && statSync(file).mtimeMs > statSync(path).mtimeMs) return file;
  requireDisk(benchFolder, 2 * statSync(path).size, `the GGUF twin of ${name}`);
  execFileSync(tercet, ["export", path, "--to", "gguf", "--type", type, "-o", file, "--quiet"]);
  return file;
}

/** Report of the native packer. */
function packNatively(file) {
  const folder = mkdtempSync(join(tmpdir(), "tercet-bench-gguf-"));
  try {
    const args = ["pack", file, "-o", join(folder, "m.tercet"), "--json"];
    const options = { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] };
    return JSON.parse(execFileSync(tercet, args, options));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(model, options, result) {
  const file = ggufOf(model, options.type ?? "tq2_0");
  const sourceBytes = statSync(file).size;
  const site = await BenchSite.start({
    tercet: join(root, "dist"),
    page: join(root, "bench", "web", "page"),
    models: dirname(file),
  });
  const wanted = {
    model: `/models/${basename(file)}`,
    threads: options.threads,
    context: options.context,
    promptTokens: 0,
    firstPrompt: 1,
  };
  const figures = {
    download_seconds: [],
    pack_seconds: [],
    first_visit_seconds: [],
    renderer_over_model_bytes: [],
    browser_over_model_bytes: [],
    next_visit_seconds: [],
  };
  const native = [];
  try {
    for (let run = 0; run < options.runs; run++) {
      const profile = new Profile();
      try {
        const packed = packNatively(file);
        native.push(packed.seconds);
        for (const next of [false, true]) {
          const answer = await visit(site, profile, "tercet", wanted, { timeoutMs: 500_000 });
          if (answer.error) throw new StepError(answer.error);
          if (answer.modelId !== packed.model_id)
            throw new StepError("the page packed another model than the native twin");
          if (next) figures.next_visit_seconds.push(answer.firstTokenSeconds);
          else addFirst(figures, answer);
        }
      } finally {
        profile.remove();
      }
    }
  } finally {
    await site.stop();
  }
  const pack = median(figures.pack_seconds);
  addRow(result, { subject: model.name, engine: "page", threads: options.threads, figures });
  addRow(result, {
    subject: model.name,
    engine: "tercet pack",
    figures: { pack_seconds: native },
  });
  result.notes.push(
    `${basename(file)}, ${formatBytes(sourceBytes)}: packed in the page in ${pack.toFixed(2)} s ` +
      `(${(sourceBytes / 1e6 / pack).toFixed(0)} MB/s), natively in ${median(native).toFixed(2)} s; ` +
      `renderer at most ${formatBytes(median(figures.renderer_over_model_bytes))} over model and session, ` +
      `all of the browser ${formatBytes(median(figures.browser_over_model_bytes))}`,
  );
}

function addFirst(figures, answer) {
  const { phaseSeconds, memory, fileBytes, sessionBytes } = answer;
  figures.download_seconds.push(phaseSeconds.download ?? 0);
  figures.pack_seconds.push(phaseSeconds.pack ?? 0);
  figures.first_visit_seconds.push(answer.firstTokenSeconds);
  const ours = fileBytes + sessionBytes;
  figures.renderer_over_model_bytes.push(memory.rendererPeakBytes - ours);
  figures.browser_over_model_bytes.push(memory.browserPeakBytes - ours);
}

export async function main(args) {
  const options = readOptions(command, args);
  if (options === null) return;
  const { runs, threads, context } = options;
  const result = startResult("gguf", { runs, threads, context, type: options.type ?? "tq2_0" });
  await prepareBrowser(["native", "model", "wasm", "web"]);
  for (const model of await chooseModels(options, (text) => process.stderr.write(`${text}\n`)))
    await measure(model, options, result);
  process.stdout.write(`\n${textTable(columnsOf(result), result.rows)}\n`);
  for (const note of result.notes) process.stdout.write(`${note}\n`);
  process.stdout.write(`${machineLine(result.machine)}\n`);
  if (options.json) writeResult(result, options.json);
}

if (isProgram(import.meta)) await main(process.argv.slice(2)).catch(reportFailure);
