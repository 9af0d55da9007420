// results.ts: what the bench measured, in the shape of `tercet bench --json`, so that files of page and command lie side by side; and the
// reading of such a file, which may hold anything.

import type { BenchResult, Model, ModelInfo, Variant } from "../../library.js";

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

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return ((sorted[(sorted.length - 1) >> 1] ?? 0) + (sorted[sorted.length >> 1] ?? 0)) / 2;
}

/** One choice: the engine is started with it, warmed up, and measured; the median counts. */
export async function measure(model: Model, choice: Choice, signal: AbortSignal): Promise<Row> {
  await model.restart(choice);
  const decodeTokens = Math.min(64, Math.max(1, choice.context >> 2));
  const sizes = { decodeTokens, promptTokens: choice.context - decodeTokens, signal };
  await model.bench({ promptTokens: 8, decodeTokens: 1, signal });
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
    prompt_runs: prompt,
    decode_runs: decode,
    speculation: 1,
    session_bytes: model.info.sessionBytes,
    peak_memory_bytes: last.memoryBytes,
  };
}

export function resultFile(info: ModelInfo, results: Row[]): ResultFile {
  const { deviceMemory } = navigator as { deviceMemory?: number };
  return {
    model: info.name,
    synthetic: false,
    model_id: info.modelId,
    file_bytes: info.fileBytes,
    parameters: info.parameters,
    cores: navigator.hardwareConcurrency,
    runs: RUNS,
    date: new Date().toISOString(),
    browser: navigator.userAgent,
    device_memory_gb: deviceMemory ?? null,
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
      [row.threads, row.context, row.prompt_tokens_per_s, row.decode_tokens_per_s].every(
        (number) => Number.isFinite(number) && number >= 0,
      );
    return typeof file.model_id === "string" && file.results.length > 0 && file.results.every(sound)
      ? file
      : null;
  } catch {
    return null;
  }
}
