// start.test.mjs - `npm start` on a machine where everything is built: nothing is done before the story (how long the first
// token then takes is in its last lines), the page is served, Ctrl-C ends it cleanly. Needs what `npm test` has built before.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { modelFile, root } from "../../scripts/paths.mjs";

/** Runs the script; `until(output)` ends the wait early, with the program still running. */
function start(args, until = () => false) {
  const child = spawn(process.execPath, [join(root, "scripts", "start.mjs"), ...args], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const result = { child, output: "", code: null };
  result.closed = new Promise((resolve) =>
    child.once("close", (code) => resolve((result.code = code))),
  );
  result.reached = new Promise((resolve) => {
    const take = (chunk) => {
      result.output += chunk;
      if (until(result.output)) resolve(true);
    };
    child.stdout.setEncoding("utf8").on("data", take);
    child.stderr.setEncoding("utf8").on("data", take);
    result.closed.then(() => resolve(false));
  });
  return result;
}

test(
  "a second start tells its story at once and stops when asked to",
  { timeout: 300_000 },
  async () => {
    const first = start(["--no-serve"]);
    assert.equal(await first.closed, 0, first.output);
    const before = statSync(modelFile).mtimeMs;
    const second = start(["--no-serve"]);
    assert.equal(await second.closed, 0, second.output);
    assert.equal(statSync(modelFile).mtimeMs, before, "the model was packed again");
    // What stands before the story: every step says that there was nothing to do, on one line or, where that took long, on two.
    const [beginning, story] = second.output.split("\n\nOne morning Tom went to the store");
    assert.ok(story?.length > 300, second.output);
    const steps = beginning.split(/^(?=\[)/m).map((step) => step.trim());
    const outcomes = [
      /^\[1\/4\] Debian packages\b[^]*[: ]nothing is missing\b/,
      /^\[2\/4\] Native twin\b[^]*[: ]up to date\b/,
      /^\[3\/4\] Packing \S+[^]*[: ]up to date\b/,
      /^\[4\/4\] A story \.\.\.$/,
    ];
    assert.equal(steps.length, outcomes.length, beginning);
    for (const [i, outcome] of outcomes.entries()) assert.match(steps[i], outcome);
    assert.match(second.output, /tokens\/s; first after [\d.]+ \S*s;/);
    assert.doesNotMatch(second.output, /Serving/);
  },
);

test("the page is served, and an interruption ends it cleanly", { timeout: 300_000 }, async () => {
  const running = start(["--port", "0"], (output) => output.includes("Press Ctrl-C"));
  try {
    assert.equal(await running.reached, true, running.output);
    const address = /http:\/\/127\.0\.0\.1:\d+\//.exec(running.output)?.[0];
    assert.ok(address, running.output);
    const page = await fetch(address);
    assert.equal(page.status, 200);
    assert.match(page.headers.get("content-type"), /^text\/html/);
    assert.equal(page.headers.get("cross-origin-opener-policy"), "same-origin");
    const model = await fetch(new URL(`models/${modelFile.split("/").at(-1)}`, address), {
      headers: { Range: "bytes=0-7" },
    });
    assert.equal(model.status, 206);
    assert.equal((await model.arrayBuffer()).byteLength, 8);
    running.child.kill("SIGINT");
    assert.equal(await running.closed, 0, running.output);
    assert.doesNotMatch(running.output, /Error/);
  } finally {
    running.child.kill("SIGKILL");
  }
});

test("an option that does not exist is named before anything is done", async () => {
  for (const args of [["--nothing"], ["--port", "many"]]) {
    const wrong = start(args);
    assert.equal(await wrong.closed, 2);
    assert.match(wrong.output, /unknown option --nothing|--port needs a number/);
    assert.match(wrong.output, /usage: npm start/);
    assert.doesNotMatch(wrong.output, /\[1\//);
  }
});

test("--help prints the usage and does nothing else", async () => {
  const asked = start(["--help"]);
  assert.equal(await asked.closed, 0);
  assert.match(asked.output, /^usage: npm start .*\n$/);
});
