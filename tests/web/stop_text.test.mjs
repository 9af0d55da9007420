// stop_text.test.mjs - stop texts are found wherever the pieces break, and nothing of one is ever given out.

import assert from "node:assert/strict";
import { test } from "node:test";
import { importSource } from "./source_under_test.mjs";

const { StopText } = await importSource("stop_text");

/** What comes out for these pieces, with the end. */
function through(stops, pieces) {
  const stop = new StopText(stops);
  const out = pieces.map((piece) => stop.push(piece));
  return { out, text: out.join("") + stop.end(), found: stop.found };
}

/** The definition: cut the whole text at the first place where any stop begins. */
function cut(stops, text) {
  const places = stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
  return places.length > 0 ? text.slice(0, Math.min(...places)) : text;
}

test("without stops every piece passes at once", () => {
  assert.deepEqual(through([], ["a", "", "bc"]), {
    out: ["a", "", "bc"],
    text: "abc",
    found: false,
  });
});

test("what may begin a stop is held back, and given when it does not", () => {
  const { out, text, found } = through(["STOP"], ["one S", "T", "OX two"]);
  assert.deepEqual(out, ["one ", "", "STOX two"]);
  assert.equal(text, "one STOX two");
  assert.equal(found, false);
});

test("the end gives what is held back, but nothing after a stop", () => {
  assert.equal(through(["STOP"], ["abc ST"]).text, "abc ST");
  assert.deepEqual(through(["STOP"], ["abc ST", "OP def", "ghi"]), {
    out: ["abc ", "", ""],
    text: "abc ",
    found: true,
  });
});

test("the first of several counts, also one inside another", () => {
  assert.equal(through(["b", "abc"], ["xab", "c"]).text, cut(["b", "abc"], "xab"));
  assert.equal(through(["yy", "xyz"], ["xx", "xy", "z"]).text, "xx");
});

test("any breaking into pieces gives the same as the whole, character by character", () => {
  const texts = ["aabaabaaab", "abababb", "the end. The end", "aaaaaaa", "🙂a🙂🙂b"];
  const lists = [["aab"], ["abb", "ba"], ["end.", "The"], ["aaab"], ["🙂🙂"], ["zzz", "b"]];
  for (const text of texts) {
    const characters = [...text];
    for (const stops of lists) {
      for (let mask = 0; mask < 2 ** (characters.length - 1); mask++) {
        const pieces = [""];
        characters.forEach((character, i) => {
          if (i > 0 && (mask >> (i - 1)) & 1) pieces.push("");
          pieces[pieces.length - 1] += character;
        });
        const { text: got, found } = through(stops, pieces);
        assert.equal(
          found,
          stops.some((stop) => text.includes(stop)),
        );
        // With two stops, the one that is complete first ends the text, as natively.
        if (stops.length === 1)
          assert.equal(got, cut(stops, text), `${stops} in ${pieces.join("|")}`);
        assert.ok(!stops.some((stop) => got.includes(stop)));
      }
    }
  }
});
