// node_gguf.test.mjs - the installed package in Node with GGUF files: from paths, addresses and Blobs they are packed to the native
// twin's model, once where a folder is named; what is cut goes on at its part, what is refused leaves nothing.

import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { readFileSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { root } from "../../scripts/paths.mjs";
import { TestServer, limit, modelPath, tercet } from "../web/library_under_test.mjs";
import { Project } from "./installed_package.mjs";

const run = promisify(execFile);
const PART_BYTES = 4 << 20;
const TOKENS = [1, 5, 9, 2, 30, 7, 7, 3];
let project, server, large, largeId, small, smallId;

before(async () => {
  project = await Project.create();
  server = await TestServer.start();
  small = readFileSync(join(root, "tests/golden/models/gguf-llama-tq2_0/model.gguf"));
  project.write("small.gguf", small);
  smallId = packNatively("small.gguf");
  const path = project.path("large.gguf");
  execFileSync(tercet, [
    "export",
    modelPath,
    "--to",
    "gguf",
    "--type",
    "f16",
    "-o",
    path,
    "--quiet",
  ]);
  large = readFileSync(path);
  assert.ok(large.length > 2 * PART_BYTES);
  largeId = packNatively("large.gguf");
});
after(async () => {
  await server?.stop();
  project?.remove();
});

function packNatively(name) {
  const args = ["pack", project.path(name), "-o", project.path("native.tercet"), "--json"];
  const out = execFileSync(tercet, args, { stdio: ["ignore", "pipe", "ignore"] });
  return JSON.parse(out).model_id;
}

/** Runs a module in the project with `input`; it answers by say(). It must end by itself. */
async function inNode(source, input = {}) {
  const file = project.path("script.mjs");
  writeFileSync(
    file,
    `import * as tercet from "tercet";
    const input = ${JSON.stringify(input)};
    const say = (value) => console.log(JSON.stringify(value));
    const network = { retries: 0, retryDelayMs: 10, stallTimeoutMs: 20_000 };
    const loadOnce = async (source, options = {}) => {
      const phases = [];
      const onProgress = ({ phase }) => phases.push(phase);
      const model = await tercet.load(source, { context: 64, threads: 1, network, onProgress, ...options });
      const { modelId, source: from, notices } = model.info;
      const rows = input.tokens ? [...new Uint8Array((await model.logits(input.tokens)).buffer)] : null;
      await model.dispose();
      return { modelId, from, notices, rows, phases: [...new Set(phases)] };
    };
    const failure = (work) => work.then(() => "no failure", ({ code, detail }) => ({ code, detail }));
    ${source}`,
  );
  const { stdout } = await run(process.execPath, [file], {
    cwd: project.folder,
    timeout: 300_000,
    maxBuffer: 1 << 28,
    env: { ...process.env, TMPDIR: temporary() },
  });
  return JSON.parse(stdout.trim().split("\n").at(-1));
}

/** Of this project alone, so that what is left there is ours. */
function temporary() {
  project.write("temporary/.keep", "");
  return project.path("temporary");
}

const leftIn = (...names) => {
  try {
    return readdirSync(project.path(...names)).filter((name) => name !== ".keep");
  } catch {
    return [];
  }
};

test("a path, an address, a Blob and bytes are one model, the native twin's", limit, async () => {
  server.repair();
  server.bytes = small;
  const said = await inNode(
    `
    import { readFile } from "node:fs/promises";
    const bytes = await readFile("small.gguf");
    const sources = ["small.gguf", input.url, new Blob([bytes]), bytes];
    const found = [];
    for (const source of sources) found.push(await loadOnce(source));
    say(found);`,
    { url: `${server.origin}/model.tercet`, tokens: TOKENS },
  );
  packNatively("small.gguf");
  const logits = execFileSync(
    tercet,
    ["logits", project.path("native.tercet"), "--tokens", TOKENS.join(","), "-o", "-"],
    { maxBuffer: 1 << 28 },
  );
  for (const { modelId, rows, notices } of said) {
    assert.equal(modelId, smallId);
    assert.ok(logits.equals(Buffer.from(rows)));
    assert.deepEqual(notices, []);
  }
  assert.deepEqual(
    said.map(({ from }) => from),
    ["memory", "network", "memory", "memory"],
  );
  assert.deepEqual(leftIn("temporary"), [], "no folder was named, nothing stays");
});

test("with cacheDir a file is packed once, and again when it changed", limit, async () => {
  const source = `say(await loadOnce("small.gguf", { cacheDir: "kept" }));`;
  const first = await inNode(source);
  assert.equal(first.modelId, smallId);
  assert.ok(first.phases.includes("pack"));
  const second = await inNode(source);
  assert.deepEqual([second.modelId, second.from], [smallId, "folder"]);
  assert.ok(!second.phases.includes("pack"));
  utimesSync(project.path("small.gguf"), new Date(1e12), new Date(1e12));
  const third = await inNode(source);
  assert.equal(third.modelId, smallId);
  assert.ok(third.phases.includes("pack"));
  assert.deepEqual(leftIn("kept", "packing"), []);
  assert.deepEqual(leftIn("temporary"), []);
});

test(
  "a download that is cut is listed, goes on at its part, and is packed once",
  limit,
  async () => {
    server.repair();
    server.bytes = large;
    server.faults = { cutAfter: 2 * PART_BYTES + 100_000 };
    const input = { url: `${server.origin}/model.tercet` };
    const cut = await inNode(
      `
    const place = { cacheDir: "parts" };
    const failed = await failure(loadOnce(input.url, place));
    say({ failed, list: await tercet.cache.list(place), usage: await tercet.cache.usage(place) });`,
      input,
    );
    assert.equal(cut.failed.code, "NETWORK_FAILED");
    const [{ modelId, ...listed }] = cut.list;
    assert.match(modelId, /^[0-9a-f]{64}$/);
    assert.deepEqual(listed, {
      name: "model.tercet",
      urls: [input.url],
      state: "partial",
      fileBytes: large.length,
      storedBytes: 2 * PART_BYTES,
      chunks: Math.ceil(large.length / PART_BYTES),
      storedChunks: 2,
    });
    assert.equal(cut.usage.modelBytes, 2 * PART_BYTES);
    server.repair();
    server.bytes = large;
    const source = `
    const place = { cacheDir: "parts" };
    say({ ...(await loadOnce(input.url, place)), list: await tercet.cache.list(place) });`;
    const whole = await inNode(source, input);
    assert.equal(whole.modelId, largeId);
    assert.deepEqual(
      whole.list.map(({ modelId, state }) => [modelId, state]),
      [[largeId, "complete"]],
    );
    const again = server.requests.filter(
      ({ first, sent }) => first < 2 * PART_BYTES && sent > 1 << 17,
    );
    assert.deepEqual(again, []);
    assert.deepEqual(leftIn("parts", "gguf"), []);
    assert.deepEqual(leftIn("parts", "packing"), []);
    server.requests = [];
    server.faults = { status: 503 };
    const kept = await inNode(source, input);
    assert.deepEqual([kept.modelId, kept.from], [largeId, "folder"]);
    assert.deepEqual(server.requests, []);
  },
);

test("an unfinished download can be deleted; a stop leaves no file behind", limit, async () => {
  server.repair();
  server.bytes = large;
  // The packer has downloaded all and made its file, and then works for as long as it is left to.
  const packer = "node_modules/tercet/dist/node/packer_worker.js";
  const script = project.read(packer);
  const endless = `{
    const { compile } = WebAssembly;
    // Node's fetch() has a small module of its own.
    WebAssembly.compile = (bytes) => (bytes.byteLength > 1e5 ? new Promise(() => {}) : compile(bytes));
  }`;
  project.write(packer, `${endless}\n${script}`);
  try {
    const said = await inNode(
      `
      const place = { cacheDir: "stopped" };
      const stop = new AbortController();
      const loading = failure(tercet.load(input.url, { ...place, signal: stop.signal }));
      const { readdir } = await import("node:fs/promises");
      let ended = false;
      void loading.then(() => (ended = true));
      const packs = async () => {
        const [download] = await tercet.cache.list(place);
        const files = await readdir("stopped/packing", { recursive: true }).catch(() => []);
        return download && download.storedChunks === download.chunks && files.some((name) => name.endsWith(".tercet"));
      };
      while (!ended && !(await packs()));
      stop.abort();
      const failed = await loading;
      const [{ modelId, storedChunks, chunks }] = await tercet.cache.list(place);
      const deleted = [await tercet.cache.delete(modelId, place), await tercet.cache.delete(modelId, place)];
      say({ failed, storedChunks, chunks, deleted, list: await tercet.cache.list(place) });`,
      { url: `${server.origin}/model.tercet` },
    );
    assert.equal(said.failed.code, "ABORTED");
    assert.equal(said.storedChunks, said.chunks, "what had come was kept");
    assert.deepEqual(said.deleted, [true, false]);
    assert.deepEqual(said.list, []);
  } finally {
    project.write(packer, script);
  }
  assert.deepEqual(leftIn("stopped", "gguf"), []);
  assert.deepEqual(leftIn("stopped", "packing"), []);
});

test(
  "what is no model is refused in the packer's words, and nothing of it stays",
  limit,
  async () => {
    server.repair();
    server.bytes = small.subarray(0, small.length - 1000);
    project.write("damaged.gguf", server.bytes);
    project.write(
      "dense.gguf",
      readFileSync(join(root, "tests/golden/models/gguf-llama-q8_0-dense/model.gguf")),
    );
    const said = await inNode(
      `
    const place = { cacheDir: "refused" };
    say({
      errors: [
        await failure(loadOnce("damaged.gguf", place)),
        await failure(loadOnce(input.url, place)),
        await failure(loadOnce("dense.gguf", place)),
        await failure(loadOnce("missing.gguf", place)),
      ],
      dense: (await loadOnce("dense.gguf", { ...place, pack: { dense: "f32" } })).modelId,
      list: await tercet.cache.list(place),
    });`,
      { url: `${server.origin}/model.tercet` },
    );
    assert.deepEqual(
      said.errors.map(({ code }) => code),
      ["BAD_SOURCE", "BAD_SOURCE", "NOT_TERNARY", "FILE_NOT_FOUND"],
    );
    assert.match(said.errors[0].detail, /damaged\.gguf/);
    assert.match(said.errors[2].detail, /blk\.0|tensor/);
    assert.deepEqual(
      said.list.map(({ modelId }) => modelId),
      [said.dense],
    );
    assert.deepEqual(leftIn("refused", "gguf"), []);
    assert.deepEqual(leftIn("refused", "packing"), []);
  },
);
