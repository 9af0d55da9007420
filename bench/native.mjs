// native.mjs - `npm run bench:native`: Tercet against llama.cpp (npm node-llama-cpp, prebuilt) and any
// other program like llama-bench, on the same weights, in turn, each run in a process of its own.
// Two pairs: AVX2 kernels on both sides, and the best that each side chooses.
//
// Timed alike on both sides: one batch of prompt tokens into an empty context, then single tokens
// behind it. llama.cpp samples nothing; Tercet's tokens are sampled greedily, which only it pays for.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isProgram, reportFailure, StepError } from "../scripts/steps.mjs";
import { machineLine } from "./machine.mjs";
import { chooseModels, nativeProgram, shapes } from "./models.mjs";
import { compareGreedy, greedyCases, greedyNotes } from "./native/greedy_check.mjs";
import { installLlamaCpp, runLlama } from "./native/llama_cpp.mjs";
import { parseRival, runRival } from "./native/llama_bench.mjs";
import { runMeasured } from "./native/measured_process.mjs";
import { nativeColumns } from "./native/report.mjs";
import { tryTwin } from "./native/twin_file.mjs";
import { readOptions } from "./options.mjs";
import { addRow, startResult, writeResult } from "./results.mjs";
import { textTable } from "./table.mjs";
import { inTurn } from "./turns.mjs";

const command = {
  usage: "npm run bench:native -- [OPTIONS]",
  summary: `Measures Tercet and llama.cpp natively on the same weights, in turn. llama.cpp comes from npm
(node-llama-cpp's prebuilt binaries, installed into bench/node_modules), its model file is written by
tercet export. Ternary types keep every weight; Q4_0 is what llama.cpp is fastest with on prompts.`,
  options: {
    shape: {
      kind: "list",
      value: "LIST",
      default: shapes,
      help: `synthetic models, default all: ${shapes.join(",")}`,
    },
    model: { kind: "text", value: "FILE", help: "a .tercet file in place of the shapes" },
    threads: {
      kind: "counts",
      value: "LIST",
      default: [1, 2],
      help: "thread counts (default 1,2)",
    },
    kernels: {
      kind: "list",
      value: "LIST",
      default: ["avx2", "best"],
      choices: ["avx2", "best"],
      help: "avx2: only AVX2 on both sides; best: what each side chooses (default both)",
    },
    types: {
      kind: "list",
      value: "LIST",
      default: ["tq2_0", "q4_0"],
      choices: ["tq2_0", "tq1_0", "q2_0", "q4_0"],
      help: "forms of llama.cpp's file (default tq2_0,q4_0)",
    },
    prompt: { kind: "count", value: "N", default: 128, help: "tokens of prompt (default 128)" },
    tokens: { kind: "count", value: "N", default: 32, help: "tokens to write (default 32)" },
    runs: { kind: "count", value: "N", default: 5, help: "runs of each (default 5)" },
    rival: {
      kind: "text",
      value: "NAME=COMMAND",
      help: "one more rival, a program like llama-bench with its model: {shape} and {kernels} (avx2, best) are replaced; several: ;",
    },
    "no-llama": { kind: "flag", help: "leave out llama.cpp: only --rival" },
    "no-check": { kind: "flag", help: "do not compare greedy texts first" },
    json: { kind: "text", value: "FILE", help: "write the result as JSON" },
  },
};

const say = (line) => process.stderr.write(`${line}\n`);

/** One run of Tercet, through the same door as the rivals. */
async function runTercet(program, model, { pair, threads, prompt, tokens }) {
  const kernels = pair === "avx2" ? ["--kernels", "x86_avx2"] : [];
  const { out, peakBytes } = await runMeasured(program, [
    ...["bench", model.path, "--json", "--runs", "1", "--threads", `${threads}`],
    ...["--prompt", `${prompt}`, "--tokens", `${tokens}`, ...kernels],
  ]);
  const [result] = JSON.parse(out).results;
  return {
    decode_tokens_per_s: result.decode_tokens_per_s,
    prompt_tokens_per_s: result.prompt_tokens_per_s,
    peak_memory_bytes: Math.max(peakBytes, result.peak_memory_bytes),
    kernels: result.kernels,
  };
}

/** Everything that is measured in turn for one model, pair and number of threads. */
async function engines(program, model, setting, options, rivals) {
  const list = [{ name: "Tercet", tercet: true, run: () => runTercet(program, model, setting) }];
  for (const type of options["no-llama"] ? [] : options.types) {
    const { path, failure } = await tryTwin(program, model, type, say);
    const job = { model: path, kernels: setting.pair, ...setting };
    const run = failure ? () => Promise.reject(failure) : () => runLlama(job);
    list.push({ name: `llama.cpp ${type.toUpperCase()}`, run });
  }
  for (const { name, words } of rivals) {
    list.push({ name, run: () => runRival({ words, shape: model.shape }, setting) });
  }
  return list;
}

/** Figures of the runs of one engine: a list for each. */
function figuresOf(results) {
  const names = ["decode_tokens_per_s", "prompt_tokens_per_s", "peak_memory_bytes", "load_seconds"];
  const lists = names.map((name) => [name, results.map((result) => result[name])]);
  return Object.fromEntries(
    lists.filter(([, list]) => list.length > 0 && list.every((v) => v > 0)),
  );
}

async function measure(result, program, model, setting, options, rivals) {
  const list = await engines(program, model, setting, options, rivals);
  const title = `${model.name}, ${setting.pair}, ${setting.threads} threads`;
  const outcomes = await inTurn(list, options.runs, ({ run }) => run(), {
    warmUp: false, // each run warms up itself
    report: (line) => say(`${title}: ${line}`),
    name: ({ name }) => name,
  });
  for (const [{ name, tercet = false }, { results, failure }] of outcomes) {
    const used = results[0]?.library ?? results[0]?.kernels ?? null;
    addRow(result, {
      subject: model.name,
      engine: name,
      tercet,
      pair: setting.pair,
      threads: setting.threads,
      kernels: used,
      figures: failure ? {} : figuresOf(results),
      ...(failure ? { failure: failure.message } : {}),
    });
  }
}

async function checkGreedy(result, program) {
  const folder = mkdtempSync(join(tmpdir(), "tercet-greedy-"));
  try {
    const found = [];
    for (const one of greedyCases) found.push(await compareGreedy(program, folder, one));
    for (const note of greedyNotes(found)) {
      result.notes.push(note);
      say(note);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export async function benchNative(options) {
  const rivals = (options.rival ?? "").split(";").filter(Boolean).map(parseRival);
  if (options["no-llama"] && rivals.length === 0) {
    throw new StepError("--no-llama leaves nobody to compare with: give a --rival");
  }
  const program = await nativeProgram(say);
  // Before anything is installed: a shape may be misspelt, or the disk full.
  const models = await chooseModels(options, say);
  const { json: _json, ...settings } = options;
  const result = startResult("native", settings);
  if (!options["no-llama"]) {
    result.llama_cpp = installLlamaCpp(say);
    result.notes.push(
      `llama.cpp ${result.llama_cpp.release} (${result.llama_cpp.package}), mapped file, flash attention auto, no sampling`,
    );
    if (!options["no-check"]) await checkGreedy(result, program);
  }
  for (const model of models) {
    for (const pair of options.kernels) {
      for (const threads of options.threads) {
        const { prompt, tokens } = options;
        await measure(result, program, model, { pair, threads, prompt, tokens }, options, rivals);
      }
    }
  }
  return result;
}

async function main() {
  const options = readOptions(command);
  if (options === null) return;
  const result = await benchNative(options);
  process.stdout.write(`\n${textTable(nativeColumns(result), result.rows)}\n`);
  process.stdout.write(`${machineLine(result.machine)}\n${result.machine.command}\n`);
  for (const note of result.notes) process.stdout.write(`${note}\n`);
  if (options.json) writeResult(result, options.json);
}

if (isProgram(import.meta)) await main().catch(reportFailure);
