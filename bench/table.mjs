// table.mjs - results as aligned text for a terminal and as Markdown for docs. Numbers are rounded to
// what a reader can use (three significant digits), never so far that two different engines look equal.

/** Three significant digits without an exponent: 0.0123, 1.23, 45.6, 789, 12300. */
export function formatNumber(value) {
  if (typeof value !== "number" || !Number.isFinite(value)) return "-";
  const size = Math.abs(value);
  if (size === 0) return "0";
  const digits = 2 - Math.floor(Math.log10(size));
  return value.toFixed(Math.min(Math.max(digits, 0), 12));
}

/** 228 MB, 2.41 GB; decimal units. */
export function formatBytes(bytes) {
  if (typeof bytes !== "number" || !Number.isFinite(bytes)) return "-";
  for (const [unit, size] of [
    ["GB", 1e9],
    ["MB", 1e6],
    ["kB", 1e3],
  ]) {
    if (bytes >= size) return `${formatNumber(bytes / size)} ${unit}`;
  }
  return `${bytes} bytes`;
}

export const formatRatio = (ratio) =>
  typeof ratio === "number" && Number.isFinite(ratio) ? `${ratio.toFixed(2)} x` : "-";

export const formatShare = (share) =>
  typeof share === "number" && Number.isFinite(share) ? `${Math.round(100 * share)} %` : "-";

/**
 * A column: what heads it, where its cell comes from, and how it is written.
 * @typedef {{ title: string, value: (row: any) => unknown, left?: boolean }} Column
 */

const cellText = (value) =>
  value === null || value === undefined
    ? "-"
    : typeof value === "number"
      ? formatNumber(value)
      : String(value);

/** Characters that a terminal shows: a code point each (the tables hold no wide characters). */
const width = (text) => [...text].length;

const cells = (columns, rows) => [
  columns.map(({ title }) => title),
  ...rows.map((row) => columns.map(({ value }) => cellText(value(row)))),
];

/**
 * Lines of equal columns, numbers to the right, the first column (and those marked `left`) to the left.
 * @param {readonly Column[]} columns
 * @param {readonly any[]} rows
 */
export function textTable(columns, rows) {
  const text = cells(columns, rows);
  const widths = columns.map((_, at) => Math.max(...text.map((line) => width(line[at]))));
  const pad = (cell, at) => {
    const fill = " ".repeat(widths[at] - width(cell));
    return at === 0 || columns[at].left ? cell + fill : fill + cell;
  };
  const line = (list) => list.map(pad).join("  ").trimEnd();
  const rule = widths.map((size) => "-".repeat(size)).join("  ");
  return [line(text[0]), rule, ...text.slice(1).map(line)].join("\n") + "\n";
}

/**
 * The same as a Markdown table; a bar in a cell is escaped.
 * @param {readonly Column[]} columns
 * @param {readonly any[]} rows
 */
export function markdownTable(columns, rows) {
  const text = cells(columns, rows).map((line) => line.map((cell) => cell.replaceAll("|", "\\|")));
  const rule = columns.map(({ left }, at) => (at === 0 || left ? "---" : "---:"));
  return (
    [text[0], rule, ...text.slice(1)].map((line) => `| ${line.join(" | ")} |`).join("\n") + "\n"
  );
}
