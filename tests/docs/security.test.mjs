// security.test.mjs - SECURITY.md names tests as evidence: each must be there, under that name, and each link inside the repository
// must lead somewhere. A page that promises what nothing shows any longer would be worse than none.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../../scripts/paths.mjs";

const read = (path) => readFileSync(join(root, path), "utf8");
const page = read("SECURITY.md");

/** Advisories that the table must have. */
const ADVISORIES = [
  ...["CVE-2024-21802", "CVE-2024-23605", "CVE-2025-49847", "CVE-2025-52566", "CVE-2025-53630"],
  ...["CVE-2026-27940", "CVE-2026-33298", "CVE-2026-21869", "CVE-2026-43629", "CVE-2026-7482"],
  "CVE-2024-34359",
];

/** { file, names } of each file in backquotes, with the functions and titles that follow it up to the next one. */
function evidence(text) {
  const parts = text.split(/`((?:tests|scripts|core)\/[\w./]+)`/);
  return parts.slice(1).flatMap((file, index) => {
    if (index % 2 === 1) return [];
    const rest = parts[index + 2].split(/[|\n]/)[0];
    const functions = [...rest.matchAll(/`(\w+)`/g)].map(([, name]) => name);
    const titles = [...rest.matchAll(/"([^"]+)"/g)].map(([, title]) => title);
    return [{ file, functions, titles }];
  });
}

test("every file, function and title that SECURITY.md names is there", () => {
  const named = evidence(page);
  assert.ok(named.length >= 30, `${named.length} files`);
  assert.ok(named.flatMap(({ functions, titles }) => [...functions, ...titles]).length >= 20);
  const missing = [];
  for (const { file, functions, titles } of named) {
    if (!existsSync(join(root, file))) {
      missing.push(file);
      continue;
    }
    const source = read(file);
    for (const name of functions)
      // Defined, and called by main.
      if (
        !new RegExp(`^static void ${name}\\(`, "m").test(source) ||
        !source.includes(`    ${name}(`)
      )
        missing.push(`${file}: ${name}`);
    for (const title of titles)
      if (!new RegExp(`test\\(\\s*"${title.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}"`).test(source))
        missing.push(`${file}: "${title}"`);
  }
  assert.deepEqual(missing, []);
});

test("each advisory has a row with what prevents it and a test", () => {
  const rows = page
    .split("\n")
    .filter((line) => /^\| .*(CVE-|llama\.cpp|wllama|no number)/.test(line));
  for (const advisory of ADVISORIES) {
    const row = rows.find((line) => line.includes(`[${advisory}]`));
    assert.ok(row, advisory);
    const cells = row.split(" | ");
    assert.equal(cells.length, 4, advisory);
    assert.ok(cells[2].length > 20, advisory);
    assert.match(cells[3], /`tests\//, advisory);
  }
  for (const row of rows) assert.match(row.split(" | ").at(-1), /`tests\//, row);
});

test("links and commands of SECURITY.md lead somewhere", () => {
  const links = [...page.matchAll(/\]\((?!https:)([^)]+)\)/g)].map(([, link]) => link);
  assert.ok(links.length >= 3);
  for (const link of links) assert.ok(existsSync(join(root, link)), link);
  const { scripts } = JSON.parse(read("package.json"));
  const commands = [...page.matchAll(/npm run (\w+)/g)].map(([, name]) => name);
  assert.ok(commands.includes("torture") && commands.includes("fuzz"));
  for (const name of commands) assert.ok(scripts[name], name);
});
