// node.test.mjs - the installed package in Node: models from paths, file addresses, buffers and servers, the tokens of the native
// twin, a folder that keeps what was downloaded, and processes that end when their work is done.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import {
  PROMPT,
  TestServer,
  chunkCount,
  limit,
  modelId,
  modelPath,
  runNatively,
} from "../web/library_under_test.mjs";
import { Project } from "./installed_package.mjs";

const run = promisify(execFile);
let project, server, expected;
before(async () => {
  project = await Project.create();
  server = await TestServer.start();
  expected = runNatively(["-p", PROMPT, "-n", 24, "--seed", 5]).tokens;
});
after(async () => {
  await server?.stop();
  project?.remove();
});

/** Runs a module in the project with `input`; it answers by say(). It must end by itself. */
async function inNode(source, input = {}) {
  const file = project.path("script.mjs");
  writeFileSync(
    file,
    `import * as tercet from "tercet";
    const input = ${JSON.stringify(input)};
    const say = (value) => console.log(JSON.stringify(value));
    const write = (model) => model.generate(${JSON.stringify(PROMPT)}, { maxTokens: 24, seed: 5 }).result;
    const failure = (work) => work.then(() => "no failure", (error) =>
      error instanceof tercet.TercetError ? error.code : error.stack);
    ${source}`,
  );
  const { stdout, stderr } = await run(process.execPath, [file], {
    cwd: project.folder,
    timeout: 300_000,
  });
  assert.equal(stderr.replace(/^tercet: .*\n/gm, ""), "");
  return JSON.parse(stdout.trim().split("\n").at(-1));
}

test("paths, addresses and bytes: the native twin's tokens each time", limit, async () => {
  const said = await inNode(
    `
    import { readFile } from "node:fs/promises";
    import { relative } from "node:path";
    const bytes = await readFile(input.path);
    const sources = [
      input.path, relative(process.cwd(), input.path), input.address, new URL(input.address),
      new Blob([bytes]), bytes, bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length),
    ];
    const results = [];
    for (const source of sources) {
      const model = await tercet.load(source);
      const { tokens } = await write(model);
      results.push({ tokens, source: model.info.source, id: model.info.modelId });
      await model.dispose();
    }
    say(results);`,
    { path: modelPath, address: pathToFileURL(modelPath).href },
  );
  assert.equal(said.length, 7);
  for (const { tokens, source, id } of said) {
    assert.deepEqual(tokens, expected);
    assert.equal(source, "memory");
    assert.equal(id, modelId);
  }
});

test("threads, or one; either way the same tokens, and nobody has to dispose", limit, async () => {
  const said = await inNode(
    `
    const results = [];
    for (const threads of [1, 3]) {
      const model = await tercet.load(input.path, { threads });
      const { tokens } = await write(model);
      // Never answered, since it cannot be asked: nothing may wait for it at the end.
      const unsent = await failure(model.tokenize("a", { addBeginning: Symbol("a") }));
      results.push({ ...model.info, tokens, unsent });
    }
    say({ results, features: tercet.features() });`,
    { path: modelPath },
  );
  assert.deepEqual(
    said.results.map(({ threads, variant }) => [threads, variant.endsWith("-threads")]),
    [
      [1, false],
      [3, true],
    ],
  );
  for (const { tokens, notices, unsent } of said.results) {
    assert.deepEqual(tokens, expected);
    assert.deepEqual([notices, unsent], [[], "BAD_ARGUMENT"]);
  }
  assert.equal(said.features.threads, true);
});

test("pieces, a signal, tokens and errors are as in a page", limit, async () => {
  const said = await inNode(
    `
    const phases = [];
    const model = await tercet.load(input.path, { onProgress: ({ phase }) => phases.push(phase) });
    let text = "";
    for await (const piece of model.generate(${JSON.stringify(PROMPT)}, { maxTokens: 24, seed: 5 })) text += piece;
    const whole = (await write(model)).text;
    const { finishReason } = await model.generate("a", { signal: AbortSignal.abort() }).result;
    const back = await model.detokenize(await model.tokenize("Tom ran."));
    const errors = [
      await failure(tercet.load("nothing/here.tercet")),
      await failure(tercet.load("package.json")),
      await failure(tercet.load(process.cwd())),
      await failure(tercet.load("ftp://127.0.0.1/model.tercet")),
      await failure(tercet.load(input.path, { integrity: "0".repeat(64) })),
      await failure(tercet.load(input.path, { signal: AbortSignal.abort() })),
      await failure(tercet.load(input.path, { assetsUrl: "/tercet/" })),
    ];
    await model.dispose();
    errors.push(await failure(model.tokenize("a")));
    say({ text, whole, finishReason, back, errors, phases: [...new Set(phases)] });`,
    { path: modelPath },
  );
  assert.equal(said.text, said.whole);
  assert.equal(said.finishReason, "aborted");
  assert.equal(said.back, "Tom ran.");
  assert.deepEqual(said.errors, [
    ...["FILE_NOT_FOUND", "BAD_MAGIC", "FILE_READ_FAILED", "BAD_ARGUMENT"],
    ...["HEADER_HASH_MISMATCH", "ABORTED", "BAD_ARGUMENT", "DISPOSED"],
  ]);
  assert.deepEqual(said.phases, ["header", "download", "load", "ready"]);
});

test("an option that is undefined is as if it were left out", limit, async () => {
  const said = await inNode(
    `
    const nothing = (...names) => Object.fromEntries(names.map((name) => [name, undefined]));
    const model = await tercet.load(input.path, {
      ...nothing("onProgress", "signal", "threads", "context", "slice", "kv", "sessions", "heartbeatSeconds", "variant"),
      ...nothing("kernels", "integrity", "prompt", "cache", "cacheDir", "revalidate", "assetsUrl", "hub", "persist"),
      network: nothing("retries", "retryDelayMs", "stallTimeoutMs"),
      pack: nothing("quantize", "dense", "embedding", "i2sLayout", "chatFormat"),
    });
    const { tokens } = await model.generate(${JSON.stringify(PROMPT)}, {
      ...nothing("temperature", "topK", "topP", "minP", "repetitionPenalty", "repetitionWindow", "stop", "signal"),
      ...nothing("onToken", "speculation", "grammar", "logprobs", "onLogprobs", "onPromptProgress", "addBeginning"),
      ...nothing("parseSpecial"), maxTokens: 24, seed: 5 }).result;
    const whole = await model.generate("One", { maxTokens: 2, seed: undefined }).result;
    const session = nothing("context", "slice", "kv");
    say({ tokens, two: whole.tokens.length, bytes: await model.sessionBytes(session) });`,
    { path: modelPath },
  );
  assert.deepEqual(said.tokens, expected);
  assert.equal(said.two, 2);
  assert.ok(said.bytes > 0);
});

test("tercet/single is the same library in Node", limit, async () => {
  const said = await inNode(`
    const single = await import("tercet/single");
    say([single.load === tercet.load, Object.keys(single).length > 3]);`);
  assert.deepEqual(said, [true, true]);
});

test("an answer of a given form, with threads and without", limit, async () => {
  const said = await inNode(
    `
    const jsonSchema = { type: "array", items: { type: "integer", minimum: -3, maximum: 12 }, minItems: 2, maxItems: 4 };
    const texts = [];
    for (const threads of [1, 2]) {
      const model = await tercet.load(input.path, { threads });
      const options = { grammar: { jsonSchema }, seed: 3, temperature: 1.5 };
      texts.push((await model.generate(${JSON.stringify(PROMPT)}, options).result).text);
      texts.push(await failure(model.generate("a", { grammar: { jsonSchema: { not: {} } } }).result));
      await model.dispose();
    }
    say(texts);`,
    { path: modelPath },
  );
  const list = JSON.parse(said[0]);
  assert.ok(list.length >= 2 && list.length <= 4);
  for (const item of list) assert.ok(Number.isInteger(item) && item >= -3 && item <= 12);
  assert.deepEqual(said, [said[0], "BAD_GRAMMAR", said[0], "BAD_GRAMMAR"]);
});

const loadTwice = `
  const model = await tercet.load(input.url, input.options);
  const { tokens } = await write(model);
  say({ tokens, source: model.info.source, notices: model.info.notices });`;

test("over the network nothing is kept unless a folder is named", limit, async () => {
  server.repair();
  const input = { url: `${server.origin}/model.tercet`, options: {} };
  for (let times = 1; times <= 2; times++) {
    const { tokens, source, notices } = await inNode(loadTwice, input);
    assert.deepEqual(tokens, expected);
    assert.equal(source, "network");
    assert.deepEqual(notices, []);
    assert.ok(server.sentBytes >= times * readFileSync(modelPath).length);
  }
});

test(
  "with cacheDir a second process needs no network; a damaged chunk is fetched alone",
  limit,
  async () => {
    server.repair();
    const url = `${server.origin}/model.tercet`;
    const input = { url, options: { cacheDir: "kept models" } };
    const first = await inNode(loadTwice, input);
    assert.deepEqual([first.tokens, first.source], [expected, "network"]);
    const stored = project.path("kept models", modelId);
    assert.equal(readdirSync(stored).filter((name) => /^chunk-\d+$/.test(name)).length, chunkCount);

    server.faults = { status: 503 };
    server.requests = [];
    const second = await inNode(loadTwice, input);
    assert.deepEqual([second.tokens, second.source], [expected, "folder"]);
    assert.equal(server.requests.length, 0);

    server.repair();
    const chunk = join(stored, "chunk-1");
    const bytes = readFileSync(chunk);
    bytes[77] ^= 1;
    writeFileSync(chunk, bytes);
    const third = await inNode(loadTwice, input);
    assert.deepEqual([third.tokens, third.source], [expected, "network"]);
    assert.match(third.notices.join(), /chunk 1 was damaged/);
    assert.equal(server.sentBytes, bytes.length);
    const fourth = await inNode(loadTwice, input);
    assert.equal(fourth.source, "folder");

    // A write that was cut short leaves a file without a name, which is nobody's.
    rmSync(join(stored, "commit.json"));
    rmSync(join(stored, "chunk-2"));
    writeFileSync(join(stored, "chunk-2.cut.part"), "half");
    server.requests = [];
    const fifth = await inNode(loadTwice, input);
    assert.deepEqual(fifth.tokens, expected);
    const asked = server.requests.reduce((sum, { sent }) => sum + sent, 0);
    assert.ok(asked < 2 * (1 << 20), `${asked} bytes for one missing chunk`);

    // Records that say nothing: the header is fetched again, and no chunk.
    for (const name of ["header.json", "commit.json"]) writeFileSync(join(stored, name), "{}");
    server.requests = [];
    const sixth = await inNode(loadTwice, input);
    assert.deepEqual([sixth.tokens, sixth.source], [expected, "folder"]);
    const again = server.requests.reduce((sum, { sent }) => sum + sent, 0);
    assert.ok(again > 0 && again < 1 << 20, `${again} bytes for a header`);
    server.requests = [];
    const seventh = await inNode(loadTwice, input);
    assert.deepEqual([seventh.tokens, server.requests.length], [expected, 0]);
  },
);

test("the cache functions speak of that folder", limit, async () => {
  server.repair();
  const said = await inNode(
    `
    const place = { cacheDir: "another" };
    const empty = await tercet.cache.list(place);
    const model = await tercet.load(input.url, place);
    const [stored, ...others] = await tercet.cache.list(place);
    const { state } = await tercet.cache.verify(stored.modelId, place);
    const { modelBytes } = await tercet.cache.usage(place);
    const file = await tercet.cache.export(stored.modelId, place);
    const again = await tercet.load(await file.arrayBuffer());
    const deleted = [await tercet.cache.delete(stored.modelId, place), await tercet.cache.delete(stored.modelId, place)];
    say({ empty, stored, others, state, modelBytes, size: file.size, id: again.info.modelId, deleted,
      left: await tercet.cache.list(place), nowhere: await tercet.cache.list() });`,
    { url: `${server.origin}/model.tercet` },
  );
  const size = readFileSync(modelPath).length;
  assert.deepEqual(said.empty, []);
  assert.deepEqual(said.stored.urls, [`${server.origin}/model.tercet`]);
  assert.deepEqual([said.stored.state, said.state], ["complete", "complete"]);
  assert.deepEqual([said.modelBytes, said.size, said.id], [size, size, modelId]);
  assert.deepEqual(said.deleted, [true, false]);
  assert.deepEqual([said.others, said.left, said.nowhere], [[], [], []]);
});

test("a model in parts, files and addresses alike", limit, async () => {
  server.repair();
  const bytes = readFileSync(modelPath);
  for (const [name, from, to] of [
    ["part-1", 0, 1_000_001],
    ["part-2", 1_000_001, bytes.length],
  ])
    project.write(name, bytes.subarray(from, to));
  const said = await inNode(`
    const model = await tercet.load(["part-1", "part-2"]);
    const { tokens } = await write(model);
    say({ tokens, id: model.info.modelId });`);
  assert.deepEqual(said, { tokens: expected, id: modelId });
});
