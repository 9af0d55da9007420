// native_runs.mjs - one run of `tercet bench` as a child process: its own memory, no interference.
// Configurations that are to be compared call it in turn.

import { execFile } from "node:child_process";
import { StepError } from "../scripts/steps.mjs";

/**
 * What `tercet bench WORDS` prints as JSON; throws with the program's own sentence.
 * @param {string} program
 * @param {readonly string[]} words
 */
export function benchJson(program, words) {
  return new Promise((resolve, reject) => {
    execFile(program, ["bench", ...words], (error, out, err) => {
      if (error) reject(new StepError(err.trim().split("\n").pop() || error.message));
      else resolve(JSON.parse(out));
    });
  });
}

/**
 * The only result of one run; throws with the program's own sentence.
 * @param {string} program
 * @param {string} model
 * @param {{ kernels?: string | null, threads?: number, prompt?: number, tokens?: number, context?: number, runs?: number }} options
 */
export async function benchNatively(program, model, options = {}) {
  const { kernels = null, threads, prompt, tokens, context, runs = 1 } = options;
  const flags = Object.entries({ kernels, threads, prompt, tokens, context, runs })
    .filter(([, value]) => value !== null && value !== undefined)
    .flatMap(([name, value]) => [`--${name}`, String(value)]);
  return (await benchJson(program, [model, ...flags, "--json"])).results[0];
}
