// twin_under_test.mjs - runs the native program for these tests: TERCET_BIN, or the one that
// `npm run build` makes. Packs the models that the tests need into a temporary folder, once.
// It must never leave a file behind or write outside that folder.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root, tercet as builtProgram } from "../../scripts/paths.mjs";

export const program = process.env.TERCET_BIN ?? builtProgram;
export const folder = mkdtempSync(join(tmpdir(), "tercet-native-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

assert.ok(existsSync(program), `${program} is missing: build it first (npm run build)`);

export const goldenModels = join(root, "tests/golden/models");
export const bundledSource = join(root, "models/gutenberg-6m-b158");

/** A path in the temporary folder. */
export const at = (name) => join(folder, name);
export const readJson = (path) => JSON.parse(readFileSync(path, "utf8"));

/** Runs to the end. `options.input` goes to stdin. */
export function tercet(args, options = {}) {
  const result = spawnSync(program, args, {
    encoding: options.encoding ?? "utf8",
    maxBuffer: 1 << 30,
    timeout: 300_000,
    ...options,
  });
  if (result.error) throw result.error;
  return { code: result.status, signal: result.signal, out: result.stdout, err: result.stderr };
}

/** Runs a command that must succeed; what it printed. */
export function succeed(args, options) {
  const result = tercet(args, options);
  assert.equal(result.code, 0, `tercet ${args.join(" ")}\n${result.err}`);
  return result.out;
}

export const succeedJson = (args, options) => JSON.parse(succeed([...args, "--json"], options));

/** A command that must fail with exit code 1, one sentence on stderr and this stable code. */
export function fail(args, code, options) {
  const result = tercet(args, options);
  const told = `tercet ${args.join(" ")}: exit ${result.code ?? result.signal}\n${result.err}`;
  assert.equal(result.code, 1, told);
  assert.match(result.err, /^tercet: error: [^\n]+ \[[A-Z0-9_]+\]\n$/, told);
  assert.ok(result.err.endsWith(` [${code}]\n`), `wanted [${code}]\n${told}`);
  return result;
}

/** A command that must be refused as wrongly used. */
export function misuse(args, sentence) {
  const result = tercet(args);
  const told = `tercet ${args.join(" ")}: exit ${result.code}\n${result.err}`;
  assert.equal(result.code, 2, told);
  assert.equal(result.out, "", told);
  assert.match(result.err, sentence, told);
  assert.match(
    result.err,
    /^tercet: error: [^\n]+: see tercet( [a-z]+)? --help \[BAD_ARGUMENT\]\n$/,
    told,
  );
}

/** Starts a command; the caller ends it. */
export const start = (args) => spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });

const packed = new Map();

/** The packed form of a Hugging Face folder; `options` as for `tercet pack`. */
export function pack(source, options = []) {
  const key = [source, ...options].join(" ");
  if (!packed.has(key)) {
    const file = at(`model-${packed.size}.tercet`);
    succeed(["pack", source, "-o", file, ...options]);
    packed.set(key, file);
  }
  return packed.get(key);
}

export const bundledModel = () => pack(bundledSource);
export const stories260K = () => pack(join(goldenModels, "stories260K"), ["--dense", "f32"]);

/** Logits of every position, one Float32Array a row. */
export function logits(model, args, vocabulary) {
  const bytes = succeed(["logits", model, ...args, "-o", "-"], { encoding: "buffer" });
  assert.equal(bytes.length % (4 * vocabulary), 0, "whole rows");
  const values = new Float32Array(
    bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length),
  );
  return Array.from({ length: values.length / vocabulary }, (_, row) =>
    values.subarray(row * vocabulary, (row + 1) * vocabulary),
  );
}

/** Index of the highest value; the lowest index on a tie. */
export const argmax = (row) => row.reduce((best, value, i) => (value > row[best] ? i : best), 0);
