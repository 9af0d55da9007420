// greedy_check.mjs - that llama.cpp reads what `tercet export` writes and computes the same model: the
// greedy text behind a prompt, here and there. A dense model must give the same text. A ternary one need
// not: llama.cpp quantises activations by blocks, Tercet by token, as the models were trained.

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { bundledModel, modelSource, root } from "../../scripts/paths.mjs";
import { greedyTokens } from "./llama_cpp.mjs";

const TOKENS = 40;

/** Letters of the common beginning. */
export function sharedLength(a, b) {
  let at = 0;
  while (at < a.length && at < b.length && a[at] === b[at]) at++;
  return at;
}

/**
 * @param {string} program the native twin
 * @param {string} folder for the files
 * @param {{ name: string, text: string, source?: string, shape?: string, pack?: string[], export?: string[] }} one
 */
export async function compareGreedy(program, folder, one) {
  const packed = join(folder, `${one.name}.tercet`);
  const twin = join(folder, `${one.name}.gguf`);
  const tercet = (...args) =>
    execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  if (one.shape) tercet("bench", "--shape", one.shape, "--save", packed);
  else tercet("pack", one.source, "-o", packed, "--quiet", ...(one.pack ?? []));
  tercet("export", packed, "--to", "gguf", "-o", twin, "--quiet", ...(one.export ?? []));
  const ids = tercet("tokenize", packed, one.text).trim().split(/\s+/).map(Number);
  // llama.cpp keeps keys and values as f16, near enough to floats; our default rounds them to int8.
  const options = ["-p", one.text, "--temperature", "0", "-n", `${TOKENS}`, "--threads", "1"];
  const ours = tercet("run", packed, ...options, "--kv", "f32")
    .trimEnd()
    .slice(one.text.length);
  const theirs = await greedyTokens({ model: twin, text: one.text, tokens: TOKENS });
  return {
    name: one.name,
    same_tokens: ids.join(" ") === theirs.prompt.join(" "),
    ours,
    theirs: theirs.text.trimEnd(),
    shared: sharedLength(ours, theirs.text.trimEnd()),
  };
}

export const greedyCases = [
  {
    name: "stories260K-f32",
    source: join(root, "tests", "golden", "models", "stories260K"),
    pack: ["--dense", "f32"],
    text: "Once upon a time",
  },
  {
    name: "synthetic tiny-gpt2-f16",
    shape: "tiny-gpt2",
    export: ["--type", "f16"],
    text: "hello there",
  },
  ...["f16", "tq2_0"].map((type) => ({
    name: `${bundledModel}-${type}`,
    source: modelSource,
    export: ["--type", type],
    text: "One morning Tom went to the store",
  })),
];

/** Sentences for the notes of a result. */
export function greedyNotes(found) {
  const notes = found.map(({ name, same_tokens, ours, theirs, shared }) => {
    const cut = same_tokens
      ? "cuts the prompt into the same tokens"
      : "cuts the prompt into OTHER tokens";
    return ours === theirs
      ? `${name}: llama.cpp ${cut} and writes the same ${TOKENS} greedy tokens`
      : `${name}: llama.cpp ${cut} and shares the first ${shared} of ${ours.length} characters of greedy text`;
  });
  const [f16, tq2] = ["f16", "tq2_0"].map((type) =>
    found.find(({ name }) => name === `${bundledModel}-${type}`),
  );
  if (f16 && tq2) {
    const same = f16.theirs === tq2.theirs;
    notes.push(
      `llama.cpp itself writes ${same ? "the same" : "another"} text from TQ2_0 as from F16; where it shares nothing with ` +
        `Tercet's, it is one that computes SiLU for every "bitnet", whatever bitnet.hidden_activation says`,
    );
  }
  return notes;
}
