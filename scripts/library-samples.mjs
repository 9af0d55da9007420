// library-samples.mjs - the code samples of the library's pages, found by how they are fenced: "```js run=page" for Chromium with
// a model at /models/story.tercet, "run=chat" with one that answers at /models/chat.tercet, "run=node" for a script,
// "rival=NAME@VERSION" for code of another library, "policy" for a page's policy (tests/package/whole_session.test.mjs runs it), "worker"
// and "worker-page" for a service worker and its page (tests/web/openai_clients.test.mjs runs them), "other" for what is not to be run.

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { root } from "./paths.mjs";

/** { name, text } of the README, which is what npm shows, and of every page about the library. */
export function libraryPages() {
  const folder = readdirSync(join(root, "docs", "library")).filter((name) => name.endsWith(".md"));
  const pages = [...folder.map((name) => `library/${name}`), "chat.md", "grammars.md"];
  return ["README.md", ...pages.map((name) => `docs/${name}`)].map((name) => ({
    name,
    text: readFileSync(join(root, name), "utf8"),
  }));
}

/** { page, line, kind, code } of every block that is fenced as js or ts. */
export function librarySamples() {
  return libraryPages().flatMap(({ name, text }) =>
    [...text.matchAll(/^```(?:js|ts|javascript|typescript)(?![a-z])([^\n]*)\n([^]*?)^```$/gm)].map(
      (found) => ({
        page: name,
        line: text.slice(0, found.index).split("\n").length,
        kind: found[1].trim(),
        code: found[2],
      }),
    ),
  );
}
