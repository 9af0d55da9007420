// tarball.test.mjs - what `npm pack` makes, byte by byte as far as a user can tell: the list of its files, a manifest that
// installs nothing and runs nothing, files that name only each other, and the same bytes from one build to the next.
//
// After a file was added or taken away: TERCET_WRITE_SNAPSHOT=1 node --test tests/package/tarball.test.mjs

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, posix } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { missingFiles } from "../../scripts/check-package.mjs";
import { root } from "../../scripts/paths.mjs";
import { buildLibrary } from "../../web/build.mjs";
import { limit } from "../web/library_under_test.mjs";
import { Project, pack } from "./installed_package.mjs";

const snapshot = join(dirname(fileURLToPath(import.meta.url)), "tarball.txt");

let project, installed, files, manifest;
before(async () => {
  project = await Project.create({}, { anew: true });
  installed = project.path("node_modules", "tercet");
  files = project.packed.files.map(({ path }) => path).sort();
  manifest = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
});
after(() => project?.remove());

const filesOf = (folder) =>
  readdirSync(folder, { recursive: true })
    .filter((name) => statSync(join(folder, name)).isFile())
    .sort();
const read = (path) => readFileSync(join(installed, path), "utf8");

test("the tarball holds the files of the list, and installing adds none", () => {
  const list = `${files.join("\n")}\n`;
  if (process.env.TERCET_WRITE_SNAPSHOT) writeFileSync(snapshot, list);
  assert.equal(list, readFileSync(snapshot, "utf8"), "see the top of this file");
  assert.deepEqual(filesOf(installed), files);
});

test("installing runs nothing and brings nothing else", () => {
  for (const name of Object.keys(manifest))
    assert.doesNotMatch(name, /^(?!devD)\w*dependencies(Meta)?$/i, name);
  assert.equal(manifest.bin, undefined);
  for (const name of Object.keys(manifest.scripts))
    assert.doesNotMatch(name, /^(pre|post)?install$|^(pre|post)?prepare$|^prepublish$|uninstall/);
  const lock = JSON.parse(project.read("package-lock.json"));
  assert.deepEqual(Object.keys(lock.packages), ["", "node_modules/tercet"]);
  assert.equal(lock.packages["node_modules/tercet"].hasInstallScript, undefined);
});

test("every place that package.json names is there; without them nothing is packed", () => {
  assert.deepEqual(missingFiles(installed), []);
  assert.ok(files.includes(posix.normalize(manifest.types)));
  // Under engines stands what users need; who builds needs a newer Node, which npm asks nobody else for.
  assert.equal(manifest.engines.node, ">=20");
  const folder = mkdtempSync(join(tmpdir(), "tercet-unbuilt-"));
  try {
    writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
    const missing = missingFiles(folder);
    for (const place of ["./dist/index.js", "./dist/node/index.js", "./dist/single.js"])
      assert.ok(missing.includes(place), place);
    assert.match(manifest.scripts.prepack, /check-package/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

// Scripts are minified: an import is one of these forms, with the name in double quotes.
const IMPORTS = /(?:\bfrom|\bimport|\bimport\(|new URL\()\s*"([^"]+)"/g;

test("files of the package ask for each other and for Node, and for nothing else", () => {
  const undeclared = [];
  let count = 0;
  for (const file of files.filter((name) => /\.(m?js|d\.ts)$/.test(name))) {
    // What lies in a text is looked at where it lies as a file.
    const text = read(file).replace(/"[A-Za-z0-9+/=]{1000,}"/g, '""');
    for (const [, name] of text.matchAll(IMPORTS)) {
      count++;
      const target = posix.join(posix.dirname(file), name);
      const ours = /^\.\.?\//.test(name) || /^[\w.-]+\.(m?js|wasm)$/.test(name);
      // Types name each other as the scripts that they would be.
      const there = files.includes(target) || files.includes(target.replace(/\.js$/, ".d.ts"));
      const nodes = builtinModules.includes(name.replace(/^node:/, ""));
      if (!(ours && there) && !nodes) undeclared.push(`${file}: ${name}`);
    }
  }
  assert.ok(count > 30, `${count} imports found`);
  assert.deepEqual(undeclared, []);
});

test("every link of the package's pages leads to a file or a folder of the package", () => {
  const dead = [];
  let count = 0;
  for (const file of files.filter((name) => name.endsWith(".md")))
    for (const [, target] of read(file).matchAll(/\]\(([^)\s]+)[^)]*\)/g)) {
      if (/^(https?:|mailto:|#)/.test(target)) continue;
      count++;
      const place = posix.join(posix.dirname(file), target.replace(/#.*$/, ""));
      if (!files.some((name) => name === place || name.startsWith(`${place.replace(/\/$/, "")}/`)))
        dead.push(`${file}: ${target}`);
    }
  assert.ok(count > 20, `${count} links found`);
  assert.deepEqual(dead, []);
});

test("nothing tells of the machine that it was built on", () => {
  for (const file of files) {
    const bytes = readFileSync(join(installed, file));
    for (const place of [root, tmpdir() + "/", "/home/"])
      assert.equal(bytes.indexOf(place), -1, `${file} holds ${place}`);
  }
});

test("built once more, in another folder, each file has the same bytes", limit, async () => {
  const folder = mkdtempSync(join(tmpdir(), "tercet-again-"));
  try {
    const { out } = await buildLibrary({ out: join(folder, "dist") });
    const first = files.filter((name) => name.startsWith("dist/")).map((name) => name.slice(5));
    assert.deepEqual(filesOf(out), first);
    for (const name of first) {
      const same = readFileSync(join(out, name)).equals(
        readFileSync(join(installed, "dist", name)),
      );
      assert.ok(
        same,
        `${name} differs: is dist/ older than web/src/? (node scripts/build.mjs web)`,
      );
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("packed twice, the tarball has the same bytes", limit, async () => {
  const again = await pack(project.path());
  assert.equal(again.integrity, project.packed.integrity);
});
