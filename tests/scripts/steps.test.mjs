// steps.test.mjs - progress, failures and interruptions of the scripts' own machinery, and the
// stamps that decide what is built again.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import { Stamp, fingerprint, listFiles } from "../../scripts/fingerprint.mjs";
import { root } from "../../scripts/paths.mjs";
import { StepError, Steps, runCommand } from "../../scripts/steps.mjs";

const limit = { timeout: 300_000 };
const folder = mkdtempSync(join(tmpdir(), "tercet-steps-"));
after(() => rmSync(folder, { recursive: true }));

function collect() {
  const lines = [];
  return { lines, write: (text) => lines.push(...text.split("\n").filter(Boolean)) };
}

const node = (code) => [process.execPath, ["-e", code]];

test("a quick step is one line, a slow one says what it is doing", async (t) => {
  // The clock of this test moves when it is told to.
  let now = performance.now();
  t.mock.method(performance, "now", () => now);
  t.mock.timers.enable({ apis: ["setInterval"] });
  const pass = (ms) => {
    for (; ms > 0; ms -= 100) {
      now += 100;
      t.mock.timers.tick(100);
    }
  };
  const out = collect();
  const steps = new Steps(2, { out });
  await steps.run("Quick", async () => {
    pass(400);
    return "up to date";
  });
  await steps.run("Slow", async (report) => {
    report("first news");
    pass(700);
    return "built";
  });
  assert.deepEqual(out.lines, [
    "[1/2] Quick: up to date (0.4 s)",
    "[2/2] Slow ...",
    "        0.5 s  first news",
    "        0.7 s  built",
  ]);
});

test("a step that fails is announced and its error comes through", async () => {
  const out = collect();
  const steps = new Steps(1, { out });
  await assert.rejects(
    steps.run("Bad", async () => {
      throw new StepError("it broke");
    }),
    /it broke/,
  );
  assert.deepEqual(out.lines, ["[1/1] Bad ..."]);
});

test("a command that fails gives its output and its exit code", async () => {
  const error = await runCommand(
    ...node("console.log('some'); console.error('more'); process.exit(3)"),
    {
      failure: "the thing failed",
    },
  ).catch((caught) => caught);
  assert.ok(error instanceof StepError);
  assert.equal(error.message, "the thing failed (exit code 3)");
  assert.match(error.output, /some/);
  assert.match(error.output, /more/);
});

test("lines arrive as they come", async () => {
  const lines = [];
  const { output } = await runCommand(...node("process.stdout.write('a\\nb\\rc\\n')"), {
    onLine: (line) => lines.push(line),
  });
  assert.deepEqual(lines, ["a", "b", "c"]);
  assert.equal(output, "a\nb\rc\n");
});

test("a program's progress on its own descriptor is no output", async () => {
  const status = [];
  const { output } = await runCommand(
    ...node("console.log('said'); require('fs').writeSync(3, 'pmstatus:a\\npmstatus:b\\n')"),
    { onStatus: (line) => status.push(line) },
  );
  assert.deepEqual(status, ["pmstatus:a", "pmstatus:b"]);
  assert.equal(output, "said\n");
});

test("a command that is not installed, or is killed, is said in words", async () => {
  await assert.rejects(
    runCommand("tercet-no-such-command", []),
    /tercet-no-such-command: it is not installed/,
  );
  await assert.rejects(
    runCommand(...node("process.kill(process.pid, 'SIGKILL')")),
    /ended by SIGKILL/,
  );
});

test("an accepted exit code is no failure", async () => {
  assert.equal((await runCommand(...node("process.exit(100)"), { accept: [0, 100] })).code, 100);
});

test("an interruption ends the child, and the program with 130", limit, async (t) => {
  const program = `
    import { reportFailure, runCommand } from ${JSON.stringify(join(root, "scripts", "steps.mjs"))};
    const work = runCommand(process.execPath, ["-e", "console.log(process.pid); setTimeout(() => {}, 600000)"],
      { onLine: (line) => console.log(line) });
    await work.catch(reportFailure);
  `;
  const parent = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const pid = Number(
    await new Promise((resolve) => parent.stdout.once("data", (data) => resolve(data.toString()))),
  );
  parent.kill("SIGINT"); // only the parent: the child must be told
  const code = await new Promise((resolve) => parent.once("close", resolve));
  assert.equal(code, 130);
  // A parent that waited for long enough ends first; its child has the signal then, and may still be on its way out.
  try {
    while (isAlive(pid)) {
      t.signal.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  } finally {
    if (isAlive(pid)) process.kill(pid, "SIGKILL");
  }
});

/** One that has ended and that nobody waited for does nothing any more. */
function isAlive(pid) {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch (error) {
    if (error.code === "ENOENT" || error.code === "ESRCH") return false;
    throw error;
  }
}

test("a fingerprint changes with content, names and time, and only then", () => {
  const inputs = join(folder, "inputs");
  mkdirSync(join(inputs, "node_modules"), { recursive: true });
  writeFileSync(join(inputs, "a"), "1");
  const first = fingerprint([inputs]);
  assert.equal(fingerprint([inputs]), first);
  assert.notEqual(fingerprint([inputs], "extra"), first);
  writeFileSync(join(inputs, "node_modules", "x"), "ignored");
  assert.equal(fingerprint([inputs]), first);
  writeFileSync(join(inputs, "b"), "");
  const second = fingerprint([inputs]);
  assert.notEqual(second, first);
  utimesSync(join(inputs, "a"), new Date(), new Date(Date.now() + 5000));
  assert.notEqual(fingerprint([inputs]), second);
  assert.notEqual(fingerprint([join(folder, "nothing")]), fingerprint([inputs]));
  assert.deepEqual(listFiles(inputs), [join(inputs, "a"), join(inputs, "b")]);
});

test("a stamp matches only what was written last", () => {
  const stamp = new Stamp(join(folder, "deep", "stamp"));
  assert.equal(stamp.matches("one"), false);
  stamp.write("one");
  assert.equal(stamp.matches("one"), true);
  assert.equal(stamp.matches("two"), false);
  stamp.clear();
  assert.equal(stamp.matches("one"), false);
});

test("a script runs as a program from any path, by way of a link too, and not when imported", () => {
  const odd = join(folder, "a b#c%20d");
  mkdirSync(odd);
  const script = join(odd, "program.mjs");
  const steps = JSON.stringify(join(root, "scripts", "steps.mjs"));
  writeFileSync(
    script,
    `import { isProgram } from ${steps};\nconsole.log(isProgram(import.meta));\n`,
  );
  symlinkSync(odd, join(folder, "link"));
  const importer = join(folder, "importer.mjs");
  writeFileSync(importer, `import "./link/program.mjs";\n`);
  const printed = (...args) => spawnSync(process.execPath, args, { encoding: "utf8" }).stdout;
  assert.equal(printed(script), "true\n");
  assert.equal(printed(join(folder, "link", "program.mjs")), "true\n");
  assert.equal(printed(importer), "false\n");
  const evaluated = `import ${JSON.stringify(pathToFileURL(script))}`;
  assert.equal(printed("--input-type=module", "-e", evaluated), "false\n");
});
