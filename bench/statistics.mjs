// statistics.mjs - the few figures that every benchmark quotes: medians, spread, and the ratio of
// runs that were taken in turn. A speed claim is a median with its spread, a comparison the median
// of the ratios of neighbouring runs: both then saw the same busy moments. It must never drop a run.

/** @param {readonly number[]} values */
function requireNumbers(values) {
  if (values.length === 0) throw new RangeError("no runs to take a figure of");
  for (const value of values) {
    if (!Number.isFinite(value)) throw new RangeError(`a run gave ${value}, which is no number`);
  }
}

const rising = (values) => [...values].sort((a, b) => a - b);

/**
 * Middle value; of an even number the mean of the two in the middle.
 * @param {readonly number[]} values
 */
export function median(values) {
  requireNumbers(values);
  const sorted = rising(values);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * How far the runs lie apart: (largest - smallest) / median; 0 when all are equal.
 * @param {readonly number[]} values
 */
export function spread(values) {
  const middle = median(values);
  const sorted = rising(values);
  const range = sorted[sorted.length - 1] - sorted[0];
  return range === 0 ? 0 : range / Math.abs(middle);
}

/**
 * Median, least and most of some runs.
 * @param {readonly number[]} values
 */
export function summary(values) {
  const sorted = rising(values);
  return {
    median: median(values),
    least: sorted[0],
    most: sorted[sorted.length - 1],
    spread: spread(values),
    runs: values.length,
  };
}

/**
 * a[i] / b[i] of runs that were taken in turn (a0 b0 a1 b1 ...), and their median.
 * @param {readonly number[]} a
 * @param {readonly number[]} b
 */
export function ratioPerPair(a, b) {
  requireNumbers(a);
  requireNumbers(b);
  if (a.length !== b.length) {
    throw new RangeError(`${a.length} runs cannot be paired with ${b.length}`);
  }
  const ratios = a.map((value, i) => {
    if (b[i] === 0) throw new RangeError(`run ${i + 1} of the second engine gave 0`);
    return value / b[i];
  });
  return { ratios, ...summary(ratios) };
}
