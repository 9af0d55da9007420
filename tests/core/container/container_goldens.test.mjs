// container_goldens.test.mjs - the golden containers are what their generator makes, and the hex
// lines of CONTAINER.md are bytes of the golden file that it names.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { goldenFiles } from "./container_goldens.mjs";
import { fuzzSeeds } from "./container_seeds.mjs";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const goldenFolder = `${root}tests/golden/container/`;

test("the golden containers are what write_goldens.mjs would write", () => {
  const files = goldenFiles();
  assert.deepEqual(readdirSync(goldenFolder).sort(), [...files.keys()].sort());
  for (const [name, bytes] of files)
    assert.ok(bytes.equals(readFileSync(goldenFolder + name)), `${name} differs`);
});

test("the seeds of the fuzzers are what write_goldens.mjs would write", () => {
  for (const [path, bytes] of fuzzSeeds())
    assert.ok(bytes.equals(readFileSync(`${root}tests/fuzz/corpus/${path}`)), `${path} differs`);
});

test("the example of CONTAINER.md shows the bytes of the golden file", () => {
  const file = readFileSync(`${goldenFolder}well_formed.tercet`);
  const text = readFileSync(`${root}core/container/CONTAINER.md`, "utf8");
  assert.ok(text.includes(`well_formed.tercet\` (${file.length} bytes`));
  let lines = 0;
  for (const [line, offset, hex] of text.matchAll(/^ {4}([0-9a-f]{8}) {2}([0-9a-f ]{48}) .*$/gm)) {
    const at = parseInt(offset, 16);
    const shown = Buffer.from(hex.replaceAll(" ", ""), "hex");
    assert.equal(shown.length, 16, line);
    assert.ok(shown.equals(file.subarray(at, at + 16)), line);
    lines++;
  }
  assert.ok(lines >= 20, `only ${lines} lines of hex were found`);
});
