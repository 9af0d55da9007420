// torture-twins.mjs - the twins at length: texts by seed, greedy and sampled, in models of four families; every native kernel set of this
// machine and every set of the four WebAssembly modules in Node, with 1, 2, 4 and 8 threads, prompts cut into slices of other sizes each:
// tokens and logits must be those of the portable set with one thread, which is computed once and kept.

import { spawn, execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { buildTests, buildWasm, packModel } from "./build.mjs";
import { modelFile, nativeBuild, root, tercet } from "./paths.mjs";
import { contentHash } from "./torture-ledger.mjs";

const TOKENS = 128;
const PROMPT_MOST = 128;
const THREADS = [1, 2, 4, 8];
/** Most tokens of a prompt at once, by number of threads. */
const SLICES = { 1: 32, 2: 7, 4: 1, 8: 13 };
const DEFINITION = { place: "native", kernels: "portable", threads: 1 };

/** How much: texts, tokens of each, texts a part. `each`: every place runs every model; else they take turns. */
const SIZES = {
  full: { texts: 200, tokens: TOKENS, part: 50, threads: THREADS, portable: THREADS, each: true },
  small: { texts: 4, tokens: 12, part: 4, threads: [8], portable: [8], each: false },
};

/** TERCET_KV_* of tercet.h: every form is in one of them. */
const MODELS = [
  { name: "bundled", kv: 3 },
  { name: "gpt2", kv: 2, shape: "tiny-gpt2" },
  { name: "qwen3", kv: 4, shape: "tiny-bonsai" },
  { name: "bitmamba2", kv: 1, source: "bitmamba2-bin/model.bin" },
];

const MODULES = [
  { variant: "simd128", sets: ["portable", "wasm_simd128"] },
  { variant: "relaxed", sets: ["wasm_simd128", "wasm_relaxed", "wasm_relaxed_dot"] },
];

const nativeProgram = join(nativeBuild, "tests", "twin_texts");
const moduleProgram = join(root, "tests", "torture", "twin_texts.mjs");
/** Of twin_texts.mjs. */
const UNUSABLE = 3;
/** Node 20 multiplies wrongly with it, which the known answers find. Any other set that is named here must run. */
const MAY_BE_UNUSABLE = ["wasm_relaxed_dot"];

/* ---------------------------------------------------------------- texts */

/** xorshift64*, as in the C tests. */
function randomNumbers(seed) {
  let state = (BigInt(seed) + 1n) * 0x9e3779b97f4a7c15n;
  const mask = (1n << 64n) - 1n;
  return (below) => {
    state ^= state >> 12n;
    state ^= (state << 25n) & mask;
    state ^= state >> 27n;
    return Number((((state * 0x2545f4914f6cdd1dn) & mask) >> 32n) % BigInt(below));
  };
}

const TEXT_FILES = [
  ...["README.md", "docs/decisions.md", "docs/tokenizers.md", "core/container/CONTAINER.md"],
  ...["tests/golden/text/gutenberg-valid-head.txt"],
];

/** Prose, tables and characters of many scripts, whole characters. */
function readTexts() {
  return TEXT_FILES.map((file) => Array.from(readFileSync(join(root, file), "utf8")));
}

/** Around the sizes of slices, blocks of attention and the longest there is; else anything. */
const LENGTHS = [1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128];

/**
 * Lines of twin_texts.c. Of five texts, two are numbers by chance, one a prompt that a person may write, two are out of the project's texts.
 */
export function makeTexts(count, seed) {
  const random = randomNumbers(seed);
  const written = JSON.parse(readFileSync(join(root, "tests/golden/prompts.json"), "utf8"));
  const files = readTexts();
  return Array.from({ length: count }, (_, index) => {
    const most = random(2) === 0 ? LENGTHS[random(LENGTHS.length)] : 1 + random(PROMPT_MOST);
    const greedy = index % 3 === 0;
    const sampling = greedy
      ? [0, 0, 1, 0, random(2) === 0 ? 1 : 1.1]
      : [
          ...[(1 + random(15)) / 10, [0, 20, 200][random(3)], [1, 0.95, 0.5][random(3)]],
          ...[[0, 0.01][random(2)], [1, 1.1, 1.3][random(3)]],
        ];
    const head = [1 + random(1 << 30), ...sampling, index % 2, most];
    const kind = index % 5;
    if (kind < 2) {
      // A text of few different tokens has more to draft.
      const different = kind === 0 ? 1 << 30 : 3 + random(12);
      const ids = Array.from({ length: most }, () => random(different));
      return [...head, "ids", ...ids].join(" ");
    }
    const file = files[random(files.length)];
    const begin = random(Math.max(1, file.length - 4 * most));
    const text =
      kind === 2 ? written[random(written.length)] : file.slice(begin, begin + 4 * most).join("");
    return [...head, "text", Buffer.from(text).toString("hex")].join(" ");
  });
}

/* ---------------------------------------------------------------- places */

/** What twin_texts gives of these texts: its lines, or why there are none. */
function runTexts(place, { file, list, kv }, { from, count, tokens }) {
  const { kernels, threads } = place;
  const numbers = [threads, SLICES[threads], kv, from, count, tokens].map(String);
  const args = [file, list, kernels, ...numbers];
  const [program, all] =
    place.place === "native"
      ? [nativeProgram, args]
      : [process.execPath, [moduleProgram, place.place, ...args]];
  return new Promise((resolve, reject) => {
    const child = spawn(program, all, { stdio: ["ignore", "pipe", "pipe"] });
    const [out, err] = [[], []];
    child.stdout.on("data", (data) => out.push(data));
    child.stderr.on("data", (data) => err.push(data));
    child.on("error", reject);
    child.on("close", (status, signal) => {
      const said = Buffer.concat(err).toString().trim();
      const ended =
        status === 0 ? null : `${signal ?? `exit code ${status}`}: ${said.slice(0, 300)}`;
      const lines = Buffer.concat(out).toString().split("\n").slice(0, -1);
      resolve({
        lines,
        ended,
        unusable: status === UNUSABLE,
        command: [program, ...all].join(" "),
      });
    });
  });
}

/** Where the two differ, in words; null where they do not. */
export function difference(expected, line) {
  if (line === expected) return null;
  if (line === undefined) return "is missing";
  const [want, have] = [JSON.parse(expected), JSON.parse(line)];
  if (want.prompt !== have.prompt) return `has ${have.prompt} tokens of prompt, not ${want.prompt}`;
  const logits = want.logits.findIndex((hash, i) => hash !== have.logits[i]);
  const token = want.tokens.findIndex((id, i) => id !== have.tokens[i]);
  const where = logits === 0 ? "the prompt" : `token ${logits - 1}`;
  return [
    ...(logits < 0 ? [] : [`has other logits after ${where}`]),
    ...(token < 0 ? [] : [`has another token ${token}`]),
  ].join(" and ");
}

/** The definition of a part, computed once: its lines. `kept.definitions`: by path; lanes that want the same one wait for it. */
function definitionOf(model, range, { folder, definitions }) {
  const path = join(folder, `twins-${model.key}-${range.from}-${range.count}.jsonl`);
  if (!definitions.has(path)) definitions.set(path, makeDefinition(model, range, path));
  return definitions.get(path);
}

async function makeDefinition(model, range, path) {
  if (existsSync(path)) return readFileSync(path, "utf8").split("\n").slice(0, -1);
  const { lines, ended, command } = await runTexts(DEFINITION, model, range);
  if (ended !== null) throw new Error(`${command}: ${ended}`);
  writeFileSync(`${path}.new`, lines.map((line) => `${line}\n`).join(""));
  renameSync(`${path}.new`, path);
  return lines;
}

/** The definition itself: as many tokens as were asked for, and no two texts the same. */
async function checkDefinition(model, range, kept) {
  const lines = await definitionOf(model, range, kept);
  const found = [];
  const whole = lines.filter((line) => JSON.parse(line).tokens.length === range.tokens);
  if (whole.length !== range.count) found.push(`${model.name}: ${whole.length} texts are whole`);
  const logits = new Set(lines.flatMap((line) => JSON.parse(line).logits.at(-1)));
  if (logits.size < 0.9 * range.count)
    found.push(`${model.name}: of ${range.count} texts only ${logits.size} end differently`);
  return { ran: 0, found };
}

async function compare(place, model, range, kept) {
  const expected = await definitionOf(model, range, kept);
  const { lines, ended, unusable, command } = await runTexts(place, model, range);
  const name = `${place.place} ${place.kernels}`;
  if (unusable) {
    const found = MAY_BE_UNUSABLE.includes(place.kernels) ? [] : [`${name} cannot be used`];
    return { ran: 0, found, notes: [`not here: ${name}`] };
  }
  if (ended !== null) return { ran: 0, found: [`${command}: ${ended}`] };
  const found = expected.flatMap((line, i) => {
    const other = difference(line, lines[i]);
    return other === null ? [] : [`${command}: text ${range.from + i} ${other}`];
  });
  return { ran: lines.length, found };
}

/** Every place there is, the definition left out. */
function allPlaces({ threads, portable }) {
  const version = execFileSync(tercet, ["--version"], { encoding: "utf8" });
  const names = /kernel sets: (.*)/.exec(version)[1].replace(/\w+ \(not here\)/g, "");
  const sets = names.split(/[\s,]+/).filter((name) => name !== "");
  const native = sets.flatMap((kernels) =>
    (kernels === "portable" ? portable : threads).map((count) => ({
      ...{ place: "native", kernels, threads: count },
    })),
  );
  const modules = MODULES.flatMap(({ variant, sets: own }) =>
    own.flatMap((kernels) => [
      { place: variant, kernels, threads: 1 },
      // Portable is slow, and the same code in both modules.
      ...(kernels === "portable" ? [] : threads).map((count) => ({
        ...{ place: `${variant}-threads`, kernels, threads: count },
      })),
    ]),
  );
  return [...native, ...modules].filter(
    ({ place, kernels, threads: count }) =>
      place !== "native" || kernels !== DEFINITION.kernels || count !== DEFINITION.threads,
  );
}

/* ---------------------------------------------------------------- the row */

function makeModel({ name, kv, shape, source }, folder, list) {
  const file = name === "bundled" ? modelFile : join(folder, `twins-${name}.tercet`);
  if (shape !== undefined) execFileSync(tercet, ["bench", "--shape", shape, "--save", file]);
  if (source !== undefined)
    execFileSync(tercet, [
      ...["pack", join(root, "tests/golden/models", source), "-o", file, "--quiet"],
    ]);
  return { name, kv, file, list };
}

const built = () => [
  ...["build/native/tests/twin_texts", "tests/torture/twin_texts.mjs"],
  "tests/wasm/module_under_test.mjs",
  ...MODULES.flatMap(({ variant }) =>
    [variant, `${variant}-threads`].flatMap((name) => [
      ...[`build/wasm/tercet-${name}.wasm`, `build/wasm/tercet-${name}.mjs`],
    ]),
  ),
];

/** The row's parts, when everything is built. */
export function prepareTwins({ scale, seed, folder }) {
  mkdirSync(folder, { recursive: true });
  const size = SIZES[scale];
  const list = join(folder, `twins-texts-${scale}-${seed}`);
  writeFileSync(
    list,
    makeTexts(size.texts, seed)
      .map((line) => `${line}\n`)
      .join(""),
  );
  const models = MODELS.map((model) => makeModel(model, folder, list));
  const hash = createHash("sha256").update(contentHash(built()));
  for (const file of [list, ...models.map((model) => model.file)]) hash.update(readFileSync(file));
  const key = hash.digest("hex");
  for (const model of models) model.key = `${model.name}-${key.slice(0, 12)}`;
  const ranges = Array.from({ length: size.texts / size.part }, (_, i) => ({
    ...{ from: i * size.part, count: size.part, tokens: size.tokens },
  }));
  const places = allPlaces(size);
  const kept = { folder, definitions: new Map() };
  // Every place has some texts before any has all.
  const cases = ranges.flatMap((range) =>
    models.flatMap((model, number) => {
      const id = `${model.name} ${range.from} +${range.count}`;
      const here = places.filter((_, at) => size.each || at % models.length === number);
      return [
        { id: `${id} definition`, run: () => checkDefinition(model, range, kept) },
        ...here.map((place) => ({
          id: `${id} ${place.place} ${place.kernels} x${place.threads}`,
          run: () => compare(place, model, range, kept),
        })),
      ];
    }),
  );
  return { key, cases };
}

export const twins = {
  name: "twins",
  what: "native kernel sets and WebAssembly modules: the same tokens and logits",
  unit: "texts",
  lanes: availableParallelism(),
  prepare: async ({ scale, seed, report, folder }) => {
    await buildTests(report, ["twin_texts", "tercet_native"]);
    await buildWasm(report);
    if (!existsSync(modelFile)) await packModel(report);
    return prepareTwins({ scale, seed, folder });
  },
};
