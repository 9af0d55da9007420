// load_torture.mjs - loads that are broken in every way in which a network, a server and a storage can break them, and what
// came of each: the load either succeeds or fails with a code, the next one always succeeds and gives the right text, and
// nothing that a page had is fetched again but a chunk. Kills are in kill_torture.mjs. Used by `npm run torture:load` and,
// with little, by a test. Each method gives a list of cases: { name, run } of which run() gives an outcome.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { CHUNK_BYTES, TestPage, flipAt, tercet } from "./library_under_test.mjs";
import { countAgain, countEnd, newOutcome } from "./torture_outcome.mjs";

const PROMPT = "One";
const TOKENS = 4;
/** For whatever a page does: that it hangs is all that this shall find. */
export const LOAD_LIMIT_MS = 300_000;
/** As much is under way at once, as over a network that is slower than the page. */
export const PACED = 262144;
/** What the library takes from a connection at once. */
const PIECE_BYTES = 262144;
/** More than any load hears of an answer that it should not; the server ends it then. */
export const ENDLESS = 64 << 20;
const GGUF_PART_BYTES = 4 << 20;
const PATIENT = { retries: 0, retryDelayMs: 10, stallTimeoutMs: 60_000 };

/** A model file as the torture needs it. */
export function tortureModel(path) {
  const bytes = readFileSync(path);
  const headerBytes = Number(bytes.readBigUInt64LE(16));
  const flags = ["-p", PROMPT, "-n", String(TOKENS), "--temperature", "0", "--json"];
  const { tokens } = JSON.parse(
    execFileSync(tercet, ["run", path, ...flags], { encoding: "utf8" }),
  );
  const end = (chunk) => Math.min(headerBytes + (chunk + 1) * CHUNK_BYTES, bytes.length);
  return {
    url: "/model.tercet",
    bytes,
    id: bytes.subarray(32, 64).toString("hex"),
    chunks: Math.ceil((bytes.length - headerBytes) / CHUNK_BYTES),
    bounds: (chunk) => ({ begin: headerBytes + chunk * CHUNK_BYTES, end: end(chunk) }),
    tokens,
  };
}

/** A GGUF file, and the model that it becomes in the page; what it is fetched in are parts. */
export function ggufModel(path, packed) {
  const bytes = readFileSync(path);
  const end = (part) => Math.min((part + 1) * GGUF_PART_BYTES, bytes.length);
  return {
    ...packed,
    url: "/model.gguf",
    bytes,
    chunks: Math.ceil(bytes.length / GGUF_PART_BYTES),
    bounds: (part) => ({ begin: part * GGUF_PART_BYTES, end: end(part) }),
  };
}

export class LoadTorture {
  #browser;
  #server;
  #model;
  /** A promise of how many writes a whole load takes. */
  #writes = null;

  constructor({ browser, server, model }) {
    this.#browser = browser;
    this.#server = server;
    this.#model = model;
  }

  /** The connection ends `inside` bytes after each of `chunks`; `paced` null: the server is as fast as it can be. */
  cuts(chunks, inside, { paced = PACED } = {}) {
    return chunks.map((chunk) => ({
      name: `${chunk}`,
      run: () =>
        this.#broken({ faults: { cutAt: this.#end(chunk) + inside, paced: paced ?? undefined } }),
    }));
  }

  /** As cuts(), but the next visit goes on and is cut after the next chunk, `visits` times; then a whole one. */
  chains(chunks, inside, visits) {
    const cases = [];
    for (let from = 0; from < chunks.length; from += visits) {
      const some = chunks.slice(from, from + visits);
      const name = `${some[0]}-${some.at(-1)}`;
      cases.push({ name, run: () => this.#chain(some, inside) });
    }
    return cases;
  }

  /** Every connection ends after so many bytes; one load lives through all of it. */
  cutsWithinOneLoad(sizes) {
    const network = { ...PATIENT, retries: 20 };
    return sizes.map((cutEach) => ({
      name: `${cutEach}`,
      run: () => this.#broken({ faults: { cutEach }, network }),
    }));
  }

  /**
   * From the end of each of these chunks on the server answers so; with `faults.left` it is well again after so many
   * answers, in the same load. `excused`: it makes the page read again in the same load what it has.
   */
  answers(chunks, faults, { excused = false, stallTimeoutMs, judge } = {}) {
    const retries = faults.left === undefined ? 1 : 6;
    const network = { retries, retryDelayMs: 30, stallTimeoutMs: stallTimeoutMs ?? 60_000 };
    return chunks.map((chunk) => ({
      name: `${chunk}`,
      run: () => {
        const onCut = () => (this.#server.faults = { ...faults });
        const cutAt = this.#end(chunk) - 1000;
        return this.#broken({
          faults: { cutAt, onCut, paced: PACED },
          network,
          excused,
          judge,
        });
      },
    }));
  }

  /**
   * From the end of each of these chunks on no answer is more than `said` bytes of what was asked for, as it says itself, and each
   * goes on behind that with `beyond` bytes that are not the file's. None may be listened to for longer than the piece
   * that has the end in it.
   */
  longer(chunks, { said, beyond }) {
    const judge = async (outcome) => {
      const met = this.#server.requests.filter((request) => request.sent > request.said);
      if (met.length === 0) outcome.problems.push("no answer was longer than it said");
      // The server hears of it a moment after the library has hung up.
      await this.#server.areOver(met);
      for (const { said: most, taken, left } of met) {
        if (taken > most + PIECE_BYTES)
          outcome.problems.push(`${taken} bytes were read of an answer of ${most}`);
        if (beyond >= ENDLESS && !left) outcome.problems.push("an endless answer was heard out");
      }
    };
    return this.answers(chunks, { longer: { said, beyond }, paced: PACED }, { judge });
  }

  /**
   * The server answers so from the first byte of the first visit to the last of the second, and is cut once. `uncounted`:
   * it leaves no other way than to read again what is stored.
   */
  always(chunks, faults, { uncounted = false } = {}) {
    const network = { ...PATIENT, retries: 3 };
    return chunks.map((chunk) => ({
      name: `${chunk}`,
      run: () => {
        const onCut = () => (this.#server.faults = { ...faults });
        const cutAt = this.#end(chunk) - 1000;
        const first = { ...faults, cutAt, onCut, paced: PACED };
        return this.#broken({ faults: first, network, later: faults, excused: true, uncounted });
      },
    }));
  }

  /** The file is replaced by another version with one other ETag while it is read. */
  replacements(chunks, { bytes, id }) {
    const network = { ...PATIENT, retries: 6 };
    return chunks.map((chunk) => ({
      name: `${chunk}`,
      run: () => {
        const onCut = () => Object.assign(this.#server, { bytes, etag: '"two"', faults: {} });
        const faults = { cutAt: this.#end(chunk) - 1000, onCut, paced: PACED };
        return this.#broken({ faults, network, id, excused: true });
      },
    }));
  }

  /** A bit of these chunks arrives flipped, once. */
  flips(chunks) {
    return chunks.map((chunk) => ({
      name: `${chunk}`,
      run: () => {
        const at = this.#end(chunk) - 12345;
        let left = 1;
        const damage = (piece, from) =>
          from <= at && at < from + piece.length && left-- > 0 ? flipAt(at)(piece, from) : piece;
        return this.#broken({ faults: { damage } });
      },
    }));
  }

  /**
   * The browser says that its storage is full at the k-th write, and at all after it, for every k of `writes`; by the error event of
   * the request or, `late`, of the transaction whose requests had all succeeded.
   */
  fullStorage(writes, { late = false } = {}) {
    return writes.map((write) => ({
      name: `${write}`,
      run: async () => {
        this.#writes ??= this.#countWrites();
        const most = await this.#writes;
        const judge = (outcome, { notices = [] }) => {
          const { counts } = this.#server;
          if (most < this.#model.chunks)
            outcome.problems.push(`only ${most} writes of a whole load were seen`);
          if (write > most) return;
          if (!counts.has("refused"))
            outcome.problems.push(`write ${write} of ${most} was not refused`);
          if (!notices.some((notice) => /runs from memory|is not stored/.test(notice)))
            outcome.problems.push(`nothing was said of write ${write}: ${notices}`);
        };
        // What could not be stored has to come again; nothing else has.
        return this.#broken({ workerPreamble: refuseWrites(write, late), excused: true, judge });
      },
    }));
  }

  /** How many writes a load takes that nothing breaks. */
  async #countWrites() {
    repair(this.#server, this.#model);
    this.#server.workerPreamble = refuseWrites(Infinity);
    const page = await TestPage.open(this.#browser, this.#server);
    await page.run(loadOnly, { url: this.#model.url, options: {} }, LOAD_LIMIT_MS);
    await page.finish();
    return this.#server.counts.get("put") ?? 0;
  }

  /**
   * A load with a fault, and the visit after it, of a server with faults `later`. `excused`: what is not stored must come
   * again, so only the rest counts. `judge`: may add problems, given what the first load came to.
   */
  async #broken({
    faults = {},
    workerPreamble = "",
    network = PATIENT,
    id = this.#model.id,
    later = {},
    excused = false,
    uncounted = false,
    judge = () => {},
  }) {
    const outcome = { ...newOutcome(), storedAlone: excused };
    if (uncounted) outcome.chunksAgain = null;
    repair(this.#server, this.#model);
    Object.assign(this.#server, { faults, workerPreamble });
    const page = await TestPage.open(this.#browser, this.#server);
    try {
      await judge(outcome, await loadBroken(outcome, page, { network, id, model: this.#model }));
      const before = excused ? [] : this.#server.requests.slice();
      const { bytes, etag } = this.#server;
      repair(this.#server, this.#model);
      this.#server.faults = { ...later };
      if (id !== this.#model.id) Object.assign(this.#server, { bytes, etag });
      await page.visit(this.#server);
      const options = { before, excused, id, model: this.#model, server: this.#server };
      await loadWhole(outcome, page, options);
    } finally {
      await page.finish();
    }
    return outcome;
  }

  async #chain(chunks, inside) {
    const outcome = newOutcome();
    repair(this.#server, this.#model);
    const page = await TestPage.open(this.#browser, this.#server);
    const before = [];
    const { id } = this.#model;
    try {
      for (const chunk of chunks) {
        repair(this.#server, this.#model);
        this.#server.faults = { cutAt: this.#end(chunk) + inside, paced: PACED };
        await page.visit(this.#server);
        await loadBroken(outcome, page, { network: PATIENT, id, model: this.#model });
        countRequests(outcome, before, this.#server.requests, this.#model);
        before.push(...this.#server.requests);
      }
      repair(this.#server, this.#model);
      await page.visit(this.#server);
      await loadWhole(outcome, page, { before, id, model: this.#model, server: this.#server });
    } finally {
      await page.finish();
    }
    return outcome;
  }

  #end(chunk) {
    return this.#model.bounds(chunk).end;
  }
}

/**
 * In front of the engine's worker: counts its writes, and from the `write`-th on none is kept. Browsers never say so at once: the event
 * comes later, of a real request that fails, or of a transaction that is aborted when its requests have succeeded (`late`).
 */
function refuseWrites(write, late = false) {
  return `{
    const count = (what) => {
      const tell = new XMLHttpRequest();
      tell.open("POST", "/count?what=" + what, false);
      tell.send();
    };
    const full = { get: () => new DOMException("made by the test", "QuotaExceededError") };
    const { put, add } = IDBObjectStore.prototype;
    let left = ${write};
    IDBObjectStore.prototype.put = function (...record) {
      count("put");
      const { transaction } = this;
      const written = put.apply(this, record);
      if (--left > 0) return written;
      Object.defineProperty(transaction, "error", full);
      transaction.addEventListener("abort", () => count("refused"));
      if (${late}) {
        written.addEventListener("success", () => transaction.abort());
        return written;
      }
      // There is one of this key now: the request fails, and with it the transaction.
      return Object.defineProperty(add.apply(this, record), "error", full);
    };
  }`;
}

/** A well server that has the model and hears what is read. */
export function repair(server, model) {
  server.repair();
  server.bytes = model.bytes;
  server.files.set(model.url, model.bytes);
  server.tellsTaken = true;
}

/** A load that may fail; one that does not must be right. */
async function loadBroken(outcome, page, { network, id, model }) {
  const found = await page.run(loadOnly, { url: model.url, options: { network } }, LOAD_LIMIT_MS);
  countEnd(outcome, found.code ?? "loaded");
  if (!found.code) compare(outcome, found, id, model);
  return found;
}

/**
 * The visit after a fault: it loads, it is right, the store has the model whole and every chunk of it holds. `before`: the
 * requests of earlier visits; with `excused` only what was stored and is fetched all the same counts.
 */
export async function loadWhole(outcome, page, { before, excused = false, id, model, server }) {
  const stored = excused ? await storedChunks(page, id) : new Set();
  const found = await page.run(loadOnly, { url: model.url, options: {} }, LOAD_LIMIT_MS);
  if (found.code) {
    outcome.notWhole += 1;
    outcome.problems.push(`the next load failed: ${found.code} (${found.detail})`);
    return found;
  }
  compare(outcome, found, id, model);
  const verified = await page.run((one) => tercet.cache.verify(one), id, LOAD_LIMIT_MS);
  if (verified.state !== "complete") {
    outcome.notWhole += 1;
    outcome.problems.push(`stored: ${JSON.stringify(verified)}`);
  }
  countRequests(outcome, before, server.requests, model, (chunk) => !stored.has(chunk));
  return found;
}

/** What a visit read again that it, or one before, had read; the most of all visits counts. */
function countRequests(outcome, before, requests, model, isNeeded) {
  const earlier = countAgain(before, model, isNeeded);
  const now = countAgain([...before, ...requests], model, isNeeded);
  outcome.sentAgain = Math.max(outcome.sentAgain, now.sentAgain - earlier.sentAgain);
  if (outcome.chunksAgain === null) return;
  outcome.chunksAgain = Math.max(outcome.chunksAgain, now.again - earlier.again);
}

async function storedChunks(page, id) {
  const [kept] = await page.run(
    async (one) => (await tercet.cache.list()).filter(({ modelId }) => modelId === one),
    id,
  );
  // Chunks are stored in their order, and never one without those before.
  return new Set(Array.from({ length: kept?.storedChunks ?? 0 }, (_, index) => index));
}

function compare(outcome, { tokens, modelId }, id, model) {
  // Another version of the file differs in a bit that need not change the tokens; its id says which it is.
  if (modelId === id && (id !== model.id || tokens.join() === model.tokens.join())) return;
  outcome.corrupt += 1;
  outcome.problems.push(`model ${modelId} wrote ${tokens}`);
}

/** Loads in the page and writes a few tokens; what came of it. Self-contained: it travels there as a text. */
export async function loadOnly({ url, options }) {
  try {
    const model = await tercet.load(url, { threads: 1, context: 32, ...options });
    const { tokens } = await model.generate("One", { maxTokens: 4, temperature: 0 }).result;
    const { modelId, notices } = model.info;
    await model.dispose();
    return { tokens, modelId, notices };
  } catch (error) {
    if (!(error instanceof tercet.TercetError)) throw error;
    return { code: error.code, detail: error.detail };
  }
}
