// unicode_lookup.test.mjs - every character's class, punctuation and folding, against the Unicode Character Database.
//
// The database comes with Debian's unicode-data, which only development needs; without it the test is skipped. It reads the
// files by itself: a fault of the tables' generator must not show here too. It must never ask the JavaScript engine, which
// follows another version of Unicode.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { nativeBuild } from "../../../scripts/paths.mjs";

const program = join(process.env.TERCET_NATIVE_BUILD ?? nativeBuild, "tests", "print_characters");
const database = "/usr/share/unicode/UnicodeData.txt";
const skip = existsSync(database) ? false : "Debian's package unicode-data is not installed";

test("classes and folding of all characters", { skip }, () => {
  const of = new Map();
  let blockStart = 0;
  for (const line of readFileSync(database, "utf8").split("\n")) {
    const [number, name, category, , , parts, ...rest] = line.split(";");
    if (name === undefined) continue;
    const code = Number.parseInt(number, 16);
    if (name.endsWith("First>")) blockStart = code;
    const first = name.endsWith("Last>") ? blockStart : code;
    const canonical = parts !== "" && !parts.startsWith("<") ? parts.split(" ") : undefined;
    for (let at = first; at <= code; at++)
      of.set(at, { category, parts: canonical, lower: rest[7] });
  }
  const spaces = [0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000, 0x20, 0x85, 0xa0];
  const isSpace = (code) =>
    (code >= 9 && code <= 13) || (code >= 0x2000 && code <= 0x200a) || spaces.includes(code);
  const classOf = (code) =>
    isSpace(code) ? 3 : ({ L: 1, N: 2 }[of.get(code)?.category[0] ?? "C"] ?? 0);
  const isSign = (code) =>
    code > 0x20 && code < 0x7f && /[^0-9A-Za-z]/.test(String.fromCharCode(code));
  const isPunctuation = (code) => isSign(code) || of.get(code)?.category[0] === "P";
  const hex = (code) => code.toString(16).toUpperCase();
  /** Hangul by its formula, all else by the database. */
  function fold(code) {
    const { category, parts, lower } = of.get(code) ?? { category: "Cn", lower: "" };
    if (["Cc", "Cf", "Co", "Mn"].includes(category)) return [];
    if (code >= 0xac00 && code <= 0xd7a3) {
      const index = code - 0xac00;
      const trailing = index % 28;
      const vowel = 0x1161 + (Math.floor(index / 28) % 21);
      const syllable = [0x1100 + Math.floor(index / 588), vowel];
      return trailing === 0 ? syllable : [...syllable, 0x11a7 + trailing];
    }
    if (parts) return parts.flatMap((part) => fold(Number.parseInt(part, 16)));
    return [lower === "" ? code : Number.parseInt(lower, 16)];
  }
  const { status, stdout } = spawnSync(program, { encoding: "utf8", maxBuffer: 1 << 28 });
  assert.equal(status, 0);
  const lines = stdout.split("\n").slice(0, -1);
  assert.equal(lines.length, 0x110000);
  const wrong = lines.findIndex(
    (line, code) =>
      line !==
      [hex(code), classOf(code), Number(isPunctuation(code)), ...fold(code).map(hex)].join(" "),
  );
  assert.equal(wrong, -1, `U+${hex(Math.max(wrong, 0))} gives ${lines[wrong]}`);
});
