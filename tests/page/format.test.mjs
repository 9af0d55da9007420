// format.test.mjs - numbers as the page writes them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const source = fileURLToPath(new URL("../../web/page/format.ts", import.meta.url));
const { outputFiles } = await build({ entryPoints: [source], format: "esm", write: false });
const code = Buffer.from(outputFiles[0].contents).toString("base64");
const format = await import(`data:text/javascript;base64,${code}`);

test("sizes take the unit that suits them", () => {
  assert.equal(format.formatBytes(0), "0 B");
  assert.equal(format.formatBytes(999), "999 B");
  assert.equal(format.formatBytes(999.6), "1 kB");
  assert.equal(format.formatBytes(999_499), "999 kB");
  assert.equal(format.formatBytes(999_500), "1.0 MB");
  assert.equal(format.formatBytes(3_493_184), "3.5 MB");
  assert.equal(format.formatBytes(1_234_000_000), "1.23 GB");
});

test("memory of a machine is counted as people count it", () => {
  assert.equal(format.formatMachineMemory(2 ** 34), "16 GB");
  assert.equal(format.formatMachineMemory(2 ** 29), "0.5 GB");
});

test("a part is told in the unit of the whole", () => {
  assert.equal(format.formatBytesOf(0, 3_493_184), "0.0 of 3.5 MB");
  assert.equal(format.formatBytesOf(1_234_567, 3_493_184), "1.2 of 3.5 MB");
  assert.equal(format.formatBytesOf(200, 900_000), "0 of 900 kB");
  assert.equal(format.formatBytesOf(1_500_000, 0), "1.5 MB");
});

test("rates, spans and speeds", () => {
  assert.equal(format.formatRate(0), "–");
  assert.equal(format.formatRate(823_456), "823 kB/s");
  assert.equal(format.formatTimeLeft(0.2), "under 1 s left");
  assert.equal(format.formatTimeLeft(2.1), "3 s left");
  assert.equal(format.formatTimeLeft(120), "2 min left");
  assert.equal(format.formatTimeLeft(7200), "2 h left");
  assert.equal(format.formatMeasured(0.0134), "13 ms");
  assert.equal(format.formatMeasured(0.9996), "1.00 s");
  assert.equal(format.formatMeasured(12.34), "12.3 s");
  // Below each other: all with the same decimals.
  assert.deepEqual(format.formatMilliseconds([7.18e-5, 0.00126]), ["0.072 ms", "1.260 ms"]);
  assert.deepEqual(format.formatMilliseconds([0.0004, 0.25]), ["0.4 ms", "250.0 ms"]);
  assert.deepEqual(format.formatMilliseconds([]), []);
  assert.equal(format.formatSpeed(0), "–");
  assert.equal(format.formatSpeed(Number.NaN), "–");
  assert.equal(format.formatSpeed(7.25), "7.3 tokens/s");
  assert.equal(format.formatSpeed(287.4), "287 tokens/s");
  assert.equal(format.formatTokens(1), "1 token");
  assert.equal(format.formatTokens(64), "64 tokens");
  assert.equal(format.formatParameters(6_172_416), "6.2 M parameters");
  assert.equal(format.formatParameters(260_000), "260 k parameters");
  assert.equal(format.formatParameters(2_400_000_000), "2.4 B parameters");
});

test("sentences of the library become sentences of the page", () => {
  assert.equal(format.sentence("one thread: no isolation"), "One thread: no isolation.");
  assert.equal(format.sentence(" Is it? "), "Is it?");
  assert.equal(format.sentence(""), "");
});
