// report.test.mjs - tables and charts of docs come from results: ratios to the reference, failures kept,
// text around the marks untouched; and the figures of the kernel bench are read as they are printed.

import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parseKernelBench, setsOf } from "../../bench/limits.mjs";
import { chartOfEngines, chartOfGrowth, fillMarks, sectionOf } from "../../bench/report.mjs";
import { addRow, keptResults, readResult, startResult } from "../../bench/results.mjs";
import { columnsOf } from "../../bench/summary.mjs";
import { textTable } from "../../bench/table.mjs";
import { root } from "../../scripts/paths.mjs";

function example() {
  const result = startResult("twin", { reference: "native" });
  const add = (engine, threads, decode, failure) =>
    addRow(result, {
      subject: "synthetic tiny",
      engine,
      threads,
      ...(decode && { figures: { decode_tokens_per_s: decode, peak_memory_bytes: 5e6 } }),
      ...(failure && { failure }),
    });
  add("native", 1, [10, 20, 10]);
  add("page", 1, [5, 5, 5]);
  add("native", 2, [40, 40, 40]);
  add("page", 2, null, "no threads");
  return result;
}

test("a table has the ratio of each row to the reference with as many threads", () => {
  const table = textTable(columnsOf(example()), example().rows).split("\n");
  assert.match(
    table[0],
    /measured on +engine +threads +decode tok\/s +ratio +peak memory +why not/,
  );
  assert.match(table[2], /native +1 +10\.0 +- +5\.00 MB/);
  assert.match(table[3], /page +1 +5\.00 +0\.50 x/);
  assert.match(table[5], /page +2 +- +- +- +no threads/);
});

test("a chart has every engine, and none where there is nothing to show", () => {
  const svg = chartOfEngines(example(), "decode_tokens_per_s", "Decode");
  for (const shown of [
    "synthetic tiny, 1 thread",
    "synthetic tiny, 2 threads",
    ">40.0<",
    "- no threads",
  ]) {
    assert.ok(svg.includes(shown), shown);
  }
  const none = startResult("limits");
  addRow(none, { subject: "reading", engine: "four streams", figures: { read_gb_per_s: 40 } });
  assert.equal(chartOfEngines(none, "decode_tokens_per_s", "Decode"), null);
  const growth = startResult("growth");
  for (const context of [128, 256]) {
    addRow(growth, {
      subject: "tiny",
      engine: "native",
      threads: 1,
      context,
      figures: { decode_tokens_per_s: [1000 / context] },
    });
  }
  assert.equal(chartOfGrowth(growth, "decode_tokens_per_s", "Growth").match(/<circle/g).length, 2);
});

test("only what stands between the marks is made anew", () => {
  const text =
    "before\n<!-- bench: a -->\nold\n<!-- end of bench -->\nwords\n<!-- bench: b -->\nkept\n<!-- end of bench -->\n";
  const filled = fillMarks(text, (name) => (name === "a" ? "new" : null));
  assert.equal(
    filled,
    "before\n<!-- bench: a -->\n\nnew\n<!-- end of bench -->\nwords\n<!-- bench: b -->\nkept\n<!-- end of bench -->\n",
  );
  assert.equal(
    fillMarks(filled, (name) => (name === "a" ? "new" : null)),
    filled,
    "twice is once",
  );
});

test("a section names its command and machine", () => {
  const result = example();
  const section = sectionOf("twin", result, ["twin-decode.svg"]);
  assert.ok(
    section.startsWith(`\`${result.machine.command}\`; ${result.machine.date.slice(0, 10)}`),
  );
  assert.match(section, /!\[twin-decode\]\(charts\/twin-decode\.svg\)/);
});

test("docs show what each comparison is about: pairs of kernels, ratios, memory, times", () => {
  const native = startResult("native", {});
  for (const [pair, ours] of [
    ["avx2", 60],
    ["best", 90],
  ])
    for (const [engine, speed] of [
      ["Tercet", ours],
      ["llama.cpp Q4_0", 30],
    ])
      addRow(native, {
        ...{ subject: "synthetic tiny", engine, tercet: engine === "Tercet", pair, threads: 2 },
        figures: { decode_tokens_per_s: [speed], prompt_tokens_per_s: [speed] },
      });
  const nativeText = sectionOf("native", native, []);
  assert.match(nativeText, /\| avx2 \| 2 \| llama\.cpp Q4_0 .*\| 2\.00 x \| 2\.00 x \|/);
  assert.match(nativeText, /\| best \| 2 \| llama\.cpp Q4_0 .*\| 3\.00 x \| 3\.00 x \|/);

  const web = startResult("web", {});
  for (const [engine, speed] of [
    ["tercet", 80],
    ["wllama q4_0", 4],
  ])
    addRow(web, {
      ...{ subject: "synthetic tiny", engine, threads: 2 },
      figures: { decode_tokens_per_s: speed, cache_load_s: 0.25, renderer_high_water_bytes: 3e8 },
    });
  const webPart = sectionOf("web", web, []);
  assert.match(webPart, /\| wllama q4_0 \| 2 \| 4\.00 \| 20\.00 x \|.*\| 0\.250 \|/);
  assert.match(webPart, /\| wllama q4_0 \| 2 \|.*\| 300 MB \|/);

  const load = startResult("load", {});
  load.notes.push("1.10 x the reading");
  addRow(load, { subject: "tiny", engine: "bytes alone", figures: { read_seconds: [0.5] } });
  addRow(load, { subject: "tiny", engine: "Tercet", figures: { first_token_seconds: [0.55] } });
  const loadText = sectionOf("load", load, []);
  assert.match(loadText, /bytes alone s \| first token s/);
  assert.match(loadText, /\| 0\.550 \|\n\n- 1\.10 x the reading/);
});

test("docs/performance.md has a place for the result of everything that `npm run bench` runs", () => {
  const page = readFileSync(join(root, "docs/performance.md"), "utf8");
  const [, list] = /const benches = \[([^\]]*)\]/.exec(
    readFileSync(join(root, "bench/all.mjs"), "utf8"),
  );
  const names = list.match(/\w+/g);
  assert.ok(names.length >= 10);
  for (const name of names)
    assert.match(page, new RegExp(`<!-- bench: ${name} -->\n[^]*?<!-- end of bench -->`), name);
});

test("results that are kept can be read, and docs/performance.md has a place for each", () => {
  const page = readFileSync(join(root, "docs/performance.md"), "utf8");
  const names = existsSync(keptResults) ? readdirSync(keptResults) : [];
  for (const file of names.filter((name) => name.endsWith(".json"))) {
    readResult(join(keptResults, file));
    assert.ok(page.includes(`<!-- bench: ${file.replace(".json", "")} -->`), file);
  }
  for (const [, chart] of page.matchAll(/\]\((charts\/[\w-]+\.svg)\)/g)) {
    assert.ok(existsSync(join(root, "docs", chart)), `${chart} is missing`);
  }
});

test("lines of the kernel bench are read with all their parts", () => {
  const text = [
    "x86_avx2      ternary 55296x2560   35.4 MB tensor    1 tokens:  107.12 G/s",
    "x86_avx2      int8      640x2560    1.6 MB          16 tokens:   99.00 G/s",
    "x86_avx2      attend 512 x 128: 3.1 us; 6912 values: silu_mul 3.40 us",
    "portable: checked",
  ].join("\n");
  assert.deepEqual(parseKernelBench(text), [
    {
      kernels: "x86_avx2",
      type: "ternary",
      rows: 55296,
      columns: 2560,
      megabytes: 35.4,
      scale: "tensor",
      tokens: 1,
      g_per_s: 107.12,
    },
    {
      kernels: "x86_avx2",
      type: "int8",
      rows: 640,
      columns: 2560,
      megabytes: 1.6,
      scale: "",
      tokens: 16,
      g_per_s: 99,
    },
  ]);
});

test("the limits of a module are those of all its sets, the one that pages run included", () => {
  const line = (name) => `${name} ternary 768x768 0.1 MB tensor 1 tokens: 10.00 G/s\n`;
  const sets = ["portable", "wasm_simd128", "wasm_relaxed", "wasm_relaxed_dot"];
  const kernels = parseKernelBench(sets.map(line).join(""));
  const names = (variant) => setsOf(variant, kernels).map(({ kernels: name }) => name);
  assert.deepEqual(names("relaxed"), ["wasm_relaxed", "wasm_relaxed_dot"]);
  assert.deepEqual(names("simd128"), ["wasm_simd128"]);
});
