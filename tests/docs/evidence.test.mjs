// evidence.test.mjs - the table of what the library promises: the test of each sentence is there, runs, and runs where the table says.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../../scripts/paths.mjs";

const page = readFileSync(join(root, "docs/library/evidence.md"), "utf8");
const rows = [...page.matchAll(/^\| (.+) \| (\w+) \| `(tests\/\S+)` \| (.+) \|$/gm)].map(
  ([, sentence, where, file, name]) => ({ sentence, where, file, name }),
);
const sources = new Map();
function sourceOf(file) {
  if (!sources.has(file)) sources.set(file, readFileSync(join(root, file), "utf8"));
  return sources.get(file);
}

/** What a file has that runs there. */
const PLACES = {
  Chromium:
    /launch(Browser|Profile)\(|"\.\/(one_page|generate_under_test|gguf_under_test|visits)\.mjs"/,
  Firefox: /puppeteer-core/,
  Node: /from "node:test"/,
  package: /^/,
};

test("every line of the tables is read, each sentence once", () => {
  const lines = page.split("\n").filter((line) => line.includes("`tests/"));
  const prose = lines.filter((line) => !line.startsWith("|"));
  assert.equal(rows.length, lines.length - prose.length);
  assert.ok(rows.length > 70, `${rows.length} rows`);
  assert.equal(new Set(rows.map(({ sentence }) => sentence)).size, rows.length);
});

test("each has its test, which is neither skipped nor a comment", () => {
  for (const { sentence, file, name } of rows) {
    const title = name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    // The options that follow may be the limit alone: `skip` and `todo` are not; one that runs in several places says where behind its name.
    assert.match(
      sourceOf(file),
      new RegExp(
        `^ *test\\(\\s*(["'\`])${title}(, \\$\\{name\\})?\\1,\\s*(limit,|\\{ timeout: [\\d_]+ \\},)?\\s*(async )?(\\(|\\w+ =>)`,
        "m",
      ),
      `${sentence}: ${file} has no such test`,
    );
  }
});

test("each runs where the table says", () => {
  for (const { sentence, where, file } of rows) {
    assert.ok(where in PLACES, `${sentence}: ${where}`);
    assert.match(sourceOf(file), PLACES[where], `${sentence}: ${file}`);
  }
});
