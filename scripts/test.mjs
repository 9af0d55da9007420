// test.mjs - `npm test`: sets up, builds and runs every test, and ends with a table.
//
//   npm test [-- --only format,types,ctest,sanitize,js]
//
// Every step runs even if an earlier one failed (a test that needs a build that failed says so),
// so that one run shows everything. It must never end with 0 when a step failed or ran nothing.

import { join, relative } from "node:path";
import { buildSanitize, buildTests, buildWasm, buildWeb, packModel } from "./build.mjs";
import { listFiles } from "./fingerprint.mjs";
import { format } from "./format.mjs";
import {
  inspect,
  installEmscripten,
  installNpmPackages,
  installPackages,
  requirePossible,
} from "./setup.mjs";
import { Interrupted, Steps, StepError, reportFailure, runCommand } from "./steps.mjs";
import { nativeBuild, root, sanitizeBuild } from "./paths.mjs";

/** ctest prints one line for each test; a folder without tests is a failure, not a success. */
async function ctest(folder) {
  await runCommand(
    "ctest",
    ["--test-dir", folder, "--output-on-failure", "--no-tests=error", "--parallel", "2"],
    {
      inherit: true,
      failure: "ctest reports failed tests",
      env: { UBSAN_OPTIONS: "print_stacktrace=1", ASAN_OPTIONS: "detect_stack_use_after_return=1" },
    },
  );
}

async function typeCheck() {
  const { output } = await runCommand(
    process.execPath,
    [`${root}/node_modules/typescript/bin/tsc`, "--noEmit", "-p", root],
    {
      cwd: root,
      failure: "the type check finds errors",
    },
  );
  return output.trim() || "no errors";
}

/** Folders of tests that start no browser beside others, or only one that computes: two of their files run at a time. */
const pairedFolders = ["core", "native", "packer", "structure", "trainer"];

async function nodeTests(paired) {
  const files = listFiles(`${root}/tests`)
    .filter((file) => file.endsWith(".test.mjs"))
    .map((file) => relative(root, file))
    .filter((file) => pairedFolders.includes(file.split(/[\\/]/)[1]) === paired);
  if (files.length === 0) throw new StepError("there is no tests/**/*.test.mjs");
  await runCommand(
    process.execPath,
    [
      "--test",
      `--test-concurrency=${paired ? 2 : 1}`,
      "--test-reporter=spec",
      "--test-reporter-destination=stdout",
      ...files,
    ],
    {
      cwd: root,
      inherit: true,
      failure: "node --test reports failed tests",
      // Chromium keeps crash reports beside its settings, whatever profile it is given: not at home.
      env: { XDG_CONFIG_HOME: join(root, "build", "browser") },
    },
  );
}

/** The name under which --only chooses it, title, work, options of the step. */
const tests = [
  ["format", "Format", (report) => format({ write: false, report })],
  ["types", "Types", typeCheck],
  ["ctest", "Native build", buildTests],
  ["ctest", "ctest", () => ctest(nativeBuild), { speaks: true }],
  ["sanitize", "Sanitizer build", buildSanitize],
  ["sanitize", "ctest, sanitizers", () => ctest(sanitizeBuild), { speaks: true }],
  ["js", "Native build", buildTests],
  ["js", "Model", packModel],
  ["js", "WebAssembly modules", buildWasm],
  ["js", "Page and library", buildWeb],
  ["js", "node --test, in pairs", () => nodeTests(true), { speaks: true }],
  // One file at a time: most start browsers, and wait for what these do.
  ["js", "node --test", () => nodeTests(false), { speaks: true }],
];

function chosen(args) {
  // A build that two of them need is one step.
  const once = (list) =>
    list.filter(([, title], at) => list.findIndex((other) => other[1] === title) === at);
  if (args.length === 0) return once(tests);
  const names = new Set(tests.map(([name]) => name));
  const only = args[0] === "--only" && args.length === 2 ? args[1].split(",") : [];
  if (only.length === 0 || !only.every((name) => names.has(name))) return null;
  return once(tests.filter(([name]) => only.includes(name)));
}

const usage = "usage: npm test -- [--only format,types,ctest,sanitize,js]";

async function main(args) {
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(`${usage}\n`);
    return;
  }
  const list = chosen(args);
  if (list === null) {
    process.stderr.write(`${usage}\n`);
    process.exitCode = 2;
    return;
  }
  const state = inspect("test");
  requirePossible(state);
  const steps = new Steps(3 + list.length);
  await steps.run("Debian packages", (report) => installPackages(state, report));
  await steps.run("Emscripten", (report) => installEmscripten(state, report));
  await steps.run("npm packages", (report) => installNpmPackages(state, report));

  const results = [];
  for (const [, title, work, options] of list) {
    const started = performance.now();
    let error = null;
    try {
      await steps.run(title, work, options);
    } catch (caught) {
      if (caught instanceof Interrupted) throw caught;
      error = caught;
      reportFailure(caught);
    }
    results.push({ title, error, took: performance.now() - started });
  }

  const width = Math.max(...results.map(({ title }) => title.length));
  process.stdout.write("\n");
  for (const { title, error, took } of results) {
    const time = `${(took / 1000).toFixed(1)} s`.padStart(9);
    const why = error ? `  ${error.message.split("\n")[0]}` : "";
    process.stdout.write(`${error ? "FAILED" : "passed"}  ${title.padEnd(width)} ${time}${why}\n`);
  }
  const failed = results.filter(({ error }) => error).length;
  process.stdout.write(
    failed
      ? `\n${failed} of ${results.length} steps failed.\n`
      : `\nAll ${results.length} steps passed in ${steps.elapsed}.\n`,
  );
  process.exitCode = failed ? 1 : 0;
}

await main(process.argv.slice(2)).catch(reportFailure);
