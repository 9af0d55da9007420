// text_measures.ts: what a model says about a text without continuing it: logits, an embedding, how likely it is, and how fast the
// model is. Each begins with an empty session and leaves one that holds its tokens. Runs in the worker.
import { TercetError } from "./errors.js";
import { yieldToMessages, type RunControl } from "./run_control.js";
import { rate, type OpenSession } from "./session_runner.js";
import type { Slicing } from "./slicing.js";
import type { BenchResult, EmbedResult, PerplexityResult } from "./types.js";
import type { Handle } from "./wasm_module.js";

/** Logits of every position. The tokens are computed in slices, as many rows at once as memory has room for. */
export async function computeLogits(
  open: OpenSession,
  slicing: Slicing,
  tokens: Uint32Array,
  control: RunControl,
): Promise<Float32Array> {
  const { module, session, facts, slice } = open;
  const { vocabulary } = facts;
  slicing.requireUsable(tokens);
  const result = takeFloats(tokens.length * vocabulary);
  if (tokens.length === 0) return result;
  module.resetSession(session);
  const rows = takeRows(open, Math.min(slice, tokens.length));
  try {
    await slicing.run(tokens, 0, control, (address, left, done) => {
      const taken = module.prefill(session, address, left, rows);
      if (taken !== null)
        module.readFloats(rows.address, taken * vocabulary, result, done * vocabulary);
      return taken;
    });
  } finally {
    module.destroy(rows.handle);
  }
  throwIfStopped(control);
  return result;
}

/** Mean over the tokens of the last hidden state. The same numbers as the native twin's `tercet embed`. */
export async function computeEmbedding(
  open: OpenSession,
  slicing: Slicing,
  tokens: Uint32Array,
  control: RunControl,
): Promise<EmbedResult> {
  const { module, session, facts } = open;
  slicing.requireUsable(tokens);
  if (tokens.length === 0) throw new TercetError("BAD_ARGUMENT", "there are no tokens to embed");
  module.resetSession(session);
  const sums = module.createBuffer(facts.hidden * 8);
  try {
    module.write(sums.address, new Uint8Array(facts.hidden * 8));
    await slicing.run(tokens, 0, control, (address, left) =>
      module.embed(session, address, left, sums.address),
    );
    throwIfStopped(control);
    const bytes = module.read(sums.address, facts.hidden * 8);
    const embedding = new Float32Array(
      new Float64Array(bytes.buffer).map((sum) => sum / tokens.length),
    );
    return { embedding, tokens: tokens.length };
  } finally {
    module.destroy(sums.handle);
  }
}

/**
 * One stream of tokens, cut into windows of the context; each token but the first is predicted once, from those before it in
 * its window. The same sum in the same order as the native twin's `tercet perplexity`.
 */
export async function computePerplexity(
  open: OpenSession,
  slicing: Slicing,
  tokens: Uint32Array,
  control: RunControl,
): Promise<PerplexityResult> {
  const { module, session, context, slice } = open;
  slicing.requireKnown(tokens);
  const predicted = tokens.length - 1;
  if (predicted < 1)
    throw new TercetError(
      "BAD_ARGUMENT",
      `${tokens.length} tokens: two are needed, the first only predicts`,
    );
  const rows = takeRows(open, Math.min(slice, predicted));
  let sum = 0;
  try {
    for (let at = 0; at < predicted; at += context) {
      module.resetSession(session);
      const count = Math.min(context, predicted - at);
      await slicing.run(tokens.subarray(at, at + count + 1), 0, control, (address, left) => {
        // The last one predicts nothing: it counts as taken with those before it.
        if (left === 1) return 1;
        const scored = module.score(session, address, left - 1, rows, sum);
        if (scored === null) return null;
        sum = scored.sum;
        return scored.taken;
      });
      throwIfStopped(control);
    }
  } finally {
    module.destroy(rows.handle);
  }
  const natsPerToken = -sum / predicted;
  return { natsPerToken, perplexity: Math.exp(natsPerToken), tokens: predicted };
}

export async function measureSpeed(
  open: OpenSession,
  slicing: Slicing,
  wanted: { promptTokens: number; decodeTokens: number },
  control: RunControl,
): Promise<BenchResult> {
  const { module, session, facts, context, kernels, threads } = open;
  const decodeTokens = Math.min(wanted.decodeTokens, context - 1);
  const promptTokens = Math.min(wanted.promptTokens, context - decodeTokens);
  // Any tokens will do; these are spread over the vocabulary, so that no cache helps the embedding.
  const prompt = Uint32Array.from(
    { length: promptTokens },
    (_, i) => (i * 7919 + 1) % facts.tokenCount,
  );
  module.resetSession(session);
  module.setSampling(session, { ...facts.sampling, temperature: 0 }, 0n);
  // Every token is to cost a pass.
  module.setSpeculation(session, 1);
  const { seconds: promptSeconds } = await slicing.run(prompt, 0, control, (address, left) =>
    module.prefill(session, address, left),
  );
  let decodeSeconds = 0;
  for (let done = 0; done < decodeTokens;) {
    throwIfStopped(control);
    const begin = performance.now();
    const { status, token } = module.step(session);
    // The bench goes on after the end of a text: what counts is the work.
    const computed = status === "end" ? computeOne(open, token) : status === "token";
    decodeSeconds += (performance.now() - begin) / 1000;
    if (computed) done += 1;
    await yieldToMessages();
  }
  const promptTokensPerSecond = rate(promptTokens, promptSeconds);
  const decodeTokensPerSecond = rate(decodeTokens, decodeSeconds);
  const packedGigabytesPerSecond = (facts.dataBytes * decodeTokensPerSecond) / 1e9;
  const memoryBytes = module.memory.buffer.byteLength;
  return {
    promptTokens,
    promptTokensPerSecond,
    decodeTokens,
    decodeTokensPerSecond,
    packedGigabytesPerSecond,
    kernels,
    threads,
    variant: module.variant,
    memoryBytes,
    figures: {
      decode_tokens_per_s: decodeTokensPerSecond,
      prompt_tokens_per_s: promptTokensPerSecond,
      packed_gb_per_s: packedGigabytesPerSecond,
      peak_memory_bytes: memoryBytes,
      kernels,
      threads,
    },
  };
}

function computeOne({ module, session }: OpenSession, token: number): boolean {
  const buffer = module.createTokens(Uint32Array.of(token));
  try {
    return module.prefill(session, buffer.address, 1) === 1;
  } finally {
    module.destroy(buffer.handle);
  }
}

/** The most rows of logits that fit into memory now. */
function takeRows(
  { module, facts }: OpenSession,
  rows: number,
): { handle: Handle; address: number; rows: number } {
  for (; ; rows = Math.ceil(rows / 2)) {
    try {
      return { ...module.createBuffer(rows * facts.vocabulary * 4), rows };
    } catch (thrown) {
      const full = thrown instanceof TercetError && thrown.code === "OUT_OF_MEMORY";
      if (!full || rows === 1) throw thrown;
    }
  }
}

function takeFloats(count: number): Float32Array {
  try {
    return new Float32Array(count);
  } catch (thrown) {
    throw new TercetError("OUT_OF_MEMORY", `no room for ${count} logits: ask for fewer tokens`, {
      cause: thrown,
    });
  }
}

function throwIfStopped(control: RunControl): void {
  if (control.aborted) throw new TercetError("ABORTED");
}
