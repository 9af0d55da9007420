// results.test.mjs - the JSON form of benchmark results, tables made of them, and command lines.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { commandLine, describeMachine, machineLine } from "../../bench/machine.mjs";
import { readOptions } from "../../bench/options.mjs";
import {
  addRow,
  figureOf,
  findRows,
  medianOf,
  ratioOf,
  readResult,
  startResult,
  writeResult,
} from "../../bench/results.mjs";
import {
  formatBytes,
  formatNumber,
  formatRatio,
  markdownTable,
  textTable,
} from "../../bench/table.mjs";
import { root } from "../../scripts/paths.mjs";

const folder = mkdtempSync(join(tmpdir(), "tercet-bench-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function example() {
  const result = startResult("twin", { runs: 3 });
  addRow(result, {
    subject: "synthetic tiny",
    engine: "native",
    threads: 2,
    figures: { decode_tokens_per_s: [40, 20, 42], peak_memory_bytes: 12, absent: null },
  });
  addRow(result, {
    subject: "synthetic tiny",
    engine: "page",
    threads: 2,
    figures: { decode_tokens_per_s: [30, 15, 30] },
  });
  addRow(result, {
    subject: "synthetic tiny",
    engine: "rival",
    threads: 2,
    failure: "unknown type",
  });
  return result;
}

test("a result is written whole and read back as it was", () => {
  const result = example();
  const path = join(folder, "deep", "twin.json");
  writeResult(result, path);
  assert.deepEqual(readResult(path), JSON.parse(JSON.stringify(result)));
  assert.deepEqual(readdirSync(join(folder, "deep")), ["twin.json"]);
});

test("figures and ratios come from the runs", () => {
  const result = example();
  const [native] = findRows(result, { engine: "native" });
  const [page] = findRows(result, { engine: "page", threads: 2 });
  const [rival] = findRows(result, { engine: "rival" });
  assert.equal(medianOf(native, "decode_tokens_per_s"), 40);
  assert.equal(figureOf(native, "peak_memory_bytes").runs, 1);
  assert.equal(figureOf(native, "absent"), null);
  // Of medians it would be 0.75 as well by chance only; each pair is 0.75, 0.75, 0.714.
  assert.deepEqual(ratioOf(page, native, "decode_tokens_per_s").ratios, [0.75, 0.75, 30 / 42]);
  assert.equal(ratioOf(page, rival, "decode_tokens_per_s"), null);
});

test("a result that holds no figures is refused when it is made and when it is read", () => {
  const result = startResult("twin");
  assert.throws(() => writeResult(result, join(folder, "empty.json")), /empty/);
  assert.throws(
    () => addRow(result, { subject: "a", engine: "b" }),
    /neither figures nor a failure/,
  );
  assert.throws(
    () => addRow(result, { subject: "a", engine: "b", figures: { x: [Number.NaN] } }),
    /x holds no numbers/,
  );
  assert.throws(() => addRow(result, { engine: "b", figures: { x: 1 } }), /no subject/);
  writeFileSync(join(folder, "old.json"), '{"format": 0}');
  assert.throws(() => readResult(join(folder, "old.json")), /old\.json: not a result of format 1/);
  writeFileSync(join(folder, "half.json"), '{"format"');
  assert.throws(() => readResult(join(folder, "half.json")), /half\.json cannot be read/);
});

test("a result says where and how it was taken", () => {
  const machine = describeMachine();
  assert.match(machine.date, /^\d{4}-\d{2}-\d{2}T/);
  assert.ok(machine.cpu.length > 3 && machine.cores >= 1 && machine.load_average >= 0);
  assert.ok(machineLine(machine).includes(machine.cpu));
  assert.equal(
    commandLine(["node", "x", "--runs", "3"], "bench:twin"),
    "npm run bench:twin -- --runs 3",
  );
  assert.equal(
    commandLine(["node", `${root}/bench/twin.mjs`, "a b"], ""),
    "node bench/twin.mjs 'a b'",
  );
});

test("numbers keep three digits, whatever their size", () => {
  const written = [0, 0.00123, 0.5, 1.234, 45.67, 99.96, 789.4, 12345].map(formatNumber);
  assert.deepEqual(written, ["0", "0.00123", "0.500", "1.23", "45.7", "100.0", "789", "12345"]);
  assert.equal(formatNumber(Number.NaN), "-");
  assert.equal(formatBytes(228e6), "228 MB");
  assert.equal(formatBytes(999), "999 bytes");
  assert.equal(formatRatio(1.6449), "1.64 x");
  assert.equal(formatRatio(null), "-");
});

test("tables are aligned, and Markdown is escaped", () => {
  const columns = [
    { title: "engine", value: ({ engine }) => engine },
    { title: "tok/s", value: ({ rate }) => rate },
    { title: "why", value: ({ why }) => why, left: true },
  ];
  const rows = [
    { engine: "ours", rate: 51.26, why: "a|b" },
    { engine: "a rival", rate: null, why: "no ½" },
  ];
  assert.equal(
    textTable(columns, rows),
    "engine   tok/s  why\n-------  -----  ----\nours      51.3  a|b\na rival      -  no ½\n",
  );
  assert.equal(
    markdownTable(columns, rows),
    "| engine | tok/s | why |\n| --- | ---: | --- |\n| ours | 51.3 | a\\|b |\n| a rival | - | no ½ |\n",
  );
});

test("options are read strictly, and the help names every one", () => {
  const command = {
    usage: "npm run bench:twin -- [OPTIONS]",
    summary: "Compares.",
    options: {
      shape: { kind: "list", choices: ["tiny", "large"], default: ["tiny"], help: "Shapes." },
      threads: { kind: "counts", default: [1, 2], help: "Threads." },
      runs: { kind: "count", default: 3, help: "Runs." },
      json: { kind: "text", value: "FILE", help: "Result." },
      quick: { kind: "flag", help: "Less." },
    },
  };
  assert.deepEqual(readOptions(command, []), {
    shape: ["tiny"],
    threads: [1, 2],
    runs: 3,
    json: null,
    quick: false,
  });
  assert.deepEqual(
    readOptions(command, ["--shape", "large,tiny", "--threads=4", "--runs", "9", "--quick"]),
    { shape: ["large", "tiny"], threads: [4], runs: 9, json: null, quick: true },
  );
  assert.throws(() => readOptions(command, ["--shape", "huge"]), /takes tiny, large, not "huge"/);
  assert.throws(() => readOptions(command, ["--threads", "1,,2"]), /empty item/);
  assert.throws(() => readOptions(command, ["--runs", "2x"]), /whole numbers from 1/);
  assert.throws(() => readOptions(command, ["--treads", "1"]), /--treads/);
  let help = "";
  assert.equal(readOptions(command, ["--help"], { write: (text) => (help += text) }), null);
  for (const name of Object.keys(command.options)) assert.ok(help.includes(`--${name}`), name);
});
