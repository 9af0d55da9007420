// generate-unicode-folding.mjs - writes core/text/unicode_folding.c from the Unicode Character Database.
//
//   node scripts/generate-unicode-folding.mjs [FOLDER] [--check]
//
// Why it exists: WordPiece tokenizers of uncased models look words up without accents and in lower case, and cut at
// punctuation. FOLDER holds UnicodeData.txt and ReadMe.txt; it is Debian's package unicode-data where none is given. Run by
// hand when the tables should follow a newer Unicode; a build never runs it. --check only compares.
// It must never guess: a line it cannot read ends it.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { root } from "./paths.mjs";

const check = process.argv.includes("--check");
const folder =
  process.argv.slice(2).find((argument) => argument !== "--check") ?? "/usr/share/unicode";
const target = join(root, "core/text/unicode_folding.c");

const category = new Map(); // only of characters that stand alone in the file
const decomposition = new Map(); // canonical ones
const lower = new Map();
const removedBlocks = []; // private use: two lines, "<..., First>" and "<..., Last>"
let blockStart = -1;
for (const line of readFileSync(join(folder, "UnicodeData.txt"), "utf8").split("\n")) {
  if (line === "") continue;
  const fields = line.split(";");
  const code = Number.parseInt(fields[0], 16);
  if (fields.length !== 15 || !Number.isInteger(code)) throw new Error(`cannot read: ${line}`);
  if (fields[1].endsWith(", First>")) blockStart = code;
  else if (fields[1].endsWith(", Last>")) {
    if (fields[2] === "Co") removedBlocks.push([blockStart, code]);
  } else {
    category.set(code, fields[2]);
    if (fields[5] !== "" && !fields[5].startsWith("<"))
      decomposition.set(
        code,
        fields[5].split(" ").map((part) => Number.parseInt(part, 16)),
      );
    if (fields[13] !== "") lower.set(code, Number.parseInt(fields[13], 16));
  }
}
const version = /Version (\d+\.\d+\.\d+)/.exec(readFileSync(join(folder, "ReadMe.txt"), "utf8"));
if (!version) throw new Error("ReadMe.txt does not name a version of Unicode");

/** Normal form D, without what Mn marks, in lower case; nothing of control, format and private characters. */
function fold(code) {
  if (["Cc", "Cf", "Co"].includes(category.get(code))) return [];
  const parts = decomposition.get(code);
  if (parts) return parts.flatMap(fold);
  if (category.get(code) === "Mn") return [];
  return [lower.get(code) ?? code];
}

const folded = new Map();
for (const code of category.keys()) {
  const result = fold(code);
  if (result.length !== 1 || result[0] !== code) folded.set(code, result);
}
const codes = [...folded.keys()].sort((a, b) => a - b);
const shiftOf = (code) => (folded.get(code)?.length === 1 ? folded.get(code)[0] - code : undefined);
const removed = (code) => folded.get(code)?.length === 0;

/** How many characters from `code` on, `step` apart, fold alike. */
function run(code, step) {
  let count = 1;
  const alike = removed(code)
    ? removed
    : (next) => shiftOf(code) !== undefined && shiftOf(next) === shiftOf(code);
  while (count < 0xffff && alike(code + count * step)) count++;
  if (step === 2)
    for (let i = 0; i + 1 < count; i++) if (folded.has(code + 2 * i + 1)) return i + 1;
  return count;
}

const ranges = removedBlocks.map(([first, last]) => {
  if (last - first < 0xffff) return { first, count: last - first + 1, kind: "REMOVED", value: 0 };
  return { first, count: 0xffff, kind: "REMOVED", value: 0 };
});
const list = [];
const sequences = [];
const LONG = 5;
const LAST = 0x10ffff;
for (let i = 0; i < codes.length;) {
  const code = codes[i];
  const long = removed(code) ? run(code, 1) : Math.max(run(code, 1), run(code, 2));
  if (removed(code)) {
    ranges.push({ first: code, count: long, kind: "REMOVED", value: 0 });
    i += long;
  } else if (long >= LONG) {
    const kind = run(code, 1) === long ? "SHIFTED" : "EVERY_OTHER";
    ranges.push({ first: code, count: long, kind, value: shiftOf(code) });
    i += long;
  } else {
    // A stretch of single ones, with few that fold to themselves between them.
    const range = { first: code, count: 0, kind: "LISTED", value: list.length };
    for (let next = code; i < codes.length && codes[i] - next <= 2;) {
      if (removed(codes[i]) || Math.max(run(codes[i], 1), run(codes[i], 2)) >= LONG) break;
      for (; next < codes[i]; next++, range.count++) list.push(next);
      const result = folded.get(codes[i]);
      if (result.length === 1) list.push(result[0]);
      else {
        if (result.length > 3) throw new Error(`U+${codes[i].toString(16)} becomes too long`);
        list.push(LAST + 1 + sequences.length);
        sequences.push(result);
      }
      next++;
      range.count++;
      i++;
    }
    ranges.push(range);
  }
}
ranges.sort((a, b) => a.first - b.first);

const punctuation = [];
for (const code of [...category.keys()].sort((a, b) => a - b)) {
  if (!category.get(code).startsWith("P")) continue;
  const last = punctuation.at(-1);
  if (last && last.first + last.count === code) last.count++;
  else punctuation.push({ first: code, count: 1 });
}

const hex = (value) => `0x${value.toString(16).toUpperCase().padStart(4, "0")}`;
let text = `/*
 * unicode_folding.c: generated by scripts/generate-unicode-folding.mjs from the Unicode Character
 * Database, version ${version[1]}. Do not edit: run the script.
 */
#include "unicode_folding.h"

const uint32_t unicode_fold_count = ${ranges.length};

const struct unicode_fold unicode_folds[${ranges.length}] = {
${ranges.map(({ first, count, kind, value }) => `{${hex(first)}, ${count}, UNICODE_${kind}, ${value}},`).join("\n")}
};

const uint32_t unicode_fold_list[${list.length}] = {
${list.map((value) => `${hex(value)},`).join(" ")}
};

const uint16_t unicode_fold_sequences[${sequences.length}][3] = {
${sequences.map((parts) => `{${parts.map(hex).join(", ")}},`).join("\n")}
};

const uint32_t unicode_punctuation_count = ${punctuation.length};

const struct unicode_stretch unicode_punctuation[${punctuation.length}] = {
${punctuation.map(({ first, count }) => `{${hex(first)}, ${count}},`).join("\n")}
};
`;
if (sequences.flat().some((code) => code > 0xffff)) {
  text = text.replace(
    "const uint16_t unicode_fold_sequences",
    "const uint32_t unicode_fold_sequences",
  );
}
const formatted = spawnSync("clang-format", [`--assume-filename=${target}`], { input: text });
if (formatted.status !== 0) throw new Error("clang-format failed or is missing");
text = formatted.stdout.toString();
if (check) {
  if (readFileSync(target, "utf8") !== text) {
    console.error("core/text/unicode_folding.c is not what the database gives: run the script");
    process.exit(1);
  }
} else {
  writeFileSync(target, text);
}
