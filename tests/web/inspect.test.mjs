// inspect.test.mjs - what a model would need, before any of it is downloaded: exactly what load() then takes, from nothing but
// the header, and nothing is kept of it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { root } from "../../scripts/paths.mjs";
import {
  TestPage,
  TestServer,
  headerBytes,
  launchBrowser,
  modelBytes,
  modelId,
} from "./library_under_test.mjs";

const limit = { timeout: 300_000 };
let browser, server, page;
before(async () => {
  browser = await launchBrowser();
  server = await TestServer.start();
  page = await TestPage.open(browser, server);
});
after(async () => {
  await page?.finish();
  await browser?.close();
  await server?.stop();
});
beforeEach(() => server.repair());

test(
  "the memory that load() takes with the same options, from the header alone",
  limit,
  async () => {
    for (const options of [{}, { context: 128, kv: "f32" }, { variant: "simd128", sessions: 2 }]) {
      server.repair();
      const plan = await page.run((given) => tercet.inspect("/model.tercet", given), options);
      assert.ok(server.sentBytes <= 2 * headerBytes + 65536, `${server.sentBytes} bytes were sent`);
      assert.deepEqual(await page.run(() => tercet.cache.list()), [], "nothing is kept");
      const info = await page.run(async (given) => {
        const model = await tercet.load("/model.tercet", { ...given, cache: "memory" });
        await model.dispose();
        return model.info;
      }, options);
      assert.deepEqual(plan, {
        fileBytes: modelBytes.length,
        memoryBytes: info.memoryBytes,
        modelId,
        name: info.name,
        parameters: info.parameters,
        trainedContext: info.trainedContext,
      });
    }
  },
);

test("a file at hand, a GGUF file, and what is no model", limit, async () => {
  const gguf = readFileSync(join(root, "tests/golden/models/gguf-llama-tq2_0/model.gguf"));
  server.files.set("/model.gguf", gguf);
  server.files.set("/page.tercet", Buffer.from("<!doctype html>".repeat(500)));
  const found = await page.run(async () => {
    const file = await (await fetch("/model.tercet")).blob();
    const { fileBytes, memoryBytes } = await tercet.inspect(file);
    const code = (source) =>
      tercet.inspect(source).then(
        () => "",
        (error) => error.code,
      );
    return {
      file: { fileBytes, known: memoryBytes > fileBytes },
      gguf: await tercet.inspect("/model.gguf"),
      codes: [await code("/page.tercet"), await code("/nothing.tercet"), await code(7)],
    };
  });
  page.expectMessages?.(/404/);
  assert.deepEqual(found.file, { fileBytes: modelBytes.length, known: true });
  assert.equal(found.gguf.fileBytes, gguf.length);
  assert.equal(found.gguf.memoryBytes, null, "that is known when it is packed");
  assert.deepEqual(found.codes, ["BAD_MAGIC", "HTTP_STATUS", "BAD_ARGUMENT"]);
});
