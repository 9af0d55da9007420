// load_under_test.mjs - loads of the bundled model in the page of one_page.mjs, as tests of what can go wrong want them: one that must
// fail, and one that must be right.

import assert from "node:assert/strict";
import { PROMPT, runNatively } from "./library_under_test.mjs";
import { page } from "./one_page.mjs";

/** The native twin's text of such a load. */
export const expected = runNatively(["-p", PROMPT, "-n", 16, "--seed", 3]).text;

/** Its error. */
export const failToLoad = (options) =>
  page.run(
    (options) => failure(tercet.load("/model.tercet", { network: quick, ...options })),
    options,
  );

/** Loads with few retries, checks the text, gives info. */
export async function loadWell(options = {}) {
  const { text, info } = await page.run(
    async ({ prompt, options }) => {
      const model = await tercet.load("/model.tercet", { network: quick, ...options });
      const { text } = await model.generate(prompt, { maxTokens: 16, seed: 3 }).result;
      const info = structuredClone(model.info);
      await model.dispose();
      return { text, info };
    },
    { prompt: PROMPT, options },
  );
  assert.equal(text, expected);
  return info;
}
