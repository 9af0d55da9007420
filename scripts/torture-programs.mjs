// torture-programs.mjs - tortures that are one program run for long: text after text while memory is watched, the thread pool and
// generation under ThreadSanitizer, and each fuzz target until it has had its number of executions.

import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { buildFuzz, buildTests, buildThread, buildWeb, packModel } from "./build.mjs";
import { knownTargets, programTargets, runTarget } from "./fuzz.mjs";
import { modelFile, nativeBuild, root, threadBuild } from "./paths.mjs";
import { contentHash } from "./torture-ledger.mjs";

const relative = (path) => path.slice(root.length + 1);

/** How a program ended that must end well; null if it did. */
function failureOf({ status, signal, stdout, stderr }) {
  if (status === 0) return null;
  const text = `${stdout}\n${stderr}`.trim();
  const first = text.split("\n").find((line) => /WARNING|ERROR|failed|error/.test(line)) ?? "";
  return `${signal ?? `exit code ${status}`}: ${first} ${text.slice(-400)}`;
}

const run = (program, args) =>
  spawnSync(program, args, { cwd: join(root, "tests"), encoding: "utf8", maxBuffer: 1 << 26 });

/* ---------------------------------------------------------------- soak */

const soakProgram = join(nativeBuild, "tests", "soak_text");

function soakCase(tokens, threads) {
  const done = run(soakProgram, [modelFile, String(tokens), String(threads)]);
  const line = done.stdout.split("\n").find((one) => one.startsWith("{"));
  const failure = failureOf(done);
  if (line === undefined || failure !== null) return { ran: 0, found: [failure ?? "no result"] };
  const { tokens: ran, growth } = JSON.parse(line);
  return { ran, found: [], notes: [`${threads} threads: process grew by ${growth} bytes`] };
}

const soak = {
  name: "soak",
  what: "text after text natively: the core's memory stays, the process does not grow",
  unit: "tokens",
  prepare: async ({ scale, report }) => {
    await buildTests(report, ["soak_text", "tercet_native"]);
    if (!existsSync(modelFile)) await packModel(report);
    const tokens = scale === "full" ? 100_000 : 5_000;
    return {
      key: contentHash([relative(soakProgram), relative(modelFile)]),
      cases: [1, 2].map((threads) => ({
        id: `${threads} threads ${tokens}`,
        run: async () => soakCase(tokens, threads),
      })),
    };
  },
};

/* ---------------------------------------------------------------- threads */

const THREAD_TESTS = [
  "core-base-test_thread_pool",
  "core-generate-test_session",
  "core-generate-test_session_step",
  "core-generate-test_speculation",
  "core-generate-test_arriving",
];

const threads = {
  name: "threads",
  what: "thread pool, sessions, cancel and drafts under ThreadSanitizer",
  unit: "programs",
  prepare: async ({ scale, report }) => {
    const tests = scale === "full" ? THREAD_TESTS : THREAD_TESTS.slice(0, 1);
    const program = (name) => join(threadBuild, "tests", name);
    await buildThread(report, tests);
    return {
      key: contentHash(tests.map((name) => relative(program(name)))),
      cases: tests.map((name) => ({
        id: name,
        run: async () => {
          const failure = failureOf(run(program(name), []));
          return { ran: 1, found: failure === null ? [] : [`${name}: ${failure}`] };
        },
      })),
    };
  },
};

/* ---------------------------------------------------------------- fuzzing */

/** Executions; a part of them at a time, each beginning with what the earlier ones found. Those in JavaScript are slower. */
const FUZZ = { most: { fuzz_container_header: 100_000_000 }, each: 10_000_000 };
const FUZZ_PART = { program: 1_000_000, script: 100_000 };

async function fuzzCase(target, runs, seed, report) {
  const result = await runTarget(target, { runs, seconds: 0, seed }, report);
  const found =
    result.found === null
      ? []
      : [
          `${target}: ${result.found}: see build/fuzz-findings/${target} ${result.text.slice(-300)}`,
        ];
  return { ran: result.executions, found };
}

/** All that a target in JavaScript runs. */
function scriptParts(target) {
  const named = (folder, pattern) =>
    readdirSync(join(root, folder))
      .filter((name) => pattern.test(name))
      .map((name) => `${folder}/${name}`);
  const messages = target === "fuzz_worker_messages";
  return [
    ...named("tests/fuzz", /^(run_script|script_(mutator|targets|watcher))\.mjs$/),
    ...(messages
      ? [
          "tests/fuzz/script_messages.mjs",
          "dist/node/engine_worker.js",
          ...named("dist", /\.(mjs|wasm)$/),
        ]
      : ["tests/fuzz/script_grammars.mjs", ...named("web/src", /^grammar_\w+\.ts$/)]),
  ];
}

const fuzz = {
  name: "fuzz",
  what: "each stage of each reader, the modules' functions, grammars and messages",
  unit: "executions",
  lanes: availableParallelism(),
  prepare: async ({ scale, seed, report }) => {
    await buildFuzz(report);
    await buildWeb(report);
    const programs = new Set(programTargets());
    const cases = knownTargets().flatMap((target) => {
      const isProgram = programs.has(target);
      const wanted = scale === "full" ? (FUZZ.most[target] ?? FUZZ.each) : 2_000;
      const part = Math.min(FUZZ_PART[isProgram ? "program" : "script"], wanted);
      const parts = Math.ceil(wanted / part);
      // A target whose code has changed begins anew, and the others do not.
      const built = isProgram ? [`build/fuzz/tests/${target}`] : scriptParts(target);
      const version = contentHash(built).slice(0, 12);
      return Array.from({ length: parts }, (_, index) => ({
        id: `${target} ${version} ${index + 1}/${parts}`,
        share: index / parts,
        run: (say) => fuzzCase(target, part, seed + index, say),
      }));
    });
    // All targets have some before any has all.
    cases.sort((a, b) => a.share - b.share);
    return { key: "each part names its code", cases };
  },
};

export const programRows = [soak, threads, fuzz];
