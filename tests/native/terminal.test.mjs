// terminal.test.mjs - what strangers wrote reaches a terminal as text, never as a command to it. `script` (Debian's bsdutils) gives
// the program a terminal; into a pipe or a file the same bytes go as they are.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { bundledModel, program, tercet } from "./twin_under_test.mjs";

const missing =
  spawnSync("script", ["--version"]).status !== 0 && "there is no program `script` here";

/** What the program prints to a terminal, both streams. */
function printed(args) {
  const quoted = [program, ...args].map((one) => `'${one}'`).join(" ");
  const result = spawnSync("script", ["-qefc", quoted, "/dev/null"], {
    encoding: "utf8",
    timeout: 300_000,
    env: { ...process.env, SHELL: "/bin/sh", TERM: "xterm", NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  if (result.error) throw result.error;
  return result.stdout;
}

// Clears the screen; sets the title; the second set of controls; goes back over what was printed.
const COMMANDS = ["\x1b[2J", "\x1b]0;owned\x07", "\u009b31m", "\b\b\b", "\x7f"];

test("names and texts cannot command a terminal", { skip: missing }, () => {
  for (const command of COMMANDS) {
    const name = `no ${command} such.tercet`;
    const text = printed(["inspect", name]);
    assert.match(text, /FILE_NOT_FOUND/, JSON.stringify(text));
    assert.ok(!text.includes(command), JSON.stringify(text));
    assert.match(text, /no \uFFFD.* such\.tercet/);
    // A pipe is no terminal: a program that reads it gets the name as it is.
    assert.ok(tercet(["inspect", name]).err.includes(command));
  }
});

test("neither can a prompt that is repeated, or what a model writes", { skip: missing }, () => {
  for (const command of COMMANDS) {
    const text = printed([
      ...["run", bundledModel(), "-p", `One ${command} morning`, "--tokens", "4"],
      ...["--seed", "1", "--threads", "1"],
    ]);
    assert.ok(!text.includes(command), JSON.stringify(text));
    assert.match(text, /One \uFFFD.* morning/);
  }
});
