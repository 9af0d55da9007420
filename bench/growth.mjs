// growth.mjs - `npm run bench:growth`: how the cost of a token grows with the context in front of it and
// falls with the threads. Uses one run of `tercet bench`, which takes its configurations in turn.

import { reportFailure } from "../scripts/steps.mjs";
import { machineLine } from "./machine.mjs";
import { chooseModels, nativeProgram } from "./models.mjs";
import { benchJson } from "./native_runs.mjs";
import { readOptions } from "./options.mjs";
import { addRow, startResult, writeResult } from "./results.mjs";
import { columnsOf } from "./summary.mjs";
import { textTable } from "./table.mjs";

const command = {
  usage: "npm run bench:growth -- [OPTIONS]",
  summary: "Measures speed against the length of the context and the number of threads.",
  options: {
    shape: {
      kind: "list",
      value: "LIST",
      default: ["llama-729m"],
      help: "Synthetic shapes (tercet bench --shapes); default llama-729m.",
    },
    model: { kind: "text", value: "FILE", help: "A .tercet file in place of shapes." },
    context: {
      kind: "counts",
      value: "LIST",
      default: [128, 256, 512, 1024, 2048, 4096],
      help: "Contexts to fill; default 128 to 4096.",
    },
    threads: { kind: "counts", value: "LIST", default: [1, 2], help: "Threads; default 1,2." },
    kv: {
      kind: "list",
      value: "LIST",
      default: ["int8"],
      choices: ["f32", "f16", "int8", "int4"],
      help: "Forms of the cache of keys and values, in turn; default int8.",
    },
    tokens: { kind: "count", value: "N", default: 32, help: "Tokens to write; default 32." },
    runs: { kind: "count", value: "N", default: 3, help: "Runs to take the median of; default 3." },
    json: { kind: "text", value: "FILE", help: "Keep the result." },
  },
};

export async function runGrowth(args) {
  const options = readOptions(command, args);
  if (options === null) return;
  const report = (line) => process.stderr.write(`${line}\n`);
  const program = await nativeProgram(report);
  const result = startResult("growth", { ...options, json: undefined });
  for (const model of await chooseModels(options, report)) {
    report(`measuring ${model.name}`);
    const flags = [
      ...["--context", options.context.join(","), "--threads", options.threads.join(",")],
      ...[
        "--kv",
        options.kv.join(","),
        "--tokens",
        String(options.tokens),
        "--runs",
        String(options.runs),
        "--json",
      ],
    ];
    for (const run of (await benchJson(program, [model.path, ...flags])).results) {
      addRow(result, {
        subject: model.name,
        engine: `native ${run.kernels}${options.kv.length > 1 ? `, ${run.kv}` : ""}`,
        threads: run.threads,
        context: run.context,
        figures: {
          decode_tokens_per_s: run.decode_runs,
          prompt_tokens_per_s: run.prompt_runs,
          peak_memory_bytes: run.peak_memory_bytes,
        },
      });
    }
  }
  process.stdout.write(`\n${textTable(columnsOf(result), result.rows)}\n`);
  process.stdout.write(`${machineLine(result.machine)}\n`);
  if (options.json) writeResult(result, options.json);
}

await runGrowth(process.argv.slice(2)).catch(reportFailure);
