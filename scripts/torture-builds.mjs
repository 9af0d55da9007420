// torture-builds.mjs - does a build depend on the folder that it is made in, or on what was there before? The files of the last commit
// are built from nothing in two folders with names of different lengths, and every file of the package and of the page is compared,
// and so is the package as npm packs it.
//
// Dependencies and compilers are those of this checkout: what they are is the business of setup.mjs. (Dependencies are copied, as parts of the
// page are named by where their sources lie.) So is the packed model: that
// packing gives the same bytes each time is what tests/wasm/packer.test.mjs and tests/packer/test_pack.c say.

import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { buildNative, buildWasm, packModel } from "./build.mjs";
import { modelFile, root, wasmBuild } from "./paths.mjs";
import { runCommand } from "./steps.mjs";

const FOLDERS = ["a", "a-folder-with-a-longer-name/and/deeper"];
/** What is shipped: the package's own, and the page. */
const SHIPPED = ["dist", "build/site"];
/** Where npm puts the package. */
const PACKED = "build/package";
/** Nothing that another build has compiled is taken for this one's work. */
const env = {
  CCACHE_DISABLE: "1",
  CMAKE_C_COMPILER_LAUNCHER: undefined,
  CMAKE_CXX_COMPILER_LAUNCHER: undefined,
};

/** By name, the bytes of each file under these places of a folder. */
export function readShipped(folder, places) {
  const files = new Map();
  for (const place of places)
    for (const entry of readdirSync(join(folder, place), { recursive: true, withFileTypes: true }))
      if (entry.isFile()) {
        const file = join(entry.parentPath ?? entry.path, entry.name);
        files.set(relative(folder, file), readFileSync(file));
      }
  return files;
}

/** The commit's files in a new folder, built and packed; what is shipped. */
async function buildIn(folder, commit, { scale, report }) {
  mkdirSync(folder, { recursive: true });
  const archive = execFileSync("git", ["archive", commit], { cwd: root, maxBuffer: 1 << 30 });
  execFileSync("tar", ["-x", "-C", folder], { input: archive });
  execFileSync("cp", ["-a", join(root, "node_modules"), folder]);
  const compilers = join(root, ".toolchain");
  if (existsSync(compilers)) symlinkSync(compilers, join(folder, ".toolchain"));
  copyFileSync(modelFile, join(folder, relative(root, modelFile)));
  const parts = scale === "full" ? ["wasm", "web"] : ["web"];
  if (scale !== "full") {
    const modules = join(folder, relative(root, wasmBuild));
    mkdirSync(modules, { recursive: true });
    for (const name of readdirSync(wasmBuild).filter((one) => /^tercet-.*\.(mjs|wasm)$/.test(one)))
      cpSync(join(wasmBuild, name), join(modules, name));
  }
  await runCommand(process.execPath, ["scripts/build.mjs", ...parts], {
    ...{ cwd: folder, env, onLine: report },
    failure: `the build in ${folder} failed`,
  });
  mkdirSync(join(folder, PACKED), { recursive: true });
  await runCommand("npm", ["pack", "--pack-destination", PACKED], {
    ...{ cwd: folder, env, onLine: report },
    failure: `npm pack in ${folder} failed`,
  });
  return readShipped(folder, [...SHIPPED, PACKED]);
}

/** A sentence for each file that is not the same in both. */
export function differences(first, second) {
  return [...new Set([...first.keys(), ...second.keys()])].flatMap((name) => {
    const [one, other] = [first.get(name), second.get(name)];
    if (one === undefined || other === undefined) return [`${name} is in one build alone`];
    return one.equals(other) ? [] : [`${name} has other bytes`];
  });
}

async function buildTwice(commit, options) {
  const place = mkdtempSync(join(tmpdir(), "tercet-builds-"));
  try {
    const builds = [];
    for (const folder of FOLDERS) builds.push(await buildIn(join(place, folder), commit, options));
    const found = differences(...builds);
    const names = [...builds[0].keys()];
    for (const wanted of [/^dist\/index\.js$/, /^dist\/.*\.wasm$/, /^build\/package\/.*\.tgz$/])
      if (!names.some((name) => wanted.test(name))) found.push(`nothing is named ${wanted}`);
    const bytes = [...builds[0].values()].reduce((sum, one) => sum + one.length, 0);
    const note = `${(bytes / 1e6).toFixed(1)} MB of commit ${commit.slice(0, 7)}`;
    return { ran: builds[0].size, found, notes: [note] };
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

export const builds = {
  name: "builds",
  what: "the last commit built twice from nothing, in folders of other names",
  unit: "files",
  prepare: async ({ scale, report }) => {
    if (scale !== "full") await buildWasm(report);
    if (!existsSync(modelFile)) {
      await buildNative(report);
      await packModel(report);
    }
    const git = ["rev-parse", "HEAD"];
    const commit = execFileSync("git", git, { cwd: root, encoding: "utf8" }).trim();
    return {
      key: commit,
      cases: [{ id: "twice", run: (say) => buildTwice(commit, { scale, report: say }) }],
    };
  },
};
