// characters.test.mjs - a stream never splits a character: texts of characters that the models have no tokens for, so that each is written
// byte by byte, with byte tokens (SentencePiece) and bytes as pieces of words (BPE): with logprobs, with a stop text whose signs
// lie in several tokens, and with a loop that is left in the middle. A grammar makes the models write them.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { root } from "../../scripts/paths.mjs";
import {
  PROMPT,
  TestPage,
  TestServer,
  launchBrowser,
  limit,
  tercet,
} from "./library_under_test.mjs";

const folder = mkdtempSync(join(tmpdir(), "tercet-characters-"));
let browser, server, page;
before(async () => {
  browser = await launchBrowser();
  server = await TestServer.start();
  const file = join(folder, "bytes.tercet");
  const source = join(root, "tests/golden/models/stories260K");
  execFileSync(tercet, ["pack", source, "-o", file, "--dense", "f16", "--quiet"]);
  server.write("bytes.tercet", readFileSync(file));
  page = await TestPage.open(browser, server);
  await page.run(async () => {
    globalThis.models = {
      bpe: await tercet.load("/model.tercet"),
      sentencepiece: await tercet.load("/bytes.tercet"),
    };
  });
});
after(async () => {
  await page?.finish();
  await browser?.close();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Four bytes, three, two; one that is several characters joined. */
const grammar = { regex: "(?:[\u{1F600}-\u{1F64F}]|[日本語]|[א-ת]|👩\u200d👧|🇩🇪){12}" };

/** Pieces of a text, and the result. `leaveAfter`: the loop is left behind so many pieces. */
const write = (which, options, leaveAfter = Infinity) =>
  page.run(
    async ({ which, prompt, options, leaveAfter }) => {
      const answer = models[which].generate(prompt, {
        ...{ temperature: 1.2, topK: 0, topP: 1, minP: 0, maxTokens: 400 },
        ...options,
      });
      const pieces = [];
      for await (const piece of answer) {
        pieces.push(piece);
        if (pieces.length === leaveAfter) break;
      }
      const { text, finishReason, tokens, logprobs } = await answer.result;
      return { pieces, text, finishReason, tokens: tokens.length, logprobs };
    },
    { which, prompt: PROMPT, options, leaveAfter },
  );

/** No half of a character, neither of its bytes (U+FFFD) nor of its UTF-16 units. */
function requireWhole({ pieces, text }) {
  for (const piece of [...pieces, text]) assert.doesNotMatch(piece, /\ufffd|\p{Surrogate}/u);
  assert.equal(pieces.join(""), text);
}

for (const which of ["bpe", "sentencepiece"]) {
  test(
    `${which}: every piece holds whole characters, with logprobs and without`,
    limit,
    async () => {
      for (let seed = 1; seed <= 4; seed++) {
        const plain = await write(which, { grammar, seed });
        requireWhole(plain);
        assert.equal(plain.finishReason, "stop");
        assert.match(plain.text, new RegExp(`^${grammar.regex}$`, "u"));
        assert.ok(plain.tokens > 1.5 * [...plain.text].length, "characters are several tokens");
        const noted = await write(which, { grammar, seed, logprobs: 3 });
        requireWhole(noted);
        assert.equal(noted.text, plain.text);
        assert.deepEqual(noted.pieces, plain.pieces);
        assert.equal(noted.logprobs.length, noted.tokens);
      }
    },
  );

  test(
    `${which}: a stop text of several tokens, beginning in the middle of the text`,
    limit,
    async () => {
      for (let seed = 1; seed <= 4; seed++) {
        const { text } = await write(which, { grammar, seed });
        const signs = [...text];
        for (const from of [1, 5]) {
          const stop = signs.slice(from, from + 2).join("");
          const stopped = await write(which, { grammar, seed, stop: [stop, "never 🙂"] });
          requireWhole(stopped);
          assert.equal(stopped.finishReason, "stop-text");
          assert.equal(stopped.text, text.slice(0, text.indexOf(stop)));
        }
        // Its first bytes are those of others: nothing is held back for good.
        const near = await write(which, { grammar, seed, stop: ["\u{1F650}", "👩👩"] });
        requireWhole(near);
        assert.equal(near.text, text);
      }
    },
  );

  test(`${which}: a loop that is left in the middle, and signals`, limit, async () => {
    const { pieces } = await write(which, { grammar, seed: 9 });
    for (const count of [1, 2, 5]) {
      const left = await write(which, { grammar, seed: 9, logprobs: 1 }, count);
      assert.equal(left.finishReason, "aborted");
      assert.deepEqual(left.pieces, pieces.slice(0, count));
      for (const piece of [left.text, ...left.pieces])
        assert.doesNotMatch(piece, /\ufffd|\p{Surrogate}/u);
      assert.ok(pieces.join("").startsWith(left.text));
    }
    // Behind any token, wherever its character is.
    for (let most = 1; most <= 9; most++) {
      const cut = await write(which, { grammar, seed: 9, maxTokens: most });
      assert.equal(cut.pieces.join(""), cut.text);
      const whole = cut.text.replace(/\ufffd+$/, "");
      assert.ok(pieces.join("").startsWith(whole) && !whole.includes("\ufffd"), cut.text);
      for (const piece of cut.pieces.slice(0, -1)) assert.doesNotMatch(piece, /\ufffd/);
    }
  });
}
