// chart.test.mjs - charts show what they were given: bar lengths and points in proportion, every
// value written out, engines that failed visible, hostile names harmless.

import assert from "node:assert/strict";
import { test } from "node:test";
import { axisTicks, barChart, lineChart } from "../../bench/chart.mjs";

/** Well-formed enough for XML: tags nest and close. */
function requireWellFormed(svg) {
  const open = [];
  for (const [, close, name, selfClosed] of svg.matchAll(/<(\/?)([a-z]+)[^<>]*?(\/?)>/g)) {
    if (selfClosed) continue;
    if (close) assert.equal(open.pop(), name);
    else open.push(name);
  }
  assert.deepEqual(open, []);
  assert.match(svg, /^<svg [^>]*viewBox="0 0 \d/);
}

const attribute = (tag, name) => Number(new RegExp(` ${name}="([-\\d.]+)"`).exec(tag)[1]);

test("axis ticks are round, begin at 0 and pass the largest value", () => {
  assert.deepEqual(axisTicks(9.3), [0, 2, 4, 6, 8, 10]);
  assert.deepEqual(axisTicks(100), [0, 20, 40, 60, 80, 100]);
  assert.deepEqual(axisTicks(0), [0, 1]);
  for (const most of [0.013, 1, 7, 51, 173, 249, 1001]) {
    const ticks = axisTicks(most);
    assert.ok(ticks[ticks.length - 1] >= most && ticks.length <= 6, `${most}: ${ticks}`);
  }
});

test("a long reason stays within the picture", () => {
  const bars = [{ label: "rival", value: null, note: "it failed because ".repeat(30) }];
  const svg = barChart({ title: "t", unit: "u", groups: [{ label: "a", bars }] });
  const [, shown] = />(- it failed[^<]*)</.exec(svg);
  assert.ok(shown.length < 125 && shown.endsWith("…"), shown);
});

test("bars are as long as their values, and failures stay visible", () => {
  const svg = barChart({
    title: "Decode",
    unit: "tokens/s",
    note: "measured <today>",
    groups: [
      {
        label: "a & b",
        bars: [
          { label: "ours", value: 100, least: 90, most: 110 },
          { label: "rival", value: 25 },
        ],
      },
      { label: "second", bars: [{ label: "rival", value: null, note: "out of memory" }] },
    ],
  });
  requireWellFormed(svg);
  const bars = [...svg.matchAll(/<rect [^>]*height="16"[^>]*>/g)].map(([tag]) =>
    attribute(tag, "width"),
  );
  assert.equal(bars.length, 2);
  assert.ok(Math.abs(bars[0] / bars[1] - 4) < 0.01, `${bars}`);
  for (const shown of [
    "a &amp; b",
    ">100<",
    ">25.0<",
    "- out of memory",
    "measured &lt;today&gt;",
  ]) {
    assert.ok(svg.includes(shown), shown);
  }
  assert.throws(() => barChart({ title: "t", unit: "u", groups: [] }), /no bars/);
});

test("a line chart puts doublings at equal distances and zero at the bottom", () => {
  const svg = lineChart({
    title: "Growth",
    xLabel: "context",
    yLabel: "tokens/s",
    doublings: true,
    series: [
      {
        label: "ours",
        points: [
          [512, 40],
          [128, 80],
          [256, 60],
        ],
      },
    ],
  });
  requireWellFormed(svg);
  const points = [...svg.matchAll(/<circle [^>]*>/g)].map(([tag]) => [
    attribute(tag, "cx"),
    attribute(tag, "cy"),
  ]);
  assert.equal(points.length, 3);
  const [[x1, y1], [x2, y2], [x3, y3]] = points;
  assert.ok(Math.abs(x2 - x1 - (x3 - x2)) < 0.05 && x2 > x1);
  assert.ok(Math.abs(y3 - y2 - (y2 - y1)) < 0.05 && y2 > y1, "80, 60, 40 fall by equal steps");
  assert.throws(
    () =>
      lineChart({
        title: "t",
        xLabel: "x",
        yLabel: "y",
        doublings: true,
        series: [{ label: "a", points: [[0, 1]] }],
      }),
    /above 0/,
  );
});

test("the same figures give the same bytes", () => {
  const chart = {
    title: "t",
    xLabel: "x",
    yLabel: "y",
    series: [
      {
        label: "a",
        points: [
          [1, 2],
          [2, 3],
        ],
      },
    ],
  };
  assert.equal(lineChart(chart), lineChart(structuredClone(chart)));
});
