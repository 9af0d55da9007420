// library_pages.mjs - the code samples of the library's pages, found by how they are fenced: "```js run=page" for Chromium with
// a model at /models/story.tercet, "run=chat" with one that answers at /models/chat.tercet, "run=node" for a script, "other" for
// what is another library's or is not to be run.

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../scripts/paths.mjs";

const folder = join(root, "docs", "library");
const pages = readdirSync(folder)
  .filter((name) => name.endsWith(".md"))
  .map((name) => ({
    name: `docs/library/${name}`,
    text: readFileSync(join(folder, name), "utf8"),
  }));

/** { page, line, kind, code } of every block that is fenced as js or ts. */
export const samples = pages.flatMap(({ name, text }) =>
  [...text.matchAll(/^```(?:js|ts|javascript|typescript)([^\n]*)\n([^]*?)^```$/gm)].map(
    (found) => ({
      page: name,
      line: text.slice(0, found.index).split("\n").length,
      kind: found[1].trim(),
      code: found[2],
    }),
  ),
);

/** { page, target } of every link within the checkout. */
export const links = pages.flatMap(({ name, text }) =>
  [...text.matchAll(/\]\((?!https?:)([^)#]*)(#[^)]*)?\)/g)].map(([, target, anchor]) => ({
    page: name,
    target,
    anchor,
  })),
);
