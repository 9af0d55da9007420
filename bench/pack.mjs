// pack.mjs - `npm run bench:pack`: how fast `tercet pack` turns full-size models of other people's forms into .tercet
// files, beside reading and hashing the same bytes once, which no packer that hashes can pass by much. Every model is a
// synthetic one of a real shape, written in the form by `tercet export`. What was packed is then inspected and run, and the
// same model out of two forms must write the same tokens.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, existsSync, openSync, readdirSync, readSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isProgram, reportFailure, runCommand, StepError } from "../scripts/steps.mjs";
import { machineLine } from "./machine.mjs";
import { benchFolder, nativeProgram, requireDisk, syntheticModel } from "./models.mjs";
import { readOptions } from "./options.mjs";
import { addRow, startResult, writeResult } from "./results.mjs";
import { columnsOf } from "./summary.mjs";
import { formatBytes, textTable } from "./table.mjs";
import { inTurn } from "./turns.mjs";

/**
 * What `tercet export` makes of a model, how it is packed again, and bytes a parameter, rounded up. Scales become halves in
 * all of them, so that all hold the same weights.
 */
const FORMS = {
  tq2_0: { file: "gguf", args: ["--to", "gguf", "--type", "tq2_0"], bytes: 0.5 },
  q2_0: { file: "gguf", args: ["--to", "gguf", "--type", "q2_0"], bytes: 0.5 },
  tq1_0: { file: "gguf", args: ["--to", "gguf", "--type", "tq1_0"], bytes: 0.5 },
  folder: { file: "folder", args: ["--to", "safetensors", "--type", "f16"], bytes: 2.1 },
};

/** Forms of each shape: scales for every 128 columns do not fit into blocks of 256. */
const SHAPES = {
  "gpt2-xl": { forms: ["tq2_0", "q2_0", "folder"], pack: [] },
  "bonsai-1.7b": { forms: ["q2_0", "folder"], pack: [] },
  "bitnet-2b": { forms: ["tq2_0", "tq1_0", "folder"], pack: ["--embedding", "q8"] },
};

const command = {
  usage: "npm run bench:pack -- [OPTIONS]",
  summary: `Measures tercet pack on full-size files, in turn with reading and hashing their bytes once; then inspects and runs
what was packed. Sources are made one at a time and removed again.`,
  options: {
    shape: {
      kind: "list",
      value: "LIST",
      default: Object.keys(SHAPES),
      choices: Object.keys(SHAPES),
      help: `synthetic models, default all: ${Object.keys(SHAPES).join(",")}`,
    },
    forms: {
      kind: "list",
      value: "LIST",
      default: Object.keys(FORMS),
      choices: Object.keys(FORMS),
      help: `forms, where a shape has them; default all: ${Object.keys(FORMS).join(",")}`,
    },
    threads: { kind: "counts", value: "LIST", default: [1, 2], help: "threads (default 1,2)" },
    runs: { kind: "count", value: "N", default: 3, help: "runs of each (default 3)" },
    to: {
      kind: "text",
      value: "FOLDER",
      help: "where packed files go (default /dev/shm, which is memory; else the temporary folder)",
    },
    keep: { kind: "flag", help: "keep the sources in build/bench/ for the next time" },
    json: { kind: "text", value: "FILE", help: "keep the result" },
  },
};

const READ_BYTES = 4 << 20;

const filesOf = (source) =>
  statSync(source).isDirectory()
    ? readdirSync(source)
        .filter((name) => name.endsWith(".safetensors"))
        .map((name) => join(source, name))
    : [source];

/** Bytes of weights in a source: what its speed is counted in. */
const bytesOf = (source) => filesOf(source).reduce((sum, file) => sum + statSync(file).size, 0);

/** Reads every byte once and hashes it; MB/s. */
function readAndHash(source) {
  const block = Buffer.alloc(READ_BYTES);
  const start = process.hrtime.bigint();
  let bytes = 0;
  for (const path of filesOf(source)) {
    const hash = createHash("sha256");
    const file = openSync(path, "r");
    try {
      for (let got = readSync(file, block); got > 0; got = readSync(file, block)) {
        hash.update(got === block.length ? block : block.subarray(0, got));
        bytes += got;
      }
    } finally {
      closeSync(file);
    }
    hash.digest();
  }
  return bytes / 1e6 / (Number(process.hrtime.bigint() - start) / 1e9);
}

const runJson = (program, args) =>
  JSON.parse(execFileSync(program, args, { encoding: "utf8", maxBuffer: 1 << 26 }));

/** Packs; MB/s of source by the program's own clock, which starts before the first byte is read. */
function packOnce(program, source, destination, threads, options) {
  const report = runJson(program, [
    ...["pack", source, "-o", destination, "--threads", String(threads), "--json"],
    ...options,
  ]);
  return { rate: report.source_bytes / 1e6 / report.seconds, report };
}

/** The source in this form, made when it is not there. */
async function makeSource(program, shape, name, report) {
  const form = FORMS[name];
  const path = join(benchFolder, `pack-${shape}-${name}${form.file === "gguf" ? ".gguf" : ""}`);
  if (existsSync(path)) return path;
  const model = await syntheticModel(shape, report);
  const { parameters } = runJson(program, ["inspect", model, "--json"]);
  requireDisk(benchFolder, parameters * form.bytes, `${shape} as ${name}`);
  report(`writing ${shape} as ${name}`);
  const args = ["export", model, ...form.args, "-o", path, "--quiet"];
  await runCommand(program, args, { failure: `${shape} could not be written as ${name}` });
  return path;
}

/** What a packed model writes, greedily: 8 tokens, and the hash of all their logits. */
function firstTokens(program, packed) {
  const args = ["run", packed, "--prompt", "ab", "--tokens", "8", "--temperature", "0"];
  const written = runJson(program, [...args, "--speculation", "off", "--json", "--hash-logits"]);
  if (written.tokens.length !== 8)
    throw new StepError(`${packed} wrote ${written.tokens.length} tokens in place of 8`);
  return { tokens: written.tokens.join(" "), logits: written.logits_sha256 };
}

async function measureForm(program, shape, name, options, result, report) {
  const source = await makeSource(program, shape, name, report);
  const destination = join(options.to, `tercet-bench-${process.pid}.tercet`);
  const subject = `${shape} as ${name}, ${formatBytes(bytesOf(source))}`;
  let last = null;
  try {
    const turns = [null, ...options.threads];
    const outcomes = await inTurn(
      turns,
      options.runs,
      (threads) => {
        if (threads === null) return readAndHash(source);
        const packed = packOnce(program, source, destination, threads, SHAPES[shape].pack);
        if (last !== null && packed.report.model_id !== last.model_id)
          throw new StepError(`${subject}: ${threads} threads packed another file`);
        last = packed.report;
        return packed.rate;
      },
      { report, name: (threads) => (threads === null ? "read and hash" : `${threads} threads`) },
    );
    for (const [threads, { results, failure }] of outcomes) {
      addRow(result, {
        subject,
        engine: threads === null ? "read and SHA-256 alone" : "tercet pack",
        ...(threads !== null && { threads }),
        ...(failure ? { failure: failure.message } : { figures: { source_mb_per_s: results } }),
      });
    }
    if (last === null) return null;
    if (last.rounded_weights === 0 && !last.lossless) throw new StepError(`${subject}: not proved`);
    const inspected = runJson(program, ["inspect", destination, "--json"]);
    if (inspected.model_id !== last.model_id) throw new StepError(`${subject}: another model`);
    return firstTokens(program, destination);
  } finally {
    rmSync(destination, { force: true });
    if (!options.keep) rmSync(source, { recursive: true, force: true });
  }
}

export async function main(args) {
  const options = readOptions(command, args);
  if (options === null) return;
  const report = (line) => process.stderr.write(`${line}\n`);
  const program = await nativeProgram(report);
  options.to ??= existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  const result = startResult("pack", { runs: options.runs, threads: options.threads });
  for (const shape of options.shape) {
    const written = new Map();
    for (const name of SHAPES[shape].forms.filter((form) => options.forms.includes(form))) {
      const tokens = await measureForm(program, shape, name, options, result, report);
      if (tokens !== null) written.set(name, tokens);
    }
    const [first] = written.values();
    const other = [...written].find(([, { tokens }]) => tokens !== first.tokens);
    if (other)
      throw new StepError(`${shape}: ${other[0]} writes ${other[1].tokens}, not ${first.tokens}`);
    if (written.size > 0) {
      const logits = new Set([...written.values()].map((one) => one.logits)).size;
      result.notes.push(
        `${shape} out of ${[...written.keys()].join(", ")}, packed, inspected and run: ` +
          `${written.size > 1 ? "the same 8 tokens" : "8 tokens"} (${first.tokens})` +
          `${written.size > 1 && logits === 1 ? ", the same logits to the last bit" : ""}`,
      );
    }
  }
  result.notes.push(`packed files went to ${options.to}`);
  process.stdout.write(`\n${textTable(columnsOf(result), result.rows)}\n`);
  for (const note of result.notes) process.stdout.write(`${note}\n`);
  process.stdout.write(`${machineLine(result.machine)}\n`);
  if (options.json) writeResult(result, options.json);
}

if (isProgram(import.meta)) await main(process.argv.slice(2)).catch(reportFailure);
