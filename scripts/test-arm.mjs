// test-arm.mjs - builds the native twin and the C tests for 64-bit ARM and runs them under qemu-user:
// correctness on a machine that is no ARM. Not part of `npm test`, because it needs tools and
// libraries of a foreign architecture; it must never install them.
//
//   npm run test:arm
//
// Every C test; the choice of kernels on a processor without dot products; no fused multiply-add in
// the core; and the promise of the twins: the same tokens and logits as this machine's build.

import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { buildArm64, buildNative, packModel } from "./build.mjs";
import { listFiles } from "./fingerprint.mjs";
import { arm64Build, modelFile, root, tercet } from "./paths.mjs";
import { Steps, StepError, reportFailure, runCommand } from "./steps.mjs";

// qemu 7.2 on x86-64 lets a load pass the store before it where ARM forbids it (stlr, ldar): two
// threads that each store 1 and then load the other's both read 0 in 3 to 8 % of tries, and a thread
// pool sleeps for ever. On one processor the order is kept.
const status = existsSync("/proc/self/status") ? readFileSync("/proc/self/status", "utf8") : "";
const allowed = /^Cpus_allowed_list:\s*(\d+)/m.exec(status);
const onOneProcessor = ["-c", allowed?.[1] ?? "0"];
const emulator = "qemu-aarch64";
const libraries = "/usr/lib/aarch64-linux-gnu";

/** What is needed, and what Debian 12 calls it. */
const tools = [
  ["aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"],
  ["aarch64-linux-gnu-objdump", "binutils-aarch64-linux-gnu"],
  [emulator, "qemu-user"],
  ["taskset", "util-linux"],
];
const files = [
  ["/usr/aarch64-linux-gnu/lib/libc.so", "libc6-dev-arm64-cross"],
  [`${libraries}/libcrypto.so`, "libssl-dev:arm64"],
  [`${libraries}/libcjson.so`, "libcjson-dev:arm64"],
  [`${libraries}/libz.so`, "zlib1g-dev:arm64"],
];

function onPath(command) {
  return (process.env.PATH ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function requireTools() {
  if (process.platform !== "linux" || process.arch !== "x64") {
    const where = process.arch === "arm64" ? ": `npm test` tests this machine itself" : "";
    throw new StepError(`ARM is emulated on Linux on x86-64 only, not here${where}`);
  }
  const missing = [
    ...tools.filter(([command]) => !onPath(command)),
    ...files.filter(([file]) => !existsSync(file)),
  ].map(([, name]) => name);
  if (missing.length === 0) return "complete";
  throw new StepError(
    `tools for ARM are missing; on Debian 12, as root:\n` +
      `    dpkg --add-architecture arm64 && apt-get update\n` +
      `    apt-get install --no-install-recommends ${missing.join(" ")}`,
  );
}

async function ctest() {
  await runCommand(
    "taskset",
    [
      ...onOneProcessor,
      "ctest",
      "--test-dir",
      arm64Build,
      "--output-on-failure",
      "--no-tests=error",
    ],
    { inherit: true, failure: "ctest reports failed tests" },
  );
}

/** Cortex-A57 is Armv8.0: no dot products, so the portable kernels. */
async function testOldProcessor() {
  for (const name of ["core-base-test_cpu_features", "core-kernels-test_select"]) {
    await runCommand(emulator, ["-cpu", "cortex-a57", join(arm64Build, "tests", name)], {
      failure: `${name} on a Cortex-A57`,
    });
  }
  const twin = join(arm64Build, "tercet");
  const { output } = await runCommand(emulator, ["-cpu", "cortex-a57", twin, "--version"]);
  if (!/^kernel sets: portable arm_neon_dotprod \(not here\)$/m.test(output))
    throw new StepError("a Cortex-A57 is not given the portable kernels alone", { output });
  return "portable kernels";
}

/** The plain form of a * b + c on ARM rounds once. Every object of the core must do without. */
async function findFused() {
  const objects = listFiles(join(arm64Build, "CMakeFiles", "tercet_core-objects.dir")).filter(
    (file) => file.endsWith(".o"),
  );
  if (!objects.some((file) => file.endsWith("arm_neon_dotprod.c.o")))
    throw new StepError("the build has no object of arm_neon_dotprod.c");
  let multiplications = 0;
  for (const object of objects) {
    const { output } = await runCommand("aarch64-linux-gnu-objdump", [
      "-d",
      "--no-show-raw-insn",
      object,
    ]);
    const fused = /\tfn?m(add|sub|la|ls)\t.*/.exec(output);
    if (fused) throw new StepError(`${object} has a fused multiply-add: ${fused[0].trim()}`);
    multiplications += output.match(/\tfmul\t/g)?.length ?? 0;
  }
  if (multiplications === 0)
    throw new StepError("the core multiplies nothing: what was looked at?");
  return `none in ${objects.length} objects`;
}

const prompts = JSON.parse(readFileSync(join(root, "tests", "golden", "prompts.json"), "utf8"));

async function runModel(command, prompt, seed, kernels, threads) {
  const sampling = [
    "--tokens",
    "32",
    "--temperature",
    "0.8",
    "--top-k",
    "200",
    "--seed",
    `${seed}`,
  ];
  const choice = ["--kernels", kernels, "--threads", `${threads}`];
  const args = ["run", modelFile, "--prompt", prompt, ...sampling, ...choice];
  const [program, ...rest] = [...command, ...args, "--json", "--hash-logits"];
  const { output } = await runCommand(program, rest, {
    failure: `${kernels} failed on: ${prompt}`,
  });
  const { tokens, logits_sha256 } = JSON.parse(output);
  return JSON.stringify([tokens, logits_sha256]);
}

async function compareTwins(report) {
  const some = prompts.slice(0, 6);
  let compared = 0;
  for (const [seed, prompt] of some.entries()) {
    const expected = await runModel([tercet], prompt, seed, "portable", 1);
    for (const [kernels, threads] of [
      ["portable", 1],
      ["arm_neon_dotprod", 1],
      ["arm_neon_dotprod", 2],
    ]) {
      report(`prompt ${seed + 1} of ${some.length}, ${kernels}, ${threads} threads`);
      const command = ["taskset", ...onOneProcessor, emulator, join(arm64Build, "tercet")];
      const got = await runModel(command, prompt, seed, kernels, threads);
      if (got !== expected)
        throw new StepError(
          `${kernels} with ${threads} threads differs from this machine's build`,
          {
            output: `prompt: ${prompt}\nexpected ${expected}\ngot      ${got}`,
          },
        );
      compared++;
    }
  }
  return `${compared} texts the same, every logit`;
}

async function main() {
  const steps = new Steps(8);
  await steps.run("Tools for ARM", async () => requireTools());
  await steps.run("ARM build", buildArm64);
  await steps.run("ctest", ctest, { speaks: true });
  await steps.run("A processor without dot products", testOldProcessor);
  await steps.run("Fused multiply-adds", findFused);
  await steps.run("Native twin", buildNative);
  await steps.run("Model", packModel);
  await steps.run("Same bits as here", compareTwins);
  process.stdout.write(`\nAll steps passed in ${steps.elapsed}.\n`);
}

await main().catch(reportFailure);
