// engine_torture.mjs - engines that die: a trap in each exported function of a module, a thread of the pool that is gone, a worker
// that ends, throws or falls silent at each of its messages; and what the page is told. Whoever waits is answered, with the
// right value or a TercetError, and the engine comes back. Used by `npm run torture` (row `traps`) and, with little, by a test.
// Each method gives cases { name, run }; run() gives { problems, died, lateMs, limitMs }: what was wrong, errors of the page
// included, and by how much the last caller was answered too late (see lateness), which a busy machine may make longer than it should be.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../scripts/paths.mjs";
import { dist, runNatively, PROMPT, STEP_TIMEOUT_MS, TestPage } from "./library_under_test.mjs";

/** What a page may wait for its answer after a death that the browser tells of, and after one that only silence tells of. */
export const TOLD_MS = 1000;
export const MISSED_MS = 5000;
/** As engine_client.ts has it: before its first message, which begins the heartbeat, a worker may be silent for so long. */
const START_TIMEOUT_MS = 20_000;
/** What a page says of the deaths themselves. */
const DEATHS = /RuntimeError|made by the test/;
/** Ways of ends() that only silence tells of. */
export const SILENT_WAYS = ["hangs", "waits"];
/** Of the messages that are counted: this share of them comes every time. */
const SURE_SHARE = 0.9;
/** So that silence is noticed within MISSED_MS. Between two signs of life here are milliseconds. */
const HEARTBEAT_SECONDS = 3;
/** For what never settles. */
const NEVER_MS = STEP_TIMEOUT_MS - 20_000;

/** The bundled model is none to talk to. */
const chatModel = join(root, "tests", "golden", "container", "well_formed_chat.tercet");

const expected = () => runNatively(["-p", PROMPT, "-n", 8, "--seed", 5]).text;

/** What the script beside a module calls its exported functions, whose own names are shortened: own name -> name. */
function namesOf(variant) {
  const glue = readFileSync(join(dist, `tercet-${variant}.mjs`), "utf8");
  const named = glue.matchAll(/\._(\w+)=[^=]{0,40}=>\(\w+=\w+\._\1=\w+\.(\w+)\)/g);
  return new Map([...named].map(([, name, own]) => [own, name]));
}

/* ---------------------------------------------------------------- in the worker, in front of its script */

/** Before it dies, and before anything else happens: a message might be lost with its sender. False: another one has died. */
function tellDeath() {
  const tell = new XMLHttpRequest();
  tell.open("POST", "/died", false);
  tell.send();
  return tell.status === 204;
}

/** Script text: these functions, and a call of the last one. */
const inFront = (work, values = {}) => `{ ${tellDeath}; (${work})(${JSON.stringify(values)}); }`;

/** Counts the calls of each exported function; traps in number `at` of `own`, in front of the function or behind it. */
function trapInWorker({ own, at, behind }) {
  const bytes = (memory, code) => [
    ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, ...memory],
    ...[7, 5, 1, 1, 102, 0, 0, 10, code.length + 4, 1, code.length + 2, 0, ...code, 11],
  ];
  const { instantiate, Module, Instance } = WebAssembly;
  const make = (...parts) => new Instance(new Module(new Uint8Array(bytes(...parts)))).exports.f;
  const unreachable = make([], [0]);
  const outOfBounds = make([5, 3, 1, 0, 0], [65, 0, 40, 2, 0, 26]);
  const channel = new BroadcastChannel("torture");
  const counts = {};
  const messages = { sent: 0, received: 0 };
  const worker = Math.random();
  channel.onmessage = ({ data }) =>
    data === "count" && channel.postMessage({ worker, counts, messages });
  const { postMessage: tell } = globalThis;
  globalThis.postMessage = function (...given) {
    messages.sent += 1;
    return tell.apply(this, given);
  };
  addEventListener("message", () => (messages.received += 1));
  const watched = (name, run) => {
    counts[name] ??= 0; // the module that plans and the one that works are two instances
    return (...values) => {
      if (++counts[name] !== at || name !== own) return run(...values);
      if (!tellDeath()) return run(...values);
      if (!behind) unreachable();
      run(...values);
      return outOfBounds();
    };
  };
  WebAssembly.instantiate = async (compiled, imports) => {
    const made = await instantiate.call(WebAssembly, compiled, imports);
    const exports = Object.entries(made.exports).map(([name, value]) => [
      name,
      typeof value === "function" ? watched(name, value) : value,
    ]);
    return { exports: Object.fromEntries(exports) };
  };
}

/** Ends the worker in a way, or silences it, as it posts message number `at`, or as it gets it. */
function endInWorker({ way, at, side }) {
  const { postMessage: tell } = globalThis;
  let seen = 0;
  if (side === "received") addEventListener("message", end);
  else
    globalThis.postMessage = function (...given) {
      end();
      return tell.apply(this, given);
    };
  function end() {
    if (++seen !== at || !tellDeath()) return;
    if (way === "closes itself") close();
    if (way === "throws") setTimeout(() => fail(), 0);
    if (way === "throws there") fail();
    if (way === "rejects") void Promise.reject(new Error("made by the test"));
    if (way === "hangs") for (;;);
    if (way === "waits") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  }
  function fail() {
    throw new Error("made by the test");
  }
}

/** In front of the script of a module with threads: in the workers of the pool every task is a trap. */
function breakPool() {
  if (!globalThis.name?.startsWith("em-pthread")) return;
  const { Instance } = WebAssembly;
  let tables = [];
  WebAssembly.Instance = function (...given) {
    const made = new Instance(...given);
    tables = Object.values(made.exports).filter((one) => one instanceof WebAssembly.Table);
    return made;
  };
  addEventListener("error", () => tellDeath());
  addEventListener("message", ({ data }) => {
    if (data.cmd !== "run") return;
    for (const table of tables)
      for (let at = 0; at < table.length; at++) if (at !== data.start_routine) table.set(at, null);
  });
}

/** In front of the engine's script: one of its pool's workers is ended, without a word, when the engine posts piece number `at`. */
function endThreadInWorker({ at }) {
  const threads = [];
  globalThis.Worker = class extends Worker {
    constructor(...given) {
      super(...given);
      threads.push(this);
    }
  };
  const { postMessage: tell } = globalThis;
  let pieces = 0;
  globalThis.postMessage = function (message, ...rest) {
    if (message.event === "piece" && ++pieces === at && tellDeath()) threads.at(-1).terminate();
    tell.call(this, message, ...rest);
  };
}

/* ---------------------------------------------------------------- in the page */

/**
 * Asks an engine for everything that it can, at once. { begin, settled: { name, at, value | code }, never, counts, messages }; `begin`
 * and `at`: of Date.now(), as the server has it; `never`: the names of what was not answered.
 */
async function askForAll({ options, prompt, neverMs, count }) {
  const [began, settled, waiting] = [Date.now(), [], new Set()];
  const begin = (name, work, value = (one) => one) => {
    waiting.add(name);
    const end = (more) => {
      waiting.delete(name);
      settled.push({ name, at: Date.now(), ...more });
    };
    return work.then(
      (one) => end({ value: JSON.stringify(value(one)) }),
      (error) =>
        end({
          code: error instanceof tercet.TercetError ? error.code : `no TercetError: ${error}`,
        }),
    );
  };
  // Of each function, and of messages, the most that one worker has seen. Every one of `workers` has to answer.
  const counted = {};
  const messages = { sent: 0, received: 0 };
  const countCalls = (workers) =>
    new Promise((resolve) => {
      const channel = new BroadcastChannel("torture");
      const answered = new Set();
      channel.onmessage = ({ data: { worker, counts, messages: own } }) => {
        if (answered.size === workers) return;
        for (const side of ["sent", "received"])
          messages[side] = Math.max(messages[side], own[side]);
        for (const [name, calls] of Object.entries(counts))
          counted[name] = Math.max(counted[name] ?? 0, calls);
        if (answered.add(worker).size < workers) return;
        channel.close();
        resolve();
      };
      channel.postMessage("count");
    });
  const text = ({ text, tokens, logprobs }) => [text, tokens, logprobs];
  const nothing = () => null;
  const loading = tercet.load("/model.tercet", { ...options, prompt, sessions: 2 });
  globalThis.model = null;
  loading.then(
    (loaded) => (globalThis.model = loaded),
    () => {},
  );
  const ask = async () => {
    await begin("load", loading, nothing);
    if (!globalThis.model) return;
    globalThis.other = null;
    const creating = model.createSession({ context: 128 });
    await begin(
      "createSession",
      creating.then((session) => (globalThis.other = session)),
      nothing,
    );
    const write = (session, more) =>
      session.generate(prompt, { seed: 5, maxTokens: 8, ...more }).result;
    const read = async (run) => {
      const pieces = [];
      for await (const piece of run) pieces.push(piece);
      return pieces.join("");
    };
    const converse = async () => {
      const talking = await tercet.load("/chat.tercet", { ...options, cache: "memory" });
      const messages = [{ role: "user", content: "a" }];
      try {
        return await talking.chat(messages, { maxTokens: 4, seed: 5 }).result;
      } finally {
        if (count) await countCalls(2);
        await talking.dispose();
      }
    };
    const works = [
      begin("generate", write(model, { logprobs: 2, stop: ["§"] }), text),
      begin("pieces", read(model.generate(`${prompt} and`, { seed: 6, maxTokens: 6 }))),
      begin("grammar", write(model, { grammar: { regex: "[a-z ]{4,20}" } }), text),
      begin("layers", write(model, { onLayerTimes: () => {}, layerTimesEvery: 1 }), text),
      begin("chat", converse(), ({ text }) => text),
      begin("save", model.session.save("torture"), nothing),
      begin("restore", model.session.restore("torture"), nothing),
      begin("logits", model.logits([1, 5, 6, 7]), (logits) => Array.from(logits.slice(0, 9))),
      begin("embed", model.embed(prompt), ({ embedding }) => Array.from(embedding)),
      begin("perplexity", model.perplexity(prompt), ({ natsPerToken }) => natsPerToken),
      begin("bench", model.bench({ promptTokens: 8, tokens: 4, runs: 1 }), nothing),
      begin("map", model.map(), nothing),
      begin("tokenize", model.tokenize(prompt), (tokens) => Array.from(tokens)),
      begin("detokenize", model.detokenize([5, 6, 7])),
      begin("countTokens", model.countTokens(prompt)),
      begin("sessionBytes", model.sessionBytes({ context: 64 })),
    ];
    if (globalThis.other) works.push(begin("other", write(other), text));
    await Promise.all(works);
    if (globalThis.other) await begin("dispose", other.dispose(), nothing);
  };
  let timer;
  await Promise.race([ask(), new Promise((resolve) => (timer = setTimeout(resolve, neverMs)))]);
  clearTimeout(timer);
  if (count) await countCalls(1);
  return { begin: began, settled, never: [...waiting], counts: counted, messages };
}

/** The engine again, or another one where there was none: the text, and how many workers outlive it. */
async function comeBack({ options, prompt, neverMs }) {
  const write = (session) => session.generate(prompt, { seed: 5, maxTokens: 8 }).result;
  try {
    if (globalThis.model) await model.restart();
    else globalThis.model = await tercet.load("/model.tercet", options);
    const { text } = await write(model);
    await model.dispose();
    // A worker that is ended takes its time.
    const left = async () => {
      const { held } = await navigator.locks.query();
      return held.filter(({ name }) => name.startsWith("tercet-engine")).length;
    };
    const begin = performance.now();
    while ((await left()) > 0 && performance.now() - begin < neverMs)
      await new Promise((resolve) => setTimeout(resolve, 20));
    return { text, workers: await left() };
  } catch (error) {
    return { text: `${error.code ?? error}: ${error.detail ?? ""}` };
  }
}

/* ---------------------------------------------------------------- */

/**
 * Milliseconds, of an answer of askForAll: from the death to the last caller who was told of it, or how much longer than when nothing dies all
 * the others had to wait, whichever is more. Who is not told, because the work goes on without what died, is to notice nothing.
 */
export function lateness({ begin, settled, died, wellMs }) {
  const toldMs = settled.filter(({ code }) => code === "ENGINE_CRASHED").map(({ at }) => at - died);
  return Math.max(0, ...toldMs, workMs({ begin, settled }) - wellMs);
}

const workMs = ({ begin, settled }) => Math.max(...settled.map(({ at }) => at)) - begin;

export class EngineTorture {
  #browser;
  #server;
  #page = null;
  #native = null;
  /** What each question is answered with when nothing dies: variant -> name -> value. */
  #well = new Map();
  /** How long all of that takes then: variant -> milliseconds. */
  #wellMs = new Map();

  /** `server`: an isolating one, for this alone. */
  constructor({ browser, server }) {
    this.#browser = browser;
    this.#server = server;
    server.files.set("/chat.tercet", readFileSync(chatModel));
  }

  /** Fails on what the page has reported since the last case. */
  async close() {
    const page = this.#page;
    this.#page = null;
    if (page) page.problems = page.problems.filter((one) => !DEATHS.test(one));
    await page?.finish();
  }

  /**
   * The whole of the work: calls of each exported function, [{ own, name, calls }], and { sent, received }, the messages of the worker
   * that has most of them.
   */
  async probe(variant) {
    const { counts, messages } = await this.#askWell(variant, true);
    const names = namesOf(variant);
    const functions = Object.entries(counts).map(([own, calls]) => ({
      own,
      name: names.get(own) ?? `its runtime's ${own}`,
      calls,
    }));
    return { functions, messages };
  }

  /** A trap in the first call, and in one in the middle, of each of these functions of probe() that is called. */
  traps(variant, functions) {
    return functions
      .filter(({ calls }) => calls > 0)
      .flatMap(({ own, name, calls }) => {
        const middle = Math.ceil(calls / 2);
        const places = middle > 1 ? [1, middle] : [1];
        return places.map((at, index) => ({
          name: `${variant}: ${name}, ${index === 0 ? "first call" : "a later call"}`,
          run: () =>
            this.#die(variant, {
              preamble: inFront(trapInWorker, { own, at, behind: index === 1 }),
              limitMs: TOLD_MS,
              // What only gives memory back need not work.
              survives: !name.startsWith("tercet_abi_"),
              // How often a function is called hangs on how fast things are.
              mustDie: at === 1,
            }),
        }));
      });
  }

  /**
   * The worker ends in each of these ways at each of these messages of `side` ("sent", "received"), of which probe() has counted so many. The
   * first that it sends says that it is there. How many there are hangs on how fast things are, so the last ones may not come.
   */
  ends(variant, { side, count }, ways, messages) {
    const limits = (way, at) => {
      if (!SILENT_WAYS.includes(way)) return { limitMs: TOLD_MS };
      const starting = side === "sent" && at === 1;
      return {
        limitMs: starting ? START_TIMEOUT_MS + TOLD_MS : MISSED_MS,
        heartbeatSeconds: HEARTBEAT_SECONDS,
      };
    };
    return ways.flatMap((way) =>
      messages.map((at) => ({
        name: `${variant}: a worker ${way}, message ${at} ${side}`,
        run: () =>
          this.#die(variant, {
            preamble: inFront(endInWorker, { way, at, side }),
            ...limits(way, at),
            mustDie: at <= count * SURE_SHARE,
          }),
      })),
    );
  }

  /** Threads of the pool trap in the middle of a task, which nobody else then does. */
  brokenPools(variant) {
    return [
      {
        name: `${variant}: threads trap at their tasks`,
        // A thread may be ended with its engine before its word of the trap has left it; then nothing is known of the time, and it is tried again.
        run: async () => {
          const once = { pool: inFront(breakPool), limitMs: TOLD_MS, mustDie: true };
          for (let tries = 1; ; ++tries) {
            const found = await this.#die(variant, once);
            if (found.died || tries === 5) return found;
          }
        },
      },
    ];
  }

  /** One thread of the pool is ended when these pieces are given: between two tasks, so the others do the work. */
  endedThreads(variant, pieces) {
    return pieces.map((at) => ({
      name: `${variant}: a thread is ended, piece ${at}`,
      run: () =>
        this.#die(variant, {
          preamble: inFront(endThreadInWorker, { at }),
          limitMs: TOLD_MS,
          mustDie: true,
          survives: true,
        }),
    }));
  }

  /** Anything in the page of the cases. */
  async run(work) {
    return (await this.#open()).run(work);
  }

  #options(variant) {
    const threads = variant.endsWith("-threads") ? 3 : 1;
    return { variant, threads };
  }

  async #open() {
    this.#native ??= expected();
    this.#page ??= await TestPage.open(this.#browser, this.#server);
    return this.#page;
  }

  async #ask(variant, { count = false, ...more } = {}) {
    const page = await this.#open();
    return page.run(
      askForAll,
      { options: { ...this.#options(variant), ...more }, prompt: PROMPT, neverMs: NEVER_MS, count },
      STEP_TIMEOUT_MS,
    );
  }

  async #askWell(variant, count) {
    this.#server.workerPreamble = count ? inFront(trapInWorker) : "";
    const asked = await this.#ask(variant, { count });
    const { settled, never } = asked;
    // The one to talk to has room for few tokens: a refusal is an answer too.
    const failed = settled.filter(({ name, code }) => code && name !== "chat");
    if (never.length > 0) throw new Error(`not answered: ${never.join(", ")}`);
    this.#well.set(variant, new Map(settled.map(({ name, value, code }) => [name, value ?? code])));
    // Counting takes time, which nothing else does.
    if (!count) this.#wellMs.set(variant, workMs(asked));
    await this.#comeBack(variant);
    if (failed.length > 0)
      throw new Error(`nothing was to fail: ${JSON.stringify(failed.slice(0, 3))}`);
    return asked;
  }

  /** As lateness(): where all took too long together it may be that the machine has become busy, so it is asked how long it takes now. */
  async #lateness(variant, asked, limitMs) {
    const lateMs = lateness({ ...asked, wellMs: this.#wellMs.get(variant) });
    if (lateMs <= limitMs) return lateMs;
    await this.#askWell(variant, false);
    return lateness({ ...asked, wellMs: this.#wellMs.get(variant) });
  }

  /** What the page has reported since it was asked last: uncaught errors, rejections, violations of its policy. */
  async #takeReports() {
    const violations = await this.#page.run(() => globalThis.violations.splice(0));
    const errors = this.#page.problems.splice(0).filter((one) => !DEATHS.test(one));
    return [...errors, ...violations].map((one) => `the page reported: ${one}`);
  }

  async #comeBack(variant) {
    this.#server.workerPreamble = "";
    const page = await this.#open();
    const given = { options: this.#options(variant), prompt: PROMPT, neverMs: NEVER_MS };
    return page.run(comeBack, given);
  }

  async #die(
    variant,
    { preamble = "", pool = null, limitMs, heartbeatSeconds, mustDie, survives = false },
  ) {
    if (!this.#wellMs.has(variant)) await this.#askWell(variant, false);
    const well = this.#well.get(variant);
    const script = `dist/tercet-${variant}.mjs`;
    const glue = readFileSync(join(dist, `tercet-${variant}.mjs`), "utf8");
    this.#server.workerPreamble = preamble;
    if (pool) this.#server.write(script, `${pool};\n${glue}`);
    this.#server.died = null;
    const asked = await this.#ask(variant, { heartbeatSeconds });
    const { settled, never } = asked;
    const { died } = this.#server;
    if (pool) this.#server.write(script, glue);
    const problems = never.map((name) => `${name} was never answered`);
    if (died === null && mustDie) problems.push("nothing died");
    for (const { name, code, value } of settled)
      if (code && code !== "ENGINE_CRASHED" && code !== well.get(name))
        problems.push(`${name} was rejected with ${code}`);
      else if (value !== undefined && value !== well.get(name))
        problems.push(`${name} was answered with ${value.slice(0, 80)}`);
    const crashed = settled.filter(({ code }) => code === "ENGINE_CRASHED");
    if (died !== null && !survives && crashed.length === 0) problems.push("nobody was told");
    const { text, workers } = await this.#comeBack(variant);
    if (text !== this.#native) problems.push(`afterwards: ${text}`);
    if (workers > 0) problems.push(`${workers} workers are left`);
    const lateMs = died === null ? 0 : await this.#lateness(variant, { ...asked, died }, limitMs);
    problems.push(...(await this.#takeReports()));
    return { problems, died: died !== null, lateMs, limitMs };
  }
}
