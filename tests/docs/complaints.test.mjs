// complaints.test.mjs - the table of other libraries' complaints: each has a test in a real browser, of its name, that runs.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../../scripts/paths.mjs";

const COMPLAINTS = [
  "one interrupted download breaks the cache for good",
  '"100 %" shown with shards missing',
  "abort that only rejects the promise",
  "engine stuck after stop",
  "dead worker hangs callers",
  "quota exceeded in private windows",
  "two tabs, two copies",
  "out-of-memory reload loops",
  "bundler breaks worker URL",
  "tokenizer calls missing",
  "no cancel of a load",
  "default of half the cores",
];

const page = readFileSync(join(root, "docs/library/complaints.md"), "utf8");
const rows = [...page.matchAll(/^\| (.+) \| (.+) \| `(tests\/.+)` \| (.+) \|$/gm)].map(
  ([, complaint, prevention, file, name]) => ({ complaint, prevention, file, name }),
);

test("every complaint is in the table, and nothing else is", () => {
  assert.deepEqual(new Set(rows.map(({ complaint }) => complaint)), new Set(COMPLAINTS));
});

test("each has a test of its name, in a browser", () => {
  for (const { complaint, prevention, file, name } of rows) {
    assert.ok(prevention.length > 5, complaint);
    assert.ok(name.startsWith(`${complaint}? No: `), name);
    const text = readFileSync(join(root, file), "utf8");
    const title = name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    // The title of a test that is neither skipped nor a comment; one that runs in several places says where behind it.
    assert.match(
      text,
      new RegExp(`^ *test\\(\\s*(["'\`])${title}(, \\$\\{name\\})?\\1,\\s*limit,`, "m"),
      name,
    );
    assert.match(text, /launchBrowser\(|"\.\/(one_page|generate_under_test)\.mjs"/, file);
  }
});
