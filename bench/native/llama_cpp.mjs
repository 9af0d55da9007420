// llama_cpp.mjs - llama.cpp as npm has it: the prebuilt binaries of node-llama-cpp. They ship one
// library of CPU kernels for each family of processors and choose the best at run time; offering a
// folder with only one of them forces that one, and the process proves which one it mapped.

import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../scripts/paths.mjs";
import { StepError } from "../../scripts/steps.mjs";
import { benchFolder } from "../models.mjs";
import { runMeasured } from "./measured_process.mjs";

const benchRoot = join(root, "bench");
const platform = `${process.platform}-${process.arch}`;
const packageName = `@node-llama-cpp/${platform}`;
const packageFolder = join(benchRoot, "node_modules", packageName);
const binaries = join(packageFolder, "bins", platform);

/** The one kernel library that has AVX2 and nothing above it. */
const AVX2_LIBRARY = "libggml-cpu-haswell.so";

/** Installs bench/package.json where that was not done; the version as installed. */
export function installLlamaCpp(report = () => {}) {
  const wanted = JSON.parse(readFileSync(join(benchRoot, "package.json"), "utf8"));
  const version = wanted.optionalDependencies[packageName];
  if (version === undefined) {
    throw new StepError(
      `llama.cpp is not prebuilt for ${platform}: use --rival with one of your own`,
    );
  }
  const installed = () => {
    const file = join(packageFolder, "package.json");
    return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")).version : null;
  };
  if (installed() !== version) {
    report(`installing ${packageName} ${version} into bench/node_modules`);
    const args = ["install", "--prefix", benchRoot, "--ignore-scripts", "--no-audit", "--no-fund"];
    execFileSync("npm", [...args, "--no-package-lock"], {
      cwd: benchRoot,
      stdio: ["ignore", "ignore", "inherit"],
    });
  }
  if (!existsSync(join(binaries, "llama-addon.node"))) {
    throw new StepError(`${packageName} ${version} could not be installed from the npm registry`);
  }
  const built = JSON.parse(readFileSync(join(binaries, "_nlcBuildMetadata.json"), "utf8"));
  return { package: `${packageName} ${version}`, release: built.buildOptions.llamaCpp.release };
}

/** A folder that offers only those kernels: "avx2", or "best" for all of them. */
export function kernelFolder(kernels) {
  if (kernels === "best") return binaries;
  if (!existsSync(join(binaries, AVX2_LIBRARY))) {
    throw new StepError(`${packageName} has no kernels for AVX2 alone`);
  }
  const folder = join(benchFolder, "llama-avx2");
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder)) if (name !== AVX2_LIBRARY) rmSync(join(folder, name));
  copyFileSync(join(binaries, AVX2_LIBRARY), join(folder, AVX2_LIBRARY));
  return folder;
}

const program = join(benchRoot, "native", "llama_process.cjs");

/**
 * One run of llama.cpp in a process of its own.
 * @param {{ model: string, kernels: "avx2" | "best", threads: number, prompt: number, tokens: number }} run
 */
export async function runLlama({ model, kernels, threads, prompt, tokens }) {
  const job = { model, binaries, kernels: kernelFolder(kernels), threads, prompt, tokens };
  const { out, peakBytes } = await runMeasured(process.execPath, [program, JSON.stringify(job)]);
  const result = JSON.parse(out.trim().split("\n").at(-1));
  checkKernels(kernels, result);
  return {
    decode_tokens_per_s: result.decode_tokens_per_s,
    prompt_tokens_per_s: result.prompt_tokens_per_s,
    load_seconds: result.load_seconds,
    peak_memory_bytes: Math.max(peakBytes, result.peak_bytes),
    library: result.library,
    system: result.system,
  };
}

/** Throws when llama.cpp did not compute with what it was to compute with. */
export function checkKernels(kernels, { library, system }) {
  if (!/^libggml-cpu-\w+\.so$/.test(library)) {
    throw new Error(`llama.cpp mapped the kernels "${library}", which is not one library`);
  }
  if (kernels === "avx2" && (library !== AVX2_LIBRARY || /AVX512 = 1|AVX_VNNI = 1/.test(system))) {
    throw new Error(`llama.cpp was to use ${AVX2_LIBRARY} alone, but used ${library}: ${system}`);
  }
}

/** Greedy tokens behind a text: { prompt: ids of the text, tokens: ids that follow }. */
export async function greedyTokens({ model, kernels = "best", threads = 1, text, tokens }) {
  const job = { model, binaries, kernels: kernelFolder(kernels), threads, text, tokens };
  const { out } = await runMeasured(process.execPath, [program, JSON.stringify(job)]);
  return JSON.parse(out.trim().split("\n").at(-1));
}
