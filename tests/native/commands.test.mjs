// commands.test.mjs - what inspect, verify, tokenize, logits, perplexity and constants say
// of good models, checked against the files themselves and against each other.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../../scripts/paths.mjs";
import {
  argmax,
  at,
  bundledModel,
  bundledSource,
  logits,
  readJson,
  stories260K,
  succeed,
  succeedJson,
  tercet,
} from "./twin_under_test.mjs";

const config = readJson(join(bundledSource, "config.json"));

test("inspect tells what the source's config says, and its figures add up", () => {
  const info = succeedJson(["inspect", bundledModel(), "--tensors"]);
  const bytes = readFileSync(bundledModel());
  assert.equal(info.family, "bitnet");
  assert.deepEqual(info.shape, {
    layers: config.num_hidden_layers,
    hidden: config.hidden_size,
    inner: config.intermediate_size,
    heads: config.num_attention_heads,
    kv_heads: config.num_key_value_heads,
    head_dim: config.hidden_size / config.num_attention_heads,
    vocabulary: config.vocab_size,
    context: config.max_position_embeddings,
    tied_head: true,
    activation_bits: 8,
  });
  assert.equal(info.file.bytes, bytes.length);
  assert.equal(info.file.header_bytes, Number(bytes.readBigUInt64LE(16)));
  assert.equal(info.file.header_bytes + info.file.data_bytes, bytes.length);
  assert.equal(info.file.chunks, Math.ceil(info.file.data_bytes / info.file.chunk_bytes));
  assert.equal(info.model_id, bytes.subarray(32, 64).toString("hex"));
  assert.equal(info.beginning_token, 1);

  const weights = ({ rows, columns }) => rows * columns;
  const sum = (list, value) => list.reduce((total, item) => total + value(item), 0);
  const ternary = info.tensors.filter(({ type }) => type === "ternary");
  assert.equal(sum(info.tensors, weights), info.parameters);
  assert.equal(sum(ternary, weights), info.ternary.parameters);
  assert.equal(
    sum(ternary, ({ zeros }) => zeros),
    info.ternary.zeros,
  );
  assert.equal(
    sum(info.tensors, (tensor) => tensor.bytes),
    info.file.data_bytes,
  );
  assert.equal(info.ternary.scale, "tensor");
  assert.equal(info.ternary.sparsity_by_layer.length, config.num_hidden_layers);
  const layer2 = ternary.filter(({ name }) => name.startsWith("layers.2."));
  const zeros2 = sum(layer2, ({ zeros }) => zeros) / sum(layer2, weights);
  assert.ok(Math.abs(zeros2 - info.ternary.sparsity_by_layer[2]) < 1e-6);
  assert.ok(info.ternary.bits_per_weight >= 2 && info.ternary.bits_per_weight < 2.05);
  let offset = info.file.header_bytes;
  for (const tensor of info.tensors) {
    assert.equal(tensor.offset, offset, tensor.name);
    offset += tensor.bytes;
  }
  // The page for people says the same.
  const page = succeed(["inspect", bundledModel(), "--tensors"]);
  assert.match(page, new RegExp(`^model id +${info.model_id}$`, "m"));
  assert.match(page, /^network +bitnet, 6 layers, hidden 256, inner 768, 4 heads of 64/m);
  for (const { name } of info.tensors) assert.ok(page.includes(`\n${name} `), name);
});

test("inspect says what a session of a context takes, and run takes just that", () => {
  const small = succeedJson(["inspect", bundledModel(), "--context", "32"]).session_bytes;
  const large = succeedJson(["inspect", bundledModel(), "--context", "256"]).session_bytes;
  assert.ok(small < large);
  const run = succeedJson(["run", bundledModel(), "-p", "Tom", "-n", "1", "--context", "32"]);
  assert.equal(run.session_bytes, small);
});

test("verify finds good models good", () => {
  for (const model of [bundledModel(), stories260K()]) {
    assert.match(
      succeed(["verify", model]),
      /: whole: .* match their hashes\nmodel id [0-9a-f]{64}\n$/,
    );
    const report = succeedJson(["verify", model]);
    assert.deepEqual([report.ok, report.code, report.damaged_chunks], [true, "OK", []]);
    assert.equal(report.model_id, readFileSync(model).subarray(32, 64).toString("hex"));
  }
});

test("the model id is the hash that the format says", () => {
  const bytes = readFileSync(bundledModel());
  const hash = createHash("sha256").update(bytes.subarray(0, 32));
  hash.update(bytes.subarray(64, Number(bytes.readBigUInt64LE(16))));
  assert.equal(succeedJson(["inspect", bundledModel()]).model_id, hash.digest("hex"));
});

test("tokenize and --decode are each other's inverse", () => {
  const texts = [
    "One morning Tom went to the store",
    "a  b\n\n c",
    "naïve ☃ \u{1f600}",
    " lead",
    "",
  ];
  for (const text of texts) {
    for (const model of [bundledModel(), stories260K()]) {
      const { tokens, texts: pieces } = succeedJson(["tokenize", model, "-"], { input: text });
      assert.equal(tokens.length, pieces.length);
      const plain = succeed(["tokenize", model, "-"], { input: text });
      assert.equal(plain, `${tokens.join(" ")}\n`);
      const decoded = succeedJson(["tokenize", model, "--decode", tokens.join(",") || " "]);
      assert.equal(decoded.text, text);
      assert.equal(succeed(["tokenize", model, "--decode", "-"], { input: plain }), `${text}\n`);
    }
  }
});

test("tokenize: --no-bos and --no-special", () => {
  const model = bundledModel();
  const withBeginning = succeedJson(["tokenize", model, "Tom"]).tokens;
  assert.equal(withBeginning[0], 1);
  assert.deepEqual(
    succeedJson(["tokenize", model, "Tom", "--no-bos"]).tokens,
    withBeginning.slice(1),
  );
  const special = succeedJson(["tokenize", model, "a</s>b", "--no-bos"]).tokens;
  const plain = succeedJson(["tokenize", model, "a</s>b", "--no-bos", "--no-special"]).tokens;
  assert.ok(special.includes(2), "</s> is one token");
  assert.ok(!plain.includes(2) && plain.length > special.length);
  // Every byte of a file counts, its last newline too.
  writeFileSync(at("newline.txt"), "Tom\n");
  assert.deepEqual(succeedJson(["tokenize", model, "--file", at("newline.txt")]).tokens, [
    ...withBeginning,
    13,
  ]);
});

test("logits: the same rows from text, ids, file and stdout; the last is what run continues", () => {
  const prompt = "The old man looked at the boy";
  const model = bundledModel();
  const { tokens } = succeedJson(["tokenize", model, prompt]);
  const rows = logits(model, ["--text", prompt], config.vocab_size);
  assert.equal(rows.length, tokens.length);
  succeed(["logits", model, "--tokens", tokens.join(","), "-o", at("rows.f32")]);
  const file = readFileSync(at("rows.f32"));
  assert.equal(file.length, rows.length * config.vocab_size * 4);
  assert.deepEqual(
    new Float32Array(file.buffer.slice(file.byteOffset, file.byteOffset + file.length)),
    Float32Array.from(rows.flatMap((row) => [...row])),
  );
  assert.equal(statSync(at("rows.f32")).mode & 0o777, 0o666 & ~process.umask());
  const next = succeedJson(["run", model, "-p", prompt, "-n", "1", "--temperature", "0"]);
  assert.equal(next.tokens[0], argmax(rows.at(-1)));
  const hashed = succeedJson(["run", model, "-p", prompt, "-n", "0", "--hash-logits"]);
  assert.equal(hashed.logits_sha256, createHash("sha256").update(file).digest("hex"));
  assert.deepEqual(
    readdirSync(at("")).filter((name) => name.endsWith(".part")),
    [],
  );
});

test("a prompt computed in slices is the prompt computed at once", () => {
  // 33 tokens need two slices of 32; the first 32 rows must not notice.
  const ids = readJson(join(bundledSource, "golden.json")).valid_token_ids_first_257;
  const short = logits(bundledModel(), ["--tokens", ids.slice(0, 20).join(",")], config.vocab_size);
  const long = logits(bundledModel(), ["--tokens", ids.slice(0, 70).join(",")], config.vocab_size);
  short.forEach((row, i) => assert.deepEqual(row, long[i], `row ${i}`));
});

test("embed: the same numbers from text and ids, at any number of threads; others for another text", () => {
  const model = bundledModel();
  const text = "Tom went to the store.";
  const embed = (...args) => JSON.parse(succeed(["embed", model, ...args]));
  const { tokens, dimensions, embedding } = embed("--text", text);
  assert.equal(dimensions, config.hidden_size);
  assert.equal(embedding.length, dimensions);
  assert.ok(embedding.every(Number.isFinite) && embedding.some((value) => value !== 0));
  const ids = succeedJson(["tokenize", model, text]).tokens;
  assert.equal(ids.length, tokens);
  assert.deepEqual(embed("--tokens", ids.join(","), "--threads", "2").embedding, embedding);
  assert.notDeepEqual(embed("--text", `${text} He`).embedding, embedding);
  assert.equal(tercet(["embed", model, "--tokens", "9999999"]).code, 1);
  assert.equal(tercet(["embed", model, "--tokens", " "]).code, 2);
});

test("perplexity reads a text file or standard input and says bits per byte", () => {
  const text = "Tom went to the store. It was closed, and so he went home again.";
  writeFileSync(at("text.txt"), text);
  const fromFile = succeedJson(["perplexity", bundledModel(), at("text.txt")]);
  const fromInput = succeedJson(["perplexity", bundledModel(), "-"], { input: text });
  assert.equal(fromFile.nats_per_token, fromInput.nats_per_token);
  assert.equal(fromFile.bytes, Buffer.byteLength(text), "without the tokenizer's space in front");
  const bits = (fromFile.nats_per_token * fromFile.tokens) / Math.LN2 / fromFile.bytes;
  assert.ok(Math.abs(bits - fromFile.bits_per_byte) < 1e-9);
  const page = succeed(["perplexity", bundledModel(), at("text.txt")]);
  assert.match(page, /^nats per token +\d\.\d+\nperplexity +\d+\.\d+\nbits per byte +\d\.\d+\n/);
  // By hand, from the logits.
  const { tokens } = succeedJson(["tokenize", bundledModel(), text]);
  const rows = logits(bundledModel(), ["--tokens", tokens.join(",")], config.vocab_size);
  const nats = tokens.slice(1).map((token, i) => {
    const total = rows[i].reduce((sum, logit) => sum + Math.exp(logit), 0);
    return Math.log(total) - rows[i][token];
  });
  const mean = nats.reduce((sum, value) => sum + value, 0) / nats.length;
  assert.ok(Math.abs(mean - fromFile.nats_per_token) < 1e-6);
  const limited = succeedJson(["perplexity", bundledModel(), at("text.txt"), "--limit", "5"]);
  assert.equal(limited.tokens, 5);
});

test("perplexity of ids that have no text says no bits per byte", () => {
  const padded = join(root, "tests/golden/container/well_formed_dense.tercet"); // 260 of 264
  for (const [ids, bytes] of [
    ["97 98 99", 2],
    ["97 263 98", 0],
    ["263 97 98", 0],
  ]) {
    writeFileSync(at("ids.txt"), ids);
    const result = succeedJson(["perplexity", padded, "--tokens", at("ids.txt")]);
    assert.equal(result.tokens, 2);
    assert.equal(result.bytes, bytes, ids);
    assert.equal(result.bits_per_byte === null, bytes === 0, ids);
  }
});

test("constants are those of the headers", () => {
  const constants = JSON.parse(succeed(["constants"]));
  const header = readFileSync(join(root, "core/include/tercet.h"), "utf8");
  const list = header.replaceAll(/\s*\\\n\s*/g, " "); // a macro's lines joined
  const rows = [...list.matchAll(/ X\((\d+), (\w+), "([^"]*)"\)/g)];
  assert.deepEqual(
    constants.status,
    rows.map(([, value, name, text]) => ({ name, value: Number(value), text })),
  );
  assert.ok(rows.length > 20);
  assert.equal(constants.api_version, Number(/TERCET_API_VERSION (\d+)u/.exec(header)[1]));
  const file = readFileSync(bundledModel());
  const { container } = constants;
  assert.deepEqual(container.CONTAINER_MAGIC, [...file.subarray(0, 8)]);
  assert.equal(container.CONTAINER_VERSION, file.readUInt32LE(container.PREFIX_AT_VERSION));
  assert.equal(BigInt(file.length), file.readBigUInt64LE(container.PREFIX_AT_FILE_BYTES));
});
