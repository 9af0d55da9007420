// packer.test.mjs - the packer's own module (tercet-packer.wasm) in Node, through web/src/packer_module.ts with files in memory:
// what it makes of a GGUF file is what the native `tercet pack` makes, byte for byte, and what it refuses it refuses in
// the same words. Browsers and storage are tests/web/gguf.test.mjs.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { modelFile, wasmBuild } from "../../scripts/paths.mjs";
import { changed, readGguf, u32, writeGguf } from "../native/gguf_edit.mjs";
import { at, goldenModels, succeed, tercet } from "../native/twin_under_test.mjs";
import { importSource } from "../web/source_under_test.mjs";

const binary = readFileSync(join(process.env.TERCET_WASM ?? wasmBuild, "tercet-packer.wasm"));
const module = new WebAssembly.Module(binary);
const { runPacker } = await importSource("packer_module");
const { packOptions, packWord } = await importSource("pack_options");

const goldens = readdirSync(goldenModels).filter((name) => name.startsWith("gguf-"));
const golden = (name) => join(goldenModels, name, "model.gguf");

/** The bundled model as other programs have it: more than a chunk long, so that parts of it come back from the host. */
function bundledGguf() {
  const path = at("bundled.gguf");
  if (!existsSync(path))
    succeed([
      "export",
      process.env.TERCET_MODEL ?? modelFile,
      "--to",
      "gguf",
      "-o",
      path,
      "--quiet",
    ]);
  return path;
}

/** Files in memory; `fails` makes one of the methods throw. */
class MemoryHost {
  packed = Buffer.alloc(0);
  progressed = [];

  constructor(source, fails = {}) {
    this.source = source;
    Object.assign(this, fails);
  }

  get sourceBytes() {
    return this.source.length;
  }

  readSource(offset, target) {
    assert.equal(this.source.copy(target, 0, offset, offset + target.length), target.length);
  }

  openPacked(bytes) {
    this.packed = Buffer.alloc(bytes);
  }

  writePacked(offset, bytes) {
    this.packed.set(bytes, offset);
  }

  readPacked(offset, target) {
    this.packed.copy(target, 0, offset, offset + target.length);
  }

  sha256(first, second) {
    return createHash("sha256").update(first).update(second).digest();
  }

  progress(done, total) {
    this.progressed.push([done, total]);
  }
}

function choice(options) {
  const checked = packOptions(options);
  const word = (name) => packWord(checked, name);
  return {
    quantize: word("quantize"),
    dense: word("dense"),
    embedding: word("embedding"),
    i2sLayout: word("i2sLayout"),
    chatFormat: checked.chatFormat ?? null,
  };
}

async function packInModule(path, options = {}, fails = {}) {
  const host = new MemoryHost(readFileSync(path), fails);
  const report = await runPacker(module, host, path.replace(/^.*\//, ""), choice(options));
  return { host, report };
}

/** The words of `tercet pack` for the same options. */
function commandLine(options) {
  const names = { i2sLayout: "i2s-layout", chatFormat: "chat-format" };
  return Object.entries(options).flatMap(([name, word]) => [`--${names[name] ?? name}`, word]);
}

async function packsAlike(path, options = {}) {
  const file = at("native.tercet");
  succeed(["pack", path, "-o", file, "--quiet", ...commandLine(options)]);
  const { host, report } = await packInModule(path, options);
  assert.ok(host.packed.equals(readFileSync(file)), `${path} ${JSON.stringify(options)}`);
  return { host, report };
}

async function refusesAlike(path, options = {}) {
  const native = tercet(["pack", path, "-o", at("refused.tercet"), ...commandLine(options)]);
  assert.equal(native.code, 1, `${path}: ${native.err}`);
  const [, sentence, code] = /^tercet: error: (.*) \[([A-Z0-9_]+)\]\n$/.exec(native.err);
  const thrown = await packInModule(path, options).then(
    () => assert.fail(`${path} was packed`),
    (error) => error,
  );
  assert.equal(thrown.code, code, `${path}: ${thrown.message}`);
  // Natively a path, here a name.
  const spoken = (text) => text.replaceAll(path, path.replace(/^.*\//, ""));
  const detail = spoken(thrown.detail);
  assert.ok(detail.length > 10 && spoken(sentence).includes(detail), `${sentence}\n${detail}`);
}

for (const name of goldens) {
  test(`${name} is packed to the same bytes as natively`, async () => {
    const { host, report } = await packsAlike(
      golden(name),
      name.endsWith("dense") ? { dense: "f32" } : {},
    );
    assert.equal(report.modelId, host.packed.subarray(32, 64).toString("hex"));
    assert.equal(report.fileBytes, host.packed.length);
    assert.equal(report.sourceBytes, host.source.length);
    // The proof ran, over every weight.
    assert.ok(report.verifiedWeights > 10_000);
    assert.equal(report.roundedWeights, 0);
    assert.match(report.form, /ternary|I2_S|dense/);
    const [done, total] = host.progressed.at(-1);
    assert.equal(done, total);
    host.progressed.reduce((before, [now]) => (assert.ok(now >= before), now), 0);
  });
}

test("a model of several chunks is packed to the same bytes as natively", async () => {
  const { host } = await packsAlike(bundledGguf());
  assert.ok(host.packed.length > 3 << 20);
});

test("options mean what they mean natively", async () => {
  await packsAlike(golden("gguf-llama-tq2_0"), { embedding: "q8" });
  await packsAlike(golden("gguf-llama-tq2_0"), { chatFormat: "none" });
  await packsAlike(golden("gguf-bitnet-i2_s"), { i2sLayout: "arm", embedding: "f32" });
  const { report } = await packsAlike(golden("gguf-llama-q8_0-dense"), { quantize: "absmean" });
  assert.ok(report.roundedWeights > 0 && report.quantizeError > 0);
  await packsAlike(golden("gguf-llama-q6_k-dense"), { dense: "q8" });
});

test("what is no such option is refused before anything starts", () => {
  for (const wrong of [
    { dense: "f64" },
    { embedding: "" },
    { chatFormat: "a b" },
    { i2sLayout: 1 },
  ])
    assert.throws(() => packOptions(wrong), { code: "BAD_ARGUMENT" });
  // The default said aloud is no other option.
  assert.deepEqual(packOptions({ embedding: "exact", dense: "q8" }), { dense: "q8" });
});

test("damaged and unfit files are refused in the words of the native twin", async () => {
  const source = readFileSync(golden("gguf-llama-tq2_0"));
  const path = at("model.gguf");
  for (const bytes of [0, 3, 4, 23, 1000, source.length >> 1, source.length - 1]) {
    writeFileSync(path, source.subarray(0, bytes));
    await refusesAlike(path);
  }
  for (const offset of [0, 4, 8, 16, 24, 40]) {
    const damaged = Buffer.from(source);
    damaged[offset] ^= 0xff;
    damaged[offset + 1] ^= 0xff;
    writeFileSync(path, damaged);
    await refusesAlike(path);
  }
  await refusesAlike(golden("gguf-llama-q8_0-dense"));
  await refusesAlike(golden("gguf-llama-tq2_0"), { chatFormat: "qwen3" });
  const file = readGguf(golden("gguf-llama-tq2_0"));
  writeGguf(path, { ...file, keys: changed(file.keys, { "llama.expert_count": u32(8) }) });
  await refusesAlike(path);
});

test("what the host throws is what the caller gets", async () => {
  const broken = new Error("the disk is gone");
  const fails = (method) => ({
    [method]: () => {
      throw broken;
    },
  });
  for (const method of ["readSource", "openPacked", "writePacked", "readPacked"])
    await assert.rejects(packInModule(bundledGguf(), {}, fails(method)), broken);
});

test("a weight that comes back otherwise than it was written is found", async () => {
  const flip = {
    readPacked(offset, target) {
      MemoryHost.prototype.readPacked.call(this, offset, target);
      target[target.length >> 1] ^= 1;
    },
  };
  await assert.rejects(packInModule(bundledGguf(), {}, flip), { code: "NOT_LOSSLESS" });
});

test("the module asks for nothing but its host, and is no more than 150 kB gzipped", () => {
  const asked = WebAssembly.Module.imports(module).map((one) => `${one.module}.${one.name}`);
  assert.deepEqual(asked.sort(), [
    "env.emscripten_notify_memory_growth",
    ...["openPacked", "progress", "readPacked", "readSource", "sha256", "sourceBytes"].map(
      (name) => `tercet.${name}`,
    ),
    "tercet.writePacked",
  ]);
  assert.ok(gzipSync(binary, { level: 9 }).length < 150_000);
});
