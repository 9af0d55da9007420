// high_memory.test.mjs - a model whose every byte lies above 2 GiB, where an address is negative to whoever takes it for a
// signed number. It needs no gigabytes: the memory below is asked for and never touched, so the system never gives it.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { PROMPT, dist, limit, modelBytes, runNatively } from "./library_under_test.mjs";
import { importSource } from "./source_under_test.mjs";

const BELOW_BYTES = 2 ** 31;
const CONTEXT = 256;

// Node's fetch knows no files.
const { fetch, MessageChannel } = globalThis;
globalThis.fetch = async (url) => new Response(readFileSync(fileURLToPath(url)));
// The runner lets messages in by way of a channel, which would keep this process alive.
const channels = [];
globalThis.MessageChannel = class extends MessageChannel {
  constructor() {
    super();
    channels.push(this);
  }
};
after(() => {
  globalThis.fetch = fetch;
  channels.forEach(({ port1 }) => port1.close());
});

const { WasmModule, createMemory } = await importSource("wasm_module");
const { SessionRunner } = await importSource("session_runner");
const { computeLogits } = await importSource("text_measures");
const free = { aborted: false, wanted: true, taken() {} };

let module, runner, model, session;
before(async () => {
  const memory = createMemory(BELOW_BYTES + (64 << 20), false);
  const assetsUrl = `${pathToFileURL(dist)}/`;
  module = await WasmModule.create("simd128", memory, { assetsUrl, threads: 1 });
  // The allocator gives out memory from below: from now on everything else is above.
  assert.ok(module.createBuffer(BELOW_BYTES).address < BELOW_BYTES);
  const { engine } = module.createEngine(1, "");
  const loader = module.createLoader(engine, modelBytes.length, false);
  for (let want = module.want(loader); want; want = module.want(loader)) {
    assert.ok(want.destination > BELOW_BYTES, `${want.kind} at ${want.destination}`);
    const bytes = modelBytes.subarray(want.offset, want.offset + want.bytes);
    if (want.kind === "chunk")
      assert.deepEqual(createHash("sha256").update(bytes).digest(), Buffer.from(want.sha256));
    module.give(loader, want, bytes);
  }
  model = module.finishLoader(loader);
  module.destroy(loader);
  session = module.createSession(model, CONTEXT, 32);
  const facts = module.modelFacts(model);
  const open = { module, model, session, facts, context: CONTEXT, slice: 32, shared: false };
  runner = new SessionRunner({ ...open, threads: 1, kernels: module.engineInfo(engine).kernels });
}, limit);

test("facts, tokens and texts are read from above 2 GiB", limit, () => {
  const facts = module.modelFacts(model);
  assert.ok(facts.name.length > 0 && facts.vocabulary > 0);
  assert.ok(module.cancelFlagAddress(session) > BELOW_BYTES);
  const options = { addBeginning: false, parseSpecial: true };
  assert.equal(runner.detokenize(runner.tokenize(PROMPT, options)).trim(), PROMPT);
});

test("a model above 2 GiB writes what the native twin writes", limit, async () => {
  const sampling = { temperature: 0.8, topP: 0.9 };
  const message = { op: "generate", prompt: PROMPT, sampling, seed: 7n, maxTokens: 40, stop: [] };
  const given = { ...message, addBeginning: true, parseSpecial: true, layerTimes: null };
  const pieces = [];
  const result = await runner.generate(given, free, ({ event, text }) => {
    if (event === "piece") pieces.push(text);
  });
  const flags = ["-p", PROMPT, "-n", 40, "--seed", 7, "--temperature", 0.8, "--top-p", 0.9];
  const native = runNatively([...flags, "--context", CONTEXT]);
  assert.deepEqual(result.tokens, native.tokens);
  assert.equal(pieces.join(""), native.text);
});

test("logits come from above 2 GiB, and more memory than there is is refused", limit, async () => {
  const logits = await computeLogits(
    runner.open,
    runner.slicing,
    Uint32Array.of(1, 372, 623),
    free,
  );
  assert.equal(logits.length, 3 * module.modelFacts(model).vocabulary);
  assert.ok(logits.every(Number.isFinite) && logits.some((value) => value !== 0));
  assert.throws(() => module.createBuffer(BELOW_BYTES), { code: "OUT_OF_MEMORY" });
  assert.throws(() => module.createBuffer(2 ** 32 - 1), { code: "OUT_OF_MEMORY" });
});
