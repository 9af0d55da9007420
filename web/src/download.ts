// download.ts: a file on a web server, read by byte ranges: one open answer at a time, repeated from the very byte at
// which it broke, with growing waits; a connection that falls silent is dropped. Servers that know no ranges are read
// from the start. It checks that answers belong to one version of the file, never what is in it.
import type { ByteSource } from "./byte_source.js";
import { release } from "./chunk_memory.js";
import { abortedError, describe, TercetError } from "./errors.js";
import type { NetworkSettings } from "./types.js";

/** First request: prefix, and with small models the whole header, in one go. */
const FIRST_BYTES = 65536;
/** Closer than this, reading on is cheaper than a new request. */
const SKIP_BYTES = 65536;
/**
 * So much is taken from a connection at once, and so much of the end of what read() was asked for stays there until it may
 * be taken. Left to themselves browsers give pieces of up to 2 MB: two chunks at once, and both would be lost together.
 */
const PIECE_BYTES = 262144;
const LONGEST_WAIT_MS = 30_000;
/** A server that wants to be left alone for longer is not waited for: the load fails and says so. */
const LONGEST_RETRY_AFTER_MS = 120_000;

/** The file at the address was replaced while it was read: what was read before is of another file. */
export class SourceChanged extends Error {}

export interface DownloadOptions {
  network: NetworkSettings;
  signal: AbortSignal;
  /** Called for each piece that arrives, also for what is skipped. */
  onArrived: (bytes: number) => void;
  /** Called for each part of what read() was asked for. */
  onFilled: (bytes: number) => void;
  /** Whoever reads knows good bytes from others: ETags do not count, only the size does. */
  anyVersion?: boolean;
}

/** A failure that may go away: another try is allowed, after `waitMs` at the earliest. */
class Retryable extends Error {
  constructor(
    message: string,
    readonly waitMs = 0,
  ) {
    super(message);
  }
}

interface OpenAnswer {
  /** Reads into memory of ours. */
  byob: ReadableStreamBYOBReader | null;
  /** For bodies that cannot: its pieces are as large as they come. */
  reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | null;
  controller: AbortController;
  /** Offset in the file of the next byte that the reader gives. */
  position: number;
  /** Where this answer ends, if that is known. */
  end: number | null;
  rest: Uint8Array<ArrayBuffer> | null;
}

export class HttpSource implements ByteSource {
  readonly kind = "network";
  readonly #url: string;
  readonly #options: DownloadOptions;
  #answer: OpenAnswer | null = null;
  #etag: string | null = null;
  #fileBytes: number | null = null;
  #ranges = true;
  /** False once an answer to a range could not be used: then the whole file is asked for. */
  #askRanges = true;
  /** Whether the file lies where the page lies, all redirections followed. */
  #sameOrigin: boolean;
  /** Any byte of any answer. */
  #anyByte = false;
  /** Memory for the next piece. */
  #spare: ArrayBuffer | null = null;

  /** `etag`: the version that the caller knows already; another one is SourceChanged. */
  constructor(url: string, etag: string | null, options: DownloadOptions) {
    this.#url = url;
    this.#etag = etag;
    this.#options = options;
    this.#sameOrigin = isHere(url);
  }

  /** The server's name for this version of the file, if it gave one. */
  get etag(): string | null {
    return this.#etag;
  }

  async start(): Promise<{ fileBytes: number | null }> {
    await this.#persist(async () => {
      await this.#open(0, FIRST_BYTES);
    });
    return { fileBytes: this.#fileBytes };
  }

  /** How long the file is, asked for without a byte of it where the server allows that. NETWORK_FAILED if it does not say. */
  async size(): Promise<number> {
    if (this.#fileBytes !== null) return this.#fileBytes;
    await this.#persist(async () => {
      const { response } = await this.#fetch("HEAD", {});
      const length = byteCount(response.headers.get("Content-Length"));
      // Some servers, and addresses that are signed for GET alone, refuse HEAD, or answer it as if the file were empty; then a
      // byte is asked for.
      if (response.ok && length && !response.headers.has("Content-Encoding")) {
        this.#takeVersion(response);
        this.#fileBytes = length;
      } else {
        await this.#open(0, 1).catch((thrown: unknown) => {
          // It is empty.
          if ((thrown as TercetError).code !== "TRUNCATED") throw thrown;
          this.#fileBytes = 0;
        });
        this.#drop();
      }
    });
    if (this.#fileBytes === null)
      throw new TercetError(
        "NETWORK_FAILED",
        `${this.#url}: the server does not say how long it is`,
      );
    return this.#fileBytes;
  }

  async read(
    offset: number,
    bytes: number,
    end: number,
    hold?: Promise<void>,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const target = new Uint8Array(bytes);
    let filled = 0;
    await this.#persist(async (progress) => {
      let emptyAnswers = 0;
      while (filled < bytes) {
        const answer = await this.#answerAt(offset + filled, end);
        if (hold && bytes - filled <= PIECE_BYTES) await hold;
        const piece = await this.#next(answer);
        if (piece === null) {
          if (answer.end === null) throw this.#tooShort(answer.position);
          if (answer.position < answer.end) throw new Retryable("the connection was closed early");
          if (this.#fileBytes !== null && answer.position >= this.#fileBytes)
            throw this.#tooShort(answer.position);
          // A server may give less than was asked for; one that gives nothing would be asked for ever.
          emptyAnswers += 1;
          if (emptyAnswers > 1) throw new Retryable("the answer was empty");
          this.#drop();
          continue;
        }
        emptyAnswers = 0;
        progress();
        const taken = piece.subarray(0, bytes - filled);
        target.set(taken, filled);
        filled += taken.length;
        this.#options.onFilled(taken.length);
        answer.position += taken.length;
        answer.rest = taken.length < piece.length ? piece.subarray(taken.length) : null;
        if (answer.rest === null) this.#passed(answer, piece);
      }
    });
    return target;
  }

  restart(): boolean {
    this.#drop();
    return true;
  }

  close(): void {
    this.#drop();
  }

  #tooShort(at: number): TercetError {
    return new TercetError("TRUNCATED", `${this.#url} ends after ${at} bytes`, { where: at });
  }

  /** Repeats `work` while it fails in ways that may pass; progress starts the count anew. */
  async #persist(work: (progress: () => void) => Promise<void>): Promise<void> {
    const { network, signal } = this.#options;
    let failures = 0;
    for (;;) {
      try {
        if (signal.aborted) throw abortedError(signal);
        return await work(() => (failures = 0));
      } catch (thrown) {
        this.#drop();
        if (signal.aborted) throw abortedError(signal);
        if (!(thrown instanceof Retryable)) throw thrown;
        if (failures >= network.retries)
          throw new TercetError("NETWORK_FAILED", `${this.#url}: ${thrown.message}`, {
            cause: thrown,
          });
        const backoffMs = Math.min(network.retryDelayMs * 2 ** failures, LONGEST_WAIT_MS);
        await wait(Math.max(backoffMs, thrown.waitMs), signal);
        // A range of a compressed file breaks before its first byte, and no browser says why: the whole of it may come.
        if (!this.#anyByte && failures > 0) this.#askRanges = !this.#askRanges;
        failures += 1;
      }
    }
  }

  /** The open answer, brought to `offset`, or a new one. */
  async #answerAt(offset: number, end: number): Promise<OpenAnswer> {
    const open = this.#answer;
    if (open && open.position <= offset) {
      const gap = offset - open.position;
      const reaches = open.end === null || offset < open.end;
      if (gap === 0 || (reaches && (!this.#ranges || gap <= SKIP_BYTES))) {
        await this.#skip(open, gap);
        return open;
      }
    }
    this.#drop();
    return this.#open(offset, end);
  }

  async #skip(answer: OpenAnswer, bytes: number): Promise<void> {
    for (let left = bytes; left > 0;) {
      const piece = await this.#next(answer);
      if (piece === null) {
        if (answer.end === null || answer.position >= answer.end)
          throw this.#tooShort(answer.position);
        throw new Retryable("the connection was closed early");
      }
      const dropped = Math.min(left, piece.length);
      answer.position += dropped;
      answer.rest = dropped < piece.length ? piece.subarray(dropped) : null;
      left -= dropped;
    }
  }

  async #open(offset: number, end: number): Promise<OpenAnswer> {
    const headers: Record<string, string> = {};
    if (this.#askRanges) headers.Range = `bytes=${offset}-${end - 1}`;
    // Across origins this header would cost a preflight; there the answers' ETags are compared instead. Only a strong one
    // may go there (RFC 9110, 13.1.5).
    const { anyVersion } = this.#options;
    if (this.#askRanges && !anyVersion && this.#etag?.startsWith('"') && this.#sameOrigin)
      headers["If-Range"] = this.#etag;
    const { response, controller } = await this.#fetch("GET", headers);
    if (!response.body) throw new Retryable("the answer has no body");
    const readers = openReader(response.body);
    const answer: OpenAnswer = { ...readers, controller, position: 0, end: null, rest: null };
    this.#answer = answer;
    if (response.status === 206 && response.headers.has("Content-Encoding")) {
      // A part of a compressed file cannot be opened; the whole of it can.
      this.#drop();
      this.#askRanges = false;
      return this.#open(offset, end);
    }
    Object.assign(answer, this.#check(response, offset, end));
    await this.#skip(answer, offset - answer.position);
    return answer;
  }

  async #fetch(
    method: "GET" | "HEAD",
    headers: Record<string, string>,
  ): Promise<{ response: Response; controller: AbortController }> {
    const { signal } = this.#options;
    const controller = new AbortController();
    const onAbort = () => controller.abort();
    signal.addEventListener("abort", onAbort, { once: true });
    controller.signal.addEventListener("abort", () => signal.removeEventListener("abort", onAbort));
    const response = await this.#inTime(controller, () =>
      // Kept by ourselves, chunk by chunk: the browser's own cache would be a second copy. Each request goes to the address
      // that was given, never to where it was sent on to: such places are often signed for a few minutes.
      fetch(this.#url, { method, headers, signal: controller.signal, cache: "no-store" }),
    );
    if (response.url) this.#sameOrigin = isHere(this.#url) && isHere(response.url);
    return { response, controller };
  }

  /** Throws for an answer that is none; returns which bytes of the file it holds. */
  #check(response: Response, offset: number, end: number): Pick<OpenAnswer, "position" | "end"> {
    const { status } = response;
    if (status === 416) throw this.#tooShort(offset);
    if (status !== 200 && status !== 206) {
      const sentence = `${this.#url} answered ${status}`;
      if (status >= 500 || status === 408 || status === 425 || status === 429)
        throw this.#later(sentence, response.headers.get("Retry-After"));
      throw new TercetError("HTTP_STATUS", sentence, { where: status });
    }
    if (/^text\/html\b/i.test(response.headers.get("Content-Type") ?? "")) {
      const sentence = `${this.#url} answered a web page, not a file`;
      // In the middle of a file it is a proxy's or a login's, which may go away.
      if (this.#anyByte) throw new Retryable(sentence);
      throw new TercetError("HTTP_STATUS", sentence, { where: status });
    }
    this.#takeVersion(response);
    const length = response.headers.has("Content-Encoding")
      ? null // the length is that of the compressed bytes
      : byteCount(response.headers.get("Content-Length"));
    if (status === 200) {
      this.#ranges = false;
      if (length === null) return { position: 0, end: null };
      this.#takeSize(length);
      return { position: 0, end: length };
    }
    this.#ranges = true;
    const range = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(
      response.headers.get("Content-Range") ?? "",
    );
    if (range === null) {
      // Across origins this header may be hidden; then the size of the file stays unknown.
      return { position: offset, end: length === null ? end : offset + length };
    }
    if (Number(range[1]) !== offset)
      throw new TercetError(
        "HTTP_STATUS",
        `${this.#url} answered another range than was asked for`,
      );
    if (range[3] !== "*") this.#takeSize(Number(range[3]));
    return { position: offset, end: Number(range[2]) + 1 };
  }

  /** SourceChanged when the answer is of another version than those before. */
  #takeVersion(response: Response): void {
    const etag = response.headers.get("ETag");
    const known = this.#options.anyVersion ? null : this.#etag;
    if (known !== null && etag !== null && !matchWeakly(etag, known)) throw this.#changed();
    this.#etag ??= etag;
  }

  /** A server without ETags may still tell by the size that it is another file. */
  #takeSize(bytes: number): void {
    if (this.#fileBytes !== null && this.#fileBytes !== bytes) throw this.#changed();
    this.#fileBytes = bytes;
  }

  #changed(): SourceChanged {
    return new SourceChanged(`${this.#url} changed while it was read`);
  }

  /** `retryAfter`: seconds, or a date (RFC 9110, 10.2.3); null across origins, where it is hidden. */
  #later(sentence: string, retryAfter: string | null): Error {
    if (retryAfter === null) return new Retryable(sentence);
    const seconds = /^\d+$/.test(retryAfter) ? Number(retryAfter) : NaN;
    const waitMs = Number.isNaN(seconds) ? Date.parse(retryAfter) - Date.now() : seconds * 1000;
    if (waitMs > LONGEST_RETRY_AFTER_MS)
      return new TercetError(
        "NETWORK_FAILED",
        `${sentence} and wants to be asked again in ${Math.round(waitMs / 1000)} s`,
      );
    return new Retryable(sentence, Number.isNaN(waitMs) ? 0 : waitMs);
  }

  /** The next piece of the answer, null at its end. */
  async #next(answer: OpenAnswer): Promise<Uint8Array<ArrayBuffer> | null> {
    if (answer.rest) return answer.rest;
    // What comes behind the end that the answer named is no part of it, and is not read.
    const room = (answer.end ?? Infinity) - answer.position;
    if (room <= 0) return null;
    const value = await this.#inTime(answer.controller, () => this.#take(answer));
    if (value === null) return null;
    this.#anyByte = true;
    this.#options.onArrived(value.length);
    answer.rest = value.subarray(0, room);
    return value.length > 0 ? answer.rest : this.#next(answer);
  }

  async #take({ byob, reader }: OpenAnswer): Promise<Uint8Array<ArrayBuffer> | null> {
    if (!byob) return (await reader?.read())?.value ?? null;
    const memory = this.#spare ?? new ArrayBuffer(PIECE_BYTES);
    this.#spare = null;
    const { done, value } = await byob.read(new Uint8Array(memory));
    return done || !value ? null : value;
  }

  /** The whole piece is used: its memory is for the next one, or goes at once. */
  #passed({ byob }: OpenAnswer, piece: Uint8Array<ArrayBuffer>): void {
    if (byob) this.#spare = piece.buffer;
    else if (piece.byteOffset + piece.length === piece.buffer.byteLength) release(piece.buffer);
  }

  /** Gives up on what stays silent too long. */
  async #inTime<Value>(controller: AbortController, work: () => Promise<Value>): Promise<Value> {
    const { stallTimeoutMs } = this.#options.network;
    let stalled = false;
    const timer = setTimeout(() => {
      stalled = true;
      controller.abort();
    }, stallTimeoutMs);
    try {
      return await work();
    } catch (thrown) {
      if (stalled) throw new Retryable(`no byte for ${stallTimeoutMs / 1000} s`);
      throw new Retryable(describe(thrown));
    } finally {
      clearTimeout(timer);
    }
  }

  #drop(): void {
    const answer = this.#answer;
    this.#answer = null;
    if (!answer) return;
    // An answer that was read to its end has nothing to abort; a broken one may reject, which is no news.
    (answer.byob ?? answer.reader)?.cancel().catch(() => {});
    answer.controller.abort();
  }
}

/** RFC 9110, 8.8.3.2: a proxy that compresses marks the same version as weak, so the mark does not count. */
function matchWeakly(one: string, other: string): boolean {
  return one.replace(/^W\//, "") === other.replace(/^W\//, "");
}

/** What a header says of a length; null for what is no whole number, which says nothing. So many digits are exact. */
function byteCount(text: string | null): number | null {
  return /^\d{1,15}$/.test(text ?? "") ? Number(text) : null;
}

function openReader(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
): Pick<OpenAnswer, "byob" | "reader"> {
  try {
    return { byob: body.getReader({ mode: "byob" }), reader: null };
  } catch {
    return { byob: null, reader: body.getReader() };
  }
}

function isHere(url: string): boolean {
  return new URL(url).origin === globalThis.location?.origin;
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(abortedError(signal));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
