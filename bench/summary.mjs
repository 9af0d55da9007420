// summary.mjs - a result as a table: what was measured on what, medians, and the ratio to the engine
// that the result names as its reference, taken pair by pair. One form for terminal and docs.

import { findRows, medianOf, ratioOf } from "./results.mjs";
import { formatBytes, formatRatio } from "./table.mjs";

/** How each figure is headed and written; in the order of the columns. */
export const figures = [
  { name: "decode_tokens_per_s", title: "decode tok/s", rate: true },
  { name: "prompt_tokens_per_s", title: "prompt tok/s", rate: true },
  { name: "packed_gb_per_s", title: "weights GB/s" },
  { name: "read_gb_per_s", title: "read GB/s" },
  { name: "share", title: "of the limit", write: (value) => `${Math.round(100 * value)} %` },
  { name: "g_per_s", title: "G weights/s" },
  { name: "source_mb_per_s", title: "source MB/s" },
  { name: "read_seconds", title: "bytes alone s" },
  { name: "token_us", title: "token us" },
  { name: "load_seconds", title: "load s" },
  { name: "first_token_seconds", title: "first token s" },
  { name: "stop_prompt_ms", title: "stop in a prompt ms" },
  { name: "stop_token_ms", title: "stop between tokens ms" },
  { name: "stop_grammar_ms", title: "stop in a grammar ms" },
  { name: "next_token_ms", title: "next first token ms" },
  { name: "after_last_byte_ms", title: "last byte to first token ms" },
  { name: "first_paint_ms", title: "first paint ms" },
  { name: "frames_per_s", title: "frames/s" },
  { name: "longest_frame_ms", title: "longest frame ms" },
  { name: "longest_task_ms", title: "longest task ms" },
  { name: "layout_shift", title: "layout shift" },
  { name: "performance", title: "performance" },
  { name: "accessibility", title: "accessibility" },
  { name: "best_practices", title: "best practices" },
  { name: "peak_memory_bytes", title: "peak memory", write: formatBytes },
  { name: "renderer_over_model_bytes", title: "over model and session", write: formatBytes },
];

/** Rows that were measured on the same: what a ratio is taken within. */
const sameAs = ({ subject, threads, context }) => ({ subject, threads, context });

/** The row that `row` is compared with, or null: the reference itself, and rows of another subject. */
export function referenceOf(result, row) {
  const { reference } = result.settings;
  if (!reference || row.engine === reference) return null;
  return findRows(result, { ...sameAs(row), engine: reference })[0] ?? null;
}

/** Columns for table.mjs of whatever this result holds. */
export function columnsOf(result) {
  const has = (name) => result.rows.some((row) => row.figures[name]);
  const anyOf = (key) => result.rows.some((row) => row[key] !== undefined);
  const columns = [{ title: "measured on", value: ({ subject }) => subject }];
  columns.push({ title: "engine", value: ({ engine }) => engine, left: true });
  for (const [key, title] of [
    ["threads", "threads"],
    ["context", "context"],
  ]) {
    if (anyOf(key)) {
      columns.push({ title, value: (row) => (row[key] === undefined ? null : String(row[key])) });
    }
  }
  for (const { name, title, write, rate } of figures.filter(({ name }) => has(name))) {
    columns.push({
      title,
      value: (row) => {
        const value = medianOf(row, name);
        return value === null || !write ? value : write(value);
      },
    });
    if (rate && result.settings.reference) {
      columns.push({
        title: "ratio",
        value: (row) => {
          const ratio = ratioOf(row, referenceOf(result, row), name);
          return ratio ? formatRatio(ratio.median) : null;
        },
      });
    }
  }
  if (anyOf("failure")) {
    columns.push({ title: "why not", value: ({ failure }) => failure ?? "", left: true });
  }
  return columns;
}
