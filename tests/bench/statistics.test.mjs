// statistics.test.mjs - medians, ratios and turns: the arithmetic behind every speed claim.

import assert from "node:assert/strict";
import { test } from "node:test";
import { median, ratioPerPair, spread, summary } from "../../bench/statistics.mjs";
import { inTurn } from "../../bench/turns.mjs";

test("the median is the middle of the sorted runs", () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([10, 9, 100, 8]), 9.5); // as text 10 and 100 would sort before 8
  assert.equal(median([7]), 7);
});

test("the spread tells how far the runs lie apart", () => {
  assert.equal(spread([4, 4, 4]), 0);
  assert.equal(spread([8, 10, 12]), 0.4);
  assert.deepEqual(summary([3, 1, 2]), { median: 2, least: 1, most: 3, spread: 1, runs: 3 });
});

test("a ratio is taken run by run, so that drift of the machine falls out", () => {
  // Both engines slow down to a half in the middle; the first is twice as fast throughout.
  const a = [100, 50, 100];
  const b = [50, 25, 50];
  const { median: ratio, ratios } = ratioPerPair(a, b);
  assert.deepEqual(ratios, [2, 2, 2]);
  assert.equal(ratio, 2);
});

test("what is no figure is refused, not averaged", () => {
  assert.throws(() => median([]), /no runs/);
  assert.throws(() => median([1, Number.NaN]), /NaN/);
  assert.throws(() => ratioPerPair([1, 2], [1]), /2 runs cannot be paired with 1/);
  assert.throws(() => ratioPerPair([1], [0]), /run 1 of the second engine gave 0/);
});

test("configurations run in turn after a warm-up that does not count", async () => {
  const order = [];
  const outcomes = await inTurn(["a", "b"], 2, (name, round) => {
    order.push(`${name}${round}`);
    return order.length;
  });
  assert.deepEqual(order, ["a0", "b0", "a1", "b1", "a2", "b2"]);
  assert.deepEqual(outcomes.get("a").results, [3, 5]);
  assert.deepEqual(outcomes.get("b").results, [4, 6]);
});

test("a configuration that fails is left out with its reason; the others go on", async () => {
  const said = [];
  const outcomes = await inTurn(
    ["good", "bad"],
    2,
    async (name, round) => {
      if (name === "bad" && round === 1) throw new Error("out of memory");
      return round;
    },
    { report: (line) => said.push(line) },
  );
  assert.deepEqual(outcomes.get("good").results, [1, 2]);
  assert.deepEqual(outcomes.get("bad").results, []);
  assert.equal(outcomes.get("bad").failure.message, "out of memory");
  assert.equal(said.filter((line) => line.includes("bad")).length, 3); // warm-up, run 1, its failure
});
