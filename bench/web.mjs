// web.mjs - `npm run bench:web`: Tercet and wllama (llama.cpp for browsers) in the same Chromium, with the same weights, in
// turn. Each run of each configuration is two visits of a fresh browser with a profile of its own: the first fetches the
// model from this machine and stores it, the second finds it. It never asks another machine for anything once the rival's
// package is there. What a rival cannot do is a row that says so.

import { statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { modelFile, root, tercet } from "../scripts/paths.mjs";
import { isProgram, reportFailure } from "../scripts/steps.mjs";
import { prepareBrowser } from "./browser.mjs";
import { benchFolder, chooseModels } from "./models.mjs";
import { tryTwin } from "./native/twin_file.mjs";
import { readOptions } from "./options.mjs";
import { addRow, startResult, writeResult } from "./results.mjs";
import { installRival } from "./rivals.mjs";
import { inTurn } from "./turns.mjs";
import { webText } from "./web/report.mjs";
import { BenchSite } from "./web/site.mjs";
import { Profile, visit } from "./web/visit.mjs";

/** Prompt of the first token, in tokens. */
const FIRST_PROMPT = 8;
const VISIT_TIMEOUT_MS = 180_000;
const RIVAL = "@wllama/wllama";

export const command = {
  usage: "npm run bench:web -- [OPTIONS]",
  summary:
    "Tercet and wllama in the same Chromium, in turn: tokens a second, time to load and to the first\n" +
    "token, memory of the renderer, bytes of the engine. The rival computes fewer tokens: it is slow.",
  options: {
    shape: {
      kind: "list",
      value: "LIST",
      default: ["llama-729m"],
      help: 'synthetic models (tercet bench --shapes), or "bundled" (default: llama-729m)',
    },
    model: { kind: "text", value: "FILE", help: "a .tercet file instead" },
    threads: { kind: "counts", value: "LIST", default: [2, 1], help: "default: 2,1" },
    types: {
      kind: "list",
      value: "LIST",
      choices: ["tq2_0", "q4_0"],
      default: ["tq2_0", "q4_0"],
      help: "the rival's block types (default: tq2_0,q4_0)",
    },
    only: { kind: "text", value: "tercet|wllama", choices: ["tercet", "wllama"], help: "one side" },
    runs: { kind: "count", value: "N", default: 3, help: "default: 3" },
    prompt: { kind: "count", value: "N", default: 128, help: "Tercet's prompt (default: 128)" },
    tokens: { kind: "count", value: "N", default: 64, help: "Tercet's tokens (default: 64)" },
    "rival-prompt": { kind: "count", value: "N", default: 16, help: "wllama's (default: 16)" },
    "rival-tokens": { kind: "count", value: "N", default: 8, help: "wllama's (default: 8)" },
    context: { kind: "count", value: "N", default: 256, help: "of both (default: 256)" },
    json: { kind: "text", value: "FILE", help: "keep the result" },
  },
};

const FIGURES = {
  decode_tokens_per_s: ({ cached }) => cached.decodeTokensPerSecond,
  prompt_tokens_per_s: ({ cached }) => cached.promptTokensPerSecond,
  network_load_s: ({ fetched }) => fetched.loadSeconds,
  cache_load_s: ({ cached }) => cached.loadSeconds,
  network_first_token_s: ({ fetched }) => fetched.firstTokenSeconds,
  cache_first_token_s: ({ cached }) => cached.firstTokenSeconds,
  network_renderer_peak_bytes: ({ fetched }) => fetched.memory.rendererPeakBytes,
  cache_renderer_peak_bytes: ({ cached }) => cached.memory.rendererPeakBytes,
  renderer_high_water_bytes: ({ fetched, cached }) =>
    Math.max(fetched.memory.rendererHighWaterBytes, cached.memory.rendererHighWaterBytes),
  browser_peak_bytes: ({ fetched, cached }) =>
    Math.max(fetched.memory.browserPeakBytes, cached.memory.browserPeakBytes),
};

/** What runs: one engine with one file and one number of threads. */
async function configurationsOf(model, options, report) {
  const list = [];
  const tercetBytes = statSync(model.path).size;
  for (const threads of options.threads) {
    if (options.only !== "wllama") {
      const tokens = { promptTokens: options.prompt, decodeTokens: options.tokens };
      list.push({ engine: "tercet", file: model.path, bytes: tercetBytes, threads, ...tokens });
    }
    if (options.only === "tercet") continue;
    const tokens = { promptTokens: options["rival-prompt"], decodeTokens: options["rival-tokens"] };
    for (const type of options.types) {
      const { path: file, failure } = await tryTwin(tercet, model, type, report);
      const found = failure ? { failure } : { file, bytes: statSync(file).size };
      list.push({ engine: "wllama", type, threads, ...tokens, ...found });
    }
  }
  return list;
}

const nameOf = ({ engine, type, threads }) =>
  `${engine}${type ? ` ${type}` : ""}, ${threads} ${threads === 1 ? "thread" : "threads"}`;

/** Two visits; throws when one of them fails. */
async function measure(site, configuration, context) {
  const { engine, file, threads, promptTokens, decodeTokens, failure } = configuration;
  if (failure) throw failure;
  const folder = dirname(file) === benchFolder ? "models" : "named";
  const wanted = {
    model: `/${folder}/${encodeURIComponent(basename(file))}`,
    threads,
    context,
    firstPrompt: FIRST_PROMPT,
  };
  const profile = new Profile();
  try {
    site.forget();
    const options = { timeoutMs: VISIT_TIMEOUT_MS };
    const first = { ...wanted, promptTokens: 0, decodeTokens: 0 };
    const fetched = requireAnswer(await visit(site, profile, engine, first, options));
    const engineBytes = site.sentOf(engine).gzipBytes;
    const second = { ...wanted, promptTokens, decodeTokens };
    const cached = requireAnswer(await visit(site, profile, engine, second, options));
    if (cached.threads !== threads)
      throw new Error(`it ran with ${cached.threads} of ${threads} threads`);
    return { fetched, cached, engineBytes };
  } finally {
    profile.remove();
  }
}

function requireAnswer(answer) {
  if (answer.error === undefined) return answer;
  const said = answer.problems.at(-1);
  throw new Error(said ? `${answer.error} (${said.split("\n")[0].slice(0, 200)})` : answer.error);
}

function rowOf(model, configuration, { results, failure }) {
  const last = results.at(-1);
  const figures = {};
  for (const [name, figure] of Object.entries(FIGURES)) {
    const values = results.map(figure).filter((value) => Number.isFinite(value));
    if (values.length === results.length && values.length > 0) figures[name] = values;
  }
  if (last) figures.engine_gzip_bytes = [last.engineBytes];
  if (configuration.bytes) figures.model_bytes = [configuration.bytes];
  return {
    subject: model.name,
    engine: configuration.type ? `${configuration.engine} ${configuration.type}` : "tercet",
    threads: configuration.threads,
    prompt_tokens: last?.cached.promptTokens ?? configuration.promptTokens,
    decode_tokens: last?.cached.decodeTokens ?? configuration.decodeTokens,
    ...(last?.cached.kernels ? { kernels: last.cached.kernels } : {}),
    ...(last?.cached.sessionBytes ? { session_bytes: last.cached.sessionBytes } : {}),
    figures,
    ...(failure ? { failure: failure.message } : {}),
  };
}

const NOTES = [
  "Load and first token: from the browser's storage, and on a first visit from a server on this machine (prompt of 8 tokens).",
  "Memory: over the idle page; PSS of the page's renderer sampled every 50 ms, high water: its peak RSS as the kernel keeps it.",
  "wllama's speeds are its own timings; it computes fewer tokens than Tercet, each row of the JSON says how many.",
];

async function main() {
  const options = readOptions(command);
  if (options === null) return;
  const say = (line) => process.stderr.write(`${line}\n`);
  await prepareBrowser(["native", "model", "wasm", "web"]);
  const bundled = options.shape.includes("bundled");
  const synthetic = options.shape.filter((name) => name !== "bundled");
  const models = options.model
    ? await chooseModels({ model: options.model }, say)
    : await chooseModels({ shape: synthetic }, say);
  if (bundled && !options.model)
    models.push({ path: modelFile, name: basename(modelFile, ".tercet"), synthetic: false });
  const folders = { tercet: join(root, "dist"), page: join(root, "bench", "web", "page") };
  const settings = { ...options };
  if (options.only !== "tercet") {
    const rival = await installRival(RIVAL, say);
    folders.wllama = join(rival.folder, "esm");
    settings.wllama = rival.version;
  }
  const result = startResult("web", settings);
  result.notes.push(...NOTES);
  for (const model of models) {
    const configurations = await configurationsOf(model, options, say);
    const named = join(model.path, "..");
    const site = await BenchSite.start({ ...folders, models: benchFolder, named });
    try {
      // No round to warm up: what a fresh browser does is what is measured.
      const outcomes = await inTurn(
        configurations,
        options.runs,
        (configuration) => measure(site, configuration, options.context),
        { warmUp: false, report: say, name: (one) => `${model.name}: ${nameOf(one)}` },
      );
      for (const [configuration, outcome] of outcomes)
        addRow(result, rowOf(model, configuration, outcome));
    } finally {
      await site.stop();
    }
  }
  process.stdout.write(webText(result));
  if (options.json) writeResult(result, options.json);
}

if (isProgram(import.meta)) await main().catch(reportFailure);
