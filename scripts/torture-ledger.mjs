// torture-ledger.mjs - what a torture has found so far, one line a case, in a file: a run of hours that is interrupted goes on
// after the last finished case. It knows nothing of what is tortured; a ledger of other code or other sizes is begun anew.

import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { dirname, join, relative } from "node:path";
import { listFiles } from "./fingerprint.mjs";
import { root } from "./paths.mjs";

/** A name for the content of these files and folders of the repository. */
export function contentHash(paths) {
  const hash = createHash("sha256");
  for (const file of paths.flatMap((path) => listFiles(join(root, path))))
    hash.update(`${relative(root, file)} `).update(readFileSync(file));
  return hash.digest("hex");
}

export class Ledger {
  #path;
  #outcomes = new Map();

  /** `key`: of what is tortured and how. `fresh`: forget what is there. */
  constructor(path, key, { fresh = false } = {}) {
    this.#path = path;
    const [head, ...lines] = existsSync(path) && !fresh ? readLines(path) : [];
    if (head?.key === key) for (const { id, outcome } of lines) this.#outcomes.set(id, outcome);
    else {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, `${JSON.stringify({ key })}\n`);
    }
  }

  /** undefined when that case has not run. */
  outcome(id) {
    return this.#outcomes.get(id);
  }

  write(id, outcome) {
    this.#outcomes.set(id, outcome);
    appendFileSync(this.#path, `${JSON.stringify({ id, outcome })}\n`);
  }
}

/** A last line that is not whole was being written when the run ended. */
function readLines(path) {
  return readFileSync(path, "utf8")
    .split("\n")
    .flatMap((line) => {
      try {
        return [JSON.parse(line)];
      } catch {
        return [];
      }
    });
}
