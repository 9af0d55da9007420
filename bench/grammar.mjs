// grammar.mjs - `npm run bench:grammar`: what it costs to hold a text to a grammar: time a token with and without, in one Chromium,
// in turn. The goal is a tenth at most.

import { basename, dirname, join } from "node:path";
import { modelFile, root } from "../scripts/paths.mjs";
import { isProgram, reportFailure, StepError } from "../scripts/steps.mjs";
import { prepareBrowser } from "./browser.mjs";
import { machineLine } from "./machine.mjs";
import { chooseModels } from "./models.mjs";
import { readOptions } from "./options.mjs";
import { addRow, startResult, writeResult } from "./results.mjs";
import { median } from "./statistics.mjs";
import { columnsOf } from "./summary.mjs";
import { textTable } from "./table.mjs";
import { BenchSite } from "./web/site.mjs";
import { Profile, visit } from "./web/visit.mjs";

const command = {
  usage: "npm run bench:grammar -- [OPTIONS]",
  summary: "Time a token of texts that are held to a grammar, against texts that are not.",
  options: {
    model: { kind: "text", value: "FILE", help: "a .tercet file (default: the bundled model)" },
    shape: {
      kind: "list",
      value: "LIST",
      help: "synthetic models instead (tercet bench --shapes)",
    },
    runs: { kind: "count", value: "N", help: "texts of each (default 9)", default: 9 },
    tokens: { kind: "count", value: "N", help: "tokens of a text (default 160)", default: 160 },
    threads: { kind: "count", value: "N", help: "threads of the engine (default 1)", default: 1 },
    dist: { kind: "text", value: "FOLDER", help: "another build of the library (default dist)" },
    json: { kind: "text", value: "FILE", help: "write the figures to FILE" },
  },
};

export async function measure({ path, name }, { dist, runs, tokens, threads }, result) {
  const site = await BenchSite.start({
    tercet: dist ?? join(root, "dist"),
    page: join(root, "bench", "web", "page"),
    models: dirname(path),
  });
  const profile = new Profile();
  try {
    const wanted = { model: `/models/${basename(path)}`, runs, tokens, threads };
    const times = { timeoutMs: 600_000, memory: false };
    const answer = await visit(site, profile, "grammar", wanted, times);
    if (answer.error) throw new StepError(answer.error);
    const plain = median(answer.secondsPerToken.none);
    for (const [about, seconds] of Object.entries(answer.secondsPerToken)) {
      if (seconds.length === 0) throw new StepError(`no text of ${about} was long enough`);
      const figures = { token_us: seconds.map((value) => value * 1e6) };
      const engine = about === "none" ? "no grammar" : `grammar: ${about}`;
      addRow(result, { subject: name, engine, threads: answer.threads, figures });
      const ratios = seconds.map((value, run) => value / answer.secondsPerToken.none[run]);
      result.notes.push(
        `${name}, ${about}: ${(median(seconds) * 1e6).toFixed(0)} us a token, ${(median(seconds) / plain).toFixed(3)} x no grammar ` +
          `(run by run ${median(ratios).toFixed(3)} x); the first text ${(answer.first[about] * 1e6).toFixed(0)} us`,
      );
    }
  } finally {
    profile.remove();
    await site.stop();
  }
}

export async function main(args) {
  const options = readOptions(command, args);
  if (options === null) return;
  const { runs, tokens, threads } = options;
  const result = startResult("grammar", { runs, tokens, threads });
  await prepareBrowser(options.dist === null ? ["native", "model", "wasm", "web"] : []);
  const chosen = options.shape ? options : { model: options.model ?? modelFile };
  for (const model of await chooseModels(chosen, (text) => process.stderr.write(`${text}\n`)))
    await measure(model, options, result);
  process.stdout.write(`\n${textTable(columnsOf(result), result.rows)}\n`);
  for (const note of result.notes) process.stdout.write(`${note}\n`);
  process.stdout.write(`${machineLine(result.machine)}\n`);
  if (options.json) writeResult(result, options.json);
}

if (isProgram(import.meta)) await main(process.argv.slice(2)).catch(reportFailure);
