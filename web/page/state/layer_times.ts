// layer_times.ts: the time of each layer while a text is written, whichever view began it: now and then a pass through the network is
// timed, and a mean follows them. A text is worth more than its clock: it is written without one where that cannot be had.

import { signal } from "@preact/signals";
import { TercetError, type GenerateOptions, type LayerTimes } from "../library.js";
import { model } from "./models.js";

/** Seconds: of the input, of each layer in order, of the output head. Changes at most once a frame; empty: nothing was timed yet. */
export const layerTimes = signal<readonly number[]>([]);

/** One pass of so many is timed while somebody writes: the others run as if nobody looked. */
const EVERY = 16;
/** The latest counts so much at least, so that the mean follows. Coarse clocks need more passes to tell something. */
const LEAST_WEIGHT = crossOriginIsolated ? 0.15 : 0.02;

type TimedOptions = Pick<GenerateOptions, "onLayerTimes" | "layerTimesEvery">;

interface Generation<Result> extends AsyncIterable<string> {
  readonly result: Promise<Result>;
}

/** The script that times did not come: it is not asked for again. */
let missing = false;

// Another model has other layers.
model.subscribe(() => (layerTimes.value = []));

/** What `ask` begins, timed for who looks: nothing is timed in a tab that is hidden. Every piece goes to `onPiece`. */
export async function generateTimed<Result>(
  ask: (timed: TimedOptions) => Generation<Result>,
  onPiece: (piece: string) => void,
  every = EVERY,
): Promise<Result> {
  let pieces = 0;
  const run = async (timed: TimedOptions) => {
    const generation = ask(timed);
    for await (const piece of generation) {
      pieces += 1;
      onPiece(piece);
    }
    return generation.result;
  };
  if (missing || document.hidden) return run({});
  try {
    return await run({ layerTimesEvery: every, onLayerTimes: follow() });
  } catch (thrown) {
    if (pieces > 0 || !(thrown instanceof TercetError) || thrown.code !== "NETWORK_FAILED")
      throw thrown;
    missing = true;
    return run({});
  }
}

function follow(): (times: LayerTimes) => void {
  let passes = 0;
  let mean: number[] = [];
  let frame = 0;
  return ({ inputSeconds, layerSeconds, headSeconds }) => {
    const now = [inputSeconds, ...layerSeconds, headSeconds];
    const weight = Math.max(1 / ++passes, LEAST_WEIGHT);
    mean = now.map((one, i) => one * weight + (mean[i] ?? 0) * (1 - weight));
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      layerTimes.value = mean;
    });
  };
}
