// docs.mjs - `npm run docs`: writes the table of errors, docs/library/errors.md, and makes the API reference,
// build/docs/api/index.html, from the types of the library.
//
// TypeDoc comes from docs/tools, installed apart on first use: it reads the sources with a TypeScript older than the one that
// compiles them. A warning, such as a type that is used and not described, is an error.

import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errorPage, renderErrorTable } from "./error-table.mjs";
import { Stamp, fingerprint } from "./fingerprint.mjs";
import { root } from "./paths.mjs";
import { isProgram, reportFailure, runCommand } from "./steps.mjs";

const tools = join(root, "docs", "tools");

/** @returns {Promise<string>} the folder of the reference */
export async function buildReference({ report = () => {} } = {}) {
  const typedoc = join(tools, "node_modules", "typedoc", "bin", "typedoc");
  const stamp = new Stamp(join(tools, "node_modules", "tercet-tools.json"));
  const wanted = fingerprint([join(tools, "package-lock.json")]);
  if (!existsSync(typedoc) || !stamp.matches(wanted)) {
    report("npm ci in docs/tools");
    const cli = process.env.npm_execpath;
    const [command, first] = cli?.endsWith(".js") ? [process.execPath, [cli]] : ["npm", []];
    await runCommand(command, [...first, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
      cwd: tools,
      failure: "the tools for the reference could not be installed: is your npm registry in reach?",
    });
    stamp.write(wanted);
  }
  report("typedoc");
  await runCommand(process.execPath, [typedoc, "--options", join(tools, "typedoc.json")], {
    cwd: root,
    failure: "TypeDoc found something undescribed or broken",
  });
  return join(root, "build", "docs", "api");
}

if (isProgram(import.meta)) {
  writeFileSync(errorPage, await renderErrorTable());
  await buildReference({ report: (line) => console.log(line) })
    .then((folder) => console.log(`${folder}/index.html`))
    .catch(reportFailure);
}
