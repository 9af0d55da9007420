// wllama.js - the rival's side of a visit. Its own timings are quoted: the server inside it takes them around the work
// alone. It takes no token ids, only text, so how long a prompt was is what it says afterwards. Runs in the page.

import { Wllama } from "/wllama/index.min.js";
import { secondsSince } from "./measures.js";

/** Letters that no vocabulary has a word for: about one token a letter. */
const promptText = (tokens) => "q7x3z9k5".repeat(Math.ceil(tokens / 8)).slice(0, tokens);

export async function visit({ model, threads, context, promptTokens, decodeTokens, firstPrompt }) {
  const log = [];
  const keep = (...words) => log.push(words.join(" ").trim());
  const logger = { debug: () => {}, log: keep, warn: keep, error: keep };
  const wllama = new Wllama({ default: "/wllama/wasm/wllama.wasm" }, { logger });
  wllama.setCompat(null); // its module for other browsers lies on a server of others
  const began = performance.now();
  await wllama.loadModelFromUrl(new URL(model, location.href).href, {
    n_ctx: context,
    n_threads: threads,
    n_gpu_layers: 0,
    n_parallel: 1, // one text at a time, as everybody else here
  });
  const loadSeconds = secondsSince(began);
  const complete = (prompt, most) =>
    wllama.createCompletion({
      prompt,
      max_tokens: most,
      temperature: 0,
      ignore_eos: true,
      cache_prompt: false,
    });
  await complete(promptText(firstPrompt), 1);
  const firstTokenSeconds = secondsSince(began);
  const timed = promptTokens > 0 ? await complete(promptText(promptTokens), decodeTokens) : null;
  const speed = timed?.timings ?? null;
  const answer = {
    loadSeconds,
    firstTokenSeconds,
    promptTokensPerSecond: speed?.prompt_per_second ?? null,
    decodeTokensPerSecond: speed?.predicted_per_second ?? null,
    promptTokens: speed?.prompt_n ?? null,
    decodeTokens: speed?.predicted_n ?? null,
    threads: wllama.getNumThreads(),
    log: log.filter((line) => /system_info|buffer size/.test(line)),
  };
  await wllama.exit();
  return answer;
}
