// library_under_test.mjs - what the library's tests share: the built package behind the project's own server, a model file
// that answers with faults on demand and counts what it sends, and a browser page that has the library.
//
// Other builds are tested by naming them: TERCET_DIST, TERCET_MODEL, TERCET_BIN, TERCET_CHROMIUM.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { chromium } from "playwright-core";
import { modelFile, root, tercet as builtTercet } from "../../scripts/paths.mjs";
import { contentSecurityPolicy, createServer, listen, parseRange } from "../../scripts/serve.mjs";

export const dist = process.env.TERCET_DIST ?? join(root, "dist");
export const modelPath = process.env.TERCET_MODEL ?? modelFile;
export const tercet = process.env.TERCET_BIN ?? builtTercet;
export const modelBytes = readFileSync(modelPath);
export const headerBytes = Number(modelBytes.readBigUInt64LE(16));
export const CHUNK_BYTES = 1 << 20;
export const chunkCount = Math.ceil((modelBytes.length - headerBytes) / CHUNK_BYTES);
export const modelId = modelBytes.subarray(32, 64).toString("hex");

export const PROMPT = "One morning Tom went to the store";
/** For what hangs. A machine that is ten times slower than ours, and busy, must come nowhere near it. */
export const STEP_TIMEOUT_MS = 140_000;

/** Every test of this folder has one: what hangs, fails. */
export const limit = { timeout: 300_000 };

const FLAGS = [
  ...["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
  ...["--disable-component-update", "--disable-sync"],
  // A name that is not localhost: an insecure page without leaving this machine.
  "--host-resolver-rules=MAP insecure.test 127.0.0.1",
];

/** `flags`: more of Chromium's. */
export async function launchBrowser({ flags = [] } = {}) {
  return chromium.launch({
    executablePath: process.env.TERCET_CHROMIUM ?? "/usr/bin/chromium",
    args: [...FLAGS, ...flags],
    timeout: STEP_TIMEOUT_MS,
  });
}

/** A browser with its storage in a folder; gives its context, which ends it. */
export async function launchProfile(folder) {
  return chromium.launchPersistentContext(folder, {
    executablePath: process.env.TERCET_CHROMIUM ?? "/usr/bin/chromium",
    args: FLAGS,
    timeout: STEP_TIMEOUT_MS,
  });
}

/** Scripts of workers that read models from a network. */
const READERS = ["/dist/engine_worker.js", "/dist/tercet-packer.mjs"];

/**
 * In front of such a script: tells the server what is read, at the moment at which it is read and before anything is done
 * with it. What a server sends and what a page gets to see are megabytes apart: sockets and the browser hold the rest.
 */
const TELL_TAKEN = `{
  const requests = new WeakMap();
  const { fetch: plainFetch } = globalThis;
  globalThis.fetch = async (...asked) => {
    const answer = await plainFetch(...asked);
    if (answer.body) requests.set(answer.body, answer.headers.get("X-Taken"));
    return answer;
  };
  const { getReader } = ReadableStream.prototype;
  ReadableStream.prototype.getReader = function (...how) {
    const reader = getReader.apply(this, how);
    const address = requests.get(this);
    if (!address) return reader;
    const { read } = reader;
    reader.read = async (...memory) => {
      const piece = await read.apply(reader, memory);
      const bytes = piece.value?.length ?? 0;
      if (bytes > 0) {
        const tell = new XMLHttpRequest();
        tell.open("POST", address + "&bytes=" + bytes, false);
        tell.send();
      }
      return piece;
    };
    return reader;
  };
}`;

/**
 * In front of the engine's worker: it stops at a gate of the server (see Gate) after each piece that it gave to the page, and
 * wherever it lets messages in between two parts of its work.
 */
export const GATED = `{
  const pass = (at) => {
    const ask = new XMLHttpRequest();
    ask.open("POST", "/gate/pass?at=" + at, false);
    ask.send();
  };
  const { postMessage: tell } = globalThis;
  globalThis.postMessage = function (message, ...rest) {
    tell.call(this, message, ...rest);
    if (message.event === "piece") pass("piece");
  };
  const { postMessage: turn } = MessagePort.prototype;
  MessagePort.prototype.postMessage = function (...given) {
    pass("turn");
    turn.apply(this, given);
  };
}`;

/**
 * Where a worker is held in the middle of its work, however fast or slow it is: the page asks for /gate/arm?at=PLACE, sets the
 * work going, waits for the answer of /gate/held, does what it has to, and asks for /gate/open.
 */
class Gate {
  #place = null;
  #held = null;
  #watching = null;

  answer(url, response) {
    const place = new URL(url, "http://127.0.0.1").searchParams.get("at");
    const [, verb] = /^\/gate\/(\w+)/.exec(url);
    response.writeHead(204, {
      "Cache-Control": "no-store",
      "Cross-Origin-Resource-Policy": "same-origin",
    });
    if (verb === "arm") this.#place = place;
    if (verb === "pass" && place === this.#place) {
      [this.#place, this.#held] = [null, response];
      this.#watching?.end();
      this.#watching = null;
      return;
    }
    if (verb === "held" && !this.#held) {
      this.#watching = response;
      return;
    }
    if (verb === "open") {
      this.#held?.end();
      this.#held = null;
    }
    response.end();
  }
}

/** As strict as the project's own page has it, but for trusted types, for which a page needs policies of its own. */
const LIBRARY_POLICY = `${contentSecurityPolicy};`;

/** The package at /dist/, and one file at /model.tercet that can misbehave. */
export class TestServer {
  /** What the model's address holds. */
  bytes = modelBytes;
  etag = '"one"';
  /**
   * { status, retryAfter (a text, or what gives it), noRanges, cutAfter, cutAt, onCut, stallAfter, holdFrom, damage, chunked, slowly, paced, emptyFrom, html,
   * compressed, cors, redirect, noHead, emptyHead, cutEach, etagEach, otherRange, longer, left, told }; see #answerModel. `told`: by workers that
   * another server gave to the page.
   */
  faults = {};
  /** More files that are answered as the model is: path -> bytes. */
  files = new Map();
  /** Paths under /dist/ that the server has not got. */
  missing = null;
  /** Paths under /dist/ that are never answered. */
  silent = null;
  /** Put in front of the worker's script: faults of the browser. Or what gives it, for each worker anew. */
  workerPreamble = "";
  /** The same of the packer's script. */
  packerPreamble = "";
  /**
   * Whether the workers tell what they read: `taken` of each request. Those that start while a connection is to be cut or to
   * fall silent do so in any case.
   */
  tellsTaken = false;
  /**
   * One for each request of the model: { method, path, range, at, first, said, sent, taken, left, over }; `at` is when it came, in ms;
   * `first` is null for one that got no bytes, `over` says that its connection is done with, `left` that the browser hung up before the end.
   */
  requests = [];
  /** When a worker first told of its coming end (POST /died), of Date.now(); null: none did. Who tells later is answered 205. */
  died = null;
  /** What workers counted (POST /count?what=NAME): name -> times. */
  counts = new Map();
  #gate = new Gate();
  /** Whether the reader of this server's models was given TELL_TAKEN. */
  #hears = false;
  #stopped = false;
  #lastRequest = 0;
  #unanswered = [];
  #folder;
  #server;
  #port;

  /** `contentPolicy`: in place of the strict one; null: none. */
  static async start({ isolation = true, contentPolicy = LIBRARY_POLICY } = {}) {
    const started = new TestServer();
    started.#folder = mkdtempSync(join(tmpdir(), "tercet-web-"));
    cpSync(dist, join(started.#folder, "dist"), { recursive: true });
    writeFileSync(join(started.#folder, "index.html"), "<!doctype html><title>test</title>");
    const answer = createServer({ root: started.#folder, isolation, contentPolicy }).listeners(
      "request",
    )[0];
    started.#server = createHttpServer((request, response) => {
      const path = request.url.replace(/[?#].*$/, "");
      const preamble = started.#preamble(path);
      if (path === "/model.tercet") started.#answerModel(request, response, started.bytes);
      else if (started.files.has(path))
        started.#answerModel(request, response, started.files.get(path));
      else if (path === "/taken") started.#hearTaken(request, response);
      else if (path === "/count") started.#hearCount(request, response);
      else if (path.startsWith("/gate/")) started.#gate.answer(request.url, response);
      else if (path === "/died") {
        const headers = { "Cross-Origin-Resource-Policy": "same-origin" };
        response.writeHead(started.died === null ? 204 : 205, headers).end();
        started.died ??= Date.now();
      } else if (preamble !== "") started.#answerWorker(path, preamble, response);
      else if (started.missing?.test(request.url)) response.writeHead(404).end();
      else if (started.silent?.test(request.url)) started.#unanswered.push(response);
      else answer(request, response);
    });
    started.#port = await listen(started.#server, { port: 0 });
    return started;
  }

  get origin() {
    return `http://127.0.0.1:${this.#port}`;
  }

  get sentBytes() {
    return this.requests.reduce((sum, request) => sum + request.sent, 0);
  }

  /** As it was at the start. */
  repair() {
    this.bytes = modelBytes;
    this.etag = '"one"';
    this.faults = {};
    this.files.clear();
    this.workerPreamble = "";
    this.packerPreamble = "";
    this.tellsTaken = false;
    this.#hears = false;
    this.missing = null;
    this.silent = null;
    for (const response of this.#unanswered.splice(0)) response.destroy();
    this.requests = [];
    this.counts.clear();
  }

  /** Once a request has come that is not answered. */
  silenced() {
    return this.until(() => this.#unanswered.length > 0);
  }

  /** Once so many requests of the model have come. */
  requested(count) {
    return this.until(() => this.requests.length >= count);
  }

  /** Once the browser has hung up on one of its requests. */
  hungUp() {
    return this.until(() => this.requests.some(({ left }) => left));
  }

  /** Once nothing more goes out for any of these requests. */
  areOver(requests) {
    return this.until(() => requests.every(({ over }) => over));
  }

  /** Once so many bytes of the model have been sent. */
  spent(bytes) {
    return this.until(() => this.sentBytes >= bytes);
  }

  /** Once the page has read so many bytes of the model; only where the workers tell. */
  taken(bytes) {
    return this.until(() => this.requests.reduce((sum, { taken }) => sum + taken, 0) >= bytes);
  }

  /** Once `condition` holds; the limit of the test ends what never does. */
  async until(condition) {
    while (!condition()) {
      if (this.#stopped) throw new Error("the test has ended");
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** One more file on the server. */
  write(path, text) {
    mkdirSync(dirname(join(this.#folder, path)), { recursive: true });
    writeFileSync(join(this.#folder, path), text);
  }

  async stop() {
    this.#stopped = true;
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #preamble(path) {
    if (!READERS.includes(path)) return "";
    const given = path === "/dist/engine_worker.js" ? this.workerPreamble : this.packerPreamble;
    const faults = typeof given === "function" ? given() : given;
    const breaks = ["cutAfter", "cutAt", "cutEach", "stallAfter"].some((one) => one in this.faults);
    if (!this.tellsTaken && !breaks) return faults;
    this.#hears = true;
    return `${TELL_TAKEN};${faults}`;
  }

  #hearTaken(request, response) {
    const told = new URL(request.url, this.origin).searchParams;
    // One of before repair() belongs to a page that is gone.
    const seen = this.requests.find(({ id }) => id === Number(told.get("request")));
    if (seen) seen.taken += Number(told.get("bytes"));
    const headers = { "Access-Control-Allow-Origin": "*" };
    headers["Cross-Origin-Resource-Policy"] = "cross-origin";
    response.writeHead(204, headers).end();
  }

  #hearCount(request, response) {
    const what = new URL(request.url, this.origin).searchParams.get("what");
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
    response.writeHead(204, { "Cross-Origin-Resource-Policy": "same-origin" }).end();
  }

  #answerWorker(path, preamble, response) {
    const headers = { "Content-Type": "text/javascript" };
    // Both, so that the worker of an isolated page may start.
    headers["Cross-Origin-Embedder-Policy"] = "require-corp";
    headers["Cross-Origin-Resource-Policy"] = "same-origin";
    headers["Cache-Control"] = "no-store";
    const script = readFileSync(join(this.#folder, path), "utf8");
    response.writeHead(200, headers).end(`${preamble};\n${script}`);
  }

  #answerModel(request, response, bytes) {
    // Faults of which so many answers are `left`: then the server is well.
    if (this.faults.left !== undefined && this.faults.left-- <= 0) this.faults = {};
    const { status, noRanges, cutAfter, cutAt, stallAfter, damage, chunked } = this.faults;
    const { emptyFrom, paced, onCut, retryAfter } = this.faults;
    const { method, url: path } = request;
    const id = ++this.#lastRequest;
    const asks = request.headers.range ?? null;
    const seen = { id, method, path, range: asks, at: Date.now(), first: null };
    Object.assign(seen, { sent: 0, taken: 0, left: false, over: false });
    response.on("close", () =>
      Object.assign(seen, { left: !response.writableFinished, over: true }),
    );
    this.requests.push(seen);
    const headers = { "Cross-Origin-Resource-Policy": "same-origin" };
    headers["X-Taken"] = `${this.origin}/taken?request=${id}`;
    if (this.faults.etagEach) this.etag = `"${id}"`;
    if (this.faults.cors) {
      // As a plain file server has them: nothing but the safelisted headers can be seen (no ETag, no Content-Range).
      headers["Access-Control-Allow-Origin"] = "*";
      headers["Access-Control-Expose-Headers"] = "X-Taken";
      headers["Cross-Origin-Resource-Policy"] = "cross-origin";
      // Whoever asks first wants to send more than a simple request: that is refused.
      if (method === "OPTIONS") return response.writeHead(403).end();
    }
    const redirect = this.faults.redirect?.(path);
    if (redirect) return response.writeHead(302, { ...headers, Location: redirect }).end();
    if (method === "HEAD" && this.faults.noHead) return response.writeHead(403, headers).end();
    if (this.faults.html) {
      headers["Content-Type"] = "text/html; charset=utf-8";
      return response.writeHead(200, headers).end("<!doctype html><title>Log in</title>");
    }
    // The budget of bytes is over all requests: once it is spent, every connection is cut at once.
    const spent = () => this.requests.reduce((sum, other) => sum + other.sent, 0);
    if (cutAfter !== undefined && spent() >= cutAfter) return response.destroy();
    if (status !== undefined) {
      if (retryAfter)
        headers["Retry-After"] = typeof retryAfter === "string" ? retryAfter : retryAfter();
      return response.writeHead(status, headers).end();
    }
    const ifRange = request.headers["if-range"];
    const asked = !noRanges && (ifRange === undefined || ifRange === this.etag);
    const range = asked ? parseRange(request.headers.range, bytes.length) : "whole";
    if (range === "unsatisfiable") return response.writeHead(416, headers).end();
    let { first, last } = range === "whole" ? { first: 0, last: bytes.length - 1 } : range;
    // Another part of the file than was asked for, and the answer says so.
    if (range !== "whole" && first + this.faults.otherRange <= last)
      first += this.faults.otherRange;
    // Less than was asked for, and then bytes that are none of the file's: no answer may be longer than it says.
    const longer = range === "whole" ? undefined : this.faults.longer;
    if (longer) last = Math.min(last, first + longer.said - 1);
    if (this.etag) headers.ETag = this.etag;
    if (method === "HEAD") {
      const length = this.faults.emptyHead ? 0 : bytes.length;
      return response.writeHead(200, { ...headers, "Content-Length": length }).end();
    }
    // From this byte of the file on the network is down.
    if (first >= cutAt) return response.destroy();
    seen.first = first;
    if (this.faults.compressed) {
      // What a misguided proxy does: it compresses the file and cuts the range out of that.
      const packed = gzipSync(bytes, { level: 1 });
      headers["Content-Encoding"] = "gzip";
      if (range === "whole") return response.writeHead(200, headers).end(packed);
      headers["Content-Range"] = `bytes ${first}-${last}/${packed.length}`;
      return response.writeHead(206, headers).end(packed.subarray(first, last + 1));
    }
    if (first >= emptyFrom) {
      headers["Content-Range"] = `bytes ${first}-${first - 1}/${bytes.length}`;
      return response.writeHead(206, { ...headers, "Content-Length": 0 }).end();
    }
    if (!chunked && !longer) headers["Content-Length"] = last - first + 1;
    if (range !== "whole") headers["Content-Range"] = `bytes ${first}-${last}/${bytes.length}`;
    response.writeHead(range === "whole" ? 200 : 206, headers);
    seen.said = last - first + 1;
    const junk = Buffer.alloc(65536, 0x5a);
    const send = (from) => {
      if (response.destroyed) return;
      if (from > last && !(from <= last + longer?.beyond)) return response.end();
      // A network that is slower than the page: never more on its way than the page will soon take.
      if (paced !== undefined && seen.sent - seen.taken >= paced)
        return setTimeout(() => send(from), 1);
      if (from >= cutAt) return cut();
      if (stallAfter !== undefined && spent() >= stallAfter) return; // and never a byte more
      // From this byte of the file on nothing comes until the test lets go: however slow the machine, the rest does not come meanwhile.
      if (from >= this.faults.holdFrom) return setTimeout(() => send(from), 5);
      if (cutAfter !== undefined && spent() >= cutAfter) return cut();
      if (this.faults.cutEach !== undefined && seen.sent >= this.faults.cutEach) return cut();
      const budget = Math.min(
        (cutAt ?? Infinity) - from,
        (this.faults.holdFrom ?? Infinity) - from,
        (this.faults.cutEach ?? Infinity) - seen.sent,
        ...[cutAfter, stallAfter].map((most) => (most ?? Infinity) - spent()),
      );
      let piece = bytes.subarray(from, Math.min(from + 65536, last + 1, from + budget));
      if (from > last) piece = junk.subarray(0, Math.min(65536, last + longer.beyond + 1 - from));
      if (damage) piece = damage(Buffer.from(piece), from, this.requests.length);
      seen.sent += piece.length;
      response.write(piece, () =>
        setTimeout(() => send(from + piece.length), this.faults.slowly ?? 0),
      );
    };
    /**
     * As soon as the page has taken all: what was sent and not read the browser drops with the connection. Who does not tell, or
     * is cut at a place by a server that waits for nobody, gets a moment, and nothing may depend on what of it is read.
     */
    const told = this.#hears || this.faults.told;
    const waits = told && (paced !== undefined || this.faults.cutAt === undefined);
    const cut = () => {
      if (response.destroyed) return;
      if (waits && seen.taken < seen.sent) return setTimeout(cut, 1);
      setTimeout(
        () => {
          if (!response.destroyed) onCut?.();
          response.destroy();
        },
        waits ? 0 : 300,
      );
    };
    send(first);
  }
}

/** Flips one bit of the byte at `offset` in the file. */
export function flipAt(offset) {
  return (piece, from) => {
    if (offset >= from && offset < from + piece.length) piece[offset - from] ^= 4;
    return piece;
  };
}

/** A page of its own storage with the library on it as `tercet`. Call finish(): it fails on what nobody expected. */
export class TestPage {
  problems = [];

  static async open(browser, server, { path = "/" } = {}) {
    const opened = new TestPage();
    opened.context = await browser.newContext();
    await opened.visit(server, path);
    return opened;
  }

  /** As open(), in a browser's own storage. */
  static async openIn(context, server) {
    const opened = new TestPage();
    opened.context = context;
    await opened.visit(server);
    return opened;
  }

  /** One more page with the same storage; it ends with this one's finish(). */
  async anotherTab(server, path = "/") {
    const tab = new TestPage();
    tab.context = this.context;
    tab.problems = this.problems;
    await tab.visit(server, path);
    return tab;
  }

  /** Another visit with the same storage. `withLibrary` false: the page brings its own. */
  async visit(server, path = "/", { withLibrary = true } = {}) {
    await this.page?.close();
    this.page = await this.context.newPage();
    this.page.setDefaultTimeout(STEP_TIMEOUT_MS);
    this.page.on("pageerror", (error) => this.problems.push(`uncaught: ${error.stack}`));
    await this.page.addInitScript(() => {
      globalThis.violations = [];
      addEventListener("securitypolicyviolation", (event) => {
        globalThis.violations.push(`${event.violatedDirective} ${event.blockedURI}`);
      });
    });
    await this.page.goto(`${server.origin}${path}`);
    if (!withLibrary) return;
    await this.page.evaluate(async () => {
      globalThis.tercet = await import("/dist/index.js");
      // For tests of failures: the code, and what else a page would show.
      globalThis.failure = (work) =>
        work.then(
          () => "no failure",
          (error) => {
            if (!(error instanceof tercet.TercetError)) return `no TercetError: ${error.stack}`;
            const { code, advice, message, detail, where } = error;
            return { code, advice, message, detail, where };
          },
        );
      // Few retries, for faults that stay. A busy machine may be silent for a while: only what tests silence is hasty.
      globalThis.quick = { retries: 1, retryDelayMs: 20, stallTimeoutMs: 60_000 };
    });
  }

  /** Runs in the page, with a time limit. */
  async run(work, argument, limitMs = STEP_TIMEOUT_MS) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error("the page did not answer in time")), limitMs);
    });
    try {
      return await Promise.race([this.page.evaluate(work, argument), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async finish() {
    const violations = await this.page.evaluate(() => globalThis.violations).catch(() => []);
    await this.context.close();
    const problems = [...this.problems, ...violations];
    if (problems.length > 0) throw new Error(`the page reported: ${problems.join("; ")}`);
  }
}

/** What the native twin writes; flags as on its command line. */
export function runNatively(flags, { model = modelPath } = {}) {
  const output = execFileSync(tercet, ["run", model, "--json", ...flags.map(String)], {
    encoding: "utf8",
    timeout: STEP_TIMEOUT_MS,
    stdio: ["ignore", "pipe", "pipe"],
  });
  return JSON.parse(output);
}

/** The model with one changed chunk: what a new version on the server looks like. */
export function otherVersion() {
  return changedVersion(modelBytes);
}

export function changedVersion(bytes) {
  const newer = Buffer.from(bytes);
  const data = Number(newer.readBigUInt64LE(16));
  newer[data + 5] ^= 1; // the lowest bit of a half float, or a weight: as legal as it was
  rehash(newer, data);
  return { newer, newerId: newer.subarray(32, 64).toString("hex") };
}

/** Hash of the first chunk into the chunk table, then of the header into the prefix. */
function rehash(bytes, headerBytes) {
  const sections = bytes.readUInt32LE(12);
  for (let i = 0; i < sections; i++) {
    const entry = 64 + 24 * i;
    if (bytes.readUInt32LE(entry) !== 4) continue;
    const table = Number(bytes.readBigUInt64LE(entry + 8));
    const chunk = bytes.subarray(headerBytes, headerBytes + CHUNK_BYTES);
    createHash("sha256").update(chunk).digest().copy(bytes, table);
  }
  const header = bytes.subarray(0, headerBytes);
  createHash("sha256")
    .update(header.subarray(0, 32))
    .update(header.subarray(64))
    .digest()
    .copy(bytes, 32);
}
