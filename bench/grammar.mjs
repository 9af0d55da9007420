// grammar.mjs - `npm run bench:grammar`: what it costs to hold a text to a grammar: time a token with and without, in one Chromium,
// in turn. The goal is a tenth at most.

import { basename, dirname, join } from "node:path";
import { modelFile, root } from "../scripts/paths.mjs";
import { isProgram, reportFailure, StepError } from "../scripts/steps.mjs";
import { prepareBrowser } from "./browser.mjs";
import { machineLine } from "./machine.mjs";
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
    runs: { kind: "count", value: "N", help: "texts of each (default 9)", default: 9 },
    tokens: { kind: "count", value: "N", help: "tokens of a text (default 160)", default: 160 },
    threads: { kind: "count", value: "N", help: "threads of the engine (default 1)", default: 1 },
    dist: { kind: "text", value: "FOLDER", help: "another build of the library (default dist)" },
    json: { kind: "text", value: "FILE", help: "write the figures to FILE" },
  },
};

export async function main(args) {
  const options = readOptions(command, args);
  if (options === null) return;
  const { runs, tokens, threads } = options;
  const path = options.model ?? modelFile;
  const result = startResult("grammar", { runs, tokens, threads });
  await prepareBrowser(options.dist === null ? ["native", "model", "wasm", "web"] : []);
  const site = await BenchSite.start({
    tercet: options.dist ?? join(root, "dist"),
    page: join(root, "bench", "web", "page"),
    models: dirname(path),
  });
  const profile = new Profile();
  try {
    const wanted = { model: `/models/${basename(path)}`, runs, tokens, threads };
    const times = { timeoutMs: 300_000, memory: false };
    const answer = await visit(site, profile, "grammar", wanted, times);
    if (answer.error) throw new StepError(answer.error);
    const plain = median(answer.secondsPerToken.none);
    for (const [name, seconds] of Object.entries(answer.secondsPerToken)) {
      if (seconds.length === 0) throw new StepError(`no text of ${name} was long enough`);
      addRow(result, {
        subject: basename(path),
        engine: name === "none" ? "no grammar" : `grammar: ${name}`,
        threads: answer.threads,
        figures: { seconds_per_token: seconds },
      });
      result.notes.push(
        `${name}: ${(median(seconds) * 1e6).toFixed(0)} us a token, ${(median(seconds) / plain).toFixed(3)} x no grammar; ` +
          `the first text ${(answer.first[name] * 1e6).toFixed(0)} us`,
      );
    }
  } finally {
    profile.remove();
    await site.stop();
  }
  process.stdout.write(`\n${textTable(columnsOf(result), result.rows)}\n`);
  for (const note of result.notes) process.stdout.write(`${note}\n`);
  process.stdout.write(`${machineLine(result.machine)}\n`);
  if (options.json) writeResult(result, options.json);
}

if (isProgram(import.meta)) await main(process.argv.slice(2)).catch(reportFailure);
