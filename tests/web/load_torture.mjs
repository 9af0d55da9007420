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
  answers(chunks, faults, { excused = false, stallTimeoutMs } = {}) {
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
        });
      },
    }));
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

  /** The browser says that its storage is full at the k-th write, and at all after it, for every k of `writes`. */
  fullStorage(writes) {
    return writes.map((write) => ({
      name: `${write}`,
      run: () => {
        const workerPreamble = `{ let left = ${write}; const put = IDBObjectStore.prototype.put;
          IDBObjectStore.prototype.put = function (...values) {
            if (--left <= 0) throw new DOMException("made by the test", "QuotaExceededError");
            return put.apply(this, values); }; }`;
        // What could not be stored has to come again; nothing else has.
        return this.#broken({ workerPreamble, excused: true });
      },
    }));
  }

  /**
   * A load with a fault, and the visit after it, of a server with faults `later`. `excused`: what is not stored must come
   * again, so only the rest counts.
   */
  async #broken({
    faults = {},
    workerPreamble = "",
    network = PATIENT,
    id = this.#model.id,
    later = {},
    excused = false,
    uncounted = false,
  }) {
    const outcome = { ...newOutcome(), ...(uncounted && { chunksAgain: null }) };
    repair(this.#server, this.#model);
    Object.assign(this.#server, { faults, workerPreamble });
    const page = await TestPage.open(this.#browser, this.#server);
    try {
      await loadBroken(outcome, page, { network, id, model: this.#model });
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
