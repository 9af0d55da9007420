// script_messages.mjs - fuzz target: any messages to the engine's worker (web/src/protocol.ts), in Node, with a small model loaded.
// The input is JSON, a list of messages, in which {"$": kind, "of": value} stands for what JSON has not: tokens, bigint, nan, map ...
//
// Whatever comes: each request is answered once, or the worker says that it crashed, upon which a page rejects all that is open; what is
// still running ends when it is told to; and the next right question gets the right answer. Addresses and folders are left out: a
// page may name any.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { root } from "../../scripts/paths.mjs";

const VERSION = 2;
const model = readFileSync(join(root, "tests/golden/container/well_formed_chat.tercet"));
const CONTROLS = ["abort", "demand", "ping", "files"];

const KINDS = {
  tokens: (value) => Uint32Array.from([value].flat().slice(0, 1000), (one) => Number(one) >>> 0),
  bytes: (value) => Uint8Array.from([value].flat().slice(0, 1000), (one) => Number(one) & 255),
  bigint: (value) => BigInt.asIntN(80, BigInt(Math.trunc(Number(value)) || 0)),
  nan: () => NaN,
  infinity: () => Infinity,
  undefined: () => undefined,
  map: (value) => new Map([[value, 1]]),
  date: () => new Date(0),
  blob: () => new Blob(["not a model"]),
  half: () => "\ud800",
  long: () => "word ".repeat(2000),
};

/** A value of the input. */
function decode(value, depth = 0) {
  if (Array.isArray(value)) return depth > 8 ? [] : value.map((one) => decode(one, depth + 1));
  if (typeof value !== "object" || value === null) return value;
  if (typeof value.$ === "string" && Object.hasOwn(KINDS, value.$)) return KINDS[value.$](value.of);
  if (depth > 8) return {};
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [name, decode(one, depth + 1)]),
  );
}

/** What a message must not reach: the network, and folders of this machine. */
function harmless(message) {
  if (message.op === "inspect" || message.op === "load") {
    const { kind } = message.source ?? {};
    message.source = kind === "blob" ? { kind, blob: new Blob([model]) } : undefined;
    message.assetsUrl = null;
  }
  if (typeof message.cacheDir === "string") message.cacheDir = null;
  if (typeof message.assetsUrl === "string") message.assetsUrl = null;
  return message;
}

class Engine {
  #worker = new Worker(new URL("../../dist/node/engine_worker.js", import.meta.url));
  #waiting = new Map();
  #next = 1;
  #failed = null;
  crashes = 0;

  constructor() {
    this.ready = new Promise((resolve) => this.#waiting.set(0, resolve));
    this.#worker.on("message", (message) => this.#hear(message));
    this.#worker.on("error", (error) => (this.#failed = error));
    this.#worker.on("exit", () => {
      this.#failed ??= new Error("the worker has ended");
      for (const answer of this.#waiting.values()) answer({ kind: "ended" });
    });
    this.#worker.unref();
  }

  #hear({ id, kind, ...rest }) {
    if (kind === "crashed") {
      assert.ok(["ENGINE_CRASHED", "PROTOCOL"].includes(rest.error.code), rest.error.code);
      this.crashes++;
      this.#lastCrash = rest.error;
      // Nobody knows whose it was: a page rejects all that is open.
      for (const [, answer] of this.#waiting) answer({ kind, ...rest });
      this.#waiting.clear();
    } else if (kind === "ready") this.#waiting.get(0)?.({ kind });
    else if (kind === "result" || kind === "error") {
      this.#waiting.get(id)?.({ kind, ...rest });
      this.#waiting.delete(id);
    }
  }
  #lastCrash = null;

  /** Its id. */
  post(message) {
    const control = CONTROLS.includes(message.op);
    const id = control ? 0 : this.#next++;
    const answer = control ? null : new Promise((resolve) => this.#waiting.set(id, resolve));
    try {
      this.#worker.postMessage({ v: VERSION, ...message, id });
    } catch {
      this.#waiting.delete(id); // cannot be sent at all
      return { id, answer: null };
    }
    return { id, answer };
  }

  /** A right question; asked again where another's crash has taken its answer. */
  async ask(message) {
    for (let tries = 0; tries < 4; tries++) {
      const answer = await this.post(message).answer;
      if (this.#failed) throw this.#failed;
      if (answer.kind === "result") return answer.value;
      if (answer.kind === "error")
        throw new Error(`${message.op}: ${JSON.stringify(answer.error)}`);
    }
    throw new Error(`it crashes again and again: ${JSON.stringify(this.#lastCrash)}`);
  }

  end() {
    return this.#worker.terminate();
  }
}

const load = {
  op: "load",
  source: { kind: "blob", blob: new Blob([model]) },
  ...{ assetsUrl: null, threads: 1, context: null, slice: null, sessions: 3, kv: "f16" },
  ...{ variant: null, kernels: null, integrity: null, pack: {}, prompt: null, cache: "memory" },
  ...{ cacheDir: null, revalidate: false },
  network: { connections: 1, retries: 0, silenceMs: 10_000 },
};
const tokenize = {
  op: "tokenize",
  text: "A word, ein Wört",
  addBeginning: true,
  parseSpecial: false,
};
const generate = {
  op: "generate",
  ...{
    session: 0,
    seed: 7n,
    maxTokens: 4,
    speculation: 0,
    stop: [],
    grammar: null,
    logprobs: null,
  },
  ...{ layerTimes: null, promptProgress: false, demand: null, prompt: "A word" },
  ...{ addBeginning: true, parseSpecial: false },
  sampling: {
    temperature: 0,
    topK: 0,
    topP: 1,
    minP: 0,
    repetitionPenalty: 1,
    repetitionWindow: 64,
  },
};

let engine = null;
let right = null;

async function askRight() {
  const [tokens, { text, tokens: ids, promptTokens }] = await Promise.all([
    engine.ask(tokenize),
    engine.ask(generate),
  ]);
  return JSON.stringify([[...tokens], text, [...ids], promptTokens]);
}

async function openEngine() {
  engine = new Engine();
  await engine.ready;
  await engine.ask(load);
  right ??= await askRight();
}

const MOST_MESSAGES = 6;

async function run(input) {
  let messages;
  try {
    messages = decode(JSON.parse(input.toString()));
  } catch {
    return false;
  }
  if (!Array.isArray(messages)) return false;
  if (engine === null) await openEngine();
  const before = engine.crashes;
  const posted = [];
  let latest = 0;
  for (const message of messages.slice(0, MOST_MESSAGES)) {
    const isObject = typeof message === "object" && message !== null && !Array.isArray(message);
    const sent = isObject ? harmless(message) : { op: message };
    // Most words about a request are about one that runs.
    if (sent.target === "latest") sent.target = latest;
    const one = engine.post(sent);
    if (one.answer !== null) posted.push(one);
    latest = one.id || latest;
  }
  await engine.ask(tokenize);
  // One whose answer a crash has taken may still run, and wait until more of it is wanted.
  for (const { id } of posted) engine.post({ op: "abort", target: id });
  for (const { answer } of posted) {
    const { kind, value } = await answer;
    assert.notEqual(kind, "ended", "the worker has ended");
    if (value?.session > 0) await engine.ask({ op: "sessionDispose", session: value.session });
  }
  assert.equal(await askRight(), right, "the next right question has the right answer");
  return engine.crashes === before && posted.length > 0;
}

const names = (text) => text.split(" ").map((name) => `"${name}"`);
const jsonWords = [
  ...names(
    "op load generate tokenize detokenize countTokens logits embed inspect perplexity bench map sessionCreate",
  ),
  ...names(
    "sessionBytes sessionDispose sessionSave sessionRestore sessionList sessionDelete cacheList cacheDelete",
  ),
  ...names(
    "cacheVerify cacheExport cacheUsage abort demand ping files v id target latest pieces text prompt tokens",
  ),
  ...names(
    "session shape context slice kv int8 f32 int4 messages role user content format thinking sampling seed",
  ),
  ...names(
    "maxTokens speculation stop grammar jsonSchema regex ebnf logprobs layerTimes promptProgress name modelId",
  ),
  ...names(
    "addBeginning parseSpecial temperature topK topP minP repetitionPenalty repetitionWindow promptTokens",
  ),
  ...names("decodeTokens __proto__ constructor source kind blob cacheDir assetsUrl"),
  ...[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "null",
    "true",
    "false",
    "0",
    "-1",
    "1e308",
    "2147483648",
    '""',
  ],
  ...Object.keys(KINDS).map((kind) => `{"$":"${kind}","of":[1,2,3]}`),
];

export const targets = {
  worker_messages: {
    words: jsonWords,
    json: true,
    run,
    close: async () => engine?.end(),
  },
};
