// turns.mjs - runs configurations in turn: A B C A B C ..., after one uncounted round that warms up.
// Neighbouring runs see the same busy moments of a shared machine, so their ratio holds where their
// absolute figures drift. A configuration that fails is left out from then on and says why: one rival
// that cannot run must not end the comparison, nor be hidden.

/**
 * @template T
 * @template R
 * @param {readonly T[]} configurations
 * @param {number} runs counted rounds
 * @param {(configuration: T, round: number) => Promise<R> | R} measure round 0 warms up
 * @param {{ warmUp?: boolean, report?: (line: string) => void, name?: (configuration: T) => string }} [options]
 * @returns {Promise<Map<T, { results: R[], failure: Error | null }>>} results in the order of the rounds
 */
export async function inTurn(configurations, runs, measure, options = {}) {
  const { warmUp = true, report = () => {}, name = String } = options;
  const outcomes = new Map(
    configurations.map((configuration) => [configuration, { results: [], failure: null }]),
  );
  for (let round = warmUp ? 0 : 1; round <= runs; round++) {
    for (const [configuration, outcome] of outcomes) {
      if (outcome.failure) continue;
      report(`${round === 0 ? "warm-up" : `run ${round} of ${runs}`}: ${name(configuration)}`);
      try {
        const result = await measure(configuration, round);
        if (round > 0) outcome.results.push(result);
      } catch (error) {
        outcome.failure = error instanceof Error ? error : new Error(String(error));
        report(`${name(configuration)} failed: ${outcome.failure.message}`);
      }
    }
  }
  return outcomes;
}
