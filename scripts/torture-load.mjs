// torture-load.mjs - `npm run torture:load`: loads under every fault that a network, a server, a storage and a browser can
// have, and a table of what came of them. It ends with 1 when a load was corrupt, when a model was not whole after the next
// visit, or when more than a chunk was fetched again. What is done is noted in build/torture: an interrupted run goes on.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { prepareBrowser } from "../bench/browser.mjs";
import { readOptions } from "../bench/options.mjs";
import { root, tercet } from "./paths.mjs";
import { Ledger, contentHash } from "./torture-ledger.mjs";
import { StepError, isProgram, reportFailure, runCommand } from "./steps.mjs";

const folder = join(root, "build", "torture");

/**
 * What is loaded, and how often what happens by chance is made to happen. `chain`: visits in a row, each cut where the one
 * before has come to and a chunk further; 1: every cut meets an empty storage, and a whole load follows it.
 */
const SIZES = {
  // 64 chunks exactly.
  small: { layers: 6, chain: 8, kills: 50, leaders: 50, gguf: 10 },
  // 602 chunks.
  full: { layers: 79, chain: 25, kills: 200, leaders: 50, gguf: 50 },
};

/** So many failures one after another have one cause. */
const BAD_MOST = 10;

const command = {
  usage: "npm run torture:load -- [OPTIONS]",
  summary:
    "Breaks loads of a model in every way there is and says what came of each. An interrupted run goes on when it is\n" +
    "started again, as long as library and options are the same.",
  options: {
    size: {
      kind: "text",
      value: "SIZE",
      help: "small: 64 chunks, about an hour (the default); full: 602 chunks, many hours",
      choices: Object.keys(SIZES),
      default: "small",
    },
    only: { kind: "list", value: "LIST", help: "these rows of the table alone" },
    seed: { kind: "count", value: "N", help: "of the moments of kills (default 1)", default: 1 },
    fresh: { kind: "flag", help: "forget what an earlier run has found" },
    table: { kind: "text", value: "FILE", help: "write the table to FILE" },
  },
};

/** A file that a command of the native twin writes; made once. */
async function made(name, args) {
  const path = join(folder, name);
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  await runCommand(tercet, args(`${path}.new`), { failure: `${name} could not be made` });
  renameSync(`${path}.new`, path);
  return path;
}

async function makeModels(layers) {
  const save = (shape, count) => (path) => [
    ...["bench", "--shape", shape, "--layers", String(count), "--save", path],
  ];
  const model = await made(`gpt2-xl-${layers}.tercet`, save("gpt2-xl", layers));
  const exported = await made("llama-2.tercet", save("llama-729m", 2));
  const gguf = await made("llama-2.gguf", (path) => ["export", exported, "-o", path, "--quiet"]);
  // Under the name that its address has.
  const renamed = join(folder, "gguf", "model.gguf");
  mkdirSync(dirname(renamed), { recursive: true });
  if (!existsSync(renamed)) execFileSync("cp", [gguf, renamed]);
  const packed = await made("llama-2-packed.tercet", (path) => ["pack", renamed, "-o", path]);
  return { model, gguf: renamed, packed };
}

/** The rows of the table: { name, fault, cases }. */
function tortureRows(parts, { chain, kills, leaders, gguf }, seed) {
  const { torture, killing, killingGguf, randomMoments, newer, chunks, ENDLESS } = parts;
  const all = Array.from({ length: chunks }, (_, index) => index);
  const inner = all.slice(0, -1);
  const some = [0, Math.floor(chunks / 3), Math.floor((2 * chunks) / 3), chunks - 2];
  const writes = Array.from({ length: chunks + 4 }, (_, index) => index + 1);
  const cuts = (where, inside) =>
    chain === 1 ? torture.cuts(where, inside) : torture.chains(where, inside, chain);
  const status = (code, more = {}) => torture.answers(some, { status: code, ...more });
  const row = (name, fault, cases) => ({ name, fault, cases });
  return [
    row("cut-after", "network cut after each chunk", cuts(all, 0)),
    row("cut-inside", "network cut inside each chunk", cuts(inner, 500_000)),
    row(
      "cut-fast",
      "network cut after a chunk, server as fast as it can be",
      torture.cuts(some, 0, { paced: null }),
    ),
    row(
      "cut-often",
      "every connection cut after 0.3, 2.5, 10 MB",
      torture.cutsWithinOneLoad([300_001, 2_500_000, 10_000_000]),
    ),
    row(
      "no-ranges",
      "Range ignored, from a cut on",
      torture.answers(some, { noRanges: true }, { excused: true }),
    ),
    row(
      "no-ranges-ever",
      "Range ignored, always, and a cut",
      torture.always(some, { noRanges: true }, { uncounted: true }),
    ),
    row("replaced", "ETag and file change in the middle", torture.replacements(some, newer)),
    row(
      "etag-each",
      "another ETag with every answer, and a cut",
      torture.always(some, { etagEach: true }),
    ),
    row("html", "HTML with 200, from a cut on", torture.answers(some, { html: true })),
    row("404", "404, from a cut on", status(404)),
    row(
      "other-range",
      "206 with another range than was asked for, from a cut on",
      torture.answers(some, { otherRange: 65536 }),
    ),
    row(
      "longer",
      "206 longer than it says by 100 kB, from a cut on",
      torture.longer(some, { said: 700_001, beyond: 100_000 }),
    ),
    row(
      "endless",
      "206 without an end, from a cut on",
      torture.longer(some, { said: 700_001, beyond: ENDLESS }),
    ),
    row("429", "429 with Retry-After: 1, twice", status(429, { retryAfter: "1", left: 2 })),
    row("503", "503, from a cut on", status(503)),
    row("503-passing", "503, twice", status(503, { left: 2 })),
    row(
      "stall",
      "silence, from a cut on",
      torture.answers(some, { stallAfter: 0 }, { stallTimeoutMs: 3000 }),
    ),
    row("flip", "a bit flips on the way, once", torture.flips(some)),
    row("full", "storage full from the k-th write on, each k", torture.fullStorage(writes)),
    row(
      "full-late",
      "the same, known when all of the transaction was written",
      torture.fullStorage([1, 2, 3, ...some.map((chunk) => chunk + 4), chunks + 3, chunks + 4], {
        late: true,
      }),
    ),
    row(
      "kill",
      "browser killed (SIGKILL) at a random moment",
      killing.browsers(randomMoments(kills, seed)),
    ),
    row(
      "leader",
      "two tabs, the one that downloads killed (SIGKILL)",
      killing.leaders(randomMoments(leaders, seed + 1)),
    ),
    row(
      "gguf-kill",
      "GGUF file packed in the page, browser killed (SIGKILL)",
      killingGguf.browsers(randomMoments(gguf, seed + 2)),
    ),
  ];
}

/** Runs what is not in the ledger yet. */
async function runCases(rows, ledger, holds) {
  const begin = performance.now();
  let badInARow = 0;
  const cases = rows.flatMap(({ name, cases }) =>
    cases.map((one) => ({ ...one, id: `${name} ${one.name}` })),
  );
  const missing = cases.filter(({ id }) => ledger.outcome(id) === undefined);
  if (missing.length < cases.length)
    process.stderr.write(`${cases.length - missing.length} cases were done before\n`);
  for (const [index, { id, run }] of missing.entries()) {
    const outcome = await run();
    ledger.write(id, outcome);
    const minutes = (performance.now() - begin) / 60_000;
    const left = (minutes / (index + 1)) * (missing.length - index - 1);
    const ended = Object.keys(outcome.ended).join(", ");
    const line = `${cases.length - missing.length + index + 1}/${cases.length} ${id}: ${ended}`;
    process.stderr.write(`${line}; about ${Math.ceil(left)} min left\n`);
    for (const problem of outcome.problems) process.stderr.write(`  ${problem}\n`);
    badInARow = holds(outcome) ? 0 : badInARow + 1;
    if (badInARow === BAD_MOST)
      throw new StepError(`${BAD_MOST} cases in a row are not as they must be: no need to go on`);
  }
}

async function prepareParts(layers) {
  const files = await makeModels(layers);
  // Only now: they read what was just built.
  const { ENDLESS, LoadTorture, ggufModel, tortureModel } =
    await import("../tests/web/load_torture.mjs");
  const { KillTorture, randomMoments } = await import("../tests/web/kill_torture.mjs");
  const { TestServer, changedVersion, launchBrowser } =
    await import("../tests/web/library_under_test.mjs");
  const model = tortureModel(files.model);
  const gguf = ggufModel(files.gguf, tortureModel(files.packed));
  const changed = changedVersion(model.bytes);
  const browser = await launchBrowser();
  const server = await TestServer.start();
  return {
    torture: new LoadTorture({ browser, server, model }),
    killing: new KillTorture({ server, model }),
    killingGguf: new KillTorture({ server, model: gguf }),
    randomMoments,
    newer: { bytes: changed.newer, id: changed.newerId },
    chunks: model.chunks,
    ENDLESS,
    ids: [model.id, gguf.id],
    close: async () => {
      await browser.close();
      await server.stop();
    },
  };
}

export async function main(args) {
  const options = readOptions(command, args);
  if (options === null) return;
  const { size, seed, fresh, only } = options;
  await prepareBrowser(["native", "model", "wasm", "web"]);
  const parts = await prepareParts(SIZES[size].layers);
  const { holds, sumOutcomes, tortureTable } = await import("../tests/web/torture_outcome.mjs");
  const what = contentHash([
    ...["dist", "tests/web/load_torture.mjs", "tests/web/kill_torture.mjs"],
    ...["tests/web/torture_outcome.mjs", "tests/web/library_under_test.mjs"],
  ]);
  const ledger = new Ledger(join(folder, `load-${size}.jsonl`), [what, seed, ...parts.ids].join(), {
    fresh,
  });
  const all = tortureRows(parts, SIZES[size], seed);
  const rows = all.filter(({ name }) => only === null || only.includes(name));
  try {
    await runCases(rows, ledger, holds);
  } finally {
    await parts.close();
  }
  // Rows that other runs have done belong to the table too.
  const sums = all.flatMap(({ name, fault, cases }) => {
    const outcomes = cases.flatMap((one) => ledger.outcome(`${name} ${one.name}`) ?? []);
    return outcomes.length > 0 ? [sumOutcomes(fault, outcomes)] : [];
  });
  const table = tortureTable(sums);
  process.stdout.write(`\n${table}\n`);
  if (options.table !== null) writeFileSync(options.table, `${table}\n`);
  const bad = sums.filter((sum) => !holds(sum));
  for (const { fault, problems } of bad)
    process.stdout.write(
      `not as it must be: ${fault}\n${problems.map((one) => `  ${one}\n`).join("")}`,
    );
  process.exitCode = bad.length > 0 ? 1 : 0;
  return {
    ran: sums.flatMap(({ ended }) => Object.values(ended)).reduce((sum, times) => sum + times, 0),
    found: bad.map(({ fault, problems }) => `${fault}: ${problems[0] ?? ""}`),
  };
}

if (isProgram(import.meta)) await main(process.argv.slice(2)).catch(reportFailure);
