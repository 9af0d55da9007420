// error-table.mjs - renders docs/library/errors.md from the table that the library itself speaks from (web/src/user_messages.ts).
// `npm run docs` does it (docs.mjs), and a test compares.

import { join } from "node:path";
import { build } from "esbuild";
import { root } from "./paths.mjs";

export const errorPage = join(root, "docs", "library", "errors.md");

/** What a page can do, by advice. */
const ADVICE = {
  retry: "try the same again, nothing was lost",
  "free-space": "free memory or storage, then try again",
  reload: "load the model, or the page, again",
  redownload: "the file is damaged: fetch or pack it again",
  unsupported: "this browser or this version cannot do it: offer something else",
  "fix-input": "what was passed cannot work: change it",
};

/** Not errors, but answers of the core; they never reach who calls the library. */
const SILENT = ["OK", "END_OF_TEXT", "FEWER_THREADS", "NEED_BYTES", "CANCELLED"];

/** The table of the library, by its own code. */
async function readMessages() {
  const { outputFiles } = await build({
    stdin: {
      contents: `export * from "./user_messages.js"; export { STATUS_TEXT } from "./generated_constants.js";
        export { HOST_MESSAGES } from "./user_messages.js";`,
      resolveDir: join(root, "web", "src"),
    },
    bundle: true,
    format: "esm",
    write: false,
    logLevel: "error",
  });
  const source = Buffer.from(outputFiles[0].contents).toString("base64");
  return import(`data:text/javascript;base64,${source}`);
}

/** Every code that a user of the library can meet, those of the page first. */
export async function errorCodes() {
  const { HOST_MESSAGES, STATUS_TEXT } = await readMessages();
  return [
    ...Object.keys(HOST_MESSAGES),
    ...Object.keys(STATUS_TEXT).filter((code) => !SILENT.includes(code)),
  ];
}

export async function renderErrorTable() {
  const { HOST_MESSAGES, STATUS_TEXT, adviceFor, userMessage } = await readMessages();
  const row = (code) => `| \`${code}\` | ${userMessage(code)} | ${ADVICE[adviceFor(code)]} |`;
  const table = (codes) =>
    ["| code | sentence | what to do |", "|---|---|---|", ...codes.map(row)].join("\n");
  return `# Errors

<!-- Written by scripts/error-table.mjs; change the sentences in web/src/user_messages.ts. -->

Everything that the library throws or rejects with is a \`TercetError\`: \`code\` is stable, \`message\` is a sentence for people,
\`detail\` says what exactly failed (an address, a chunk, a byte), \`where\` is the byte, token or chunk of that, and \`advice\` is
one of ${Object.keys(ADVICE)
    .map((name) => `\`${name}\``)
    .join(", ")}.

\`\`\`js run=page
import { load, TercetError } from "tercet";

try {
  await load("/models/nothing-here.tercet");
} catch (error) {
  if (!(error instanceof TercetError)) throw error;
  console.log(error.code, error.advice, error.message); // HTTP_STATUS fix-input the server refused the file: …
}
\`\`\`

## Of the page

${table(Object.keys(HOST_MESSAGES))}

## Of the engine

The command line has the same codes.

${table(Object.keys(STATUS_TEXT).filter((code) => !SILENT.includes(code)))}
`;
}
