// coverage.mjs - which lines of the readers no test reaches, and which branches of the core: both are held to a bound.
//
//   npm run coverage -- [--missed] [--quick]
//
// Builds with clang's counters, runs the C tests, the replay of the fuzzers' corpora and the tests in JavaScript that start the
// native program or a test program, and puts the counts together. --missed lists the lines that did not run and the branches that
// were not taken, --quick leaves the tests in JavaScript out, and with them the bounds of branches. It fails below a bound, and must never
// count a run of fuzzers: what they reach by chance is not what a test asserts.
//
// A branch is one way that a condition goes, each part of `&&` and `||` by itself. What no test can make happen says so in front of its
// statement: "Branches not counted: <why>" as a comment.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { buildCoverage } from "./build.mjs";
import { listFiles } from "./fingerprint.mjs";
import { coverageBuild, root } from "./paths.mjs";
import { Steps, StepError, isProgram, reportFailure, runCommand } from "./steps.mjs";

const usage = "usage: npm run coverage -- [--missed] [--quick]";
const leastPercent = 98;
/** Of branches, in per cent: these folders, and then all of the core. */
const branchBounds = [
  ["core/base/", 100],
  ["core/container/", 100],
  ["core/text/", 100],
  ["core/", 90],
];
const profiles = join(root, "build", "coverage-profiles");

/** Files of the packer that write, compute or compare what readers have checked. The others read. */
const others = new Set(
  [
    "chat_jinja container_header container_writer export export_folder folder_config folder_numbers folder_rope folder_tokenizer",
    "gguf_architecture gguf_rope gguf_tokenizer gguf_writer new_folder pack packed_rows packing_forecast",
    "partial_file prove_lossless rotation_order sha256 strip_crew tensor_form tensor_writer ternarize tile_writer token_spelling",
  ]
    .join(" ")
    .split(" ")
    .map((name) => `packer/${name}.c`),
);

const isReader = (file) =>
  /^core\/(container|text)\/\w+\.c$/.test(file) ||
  file === "core/base/untrusted.h" ||
  file === "core/generate/session_state.c" ||
  (/^packer\/\w+\.c$/.test(file) && !others.has(file));

/** C tests of what is counted, and those that take many minutes with counters that threads share: the goldens run the same kernels. */
const tests = "^(packer|fuzz|core|torture/test_)";
const longTests = "^core/kernels/check_";

/** Tests of the native program that assert what it says of files. Those that compare with other programs, or try what is rare (limits
 * of the system, seeds that change), take minutes and would make the count another each time. */
const nodeTests = [
  ..."chat commands damage export gguf_source golden_forms inspect_source tokenize usage"
    .split(" ")
    .map((name) => `tests/native/${name}.test.mjs`),
  "tests/packer/tokenizer_vectors.test.mjs",
  "tests/packer/wordpiece.test.mjs",
];

const environment = {
  LLVM_PROFILE_FILE: join(profiles, "%m.profraw"),
  TERCET_BIN: join(coverageBuild, "tercet"),
  TERCET_NATIVE_BUILD: coverageBuild,
};

async function runCTests() {
  rmSync(profiles, { recursive: true, force: true });
  mkdirSync(profiles, { recursive: true });
  const args = [
    "--test-dir",
    coverageBuild,
    "-R",
    tests,
    "-E",
    longTests,
    "-j",
    "2",
    "--output-on-failure",
  ];
  await runCommand("ctest", [...args, "--no-tests=error"], {
    env: environment,
    failure: "ctest reports failed tests",
  });
}

/** Those that start the native program or a test program, and no browser. */
async function runNodeTests() {
  await runCommand(process.execPath, ["--test", "--test-concurrency=2", ...nodeTests], {
    cwd: root,
    env: environment,
    failure: "node --test reports failed tests",
  });
  return `${nodeTests.length} files`;
}

/** Programs that may have written a profile. */
function programs() {
  const candidates = [environment.TERCET_BIN, ...listFiles(join(coverageBuild, "tests"))];
  const made = candidates.filter(
    (file) => existsSync(file) && !file.includes("CMakeFiles") && !/\.\w+$/.test(file),
  );
  if (made.length < 20) throw new StepError(`only ${made.length} programs were found`);
  return made;
}

/** What llvm-cov says of all programs together. */
function exportCounts(...options) {
  const objects = programs().flatMap((file) => ["-object", file]);
  return execFileSync(
    "llvm-cov-14",
    ["export", ...options, `-instr-profile=${join(profiles, "all.profdata")}`, ...objects],
    { encoding: "utf8", maxBuffer: 1 << 28, stdio: ["ignore", "pipe", "ignore"] },
  );
}

/** file -> { lines, missed: [line] }, out of lcov's tracefile. */
async function readCounts() {
  const merged = join(profiles, "all.profdata");
  const raw = readdirSync(profiles).filter((name) => name.endsWith(".profraw"));
  await runCommand("llvm-profdata-14", [
    "merge",
    "-sparse",
    ...raw.map((name) => join(profiles, name)),
    "-o",
    merged,
  ]);
  const output = exportCounts("-format=lcov");
  const counts = new Map();
  let file = null;
  for (const line of output.split("\n")) {
    if (line.startsWith("SF:")) {
      file = { lines: 0, missed: [] };
      counts.set(relative(root, resolve(coverageBuild, line.slice(3))), file);
    } else if (line.startsWith("DA:")) {
      const [number, count] = line.slice(3).split(",").map(Number);
      file.lines++;
      if (count === 0) file.missed.push(number);
    }
  }
  return counts;
}

/** Lines of the statements that say why their branches are not counted. */
export function notCounted(text) {
  const lines = new Set();
  const marks = /\/\* Branches not counted: [^\s*](?:[^*]|\*(?!\/))*\*\/\n/g;
  for (const { 0: comment, index } of text.matchAll(marks)) {
    let line = text.slice(0, index + comment.length).split("\n").length;
    const rest = text.split("\n").slice(line - 1);
    for (const one of rest.slice(0, rest.findIndex((code) => /[;{]$/.test(code)) + 1)) {
      if (one !== "") lines.add(line);
      line++;
    }
  }
  return lines;
}

/** Folder -> { branches, missed: ["file:line condition: never true"] } for the folders of branchBounds. */
async function readBranches() {
  const { data } = JSON.parse(exportCounts("-format=text", "-skip-functions"));
  const sums = new Map(
    branchBounds.map(([folder]) => [folder, { branches: 0, spared: 0, missed: [] }]),
  );
  for (const { filename, branches } of data[0].files) {
    const file = relative(root, resolve(coverageBuild, filename));
    const folders = branchBounds.flatMap(([folder]) => (file.startsWith(folder) ? [folder] : []));
    if (folders.length === 0) continue;
    const text = readFileSync(join(root, file), "utf8");
    const [lines, spared] = [text.split("\n"), notCounted(text)];
    // A header is in many programs: a branch is where it stands.
    const places = new Map();
    for (const [line, column, lastLine, lastColumn, taken, left] of branches) {
      const place = [line, column, lastLine, lastColumn].join(" ");
      const before = places.get(place) ?? { line, column, lastLine, lastColumn, taken: 0, left: 0 };
      const sum = { taken: before.taken + taken, left: before.left + left };
      places.set(place, { ...before, ...sum });
    }
    for (const { line, column, lastLine, lastColumn, taken, left } of places.values()) {
      if (spared.has(line)) {
        for (const folder of folders) sums.get(folder).spared += 2;
        continue;
      }
      const end = line === lastLine ? lastColumn - 1 : undefined;
      const condition = lines[line - 1].slice(column - 1, end);
      const never = [...(taken === 0 ? ["true"] : []), ...(left === 0 ? ["false"] : [])];
      for (const folder of folders) {
        const sum = sums.get(folder);
        sum.branches += 2;
        sum.missed.push(...never.map((way) => `${file}:${line} never ${way}: ${condition}`));
      }
    }
  }
  return sums;
}

function printBranches(sums, showMissed, bound) {
  process.stdout.write("\n");
  const below = [];
  for (const [folder, least] of branchBounds) {
    const { branches, spared, missed } = sums.get(folder);
    if (branches < 100) throw new StepError(`only ${branches} branches of ${folder} were counted`);
    const percent = (100 * (branches - missed.length)) / branches;
    const cells = [branches, missed.length, percent.toFixed(1)].map((cell) =>
      `${cell}`.padStart(8),
    );
    if (percent < least) below.push(folder);
    process.stdout.write(
      `${`branches of ${folder}`.padEnd(38)}${cells.join("")}  ${percent < least ? `BELOW ${least}` : ""} (${spared} not counted)\n`,
    );
    if (showMissed) process.stdout.write(missed.map((one) => `    ${one}\n`).join(""));
  }
  if (bound && below.length > 0)
    throw new StepError(`branches are below their bound in ${below.join(", ")}`);
}

/** [3, 4, 5, 9] -> "3-5 9" */
function ranges(numbers) {
  const found = [];
  for (const number of numbers) {
    if (found.length > 0 && found.at(-1)[1] === number - 1) found.at(-1)[1] = number;
    else found.push([number, number]);
  }
  return found.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(" ");
}

function printTable(counts, showMissed) {
  const rows = [...counts]
    .filter(([file, { lines }]) => /^(core|packer)\//.test(file) && lines > 0)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([file, { lines, missed }]) => ({
      file,
      lines,
      missed,
      percent: (100 * (lines - missed.length)) / lines,
      reader: isReader(file),
    }));
  const line = (...cells) =>
    process.stdout.write(
      `${cells[0].padEnd(38)}${cells
        .slice(1, 4)
        .map((cell) => `${cell}`.padStart(8))
        .join("")}  ${cells[4]}\n`,
    );
  line("reader", "lines", "missed", "%", "");
  for (const { file, lines, missed, percent, reader } of rows) {
    if (!reader) continue;
    const where = showMissed && missed.length > 0 ? ranges(missed) : "";
    line(
      file,
      lines,
      missed.length,
      percent.toFixed(1),
      percent < leastPercent ? `BELOW ${where}` : where,
    );
  }
  const readers = rows.filter(({ reader }) => reader);
  if (readers.length < 40) throw new StepError(`only ${readers.length} readers were counted`);
  const sum = (list, value) => list.reduce((total, row) => total + value(row), 0);
  const all = sum(readers, ({ lines }) => lines);
  const missed = sum(readers, (row) => row.missed.length);
  line("all readers", all, missed, ((100 * (all - missed)) / all).toFixed(1), "");
  const below = readers.filter(({ percent }) => percent < leastPercent);
  if (below.length > 0)
    throw new StepError(
      `${below.length} readers are below ${leastPercent} %: ${below.map(({ file }) => file).join(", ")}`,
    );
}

async function main(args) {
  const known = ["--missed", "--quick", "--help", "-h"];
  if (args.some((name) => !known.includes(name))) {
    process.stderr.write(`${usage}\n`);
    process.exitCode = 2;
    return;
  }
  if (args.includes("--help") || args.includes("-h"))
    return void process.stdout.write(`${usage}\n`);
  const quick = args.includes("--quick");
  const steps = new Steps(quick ? 4 : 5);
  await steps.run("Coverage build", buildCoverage);
  await steps.run("ctest", runCTests);
  if (!quick) await steps.run("node --test", runNodeTests);
  const counts = await steps.run("Counts", readCounts);
  const branches = await steps.run("Branches", readBranches);
  process.stdout.write("\n");
  printBranches(branches, args.includes("--missed"), !quick);
  printTable(counts, args.includes("--missed"));
}

if (isProgram(import.meta)) await main(process.argv.slice(2)).catch(reportFailure);
