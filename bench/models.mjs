// models.mjs - the models that benchmarks run: a file that the user names, or a synthetic model of a
// real shape, made once by `tercet bench --shape NAME --save FILE` and kept in build/bench/. Looks at
// the free disk before it writes; builds the native twin when it is missing, installs nothing.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, statSync, statfsSync } from "node:fs";
import { basename, join } from "node:path";
import { buildNative } from "../scripts/build.mjs";
import { root, tercet } from "../scripts/paths.mjs";
import { StepError, runCommand } from "../scripts/steps.mjs";

export const benchFolder = join(root, "build", "bench");

/** Shapes of `tercet bench --shape` that stand for real models, smallest first. */
export const shapes = ["llama-729m", "gpt2-xl", "bonsai-1.7b", "bitnet-2b"];

/** Kept free besides what is written. */
const DISK_RESERVE_BYTES = 1e9;

/** The native twin, built when the sources are newer. */
export async function nativeProgram(report = () => {}) {
  await buildNative(report);
  return tercet;
}

/** Throws unless the disk of `folder` has `bytes` free besides a reserve. */
export function requireDisk(folder, bytes, what) {
  mkdirSync(folder, { recursive: true });
  const { bavail, bsize } = statfsSync(folder);
  const free = Number(bavail) * Number(bsize);
  if (free < bytes + DISK_RESERVE_BYTES) {
    const gigabytes = (value) => `${(value / 1e9).toFixed(1)} GB`;
    throw new StepError(
      `${what} needs ${gigabytes(bytes)} in ${folder}, but only ${gigabytes(free)} are free`,
    );
  }
}

/** The path of the synthetic model of that shape; made when it is not there. */
export async function syntheticModel(shape, report = () => {}) {
  const program = await nativeProgram(report);
  const listed = JSON.parse(execFileSync(program, ["bench", "--shapes"], { encoding: "utf8" }));
  const found = listed.shapes.find(({ name }) => name === shape);
  if (!found) {
    const names = listed.shapes.map(({ name }) => name).join(", ");
    throw new StepError(`there is no shape "${shape}"; there are: ${names}`);
  }
  const path = join(benchFolder, `${shape}.tercet`);
  // The id would tell of a newer generator, but costs reading the file: its size and our own age do.
  const fresh =
    existsSync(path) &&
    statSync(path).size === found.file_bytes &&
    listed.generator === generatorOf(program, path);
  if (fresh) return path;
  requireDisk(benchFolder, found.file_bytes, `the synthetic ${shape}`);
  report(`making the synthetic ${shape}`);
  await runCommand(program, ["bench", "--shape", shape, "--save", path], {
    failure: `the synthetic ${shape} could not be made`,
  });
  return path;
}

/** What the file says that it was made by ("synthetic weights, generator 1"). */
function generatorOf(program, path) {
  try {
    const info = JSON.parse(
      execFileSync(program, ["inspect", path, "--json"], { encoding: "utf8" }),
    );
    return Number(/generator (\d+)/.exec(info.source)?.[1]);
  } catch {
    return null; // a file of another version of the format: made again
  }
}

/** What to bench: { path, name, synthetic } of --model FILE or of each --shape. */
export async function chooseModels({ model, shape }, report) {
  if (model !== null && model !== undefined) {
    if (!existsSync(model)) throw new StepError(`--model ${model}: there is no such file`);
    return [{ path: model, name: basename(model), synthetic: false }];
  }
  const list = [];
  for (const name of shape) {
    list.push({
      path: await syntheticModel(name, report),
      name: `synthetic ${name}`,
      shape: name,
      synthetic: true,
    });
  }
  return list;
}
