// steps.mjs - numbered steps with elapsed time, and child processes that are quiet until they fail.
//
// Why it exists: `npm start`, `npm test` and the build show the same kind of progress, and a long
// silent command looks like a hang. It must never swallow the output of a command that failed, and
// never leave a child running when this program is interrupted.

import { spawn } from "node:child_process";
import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** A failure with a sentence for people; anything else that is thrown is a defect of a script. */
export class StepError extends Error {
  /** @param {string} message @param {{ output?: string }} [details] */
  constructor(message, { output = "" } = {}) {
    super(message);
    this.name = "StepError";
    this.output = output;
  }
}

export class Interrupted extends Error {
  constructor() {
    super("interrupted");
    this.name = "Interrupted";
  }
}

const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;

/**
 * Prints "[2/6] title ... " lines. A step that takes long announces itself when it starts and
 * reports what it is doing; a quick one is one line.
 */
export class Steps {
  #total;
  #index = 0;
  #out;
  #started = performance.now();

  /** @param {number} total @param {{ out?: NodeJS.WritableStream }} [options] */
  constructor(total, { out = process.stdout } = {}) {
    this.#total = total;
    this.#out = out;
  }

  /**
   * @template T
   * @param {string} title
   * @param {(report: (line: string) => void) => Promise<T>} work gets a function that shows a line
   *   of progress; a string that it returns is shown as the outcome
   * @param {{ speaks?: boolean }} [options] the work writes to the terminal itself: announce it first
   * @returns {Promise<T>}
   */
  async run(title, work, { speaks = false } = {}) {
    const label = `[${++this.#index}/${this.#total}] ${title}`;
    const started = performance.now();
    let announced = false;
    let lastLine = "";
    let lastShown = started;
    let fresh = false;
    const announce = () => {
      if (!announced) this.#out.write(`${label} ...\n`);
      announced = true;
    };
    const show = (line) => {
      announce();
      fresh = false;
      lastShown = performance.now();
      this.#out.write(`      ${seconds(lastShown - started).padStart(7)}  ${line}\n`);
    };
    if (speaks) announce();
    const timer = setInterval(() => {
      if (speaks) return;
      // Without news for ten seconds, say that the step is alive and what it said last.
      const silent = performance.now() - lastShown > 10_000;
      const due = fresh && (!announced || performance.now() - lastShown >= 2000);
      if (due || silent) show(lastLine || "still running");
      else announce();
    }, 500);
    // Nothing is shown in the first half second (a quick step is one line), then one line every
    // two seconds: more is noise in a log.
    const report = (line) => {
      lastLine = line;
      fresh = true;
      const now = performance.now();
      if (now - started > 500 && (!announced || now - lastShown >= 2000)) show(line);
    };
    try {
      const result = await work(report);
      const outcome = typeof result === "string" && result ? result : "done";
      const took = seconds(performance.now() - started);
      this.#out.write(
        announced ? `      ${took.padStart(7)}  ${outcome}\n` : `${label}: ${outcome} (${took})\n`,
      );
      return result;
    } catch (error) {
      announce();
      throw error;
    } finally {
      clearInterval(timer);
    }
  }

  /** Whole time since construction. */
  get elapsed() {
    return seconds(performance.now() - this.#started);
  }
}

/** Children that still run; ended with this program. */
const children = new Set();
let interrupted = false;

// A terminal sends SIGINT to the whole group, so children usually end on their own; one that does
// not within a moment is told. This program then ends through the command that fails.
function onSignal(signal) {
  if (interrupted) process.exit(130);
  interrupted = true;
  setTimeout(() => {
    for (const child of children) child.kill(signal);
  }, 150).unref();
  setTimeout(() => {
    for (const child of children) child.kill("SIGKILL");
    process.exit(130);
  }, 5000).unref();
}

// Only while a child runs: otherwise a signal is whoever's who uses this module.
function addChild(child) {
  if (children.size === 0) process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  children.add(child);
}

function removeChild(child) {
  if (children.delete(child) && children.size === 0) {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

/**
 * Runs a command.
 * @param {string} command
 * @param {string[]} args
 * @param {object} [options]
 * @param {string} [options.cwd]
 * @param {Record<string, string | undefined>} [options.env] added to this program's own
 * @param {boolean} [options.inherit] its output goes straight to the terminal
 * @param {(line: string) => void} [options.onLine] called with each line of its output
 * @param {(line: string) => void} [options.onStatus] called with each line that it writes to
 *   descriptor 3, a place of its own for a program's progress
 * @param {string} [options.failure] what to say when it fails
 * @param {number[]} [options.accept] exit codes that are no failure
 * @returns {Promise<{ code: number, output: string }>}
 */
export function runCommand(command, args, options = {}) {
  const { cwd, env, inherit = false, onLine, onStatus, failure, accept = [0] } = options;
  return new Promise((resolve, reject) => {
    const stdio = inherit ? ["inherit", "inherit", "inherit"] : ["ignore", "pipe", "pipe"];
    if (onStatus) stdio.push("pipe");
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio });
    addChild(child);
    let output = "";
    const splitLines = (call) => {
      let rest = "";
      return (chunk) => {
        const lines = (rest + chunk).split(/[\r\n]+/);
        rest = lines.pop() ?? "";
        for (const line of lines) if (line.trim()) call(line.trim());
      };
    };
    for (const stream of [child.stdout, child.stderr]) {
      const takeLines = onLine && splitLines(onLine);
      stream?.setEncoding("utf8").on("data", (chunk) => {
        output += chunk;
        // What is kept is for the report of a failure: the end matters.
        if (output.length > 400_000) output = output.slice(-200_000);
        takeLines?.(chunk);
      });
    }
    if (onStatus) child.stdio[3].setEncoding("utf8").on("data", splitLines(onStatus));
    child.on("error", (error) => {
      removeChild(child);
      const reason = error.code === "ENOENT" ? "it is not installed" : error.message;
      reject(new StepError(`${failure ?? `${command} could not be run`}: ${command}: ${reason}`));
    });
    child.on("close", (code, signal) => {
      removeChild(child);
      if (interrupted) return reject(new Interrupted());
      if (code !== null && accept.includes(code)) return resolve({ code, output });
      const how = signal ? `ended by ${signal}` : `exit code ${code}`;
      reject(
        new StepError(`${failure ?? `${command} ${args[0] ?? ""} failed`} (${how})`, { output }),
      );
    });
  });
}

/** Ends a script: prints the failure for people and sets the exit code. */
export function reportFailure(error) {
  if (error instanceof Interrupted) {
    process.exitCode = 130;
    return;
  }
  if (error instanceof StepError) {
    if (error.output) {
      const lines = error.output.trimEnd().split("\n");
      process.stderr.write(`\n${lines.slice(-60).join("\n")}\n`);
    }
    process.stderr.write(`\nError: ${error.message}\n`);
  } else {
    process.stderr.write(`\n${error?.stack ?? error}\n`);
  }
  process.exitCode = 1;
}

/** Whether this module was started as a program, not imported; by way of a link, too. */
export function isProgram(meta) {
  try {
    return realpathSync(process.argv[1]) === fileURLToPath(meta.url);
  } catch {
    return false; // `node -e`: argument 1 is no file, or there is none
  }
}
