// torture-checks.mjs - what needs no greater size than it has in `npm test`, as rows: failures of the system natively, what the modules
// import, what the package holds, the page and the library under a strict policy; and the count of what no test reaches.

import { execFile } from "node:child_process";
import { join } from "node:path";
import { prepareBrowser } from "../bench/browser.mjs";
import { buildTests } from "./build.mjs";
import { nativeBuild, root } from "./paths.mjs";
import { contentHash } from "./torture-ledger.mjs";

const SOURCES = ["core", "native", "packer", "wasm", "web", "tests", "scripts", "package.json"];

/** C tests, by the name that ctest has. */
const PROGRAMS = [
  "torture/test_resource_failures",
  "packer/test_pack_failures",
  "packer/test_container_writer",
];
const SCRIPTS = [
  "tests/wasm/imports.test.mjs",
  "tests/package/tarball.test.mjs",
  "tests/package/whole_session.test.mjs",
  "tests/page/site.test.mjs",
];

/** One check: { ran, found }. */
const check = (name, program, args, options) =>
  new Promise((resolve) => {
    execFile(program, args, { ...options, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      const failed = error && `${error.signal ?? `exit code ${error.code}`}`;
      const text = `${stdout}\n${stderr}`.trim().slice(-600);
      resolve({ ran: 1, found: failed ? [`${name}: ${failed}: ${text}`] : [] });
    });
  });

export const checks = {
  name: "checks",
  what: "the system fails natively; imports, package, strict policy, as in npm test",
  unit: "programs",
  prepare: async ({ report }) => {
    const programs = PROGRAMS.map((name) => name.replaceAll("/", "-"));
    await prepareBrowser(["native", "model", "wasm", "web"]);
    await buildTests(report, programs);
    const native = programs.map((name) => ({
      id: name,
      run: () => check(name, join(nativeBuild, "tests", name), [], { cwd: join(root, "tests") }),
    }));
    const scripts = SCRIPTS.map((file) => ({
      id: file,
      run: () => check(file, process.execPath, ["--test", file], { cwd: root }),
    }));
    return { key: contentHash(SOURCES), cases: [...native, ...scripts] };
  },
};

export const coverage = {
  name: "coverage",
  what: "lines of the readers and branches of the core that no test reaches: above their bounds",
  unit: "counts",
  prepare: async ({ scale }) => {
    const args = ["scripts/coverage.mjs", ...(scale === "full" ? [] : ["--quick"])];
    return {
      key: contentHash(SOURCES),
      cases: [{ id: "all", run: () => check("coverage", process.execPath, args, { cwd: root }) }],
    };
  },
};
