// grammar.js - texts that are held to a grammar and texts that are not, in turn, in one page. Runs in the page.

import { load } from "/tercet/index.js";

const PROMPT = "One morning Tom went to the store";
const record = {
  type: "object",
  properties: {
    name: { type: "string" },
    age: { type: "integer", minimum: 0, maximum: 99 },
    tags: { type: "array", items: { enum: ["red", "green", "blue"] }, minItems: 2 },
  },
  required: ["name", "age", "tags"],
};
/** Each long enough to be timed. `text` is any text at all: what the masks themselves cost. */
const GRAMMARS = {
  none: undefined,
  text: { regex: "[\\s\\S]{40,}" },
  json: { jsonSchema: { type: "array", items: record, minItems: 8 } },
  lengths: {
    jsonSchema: {
      type: "array",
      items: { type: "string", minLength: 60, maxLength: 150 },
      minItems: 4,
    },
  },
};

export async function visit({ model, threads, tokens, runs }) {
  // The context is the model's own: the bundled one was made for 256 tokens.
  const loaded = await load(model, { threads });
  const names = Object.keys(GRAMMARS);
  const answer = { threads: loaded.info.threads, first: {}, secondsPerToken: {} };
  for (const name of names) answer.secondsPerToken[name] = [];
  for (let run = 0; run <= runs; run++) {
    for (const name of names) {
      const { timings, tokens: got } = await loaded.generate(PROMPT, {
        ...{ grammar: GRAMMARS[name], maxTokens: tokens, seed: run, temperature: 0.8 },
        speculation: "off",
      }).result;
      const seconds = timings.decodeSeconds / got.length;
      // The first of each compiles the grammar and meets its places for the first time.
      if (run === 0) answer.first[name] = seconds;
      else if (got.length > tokens / 4) answer.secondsPerToken[name].push(seconds);
    }
  }
  await loaded.dispose();
  return answer;
}
