// coverage.test.mjs - scripts/coverage.mjs: which statements may say that their branches are not counted, and only those.

import assert from "node:assert/strict";
import { test } from "node:test";
import { notCounted } from "../../scripts/coverage.mjs";

const text = `int a(void) {
    /* Branches not counted: no mutex of glibc fails */
    if (init() != 0) {
        return other() ? 1 : 0;
    }
    /* Branches not counted: a reason
     * of two lines */
    bool done = one() &&
                two();
    return done ? 2 : 3; /* Branches not counted: behind a statement it says nothing */
}
`;

test("a statement that says why its branches are not counted", () => {
  assert.deepEqual([...notCounted(text)], [3, 8, 9]);
  assert.deepEqual([...notCounted("/* Branches not counted: */\nif (a) {\n}\n")], []);
});
