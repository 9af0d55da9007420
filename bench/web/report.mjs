// report.mjs - what of a result of bench:web people read: two tables a model, speeds and memory, in a terminal and in docs.
// An engine that failed is a row that says so.

import { machineLine } from "../machine.mjs";
import { medianOf, ratioOf } from "../results.mjs";
import { formatBytes, formatRatio, textTable } from "../table.mjs";

/** The row of Tercet that was measured in turn with this row. */
const counterpart = (result, row) =>
  result.rows.find(
    (other) =>
      other.subject === row.subject && other.engine === "tercet" && other.threads === row.threads,
  );

const figure = (title, name, format = (value) => value) => ({
  title,
  value: (row) => {
    const value = medianOf(row, name);
    return value === null ? null : format(value);
  },
});

const ratio = (result, name) => ({
  title: "Tercet is",
  value: (row) =>
    row.engine === "tercet"
      ? null
      : formatRatio(ratioOf(counterpart(result, row), row, name)?.median ?? null),
});

/** { subject, speeds, memory, rows } of each model; speeds and memory are columns for table.mjs. */
export function webTables(result) {
  return [...new Set(result.rows.map((row) => row.subject))].map((subject) => {
    const rows = result.rows.filter((row) => row.subject === subject);
    const heads = [
      { title: "engine", value: ({ engine }) => engine },
      { title: "threads", value: ({ threads }) => String(threads) },
    ];
    const failures = rows.some(({ failure }) => failure)
      ? [{ title: "why not", value: ({ failure }) => failure ?? "", left: true }]
      : [];
    const speeds = [
      ...heads,
      figure("decode tok/s", "decode_tokens_per_s"),
      ratio(result, "decode_tokens_per_s"),
      figure("prompt tok/s", "prompt_tokens_per_s"),
      ratio(result, "prompt_tokens_per_s"),
      figure("load s", "cache_load_s"),
      figure("first token s", "cache_first_token_s"),
      figure("server: load s", "network_load_s"),
      figure("first token s", "network_first_token_s"),
      ...failures,
    ];
    const memory = [
      ...heads,
      figure("model", "model_bytes", formatBytes),
      figure("engine, gzip", "engine_gzip_bytes", formatBytes),
      figure("renderer peak", "cache_renderer_peak_bytes", formatBytes),
      figure("from the server", "network_renderer_peak_bytes", formatBytes),
      figure("high water", "renderer_high_water_bytes", formatBytes),
      figure("whole browser", "browser_peak_bytes", formatBytes),
    ];
    return { subject, rows, speeds, memory };
  });
}

/** Everything, for a terminal. */
export function webText(result) {
  const tables = webTables(result).map(
    ({ subject, rows, speeds, memory }) =>
      `\n${subject}\n\n${textTable(speeds, rows)}\n${textTable(memory, rows)}`,
  );
  const notes = result.notes.map((note) => `${note}\n`);
  return `${tables.join("")}\n${notes.join("")}${machineLine(result.machine)}\n`;
}
