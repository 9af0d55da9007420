// check-package.mjs - what npm runs before it packs: refuses to make a package without the library in it. dist/ is built and not
// kept in the repository, and npm would pack the rest without a word.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./paths.mjs";
import { StepError, isProgram, reportFailure } from "./steps.mjs";

/**
 * The places that package.json of `folder` names in `exports` and that are not there.
 * @param {string} folder
 * @returns {string[]}
 */
export function missingFiles(folder) {
  const { exports } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const places = new Set();
  const collect = (value) =>
    typeof value === "string"
      ? places.add(value.replace(/\*$/, ""))
      : Object.values(value).forEach(collect);
  collect(exports);
  return [...places].filter((place) => !existsSync(join(folder, place)));
}

if (isProgram(import.meta)) {
  const missing = missingFiles(root);
  if (missing.length > 0)
    reportFailure(
      new StepError(
        `the library is not built (${missing[0]} is missing): run \`npm run setup\`, then \`npm run build\``,
      ),
    );
}
