// torture.mjs - `npm run torture`: every torture, one after another, at full size: that takes many hours. It notes each finished
// case in build/torture and goes on there when it is started again, shows a line of progress, and ends with a table of what ran,
// how often, and what was found; its exit code is 1 when anything was not as it must be.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { readOptions } from "../bench/options.mjs";
import { root } from "./paths.mjs";
import { isProgram, reportFailure } from "./steps.mjs";
import { Ledger } from "./torture-ledger.mjs";
import { rows as allRows } from "./torture-rows.mjs";

/** Findings that the table shows of one row; the ledger has all. */
const SHOWN_MOST = 10;

const command = (rows) => ({
  usage: "npm run torture -- [OPTIONS]",
  summary:
    "Tries to break Tercet, and says what came of it. An interrupted run goes on when it is started again, as long as\n" +
    "code and options are the same.\n\n" +
    rows.map(({ name, what }) => `  ${name.padEnd(12)} ${what}`).join("\n"),
  options: {
    only: {
      kind: "list",
      value: "LIST",
      help: "these rows alone",
      choices: rows.map(({ name }) => name),
    },
    scale: {
      kind: "text",
      value: "SCALE",
      help: "small: minutes a row, load an hour; full: as docs/torture.md says (the default)",
      choices: ["small", "full"],
      default: "full",
    },
    seed: { kind: "count", value: "N", help: "of what is left to chance (default 1)", default: 1 },
    fresh: { kind: "flag", help: "forget what an earlier run has done" },
    table: { kind: "text", value: "FILE", help: "write the table to FILE as well" },
    ledgers: { kind: "text", value: "FOLDER", help: "where finished cases are noted" },
  },
});

/** One finished row: cases that ran, what they counted, what they found, and what only all of them together show. */
function sumRow({ name, what, unit, judge }, ids, ledger) {
  const outcomes = ids.flatMap((id) => ledger.outcome(id) ?? []);
  const ran = outcomes.reduce((sum, one) => sum + one.ran, 0);
  const whole = outcomes.length === ids.length;
  const judged = whole && judge ? judge(outcomes) : { found: [], notes: [] };
  const found = [...outcomes.flatMap((one) => one.found), ...judged.found];
  const seconds = outcomes.reduce((sum, one) => sum + one.seconds, 0);
  const notes = [...new Set(outcomes.flatMap((one) => one.notes ?? [])), ...judged.notes];
  return { name, what, unit, ran, found, seconds, notes, whole };
}

const number = (value) => value.toLocaleString("en-US");

/** The table in Markdown. */
export function tortureTable(sums) {
  const lines = sums.map(({ name, what, unit, ran, found, seconds, notes, whole }) =>
    [
      ...[name, what, `${number(ran)} ${unit}${whole ? "" : " (not whole)"}`, found.length],
      ...[seconds < 100 ? seconds.toFixed(1) : Math.round(seconds), notes.join("; ")],
    ].join(" | "),
  );
  return [
    "| row | what | ran | found | s | |",
    "| --- | --- | --- | --- | --- | --- |",
    ...lines.map((line) => `| ${line} |`),
  ].join("\n");
}

/** A line of a build every few seconds is enough. */
function seldom(report) {
  let last = -Infinity;
  return (line) => {
    if (performance.now() - last < 5000) return;
    last = performance.now();
    report(line);
  };
}

/** Runs all of them, so many at a time; after a failure none is begun, and those that run come to their end. */
async function runLanes(cases, lanes, runCase) {
  const queue = [...cases];
  const lane = async () => {
    try {
      while (queue.length > 0) await runCase(queue.shift());
    } catch (error) {
      queue.length = 0;
      throw error;
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: lanes }, lane));
  const failed = ended.find(({ status }) => status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

async function runRow(row, { scale, seed, fresh, ledgers }, progress) {
  const report = (line) => progress.write(`${row.name}: ${line}\n`);
  const folder = ledgers ?? join(root, "build", "torture");
  const { key, cases } = await row.prepare({ scale, seed, folder, report: seldom(report) });
  const file = join(folder, `${row.name}-${scale}.jsonl`);
  const ledger = new Ledger(file, `${key} ${seed}`, { fresh });
  const missing = cases.filter(({ id }) => ledger.outcome(id) === undefined);
  if (missing.length < cases.length)
    report(`${cases.length - missing.length} of ${cases.length} parts were done before`);
  const begin = performance.now();
  let finished = 0;
  const runCase = async ({ id, run }) => {
    const started = performance.now();
    const outcome = await run(report);
    const seconds = (performance.now() - started) / 1000;
    ledger.write(id, { ...outcome, seconds: Number(seconds.toFixed(2)) });
    finished++;
    const left = ((performance.now() - begin) / finished) * (missing.length - finished);
    const done = cases.length - missing.length + finished;
    report(
      `${done}/${cases.length} ${id}: ${number(outcome.ran)} ${row.unit}, ${outcome.found.length} found; ` +
        `about ${Math.ceil(left / 60_000)} min left`,
    );
    for (const sentence of outcome.found.slice(0, SHOWN_MOST)) report(`  ${sentence}`);
  };
  try {
    await runLanes(missing, row.lanes ?? 1, runCase);
  } finally {
    await row.close?.();
  }
  return sumRow(
    row,
    cases.map(({ id }) => id),
    ledger,
  );
}

/**
 * @param {string[]} args
 * @param {object[]} [rows] each { name, what, unit, lanes?, prepare, judge?, close? }: so many lanes run at a time, else one; prepare gives { key, cases }, a name for what is tortured
 *   (another one begins anew) and cases { id, run }; run gives { ran, found, notes? }. It gets { scale, seed, folder, report };
 *   in the folder a row may keep what its parts share; judge gets the outcomes of all cases and gives { found, notes }
 * @param {{ out?: NodeJS.WritableStream, progress?: NodeJS.WritableStream }} [streams]
 */
export async function main(
  args,
  rows = allRows,
  { out = process.stdout, progress = process.stderr } = {},
) {
  const options = readOptions(command(rows), args, out);
  if (options === null) return;
  const sums = [];
  for (const row of rows) {
    if (options.only !== null && !options.only.includes(row.name)) continue;
    sums.push(await runRow(row, options, progress));
  }
  const table = tortureTable(sums);
  out.write(`\n${table}\n`);
  if (options.table !== null) writeFileSync(options.table, `${table}\n`);
  const bad = sums.filter(({ found }) => found.length > 0);
  for (const { name, found } of bad) {
    out.write(`\n${name} found ${found.length}:\n`);
    for (const sentence of found.slice(0, SHOWN_MOST)) out.write(`  ${sentence}\n`);
  }
  process.exitCode = bad.length > 0 ? 1 : 0;
}

if (isProgram(import.meta)) await main(process.argv.slice(2)).catch(reportFailure);
