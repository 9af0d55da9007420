// abi.test.mjs - wasm/abi_*.c in Node: plans are exact, a model runs in exactly the planned memory and says what the golden
// file says, and no number that a caller can pass breaks anything.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../../scripts/paths.mjs";
import { sealHeader } from "../core/container/container_file.mjs";
import {
  BAD_ARGUMENT,
  CANCELLED,
  CONTEXT_FULL,
  END_OF_TEXT,
  Module,
  NEED_BYTES,
  OK,
  OUT_OF_MEMORY,
  PAGE_BYTES,
  readModel,
} from "./module_under_test.mjs";

const file = readModel();
const golden = JSON.parse(readFileSync(join(root, "models/gutenberg-6m-b158/golden.json"), "utf8"));
const [KV_F32, KV_F16, KV_INT8, KV_INT4] = [1, 2, 3, 4];
const small = readFileSync(join(root, "tests/golden/container/well_formed.tercet"));

/** A module with a session for the file, in exactly the planned memory. */
async function open(bytes = file, options = {}) {
  const { memoryBytes } = await Module.plan(bytes, options);
  const module = await Module.open(memoryBytes);
  return { module, memoryBytes, ...module.openSession(bytes, options) };
}

test("the plan: room for everything, and little more", async () => {
  const { module, plan, memoryBytes, sessionBytes } = await Module.plan(file);
  assert.equal(module.call("model_info", plan), OK);
  const [dataBytes, fileBytes] = [22, 23].map((i) => module.value(i));
  assert.equal(fileBytes, file.length);
  assert.ok(memoryBytes > file.length + sessionBytes);
  assert.ok(memoryBytes < file.length + sessionBytes + (2 << 20), `${memoryBytes} is too much`);
  assert.ok(dataBytes < file.length);
  // Each thread more costs its stack; each token of context its keys and values.
  const two = module.ok("plan_bytes", plan, 0, 0, 2);
  assert.ok(two - memoryBytes >= 262144 && two - memoryBytes < 400_000);
  assert.ok(module.ok("plan_bytes", plan, 64, 0, 1) < memoryBytes);
});

test("the plan of every form of the cache is what its session takes, whatever the threads", async () => {
  const sizes = [];
  for (const kv of [KV_F32, KV_F16, KV_INT8, KV_INT4]) {
    const { sessionBytes, module: planner, plan } = await Module.plan(file, { kv });
    const { module, session } = await open(file, { kv });
    module.ok("session_info", session);
    assert.deepEqual([module.value(3), module.value(4)], [sessionBytes, kv]);
    sizes.push(sessionBytes);
    // What the plan adds for a thread is what an engine with one thread more takes: 256 tokens of scores, or eight times that,
    // and for int4 the keys, values and steps of one head in int8.
    planner.ok("plan_bytes", plan, 0, 0, 3, kv);
    const unpacked = kv === KV_INT4 ? 2 * 256 * (64 + 4) : 0;
    const row = kv >= KV_INT8 ? 8 * (256 + 64) * 4 + unpacked : 256 * 4;
    assert.equal(planner.value(1) - sessionBytes, 2 * row);
  }
  // 6 layers, 256 columns, 256 tokens of keys and values; int8 adds what its queries and threads need.
  const values = 2 * 6 * 256 * 256;
  assert.equal(sizes[0] - sizes[1], values * 2);
  assert.ok(sizes[1] - sizes[2] > values * 0.8 && sizes[1] - sizes[2] < values);
  assert.ok(sizes[2] - sizes[3] > values * 0.4 && sizes[2] - sizes[3] < values * 0.5);
});

test("a plan is no model: it opens no session", async () => {
  const { module, plan } = await Module.plan(file);
  assert.equal(module.call("session_create", plan, 0, 0), BAD_ARGUMENT);
  assert.equal(module.call("plan_bytes", plan, 1 << 20, 0, 1), BAD_ARGUMENT);
  assert.match(module.detail, /context/);
  assert.equal(module.call("plan_bytes", plan, 0, 100_000, 1), BAD_ARGUMENT);
  assert.equal(module.call("plan_bytes", plan, 0, 0, 0), BAD_ARGUMENT);
  assert.equal(module.call("plan_bytes", plan, 0, 0, 65), BAD_ARGUMENT);
  assert.equal(module.call("plan_bytes", plan, 0, 0, 1, 9), BAD_ARGUMENT);
  assert.match(module.detail, /cache/);
});

test("too little memory is an error with a figure", async () => {
  const { memoryBytes } = await Module.plan(file);
  const short = await Module.open(memoryBytes - (1 << 20));
  assert.throws(() => short.openSession(file), /session|context|memory/);
  const half = await Module.open(2 << 20);
  const engine = half.ok("engine_create", 1, 0, 0);
  const loader = half.ok("loader_create", engine, BigInt(file.length), 0);
  assert.equal(half.feed(loader, file), OUT_OF_MEMORY);
  assert.match(half.detail, /3415680 bytes/);
});

test("a context whose bytes wrap around 32 bits is planned in 64, and refused", async () => {
  const CONTEXT = 2 ** 20;
  const huge = Buffer.from(file);
  // Of CONFIG, the first section: how many tokens the model was made for.
  huge.writeUInt32LE(CONTEXT, huge.readUInt32LE(64 + 8) + 36);
  sealHeader(huge, huge.readUInt32LE(16));
  for (const [kv, size] of [
    [KV_F32, 4],
    [KV_F16, 2],
  ]) {
    // Keys and values of 6 layers, 4 heads of 64.
    const cache = 2 * 6 * 4 * 64 * CONTEXT * size;
    assert.ok(cache > 2 ** 32);
    await assert.rejects(Module.plan(huge, { kv }), /more than the 4 GiB/);
    const module = await Module.open(16 << 20, { most: 64 << 20 });
    const { model } = module.openSession(huge, { kv, context: 64 });
    const sessionBytes = module.ok("session_bytes", model, 0, 0, kv);
    assert.ok(sessionBytes > cache && sessionBytes < cache * 1.05, `${sessionBytes}, not ${cache}`);
    const before = module.memory.buffer.byteLength;
    assert.equal(module.call("session_create", model, 0, 0, kv), OUT_OF_MEMORY);
    assert.match(module.detail, new RegExp(`${sessionBytes} bytes`));
    assert.equal(module.memory.buffer.byteLength, before);
    module.ok("session_create", model, 64, 0, kv);
  }
});

test("greedy text is the golden text, in memory that does not grow", async () => {
  // The references keep keys and values as floats.
  const { module, session, memoryBytes } = await open(file, { kv: KV_F32 });
  const pages = Math.ceil(memoryBytes / PAGE_BYTES);
  for (const { ids, greedy, greedy_margins: margins } of golden.cases) {
    module.ok("session_reset", session, 0);
    module.ok("session_sampling", session, 0, 0, 1, 0, 1, 64, 0n);
    const prompt = module.tokens(ids);
    for (let done = 0; done < ids.length;)
      done += module.ok(
        "session_prefill",
        session,
        prompt.address + done * 4,
        ids.length - done,
        0,
        0,
      );
    // Two float64 references agree only while the best is clearly the best.
    const sure = margins.findIndex((margin) => margin <= 0.01);
    const most = sure < 0 ? greedy.length : sure;
    assert.ok(most > 0);
    for (let i = 0; i < most; i++) {
      const status = module.call("session_step", session);
      if (status === END_OF_TEXT) break;
      assert.equal(status, OK);
      assert.equal(module.value(0), greedy[i], `token ${i}`);
    }
    module.ok("destroy", prompt.handle);
  }
  assert.equal(module.memory.buffer.byteLength, pages * PAGE_BYTES);
});

test("logits: rows of a slice are those of single tokens, and the golden argmax", async () => {
  const { module, model, session } = await open();
  module.ok("model_info", model);
  const vocabulary = module.value(14);
  const { ids, argmax_per_position: argmax } = golden.cases[0];
  const prompt = module.tokens(ids);
  const rows = module.ok("buffer_create", ids.length * vocabulary * 4);
  const place = module.value(1);
  assert.equal(
    module.ok("session_prefill", session, prompt.address, ids.length, place, ids.length),
    ids.length,
  );
  const together = module.floats(place, ids.length * vocabulary);
  module.ok("session_reset", session, 0);
  ids.forEach((_, i) => {
    module.ok("session_prefill", session, prompt.address + 4 * i, 1, 0, 0);
    const address = module.ok("session_logits", session);
    const row = module.floats(address, vocabulary);
    assert.deepEqual(row, together.subarray(i * vocabulary, (i + 1) * vocabulary), `position ${i}`);
    assert.equal(row.indexOf(Math.max(...row)), argmax[i]);
  });
  // Room for two rows: two tokens are taken.
  module.ok("session_reset", session, 0);
  assert.equal(module.ok("session_prefill", session, prompt.address, ids.length, place, 2), 2);
  module.ok("destroy", rows);
});

test("a second prompt keeps what it shares with the first; slices and drafts as wide as told", async () => {
  const { module, session } = await open(file, { context: 64, slice: 4 });
  const first = module.tokens([1, 5, 6, 7, 8]);
  assert.equal(module.ok("session_prefill", session, first.address, 5, 0, 0), 4);
  assert.equal(module.ok("session_logits", session), 0, "not the end of the prompt");
  assert.equal(module.ok("session_prefill", session, first.address + 16, 1, 0, 0), 1);
  assert.equal(module.ok("session_reuse", session, first.address, 5), 5);
  const second = module.tokens([1, 5, 6, 9]);
  assert.equal(module.ok("session_reuse", session, second.address, 4), 3);
  assert.equal(module.ok("session_info", session), 3);
  module.ok("session_slice", session, 2);
  assert.equal(module.ok("session_prefill", session, first.address, 5, 0, 0), 2);
  assert.equal(module.call("session_slice", session, 5), BAD_ARGUMENT);
  assert.equal(module.call("session_speculation", session, 9), BAD_ARGUMENT);

  module.ok("session_sampling", session, 0, 0, 1, 0, 1, 64, 0n);
  const generate = (speculation) => {
    module.ok("session_speculation", session, speculation);
    module.ok("session_reset", session, 0);
    const words = module.tokens([1, 5, 6, 7, 1, 5, 6, 7]);
    for (let done = 0; done < 8;)
      done += module.ok("session_prefill", session, words.address + 4 * done, 8 - done, 0, 0);
    const tokens = [];
    while (tokens.length < 40 && module.call("session_step", session) === OK)
      tokens.push(module.value(0));
    return tokens;
  };
  const plain = generate(1);
  module.ok("session_info", session);
  assert.deepEqual(
    [5, 6, 7].map((at) => module.value(at)),
    [plain.length, 0, 0],
  );
  assert.deepEqual(generate(8), plain);
  module.ok("session_info", session);
  const [passes, drafted, accepted] = [5, 6, 7].map((at) => module.value(at));
  assert.ok(drafted > 0 && accepted <= drafted);
  assert.equal(passes + accepted, 2 * plain.length);
});

test("text and tokens, there and back; too little room says how much is needed", async () => {
  const { module, model } = await open();
  const sentence = "One morning Tom went to the store";
  const text = module.text(sentence);
  const place = module.tokens(new Array(64).fill(0));
  const count = module.ok("tokenize", model, text.address, text.bytes, 0, place.address, 64);
  assert.ok(count > 0 && count < 64);
  assert.equal(
    module.call("tokenize", model, text.address, text.bytes, 0, place.address, 1),
    BAD_ARGUMENT,
  );
  assert.equal(module.value(0), count);
  module.ok("tokenize", model, text.address, text.bytes, 0, place.address, 64);
  const back = module.text("x".repeat(64));
  const bytes = module.ok("detokenize", model, place.address, count, back.address, 64);
  assert.equal(module.bytes(back.address, bytes).toString(), sentence);
  const broken = module.text("abc");
  module.write(broken.address, Buffer.from([0x61, 0xff, 0x62]));
  assert.equal(module.call("tokenize", model, broken.address, 3, 0, place.address, 64), 96);
  assert.equal(module.where, 1);
});

test("a full context, a long prompt, a bad token, a cancel", async () => {
  const { module, session } = await open(file, { context: 8, slice: 4 });
  const ids = module.tokens([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.equal(module.call("session_prefill", session, ids.address, 9, 0, 0), 97);
  assert.equal(module.ok("session_prefill", session, ids.address, 8, 0, 0), 4);
  module.ok("session_cancel_flag", session);
  new Int32Array(module.memory.buffer)[module.value(0) / 4] = 1;
  assert.equal(module.call("session_prefill", session, ids.address + 16, 4, 0, 0), CANCELLED);
  assert.equal(module.ok("session_prefill", session, ids.address + 16, 4, 0, 0), 4);
  assert.equal(module.call("session_step", session), CONTEXT_FULL);
  module.ok("session_reset", session, 0);
  assert.equal(module.call("session_step", session), BAD_ARGUMENT);
  module.write(ids.address, new Uint8Array(Uint32Array.of(4_000_000).buffer));
  assert.equal(module.call("session_prefill", session, ids.address, 1, 0, 0), 98);
  assert.match(module.detail, /4000000/);
});

test("sampling out of range is refused and says what", async () => {
  const { module, session } = await open(small);
  const call = (...values) => module.call("session_sampling", session, ...values, 64, 0n);
  assert.equal(call(0.7, 0, 0.95, 0, 1), OK);
  for (const values of [
    [-1, 0, 1, 0, 1],
    [NaN, 0, 1, 0, 1],
    [101, 0, 1, 0, 1],
    [1, 0, 0, 0, 1],
    [1, 0, 1.5, 0, 1],
    [1, 0, 1, 2, 1],
    [1, 0, 1, 0, 0],
    [Infinity, 0, 1, 0, 1],
    [1, 0, -Infinity, 0, 1],
    [1, 0, NaN, 0, 1],
    [1, 0, 1, Infinity, 1],
    [1, 0, 1, NaN, 1],
    [1, 0, 1, 0, Infinity],
    [1, 0, 1, 0, -1],
    [1, 0, 1, 0, NaN],
  ]) {
    assert.equal(call(...values), BAD_ARGUMENT, String(values));
    assert.ok(module.detail.length > 10);
  }
});

test("counts that are negative elsewhere are refused, or mean as much as there is", async () => {
  const { module, model, session } = await open(file, { context: 64, slice: 4 });
  const tokens = () => (module.ok("session_info", session), module.value(0));
  const negative = [0xffffffff, 0x80000000, 0xfffffffe];
  const ids = [5, 6, 7, 8, 9, 10];
  const prompt = module.tokens(ids);
  const prefill = () => {
    for (let done = 0; done < ids.length;) {
      const place = prompt.address + done * 4;
      done += module.ok("session_prefill", session, place, ids.length - done, 0, 0);
    }
  };
  const sample = (topK, window) =>
    module.call("session_sampling", session, 0.7, topK, 0.95, 0, 1.1, window, 7n);
  const text = () => {
    module.ok("session_reset", session, 0);
    prefill();
    return [1, 2, 3, 4].map(() => (module.ok("session_step", session), module.value(0)));
  };
  assert.equal(sample(0, 64), OK);
  const all = text();
  for (const count of negative) {
    // The best so many of fewer tokens are all of them; a window has a limit.
    assert.equal(sample(count, 64), OK, `${count}`);
    assert.deepEqual(text(), all);
    for (const window of negative) assert.equal(sample(0, window), BAD_ARGUMENT);
    assert.match(module.detail, /4096/);
    assert.equal(module.call("session_slice", session, count), BAD_ARGUMENT);
    assert.equal(module.call("session_speculation", session, count), BAD_ARGUMENT);
    assert.equal(module.call("session_set_logprobs", session, 1, count), BAD_ARGUMENT);
    assert.equal(module.call("session_create", model, count, 0, 0), BAD_ARGUMENT);
    assert.equal(module.call("session_create", model, 0, count, 0), BAD_ARGUMENT);
    assert.equal(module.call("session_create", model, 0, 0, count), BAD_ARGUMENT);
    // No more can be kept than is there: a context is never moved by such a number.
    const before = tokens();
    assert.ok(before > 0);
    assert.equal(module.call("session_reset", session, count), OK);
    assert.equal(tokens(), before);
    // Times four bytes, and times the vocabulary, these would wrap around to something small.
    for (const many of [count, 0x40000001]) {
      for (const name of ["session_prefill", "session_score"]) {
        const rest = name === "session_score" ? [prompt.address, 1, 0] : [0, 0];
        const status = module.call(name, session, prompt.address, many, ...rest);
        assert.equal(status, BAD_ARGUMENT, `${name} of ${many}`);
        const rows = name === "session_score" ? [prompt.address, many, 0] : [prompt.address, many];
        assert.equal(module.call(name, session, prompt.address, 1, ...rows), BAD_ARGUMENT);
      }
      for (const name of ["session_arrive", "session_reuse", "session_stop_tokens", "session_mask"])
        assert.equal(module.call(name, session, prompt.address, many), BAD_ARGUMENT, name);
      assert.equal(module.call("session_embed", session, prompt.address, many, 8), BAD_ARGUMENT);
    }
  }
  assert.equal(sample(0, 64), OK);
  assert.deepEqual(text(), all);
});

test("handles: stale, wrong kind, out of range and still in use are refused", async () => {
  const { module, engine, model, session } = await open(small);
  const everything = [
    ["engine_info", (h) => [h]],
    ["loader_create", (h) => [h, 0n, 0]],
    ["loader_want", (h) => [h]],
    ["loader_give", (h) => [h]],
    ["loader_info", (h) => [h]],
    ["loader_finish", (h) => [h]],
    ["loader_open", (h) => [h]],
    ["plan_create", (h) => [h]],
    ["plan_bytes", (h) => [h, 0, 0, 1]],
    ["model_info", (h) => [h]],
    ["tokenize", (h) => [h, 0, 0, 0, 0, 0]],
    ["token", (h) => [h, 0]],
    ["detokenize", (h) => [h, 0, 0, 0, 0]],
    ["chat_info", (h) => [h, 0, 0]],
    ["chat_tokenize", (h) => [h, 0, 0, 0, 0, 0, 0, 0]],
    ["session_create", (h) => [h, 0, 0]],
    ["session_sampling", (h) => [h, 0, 0, 1, 0, 1, 64, 0n]],
    ["session_prefill", (h) => [h, 0, 0, 0, 0]],
    ["session_arrive", (h) => [h, 0, 0]],
    ["session_arrive_more", (h) => [h]],
    ["session_step", (h) => [h]],
    ["session_text", (h) => [h, 0]],
    ["session_logits", (h) => [h]],
    ["session_reset", (h) => [h, 0]],
    ["session_reuse", (h) => [h, 0, 0]],
    ["session_slice", (h) => [h, 0]],
    ["session_speculation", (h) => [h, 0]],
    ["session_stop_tokens", (h) => [h, 0, 0]],
    ["session_mask", (h) => [h, 0, 0]],
    ["session_info", (h) => [h]],
    ["session_cancel_flag", (h) => [h]],
    ["destroy", (h) => [h]],
  ];
  const buffer = module.ok("buffer_create", 64);
  assert.equal(module.call("destroy", model), BAD_ARGUMENT, "its session lives");
  assert.equal(module.call("destroy", engine), BAD_ARGUMENT, "its model lives");
  assert.match(module.detail, /still open/);
  module.ok("destroy", session);
  const again = module.ok("session_create", model, 0, 0);
  assert.equal(again & 0xff, session & 0xff, "the slot is used again, with another generation");
  for (const handle of [0, 1, 0xff, 0x1ff, 0xffffffff, -1, session, buffer ^ 0x100]) {
    for (const [name, args] of everything)
      assert.equal(module.call(name, ...args(handle)), BAD_ARGUMENT, `${name} ${handle}`);
  }
  // Each function refuses handles of every other kind.
  const accepting = [
    [engine, ["engine_info"]],
    [model, ["model_info", "tokenize", "token", "detokenize", "chat_info", "chat_tokenize"]],
    [again, everything.map(([name]) => name).filter((name) => /^session_(?!create)/.test(name))],
    [buffer, []],
  ];
  for (const [handle, functions] of accepting) {
    const accepted = everything
      .filter(([name]) => !/create|destroy/.test(name))
      .filter(([name, args]) => !/is not open|no header/.test(refusal(module, name, args(handle))));
    assert.deepEqual(
      accepted.map(([name]) => name),
      functions,
    );
  }
  module.ok("destroy", again);
  module.ok("destroy", model);
  module.ok("destroy", engine);
  module.ok("destroy", buffer);
});

function refusal(module, name, args) {
  return module.call(name, ...args) === BAD_ARGUMENT ? module.detail : "";
}

test("a conversation in the file's own chat format, and in one that it has no tokens for", async () => {
  const chatFile = readFileSync(join(root, "tests/golden/container/well_formed_chat.tercet"));
  const { module, model, session } = await open(chatFile);
  module.ok("chat_info", model, 0, 0);
  const string = (i) => module.bytes(module.value(i), module.value(i + 1)).toString();
  assert.deepEqual([string(0), module.value(2)], ["golden-1.0", 1]);
  assert.deepEqual([string(3), string(5)], ["<think>", "</think>"]);
  assert.deepEqual(
    [7, 8, 9].map((i) => module.value(i)),
    [2, 258, 259],
  );

  // user: "the th", assistant: thinking and " a ", user: "<|end|>"; the default system text comes first.
  const texts = ["the th", "<think>x</think>\n a ", "<|end|>"].map((text) => module.text(text));
  const roles = [2, 3, 2];
  const messages = module.tokens(
    texts.flatMap(({ address, bytes }, i) => [roles[i], address, bytes]),
  );
  const place = module.tokens(new Array(200).fill(0));
  const count = module.ok("chat_tokenize", model, 0, 0, messages.address, 3, 1, place.address, 200);
  const ids = [...new Uint32Array(module.memory.buffer, place.address, count)];
  const END = 258;
  const PAD = 259;
  // "th" is one token of this vocabulary.
  const codes = (text) =>
    text.split("th").flatMap((part, i) => [...(i > 0 ? [256] : []), ...Buffer.from(part)]);
  assert.deepEqual(ids, [
    ...[PAD, ...codes("system: Be brief.\n"), END, ...codes("\n")],
    ...[PAD, ...codes("user: "), 257, ...codes(" "), 256, END],
    ...[...codes("assistant: a"), END, ...codes("\n")],
    ...[PAD, ...codes("user: <|end|>"), END],
    ...[...codes("assistant:"), PAD, ...codes("<think>"), PAD, ...codes("</think>")],
  ]);
  assert.equal(
    module.call("chat_tokenize", model, 0, 0, messages.address, 3, 1, place.address, 5),
    BAD_ARGUMENT,
  );
  assert.equal(module.value(0), count);
  const format = module.text("llama3");
  const NO_CHAT_FORMAT = 99;
  assert.equal(module.call("chat_info", model, format.address, format.bytes), NO_CHAT_FORMAT);
  const unknown = module.text("x".repeat(31));
  assert.equal(module.call("chat_info", model, unknown.address, 31), BAD_ARGUMENT);
  assert.match(module.detail, /known are qwen3/);
  const stops = module.tokens([END, 1 << 20]);
  module.ok("session_stop_tokens", session, stops.address, 1);
  assert.equal(module.call("session_stop_tokens", session, stops.address, 2), 98);
  module.ok("session_stop_tokens", session, 0, 0);
});

test("slots are limited, and all of them come back", async () => {
  const module = await Module.open(2 << 20);
  const made = [];
  let status;
  while ((status = module.call("buffer_create", 64)) === OK) made.push(module.value(0));
  assert.equal(status, BAD_ARGUMENT);
  assert.match(module.detail, /too many/);
  assert.ok(made.length >= 16);
  for (const handle of made) module.ok("destroy", handle);
  // Memory comes back too: most of it can be had a thousand times.
  for (let i = 0; i < 1000; i++) module.ok("destroy", module.ok("buffer_create", 1 << 20));
  assert.equal(module.call("buffer_create", 0xffffffff), OUT_OF_MEMORY);
  assert.equal(module.call("buffer_create", 0), OUT_OF_MEMORY);
});

test("addresses that are not in memory, or not aligned, are refused", async () => {
  const { module, model, session } = await open(small);
  const end = module.memory.buffer.byteLength;
  const bad = [
    [0, 4],
    [end, 4],
    [end - 4, 8],
    [0xffffffff, 1],
    [0xfffffff0, 0x20],
    [end - 8, 0xffffffff],
  ];
  const tokens = module.tokens([1, 2, 3]);
  for (const [address, count] of bad) {
    const about = `${address} ${count}`;
    assert.equal(module.call("tokenize", model, address, count, 0, 0, 0), BAD_ARGUMENT, about);
    assert.equal(module.call("tokenize", model, 0, 0, 0, address & ~3, count), BAD_ARGUMENT, about);
    assert.equal(module.call("detokenize", model, address & ~3, count, 0, 0), BAD_ARGUMENT, about);
    assert.equal(
      module.call("detokenize", model, tokens.address, 3, address, count),
      BAD_ARGUMENT,
      about,
    );
    assert.equal(module.call("session_prefill", session, address & ~3, count, 0, 0), BAD_ARGUMENT);
    assert.equal(
      module.call("session_prefill", session, tokens.address, 3, address || 4, 0x7fffffff),
      BAD_ARGUMENT,
    );
    assert.equal(module.call("session_reuse", session, address & ~3, count), BAD_ARGUMENT, about);
    const stops = module.call("session_stop_tokens", session, address & ~3, count);
    assert.equal(stops, BAD_ARGUMENT, about);
    const mask = module.call("session_mask", session, address & ~3, count);
    assert.equal(mask, BAD_ARGUMENT, about);
    assert.equal(module.call("chat_info", model, address, count), BAD_ARGUMENT, about);
    const chat = (...args) => module.call("chat_tokenize", model, ...args);
    assert.equal(chat(address, count, 0, 0, 0, 0, 0), BAD_ARGUMENT, about);
    assert.equal(chat(0, 0, address & ~3, count, 0, 0, 0), BAD_ARGUMENT, about);
    const message = module.tokens([2, address, count]);
    assert.equal(chat(0, 0, message.address, 1, 0, 0, 0), BAD_ARGUMENT, about);
    assert.equal(chat(0, 0, message.address, 0, 0, address & ~3, count), BAD_ARGUMENT, about);
    module.ok("destroy", message.handle);
    assert.equal(module.call("engine_create", 1, address, count), BAD_ARGUMENT, about);
  }
  assert.equal(module.call("session_prefill", session, tokens.address + 1, 1, 0, 0), BAD_ARGUMENT);
  assert.equal(module.call("engine_create", 65, 0, 0), BAD_ARGUMENT);
  // And nothing was harmed.
  assert.ok(module.ok("session_prefill", session, tokens.address, 3, 0, 0) > 0);
});

test("kernels by name: portable works, another machine's do not", async () => {
  const module = await Module.open(2 << 20);
  const portable = module.text("portable");
  const engine = module.ok("engine_create", 1, portable.address, portable.bytes);
  module.ok("engine_info", engine);
  assert.equal(module.bytes(module.value(1), module.value(2)).toString(), "portable");
  const avx2 = module.text("x86_avx2");
  assert.equal(module.call("engine_create", 1, avx2.address, avx2.bytes), 67);
  assert.match(module.detail, /x86_avx2/);
  const best = module.ok("engine_create", 1, 0, 0);
  module.ok("engine_info", best);
  assert.equal(module.bytes(module.value(1), module.value(2)).toString(), "wasm_simd128");
});

test("a loader out of order is refused; a model needs all its bytes", async () => {
  const module = await Module.open(4 << 20);
  const engine = module.ok("engine_create", 1, 0, 0);
  const loader = module.ok("loader_create", engine, BigInt(small.length), 0);
  assert.equal(module.call("loader_info", loader), BAD_ARGUMENT);
  assert.equal(module.call("loader_give", loader), BAD_ARGUMENT);
  assert.equal(module.call("loader_want", loader), 66, "disabled by the error before");
  const other = module.ok("loader_create", engine, BigInt(small.length), 0);
  assert.equal(module.call("loader_want", other), NEED_BYTES);
  assert.equal(module.call("loader_finish", other), BAD_ARGUMENT);
});

test("malformed files: the codes of the native reader", async () => {
  const folder = join(root, "tests/golden/container");
  const rows = readFileSync(join(folder, "expected.tsv"), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split("\t"));
  assert.ok(rows.length > 100);
  const status = statusValues();
  const module = await Module.open(1 << 20, { most: 80 << 20 });
  const engine = module.ok("engine_create", 1, 0, 0);
  for (const [name, reader, open, where] of rows) {
    const bytes = readFileSync(join(folder, name));
    const loader = module.ok("loader_create", engine, BigInt(bytes.length), 0);
    let got = module.feed(loader, bytes);
    if (got === OK) {
      got = module.call("loader_finish", loader);
      if (got === OK) module.ok("destroy", module.value(0));
    }
    // A host refuses what does not match its hash before core sees it; both columns know of that order.
    const expected = open === "OK" ? status.OK : status[open];
    if (got === "HEADER_HASH") got = status.HEADER_HASH_MISMATCH;
    if (got === "CHUNK_HASH") got = status.CHUNK_HASH_MISMATCH;
    // What the reader refuses it may refuse first; where it refuses nothing, only the host's answer is right.
    const right = reader === "OK" ? [expected] : [expected, status[reader]];
    assert.ok(right.includes(got), `${name}: ${got}, not ${open} ${expected}`);
    if (got === status[reader] && typeof got === "number" && got >= 64 && where !== "-")
      assert.equal(module.where, Number(where), `${name}: where`);
    module.ok("destroy", loader);
  }
});

function statusValues() {
  const header = readFileSync(join(root, "core/include/tercet.h"), "utf8");
  const values = {};
  for (const [, value, name] of header.matchAll(/X\((\d+), ([A-Z0-9_]+),/g))
    values[name] = Number(value);
  return values;
}
