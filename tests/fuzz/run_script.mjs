// run_script.mjs - runs one fuzz target that is written in JavaScript (script_*.mjs): its corpus first, then changes of it by chance,
// which a seed tells. It ends with 1 at the first input that breaks a promise, throws what nobody foresaw, or takes too long; that
// input is then in the folder of findings.
//
//   node tests/fuzz/run_script.mjs TARGET [--runs N] [--seconds S] [--seed N] [--findings FOLDER] [FILE...]
//
// With files, those alone. The last line on standard output is JSON: executions, how many inputs were taken, and the one that took most
// of the processor, in milliseconds.

import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { openScriptTarget } from "./script_targets.mjs";
import { mutate, mutateJson, randomOf } from "./script_mutator.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: "string", default: "1000" },
    seconds: { type: "string", default: "0" },
    seed: { type: "string", default: "1" },
    findings: { type: "string", default: join(tmpdir(), "tercet-fuzz-findings") },
  },
});
const [name, ...files] = positionals;
const corpusFolder = fileURLToPath(new URL(`corpus/fuzz_${name}/`, import.meta.url));
/** Of the clock, even where ten others run beside it: what hangs is ended. */
const TOO_LONG_SECONDS = 120;
/** Of the processor: what burns more is a finding. The longest that was seen took 0.3 s. */
const PROCESSOR_MS_MOST = 5_000;
/** Inputs that were taken and become the ground for others. */
const MOST_POOLED = 500;

const paths =
  files.length > 0
    ? files
    : readdirSync(corpusFolder)
        .sort()
        .map((file) => join(corpusFolder, file));
const pool = paths.map((path) => readFileSync(path));
if (pool.length === 0) throw new Error(`${corpusFolder} is empty`);
const target = await openScriptTarget(name);
const runs = files.length > 0 ? pool.length : Math.max(Number(values.runs), pool.length);
const until =
  Number(values.seconds) > 0 ? performance.now() + 1000 * Number(values.seconds) : Infinity;
const random = randomOf(Number(values.seed));

/** Where the input of this moment lies, for whoever sees that it never ends. */
const clock = new Int32Array(new SharedArrayBuffer(8));
const current = new Uint8Array(new SharedArrayBuffer(1 << 16));
const watcher = new Worker(new URL("./script_watcher.mjs", import.meta.url), {
  workerData: { clock, current, folder: values.findings, seconds: TOO_LONG_SECONDS },
});

function keep(input) {
  mkdirSync(values.findings, { recursive: true });
  const hash = createHash("sha256").update(input).digest("hex").slice(0, 16);
  const path = join(values.findings, `crash-${hash}`);
  writeFileSync(path, input);
  return path;
}

const change = target.json ? mutateJson : mutate;

let executions = 0;
let taken = 0;
let slowest = { ms: 0, input: "" };
let said = performance.now();
const begun = performance.now();
let before = process.cpuUsage();
try {
  for (; executions < runs && performance.now() < until; executions++) {
    const given = executions < paths.length;
    const input = given ? pool[executions] : change(pool, target.words, random);
    current.set(input.subarray(0, current.length));
    clock[1] = input.length;
    Atomics.add(clock, 0, 1);
    try {
      if (await target.run(input, randomOf(executions + 1))) {
        taken++;
        if (!given && pool.length < MOST_POOLED) pool.push(input);
        else if (!given && random(20) === 0)
          pool[paths.length + random(pool.length - paths.length)] = input;
      }
    } catch (thrown) {
      process.stderr.write(
        `${name}, execution ${executions}${given ? ` (${paths[executions]})` : ""}: ${thrown?.stack ?? thrown}\n${keep(input)}\n`,
      );
      process.exitCode = 1;
      break;
    }
    const used = process.cpuUsage();
    const ms = Math.round((used.user + used.system - before.user - before.system) / 1000);
    before = used;
    if (ms > PROCESSOR_MS_MOST) {
      process.stderr.write(
        `${name}, execution ${executions}: ${ms} ms of the processor\n${keep(input)}\n`,
      );
      process.exitCode = 1;
      break;
    }
    if (ms > slowest.ms) slowest = { ms, input: input.toString("latin1", 0, 200) };
    if (performance.now() - said > 5000) {
      said = performance.now();
      const rate = Math.round((1000 * executions) / (said - begun));
      process.stderr.write(`#${executions} cov: ${taken} exec/s: ${rate}\n`);
    }
  }
} finally {
  await watcher.terminate();
  await target.close?.();
}
process.stdout.write(`${JSON.stringify({ executions, taken, slowest })}\n`);
