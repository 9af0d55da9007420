// commands.test.mjs - the commands of the benchmarks as a stranger meets them: a fresh checkout without packages, a machine
// without a browser, a form of file that a model does not fit into. Nothing is measured and nothing is installed.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { tryTwin } from "../../bench/native/twin_file.mjs";
import { benchJson } from "../../bench/native_runs.mjs";
import { root, tercet } from "../../scripts/paths.mjs";

const fresh = mkdtempSync(join(tmpdir(), "tercet-fresh-"));
before(() => {
  for (const folder of ["bench", "scripts"])
    cpSync(join(root, folder), join(fresh, folder), {
      recursive: true,
      filter: (path) => !path.includes("node_modules"),
    });
  cpSync(join(root, "package.json"), join(fresh, "package.json"));
});
after(() => rmSync(fresh, { recursive: true, force: true }));

function run(name, args, env = {}) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(fresh, "bench", `${name}.mjs`), ...args],
    { encoding: "utf8", timeout: 300_000, env: { ...process.env, ...env } },
  );
  return { status, stdout, stderr };
}

test("every benchmark tells its options in a checkout where nothing is installed", () => {
  for (const name of [
    "native",
    "web",
    "twin",
    "limits",
    "growth",
    "load",
    "arrive",
    "abort",
    "grammar",
    "pack",
    "page",
    "lighthouse",
    "report",
    "all",
  ]) {
    const { status, stdout, stderr } = run(name, ["--help"]);
    assert.equal(status, 0, `${name}: ${stderr}`);
    const own = { all: "npm run bench", lighthouse: "npm run lighthouse" };
    const command = own[name] ?? `npm run bench:${name}`;
    assert.ok(stdout.startsWith(`usage: ${command}`), `${name}: ${stdout}`);
  }
});

test("without a browser each says so, before anything is installed, and ends", () => {
  const env = { TERCET_CHROMIUM: join(fresh, "no-such-chromium") };
  const sentence = /there is no Chromium at .*no-such-chromium: install it/;
  for (const name of ["web", "twin", "load", "page", "lighthouse"]) {
    const { status, stdout, stderr } = run(name, [], env);
    assert.equal(status, 1, name);
    assert.match(stderr, sentence);
    assert.doesNotMatch(stderr, /\n {4}at /, "a sentence, no stack");
    assert.equal(stdout, "");
  }
  const limits = run("limits", ["--only", "wasm"], env);
  assert.equal(limits.status, 0, limits.stderr);
  assert.equal(limits.stdout.match(new RegExp(sentence, "g")).length, 2);
});

test("a form that a model does not fit into is a failure that says why", async () => {
  const path = join(fresh, "tiny.tercet");
  assert.equal(spawnSync(tercet, ["bench", "--shape", "tiny", "--save", path]).status, 0);
  const said = [];
  const { failure } = await tryTwin(tercet, { path }, "tq2_0", (line) => said.push(line));
  assert.match(failure.message, /^the GGUF twin of tiny \(tq2_0\) could not be written: .*72/);
  assert.ok(said.includes(failure.message));
});

test("a native run that is refused gives the program's own sentence", async () => {
  await assert.rejects(benchJson(tercet, ["--shape", "no-such"]), (error) => {
    assert.equal(error.name, "StepError");
    assert.match(error.message, /^tercet: error: --shape takes one of/);
    return true;
  });
});
