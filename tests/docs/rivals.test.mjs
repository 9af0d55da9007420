// rivals.test.mjs - the code of other libraries in docs/library/coming-from.md is right by their own types. Their packages are
// large and fetched on request alone.

import assert from "node:assert/strict";
import { test } from "node:test";
import { complaints, isFetched, rivalSamples } from "../../scripts/rival-samples.mjs";

test("there is code of three libraries", () => {
  assert.equal(new Set(rivalSamples.map(({ name }) => name)).size, 3);
});

for (const sample of rivalSamples) {
  const { name, version, page, line } = sample;
  const skip = !isFetched(sample) && `${name}@${version} is not here: npm run docs:rivals`;
  test(`${page}:${line}, ${name} ${version}`, { skip }, async () => {
    assert.equal(await complaints(sample), "");
  });
}
