// results.mjs - the one JSON form of all benchmarks, so that tables, charts and docs are made from
// files and can be made again. Figures are kept run by run, in the order in which they were taken;
// medians and ratios are computed from them and never stored by hand.
//
//   { format: 1, bench: "twin", machine: {...}, settings: {...}, notes: [...],
//     rows: [{ subject: "synthetic llama-729m", engine: "native x86_avx2", threads: 2, ...,
//              figures: { decode_tokens_per_s: [51.2, 50.9] },       one number a run
//              failure: "why it could not run" }] }                  only of a row without figures

import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { root } from "../scripts/paths.mjs";
import { describeMachine, loadAverage } from "./machine.mjs";
import { ratioPerPair, summary } from "./statistics.mjs";

export const RESULT_FORMAT = 1;

/** Results that docs/performance.md is made from; in the repository. */
export const keptResults = join(root, "bench", "results");

/**
 * A result without rows.
 * @param {string} bench "native", "web", "twin", "limits", "load", "growth", "pack"
 * @param {Record<string, unknown>} settings what was asked for
 */
export function startResult(bench, settings = {}) {
  return {
    format: RESULT_FORMAT,
    bench,
    machine: describeMachine(),
    settings,
    notes: [],
    rows: [],
  };
}

/**
 * Adds one row; single numbers count as one run.
 * @param {{ subject: string, engine: string, figures?: Record<string, number | number[]>, failure?: string }} row
 */
export function addRow(result, { figures = {}, ...row }) {
  const lists = Object.entries(figures)
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([name, value]) => [name, Array.isArray(value) ? value : [value]]);
  const made = { ...row, load_average: loadAverage(), figures: Object.fromEntries(lists) };
  checkRow(made, result.rows.length);
  result.rows.push(made);
  return made;
}

function checkRow(row, at) {
  const wrong = (what) => {
    throw new Error(`row ${at + 1} of the result: ${what}`);
  };
  if (typeof row.subject !== "string" || row.subject === "") wrong("no subject");
  if (typeof row.engine !== "string" || row.engine === "") wrong("no engine");
  if (row.failure !== undefined && typeof row.failure !== "string") wrong("failure is no text");
  if (typeof row.figures !== "object" || row.figures === null) wrong("no figures");
  for (const [name, values] of Object.entries(row.figures)) {
    if (!Array.isArray(values) || values.length === 0) wrong(`${name} is no list of runs`);
    if (!values.every((value) => Number.isFinite(value))) wrong(`${name} holds no numbers`);
  }
  if (Object.keys(row.figures).length === 0 && row.failure === undefined) {
    wrong("neither figures nor a failure");
  }
}

/** Throws with what is wrong; returns the result. */
export function checkResult(result) {
  if (result?.format !== RESULT_FORMAT) {
    throw new Error(`not a result of format ${RESULT_FORMAT}: take it again`);
  }
  if (typeof result.bench !== "string") throw new Error("the result names no benchmark");
  for (const key of ["date", "command", "cpu"]) {
    if (typeof result.machine?.[key] !== "string")
      throw new Error(`the result has no machine.${key}`);
  }
  if (!Array.isArray(result.rows) || result.rows.length === 0)
    throw new Error("the result is empty");
  result.rows.forEach(checkRow);
  return result;
}

/** Median, least, most, spread of a figure; null when the row has none. */
export const figureOf = (row, name) => (row?.figures[name] ? summary(row.figures[name]) : null);

/** Median of a figure or null. */
export const medianOf = (row, name) => figureOf(row, name)?.median ?? null;

/** Ratio of two rows that were taken in turn; null when one of them has no such figure. */
export function ratioOf(row, other, name) {
  const a = row?.figures[name];
  const b = other?.figures[name];
  return a && b && a.length === b.length ? ratioPerPair(a, b) : null;
}

/** Rows whose fields equal those of `wanted`. */
export const findRows = (result, wanted) =>
  result.rows.filter((row) => Object.entries(wanted).every(([key, value]) => row[key] === value));

/** Writes the result whole or not at all. */
export function writeResult(result, path) {
  checkResult(result);
  mkdirSync(dirname(path), { recursive: true });
  const partial = `${path}.partial-${process.pid}`;
  writeFileSync(partial, `${JSON.stringify(result, null, 1)}\n`);
  renameSync(partial, path);
}

export function readResult(path) {
  let result;
  try {
    result = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new Error(`${path} cannot be read as a result: ${error.message}`);
  }
  try {
    return checkResult(result);
  } catch (error) {
    throw new Error(`${path}: ${error.message}`);
  }
}
