// llama_process.cjs - the process in which llama.cpp runs: llama_process.cjs JOB, JOB is JSON. Calls
// the addon of node-llama-cpp directly (its JavaScript layers and their sampling are not timed), with
// llama.cpp's own defaults: the model is mapped, flash attention is "auto", keys and values are f16.
//
// With `prompt`: times one batch of so many tokens into an empty context, logits of the last one only,
// then `tokens` single tokens behind it, each with its logits; nothing is sampled. With `text`: the
// greedy continuation. Prints one line of JSON.

const { readFileSync } = require("node:fs");
const { join } = require("node:path");

const job = JSON.parse(process.argv[2]);
const addon = require(join(job.binaries, "llama-addon.node"));
const seconds = () => Number(process.hrtime.bigint()) / 1e9;

/** Kernel libraries that are mapped into this process, and its peak memory. */
function readProcess() {
  const maps = readFileSync("/proc/self/maps", "utf8");
  const libraries = new Set([...maps.matchAll(/\/(libggml-cpu-[^/\n]+)$/gm)].map(([, name]) => name));
  const peak = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"));
  return { library: [...libraries].join(", "), peak_bytes: peak ? Number(peak[1]) * 1024 : 0 };
}

async function open() {
  addon.markLoaded();
  addon.setLogger(() => {});
  addon.setLoggerLogLevel(2); // errors
  addon.loadBackends(job.kernels);
  await addon.init();
  const begin = seconds();
  const model = new addon.AddonModel(job.model, { addonExports: addon, gpuLayers: 0, useMmap: true });
  if (!(await model.init())) throw new Error(`llama.cpp cannot load ${job.model}`);
  const loadSeconds = seconds() - begin;
  const size = (job.prompt ?? 256) + job.tokens + 8;
  const context = new addon.AddonContext(model, {
    contextSize: size,
    batchSize: size,
    sequences: 1,
    threads: job.threads,
    flashAttention: "auto",
    performanceTracking: false,
  });
  if (!(await context.init())) throw new Error("llama.cpp cannot make a context");
  if (context.getThreads() !== job.threads) throw new Error(`${context.getThreads()} threads`);
  return { model, context, loadSeconds };
}

/** Computes tokens behind `position`; the place of the last one's logits. */
async function decode(context, position, tokens) {
  context.initBatch(tokens.length);
  const last = Uint32Array.of(tokens.length - 1);
  const places = context.addToBatch(0, position, Uint32Array.from(tokens), last);
  await context.decodeBatch();
  return places[0];
}

/** The same tokens every time, spread over the vocabulary. */
const someTokens = (count, seed) => Array.from({ length: count }, (_, i) => 3 + ((seed + i * 37) % 251));

async function time({ context, loadSeconds }) {
  await decode(context, 0, someTokens(Math.min(16, job.prompt), 1));
  await decode(context, Math.min(16, job.prompt), someTokens(1, 2));
  context.disposeSequence(0);
  const prompt = someTokens(job.prompt, 5);
  let begin = seconds();
  await decode(context, 0, prompt);
  const promptSeconds = seconds() - begin;
  begin = seconds();
  for (let i = 0; i < job.tokens; i++) {
    await decode(context, job.prompt + i, someTokens(1, 100 + i));
  }
  const decodeSeconds = seconds() - begin;
  return {
    prompt_tokens_per_s: job.prompt / promptSeconds,
    decode_tokens_per_s: job.tokens / decodeSeconds,
    load_seconds: loadSeconds,
  };
}

async function continueGreedily({ model, context }) {
  const ids = [...model.tokenize(job.text, false)];
  const prompt = model.shouldPrependBosToken() ? [model.tokenBos(), ...ids] : ids;
  const sampler = new addon.AddonSampler(model);
  sampler.applyConfig({ temperature: 0 });
  const tokens = [];
  let place = await decode(context, 0, prompt);
  while (tokens.length < job.tokens) {
    tokens.push(await context.sampleToken(place, sampler));
    place = await decode(context, prompt.length + tokens.length - 1, tokens.slice(-1));
  }
  return { prompt, tokens, text: model.detokenize(Uint32Array.from(tokens), false) };
}

async function main() {
  const opened = await open();
  const result = job.text === undefined ? await time(opened) : await continueGreedily(opened);
  const line = JSON.stringify({ ...result, system: addon.systemInfo().trim(), ...readProcess() });
  process.stdout.write(`${line}\n`, () => process.exit(0)); // without the addon's slow farewell
}

main().catch((error) => {
  process.stderr.write(`${error.stack ?? error}\n`, () => process.exit(1));
});
