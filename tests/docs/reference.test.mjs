// reference.test.mjs - `npm run docs` makes a reference with a page for everything that the library exports, and without a
// warning: links in comments lead somewhere.

import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { buildReference } from "../../scripts/docs.mjs";
import { dist } from "../web/library_under_test.mjs";

test("the reference describes what the library exports", { timeout: 300_000 }, async () => {
  const folder = await buildReference();
  assert.ok(existsSync(join(folder, "index.html")));
  const described = new Set(
    ["classes", "functions", "interfaces", "types", "variables"].flatMap((kind) =>
      readdirSync(join(folder, kind)).map((name) => name.replace(/\.html$/, "")),
    ),
  );
  const types = readFileSync(join(dist, "types.d.ts"), "utf8");
  const exported = [...types.matchAll(/^export (?:interface|type) (\w+)/gm)].map(
    ([, name]) => name,
  );
  assert.ok(exported.length > 20);
  for (const name of [...exported, "load", "cache", "features", "Model", "TercetError"])
    assert.ok(described.has(name), name);
  assert.match(readFileSync(join(folder, "interfaces", "LoadOptions.html"), "utf8"), /integrity/);
});
