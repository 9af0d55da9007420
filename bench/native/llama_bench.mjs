// llama_bench.mjs - other rivals: any program that takes the options of llama.cpp's llama-bench and
// prints its JSON (ik_llama.cpp's, bitnet.cpp's, a llama.cpp built here). What they print is read
// here and nowhere else.

import { StepError } from "../../scripts/steps.mjs";
import { runMeasured } from "./measured_process.mjs";

/** "ik IQ2_BN=path/llama-bench -m {shape}.gguf" -> { name, words }. */
export function parseRival(text) {
  const at = text.indexOf("=");
  const words = text
    .slice(at + 1)
    .trim()
    .split(/\s+/);
  if (at < 1 || words[0] === "") {
    throw new StepError(`--rival takes NAME=COMMAND, not "${text}"`);
  }
  return { name: text.slice(0, at).trim(), words };
}

/** llama-bench's JSON -> speeds. It prints an array with one entry for the prompt and one for the tokens. */
export function readLlamaBench(out) {
  const begin = out.indexOf("[");
  let entries;
  try {
    entries = JSON.parse(out.slice(begin, out.lastIndexOf("]") + 1));
  } catch {
    throw new Error(`the rival printed no JSON of llama-bench: ${out.slice(0, 200)}`);
  }
  const prompt = entries.find(({ n_prompt, n_gen }) => n_prompt > 0 && n_gen === 0);
  const decode = entries.find(({ n_prompt, n_gen }) => n_prompt === 0 && n_gen > 0);
  if (!(prompt?.avg_ts > 0) || !(decode?.avg_ts > 0)) {
    throw new Error("the rival's JSON has no speed for prompt or tokens");
  }
  return { prompt_tokens_per_s: prompt.avg_ts, decode_tokens_per_s: decode.avg_ts };
}

/** One run: llama-bench warms up by itself, then measures prompt and tokens, each from an empty context. */
export async function runRival({ words, shape }, { pair, threads, prompt, tokens }) {
  const [program, ...args] = words.map((word) =>
    word.replaceAll("{shape}", shape ?? "").replaceAll("{kernels}", pair ?? ""),
  );
  const numbers = ["-t", `${threads}`, "-p", `${prompt}`, "-n", `${tokens}`, "-r", "1"];
  const { out, peakBytes } = await runMeasured(program, [...args, ...numbers, "-o", "json"]);
  return { ...readLlamaBench(out), peak_memory_bytes: peakBytes };
}
