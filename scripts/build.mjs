// build.mjs - builds everything, and nothing twice.
//
//   node scripts/build.mjs [native|tests|sanitize|model|wasm|web]...      default: native model wasm web
//
// CMake and Ninja know what to compile; this file says with which options and in which order, and
// keeps stamps for the two steps that Ninja does not watch. It installs nothing (setup.mjs does).

import { existsSync, rmSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { Stamp, fingerprint } from "./fingerprint.mjs";
import { Steps, StepError, isProgram, reportFailure, runCommand } from "./steps.mjs";
import {
  arm64Build,
  bundledModel,
  coverageBuild,
  emscriptenPrefix,
  fuzzBuild,
  modelFile,
  modelSource,
  nativeBuild,
  root,
  sanitizeBuild,
  site,
  tercet,
  threadBuild,
  wasmBuild,
} from "./paths.mjs";

/** "[12/104] Building C object a/b/c.c.o" -> "12/104 c.c.o"; other lines are not progress. */
function ninjaProgress(report) {
  return (line) => {
    const step = /^\[(\d+\/\d+)\] .*?([^/ ]+)$/.exec(line);
    if (step) report(`${step[1]} ${step[2]}`);
  };
}

/**
 * Configures a build folder when it is new, was made for another place, or with other options,
 * then builds. Ninja itself re-runs CMake when a CMake file changed.
 */
async function buildWithCmake(folder, options, report, { wrapper = [], targets = [], title }) {
  const wanted = JSON.stringify([root, wrapper, options]);
  const stamp = new Stamp(join(folder, "tercet-configured.json"));
  if (!stamp.matches(wanted) || !existsSync(join(folder, "build.ninja"))) {
    rmSync(folder, { recursive: true, force: true });
    report("configuring");
    const configure = [...wrapper, "cmake", "-G", "Ninja", "-S", root, "-B", folder, ...options];
    await runCommand(configure[0], configure.slice(1), {
      failure: `${title}: CMake could not configure`,
    });
    stamp.write(wanted);
  }
  const jobs = String(availableParallelism());
  const { output } = await runCommand("ninja", ["-C", folder, "-j", jobs, ...targets], {
    env: { NINJA_STATUS: "[%f/%t] " },
    onLine: ninjaProgress(report),
    failure: `${title}: the build failed`,
  }).catch((error) => {
    // What was built well is not worth a line beside what was not.
    if (error instanceof StepError)
      error.output = error.output.replace(/^\[\d+\/\d+\] .*\n?/gm, "");
    throw error;
  });
  return /no work to do/.test(output) ? "up to date" : "built";
}

/** The twin alone: `npm start` needs no tests. */
export const buildNative = (report) =>
  buildWithCmake(nativeBuild, [], report, { title: "Native twin", targets: ["tercet_native"] });

/** The twin and every C test, or these targets alone. */
export const buildTests = (report, targets = []) =>
  buildWithCmake(nativeBuild, [], report, { title: "C tests", targets });

/** The second build that the tests run: another compiler, with AddressSanitizer and UBSan. */
export const buildSanitize = (report, targets = []) =>
  buildWithCmake(sanitizeBuild, ["-DTERCET_SANITIZE=ON", "-DCMAKE_C_COMPILER=clang-14"], report, {
    title: "Sanitizer build",
    targets,
  });

/** These C tests with ThreadSanitizer (torture-programs.mjs). */
export const buildThread = (report, targets) =>
  buildWithCmake(
    threadBuild,
    ["-DTERCET_THREAD_SANITIZE=ON", "-DCMAKE_C_COMPILER=clang-14"],
    report,
    { title: "ThreadSanitizer build", targets },
  );

/** The twin and every C test for 64-bit ARM, to run under qemu-user (test-arm.mjs). */
export const buildArm64 = (report) =>
  buildWithCmake(
    arm64Build,
    [`-DCMAKE_TOOLCHAIN_FILE=${join(root, "scripts", "arm64-toolchain.cmake")}`],
    report,
    { title: "ARM build" },
  );

/** The fuzz targets as libFuzzer programs, with both sanitizers (fuzz.mjs). */
export const buildFuzz = (report) =>
  buildWithCmake(
    fuzzBuild,
    ["-DTERCET_FUZZ=ON", "-DTERCET_SANITIZE=ON", "-DCMAKE_C_COMPILER=clang-14"],
    report,
    { title: "Fuzz targets", targets: ["fuzz_targets"] },
  );

/** The twin and every C test, counting the lines that run (coverage.mjs). */
export const buildCoverage = (report) =>
  buildWithCmake(coverageBuild, ["-DTERCET_COVERAGE=ON", "-DCMAKE_C_COMPILER=clang-14"], report, {
    title: "Coverage build",
  });

/** Four modules. Our own Emscripten if it is there, else the one on PATH (setup.mjs checked it). */
export function buildWasm(report) {
  const own = join(emscriptenPrefix, "bin", "emcmake");
  return buildWithCmake(wasmBuild, [], report, {
    wrapper: [existsSync(own) ? own : "emcmake"],
    title: "WebAssembly modules",
  });
}

/** Packs the bundled model with the native twin. */
export async function packModel(report) {
  if (!existsSync(join(modelSource, "config.json"))) {
    throw new StepError(`models/${bundledModel} is missing: is this checkout complete?`);
  }
  if (!existsSync(tercet)) {
    throw new StepError("the native twin is not built: run `node scripts/build.mjs native` first");
  }
  const stamp = new Stamp(join(root, "build", "model.stamp"));
  // The packer is part of the input: another packer may write another file.
  const wanted = fingerprint(
    [modelSource, tercet],
    `${statSync(modelFile, { throwIfNoEntry: false })?.size}`,
  );
  if (existsSync(modelFile) && stamp.matches(wanted)) return "up to date";
  stamp.clear();
  await runCommand(tercet, ["pack", modelSource, "-o", modelFile], {
    onLine: report,
    failure: `tercet pack could not pack models/${bundledModel}`,
  });
  const bytes = statSync(modelFile).size;
  stamp.write(fingerprint([modelSource, tercet], `${bytes}`));
  return `${(bytes / 1e6).toFixed(2)} MB, every weight compared with its source`;
}

/** The library in dist/ and the page in build/site/, from web/, the modules and the model. */
export async function buildWeb(report) {
  const stamp = new Stamp(join(root, "build", "web.stamp"));
  const inputs = [
    join(root, "web"),
    join(root, "core", "include"),
    join(root, "package.json"),
    join(root, "node_modules", ".tercet-lock"),
    modelFile,
    join(wasmBuild, "tercet-packer.wasm"),
    ...["simd128", "simd128-threads", "relaxed", "relaxed-threads"].flatMap((variant) =>
      ["mjs", "wasm"].map((ending) => join(wasmBuild, `tercet-${variant}.${ending}`)),
    ),
  ];
  const wanted = fingerprint(inputs);
  const made = [join(site, "index.html"), join(root, "dist", "index.js")];
  if (made.every((file) => existsSync(file)) && stamp.matches(wanted)) return "up to date";
  stamp.clear();
  await runCommand(process.execPath, [join(root, "web", "build.mjs")], {
    cwd: root,
    onLine: report,
    failure: "the page and the library could not be built",
  });
  for (const file of made) {
    if (!existsSync(file)) throw new StepError(`web/build.mjs ended well but did not make ${file}`);
  }
  stamp.write(fingerprint(inputs));
  return "built";
}

export const parts = {
  native: ["Native twin", buildNative],
  tests: ["C tests", buildTests],
  sanitize: ["Sanitizer build", buildSanitize],
  model: [`Model ${bundledModel}`, packModel],
  wasm: ["WebAssembly modules", buildWasm],
  web: ["Page and library", buildWeb],
};

export async function build(
  names = ["native", "model", "wasm", "web"],
  steps = new Steps(names.length),
) {
  for (const name of names) await steps.run(...parts[name]);
}

if (isProgram(import.meta)) {
  const names = process.argv.slice(2);
  const unknown = names.find((name) => !(name in parts));
  if (unknown !== undefined) {
    process.stderr.write(`unknown part ${unknown}; there are: ${Object.keys(parts).join(" ")}\n`);
    process.exitCode = 2;
  } else {
    await build(names.length > 0 ? names : undefined).catch(reportFailure);
  }
}
