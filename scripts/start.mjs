// start.mjs - `npm start`: from a fresh checkout to a story in the terminal and a page that is
// served.
//
//   npm start [-- [--no-serve] [--port N] [--host H] [--no-isolation]]
//
// The story comes first: it needs neither Emscripten nor the page, which take a minute the first
// time. What cannot be installed is said before anything is changed.

import { buildNative, buildWasm, buildWeb, packModel } from "./build.mjs";
import {
  inspect,
  installEmscripten,
  installNpmPackages,
  installPackages,
  requirePossible,
} from "./setup.mjs";
import { parseServeOptions, serve } from "./serve.mjs";
import { Steps, reportFailure, runCommand } from "./steps.mjs";
import { bundledModel, modelFile, tercet } from "./paths.mjs";

/**
 * The bundled model was trained on old books; this is how a story in one begins. The seed is one whose story reads well: with
 * others names change in the middle and people are described for a page.
 */
const story = [
  "--prompt",
  "One morning Tom went to the store",
  "--temperature",
  "0.7",
  "--top-p",
  "0.95",
  "--tokens",
  "160",
  "--seed",
  "31",
];

async function tellStory() {
  process.stdout.write("\n");
  await runCommand(tercet, ["run", modelFile, ...story], {
    inherit: true,
    failure: "the story failed",
  });
  process.stdout.write("\n");
}

async function start(args) {
  const serving = !args.includes("--no-serve");
  const serveOptions = parseServeOptions(args.filter((arg) => arg !== "--no-serve"));
  const state = inspect("start");
  requirePossible(state);

  const steps = new Steps(serving ? 8 : 4);
  await steps.run("Debian packages", (report) => installPackages(state, report));
  await steps.run("Native twin", buildNative);
  await steps.run(`Packing ${bundledModel}`, packModel);
  await steps.run("A story", tellStory, { speaks: true });
  if (!serving) return;

  await steps.run("Emscripten", (report) => installEmscripten(state, report));
  await steps.run("npm packages", (report) => installNpmPackages(state, report));
  await steps.run("WebAssembly modules", buildWasm);
  await steps.run("Page and library", buildWeb);
  process.stdout.write("\n");
  await serve(serveOptions);
}

const usage = "usage: npm start -- [--no-serve] [--port N] [--host H] [--no-isolation]";
const args = process.argv.slice(2);
if (args.includes("--help") || args.includes("-h")) process.stdout.write(`${usage}\n`);
else {
  await start(args).catch((error) => {
    if (/^(unknown option|--\S+ needs)/.test(error?.message)) {
      process.stderr.write(`${error.message}\n${usage}\n`);
      process.exitCode = 2;
    } else reportFailure(error);
  });
}
