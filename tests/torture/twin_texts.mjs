// twin_texts.mjs - the WebAssembly side of the twins, in Node: what twin_texts.c does, and says, by the functions of one module.
//
//   node twin_texts.mjs VARIANT FILE LIST KERNELS THREADS SLICE KV FROM COUNT TOKENS     one line of JSON a text
//
// Ends with 3 where this engine cannot run that kernel set.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { Module, modulesFolder } from "../wasm/module_under_test.mjs";

const HASH_SHOWN = 8;
const UNUSABLE = 3;
const CONTEXT = 256;
/** Beside the plan: the rows of logits of a slice, the prompt, the mask, and what the allocator takes for each. */
const EXTRA_BYTES = 1 << 20;

const [variant, file, list, kernels, ...numbers] = process.argv.slice(2);
const [threads, slice, kv, from, count, tokens] = numbers.map(Number);

// Node 20 has relaxed instructions behind a switch. Later ones have them, and not the switch.
if (!WebAssembly.validate(readFileSync(join(modulesFolder, `tercet-${variant}.wasm`))))
  setFlagsFromString("--experimental-wasm-relaxed-simd");

/** { model, session, rows, info } in a memory of the planned size. */
async function open() {
  const bytes = readFileSync(file);
  const options = { context: CONTEXT, slice, threads, kv };
  const { memoryBytes, module: planner, plan } = await Module.plan(bytes, options);
  planner.ok("model_info", plan);
  const vocabulary = planner.value(14);
  const rowsBytes = slice * vocabulary * 4;
  const module = await Module.open(memoryBytes + rowsBytes + EXTRA_BYTES, { variant, threads });
  const opened = module.openSession(bytes, { ...options, kernels });
  module.ok("engine_info", opened.engine);
  const [threadsHere, at, length] = [0, 1, 2].map((i) => module.value(i));
  const kernelsHere = module.bytes(at, length).toString();
  if (threadsHere !== threads || kernelsHere !== kernels)
    throw new Error(`it runs ${kernelsHere} with ${threadsHere} threads`);
  module.ok("model_info", opened.model);
  const tokenCount = module.value(19);
  module.ok("buffer_create", rowsBytes);
  return { module, ...opened, vocabulary, tokenCount, rows: module.value(1) };
}

const { module, model, session, vocabulary, tokenCount, rows } = await open().catch((thrown) => {
  // Threads may have been started.
  process.stderr.write(`${thrown.message}\n`);
  process.exit(/does not work on this machine/.test(thrown.message) ? UNUSABLE : 1);
});

/** No text ends before it has all its tokens. */
function forbidEnds() {
  const words = new Uint32Array(Math.ceil(vocabulary / 32));
  for (let token = 0; token < vocabulary; token++) {
    // Padding of the vocabulary has no text, and is no end.
    const known = module.call("token", model, token) === 0;
    if (!known || module.value(2) === 0) words[token >>> 5] |= 1 << (token & 31);
  }
  const mask = module.tokens(words);
  module.ok("session_mask", session, mask.address, words.length);
  module.ok("destroy", mask.handle);
}

function promptOf(kind, words, most) {
  if (kind === "ids") return words.map((word) => Number(word) % tokenCount).slice(0, most);
  // No buffer has no bytes.
  const utf8 = Buffer.from(words[0] ?? "", "hex");
  const text = utf8.length === 0 ? { address: 0, bytes: 0 } : module.text(utf8);
  const found = module.tokens(new Array(4096).fill(0));
  const ids = module.ok("tokenize", ...[model, text.address, text.bytes, 1, found.address, 4096]);
  const bytes = module.bytes(found.address, Math.max(1, Math.min(ids, most)) * 4);
  for (const { handle } of [text, found]) if (handle !== undefined) module.ok("destroy", handle);
  return Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readUInt32LE(4 * i));
}

const shown = (hash) => hash.digest("hex").slice(0, 2 * HASH_SHOWN);
const rowBytes = (address, rowCount) => module.view(address, rowCount * vocabulary * 4);

function lastLogits() {
  module.ok("session_logits", session);
  return rowBytes(module.value(0), 1);
}

function writeText(line) {
  const [seed, temperature, topK, topP, minP, penalty, wantsRows, most, kind, ...words] = line
    .split(" ")
    .filter((word) => word !== "");
  const sampling = [temperature, topK, topP, minP, penalty, 64].map(Number);
  const prompt = promptOf(kind, words, Number(most));
  module.ok("session_sampling", session, ...sampling, BigInt(seed));
  module.ok("session_reset", session, 0);
  const given = module.tokens(prompt);
  const hash = createHash("sha256");
  for (let at = 0; at < prompt.length;) {
    const place = wantsRows === "1" ? [rows, slice] : [0, 0];
    const left = [given.address + 4 * at, prompt.length - at];
    const done = module.ok("session_prefill", session, ...left, ...place);
    if (wantsRows === "1") hash.update(rowBytes(rows, done));
    at += done;
  }
  module.ok("destroy", given.handle);
  const logits = [shown(hash.update(lastLogits()))];
  const written = [];
  while (written.length < tokens) {
    written.push(module.ok("session_step", session));
    logits.push(shown(createHash("sha256").update(lastLogits())));
  }
  return { prompt: prompt.length, logits, tokens: written };
}

forbidEnds();
const lines = readFileSync(list, "utf8").split("\n");
for (const line of lines.slice(from, from + count))
  process.stdout.write(`${JSON.stringify(writeText(line))}\n`);
module.close();
