// torture-kernels.mjs - every kernel set of this machine against portable, bit for bit, with other inputs and sizes for each seed, until
// each set has had a million comparisons of matrices and as many of all else: natively, between guard pages, and the sets of the
// WebAssembly modules in Chromium.

import { execFile } from "node:child_process";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { KernelsInChromium } from "../tests/core/kernels/kernels_in_chromium.mjs";
import { prepareBrowser } from "../bench/browser.mjs";
import { buildTests } from "./build.mjs";
import { nativeBuild, root, wasmBuild } from "./paths.mjs";
import { runCommand } from "./steps.mjs";
import { contentHash } from "./torture-ledger.mjs";

const CASES = 1_000_000;
/** Comparisons that one run of each program makes for the set that has the fewest, rounded down; measured, and checked by each run. */
const CASES_A_RUN = { check_kernels: 320_000, check_matrices: 8_000 };
const programs = Object.keys(CASES_A_RUN);
/** It has all sets of the four modules. */
const moduleOf = (name) => `${name}-relaxed`;
/** What must be there, whatever the machine. */
const SETS = { native: [], wasm: ["wasm_simd128", "wasm_relaxed"] };

/** A program of its own process, so that a fault in one is a finding and not the end: { failure, text }. */
const runNative = (name, args) =>
  new Promise((resolve) => {
    const program = join(nativeBuild, "tests", `core-kernels-${name}`);
    const options = { cwd: join(root, "tests"), maxBuffer: 1 << 26 };
    execFile(program, args, options, (error, stdout, stderr) => {
      const failure = error === null ? null : (error.signal ?? `exit code ${error.code}`);
      resolve({ failure, text: `${stdout}\n${stderr}` });
    });
  });

let checks = null;

async function runInChromium(name, args) {
  try {
    const { status, text } = await checks.run(moduleOf(name), args);
    return { failure: status === 0 ? null : `status ${status}`, text };
  } catch (error) {
    return { failure: error.message, text: "" };
  }
}

/** What is wrong with a run, and how many comparisons it made of each set but portable, which is compared with plain mathematics. */
export function judgeRun(place, name, { failure, text }) {
  const sets = [...text.matchAll(/^(\w+): (\d+) cases$/gm)]
    .map(([, set, count]) => ({ set, count: Number(count) }))
    .filter(({ set }) => set !== "portable");
  const found = [];
  if (failure !== null) found.push(`${failure}: ${text.trim().slice(-300)}`);
  if (sets.length === 0) found.push("there is no set but portable");
  for (const set of SETS[place])
    if (!sets.some((one) => one.set === set)) found.push(`${set} is not there`);
  for (const { set, count } of sets)
    if (count < CASES_A_RUN[name]) found.push(`only ${count} comparisons of ${set}`);
  return { found, sets };
}

async function runProgram(place, name, seed) {
  const args = ["--seed", String(seed)];
  const run = await (place === "native" ? runNative(name, args) : runInChromium(name, args));
  const { found, sets } = judgeRun(place, name, run);
  return {
    ran: sets.reduce((sum, { count }) => sum + count, 0),
    found: found.map((one) => `${place} ${name} --seed ${seed}: ${one}`),
    notes: [`${place}: ${sets.map(({ set }) => set).join(", ")}`],
  };
}

const binaries = (name) => [
  `build/native/tests/core-kernels-${name}`,
  `build/wasm/${moduleOf(name)}.wasm`,
];

export const kernels = {
  name: "kernels",
  what: "kernel sets against portable, bit for bit, natively between guard pages",
  unit: "comparisons",
  lanes: availableParallelism(),
  prepare: async ({ scale, seed, report }) => {
    await buildTests(
      report,
      programs.map((name) => `core-kernels-${name}`),
    );
    await prepareBrowser(["wasm"]);
    await runCommand("ninja", ["-C", wasmBuild, ...programs.map(moduleOf)], {
      failure: "the kernel checks could not be built as WebAssembly",
    });
    checks = await KernelsInChromium.open(programs.map(moduleOf));
    const seeds = (name) => {
      const runs = scale === "full" ? Math.ceil(CASES / CASES_A_RUN[name]) : 1;
      return Array.from({ length: runs }, (_, index) => seed * 1000 + index);
    };
    return {
      key: contentHash(programs.flatMap(binaries)),
      cases: ["native", "wasm"].flatMap((place) =>
        programs.flatMap((name) =>
          seeds(name).map((one) => ({
            id: `${place} ${name} ${one}`,
            run: () => runProgram(place, name, one),
          })),
        ),
      ),
    };
  },
  close: async () => {
    await checks?.close();
    checks = null;
  },
};
