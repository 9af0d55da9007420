// report.mjs - what of a result of bench:native people read: its table and its charts.

import { barChart } from "../chart.mjs";
import { machineLine } from "../machine.mjs";
import { medianOf, ratioOf } from "../results.mjs";
import { formatRatio } from "../table.mjs";

/** The row of Tercet that was measured in turn with this row. */
export const counterpart = (result, row) =>
  result.rows.find(
    (other) =>
      other.tercet &&
      other.subject === row.subject &&
      other.pair === row.pair &&
      other.threads === row.threads,
  );

const ratioText = (result, name) => (row) => {
  if (row.tercet) return null;
  const ratio = ratioOf(counterpart(result, row), row, name);
  return ratio === null ? null : formatRatio(ratio.median);
};

const megabytes = (bytes) => (bytes === null ? null : bytes / 1e6);

/** Columns for table.mjs. */
export const nativeColumns = (result) => [
  { title: "model", value: (row) => row.subject },
  { title: "kernels", value: (row) => row.pair, left: true },
  { title: "threads", value: (row) => String(row.threads) },
  { title: "engine", value: (row) => row.engine, left: true },
  { title: "decode tok/s", value: (row) => medianOf(row, "decode_tokens_per_s") },
  { title: "prompt tok/s", value: (row) => medianOf(row, "prompt_tokens_per_s") },
  { title: "resident MB", value: (row) => megabytes(medianOf(row, "peak_memory_bytes")) },
  { title: "Tercet, decode", value: ratioText(result, "decode_tokens_per_s") },
  { title: "Tercet, prompt", value: ratioText(result, "prompt_tokens_per_s") },
  ...(result.rows.some(({ failure }) => failure)
    ? [{ title: "why not", value: ({ failure }) => failure ?? "", left: true }]
    : []),
];

/** An SVG of one figure with the most threads: a group for each model and pair. */
export function nativeChart(result, name = "decode_tokens_per_s") {
  const most = Math.max(...result.rows.map(({ threads }) => threads));
  const rows = result.rows.filter(({ threads }) => threads === most);
  const keys = [...new Set(rows.map(({ subject, pair }) => `${subject}, ${pair}`))];
  const bar = (row) => ({
    label: row.tercet ? "Tercet" : row.engine,
    value: medianOf(row, name),
    note: row.failure,
  });
  return barChart({
    title: `${name.startsWith("decode") ? "Decode" : "Prompt"} speed natively, ${most} threads`,
    unit: "tokens/s",
    groups: keys.map((label) => ({
      label,
      bars: rows.filter(({ subject, pair }) => `${subject}, ${pair}` === label).map(bar),
    })),
    note: machineLine(result.machine),
  });
}
