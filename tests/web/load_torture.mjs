// load_torture.mjs - loads that are broken in every way that the network, the storage and the browser can break them, and
// what came of each: the load either succeeds or fails with a code, the next one always succeeds and gives the right text,
// and what is fetched again is counted by the server. Used by `npm run torture:load` and, with little, by a test.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { browserProcess } from "../../bench/web/renderer_memory.mjs";
import { CHUNK_BYTES, TestPage, flipAt, launchProfile, tercet } from "./library_under_test.mjs";

const PROMPT = "One";
const TOKENS = 4;
/** A kill after so long finds a load that has ended. */
const KILL_RANGE = 1.1;
/** Between two pieces of 64 KiB; 0: as fast as they are taken. */
const SLOWLY_MS = 0;
/** In front of the worker's script: tells what it reads from the network, as it does. */
const TELL_ARRIVED = `for (const kind of [ReadableStreamDefaultReader, ReadableStreamBYOBReader]) {
  const read = kind.prototype.read;
  kind.prototype.read = async function (...memory) {
    const piece = await read.apply(this, memory);
    if (piece.value?.length > 0) console.log("arrived " + piece.value.length);
    return piece; }; }`;

/** A model file as the torture needs it. */
export function tortureModel(path) {
  const bytes = readFileSync(path);
  const headerBytes = Number(bytes.readBigUInt64LE(16));
  const flags = ["-p", PROMPT, "-n", String(TOKENS), "--temperature", "0", "--json"];
  const { tokens } = JSON.parse(
    execFileSync(tercet, ["run", path, ...flags], { encoding: "utf8" }),
  );
  return {
    bytes,
    headerBytes,
    id: bytes.subarray(32, 64).toString("hex"),
    chunks: Math.ceil((bytes.length - headerBytes) / CHUNK_BYTES),
    tokens,
  };
}

export class LoadTorture {
  #browser;
  #server;
  #model;
  #report;
  rows = [];

  /** `report` hears of every run. */
  constructor({ browser, server, model, report = () => {} }) {
    this.#browser = browser;
    this.#server = server;
    this.#model = model;
    this.#report = report;
  }

  /** The connection ends after every chunk of `chunks`, and `inside` bytes further; the next visit goes on. */
  async cuts(name, chunks, inside) {
    const row = this.#row(name);
    for (const chunk of chunks) {
      const cutAfter = this.#end(chunk) + inside;
      await this.#brokenThenWhole(row, { faults: { cutAfter }, chunk });
    }
  }

  /** Every connection ends after so many bytes; one load lives through all of it. */
  async cutsWithinOneLoad(name, cutEach) {
    await this.#brokenThenWhole(this.#row(name), {
      faults: { cutEach },
      options: { network: { retries: 20, retryDelayMs: 10, stallTimeoutMs: 5000 } },
    });
  }

  /** From these chunks on the server answers so; `passing`: it is well again after two such answers, in the same load. */
  async answers(name, chunks, faults, { passing = false, options = {} } = {}) {
    const row = this.#row(name);
    for (const chunk of chunks) {
      const cutAfter = this.#end(chunk) - 1000;
      const retries = passing ? 6 : 1;
      const network = { retries, retryDelayMs: 30, stallTimeoutMs: 600 };
      const after = async () => {
        await this.#server.spent(cutAfter);
        const seen = this.#server.requests.length;
        this.#server.faults = faults;
        if (!passing) return;
        await this.#server.requested(seen + 2);
        this.#server.faults = {};
      };
      await this.#brokenThenWhole(row, {
        faults: { cutAfter },
        options: { network, ...options },
        chunk,
        after,
      });
    }
  }

  /** The file is replaced by another version with one other ETag while it is read. */
  async replacements(name, chunks, { bytes, id }) {
    const row = this.#row(name);
    for (const chunk of chunks) {
      const cutAfter = this.#end(chunk) - 1000;
      const after = async () => {
        await this.#server.spent(cutAfter);
        this.#server.bytes = bytes;
        this.#server.etag = '"two"';
        this.#server.faults = {};
      };
      const network = { retries: 6, retryDelayMs: 30, stallTimeoutMs: 2000 };
      const options = { network };
      await this.#brokenThenWhole(row, { faults: { cutAfter }, options, chunk, after, id });
    }
  }

  /** A bit of these chunks arrives flipped, once. */
  async flips(name, chunks) {
    const row = this.#row(name);
    for (const chunk of chunks) {
      const at = this.#end(chunk) - 12345;
      let left = 1;
      const damage = (piece, from) =>
        from <= at && at < from + piece.length && left-- > 0 ? flipAt(at)(piece, from) : piece;
      await this.#brokenThenWhole(row, { faults: { damage }, chunk });
    }
  }

  /** The browser says that its storage is full at the k-th write, for every k, and at all after it. */
  async fullStorage(name, writes) {
    const row = this.#row(name);
    for (const write of writes) {
      const workerPreamble = `{ let left = ${write}; const put = IDBObjectStore.prototype.put;
        IDBObjectStore.prototype.put = function (...values) {
          if (--left <= 0) throw new DOMException("made by the test", "QuotaExceededError");
          return put.apply(this, values); }; }`;
      // What could not be stored has to come again; nothing else has.
      await this.#brokenThenWhole(row, { workerPreamble, chunk: write, unstored: true });
    }
  }

  /** The browser is killed at a random moment of a first load; another one opens the same profile. */
  async kills(name, count, random) {
    const row = this.#row(name);
    const usual = await this.#timeOfLoad();
    for (let i = 0; i < count; i++) {
      const profile = mkdtempSync(join(tmpdir(), "tercet-torture-"));
      try {
        await this.#killAndReturn(row, profile, random() * usual * KILL_RANGE);
      } finally {
        rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
      }
      this.#report(name, i);
    }
  }

  async #killAndReturn(row, profile, afterMs) {
    this.#repair();
    this.#server.faults = { slowly: SLOWLY_MS };
    this.#server.workerPreamble = TELL_ARRIVED;
    const first = await launchProfile(profile);
    const page = await TestPage.openIn(first, this.#server);
    let arrived = 0;
    page.page.on("console", (message) => {
      const [, bytes] = /^arrived (\d+)$/.exec(message.text()) ?? [];
      if (bytes) arrived += Number(bytes);
    });
    const ended = page
      .run(loadOnly, { options: {} })
      .then(() => true)
      .catch(() => false);
    await new Promise((resolve) => setTimeout(resolve, afterMs));
    killAll(browserProcess(profile));
    const finished = await ended;
    await first.close().catch(() => {});
    row.runs += 1;
    count(row.ended, finished ? "loaded before" : "killed");
    // What the server has sent and the page has not seen is not the page's to keep.
    const seen = Math.floor((arrived - this.#model.headerBytes) / CHUNK_BYTES);
    const before = [{ first: 0, sent: this.#end(Math.max(-1, seen - 1)) }];
    this.#repair();
    const second = await launchProfile(profile);
    try {
      await this.#check(row, await TestPage.openIn(second, this.#server), before);
    } finally {
      await second.close();
    }
  }

  async #timeOfLoad() {
    this.#repair();
    this.#server.faults = { slowly: SLOWLY_MS };
    const page = await TestPage.open(this.#browser, this.#server);
    const begin = performance.now();
    await page.run(loadOnly, { options: {} });
    const ms = performance.now() - begin;
    await page.finish();
    return ms;
  }

  async #brokenThenWhole(
    row,
    { faults = {}, workerPreamble = "", options = {}, chunk, after, id, unstored = false },
  ) {
    this.#repair();
    this.#server.faults = faults;
    this.#server.workerPreamble = workerPreamble;
    const page = await TestPage.open(this.#browser, this.#server);
    const network = { retries: 0, retryDelayMs: 10, stallTimeoutMs: 5000 };
    const loading = page.run(loadOnly, { options: { network, ...options } });
    await Promise.all([after?.(), loading.catch(() => {})]);
    row.runs += 1;
    const { code, tokens, modelId } = await loading;
    count(row.ended, code ?? "loaded");
    if (!code) this.#compare(row, { tokens, modelId }, id ?? this.#model.id);
    const before = this.#server.requests.slice();
    const { bytes, etag } = this.#server;
    this.#repair();
    if (id) Object.assign(this.#server, { bytes, etag });
    await page.visit(this.#server);
    const [kept] = unstored ? await page.run(() => tercet.cache.list()) : [];
    const excused = unstored ? this.#model.chunks - (kept?.storedChunks ?? 0) : 0;
    await this.#check(row, page, before, { excused, id });
    await page.finish();
    this.#report(row.fault, chunk ?? 0);
  }

  /** The visit after the fault: it loads, it is right, and the store has the model whole. */
  async #check(row, page, before, { excused = 0, id = this.#model.id } = {}) {
    const { code, detail, tokens, modelId, state } = await page.run(loadOnly, { options: {} });
    if (code) throw new Error(`${row.fault}: the next load failed: ${code} (${detail})`);
    this.#compare(row, { tokens, modelId }, id);
    if (state !== "complete") row.notWhole += 1;
    const again = this.#fetchedAgain([...before, ...this.#server.requests]) - excused;
    row.chunksAgain = Math.max(row.chunksAgain, again);
    if (again > 1) row.tooMuch += 1;
  }

  #compare(row, { tokens, modelId }, id) {
    // Another version of the file differs in a bit that need not change the tokens; its id says which it is.
    const same = id !== this.#model.id || tokens.join() === this.#model.tokens.join();
    if (modelId !== id || !same) row.corrupt += 1;
  }

  /** Chunks that were sent whole more than once, each time counted. */
  #fetchedAgain(requests) {
    const { chunks } = this.#model;
    let again = 0;
    for (let chunk = 0; chunk < chunks; chunk++) {
      const [begin, end] = [this.#end(chunk - 1), this.#end(chunk)];
      const whole = requests.filter(
        ({ first, sent }) => first !== null && first <= begin && first + sent >= end,
      );
      again += Math.max(0, whole.length - 1);
    }
    return again;
  }

  #end(chunk) {
    const { bytes, headerBytes } = this.#model;
    return Math.min(headerBytes + (chunk + 1) * CHUNK_BYTES, bytes.length);
  }

  #repair() {
    this.#server.repair();
    this.#server.bytes = this.#model.bytes;
  }

  #row(fault) {
    const row = { fault, runs: 0, ended: {}, corrupt: 0, notWhole: 0, chunksAgain: 0, tooMuch: 0 };
    this.rows.push(row);
    return row;
  }
}

/** Loads in the page and writes a few tokens; what came of it. Self-contained: it travels there as a text. */
async function loadOnly({ options }) {
  try {
    const model = await tercet.load("/model.tercet", { threads: 1, context: 32, ...options });
    const { tokens } = await model.generate("One", { maxTokens: 4, temperature: 0 }).result;
    const { modelId } = model.info;
    await model.dispose();
    const state = (await tercet.cache.list()).find((one) => one.modelId === modelId)?.state;
    return { tokens, modelId, state };
  } catch (error) {
    if (!(error instanceof tercet.TercetError)) throw error;
    return { code: error.code, detail: error.detail };
  }
}

/** A browser with all its processes, at once: nobody gets to write anything down. */
function killAll(pid) {
  if (pid === null) return;
  const family = [pid];
  for (let i = 0; i < family.length; i++) family.push(...childrenOf(family[i]));
  for (const one of family) {
    try {
      process.kill(one, "SIGKILL");
    } catch (error) {
      if (error.code !== "ESRCH") throw error;
    }
  }
}

function childrenOf(pid) {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, "utf8")
        .split(" ")
        .filter(Boolean)
        .map(Number),
    );
  } catch (error) {
    if (error.code === "ENOENT" || error.code === "ESRCH") return [];
    throw error;
  }
}

function count(counts, name) {
  counts[name] = (counts[name] ?? 0) + 1;
}

/** The rows as a table for people. */
export function tortureTable(rows) {
  const cells = rows.map((row) => [
    row.fault,
    String(row.runs),
    Object.entries(row.ended)
      .map(([name, times]) => `${name} ${times}`)
      .join(", "),
    String(row.corrupt),
    String(row.notWhole),
    String(row.chunksAgain),
  ]);
  const head = [
    "fault",
    "runs",
    "the load ended",
    "corrupt",
    "not whole after",
    "chunks again, most",
  ];
  return [head, head.map(() => "---"), ...cells]
    .map((line) => `| ${line.join(" | ")} |`)
    .join("\n");
}
