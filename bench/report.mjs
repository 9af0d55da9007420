// report.mjs - `npm run bench:report`: makes the tables of docs/performance.md and the charts in
// docs/charts/ from bench/results/*.json. A table stands between the lines "<!-- bench: NAME -->" and
// "<!-- end of bench -->"; what people write around them is left alone. Measures nothing.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../scripts/paths.mjs";
import { StepError, isProgram, reportFailure } from "../scripts/steps.mjs";
import { barChart, lineChart } from "./chart.mjs";
import { machineLine } from "./machine.mjs";
import { nativeChart, nativeColumns } from "./native/report.mjs";
import { readOptions } from "./options.mjs";
import { figureOf, keptResults, medianOf, readResult } from "./results.mjs";
import { columnsOf } from "./summary.mjs";
import { markdownTable } from "./table.mjs";
import { webTables } from "./web/report.mjs";

const page = join(root, "docs", "performance.md");
const charts = join(root, "docs", "charts");

const unique = (list) => [...new Set(list)];
const threadsText = (count) =>
  count === undefined ? "" : `, ${count} ${count === 1 ? "thread" : "threads"}`;

/** Bars of one figure: a group for each subject and number of threads, a bar for each engine. */
export function chartOfEngines(result, figure, title) {
  const labels = unique(result.rows.map((row) => `${row.subject}${threadsText(row.threads)}`));
  const groups = labels
    .map((label) => ({
      label,
      bars: result.rows
        .filter((row) => `${row.subject}${threadsText(row.threads)}` === label)
        .filter((row) => row.figures[figure] || row.failure)
        .map((row) => {
          const found = figureOf(row, figure);
          return found
            ? { label: row.engine, value: found.median, least: found.least, most: found.most }
            : { label: row.engine, value: null, note: row.failure };
        }),
    }))
    .filter(({ bars }) => bars.length > 0);
  if (groups.length === 0) return null;
  return barChart({ title, unit: "tokens/s", note: machineLine(result.machine), groups });
}

/** Lines of one figure over the context, one for each model and number of threads. */
export function chartOfGrowth(result, figure, title) {
  const key = (row) => `${row.subject}${threadsText(row.threads)}`;
  const series = unique(result.rows.map(key)).map((label) => ({
    label,
    points: result.rows
      .filter((row) => key(row) === label && row.figures[figure])
      .map((row) => [row.context, medianOf(row, figure)]),
  }));
  return lineChart({
    title,
    xLabel: "tokens of context",
    yLabel: "tokens/s",
    doublings: true,
    note: machineLine(result.machine),
    series,
  });
}

/** Charts of a kind of result: file name -> SVG, without those that it has no figures for. */
function chartsOf(name, result) {
  if (result.bench === "growth") {
    return {
      [`${name}-decode.svg`]: chartOfGrowth(
        result,
        "decode_tokens_per_s",
        "Decode against context",
      ),
      [`${name}-prompt.svg`]: chartOfGrowth(
        result,
        "prompt_tokens_per_s",
        "Prompt against context",
      ),
    };
  }
  if (result.bench === "native") {
    return {
      [`${name}-decode.svg`]: nativeChart(result, "decode_tokens_per_s"),
      [`${name}-prompt.svg`]: nativeChart(result, "prompt_tokens_per_s"),
    };
  }
  return {
    [`${name}-decode.svg`]: chartOfEngines(result, "decode_tokens_per_s", `Decode (${name})`),
    [`${name}-prompt.svg`]: chartOfEngines(result, "prompt_tokens_per_s", `Prompt (${name})`),
  };
}

/** The tables of a result, each with the ratios that its benchmark is about. */
function tablesOf(result) {
  switch (result.bench) {
    case "native":
      return markdownTable(nativeColumns(result), result.rows);
    case "web":
      return webTables(result)
        .map(
          ({ subject, rows, speeds, memory }) =>
            `${subject}:\n\n${markdownTable(speeds, rows)}\n${markdownTable(memory, rows)}`,
        )
        .join("\n");
    default:
      return markdownTable(columnsOf(result), result.rows);
  }
}

/** What stands between the marks of one result. */
export function sectionOf(name, result, chartNames) {
  const pictures = chartNames.map((file) => `![${file.replace(".svg", "")}](charts/${file})\n`);
  const notes = (result.notes ?? []).map((note) => `- ${note}\n`).join("");
  return (
    `\`${result.machine.command}\`; ${machineLine(result.machine)}.\n\n` +
    `${tablesOf(result)}\n${notes}${notes && "\n"}${pictures.join("\n")}`
  );
}

const marked = /<!-- bench: ([\w-]+) -->\n[\s\S]*?<!-- end of bench -->/g;

/** The text with every marked part made anew; `render` gives a part's text, or null to leave it. */
export function fillMarks(text, render) {
  return text.replace(marked, (whole, name) => {
    const made = render(name);
    return made === null ? whole : `<!-- bench: ${name} -->\n\n${made}\n<!-- end of bench -->`;
  });
}

export function makeReport(report = () => {}) {
  if (!existsSync(page)) throw new StepError(`${page} is missing`);
  mkdirSync(charts, { recursive: true });
  const text = fillMarks(readFileSync(page, "utf8"), (name) => {
    const file = join(keptResults, `${name}.json`);
    if (!existsSync(file)) {
      report(`${name}: there is no result yet (bench/results/${name}.json)`);
      return null;
    }
    const result = readResult(file);
    const made = Object.entries(chartsOf(name, result)).filter(([, svg]) => svg !== null);
    for (const [chart, svg] of made) writeFileSync(join(charts, chart), svg);
    report(`${name}: ${result.rows.length} rows, ${made.length} charts`);
    return sectionOf(
      name,
      result,
      made.map(([chart]) => chart),
    );
  });
  writeFileSync(page, text);
}

const command = {
  usage: "npm run bench:report",
  summary: "Makes the tables of docs/performance.md and docs/charts/ from bench/results/*.json.",
  options: {},
};

if (isProgram(import.meta)) {
  try {
    if (readOptions(command) !== null) makeReport((line) => process.stdout.write(`${line}\n`));
  } catch (error) {
    reportFailure(error);
  }
}
