// tercet.js - Tercet's side of a visit: loads a model, writes a first token, measures. Runs in the page.

import { load } from "/tercet/index.js";
import { promptOf, secondsSince } from "./measures.js";

export async function visit({
  model,
  threads,
  context,
  promptTokens,
  decodeTokens,
  firstPrompt,
  variant,
}) {
  const began = performance.now();
  // When each phase was first and last heard of: its length.
  const phases = {};
  const onProgress = ({ phase }) => {
    phases[phase] ??= { from: performance.now() };
    phases[phase].to = performance.now();
  };
  const loaded = await load(model, { threads, context, onProgress, ...(variant && { variant }) });
  const loadSeconds = secondsSince(began);
  const { info } = loaded;
  const prompt = promptOf(firstPrompt, info.vocabulary);
  const { result } = loaded.generate(prompt, { maxTokens: 1, temperature: 0, seed: 0 });
  await result;
  const firstTokenSeconds = secondsSince(began);
  const speed = promptTokens > 0 ? await loaded.bench({ promptTokens, decodeTokens }) : null;
  await loaded.dispose();
  const lengths = Object.entries(phases).map(([name, { from, to }]) => [name, (to - from) / 1000]);
  return {
    modelId: info.modelId,
    phaseSeconds: Object.fromEntries(lengths),
    loadSeconds,
    firstTokenSeconds,
    promptTokensPerSecond: speed?.promptTokensPerSecond ?? null,
    decodeTokensPerSecond: speed?.decodeTokensPerSecond ?? null,
    promptTokens: speed?.promptTokens ?? null,
    decodeTokens: speed?.decodeTokens ?? null,
    threads: info.threads,
    variant: info.variant,
    kernels: info.kernels,
    source: info.source,
    fileBytes: info.fileBytes,
    sessionBytes: info.sessionBytes,
    memoryBytes: info.memoryBytes,
    notices: info.notices,
  };
}
