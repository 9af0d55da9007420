// bad_input.test.mjs - every way a file, a prompt or a disk can be wrong: exit code 1, one sentence
// with its stable code, and nothing half written. Damaged files are made here from a good one.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../../scripts/paths.mjs";
import { TYPE, buildContainer } from "../core/container/container_file.mjs";
import { denseModel } from "../core/container/container_models.mjs";
import {
  at,
  bundledModel,
  bundledSource,
  fail,
  program,
  stories260K,
  succeedJson,
  tercet,
} from "./twin_under_test.mjs";

const whole = readFileSync(bundledModel());
const headerBytes = Number(whole.readBigUInt64LE(16));
const chunkBytes = 1 << 20;
const commandsOn = (file) => [
  ["run", file, "-p", "Once", "-n", "2"],
  ["run", file, "-p", "Once", "-n", "2", "--json"],
  ["inspect", file],
  ["inspect", file, "--json"],
  ["bench", file, "--runs", "1"],
  ["logits", file, "--text", "Once", "-o", at("none.f32")],
  ["perplexity", file, join(root, "README.md")],
  ["tokenize", file, "Once"],
];

/** A changed copy; `change` gets the bytes and may return others. */
function damaged(name, change) {
  const copy = Buffer.from(whole);
  const changed = change(copy) ?? copy;
  writeFileSync(at(name), changed);
  return at(name);
}

/** The hash that a header of these bytes should carry: what a forger would write. */
function sign(bytes, length = headerBytes) {
  const hash = createHash("sha256");
  hash.update(bytes.subarray(0, 32));
  hash.update(bytes.subarray(64, length));
  hash.digest().copy(bytes, 32);
  return bytes;
}

function assertNothingWritten() {
  assert.deepEqual(
    readdirSync(at("")).filter((name) => /\.part$|^none/.test(name)),
    [],
  );
}

test("a file that ends too early, wherever it ends", () => {
  const ends = [1, 7, 8, 31, 63, 64, 65, headerBytes - 1, headerBytes, headerBytes + 1];
  ends.push(headerBytes + chunkBytes, whole.length - 64, whole.length - 1);
  for (const end of ends) {
    const file = damaged("short.tercet", (bytes) => bytes.subarray(0, end));
    fail(["run", file, "-p", "Once", "-n", "1"], "TRUNCATED");
    fail(["verify", file], "TRUNCATED");
  }
  const file = damaged("short.tercet", (bytes) => bytes.subarray(0, 100_000));
  for (const args of commandsOn(file)) assert.equal(fail(args, "TRUNCATED").out, "");
  writeFileSync(at("empty.tercet"), "");
  for (const args of commandsOn(at("empty.tercet"))) fail(args, "TRUNCATED");
  assertNothingWritten();
});

test("a file that is longer than it says", () => {
  const file = damaged("long.tercet", (bytes) => Buffer.concat([bytes, Buffer.alloc(1)]));
  for (const args of commandsOn(file)) fail(args, "TRAILING_BYTES");
  fail(["verify", file], "TRAILING_BYTES");
});

test("one flipped bit anywhere in the header", () => {
  for (let place = 0; place < headerBytes; place += 1 + (place >> 3)) {
    const file = damaged("flip.tercet", (bytes) => {
      bytes[place] ^= 1 << (place % 8);
    });
    const { code, err } = tercet(["run", file, "-p", "Once", "-n", "1"]);
    assert.equal(code, 1, `byte ${place}: ${err}`);
    const wanted = place < 8 ? /\[BAD_MAGIC\]\n$/ : /\[[A-Z_]+\]\n$/;
    assert.match(err, wanted, `byte ${place}`);
    if (place >= 32) assert.match(err, /\[HEADER_HASH_MISMATCH\]\n$/, `byte ${place}`);
  }
  const file = damaged("flip.tercet", (bytes) => {
    bytes[headerBytes - 100] ^= 16;
  });
  for (const args of commandsOn(file)) fail(args, "HEADER_HASH_MISMATCH");
  fail(["verify", file], "HEADER_HASH_MISMATCH");
});

test("one flipped bit in a chunk: found, and verify names the chunk and its bytes", () => {
  const chunks = Math.ceil((whole.length - headerBytes) / chunkBytes);
  for (const [chunk, inside] of [
    [0, 0],
    [1, 12345],
    [chunks - 1, 0],
  ]) {
    const file = damaged("chunk.tercet", (bytes) => {
      bytes[headerBytes + chunk * chunkBytes + inside] ^= 4;
    });
    for (const args of commandsOn(file)) fail(args, "CHUNK_HASH_MISMATCH");
    const first = headerBytes + chunk * chunkBytes;
    const last = Math.min(first + chunkBytes, whole.length) - 1;
    const { out } = fail(["verify", file], "CHUNK_HASH_MISMATCH");
    assert.match(out, new RegExp(`chunk ${chunk} is damaged: bytes ${first} to ${last}\n`));
    const report = JSON.parse(tercet(["verify", file, "--json"]).out);
    assert.equal(report.ok, false);
    assert.deepEqual(report.damaged_chunks, [{ chunk, offset: first, bytes: last - first + 1 }]);
  }
  const several = damaged("chunks.tercet", (bytes) => {
    for (const chunk of [0, 2]) bytes[headerBytes + chunk * chunkBytes + 5] ^= 1;
    bytes[bytes.length - 1] ^= 1;
  });
  const report = JSON.parse(tercet(["verify", several, "--json"]).out);
  assert.deepEqual(
    report.damaged_chunks.map(({ chunk }) => chunk),
    [0, 2, chunks - 1],
  );
});

/** A model of a few bytes more than 64 MiB: all of it is the embedding of a padded vocabulary. */
function largeModel() {
  const model = denseModel();
  const twice = new Map([
    [8, 16],
    [4, 8],
  ]);
  const vocabulary = 1 << 20;
  Object.assign(model.config, { hidden: 16, heads: 4, kvHeads: 2, vocabulary });
  for (const tensor of model.tensors) {
    tensor.rows = twice.get(tensor.rows) ?? tensor.rows;
    tensor.columns = twice.get(tensor.columns) ?? tensor.columns;
  }
  Object.assign(model.tensors[0], { rows: vocabulary, type: TYPE.f32 });
  return buildContainer(model).file;
}

test("files above 64 MiB are checked chunk by chunk only when asked", () => {
  const bytes = largeModel();
  assert.ok(bytes.length > 64 << 20);
  bytes[40 << 20] ^= 1;
  writeFileSync(at("large.tercet"), bytes);
  assert.equal(succeedJson(["run", at("large.tercet"), "-p", "ab", "-n", "1"]).tokens.length, 1);
  fail(["run", at("large.tercet"), "-p", "ab", "-n", "1", "--verify"], "CHUNK_HASH_MISMATCH");
  fail(["inspect", at("large.tercet"), "--verify"], "CHUNK_HASH_MISMATCH");
  fail(["verify", at("large.tercet")], "CHUNK_HASH_MISMATCH");
  bytes[1000] ^= 1; // the header is checked all the same
  writeFileSync(at("large.tercet"), bytes);
  fail(["run", at("large.tercet"), "-p", "ab", "-n", "1"], "HEADER_HASH_MISMATCH");
});

test("a file above 64 MiB gives the same logits from its copy in memory and from the mapping", () => {
  writeFileSync(at("large.tercet"), largeModel());
  const run = ["run", at("large.tercet"), "-p", "ab", "-n", "2", "--temperature", "0"];
  const copied = succeedJson([...run, "--hash-logits"]);
  const mapped = succeedJson([...run, "--hash-logits", "--map"]);
  assert.match(copied.logits_sha256, /^[0-9a-f]{64}$/);
  assert.equal(mapped.logits_sha256, copied.logits_sha256);
  assert.deepEqual(mapped.tokens, copied.tokens);
});

test("other files by mistake", () => {
  const file = damaged("magic.tercet", (bytes) => bytes.fill(0x20, 0, 8));
  for (const args of commandsOn(file)) fail(args, "BAD_MAGIC");
  const dos = damaged("dos.tercet", (bytes) =>
    Buffer.from(bytes.toString("latin1").replaceAll("\r\n", "\n"), "latin1"),
  );
  fail(["run", dos], "BAD_MAGIC");
  const folder = fail(["run", bundledSource], "BAD_MAGIC");
  assert.match(folder.err, /pack it first: tercet pack \S+ -o model\.tercet/);
  const weights = fail(["run", join(bundledSource, "model.safetensors")], "BAD_MAGIC");
  assert.match(weights.err, /safetensors.*tercet pack FOLDER -o model\.tercet/);
  writeFileSync(at("model.gguf"), "GGUF\x03\0\0\0................................................");
  assert.match(
    fail(["run", at("model.gguf")], "BAD_MAGIC").err,
    /GGUF file; pack it first: tercet pack \S+model\.gguf -o model\.tercet/,
  );
  writeFileSync(at("text.tercet"), "Once upon a time\n");
  fail(["inspect", at("text.tercet")], "BAD_MAGIC");
});

test("no file, no right to read it, not a regular file", () => {
  for (const args of commandsOn(at("missing.tercet"))) fail(args, "FILE_NOT_FOUND");
  fail(["verify", at("missing.tercet")], "FILE_NOT_FOUND");
  fail(["verify", at("text.tercet/inside")], "FILE_READ_FAILED");
  fail(["run", "/dev/zero"], "FILE_READ_FAILED");
  spawnSync("mkfifo", [at("pipe.tercet")]);
  fail(["run", at("pipe.tercet")], "FILE_READ_FAILED");
  copyFileSync(bundledModel(), at("closed.tercet"));
  chmodSync(at("closed.tercet"), 0);
  if (process.getuid() !== 0) fail(["run", at("closed.tercet")], "FILE_READ_FAILED");
  fail(["run", bundledModel(), "--prompt-file", at("missing.txt")], "FILE_NOT_FOUND");
  fail(["run", bundledModel(), "--prompt-file", at("")], "FILE_READ_FAILED");
  fail(["perplexity", bundledModel(), at("missing.txt")], "FILE_NOT_FOUND");
  fail(["tokenize", bundledModel(), "--file", at("missing.txt")], "FILE_NOT_FOUND");
});

test("a newer version and absurd sizes, with a right hash or without", () => {
  const newer = (bytes) => {
    bytes.writeUInt32LE(2, 8);
  };
  fail(["run", damaged("newer.tercet", newer)], "VERSION_TOO_NEW");
  fail(["run", damaged("newer.tercet", (bytes) => (newer(bytes), sign(bytes)))], "VERSION_TOO_NEW");
  for (const [offset, value, code] of [
    [16, 1n << 60n, "LIMIT_EXCEEDED"],
    [16, 0xffffffffffffffc0n, "LIMIT_EXCEEDED"],
    [16, 0n, "BAD_HEADER"],
    [16, BigInt(headerBytes + 1), "BAD_HEADER"],
    [24, 1n << 60n, "LIMIT_EXCEEDED"],
    [24, 0xffffffffffffffffn, "LIMIT_EXCEEDED"],
    [24, BigInt(whole.length + 64), "TRUNCATED"],
  ]) {
    const file = damaged("absurd.tercet", (bytes) => {
      bytes.writeBigUInt64LE(value, offset);
      sign(bytes);
    });
    for (const args of commandsOn(file)) fail(args, code);
    fail(["verify", file], code);
  }
  const sections = damaged("absurd.tercet", (bytes) => {
    bytes.writeUInt32LE(0xffffffff, 12);
    sign(bytes);
  });
  fail(["run", sections], "LIMIT_EXCEEDED");
});

test("every malformed golden file is refused with its code, by verify and by run", () => {
  const goldenFolder = join(root, "tests/golden/container");
  const rows = readFileSync(join(goldenFolder, "expected.tsv"), "utf8").trim().split("\n");
  let refused = 0;
  for (const row of rows.filter((line) => !line.startsWith("#"))) {
    const [name, , code] = row.split("\t");
    const file = join(goldenFolder, name);
    if (code === "OK") {
      assert.equal(succeedJson(["verify", file]).ok, true, name);
    } else {
      fail(["verify", file], code);
      fail(["run", file, "-p", "ab", "-n", "1"], code);
      refused++;
    }
  }
  assert.ok(refused > 50);
});

test("prompts that do not fit or are not text", () => {
  const model = bundledModel();
  const long = "word ".repeat(400);
  const refused = fail(["run", model, "-p", long], "PROMPT_TOO_LONG");
  assert.match(refused.err, /prompt: .*\d+ tokens, the context has 256/);
  assert.equal(refused.out, "");
  fail(["run", model, "-p", "Once upon a time", "--context", "3"], "PROMPT_TOO_LONG");
  fail(["logits", model, "--text", long, "-o", at("none.f32")], "PROMPT_TOO_LONG");
  const bad = Buffer.from("caf\xe9 and more", "latin1");
  writeFileSync(at("latin1.txt"), bad);
  assert.match(
    fail(["run", model, "--prompt-file", at("latin1.txt")], "INVALID_UTF8").err,
    /\b3\b/,
    "names the byte",
  );
  fail(["run", model, "-"], "INVALID_UTF8", { input: bad });
  fail(["tokenize", model, "--file", at("latin1.txt")], "INVALID_UTF8");
  fail(["perplexity", model, at("latin1.txt")], "INVALID_UTF8");
  for (const bytes of [
    [0xc0, 0x80],
    [0xed, 0xa0, 0x80],
    [0xf4, 0x90, 0x80, 0x80],
    [0xe2, 0x98],
  ]) {
    fail(["run", model, "-"], "INVALID_UTF8", { input: Buffer.from(bytes) });
  }
  assertNothingWritten();
});

test("token ids that are none", () => {
  const model = bundledModel();
  fail(["logits", model, "--tokens", "1,4096", "-o", at("none.f32")], "BAD_TOKEN");
  fail(["tokenize", model, "--decode", "1,99999"], "BAD_TOKEN");
  writeFileSync(at("ids.txt"), "1 2 4096");
  fail(["perplexity", model, "--tokens", at("ids.txt")], "BAD_TOKEN");
  writeFileSync(at("ids.txt"), "1 2 three");
  fail(["perplexity", model, "--tokens", at("ids.txt")], "BAD_ARGUMENT");
  writeFileSync(at("ids.txt"), "1");
  fail(["perplexity", model, "--tokens", at("ids.txt")], "BAD_ARGUMENT");
  const result = tercet(["logits", model, "--tokens", "1,-2", "-o", at("none.f32")]);
  assert.equal(result.code, 2);
  assertNothingWritten();
});

test("a context beyond the model's", () => {
  for (const command of [
    ["run", bundledModel(), "-p", "a", "--context", "257"],
    ["inspect", bundledModel(), "--context", "257"],
    ["perplexity", bundledModel(), join(root, "README.md"), "--context", "257"],
  ]) {
    fail(command, "BAD_ARGUMENT");
  }
});

test("a full disk: the old file stays, nothing new is left", () => {
  const folder = at("disk");
  mkdirSync(folder);
  const out = join(folder, "logits.f32");
  writeFileSync(out, "old");
  fail(["logits", stories260K(), "--text", "Once", "-o", "/dev/full"], "DISK_FULL");
  // A limit on the size of files (KiB) stands for a disk that fills up half-way.
  const limited = spawnSync(
    "bash",
    [
      "-c",
      `ulimit -f 8; "${program}" logits "${stories260K()}" --text "Once upon a time there was" -o "${out}"`,
    ],
    { encoding: "utf8" },
  );
  assert.equal(limited.status, 1, limited.stderr);
  assert.match(limited.stderr, /^tercet: error: .*\[FILE_WRITE_FAILED\]\n$/);
  assert.deepEqual(readdirSync(folder), ["logits.f32"]);
  assert.equal(readFileSync(out, "utf8"), "old");
  fail(["logits", stories260K(), "--text", "a", "-o", folder], "FILE_WRITE_FAILED");
  fail(
    ["logits", stories260K(), "--text", "a", "-o", join(folder, "no/such/x")],
    "FILE_WRITE_FAILED",
  );
  assert.deepEqual(readdirSync(folder), ["logits.f32"]);
  assert.equal(statSync(out).size, 3);
});

test("not enough memory is an error, not a crash", () => {
  // Less and less address space: first the session does not fit, then the file, then the program.
  const seen = new Set();
  for (let kilobytes = 12_000; kilobytes >= 2_000; kilobytes -= 200) {
    const script = `ulimit -v ${kilobytes}; exec "$0" run "$1" -p Once -n 2 --threads 1`;
    const result = spawnSync("bash", ["-c", script, program, stories260K()], { encoding: "utf8" });
    if (result.stderr.includes("error while loading shared libraries")) break;
    assert.ok([0, 1].includes(result.status), `${kilobytes}: ${result.status} ${result.stderr}`);
    const code = result.status === 0 ? "OK" : /\[([A-Z_]+)\]\n$/.exec(result.stderr)?.[1];
    seen.add(code);
  }
  assert.ok(seen.has("OUT_OF_MEMORY"), [...seen].join(" "));
  assert.ok(seen.has("OK"), [...seen].join(" "));
  assert.deepEqual([...seen].sort(), ["OK", "OUT_OF_MEMORY"]);
});
