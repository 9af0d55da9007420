// write_goldens.mjs - writes tests/golden/container/ and the seeds of the container's fuzz targets
// anew. Run by hand after a change of the format:
//
//   node tests/core/container/write_goldens.mjs
//
// Other files in the corpus, which fuzzers found, stay. It must never run as part of a test: a test
// compares (container_goldens.test.mjs).

import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { goldenFiles } from "./container_goldens.mjs";
import { fuzzSeeds } from "./container_seeds.mjs";

const tests = fileURLToPath(new URL("../../", import.meta.url));

function write(path, bytes) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
}

const goldens = goldenFiles();
for (const [name, bytes] of goldens) write(`${tests}golden/container/${name}`, bytes);
for (const name of readdirSync(`${tests}golden/container`))
  if (!goldens.has(name)) rmSync(`${tests}golden/container/${name}`);
const seeds = fuzzSeeds();
for (const [path, bytes] of seeds) write(`${tests}fuzz/corpus/${path}`, bytes);
console.log(`${goldens.size} golden files, ${seeds.size} seeds written`);
