// chart.mjs - SVG charts for docs, without a library: grouped bars for comparisons, lines for growth.
// Plain shapes and text on their own background, readable in light and dark pages, with a title and a
// description for those who cannot see it. The same input gives the same bytes, so that a chart that
// is made again changes only when its figures did.

import { formatNumber } from "./table.mjs";

const FONT = "font-family=\"system-ui, 'Segoe UI', sans-serif\"";
/** Distinct in brightness as well as in hue; ours first. */
const COLOURS = [
  "#0b6e4f",
  "#d1495b",
  "#e9a03b",
  "#5b7db1",
  "#7a5195",
  "#8d8d8d",
  "#2f2f2f",
  "#66b2a0",
];
const WIDTH = 760;

const escape = (text) =>
  String(text)
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");

const round = (value) => Number(value.toFixed(2));

function text(
  x,
  y,
  content,
  { size = 12, anchor = "start", colour = "#1f2328", bold = false, turn = 0 } = {},
) {
  const rotate = turn ? ` transform="rotate(${turn} ${round(x)} ${round(y)})"` : "";
  return (
    `<text x="${round(x)}" y="${round(y)}" font-size="${size}" text-anchor="${anchor}" fill="${colour}"` +
    `${bold ? ' font-weight="600"' : ""}${rotate}>${escape(content)}</text>`
  );
}

const rectangle = (x, y, w, h, fill) =>
  `<rect x="${round(x)}" y="${round(y)}" width="${round(Math.max(w, 0))}" height="${round(h)}" fill="${fill}"/>`;

const line = (x1, y1, x2, y2, colour, width = 1) =>
  `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="${colour}" stroke-width="${width}"/>`;

function picture(height, title, description, parts) {
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${round(height)}" width="${WIDTH}" ` +
    `height="${round(height)}" role="img" aria-labelledby="title desc" ${FONT}>\n` +
    `<title id="title">${escape(title)}</title>\n<desc id="desc">${escape(description)}</desc>\n` +
    `${rectangle(0, 0, WIDTH, height, "#ffffff")}\n${parts.join("\n")}\n</svg>\n`
  );
}

/** Round numbers from 0 to at least `most`: at most six steps of 1, 2, 2.5 or 5 times a power of ten. */
export function axisTicks(most) {
  if (!(most > 0)) return [0, 1];
  const power = 10 ** Math.floor(Math.log10(most / 5));
  const step = [1, 2, 2.5, 5, 10, 20]
    .map((factor) => factor * power)
    .find((size) => most / size <= 5.0001);
  const count = Math.ceil(most / step - 1e-9);
  return Array.from({ length: count + 1 }, (_, at) => Number((at * step).toPrecision(12)));
}

/** What fits into so many units at size 11; the tables beside a chart have the whole sentence. */
function shortened(sentence, width) {
  const most = Math.floor(width / 6);
  return sentence.length <= most ? sentence : `${sentence.slice(0, most - 1)}…`;
}

/** "a 1, b 2" for the description. */
const list = (items) =>
  items.map(({ label, value }) => `${label} ${formatNumber(value)}`).join(", ");

/** Coloured squares with names; wraps. Gives its parts and the height that they take. */
function legend(names, top) {
  const parts = [];
  let x = 16;
  let y = top;
  names.forEach((name, at) => {
    const size = 26 + 7 * name.length;
    if (x + size > WIDTH - 16) {
      x = 16;
      y += 20;
    }
    parts.push(rectangle(x, y - 10, 12, 12, COLOURS[at % COLOURS.length]), text(x + 18, y, name));
    x += size + 14;
  });
  return { parts, bottom: y + 10 };
}

/**
 * Horizontal bars in groups. A bar whose value is null is written as "-" with its note: an engine that
 * could not run stays visible.
 * @param {{ title: string, unit: string, note?: string,
 *           groups: { label: string, bars: { label: string, value: number | null, least?: number, most?: number, note?: string }[] }[] }} chart
 */
export function barChart({ title, unit, note = "", groups }) {
  const names = [...new Set(groups.flatMap(({ bars }) => bars.map(({ label }) => label)))];
  const values = groups.flatMap(({ bars }) =>
    bars.flatMap(({ value, most }) => [value ?? 0, most ?? 0]),
  );
  if (names.length === 0) throw new RangeError(`the chart "${title}" has no bars`);
  const ticks = axisTicks(Math.max(...values));
  const labelWidth = Math.min(220, 24 + 6.6 * Math.max(...groups.map(({ label }) => label.length)));
  const left = labelWidth;
  const right = WIDTH - 70;
  const scale = (value) => left + ((right - left) * value) / ticks[ticks.length - 1];
  const parts = [text(16, 26, title, { size: 16, bold: true })];
  const head = legend(names, 50);
  parts.push(...head.parts);
  const barHeight = 16;
  const top = head.bottom + 8;
  let y = top;
  const body = [];
  for (const { label, bars } of groups) {
    const height = bars.length * (barHeight + 3);
    body.push(text(left - 8, y + height / 2 + 3, label, { anchor: "end", size: 11 }));
    for (const { label: name, value, least, most, note: barNote } of bars) {
      const middle = y + barHeight / 2;
      if (value === null || value === undefined) {
        body.push(
          text(left + 4, middle + 4, shortened(`- ${barNote ?? ""}`.trim(), WIDTH - left - 20), {
            size: 11,
            colour: "#57606a",
          }),
        );
      } else {
        body.push(
          rectangle(
            left,
            y,
            scale(value) - left,
            barHeight,
            COLOURS[names.indexOf(name) % COLOURS.length],
          ),
        );
        if (least !== undefined && most !== undefined && most > least) {
          body.push(line(scale(least), middle, scale(most), middle, "#1f2328", 1.2));
        }
        const end = Math.max(scale(value), most === undefined ? 0 : scale(most));
        body.push(text(end + 5, middle + 4, formatNumber(value), { size: 11 }));
      }
      y += barHeight + 3;
    }
    y += 12;
  }
  const bottom = y;
  for (const tick of ticks) {
    parts.push(line(scale(tick), top - 4, scale(tick), bottom, "#d0d7de"));
    parts.push(
      text(scale(tick), bottom + 15, formatTick(tick), {
        size: 11,
        anchor: "middle",
        colour: "#57606a",
      }),
    );
  }
  parts.push(...body, line(left, top - 4, left, bottom, "#57606a"));
  parts.push(text((left + right) / 2, bottom + 33, unit, { anchor: "middle", size: 12 }));
  if (note) parts.push(text(16, bottom + 54, note, { size: 10, colour: "#57606a" }));
  const description = groups.map(({ label, bars }) => `${label}: ${list(bars)}`).join("; ");
  return picture(bottom + (note ? 66 : 46), title, `${unit}. ${description}`, parts);
}

const formatTick = (value) => String(Number(value.toPrecision(4)));

/**
 * Lines over a quantity that grows; the x axis is linear or by doublings, the y axis begins at 0.
 * @param {{ title: string, xLabel: string, yLabel: string, doublings?: boolean, note?: string,
 *           series: { label: string, points: [number, number][] }[] }} chart
 */
export function lineChart({ title, xLabel, yLabel, doublings = false, note = "", series }) {
  const points = series.flatMap(({ points: list }) => list);
  if (points.length === 0) throw new RangeError(`the chart "${title}" has no points`);
  const xs = [...new Set(points.map(([x]) => x))].sort((a, b) => a - b);
  if (doublings && xs[0] <= 0) throw new RangeError("an axis of doublings begins above 0");
  const ticks = axisTicks(Math.max(...points.map(([, y]) => y)));
  const head = legend(
    series.map(({ label }) => label),
    50,
  );
  const [left, right, top] = [64, WIDTH - 24, head.bottom + 10];
  const bottom = top + 260;
  const along = doublings ? Math.log2 : (value) => value;
  const [first, last] = [along(xs[0]), along(xs[xs.length - 1])];
  const scaleX = (x) =>
    last === first
      ? (left + right) / 2
      : left + 12 + ((right - left - 24) * (along(x) - first)) / (last - first);
  const scaleY = (y) => bottom - ((bottom - top) * y) / ticks[ticks.length - 1];
  const parts = [text(16, 26, title, { size: 16, bold: true }), ...head.parts];
  for (const tick of ticks) {
    parts.push(line(left, scaleY(tick), right, scaleY(tick), "#d0d7de"));
    parts.push(
      text(left - 8, scaleY(tick) + 4, formatTick(tick), {
        size: 11,
        anchor: "end",
        colour: "#57606a",
      }),
    );
  }
  for (const x of xs) {
    parts.push(line(scaleX(x), bottom, scaleX(x), bottom + 5, "#57606a"));
    parts.push(
      text(scaleX(x), bottom + 19, formatTick(x), {
        size: 11,
        anchor: "middle",
        colour: "#57606a",
      }),
    );
  }
  parts.push(line(left, bottom, right, bottom, "#57606a"));
  series.forEach(({ points: list }, at) => {
    const colour = COLOURS[at % COLOURS.length];
    const sorted = [...list].sort(([a], [b]) => a - b);
    const path = sorted.map(([x, y]) => `${round(scaleX(x))},${round(scaleY(y))}`).join(" ");
    parts.push(`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2.5"/>`);
    for (const [x, y] of sorted) {
      parts.push(
        `<circle cx="${round(scaleX(x))}" cy="${round(scaleY(y))}" r="3.5" fill="${colour}"/>`,
      );
    }
  });
  parts.push(text((left + right) / 2, bottom + 40, xLabel, { anchor: "middle" }));
  parts.push(text(18, (top + bottom) / 2, yLabel, { anchor: "middle", turn: -90 }));
  if (note) parts.push(text(16, bottom + 62, note, { size: 10, colour: "#57606a" }));
  const description = series
    .map(
      ({ label, points: list }) =>
        `${label}: ${list.map(([x, y]) => `${x}: ${formatNumber(y)}`).join(", ")}`,
    )
    .join("; ");
  return picture(
    bottom + (note ? 74 : 54),
    title,
    `${yLabel} over ${xLabel}. ${description}`,
    parts,
  );
}
