// Every small golden model: packed by the CLI, its logits, best tokens and greedy text against an independent float64
// reference (tests/golden/models/README.md says what expected.json holds). Nothing of Tercet made the expectations.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, describe, test } from "node:test";

const root = resolve(import.meta.dirname, "../../..");
const tercet = process.env.TERCET_BIN ?? join(root, "build/native/tercet");
const models = join(root, "tests/golden/models");

/** How each folder is packed; all others need no options. */
const packOptions = {
  "bitnet-online-bf16": ["--quantize", "absmean"],
  "llama-dense-f32": ["--dense", "f32"],
  "llama-grid-f16-group": ["--group", "64"],
};
const folders = [
  "bitnet-packed-autobitlinear",
  "bitnet-online-bf16",
  "llama-packed-bitlinear",
  "llama-packed-oldstyle",
  "llama-grid-bf16-sharded",
  "llama-grid-f16-group",
  "llama-dense-f32",
];

let scratch;
before(() => {
  scratch = mkdtempSync(join(tmpdir(), "tercet-golden-"));
});
after(() => rmSync(scratch, { recursive: true, force: true }));

function run(...args) {
  return execFileSync(tercet, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

/** Logits [positions][vocabulary] of these ids. */
function logitsOf(model, ids, vocabulary) {
  const file = join(scratch, "logits.f32");
  run("logits", model, "--tokens", ids.join(","), "-o", file);
  const bytes = readFileSync(file);
  const all = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  assert.equal(all.length, ids.length * vocabulary);
  return ids.map((_, t) => all.subarray(t * vocabulary, (t + 1) * vocabulary));
}

function argmax(row) {
  let best = 0;
  for (let i = 1; i < row.length; i++) if (row[i] > row[best]) best = i;
  return best;
}

for (const folder of folders) {
  describe(folder, () => {
    const expected = JSON.parse(readFileSync(join(models, folder, "expected.json"), "utf8"));
    let model;
    before(() => {
      model = join(scratch, `${folder}.tercet`);
      run("pack", join(models, folder), "-o", model, "--quiet", ...(packOptions[folder] ?? []));
    });

    expected.prompts.forEach((prompt, index) => {
      test(`prompt ${index} of ${prompt.ids.length} tokens`, () => {
        const vocabulary = prompt.last_logits.length;
        const rows = logitsOf(model, prompt.ids, vocabulary);
        const last = rows[rows.length - 1];
        let worst = 0;
        for (let i = 0; i < vocabulary; i++)
          worst = Math.max(worst, Math.abs(last[i] - prompt.last_logits[i]));
        assert.ok(worst <= prompt.tolerance, `off by ${worst}, allowed ${prompt.tolerance}`);
        prompt.argmax_per_position.forEach((token, t) => {
          if (prompt.position_margins[t] > 2 * prompt.tolerance)
            assert.equal(argmax(rows[t]), token);
        });
        const greedy = [];
        const ids = [...prompt.ids];
        for (let i = 0; i < prompt.greedy_safe; i++) {
          const token = argmax(logitsOf(model, ids, vocabulary).at(-1));
          greedy.push(token);
          ids.push(token);
        }
        assert.deepEqual(greedy, prompt.greedy_ids.slice(0, prompt.greedy_safe));
      });
    });
  });
}
