// results.ts: what the bench measured, in the shape of `tercet bench --json`, so that files of page and command lie side by side; and the
// reading of such a file, which may hold anything.

import type { BenchResult, Model, ModelInfo, ModelMap, Variant } from "../../library.js";

/** A row of `results`: those of the command have more. */
export interface Row {
  kernels: string;
  threads: number;
  context: number;
  prompt_tokens: number;
  decode_tokens: number;
  prompt_tokens_per_s: number;
  decode_tokens_per_s: number;
  prompt_runs?: number[];
  decode_runs?: number[];
  variant?: Variant;
  [more: string]: unknown;
}

export interface ResultFile {
  model: string;
  model_id: string;
  results: Row[];
  [more: string]: unknown;
}

export interface Choice {
  variant: Variant;
  threads: number;
  context: number;
}

export const RUNS = 3;
/** No bench has more, and a picture of them would be higher than browsers draw. */
const MOST_ROWS = 400;

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return ((sorted[(sorted.length - 1) >> 1] ?? 0) + (sorted[sorted.length >> 1] ?? 0)) / 2;
}

/**
 * Every tensor is read whole for a token, but for tables of which one row is looked up: the positions, and an embedding that is not
 * also the head. As `tercet bench` counts.
 */
export function packedBytesPerToken({ tensors }: ModelMap, { dataBytes, tiedHead }: ModelInfo) {
  const lookedUp = tensors.filter(
    ({ name }) => name === "position_embedding" || (name === "embedding" && !tiedHead),
  );
  return lookedUp.reduce(
    (sum, { bytes, rows }) => sum - bytes + Math.floor(bytes / rows),
    dataBytes,
  );
}

/** One choice: the engine is started with it, warmed up with the same prompt, and measured; the median counts. */
export async function measure(
  model: Model,
  choice: Choice,
  packedBytes: number,
  signal: AbortSignal,
): Promise<Row> {
  const decodeTokens = Math.min(64, Math.max(1, choice.context >> 2));
  const sizes = { decodeTokens, promptTokens: choice.context - decodeTokens, signal };
  const begin = performance.now();
  await model.restart(choice);
  await model.bench({ ...sizes, decodeTokens: 1 });
  const firstToken = (performance.now() - begin) / 1000;
  const runs: BenchResult[] = [];
  for (let i = 0; i < RUNS; i += 1) runs.push(await model.bench(sizes));
  const last = runs.at(-1) as BenchResult;
  const prompt = runs.map((run) => run.promptTokensPerSecond);
  const decode = runs.map((run) => run.decodeTokensPerSecond);
  const speed = median(decode);
  return {
    variant: last.variant,
    kernels: last.kernels,
    threads: last.threads,
    prompt_tokens: last.promptTokens,
    decode_tokens: last.decodeTokens,
    context: model.info.context,
    kv: model.info.kv,
    prompt_tokens_per_s: median(prompt),
    decode_tokens_per_s: speed,
    // From the start of the engine to the first token, the model read from the browser's storage: once for each choice.
    first_token_seconds: firstToken,
    prompt_runs: prompt,
    decode_runs: decode,
    first_token_runs: [firstToken],
    packed_bytes_per_token: packedBytes,
    packed_gb_per_s: (packedBytes * speed) / 1e9,
    // What a page cannot know.
    read_gb_per_s: null,
    read_from_memory: null,
    read_share: null,
    speculation: 1,
    drafted_tokens: 0,
    accepted_tokens: 0,
    session_bytes: model.info.sessionBytes,
    peak_memory_bytes: last.memoryBytes,
    load_average: null,
  };
}

/** null: the browser does not say. They say less than there is, mostly. */
export function deviceMemory(): number | null {
  return (navigator as { deviceMemory?: number }).deviceMemory ?? null;
}

/** `date`: when it was measured. */
export function resultFile(info: ModelInfo, results: Row[], date: Date): ResultFile {
  return {
    model: info.name,
    synthetic: info.name.startsWith("synthetic "),
    model_id: info.modelId,
    file_bytes: info.fileBytes,
    parameters: info.parameters,
    cores: navigator.hardwareConcurrency,
    last_cache_bytes: null,
    runs: RUNS,
    load_average: null,
    date: date.toISOString(),
    platform: navigator.platform,
    browser: navigator.userAgent,
    device_memory_gb: deviceMemory(),
    cross_origin_isolated: crossOriginIsolated,
    results,
  };
}

/** null: it is none. */
export function readResultFile(text: string): ResultFile | null {
  try {
    const file = JSON.parse(text) as ResultFile;
    const sound = (row: Row) =>
      typeof row.kernels === "string" &&
      typeof (row.variant ?? "") === "string" &&
      [row.threads, row.context, row.prompt_tokens_per_s, row.decode_tokens_per_s].every(
        (number) => Number.isFinite(number) && number >= 0,
      );
    const { model_id: id, results } = file;
    const some = results.length > 0 && results.length <= MOST_ROWS;
    return typeof id === "string" && some && results.every(sound) ? file : null;
  } catch {
    return null;
  }
}
