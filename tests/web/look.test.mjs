// look.test.mjs - looking inside a model: the map says of every tensor what the file holds, counted by hand from its bytes and by
// the native twin; parts of file and memory add up; layers are timed without changing the text; another module on the same model.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { root } from "../../scripts/paths.mjs";
import {
  PROMPT,
  TestPage,
  TestServer,
  dist,
  launchBrowser,
  limit,
  modelBytes,
  modelPath,
  tercet,
} from "./library_under_test.mjs";

let browser, server, page, folder, node;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), "tercet-look-"));
  node = await import(pathToFileURL(join(dist, "node", "index.js")).href);
  browser = await launchBrowser();
  server = await TestServer.start();
  page = await TestPage.open(browser, server);
  await page.run(async () => {
    globalThis.model = await tercet.load("/model.tercet", { context: 96 });
  });
});
after(async () => {
  await page?.finish();
  await browser?.close();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const pad16 = (n) => Math.ceil(n / 16) * 16;

/** By CONTAINER.md, one weight after the other. */
function countByHand(bytes, { offset, rows, columns }) {
  const count = [0, 0, 0];
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const tile = (row >> 4) * (pad16(columns) / 16) + (column >> 4);
      const byte = bytes[offset + tile * 64 + (row % 16) * 4 + (column % 4)];
      count[(byte >> (2 * ((column % 16) >> 2))) & 3] += 1;
    }
  const [minus, zero, plus] = count;
  return { weights: rows * columns, minus, zero, plus };
}

/** The range of the values by which the codes of real rows and columns are multiplied. */
function scalesByHand(bytes, { type, scale, offset, rows, columns }) {
  if (scale === "none") return null;
  const at = offset + (pad16(rows) * pad16(columns)) / (type === "ternary" ? 4 : 1);
  const values = [];
  if (scale === "tensor") values.push(bytes.readFloatLE(at));
  else if (scale === "row")
    for (let row = 0; row < rows; row++) values.push(bytes.readFloatLE(at + 4 * row));
  else {
    const width = scale === "group64" ? 64 : 128;
    const groups = Math.ceil(columns / width);
    for (let row = 0; row < rows; row++)
      for (let group = 0; group < groups; group++) {
        const half = bytes.readUInt16LE(at + 2 * (((row >> 4) * groups + group) * 16 + (row % 16)));
        const [exponent, fraction] = [(half >> 10) & 31, half & 1023];
        const size = exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24;
        values.push(half & 0x8000 ? -size : size);
      }
  }
  return { least: Math.min(...values), greatest: Math.max(...values) };
}

function checkMap(map, path) {
  const bytes = readFileSync(path);
  const inspected = JSON.parse(
    execFileSync(tercet, ["inspect", path, "--tensors", "--json"], { encoding: "utf8" }),
  );
  assert.equal(map.modelId, inspected.model_id);
  assert.equal(map.fileBytes, bytes.length);
  const names = ["name", "type", "scale", "rows", "columns", "offset", "bytes"];
  assert.deepEqual(
    map.tensors.map((tensor) => names.map((name) => tensor[name])),
    inspected.tensors.map((tensor) => names.map((name) => tensor[name])),
  );
  for (const [i, tensor] of map.tensors.entries()) {
    assert.equal(tensor.ternary?.zero ?? 0, inspected.tensors[i].zeros, tensor.name);
    const counted = tensor.type === "ternary" ? countByHand(bytes, tensor) : null;
    assert.deepEqual(tensor.ternary, counted, tensor.name);
    assert.deepEqual(tensor.scales, scalesByHand(bytes, tensor), tensor.name);
  }
  assert.equal(map.ternary.weights, inspected.ternary.parameters);
  assert.equal(map.ternary.zero, inspected.ternary.zeros);
  const { minus, zero, plus, weights } = map.ternary;
  assert.equal(minus + zero + plus, weights);
  // As the twin prints them.
  const sparsity = map.layers.map(({ ternary }) => ternary.zero / (ternary.weights || 1));
  for (const [i, share] of inspected.ternary.sparsity_by_layer.entries())
    assert.ok(Math.abs(sparsity[i] - share) < 1e-9, `layer ${i}: ${sparsity[i]}, ${share}`);
  assert.equal(sparsity.length, inspected.shape.layers);
  const sum = (list) => list.reduce((total, one) => total + one, 0);
  assert.equal(sum(map.parts.map((part) => part.bytes)), bytes.length);
  for (const layer of map.layers) assert.equal(sum(Object.values(layer.parts)), layer.bytes);
  const { totalBytes, ...parts } = map.memory;
  assert.equal(sum(Object.values(parts)), totalBytes);
  assert.equal(parts.weightBytes + parts.headerBytes, bytes.length);
  assert.ok(
    Object.values(parts).every((part) => part > 0),
    JSON.stringify(parts),
  );
}

test(
  "the map of every kind of tensor and scale is what the file holds, and what the twin says",
  limit,
  async () => {
    const seen = new Set();
    for (const [name, options] of [
      ["bitmamba2-bin/model.bin", []],
      ["gpt2-odd-heads", ["--dense", "f16"]],
      ["gpt2-online-bare", ["--quantize", "absmean"]],
      ["llama-grid-f16-group", []],
      ["llama-linear-norms", ["--vectors", "f16"]],
      ["llama-packed-bitlinear", ["--embedding", "q8"]],
      ["qwen3-mlx", []],
      ["stories260K", ["--dense", "q8"]],
    ]) {
      const path = join(folder, `${seen.size}.tercet`);
      const source = join(root, "tests/golden/models", name);
      execFileSync(tercet, ["pack", source, "-o", path, ...options], {
        stdio: "ignore",
      });
      const model = await node.load(path, { threads: 1 });
      const map = await model.map();
      checkMap(map, path);
      for (const { type, scale } of map.tensors) seen.add(`${type} ${scale}`);
      await model.dispose();
      rmSync(path);
    }
    // What CONTAINER.md has; nothing would be proved by models that are all alike.
    const kinds = ["f32 none", "f16 none", "int8 row", "ternary tensor", "ternary row"];
    kinds.push("ternary group64", "ternary group128");
    assert.deepEqual([...seen].sort(), kinds.sort());
  },
);

test("weights that are none of three count as none of them", limit, async () => {
  const { tensors } = await page.run(() => model.map());
  const tensor = tensors.find(({ type }) => type === "ternary");
  // The script itself, with a file in memory in place of an engine: none would load this one, whose hashes do not hold.
  const got = await page.run(async ({ offset, name }) => {
    const { mapModel } = await import("/dist/tercet-look.mjs");
    const { buffer } = new Uint8Array(await (await fetch("/model.tercet")).arrayBuffer());
    new Uint8Array(buffer)[offset] |= 3; // `11`, which does not occur
    const headerBytes = Number(new DataView(buffer).getBigUint64(16, true));
    const module = {
      memory: { buffer },
      ask: (name, _, at) =>
        name === "model_bytes"
          ? [0, headerBytes, headerBytes, buffer.byteLength - headerBytes][at]
          : 0,
      read: (address, count) => new Uint8Array(buffer.slice(address, address + count)),
    };
    const { tensors } = await mapModel({ module, facts: model.info }, { aborted: false });
    return tensors.find((one) => one.name === name).ternary;
  }, tensor);
  const damaged = Buffer.from(modelBytes);
  damaged[tensor.offset] |= 3;
  const counts = countByHand(damaged, tensor);
  assert.equal(counts.minus + counts.zero + counts.plus, counts.weights - 1);
  assert.deepEqual(got, counts);
});

test(
  "in a page: the same map, also while a text is written; a signal stops it",
  limit,
  async () => {
    const got = await page.run(async (prompt) => {
      const alone = await model.map();
      const writing = model.generate(prompt, { seed: 1, maxTokens: 60 });
      const [text, beside] = await Promise.all([writing.result, model.map()]);
      const aborted = await model.map({ signal: AbortSignal.abort() }).catch(({ code }) => code);
      const again = await model.generate(prompt, { seed: 1, maxTokens: 60 }).result;
      return { alone, beside, aborted, texts: [text.text, again.text], info: model.info };
    }, PROMPT);
    checkMap(got.alone, modelPath);
    assert.deepEqual(got.beside, got.alone);
    assert.equal(got.aborted, "ABORTED");
    assert.equal(got.texts[0], got.texts[1]);
    const { memory } = got.alone;
    assert.equal(memory.totalBytes, got.info.memoryBytes);
    assert.equal(memory.keptBytes + memory.workBytes, got.info.sessionBytes);
    const { layers, kvHeads, headDim, context } = got.info;
    // int8: a byte a value and a float a row, in blocks of 64 positions.
    const positions = Math.ceil(context / 64) * 64;
    assert.equal(memory.keptBytes, 2 * layers * kvHeads * positions * (pad16(headDim) + 4));
  },
);

test("layers are timed while a text is written, and the text stays the same", limit, async () => {
  const got = await page.run(async (prompt) => {
    const options = { seed: 5, maxTokens: 24, speculation: "off" };
    const plain = await model.generate(prompt, options).result;
    const measure = async (more) => {
      const times = [];
      const result = await model.generate(prompt, {
        ...options,
        ...more,
        onLayerTimes: (one) => times.push(one),
      }).result;
      return { times, text: result.text, timings: result.timings, count: result.tokens.length };
    };
    const bad = (layerTimesEvery) => {
      try {
        model.generate(prompt, { onLayerTimes() {}, layerTimesEvery });
        return null;
      } catch ({ code }) {
        return code;
      }
    };
    return {
      plain: plain.text,
      every: await measure({ layerTimesEvery: 1 }),
      some: await measure({}),
      drafted: await measure({ speculation: 4, temperature: 0, layerTimesEvery: 1 }),
      drafts: (await model.generate(prompt, { ...options, speculation: 4, temperature: 0 }).result)
        .speculation,
      bad: [bad(0), bad(1.5)],
      layers: model.info.layers,
    };
  }, PROMPT);
  assert.equal(got.every.text, got.plain);
  assert.equal(got.some.text, got.plain);
  assert.equal(got.every.times.length, got.every.count);
  assert.equal(got.some.times.length, Math.ceil(got.some.count / 8));
  let all = 0;
  for (const times of got.every.times) {
    assert.equal(times.layerSeconds.length, got.layers);
    assert.equal(times.tokens, 1);
    const parts = [times.inputSeconds, ...times.layerSeconds, times.headSeconds];
    assert.ok(parts.every((seconds) => seconds >= 0));
    const sum = parts.reduce((total, seconds) => total + seconds, 0);
    assert.ok(Math.abs(sum - times.seconds) < 1e-9, `${sum} of ${times.seconds}`);
    all += times.seconds;
  }
  assert.ok(all > 0 && all <= got.every.timings.decodeSeconds + 1e-6);
  // A pass is measured, not a token.
  assert.equal(got.drafted.times.length, got.drafts.passes);
  const computed = got.drafted.times.reduce((sum, { tokens }) => sum + tokens, 0);
  assert.equal(computed, got.drafts.passes + got.drafts.draftedTokens);
  assert.deepEqual(got.bad, ["BAD_ARGUMENT", "BAD_ARGUMENT"]);
});

test(
  "the engine is started again with another module, threads, context and cache",
  limit,
  async () => {
    const got = await page.run(async (prompt) => {
      const text = async () =>
        (await model.generate(prompt, { seed: 2, maxTokens: 12 }).result).text;
      const of = ({ variant, threads, kernels, context, kv }) => [
        variant,
        threads,
        kernels,
        context,
        kv,
      ];
      const seen = [[...of(model.info), await text()]];
      for (const options of [
        { variant: "simd128" },
        { variant: "simd128-threads", threads: 2, kernels: "portable" },
        { context: 48, kv: "f32" },
        {},
      ]) {
        await model.restart(options);
        seen.push([...of(model.info), await text()]);
      }
      const refused = await model.restart({ threads: 65 }).catch(({ code }) => code);
      return { seen, refused, alive: await text() };
    }, PROMPT);
    const [first, single, portable, small, again] = got.seen;
    assert.deepEqual(single.slice(0, 3), ["simd128", 1, "wasm_simd128"]);
    assert.deepEqual(portable.slice(0, 3), ["simd128-threads", 2, "portable"]);
    assert.deepEqual(small.slice(3, 5), [48, "f32"]);
    assert.deepEqual(again, first);
    assert.equal(single.at(-1), first.at(-1));
    assert.equal(portable.at(-1), first.at(-1));
    assert.equal(got.refused, "BAD_ARGUMENT");
    assert.equal(got.alive, first.at(-1));
  },
);
