// torture-kernels.mjs - every kernel set of this machine against portable, bit for bit, between guard pages, with other inputs and sizes
// for each seed, until each set has had a million comparisons of
// matrices and as many of all else: natively, and the plain set as WebAssembly in Node.

import { execFile } from "node:child_process";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { buildTests, buildWasm } from "./build.mjs";
import { nativeBuild, root, wasmBuild } from "./paths.mjs";
import { runCommand } from "./steps.mjs";
import { contentHash } from "./torture-ledger.mjs";

const CASES = 1_000_000;
/** Comparisons that one run of each program makes for the set that has the fewest, rounded down; measured. */
const CASES_A_RUN = { check_kernels: 320_000, check_matrices: 8_000 };
const programs = Object.keys(CASES_A_RUN);

/** A program of its own process, so that a fault in one is a finding and not the end. */
const wasmRunner = `
  const { default: factory } = await import(process.argv[1]);
  const module = await factory({ print: console.log, printErr: console.error });
  process.exitCode = module.callMain(process.argv.slice(2));`;

/** { failure, stdout, stderr }: how a program ended that must end well, null if it did. */
const run = (command, args, options) =>
  new Promise((resolve) => {
    execFile(command, args, options, (error, stdout, stderr) => {
      const failure = error === null ? null : (error.signal ?? `exit code ${error.code}`);
      resolve({ failure, stdout, stderr });
    });
  });

async function runProgram(place, name, seed) {
  const [command, before] =
    place === "native"
      ? [join(nativeBuild, "tests", `core-kernels-${name}`), []]
      : [
          process.execPath,
          ["--input-type=module", "-e", wasmRunner, join(wasmBuild, `${name}-simd128.mjs`)],
        ];
  const { failure, stdout, stderr } = await run(command, [...before, "--seed", String(seed)], {
    cwd: join(root, "tests"),
    maxBuffer: 1 << 26,
  });
  // Portable is compared with plain mathematics; the others with portable.
  const sets = [...stdout.matchAll(/^(\w+): (\d+) cases$/gm)].filter(
    ([, set]) => set !== "portable",
  );
  const found = [];
  if (sets.length === 0) found.push(`${place} ${name}: there is no set but portable`);
  if (failure !== null)
    found.push(`${place} ${name} --seed ${seed}: ${failure}: ${stderr.slice(0, 300)}`);
  return {
    ran: sets.reduce((sum, [, , count]) => sum + Number(count), 0),
    found,
    notes: [`${place}: ${sets.map(([, set]) => set).join(", ")}`],
  };
}

const binaries = (name) => [
  `build/native/tests/core-kernels-${name}`,
  `build/wasm/${name}-simd128.wasm`,
];

export const kernels = {
  name: "kernels",
  what: "kernel sets against portable, bit for bit, between guard pages",
  unit: "comparisons",
  lanes: availableParallelism(),
  prepare: async ({ scale, seed, report }) => {
    await buildTests(
      report,
      programs.map((name) => `core-kernels-${name}`),
    );
    await buildWasm(report);
    await runCommand("ninja", ["-C", wasmBuild, ...programs.map((name) => `${name}-simd128`)], {
      failure: "the kernel checks could not be built as WebAssembly",
    });
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
};
