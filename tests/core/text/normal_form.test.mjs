// normal_form.test.mjs - Unicode's own conformance test for normal form C, and its tables.
//
// NormalizationTest.txt comes with Debian's unicode-data, which only development needs; without it
// the tests are skipped, and test_normal_form.c still has a case for each rule. It must never compare
// with the JavaScript engine's normalize(), which follows another version of Unicode.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { nativeBuild, root } from "../../../scripts/paths.mjs";

const program = join(process.env.TERCET_NATIVE_BUILD ?? nativeBuild, "tests", "normalize_lines");
const database = "/usr/share/unicode";
const compressed = join(database, "NormalizationTest.txt.bz2");
const missing = existsSync(compressed)
  ? false
  : `Debian's package unicode-data (${compressed}) is not installed`;

const textOf = (field) =>
  String.fromCodePoint(...field.split(" ").map((code) => Number.parseInt(code, 16)));

function normalize(texts) {
  assert.ok(texts.every((text) => !/[\n\0]/.test(text)));
  const { status, stdout } = spawnSync(program, {
    input: texts.map((text) => `${text}\n`).join(""),
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  assert.equal(status, 0);
  return stdout.split("\n").slice(0, -1);
}

test("NormalizationTest.txt", { skip: missing }, () => {
  const unpacked = spawnSync("bzip2", ["-dc", compressed], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  assert.equal(unpacked.status, 0, "bzip2 cannot unpack the test");
  const generator = readFileSync(join(root, "core/text/unicode_tables.c"), "utf8");
  const version = /NormalizationTest-([\d.]+)\.txt/.exec(unpacked.stdout)[1];
  assert.ok(generator.includes(`version ${version}.`), `the tables are not of Unicode ${version}`);
  const inputs = [];
  const wanted = [];
  const named = new Set(); // characters of part 1
  let part = "";
  for (const line of unpacked.stdout.split("\n")) {
    if (line.startsWith("@Part")) part = line.slice(0, 6);
    const fields = line.split(";");
    if (line.startsWith("#") || line.startsWith("@") || fields.length < 6) continue;
    const [source, nfc, nfd, nfkc, nfkd] = fields.slice(0, 5).map(textOf);
    if (part === "@Part1") named.add(source.codePointAt(0));
    // c2 == toNFC(c1) == toNFC(c2) == toNFC(c3), c4 == toNFC(c4) == toNFC(c5)
    inputs.push(source, nfc, nfd, nfkc, nfkd);
    wanted.push(nfc, nfc, nfc, nfkc, nfkc);
  }
  assert.ok(inputs.length > 90_000);
  // Characters that part 1 does not name stay as they are.
  for (let code = 0x20; code <= 0x10ffff; code++) {
    if ((code >= 0xd800 && code <= 0xdfff) || named.has(code)) continue;
    inputs.push(String.fromCodePoint(code));
    wanted.push(String.fromCodePoint(code));
  }
  const got = normalize(inputs);
  assert.equal(got.length, wanted.length);
  const wrong = inputs.findIndex((_, i) => got[i] !== wanted[i]);
  const codes = (text) => [...text].map((c) => c.codePointAt(0).toString(16)).join(" ");
  assert.equal(wrong, -1, wrong >= 0 ? `${codes(inputs[wrong])} gives ${codes(got[wrong])}` : "");
});

test("the tables are what the database gives", { skip: missing }, () => {
  const script = join(root, "scripts/generate-unicode-tables.mjs");
  const { status, stderr } = spawnSync(process.execPath, [script, "--check"], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
});
