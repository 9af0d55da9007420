// llama_cpp.test.mjs - llama.cpp itself reads what `tercet export --to gguf` writes and computes the same model: the same
// greedy tokens behind the same prompt. Float weights on both sides for that, since llama.cpp rounds the activations in front of
// ternary blocks by groups of 256 columns and Tercet by token: with ternary blocks the first token that differs must be one that
// Tercet's logits hold for almost as good.
//
// Skipped where llama.cpp is not installed (npm's prebuilt one, `npm run bench:native` installs it: 30 MB that nothing else
// here needs).

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { greedyTokens } from "../../bench/native/llama_cpp.mjs";
import { root } from "../../scripts/paths.mjs";
import { changed, readGguf, text, writeGguf } from "./gguf_edit.mjs";
import {
  at,
  bundledModel,
  goldenModels,
  logits,
  pack,
  stories260K,
  succeed,
  succeedJson,
} from "./twin_under_test.mjs";

const rival = join(root, "bench", "node_modules", "@node-llama-cpp");
const skip = existsSync(rival)
  ? false
  : "llama.cpp is not installed: npm run bench:native installs it";

/** Exports a packed model with float weights. */
function exported(model, name, type = "f32") {
  const file = at(`${name}.gguf`);
  succeed(["export", model, "--to", "gguf", "-o", file, "--type", type, "--quiet"]);
  return file;
}

/** The same greedy tokens in both, as far as Tercet's text goes. */
async function compare(file, prompt, count) {
  const model = pack(file, ["--dense", "f32"]);
  const how = ["--temperature", "0", "-n", String(count), "--kv", "f32", "--threads", "1"];
  const mine = succeedJson(["run", model, "-p", prompt, ...how]);
  const theirs = await greedyTokens({ model: file, text: prompt, tokens: count });
  assert.deepEqual(theirs.prompt, mine.prompt_tokens);
  assert.ok(mine.tokens.length > 8, `${mine.tokens.length} tokens`);
  assert.deepEqual(theirs.tokens.slice(0, mine.tokens.length), mine.tokens);
}

test("stories260K, dense", { skip }, () =>
  compare(exported(stories260K(), "stories"), "Once upon a time", 100),
);

/**
 * Norms in front of o and down, tied head, ternary weights. llama.cpp's "bitnet" computes SiLU whatever the key
 * bitnet.hidden_activation says (as of 2026-11), so the key says so here and Tercet does the same.
 */
function bundledWithSilu(type) {
  const gguf = readGguf(exported(bundledModel(), `bundled-${type}`, type));
  const keys = changed(gguf.keys, { "bitnet.hidden_activation": text("silu") });
  return writeGguf(at(`bundled-${type}-silu.gguf`), { ...gguf, keys });
}

for (const type of ["f32", "f16", "q8_0"])
  test(`the bundled ternary model as ${type}, with SiLU`, { skip }, () =>
    compare(bundledWithSilu(type), "One morning Tom went to the store", 40),
  );

test(
  "the bundled ternary model in ternary blocks, each with its own activations",
  { skip },
  async () => {
    const file = bundledWithSilu("tq2_0");
    const model = pack(file);
    const { vocabulary } = succeedJson(["inspect", model]).shape;
    let whole = 0;
    for (const prompt of ["The king said", "Long ago there lived", "The dog ran"]) {
      const how = ["--temperature", "0", "-n", "40", "--kv", "f32", "--threads", "1"];
      const mine = succeedJson(["run", model, "-p", prompt, ...how]);
      const theirs = await greedyTokens({ model: file, text: prompt, tokens: 40 });
      assert.deepEqual(theirs.prompt, mine.prompt_tokens);
      const parted = mine.tokens.findIndex((token, i) => token !== theirs.tokens[i]);
      if (parted < 0) whole++;
      else {
        const ids = [...mine.prompt_tokens, ...mine.tokens.slice(0, parted)].join(",");
        const row = logits(model, ["--tokens", ids, "--kv", "f32"], vocabulary).at(-1);
        const lead = row[mine.tokens[parted]] - row[theirs.tokens[parted]];
        assert.ok(lead < 0.2, `${prompt}: token ${parted} leads by ${lead}`); // logits span more than 20
      }
    }
    assert.ok(whole > 0, "no text is the same");
  },
);

// Seeded models: no sense, but every part of their graphs.
for (const [name, what, options] of [
  ["gguf-llama-q2_0/model.gguf", "a llama with biases and llama3's frequencies", []],
  ["llama-packed-bitlinear", "a llama of odd sizes with a head of its own", []],
  ["llama-grid-bf16-sharded", "a llama with YaRN, scales of rows", []],
  ["qwen3-grid-bf16", "a Qwen3 with YaRN, ternary embedding and head", ["--embedding", "f16"]],
  ["gpt2-grid-f16", "a GPT-2", []],
])
  test(what, { skip }, () => {
    const model = pack(join(goldenModels, name), options);
    return compare(exported(model, name.replaceAll("/", "-")), "the end", 16);
  });
