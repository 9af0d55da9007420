// project.test.mjs - facts about the checkout that nothing else would notice: a test that is not
// listed never runs, a source that is not listed is never built, a dependency slips in.

import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { test } from "node:test";
import { listFiles } from "../../scripts/fingerprint.mjs";
import { root } from "../../scripts/paths.mjs";

const read = (path) => readFileSync(join(root, path), "utf8");
const filesIn = (folder) => listFiles(join(root, folder)).map((file) => relative(root, file));

test("every C test and every fuzz target is listed in tests/CMakeLists.txt", () => {
  const list = read("tests/CMakeLists.txt").replace(/#.*$/gm, "");
  const tests = filesIn("tests")
    .map((file) => file.slice("tests/".length))
    .filter((file) => /(^|\/)(test|check)_\w+\.c$/.test(file));
  const targets = filesIn("tests/fuzz")
    .map((file) => /^tests\/fuzz\/(fuzz_\w+)\.c$/.exec(file)?.[1])
    .filter(Boolean);
  assert.ok(tests.length > 0, "no C test was found");
  const unlisted = [
    ...tests.filter(
      (file) =>
        !new RegExp(`add_tercet_test\\(\\s*${file.replaceAll(".", "\\.")}[\\s)]`).test(list),
    ),
    ...targets.filter((name) => !new RegExp(`add_tercet_fuzz\\(\\s*${name}[\\s)]`).test(list)),
  ];
  assert.deepEqual(unlisted, []);
});

test("every test of JavaScript is in a file that is run", () => {
  const texts = new Map(
    filesIn("tests")
      .filter((file) => file.endsWith(".mjs"))
      .map((file) => [file, read(file)]),
  );
  // `npm test` runs the files *.test.mjs; tests under another name are run where one of these imports them.
  const run = [...texts].filter(([file]) => file.endsWith(".test.mjs"));
  assert.ok(run.length > 100, `${run.length} files`);
  const unrun = [...texts]
    .filter(([file, text]) => !file.endsWith(".test.mjs") && /^ *test\(/m.test(text))
    .map(([file]) => file)
    .filter(
      (file) =>
        !run.some(
          ([by, text]) =>
            dirname(by) === dirname(file) && text.includes(`\nimport "./${basename(file)}";`),
        ),
    );
  assert.deepEqual(unrun, []);
});

test("every exported function of the WebAssembly modules is fuzzed", () => {
  const exported = [...read("wasm/exports.txt").matchAll(/^_tercet_abi_(\w+)$/gm)];
  const source = read("tests/fuzz/fuzz_abi.c");
  const called = [...source.matchAll(/^ {4}X\((\w+), "/gm)].map(([, name]) => name);
  // They take nothing: one call each.
  for (const name of ["version", "result"])
    if (source.includes(`PROMISE(tercet_abi_${name}()`)) called.push(name);
  assert.deepEqual(called.sort(), exported.map(([, name]) => name).sort());

  const [, list] = /EXPORTED_FUNCTIONS=([\w,]+)/.exec(read("wasm/packer.cmake"));
  const packer = read("tests/fuzz/fuzz_packer_abi.c");
  const calledOf = [...packer.matchAll(/^ +.*[^*\w](tercet_packer_\w+)\(/gm)].map(
    ([, name]) => name,
  );
  assert.deepEqual(
    [...new Set(calledOf)].sort(),
    list
      .split(",")
      .map((name) => name.replace(/^_/, ""))
      .sort(),
  );
});

test("every C source is in a list, once", () => {
  const core = read("core/sources.cmake");
  const lists = `${read("CMakeLists.txt")}${read("wasm/variants.cmake")}${read("wasm/packer.cmake")}`;
  const listed = [...core.matchAll(/^\s+(\w+\/\w+\.c|api\.c)$/gm)].map(([, name]) => name);
  assert.ok(listed.length > 20, `only ${listed.length} sources were found`);
  assert.equal(new Set(listed).size, listed.length, "a source is listed twice");
  const unlisted = [];
  for (const file of filesIn("core").filter((path) => path.endsWith(".c"))) {
    const name = file.slice("core/".length);
    const kernel = name.replace(/^kernels\//, "");
    if (!core.split(/\s+/).includes(name) && !core.includes(`| ${kernel} `)) unlisted.push(file);
  }
  for (const file of [...filesIn("packer"), ...filesIn("native"), ...filesIn("wasm")]) {
    if (
      file.endsWith(".c") &&
      !lists.includes(file) &&
      !lists.includes(file.replace(/^wasm\//, "TERCET_WASM_DIR}/"))
    ) {
      unlisted.push(file);
    }
  }
  assert.deepEqual(unlisted, []);
});

test("the package has no dependencies and no install scripts, and ships only what it says", () => {
  const json = JSON.parse(read("package.json"));
  assert.equal(json.dependencies, undefined);
  assert.equal(json.peerDependencies, undefined);
  for (const name of ["preinstall", "install", "postinstall", "prepare", "prepublish"]) {
    assert.equal(json.scripts[name], undefined, name);
  }
  assert.deepEqual(json.files, [
    "dist",
    "docs/*.md",
    "docs/library",
    "docs/charts",
    "docs/shots/write-desk-light.png",
    "core/container/CONTAINER.md",
    "SECURITY.md",
  ]);
  for (const [name, version] of Object.entries(json.devDependencies)) {
    assert.match(version, /^\d+\.\d+\.\d+$/, `${name} is not pinned to one version`);
  }
});

test("the lockfile names no registry", () => {
  const lock = JSON.parse(read("package-lock.json"));
  for (const [name, entry] of Object.entries(lock.packages)) {
    assert.equal(entry.resolved, undefined, name);
    if (name) assert.match(entry.integrity, /^sha512-/, name);
  }
});

test("scripts that are started by name can be started", () => {
  for (const file of [".ci/run", "scripts/setup-emscripten.sh"]) {
    assert.ok(statSync(join(root, file)).mode & 0o100, `${file} is not executable`);
    assert.match(read(file), /^#!/, file);
  }
});
