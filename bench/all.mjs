// all.mjs - `npm run bench`: every benchmark one after another, their results kept in bench/results/,
// then the report. One that fails is named at the end; the others still run.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { root } from "../scripts/paths.mjs";
import { keptResults } from "./results.mjs";

const benches = [
  "limits",
  "native",
  "twin",
  "growth",
  "web",
  "load",
  "arrive",
  "abort",
  "grammar",
  "pack",
];

const args = process.argv.slice(2);
const only = args[0] === "--only" ? (args[1] ?? "").split(",") : benches;
if ((args.length !== 0 && args.length !== 2) || only.some((name) => !benches.includes(name))) {
  process.stdout.write(`usage: npm run bench -- [--only ${benches.join(",")}]\n`);
  process.exit(args[0] === "--help" ? 0 : 2);
}
const failed = [];
for (const name of only) {
  const script = join(root, "bench", `${name}.mjs`);
  process.stdout.write(`\n=== ${name}\n`);
  const env = { ...process.env, npm_lifecycle_event: `bench:${name}` };
  const json = ["--json", join(keptResults, `${name}.json`)];
  const done =
    existsSync(script) && spawnSync(process.execPath, [script, ...json], { stdio: "inherit", env });
  if (!done || done.status !== 0) failed.push(name);
}
spawnSync(process.execPath, [join(root, "bench", "report.mjs")], { stdio: "inherit" });
if (failed.length > 0) process.stdout.write(`\nfailed: ${failed.join(", ")}\n`);
process.exitCode = failed.length > 0 ? 1 : 0;
