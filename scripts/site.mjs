// site.mjs - `npm run site`: the page as a folder of files that any host can serve, also in a subfolder, also without headers
// of one's own (the page's service worker then isolates it). Builds what is missing; what is there is not built again.
//
//   npm run site [-- --out FOLDER]      default: build/site

import { cpSync, existsSync, readdirSync } from "node:fs";
import { resolve } from "node:path";
import { build } from "./build.mjs";
import { inspect, installEmscripten, installNpmPackages, installPackages, requirePossible } from "./setup.mjs"; // prettier-ignore
import { Steps, StepError, reportFailure } from "./steps.mjs";
import { site } from "./paths.mjs";

const usage = "usage: npm run site -- [--out FOLDER]";

async function makeSite(out) {
  if (out !== site && existsSync(out) && readdirSync(out).length > 0)
    throw new StepError(`${out} is not empty: name a new folder, or empty it`);
  const state = inspect("start");
  requirePossible(state);
  const steps = new Steps(8);
  await steps.run("Debian packages", (report) => installPackages(state, report));
  await steps.run("Emscripten", (report) => installEmscripten(state, report));
  await steps.run("npm packages", (report) => installNpmPackages(state, report));
  await build(["native", "model", "wasm", "web"], steps);
  await steps.run("Site", () => {
    if (out !== site) cpSync(site, out, { recursive: true });
    return `${out}: put these files anywhere a browser finds them by https`;
  });
}

const args = process.argv.slice(2);
if (args.includes("--help") || args.includes("-h")) process.stdout.write(`${usage}\n`);
else if (args.length === 0 || (args.length === 2 && args[0] === "--out"))
  await makeSite(args[1] ? resolve(args[1]) : site).catch(reportFailure);
else {
  process.stderr.write(`${usage}\n`);
  process.exitCode = 2;
}
