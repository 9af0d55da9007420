// rivals.mjs - installs an npm package that only one benchmark needs (a browser rival, a judge) at the version that
// bench/package.json pins, each into a folder of its own below build/bench/rivals/, so that no benchmark fetches what another
// one needs. Only benchmarks call this.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../scripts/paths.mjs";
import { StepError, runCommand } from "../scripts/steps.mjs";
import { benchFolder } from "./models.mjs";

const readJson = (path) => JSON.parse(readFileSync(path, "utf8"));

/** { folder, version } of the package, installed when it is not there. */
export async function installRival(name, report = () => {}) {
  const { browserRivals, judges } = readJson(join(root, "bench", "package.json"));
  const version = { ...browserRivals, ...judges }[name];
  if (!version) throw new StepError(`bench/package.json pins no ${name}`);
  const place = join(benchFolder, "rivals", name.replace("/", "-"));
  const folder = join(place, "node_modules", name);
  const manifest = join(folder, "package.json");
  if (existsSync(manifest) && readJson(manifest).version === version) return { folder, version };
  report(`installing ${name} ${version}`);
  mkdirSync(place, { recursive: true });
  const wanted = { private: true, dependencies: { [name]: version } };
  writeFileSync(join(place, "package.json"), `${JSON.stringify(wanted)}\n`);
  // The npm that runs us, if one does: it need not be on PATH.
  const cli = process.env.npm_execpath;
  const [command, args] = cli?.endsWith(".js") ? [process.execPath, [cli]] : ["npm", []];
  await runCommand(command, [...args, "install", "--ignore-scripts", "--no-audit", "--no-fund"], {
    cwd: place,
    failure: `${name} ${version} could not be installed: is the npm registry within reach?`,
  });
  return { folder, version };
}
