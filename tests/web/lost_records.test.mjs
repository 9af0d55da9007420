// lost_records.test.mjs - the browser has lost the files in which it kept a model and a saved text, but not their names: what a full
// disk, a cleaner or a crash leaves. Everything is found again or can be deleted; nothing is broken for good.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import {
  PROMPT,
  TestPage,
  TestServer,
  launchProfile,
  limit,
  modelBytes,
  modelId,
  runNatively,
} from "./library_under_test.mjs";

let folder, server, context, page;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "tercet-lost-"));
  server = await TestServer.start();
  await visit();
  await page.run(async (prompt) => {
    const model = await tercet.load("/model.tercet", { kv: "f32" });
    await model.generate(prompt, { seed: 1, maxTokens: 200 }).result;
    await model.session.save("one");
    await model.dispose();
  }, PROMPT);
  await page.finish();
  const databases = join(folder, "Default", "IndexedDB");
  const files = readdirSync(databases).filter((name) => name.endsWith(".blob"));
  assert.ok(files.length > 0, "large records lie in files");
  for (const name of files) rmSync(join(databases, name), { recursive: true });
  server.requests = [];
  await visit();
});
afterEach(async () => {
  await page?.finish();
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function visit() {
  context = await launchProfile(folder);
  page = await TestPage.openIn(context, server);
}

test(
  "a model whose chunks are gone from the disk is fetched again; a text begins anew",
  limit,
  async () => {
    const found = await page.run(async (prompt) => {
      const { state } = await tercet.cache.verify((await tercet.cache.list())[0].modelId).then(
        (verified) => verified,
        ({ code }) => ({ state: code }),
      );
      const model = await tercet.load("/model.tercet", { kv: "f32", network: quick });
      const restored = await failure(model.restoreSession("one"));
      const { text, reusedTokens } = await model.generate(prompt, { seed: 5, maxTokens: 8 }).result;
      await model.session.save("one");
      const again = await model.restoreSession("one");
      const { modelId } = model.info;
      await model.dispose();
      const verified = await tercet.cache.verify(modelId);
      return { state, modelId, restored, text, reusedTokens, again, verified: verified.state };
    }, PROMPT);
    assert.match(found.state, /^(absent|partial|damaged)$/);
    assert.equal(found.modelId, modelId);
    assert.deepEqual([found.restored.code, found.reusedTokens], ["BAD_STATE", 0]);
    assert.equal(found.text, runNatively(["-p", PROMPT, "-n", 8, "--seed", 5, "--kv", "f32"]).text);
    assert.ok(found.again.tokens > 8);
    assert.equal(found.verified, "complete");
    // The first bytes are asked for to find out what the address holds.
    assert.ok(server.sentBytes <= modelBytes.length + 65536, `${server.sentBytes} bytes`);
  },
);

test("it is listed as damaged, and can be deleted", limit, async () => {
  const found = await page.run(async () => {
    const [model, ...others] = await tercet.cache.list();
    const { modelBytes } = await tercet.cache.usage();
    const exported = await failure(tercet.cache.export(model.modelId));
    const deleted = await tercet.cache.delete(model.modelId);
    const after = await tercet.cache.list();
    return { model, others, modelBytes, exported: exported.code, deleted, after };
  });
  assert.deepEqual([found.model.modelId, found.model.state], [modelId, "damaged"]);
  assert.equal(found.model.fileBytes, modelBytes.length);
  assert.deepEqual([found.others, found.modelBytes, found.after], [[], 0, []]);
  assert.deepEqual([found.exported, found.deleted], ["BAD_ARGUMENT", true]);
});
