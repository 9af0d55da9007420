// rival-samples.mjs - `npm run docs:rivals`: fetches the libraries that docs/library/coming-from.md shows code of, in the versions
// that stand beside it, and has the compiler read that code with their types. Their packages come by npm, are never run, and lie in
// build/rivals/; tests read the code again where they are there (tests/docs/rivals.test.mjs).

import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { librarySamples } from "./library-samples.mjs";
import { root } from "./paths.mjs";
import { Steps, StepError, isProgram, reportFailure, runCommand } from "./steps.mjs";

const run = promisify(execFile);
const folder = join(root, "build", "rivals");
const installed = (name) => join(folder, "node_modules", name);

/** { name, version, page, line, code } of every sample of another library. */
export const rivalSamples = librarySamples().flatMap((sample) => {
  const [, name, version] = /^rival=(@?[\w./-]+)@(\d+\.\d+\.\d+)$/.exec(sample.kind) ?? [];
  return name ? [{ ...sample, name, version }] : [];
});

/** Whether the package of a sample is there in that version. */
export function isFetched({ name, version }) {
  const manifest = join(installed(name), "package.json");
  return existsSync(manifest) && JSON.parse(readFileSync(manifest, "utf8")).version === version;
}

/** Its files alone: no dependency, no script. */
async function fetchRival({ name, version }) {
  rmSync(installed(name), { recursive: true, force: true });
  mkdirSync(installed(name), { recursive: true });
  const args = ["pack", "--json", "--silent", "--pack-destination", folder, `${name}@${version}`];
  const { output } = await runCommand("npm", args, { failure: `npm could not fetch ${name}` });
  const { filename } = JSON.parse(output)[0];
  const tarball = join(folder, filename);
  const unpack = ["xzf", tarball, "-C", installed(name), "--strip-components=1"];
  await runCommand("tar", unpack, { failure: `${filename} could not be unpacked` });
  rmSync(tarball);
}

/** What the compiler says of a sample; "" when it has nothing to say. */
export async function complaints({ name, code }) {
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  const file = `sample${name.replace(/\W+/g, "-")}.ts`;
  writeFileSync(join(folder, file), code);
  const flags = [
    "--ignoreConfig",
    "--noEmit",
    "--strict",
    "--skipLibCheck",
    "--target",
    "es2022",
    "--types",
    "",
  ];
  const page = ["--lib", "es2022,dom,dom.iterable", "--module", "esnext"];
  const args = [...flags, ...page, "--moduleResolution", "bundler", file];
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  return run(process.execPath, [compiler, ...args], { cwd: folder }).then(
    () => "",
    ({ stdout, message }) => stdout || message,
  );
}

if (isProgram(import.meta)) {
  const steps = new Steps(rivalSamples.length);
  try {
    for (const sample of rivalSamples)
      await steps.run(`${sample.name} ${sample.version}`, async () => {
        if (!isFetched(sample)) await fetchRival(sample);
        const said = await complaints(sample);
        if (said)
          throw new StepError(`${sample.page}:${sample.line} is not right`, { output: said });
        return "its types agree";
      });
  } catch (error) {
    reportFailure(error);
  }
}
