// generate-unicode-tables.mjs - writes core/text/unicode_tables.c from the Unicode Character Database.
//
//   node scripts/generate-unicode-tables.mjs [FOLDER] [--check]
//
// Why it exists: the splitters of byte-level tokenizers need \p{L}, \p{N} and \s, some tokenizers
// need normal form C, WordPiece tokenizers of uncased models look words up without accents and in lower
// case, and the C library's answers depend on its locale. FOLDER holds UnicodeData.txt,
// PropList.txt, DerivedNormalizationProps.txt and ReadMe.txt; it is Debian's package unicode-data
// where none is given. Run by hand when the tables should follow a newer Unicode; a build never runs
// it. --check only compares.
// It must never guess: a line it cannot read ends it.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { root } from "./paths.mjs";

const check = process.argv.includes("--check");
const folder =
  process.argv.slice(2).find((argument) => argument !== "--check") ?? "/usr/share/unicode";

const read = (name) => readFileSync(join(folder, name), "utf8");
const hex = (value) => `0x${value.toString(16).toUpperCase().padStart(4, "0")}`;
const found = /Version (\d+\.\d+\.\d+)/.exec(read("ReadMe.txt"));
if (!found) throw new Error("ReadMe.txt does not name a version of Unicode");
const version = found[1];

/** Fields of each character or block of UnicodeData.txt; large blocks stand there as two lines. */
function* characters() {
  let blockStart = -1;
  for (const line of read("UnicodeData.txt").split("\n")) {
    if (line === "") continue;
    const fields = line.split(";");
    const code = Number.parseInt(fields[0], 16);
    if (fields.length !== 15 || !Number.isInteger(code)) throw new Error(`cannot read: ${line}`);
    if (fields[1].endsWith(", First>")) {
      blockStart = code;
      continue;
    }
    const first = fields[1].endsWith(", Last>") ? blockStart : code;
    const [, , category, order, , decomposition] = fields;
    yield { first, last: code, category, order, decomposition, lower: fields[13] };
  }
}

/** First and last of each line of a file of properties that has this property (and value). */
function* property(file, pattern) {
  const line = new RegExp(`^([0-9A-F]+)(?:\\.\\.([0-9A-F]+))?\\s*;\\s*${pattern}\\s*(?:#|$)`);
  for (const text of read(file).split("\n")) {
    const match = line.exec(text);
    if (match) yield [Number.parseInt(match[1], 16), Number.parseInt(match[2] ?? match[1], 16)];
  }
}

// ---------------------------------------------------------------- letters, numbers, white space, marks

const KINDS = ["OTHER", "LETTER", "NUMBER", "SPACE", "PUNCTUATION", "HIDDEN"]; // enum unicode_kind
const kindOfCategory = (category) =>
  ["Mn", "Cc", "Cf", "Co"].includes(category)
    ? "HIDDEN"
    : { L: "LETTER", N: "NUMBER", P: "PUNCTUATION" }[category[0]];

const kindOf = new Map(); // code point -> place in KINDS
const categoryOf = new Map();
const orderOf = new Map(); // canonical combining class, where it is not 0
const partsOf = new Map(); // canonical decomposition: [first, second], or [only]
const lowerOf = new Map();
for (const { first, last, category, order, decomposition, lower } of characters()) {
  const kind = kindOfCategory(category);
  for (let code = first; code <= last; code++) {
    categoryOf.set(code, category);
    if (kind) kindOf.set(code, KINDS.indexOf(kind));
  }
  if (order !== "0") orderOf.set(first, Number.parseInt(order, 10));
  if (decomposition !== "" && !decomposition.startsWith("<")) {
    partsOf.set(
      first,
      decomposition.split(" ").map((part) => Number.parseInt(part, 16)),
    );
  }
  if (lower !== "") lowerOf.set(first, Number.parseInt(lower, 16));
  if (first !== last && (order !== "0" || decomposition !== "" || lower !== "")) {
    throw new Error(`a block from U+${first.toString(16)} has an order, a decomposition or a case`);
  }
}
for (const [first, last] of property("PropList.txt", "White_Space")) {
  for (let code = first; code <= last; code++) {
    // Control characters are hidden as well: those of ASCII and U+0085, which unicode_lookup.c knows.
    if (kindOf.has(code) && !(code < 0xa0 && categoryOf.get(code) === "Cc"))
      throw new Error(`U+${code.toString(16)} would have two kinds`);
    kindOf.set(code, KINDS.indexOf("SPACE"));
  }
}
for (let code = 0x7f; code < 0xa0; code++)
  if (categoryOf.get(code) !== "Cc") throw new Error(`U+${code.toString(16)} is no control`);

// ---------------------------------------------------------------- normal form C

const checkOf = new Map(); // NFC_Quick_Check, where it is not Yes: place in enum unicode_form
for (const [value, place] of [
  ["M", 1],
  ["N", 2],
]) {
  for (const [first, last] of property(
    "DerivedNormalizationProps.txt",
    `NFC_QC\\s*;\\s*${value}`,
  )) {
    for (let code = first; code <= last; code++) checkOf.set(code, place);
  }
}
const excluded = new Set();
for (const [first, last] of property(
  "DerivedNormalizationProps.txt",
  "Full_Composition_Exclusion",
)) {
  for (let code = first; code <= last; code++) excluded.add(code);
}

// What core/text/normal_form.c and unicode_lookup.c take for granted.
const utf8Bytes = (codes) => Buffer.byteLength(String.fromCodePoint(...codes));
const decompose = (code) =>
  partsOf.has(code) ? partsOf.get(code).flatMap((part) => decompose(part)) : [code];
for (const [code, parts] of partsOf) {
  const whole = decompose(code);
  const name = `U+${code.toString(16)}`;
  if (parts.length > 2) throw new Error(`${name} has more than two parts`);
  if (parts.length === 2 && partsOf.has(parts[1]))
    throw new Error(`${name}: its second part is not final`);
  if (whole.length > 4) throw new Error(`${name} becomes more than 4 characters`);
  if (whole.length > 2 * utf8Bytes([code])) throw new Error(`${name} becomes too many characters`);
  if (utf8Bytes(whole) > 3 * utf8Bytes([code])) throw new Error(`${name} becomes too long`);
  if (!excluded.has(code) && utf8Bytes(parts) < utf8Bytes([code]))
    throw new Error(`${name} is longer than its parts`);
  if (code < 0x300 && excluded.has(code)) throw new Error(`${name} does not stay`);
}
for (const code of [...orderOf.keys(), ...checkOf.keys()]) {
  if (code < 0x300) throw new Error(`U+${code.toString(16)} does not stay`);
}

const rows = [...partsOf].sort((a, b) => a[0] - b[0]);
const seconds = [...new Set(rows.map(([, [, second]]) => second ?? 0))].sort((a, b) => a - b);
if (!seconds.includes(0)) throw new Error("there is no decomposition into one character");
const composed = rows
  .map(([code, parts], index) => ({ code, parts, index }))
  .filter(({ code }) => !excluded.has(code))
  .sort((a, b) => a.parts[0] - b.parts[0] || a.parts[1] - b.parts[1]);

const formOf = (code) => `${orderOf.get(code) ?? 0}, ${checkOf.get(code) ?? 0}`;
const marked = [...new Set([...orderOf.keys(), ...checkOf.keys()])];
const forms = ["0, 0", ...new Set(marked.sort((a, b) => a - b).map(formOf))];

// ---------------------------------------------------------------- lower case

const END = 0x110000;
/** Places of the rules in unicode_tables.h: none, even, odd, then the shifts by where they first occur. */
const isLowered = (code) => lowerOf.has(code) && !partsOf.has(code);
const shifts = [
  ...new Set([...lowerOf.keys()].filter(isLowered).map((code) => lowerOf.get(code) - code)),
];
const rules = [
  (code) => code,
  (code) => code | 1,
  (code) => code + (code & 1),
  ...shifts.map((shift) => (code) => code + shift),
];
/** Runs of one rule, each as long as can be; the rule for a character that has parts never matters. */
function lowerRuns() {
  const runs = [];
  for (let first = 0; first < END;) {
    let fit = rules.map((rule, value) => ({ rule, value }));
    let code = first;
    let last = fit;
    for (; code < END && fit.length > 0; code++) {
      last = fit;
      if (!partsOf.has(code))
        fit = fit.filter(({ rule }) => rule(code) === (lowerOf.get(code) ?? code));
    }
    const end = fit.length > 0 ? code : code - 1;
    runs.push({ length: end - first, value: (fit.length > 0 ? fit : last)[0].value });
    first = end;
  }
  return runs;
}

// ---------------------------------------------------------------- the file

const RUN_LONG = 224; // as in unicode_tables.h
const RUN_STEP = 16;

/** Runs of one value over all characters. */
function runsOf(values) {
  const runs = [];
  for (let code = 0; code < END; code++) {
    const value = values.get(code) ?? 0;
    if (runs.at(-1)?.value === value) runs.at(-1).length++;
    else runs.push({ length: 1, value });
  }
  return runs;
}

const list = (type, name, values) =>
  `${type} ${name}[${values.length}] = {\n${values.join(", ")}};\n`;
const bytes = (name, values) => {
  if (values.some((value) => !(value >= 0 && value <= 0xff))) throw new Error(`${name}: no bytes`);
  return list("const uint8_t", name, values);
};

/** The table as unicode_tables.h has it; `weigh` counts the characters of a run for a column beside `starts`. */
function runTable(name, runs, weigh) {
  const lengths = [];
  const values = [];
  const starts = [];
  const counts = [];
  let code = 0;
  let count = 0;
  const push = (coded, length, value) => {
    if (lengths.length % RUN_STEP === 0) {
      starts.push(code);
      counts.push(count);
    }
    lengths.push(coded);
    values.push(value);
    code += length;
    count += weigh?.(value) ? length : 0;
  };
  for (let { length, value } of runs) {
    while (length > 0) {
      const exponent = Math.floor(Math.log2(length));
      if (exponent < 8) {
        const part = Math.min(length, RUN_LONG);
        push(part - 1, part, value);
        length -= part;
      } else {
        push(RUN_LONG + exponent - 8, 2 ** exponent, value);
        length -= 2 ** exponent;
      }
    }
  }
  if (code !== END) throw new Error(`${name} ends at ${code}`);
  // To the end of 32 bits, and beyond it.
  for (let i = 0; i < 2; i++) push(RUN_LONG + 31 - 8, 2 ** 31, 0);
  return `
static ${bytes(`${name}_lengths`, lengths)}
static ${bytes(`${name}_values`, values)}
static ${list("const uint32_t", `${name}_starts`, starts.map(hex))}
const struct unicode_runs unicode_${name} = {${name}_lengths, ${name}_values, ${name}_starts, ${starts.length}};
${weigh ? list("const uint16_t", "unicode_whole_numbers", counts) : ""}`;
}

const firsts = rows.map(([, [first]]) => first);
const target = join(root, "core/text/unicode_tables.c");
const text = `/*
 * unicode_tables.c: generated by scripts/generate-unicode-tables.mjs from the Unicode Character
 * Database, version ${version}. Do not edit: run the script.
 */
#include "unicode_tables.h"
${runTable("kinds", runsOf(kindOf))}
${runTable("marks", runsOf(new Map(marked.map((code) => [code, forms.indexOf(formOf(code))]))))}
const struct unicode_mark unicode_mark_list[${forms.length}] = {
${forms.map((form) => `{${form}}`).join(", ")}};
${runTable("lowers", lowerRuns())}
${list("const int32_t", "unicode_shifts", shifts)}
${runTable("wholes", runsOf(new Map(rows.map(([code]) => [code, 1]))), (value) => value === 1)}
const uint32_t unicode_decomposition_count = ${rows.length};

${bytes(
  "unicode_first_lows",
  firsts.map((code) => code & 0xff),
)}
${bytes(
  "unicode_first_middles",
  firsts.map((code) => (code >> 8) & 0xff),
)}
${bytes(
  "unicode_first_highs",
  firsts.map((code) => code >> 16),
)}
${bytes(
  "unicode_second_places",
  rows.map(([, [, second]]) => seconds.indexOf(second ?? 0)),
)}
${list("const uint32_t", "unicode_seconds", seconds.map(hex))}
const uint32_t unicode_composition_count = ${composed.length};

${bytes(
  "unicode_composition_lows",
  composed.map(({ index }) => index & 0xff),
)}
${bytes(
  "unicode_composition_highs",
  composed.map(({ index }) => index >> 8),
)}`;
const formatted = spawnSync("clang-format", [`--assume-filename=${target}`], { input: text });
if (formatted.status !== 0) throw new Error("clang-format failed or is missing");
const source = formatted.stdout.toString();
if (!check) {
  writeFileSync(target, source);
} else if (readFileSync(target, "utf8") !== source) {
  console.error("core/text/unicode_tables.c is not what the database gives: run the script");
  process.exitCode = 1;
}
