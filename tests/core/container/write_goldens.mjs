// write_goldens.mjs - writes tests/golden/container/ anew. Run by hand after a change of the format:
//
//   node tests/core/container/write_goldens.mjs
//
// It must never run as part of a test: a test compares (container_goldens.test.mjs).

import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { goldenFiles } from "./container_goldens.mjs";

const folder = fileURLToPath(new URL("../../golden/container/", import.meta.url));
const files = goldenFiles();
mkdirSync(folder, { recursive: true });
for (const name of readdirSync(folder)) if (!files.has(name)) rmSync(folder + name);
for (const [name, bytes] of files) writeFileSync(folder + name, bytes);
console.log(`${files.size} files written to ${folder}`);
