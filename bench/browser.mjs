// browser.mjs - what a benchmark in the browser needs before it measures: a Chromium, Emscripten, the packages of npm, and
// what it builds. Said or set up before anything else is done: a fresh checkout has none of them. playwright-core is asked
// for here alone and late, so that --help and the native benchmarks need no packages.

import { existsSync } from "node:fs";
import { build } from "../scripts/build.mjs";
import { setup } from "../scripts/setup.mjs";
import { StepError } from "../scripts/steps.mjs";

export function chromiumPath() {
  const path = process.env.TERCET_CHROMIUM ?? "/usr/bin/chromium";
  if (!existsSync(path))
    throw new StepError(
      `there is no Chromium at ${path}: install it (apt-get install chromium) or name yours in TERCET_CHROMIUM`,
    );
  return path;
}

/** Sets up what is missing and builds these parts of scripts/build.mjs. */
export async function prepareBrowser(parts) {
  chromiumPath();
  await setup("start");
  await build(parts);
}

/** Of playwright-core. */
export async function launcher() {
  return (await import("playwright-core")).chromium;
}
