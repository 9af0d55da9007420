// paths.mjs - where things are, relative to the repository root. The one home of these names; it
// must never touch the disk.

import { fileURLToPath } from "node:url";
import { join } from "node:path";

export const root = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");

const under = (...parts) => join(root, ...parts);

export const emscriptenPrefix = under(".toolchain", "emscripten");
export const nativeBuild = under("build", "native");
export const sanitizeBuild = under("build", "sanitize");
export const threadBuild = under("build", "thread");
export const arm64Build = under("build", "arm64");
export const fuzzBuild = under("build", "fuzz");
export const coverageBuild = under("build", "coverage");
export const wasmBuild = under("build", "wasm");
export const site = under("build", "site");
export const tercet = under("build", "native", "tercet");

export const bundledModel = "gutenberg-6m-b158";
export const modelSource = under("models", bundledModel);
export const modelFile = under("models", `${bundledModel}.tercet`);
