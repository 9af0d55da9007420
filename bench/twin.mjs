// twin.mjs - `npm run bench:twin`: our native program and our WebAssembly in Chromium on the same file,
// in turn. Both compute the same bits, so the ratio is that of the two ways to run them and of nothing else.

import { dirname, basename } from "node:path";
import { root } from "../scripts/paths.mjs";
import { reportFailure } from "../scripts/steps.mjs";
import { prepareBrowser } from "./browser.mjs";
import { machineLine } from "./machine.mjs";
import { chooseModels, nativeProgram } from "./models.mjs";
import { benchNatively } from "./native_runs.mjs";
import { readOptions } from "./options.mjs";
import { addRow, startResult, writeResult } from "./results.mjs";
import { columnsOf } from "./summary.mjs";
import { textTable } from "./table.mjs";
import { inTurn } from "./turns.mjs";
import { BenchSite } from "./web/site.mjs";
import { Profile, visit } from "./web/visit.mjs";

const command = {
  usage: "npm run bench:twin -- [OPTIONS]",
  summary:
    "Compares our native program with our WebAssembly in Chromium, on the same model, in turn:\n" +
    "decode, prompt, time to load and to the first token. Ratios are to native x86_avx2.",
  options: {
    shape: {
      kind: "list",
      value: "LIST",
      default: ["llama-729m"],
      help: "Synthetic shapes (tercet bench --shapes); default llama-729m.",
    },
    model: { kind: "text", value: "FILE", help: "A .tercet file in place of shapes." },
    threads: { kind: "counts", value: "LIST", default: [1, 2], help: "Threads; default 1,2." },
    kernels: {
      kind: "list",
      value: "LIST",
      default: ["x86_avx2", "best"],
      help: "Native kernel sets; default x86_avx2,best.",
    },
    variants: {
      kind: "list",
      value: "LIST",
      choices: ["relaxed", "simd128"],
      default: ["relaxed", "simd128"],
      help: "WebAssembly modules; default relaxed,simd128.",
    },
    prompt: { kind: "count", value: "N", default: 128, help: "Tokens of prompt; default 128." },
    tokens: { kind: "count", value: "N", default: 48, help: "Tokens to write; default 48." },
    runs: { kind: "count", value: "N", default: 5, help: "Runs to take the median of; default 5." },
    json: { kind: "text", value: "FILE", help: "Keep the result." },
  },
};

/** Long enough for the slowest module on the largest shape. */
const VISIT_TIMEOUT_MS = 300_000;

/** One run in a page that has the model stored; the first visit stores it. */
async function benchInPage({ site, profile, address, threads, variant, options }) {
  const answer = await visit(
    site,
    profile,
    "tercet",
    {
      model: address,
      threads,
      variant: threads > 1 ? `${variant}-threads` : variant,
      context: options.prompt + options.tokens,
      promptTokens: options.prompt,
      decodeTokens: options.tokens,
      firstPrompt: 8,
    },
    { timeoutMs: VISIT_TIMEOUT_MS, memory: false },
  );
  if (answer.error) throw new Error(answer.error);
  return {
    kernels: answer.kernels,
    decode_tokens_per_s: answer.decodeTokensPerSecond,
    prompt_tokens_per_s: answer.promptTokensPerSecond,
    load_seconds: answer.loadSeconds,
    first_token_seconds: answer.firstTokenSeconds,
  };
}

const measured = [
  "decode_tokens_per_s",
  "prompt_tokens_per_s",
  "load_seconds",
  "first_token_seconds",
];

async function compare(model, threads, { program, site, profile, options, report, result }) {
  const address = `${site.origin}/model/${encodeURIComponent(basename(model.path))}`;
  const native = options.kernels.map((kernels) => ({
    engine: `native ${kernels}`,
    run: () =>
      benchNatively(program, model.path, {
        kernels: kernels === "best" ? null : kernels,
        threads,
        prompt: options.prompt,
        tokens: options.tokens,
      }),
  }));
  const pages = options.variants.map((variant) => ({
    engine: `page ${variant}`,
    run: () => benchInPage({ site, profile, address, threads, variant, options }),
  }));
  const outcomes = await inTurn(
    [...native, ...pages],
    options.runs,
    (configuration) => configuration.run(),
    { report, name: ({ engine }) => `${model.name}, ${threads} thread(s), ${engine}` },
  );
  for (const [{ engine }, { results, failure }] of outcomes) {
    const figures = Object.fromEntries(
      measured
        .map((name) => [name, results.map((run) => run[name]).filter(Number.isFinite)])
        .filter(([, runs]) => runs.length > 0),
    );
    addRow(result, {
      subject: model.name,
      engine,
      threads,
      kernels: results[0]?.kernels,
      figures,
      ...(failure && { failure: failure.message }),
    });
  }
}

export async function runTwin(args) {
  const options = readOptions(command, args);
  if (options === null) return;
  const report = (line) => process.stderr.write(`${line}\n`);
  await prepareBrowser(["native", "model", "wasm", "web"]);
  const program = await nativeProgram(report);
  const models = await chooseModels(options, report);
  const result = startResult("twin", { ...options, json: undefined, reference: "native x86_avx2" });
  for (const model of models) {
    const site = await BenchSite.start({
      tercet: `${root}/dist`,
      page: `${root}/bench/web/page`,
      model: dirname(model.path),
    });
    const profile = new Profile();
    try {
      for (const threads of options.threads) {
        await compare(model, threads, { program, site, profile, options, report, result });
      }
    } finally {
      await site.stop();
      profile.remove();
    }
  }
  process.stdout.write(`\n${textTable(columnsOf(result), result.rows)}\n`);
  process.stdout.write(`${machineLine(result.machine)}\n`);
  if (options.json) writeResult(result, options.json);
}

await runTwin(process.argv.slice(2)).catch(reportFailure);
