// torture-damage.mjs - damaged containers, by tests/torture/damage_files.c: every prefix and every flipped bit of a container of
// 64 KiB and of two small ones, boundary values in every field of their headers, and damage by chance to a real model. Under the
// sanitizers; fields without them too, since their time counts.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { buildSanitize, buildTests, packModel } from "./build.mjs";
import { modelFile, nativeBuild, root, sanitizeBuild, tercet } from "./paths.mjs";
import { StepError, runCommand } from "./steps.mjs";
import { contentHash } from "./torture-ledger.mjs";

const CONTAINER_BYTES = 65_536;
/** Values for each field, VALUES of damage_files.c. */
const FIELD_VALUES = 13;

/** What the container of 64 KiB has none of: a chat format, a text about it and rotation frequencies; and states. */
const smallContainers = ["well_formed_chat", "well_formed_states"].map((name) =>
  join(root, "tests", "golden", "container", `${name}.tercet`),
);

const program = (folder) => join(folder, "tests", "damage_files");

/**
 * The container with a section more, which readers skip, so that it has exactly so many bytes.
 * @param {Buffer} file
 * @param {number} wanted a multiple of 64
 */
export async function padContainer(file, wanted) {
  const { sealHeader } = await import("../tests/core/container/container_file.mjs");
  const count = file.readUInt32LE(12);
  const oldHeader = Number(file.readBigUInt64LE(16));
  const sections = Array.from({ length: count }, (_, i) => {
    const entry = file.subarray(64 + 24 * i, 88 + 24 * i);
    const [at, bytes] = [8, 16].map((place) => Number(entry.readBigUInt64LE(place)));
    return { id: entry.readUInt32LE(0), flags: entry.readUInt32LE(4), at, bytes };
  });
  const pad = (value) => Math.ceil(value / 64) * 64;
  const shift = pad(64 + 24 * (count + 1)) - pad(64 + 24 * count);
  const extra = wanted - file.length - shift;
  if (extra < 64 || wanted % 64 !== 0)
    throw new StepError(`a container of ${file.length} bytes cannot have ${wanted}`);
  const headerBytes = oldHeader + shift + extra;
  const padded = Buffer.alloc(wanted, 0);
  file.copy(padded, 0, 0, 64);
  padded.writeUInt32LE(count + 1, 12);
  padded.writeBigUInt64LE(BigInt(headerBytes), 16);
  padded.writeBigUInt64LE(BigInt(wanted), 24);
  const all = [...sections, { id: 1000, flags: 0, at: oldHeader, bytes: extra }];
  for (const [i, { id, flags, at, bytes }] of all.entries()) {
    const entry = 64 + 24 * i;
    padded.writeUInt32LE(id, entry);
    padded.writeUInt32LE(flags, entry + 4);
    padded.writeBigUInt64LE(BigInt(at + shift), entry + 8);
    padded.writeBigUInt64LE(BigInt(bytes), entry + 16);
    if (id !== 1000) file.copy(padded, at + shift, at, at + bytes);
    else padded.fill("no reader looks at this. ", at + shift, at + shift + bytes);
  }
  // Tensors lie where the header ends.
  const tensors = sections.find(({ id }) => id === 3).at + shift;
  for (let i = 0; i < padded.readUInt32LE(tensors); i++) {
    const offset = tensors + 8 + 48 * i + 24;
    const moved = padded.readBigUInt64LE(offset) + BigInt(headerBytes - oldHeader);
    padded.writeBigUInt64LE(moved, offset);
  }
  file.copy(padded, headerBytes, oldHeader);
  sealHeader(padded, headerBytes);
  return padded;
}

/** The containers that are damaged: between them every section that a reader knows, with everything that it can hold. */
export async function damagedContainers() {
  return [await makeContainer(), ...smallContainers];
}

async function makeContainer() {
  const path = join(root, "build", "torture", "container-64k.tercet");
  const packed = `${path}.packed`;
  mkdirSync(dirname(path), { recursive: true });
  await runCommand(
    tercet,
    [
      ...["pack", join(root, "tests", "golden", "models", "gpt2-dense-f32"), "-o", packed],
      ...["--quantize", "absmean", "--quiet"],
    ],
    { failure: "the container that is to be damaged could not be made" },
  );
  writeFileSync(`${path}.new`, await padContainer(readFileSync(packed), CONTAINER_BYTES));
  renameSync(`${path}.new`, path);
  return path;
}

/** What the program says of cases from, from + stride, ...: its JSON, or how it ended. */
function runDamage(folder, { way, file, from, count, stride, seed }) {
  const args = [way, file, ...[from, count, stride, seed].map(String)];
  const { status, signal, stdout, stderr, error } = spawnSync(program(folder), args, {
    encoding: "utf8",
    maxBuffer: 1 << 26,
    env: { UBSAN_OPTIONS: "print_stacktrace=1", ...process.env },
  });
  if (error) throw error;
  const line = stdout.split("\n").find((one) => one.startsWith("{"));
  return { result: line && JSON.parse(line), status, signal, stderr, args };
}

/** A crash ends the program, not the torture: the first case that does so is found by halving. */
function findCrash(folder, range) {
  let { from, count } = range;
  while (count > 1) {
    const half = Math.floor(count / 2);
    const { result } = runDamage(folder, { ...range, from, count: half });
    if (result === undefined) count = half;
    else {
      from += half * range.stride;
      count -= half;
    }
  }
  const { status, signal, stderr, args } = runDamage(folder, { ...range, from, count: 1 });
  const first = stderr.split("\n").find((line) => /ERROR|runtime error/.test(line)) ?? "";
  return `${program(folder)} ${args.join(" ")} ended by ${signal ?? `exit code ${status}`} ${first}`;
}

function damageCase(folder, range, counted) {
  const { result, stderr } = runDamage(folder, range);
  if (result === undefined) return { ran: 0, found: [findCrash(folder, range)] };
  const found = stderr.split("\n").filter((line) => line !== "");
  return { ran: counted ? result.cases : 0, found: found.slice(0, result.findings) };
}

/** Cases 0 to `cases`, every `stride`th, in parts that take some seconds each. */
function parts({ folder, label, range, cases, stride, part, counted }) {
  const list = [];
  for (let from = 0; from < cases; from += part * stride) {
    const count = Math.min(part, Math.ceil((cases - from) / stride));
    const one = { ...range, from, count, stride };
    list.push({
      id: `${label} ${from} +${count} x${stride}`,
      run: async () => damageCase(folder, one, counted),
    });
  }
  return list;
}

const fileBytes = (file) => statSync(file).size;
const headerBytes = (file) => Number(readFileSync(file).readBigUInt64LE(16));

/** Small: every so manieth case, spread over the whole; odd, and no multiple of the values, so that all bits of a byte and all values come. */
function strideOf(counts, small) {
  const cases = counts.reduce((sum, count) => sum + count, 0);
  const stride = Math.max(1, Math.floor(cases / small / 2) * 2 + 1);
  return stride % FIELD_VALUES === 0 ? stride + 2 : stride;
}

const row = (name, what, unit, { real = false, cases, small, both = false, part }) => ({
  name,
  what,
  unit,
  prepare: async ({ scale, seed, report }) => {
    const full = scale === "full";
    await buildTests(report, ["damage_files", "tercet_native"]);
    if (!existsSync(modelFile)) await packModel(report);
    if (full) await buildSanitize(report, ["damage_files"]);
    const folders = full ? [sanitizeBuild, ...(both ? [nativeBuild] : [])] : [nativeBuild];
    const files = real ? [modelFile] : await damagedContainers();
    const counts = files.map(cases);
    const stride = full ? 1 : strideOf(counts, small);
    return {
      key: contentHash(
        [...folders.map(program), ...files].map((path) => path.slice(root.length + 1)),
      ),
      cases: folders.flatMap((folder, index) =>
        files.flatMap((file, at) => {
          const build = folder === sanitizeBuild ? "sanitizers" : "native";
          const label = `${build} ${basename(file, ".tercet")}`;
          const range = { way: name, file, seed };
          // What both builds ran is one case.
          return parts({
            ...{ folder, label, range, cases: counts[at], stride, part },
            counted: index === 0,
          });
        }),
      ),
    };
  },
});

/** 32-bit words, then 64-bit words, of the whole header. */
const fieldCases = (file) => (headerBytes(file) / 4 + headerBytes(file) / 8) * FIELD_VALUES;

export const damageRows = [
  row("cut", "every prefix of a container of 64 KiB, and of two smaller ones", "prefixes", {
    cases: fileBytes,
    small: 3000,
    part: 8192,
  }),
  row("flip", "every single bit of them flipped", "flips", {
    cases: (file) => fileBytes(file) * 8,
    small: 3000,
    part: 16_384,
  }),
  row("field", "13 boundary values in each word of their headers", "headers", {
    cases: fieldCases,
    small: 4000,
    part: 8192,
    both: true,
  }),
  row("random", "cuts, flips, runs and pieces moved, by chance, in the bundled model", "files", {
    real: true,
    cases: () => 10_000,
    small: 200,
    part: 500,
  }),
];
