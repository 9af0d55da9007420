// gguf_packing.mjs - load() of a GGUF file in a real browser: it is packed in the page to the model that the native `tercet pack` makes
// and computes what that computes, from wherever it comes; what cannot be packed is refused in the packer's words.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { changed, readGguf, writeGguf } from "../native/gguf_edit.mjs";
import { limit, tercet } from "./library_under_test.mjs";
import {
  finishPage,
  folder,
  golden,
  large,
  names,
  nothing,
  openPage,
  packNatively,
  page,
  serve,
  server,
  small,
  smallId,
} from "./gguf_under_test.mjs";

const TOKENS = [1, 5, 9, 2, 30, 7, 7, 3];

function nativeLogits(file) {
  return execFileSync(
    tercet,
    ["logits", file, "--tokens", TOKENS.join(","), "-o", "-", "--threads", "1"],
    {
      maxBuffer: 1 << 28,
    },
  );
}

test(
  "every golden file is packed to the native model, and computes what that computes",
  limit,
  async () => {
    await openPage();
    for (const name of names) {
      const dense = name.endsWith("dense");
      const native = packNatively(golden(name), dense ? ["--dense", "f32"] : []);
      const found = await page.run(
        async ({ address, tokens, pack }) => {
          const model = await tercet.load(address, { pack, threads: 1 });
          const rows = await model.logits(tokens);
          const { modelId, source, family } = model.info;
          await model.dispose();
          return { modelId, source, family, logits: [...new Uint8Array(rows.buffer)] };
        },
        {
          address: `/goldens/${name}/model.gguf`,
          tokens: TOKENS,
          pack: dense ? { dense: "f32" } : {},
        },
      );
      assert.equal(found.modelId, native.modelId, name);
      assert.equal(found.source, "network");
      assert.ok(nativeLogits(native.file).equals(Buffer.from(found.logits)), `${name}: logits`);
    }
    const { left, list } = await page.run(async () => ({
      left: await leftOver(),
      list: await tercet.cache.list(),
    }));
    assert.deepEqual(left, nothing);
    assert.equal(list.length, names.length);
    assert.ok(list.every(({ state }) => state === "complete"));
  },
);

test(
  "a file of a user's and bytes are the same model as the file at an address",
  limit,
  async () => {
    const native = packNatively(small);
    await openPage();
    await page.page.setContent('<input type="file">');
    await page.page.setInputFiles("input", {
      name: "model.gguf",
      mimeType: "application/octet-stream",
      buffer: small,
    });
    const found = await page.run(async () => {
      const [file] = document.querySelector("input").files;
      const fromFile = await loadOnce(file);
      const fromBytes = await loadOnce(await file.arrayBuffer());
      return { fromFile, fromBytes, left: await leftOver(), list: await tercet.cache.list() };
    });
    assert.equal(found.fromFile.modelId, native.modelId);
    assert.equal(found.fromFile.source, "memory");
    // Packed as well, but all of its chunks are there: they are not written twice.
    assert.equal(found.fromBytes.modelId, native.modelId);
    assert.ok(found.fromBytes.events.some(({ phase }) => phase === "pack"));
    assert.deepEqual(found.left, nothing);
    assert.deepEqual(
      found.list.map(({ modelId, state, urls }) => [modelId, state, urls.length]),
      [[native.modelId, "complete", 2]],
    );
  },
);

test(
  "progress tells of download, packing and loading, and never goes backwards",
  limit,
  async () => {
    serve(large);
    server.faults = { slowly: 2 };
    await openPage();
    const { events } = await page.run(() => loadOnce("/model.tercet"));
    const phases = [...new Set(events.map(({ phase }) => phase))];
    assert.deepEqual(
      phases.filter((phase) => phase !== "header"),
      ["download", "pack", "load", "ready"].filter((phase) => phases.includes(phase)),
    );
    assert.ok(phases.includes("download") && phases.includes("pack"), phases.join(" "));
    let before = 0;
    for (const { loadedBytes, totalBytes } of events) {
      assert.ok(loadedBytes >= before, `${before} and then ${loadedBytes}`);
      assert.ok(totalBytes === 0 || (totalBytes === 3 * large.length && loadedBytes <= totalBytes));
      before = loadedBytes;
    }
    assert.equal(events.at(-1).phase, "ready");
    assert.equal(before, 3 * large.length);
  },
);

test(
  "what cannot be packed is refused in the packer's words, and options can change that",
  limit,
  async () => {
    const name = "gguf-llama-q8_0-dense";
    await openPage();
    const found = await page.run(async (address) => {
      const refused = await failure(tercet.load(address));
      const wrong = await failure(tercet.load(address, { pack: { dense: "f64" } }));
      const dense = await loadOnce(address, { pack: { dense: "f32" } });
      const eight = await loadOnce(address, { pack: { dense: "q8", embedding: "q8" } });
      // Which of them it was is remembered.
      const again = await loadOnce(address, { pack: { embedding: "q8", dense: "q8" } });
      return { refused, wrong, dense, eight, again, left: await leftOver() };
    }, `/goldens/${name}/model.gguf`);
    assert.equal(found.refused.code, "NOT_TERNARY");
    assert.match(found.refused.detail, /blk\.0|tensor/);
    assert.equal(found.wrong.code, "BAD_ARGUMENT");
    assert.equal(found.dense.modelId, packNatively(golden(name), ["--dense", "f32"]).modelId);
    const eight = packNatively(golden(name), ["--dense", "q8", "--embedding", "q8"]).modelId;
    assert.equal(found.eight.modelId, eight);
    assert.equal(found.again.modelId, eight);
    assert.equal(found.again.source, "indexeddb");
    assert.deepEqual(found.left, nothing);
  },
);

test("pack options say nothing about a file that is packed already", limit, async () => {
  const { file } = packNatively(small);
  serve(readFileSync(file));
  await openPage();
  const found = await page.run(async () => ({
    ...(await loadOnce("/model.tercet", { pack: { dense: "f32" } })),
    left: await leftOver(),
  }));
  assert.equal(found.modelId, smallId);
  assert.deepEqual(found.left, nothing);
});

test("cut and damaged files are refused, and nothing of them stays", limit, async () => {
  const source = small;
  const cut = source.subarray(0, source.length - 1000);
  const version = Buffer.from(source);
  version.writeUInt32LE(77, 4);
  const counted = Buffer.from(source);
  counted.fill(0xff, 8, 16);
  await openPage();
  for (const bytes of [cut, source.subarray(0, 100), version, counted, unknownType(source)]) {
    serve(bytes);
    const found = await page.run(async () => ({
      failed: await failure(tercet.load("/model.tercet", { network: quick })),
      left: await leftOver(),
      list: await tercet.cache.list(),
    }));
    assert.match(found.failed.code, /^(BAD_SOURCE|UNSUPPORTED_SOURCE|LIMIT_EXCEEDED)$/);
    assert.ok(found.failed.detail.length > 10);
    assert.deepEqual(found.left, nothing);
    assert.deepEqual(found.list, []);
  }
});

/** The file with the type of one of its matrices changed to one that nobody knows. */
function unknownType(bytes) {
  const path = join(folder, "edited.gguf");
  writeFileSync(path, bytes);
  const gguf = readGguf(path);
  const [name, tensor] = [...gguf.tensors].find(([, { type }]) => type > 1);
  const tensors = changed(gguf.tensors, { [name]: { ...tensor, type: 99 } });
  return readFileSync(writeGguf(path, { ...gguf, tensors }));
}

test(
  "without the packer's files a GGUF file is refused, and the engine's models load",
  limit,
  async () => {
    const scripts = [
      [/tercet-packer\.mjs/, "ENGINE_CRASHED", /packer/],
      [/tercet-packer\.wasm/, "ENGINE_CRASHED", /packer/],
      [/tercet-gguf\.mjs/, "NETWORK_FAILED", /tercet-gguf\.mjs/],
    ];
    for (const [missing, code, said] of scripts) {
      serve(small);
      server.missing = missing;
      await openPage();
      const failed = await page.run(() => failure(tercet.load("/model.tercet")));
      assert.equal(failed.code, code);
      assert.match(failed.detail, said);
      // Without the script that knows of downloads they are in no list, which is one all the same.
      const listed = await page.run(() => tercet.cache.list());
      assert.ok(listed.every(({ state }) => state === "partial"));
      await finishPage();
      server.repair();
    }
  },
);
