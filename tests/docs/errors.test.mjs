// errors.test.mjs - the table of errors: it is the library's own, each sentence says what happened and what to do, and each code is
// one that a test brings about.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { test } from "node:test";
import { errorPage, renderErrorTable } from "../../scripts/error-table.mjs";
import { listFiles } from "../../scripts/fingerprint.mjs";
import { root } from "../../scripts/paths.mjs";

const page = readFileSync(errorPage, "utf8");
/** { code, sentence, advice, ofPage } of every row. */
const rows = page
  .split(/^## /m)
  .slice(1)
  .flatMap((section) =>
    [...section.matchAll(/^\| `(\w+)` \| (.*) \| (.*) \|$/gm)].map(
      ([, code, sentence, advice]) => ({
        code,
        sentence,
        advice,
        ofPage: section.startsWith("Of the page"),
      }),
    ),
  );

test("the table of errors is the library's own", async () => {
  assert.ok(page === (await renderErrorTable()), "run npm run docs");
  assert.ok(rows.length > 30);
});

test("each sentence says what happened, then what to do", () => {
  for (const { code, sentence, advice } of rows) {
    assert.ok(advice.length > 10, code);
    // Who stopped something knows what to do.
    if (code === "ABORTED") continue;
    assert.match(sentence, /^[^:]{10,}: [a-z].{6,}$/, code);
    assert.ok(sentence.length < 110, `${code}: ${sentence.length} letters`);
  }
});

test("each code is one that a test brings about", () => {
  const texts = listFiles(join(root, "tests"))
    .filter((file) => /\.(mjs|c|h)$/.test(file))
    .map((file) => ({ name: relative(root, file), text: readFileSync(file, "utf8") }))
    // These speak of codes without an error.
    .filter(({ name }) => !/^tests\/(docs\/|web\/features\.test)/.test(name));
  const untested = rows.filter(({ code, ofPage }) => {
    const inPage = new RegExp(`["\`' ]${code}["\`':]`);
    const inCore = new RegExp(`\\bTERCET_${code}\\b`);
    return !texts.some(
      ({ name, text }) =>
        (name.endsWith(".mjs") && inPage.test(text)) || (!ofPage && inCore.test(text)),
    );
  });
  assert.deepEqual(
    untested.map(({ code }) => code),
    [],
  );
});
