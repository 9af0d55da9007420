// fingerprint.mjs - tells whether something that was made from files is still up to date.
//
// Why it exists: steps that no build tool watches (packing a model, bundling the page) must be
// skipped when nothing changed, in milliseconds, and never when something did. A stamp is written
// after success only.

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

/** Folders that are made, fetched or not ours; no script looks into them. */
const ignored = new Set([".git", "node_modules", "build", "dist", ".toolchain"]);

/**
 * All files under a folder, sorted; a file gives itself, a missing path nothing.
 * @param {string} path
 * @returns {string[]}
 */
export function listFiles(path) {
  const info = statSync(path, { throwIfNoEntry: false });
  if (!info) return [];
  if (!info.isDirectory()) return [path];
  const found = [];
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (ignored.has(entry.name)) continue;
    const child = join(path, entry.name);
    if (entry.isDirectory()) found.push(...listFiles(child));
    else if (entry.isFile()) found.push(child);
  }
  return found.sort();
}

/**
 * One hash over names, sizes and times of change of files. A changed time without a changed
 * content only costs a repetition; the other way round needs somebody who sets times back.
 * @param {string[]} paths files and folders
 * @param {string} [extra] whatever else the result depends on
 */
export function fingerprint(paths, extra = "") {
  const hash = createHash("sha256").update(extra);
  for (const path of paths) {
    hash.update(`\n<${path}>`);
    for (const file of listFiles(path)) {
      const info = statSync(file, { bigint: true });
      hash.update(`\n${relative(path, file)} ${info.size} ${info.mtimeNs}`);
    }
  }
  return hash.digest("hex");
}

/** A file that holds the fingerprint of the last success. */
export class Stamp {
  constructor(path) {
    this.path = path;
  }
  matches(value) {
    try {
      return readFileSync(this.path, "utf8") === value;
    } catch {
      return false;
    }
  }
  write(value) {
    mkdirSync(dirname(this.path), { recursive: true });
    writeFileSync(this.path, value);
  }
  clear() {
    rmSync(this.path, { force: true });
  }
}
