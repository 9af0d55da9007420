// torture-load.mjs - `npm run torture:load`: loads of a model of 64 chunks under every fault that a network, a server, a
// storage and a browser can have, and a table of what came of them. Ends with 1 when a load was corrupt, when a model was
// not whole after the next visit, or when more than a chunk was fetched again. Takes a quarter of an hour or more.

import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { prepareBrowser } from "../bench/browser.mjs";
import { benchFolder } from "../bench/models.mjs";
import { tercet } from "./paths.mjs";
import { isProgram, reportFailure, runCommand } from "./steps.mjs";

/** 64 chunks exactly. */
const SHAPE = { name: "gpt2-xl", layers: 6 };

/** mulberry32: the same moments in every run of the same seed. */
function randomNumbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export async function main(args) {
  const [seed = "1", ...only] = args;
  await prepareBrowser(["native", "model", "wasm", "web"]);
  const path = join(benchFolder, "torture-64.tercet");
  mkdirSync(benchFolder, { recursive: true });
  if (!existsSync(path))
    await runCommand(
      tercet,
      ["bench", "--shape", SHAPE.name, "--layers", String(SHAPE.layers), "--save", path],
      { failure: "the model to load could not be made" },
    );
  // Only now: they read what was just built.
  const { LoadTorture, tortureModel, tortureTable } = await import("../tests/web/load_torture.mjs");
  const { TestServer, changedVersion, launchBrowser } =
    await import("../tests/web/library_under_test.mjs");
  const model = tortureModel(path);
  const browser = await launchBrowser();
  const server = await TestServer.start();
  const report = (name, index) => process.stderr.write(`\r${name}: ${index}          `);
  const torture = new LoadTorture({ browser, server, model, report });
  const all = Array.from({ length: model.chunks }, (_, index) => index);
  const some = [0, 20, 40, model.chunks - 2];
  const runs = {
    "cut-after": () => torture.cuts("network cut after each chunk", all, 0),
    "cut-inside": () => torture.cuts("network cut inside each chunk", all.slice(0, -1), 500_000),
    "cut-often": async () => {
      for (const bytes of [300_001, 2_500_000, 10_000_000])
        await torture.cutsWithinOneLoad(`every connection cut after ${bytes} bytes`, bytes);
    },
    "no-ranges": async () => {
      const options = { network: { retries: 1, retryDelayMs: 10, stallTimeoutMs: 5000 } };
      await torture.answers("no ranges from the cut on", some, { noRanges: true }, { options });
    },
    etag: async () => {
      const other = changedVersion(model.bytes);
      await torture.replacements("ETag and file change", some, {
        bytes: other.newer,
        id: other.newerId,
      });
    },
    html: () => torture.answers("HTML with 200 from the cut on", some, { html: true }),
    404: () => torture.answers("404 from the cut on", some, { status: 404 }),
    429: () =>
      torture.answers(
        "429 with Retry-After: 1, passing",
        some,
        { status: 429, retryAfter: "1" },
        {
          passing: true,
        },
      ),
    503: () => torture.answers("503 from the cut on", some, { status: 503 }),
    "503-passing": () => torture.answers("503, passing", some, { status: 503 }, { passing: true }),
    stall: () => torture.answers("silence from the cut on", some, { stallAfter: 0 }),
    flip: () => torture.flips("a bit flips on the way, once", some),
    full: () =>
      torture.fullStorage(
        "storage full at the k-th write, k = 1…",
        Array.from({ length: model.chunks + 4 }, (_, index) => index + 1),
      ),
    kill: () => torture.kills("browser killed (SIGKILL)", 50, randomNumbers(Number(seed))),
  };
  try {
    for (const [name, run] of Object.entries(runs))
      if (only.length === 0 || only.includes(name)) await run();
  } finally {
    await browser.close();
    await server.stop();
    process.stdout.write(`\n${tortureTable(torture.rows)}\n`);
  }
  const bad = torture.rows.filter(({ corrupt, notWhole, tooMuch }) => corrupt + notWhole + tooMuch);
  for (const { fault } of bad) process.stdout.write(`not as it must be: ${fault}\n`);
  process.exitCode = bad.length > 0 ? 1 : 0;
}

if (isProgram(import.meta)) await main(process.argv.slice(2)).catch(reportFailure);
