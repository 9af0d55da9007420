// fuzz.mjs - runs the fuzz targets, in C (libFuzzer) and in JavaScript, one after the other, and says what came of it. Not part of `npm test`, which replays the
// corpus (tests/fuzz/README.md); it must never change the corpus that is committed.
//
//   npm run fuzz -- [--runs 1000000] [--seconds S] [--as-built] [TARGET...]
//
// --as-built runs the programs as an earlier run built them, so that targets run one at a time, over hours, all try one state of
// the code even if the checkout has moved on.
// A target begins with its committed corpus and what its earlier runs found (build/fuzz-corpus/TARGET). It ends after so many
// executions, or so many seconds, or with an input that breaks a promise, which is kept in build/fuzz-findings/TARGET.

import { appendFileSync, existsSync, mkdirSync, readFileSync, readdirSync } from "node:fs";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { scriptTargets } from "../tests/fuzz/script_targets.mjs";
import { buildFuzz } from "./build.mjs";
import { fuzzBuild, root } from "./paths.mjs";
import { Steps, StepError, isProgram, reportFailure } from "./steps.mjs";

const usage = "usage: npm run fuzz -- [--runs N] [--seconds S] [--as-built] [TARGET...]";
const under = (...parts) => join(root, ...parts);

/** In C: "fuzz_json" for each line of tests/CMakeLists.txt. */
export function programTargets() {
  const list = readFileSync(under("tests", "CMakeLists.txt"), "utf8");
  return [...list.matchAll(/^add_tercet_fuzz\((fuzz_\w+)/gm)].map(([, name]) => name);
}

const isScript = (target) => scriptTargets.includes(target.slice("fuzz_".length));

/** Those and the ones in JavaScript, which need the library built (dist/). */
export const knownTargets = () => [
  ...programTargets(),
  ...scriptTargets.map((name) => `fuzz_${name}`),
];

function readArguments(args) {
  const options = { runs: 1_000_000, seconds: 0, asBuilt: false, targets: [] };
  const known = knownTargets();
  for (let at = 0; at < args.length; at++) {
    const name = args[at].replace(/^(?!fuzz_|-)/, "fuzz_");
    if (args[at] === "--runs" || args[at] === "--seconds") {
      const value = Number(args[++at]);
      if (!Number.isInteger(value) || value < 1) return null;
      options[args[at - 1].slice(2)] = value;
    } else if (args[at] === "--as-built") options.asBuilt = true;
    else if (known.includes(name)) options.targets.push(name);
    else return null;
  }
  if (options.targets.length === 0) options.targets = known;
  return options;
}

/** libFuzzer's own summary: "stat::number_of_executed_units: 123". */
const statistic = (text, name) =>
  Number(new RegExp(`^stat::${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0);

/** Words of a run, and how its end tells what it did. */
function scriptRun(target, { runs, seconds, seed = 1 }) {
  const findings = under("build", "fuzz-findings", target);
  mkdirSync(findings, { recursive: true });
  const script = under("tests", "fuzz", "run_script.mjs");
  const words = { runs, seconds, seed, findings };
  return {
    program: process.execPath,
    args: [
      ...[script, target.slice("fuzz_".length)],
      ...Object.entries(words).flatMap(([name, value]) => [`--${name}`, String(value)]),
    ],
    executionsOf: (_, out) => JSON.parse(out.trim().split("\n").at(-1) || "{}").executions ?? 0,
  };
}

function programRun(target, { runs, seconds }) {
  const corpus = under("build", "fuzz-corpus", target);
  const findings = under("build", "fuzz-findings", target);
  const dictionary = under("tests", "fuzz", "dictionaries", `${target}.dict`);
  for (const folder of [corpus, findings]) mkdirSync(folder, { recursive: true });
  const args = [
    `-runs=${runs}`,
    `-max_total_time=${seconds}`,
    "-timeout=10",
    "-rss_limit_mb=2048",
    "-print_final_stats=1",
    `-artifact_prefix=${findings}/`,
    ...(existsSync(dictionary) ? [`-dict=${dictionary}`] : []),
    corpus,
    under("tests", "fuzz", "corpus", target),
  ];
  return {
    program: join(fuzzBuild, "tests", target),
    args,
    executionsOf: (text) => statistic(text, "number_of_executed_units"),
  };
}

/** Inputs of the targets in JavaScript come from a seed, those of the others from what earlier runs have found. */
export function runTarget(target, options, report) {
  const { program, args, executionsOf } = (isScript(target) ? scriptRun : programRun)(
    target,
    options,
  );
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const child = spawn(program, args, {
      stdio: ["ignore", "pipe", "pipe"],
      // Short stacks of allocations and few freed blocks kept back: half as fast again where JSON is read.
      env: { ASAN_OPTIONS: "malloc_context_size=4:quarantine_size_mb=32", ...process.env },
    });
    let text = "";
    let out = "";
    child.stdout.on("data", (data) => (out = (out + data).slice(-4096)));
    child.stderr.on("data", (data) => {
      const lines = data.toString();
      // The end has the report; the beginning is not needed.
      text = (text + lines).slice(-65536);
      const progress = /^#\d+.*cov: \d+.*exec\/s: \d+/m.exec(lines);
      if (progress) report(`${target} ${progress[0].replaceAll(/\s+/g, " ")}`);
    });
    child.on("error", reject);
    child.on("close", (code, signal) =>
      resolve({
        target,
        executions: executionsOf(text, out),
        seconds: (performance.now() - started) / 1000,
        coverage: Number([...text.matchAll(/cov: (\d+)/g)].at(-1)?.[1] ?? 0),
        found: code === 0 ? null : (signal ?? `exit status ${code}`),
        text: code === 0 ? "" : text,
      }),
    );
  });
}

function printTable(results) {
  const line = (...cells) =>
    process.stdout.write(
      `${cells[0].padEnd(28)}${cells
        .slice(1)
        .map((cell) => `${cell}`.padStart(12))
        .join("")}\n`,
    );
  line("target", "executions", "seconds", "a second", "edges", "findings");
  for (const { target, executions, seconds, coverage, found } of results)
    line(
      target,
      executions,
      seconds.toFixed(1),
      Math.round(executions / seconds),
      coverage,
      found === null ? 0 : 1,
    );
}

async function main(args) {
  if (args.includes("--help") || args.includes("-h"))
    return void process.stdout.write(`${usage}\n`);
  const options = readArguments(args);
  if (options === null) {
    process.stderr.write(`${usage}\ntargets: ${knownTargets().join(" ")}\n`);
    process.exitCode = 2;
    return;
  }
  const programs = options.targets.filter((name) => !isScript(name));
  const builds = !options.asBuilt && programs.length > 0;
  const steps = new Steps((builds ? 1 : 0) + options.targets.length);
  if (builds) await steps.run("Fuzz targets", buildFuzz);
  const missing = programs.filter((name) => !existsSync(join(fuzzBuild, "tests", name)));
  if (missing.length > 0)
    throw new StepError(`not built: ${missing.join(", ")}; leave --as-built out once`);
  const results = [];
  for (const target of options.targets) {
    const work = async (report) => {
      const result = await runTarget(target, options, report);
      results.push(result);
      appendFileSync(
        under("build", "fuzz-results.jsonl"),
        `${JSON.stringify({ date: new Date().toISOString(), ...result, text: undefined })}\n`,
      );
      if (result.found !== null) process.stdout.write(result.text);
      return `${result.executions} executions, ${result.found === null ? "nothing found" : `FOUND: ${result.found}`}`;
    };
    await steps.run(target, work);
  }
  process.stdout.write("\n");
  printTable(results);
  const found = results.filter((result) => result.found !== null);
  if (found.length > 0) {
    const kept = found.map(({ target }) => {
      const folder = under("build", "fuzz-findings", target);
      const program = isScript(target)
        ? `node tests/fuzz/run_script.mjs ${target.slice("fuzz_".length)}`
        : join(fuzzBuild, "tests", target);
      return `    ${program} ${folder}/<one of: ${readdirSync(folder).join(" ")}>`;
    });
    throw new StepError(
      `${found.length} targets found something; see it again by\n${kept.join("\n")}`,
    );
  }
}

if (isProgram(import.meta)) await main(process.argv.slice(2)).catch(reportFailure);
