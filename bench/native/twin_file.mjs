// twin_file.mjs - the GGUF twin of a model: the same weights in a form that llama.cpp runs, written by
// `tercet export` and kept in build/bench/ under the id of the model, so that a twin is never stale.

import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readSync,
  readdirSync,
  rmSync,
  statSync,
} from "node:fs";
import { basename, join } from "node:path";
import { StepError, runCommand } from "../../scripts/steps.mjs";
import { benchFolder, requireDisk } from "../models.mjs";

/** Bits a weight of each type, rounded up; for the free disk. */
const BITS = { tq1_0: 2, tq2_0: 2.25, q2_0: 2.5, q4_0: 4.5, q8_0: 8.5, f16: 16, f32: 32 };

/** What is written where a row is no multiple of a block: what llama.cpp's own quantiser falls back to. */
const FALLBACK = "q4_0";

/** The id of a .tercet file: the hash that stands in its first 64 bytes. */
export function modelIdOf(path) {
  const bytes = Buffer.alloc(64);
  const file = openSync(path, "r");
  try {
    if (readSync(file, bytes) !== 64 || bytes.toString("latin1", 1, 5) !== "TRCT") {
      throw new Error(`${path} is no .tercet file`);
    }
  } finally {
    closeSync(file);
  }
  return bytes.toString("hex", 32);
}

/**
 * The path of the twin, made when it is not there; with what the export said when it was made now.
 * @param {string} program the native twin
 * @param {{ path: string }} model
 * @param {string} type as for `tercet export --type`
 */
export async function ggufTwin(program, model, type, options = [], report = () => {}) {
  const name = basename(model.path, ".tercet");
  const tail = [type, ...options.map((word) => word.replaceAll("-", ""))].join("-");
  const path = join(benchFolder, `${name}-${modelIdOf(model.path).slice(0, 16)}-${tail}.gguf`);
  mkdirSync(benchFolder, { recursive: true });
  if (!existsSync(path)) {
    for (const old of readdirSync(benchFolder)) {
      const rest = old.startsWith(`${name}-`) ? old.slice(name.length + 1) : "";
      if (/^[0-9a-f]{16}-/.test(rest) && rest.slice(17) === `${tail}.gguf`) {
        rmSync(join(benchFolder, old)); // of an older model of this name
      }
    }
    const bytes = (statSync(model.path).size * BITS[type]) / 2;
    requireDisk(benchFolder, bytes, `the GGUF twin of ${name} (${type})`);
    report(`writing the GGUF twin of ${name} (${type})`);
    const types = ["--type", type, "--fallback", FALLBACK, "--merge-scales", ...options];
    const failure = `the GGUF twin of ${name} (${type}) could not be written`;
    try {
      await runCommand(program, ["export", model.path, "--to", "gguf", "-o", path, ...types], {
        failure,
      });
    } catch (error) {
      const said = error.output?.trim().split("\n").at(-1);
      throw said ? new StepError(`${failure}: ${said}`) : error;
    }
  }
  return path;
}

/**
 * { path } of the twin, or { failure }: a form that cannot be written is one rival less and a row that says why, not the
 * end of the comparison. Made before anything is measured, so that no run meets the writing of a file.
 */
export async function tryTwin(program, model, type, report) {
  try {
    return { path: await ggufTwin(program, model, type, [], report) };
  } catch (failure) {
    report(failure.message);
    return { failure };
  }
}
