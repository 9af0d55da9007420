// format.mjs - one formatter per language, over every file that people write.
//
//   node scripts/format.mjs [--check | --write]     without a mode it checks: nothing is written unasked
//
// C by clang-format 14 (another version formats differently), TypeScript, JavaScript, JSON, CSS
// and HTML by prettier, shell by shfmt. It must never touch what is generated or golden.

import { extname, join, relative } from "node:path";
import { listFiles } from "./fingerprint.mjs";
import { StepError, isProgram, reportFailure, runCommand } from "./steps.mjs";
import { root } from "./paths.mjs";

/** Folders whose bytes are the point: no formatter may touch them. */
const untouched = ["models/", "tests/golden/", "tests/fuzz/corpus/"];

const isShell = (file) => extname(file) === ".sh" || file === ".ci/run";

function writtenFiles() {
  return listFiles(root)
    .map((file) => relative(root, file))
    .filter((file) => !untouched.some((folder) => file.startsWith(folder)));
}

/** Everything in one call for each formatter: starting one costs more than its work. */
export async function format({ write, report = () => {} }) {
  const files = writtenFiles();
  const c = files.filter((file) => [".c", ".h", ".inc"].includes(extname(file)));
  const shell = files.filter(isShell);
  const failures = [];
  const attempt = async (name, command, args) => {
    report(name);
    try {
      await runCommand(command, args, { cwd: root, failure: `${name} finds files to format` });
    } catch (error) {
      if (!(error instanceof StepError)) throw error;
      failures.push(error);
    }
  };
  await attempt(
    "clang-format",
    "clang-format-14",
    write ? ["-i", ...c] : ["--dry-run", "-Werror", ...c],
  );
  await attempt("prettier", process.execPath, [
    join(root, "node_modules", "prettier", "bin", "prettier.cjs"),
    write ? "--write" : "--check",
    "--log-level=warn",
    // Files that it found right are not read again until they change.
    "--cache",
    "--cache-strategy=content",
    `--cache-location=${join(root, "build", "prettier-cache.json")}`,
    "**/*.{ts,tsx,mts,js,mjs,json,css,html}",
    ".prettierrc.json",
  ]);
  await attempt("shfmt", "shfmt", [write ? "-w" : "-d", ...shell]);
  if (failures.length > 0) {
    throw new StepError(
      `${failures.map((error) => error.message).join("; ")}. \`npm run format\` formats them.`,
      {
        output: failures.map((error) => error.output).join("\n"),
      },
    );
  }
  return `${files.length} files looked at`;
}

if (isProgram(import.meta)) {
  const mode = process.argv[2] ?? "--check";
  if (mode !== "--check" && mode !== "--write") {
    process.stderr.write("usage: node scripts/format.mjs [--check | --write]\n");
    process.exitCode = 2;
  } else {
    await format({ write: mode === "--write" }).catch(reportFailure);
  }
}
