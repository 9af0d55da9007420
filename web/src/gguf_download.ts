// gguf_download.ts: a GGUF file from a server: part after part over HttpSource, each stored as it comes, so that an
// interruption costs one part and the next visit goes on from there. Nothing in a GGUF file proves its bytes, so parts
// of an earlier visit count only with the server's word (ETag) that it is the same file, and with their own hash.
import type { ByteSource } from "./byte_source.js";
import { CopyMemory, release } from "./chunk_memory.js";
import { HttpSource, SourceChanged } from "./download.js";
import { describe, TercetError } from "./errors.js";
import type { GgufParts } from "./gguf_parts.js";
import { PART_BYTES, type Part } from "./gguf_record.js";
import { openAddress } from "./open_address.js";
import { loosePart, type PartBytes } from "./source_bytes.js";
import { SourceParts } from "./source_parts.js";
import { megabytes, roomLeft } from "./storage_room.js";
import type { NetworkSettings } from "./types.js";

export interface DownloadRequest {
  /** Of the file, or of its parts in their order. */
  urls: readonly string[];
  network: NetworkSettings;
  /** Where parts are kept; null: nowhere, they are of use to this load alone. */
  parts: GgufParts | null;
  onProgress: (doneBytes: number, totalBytes: number, arrivedBytes: number) => void;
  notices: string[];
}

export interface DownloadedGguf {
  parts: PartBytes[];
  etag: string | null;
}

export async function downloadGguf(request: DownloadRequest): Promise<DownloadedGguf> {
  for (let attempt = 0; ; attempt++) {
    const download = new GgufDownload(request);
    try {
      return await download.run();
    } catch (thrown) {
      if (!(thrown instanceof SourceChanged)) throw thrown;
      if (attempt > 0) throw new TercetError("NETWORK_FAILED", thrown.message, { cause: thrown });
      await download.forget();
    } finally {
      download.close();
    }
  }
}

class GgufDownload {
  readonly #request: DownloadRequest;
  #parts: GgufParts | null;
  readonly #url: string;
  #source: ByteSource | null = null;
  readonly #copies = new CopyMemory();
  #fileBytes = 0;
  #doneBytes = 0;
  #partBytes = 0;
  #highestBytes = 0;

  constructor(request: DownloadRequest) {
    this.#request = request;
    this.#parts = request.parts;
    this.#url = request.urls.join(" ");
  }

  async run(): Promise<DownloadedGguf> {
    const known = await this.#try((parts) => parts.read(this.#url));
    // Without the name of a version what is here may be of another file.
    const usable = known?.etag ? known : null;
    const kept = usable ? await this.#keptParts(usable.fileBytes) : new Map<number, PartBytes>();
    let etag = usable?.etag ?? null;
    if (usable && kept.size === partCount(usable.fileBytes)) {
      // All is here: no server is needed.
      this.#fileBytes = usable.fileBytes;
    } else {
      etag = await this.#askServer(etag, usable?.fileBytes ?? null, kept.size);
    }
    const parts: PartBytes[] = [];
    const count = partCount(this.#fileBytes);
    for (let index = 0; index < count; index++) {
      parts.push(kept.get(index) ?? (await this.#fetchPart(index, kept, count)));
      this.#doneBytes = Math.min((index + 1) * PART_BYTES, this.#fileBytes);
      this.#partBytes = 0;
      this.#report(0);
    }
    return { parts, etag };
  }

  /** The file at the address is another one: what was kept is worth nothing. */
  async forget(): Promise<void> {
    await this.#try((parts) => parts.delete(this.#url));
  }

  close(): void {
    this.#source?.close();
  }

  /** Opens the connection and the record; the ETag. `fileBytes`: what it must be; null when nothing is kept. */
  async #askServer(
    etag: string | null,
    fileBytes: number | null,
    keptParts: number,
  ): Promise<string | null> {
    const { urls, network } = this.#request;
    const [first] = urls;
    const options = {
      network,
      // Who wants to stop ends this worker.
      signal: new AbortController().signal,
      onArrived: (bytes: number) => this.#report(bytes),
      onFilled: (bytes: number) => {
        this.#partBytes += bytes;
      },
    };
    let version: string | null = null;
    let size: number;
    if (first !== undefined && urls.length === 1) {
      const http = new HttpSource(first, etag, options);
      this.#source = http;
      size = await http.size();
      version = http.etag;
    } else {
      this.#source = new SourceParts(urls.map((url) => openAddress(url, null, options)));
      size = (await this.#source.start()).fileBytes ?? 0;
    }
    if (fileBytes !== null && size !== fileBytes)
      throw new SourceChanged(`${this.#url} has another size than before`);
    this.#fileBytes = size;
    const record = { url: this.#url, etag: version, fileBytes: size, touched: Date.now() };
    if (fileBytes === null) await this.forget();
    await this.#requireRoom(size - keptParts * PART_BYTES);
    await this.#try((parts) => parts.write(record));
    return version;
  }

  /**
   * Asked before anything comes. The parts are there until the model is stored, which is packed to a file first: it is about
   * as large as its source. Where all that does not fit nothing is kept, and the room is left for the model.
   */
  async #requireRoom(missingBytes: number): Promise<void> {
    const needed = missingBytes + 2 * this.#fileBytes;
    const room = await roomLeft();
    if (!this.#parts || needed <= room) return;
    this.#parts = null;
    this.#request.notices.push(
      `what is downloaded is not kept: with the model it needs ${megabytes(needed)} more, ` +
        `the browser leaves this site ${megabytes(room)}`,
    );
  }

  /** Parts of an earlier visit that are whole and as they were stored; the others are dropped. */
  async #keptParts(fileBytes: number): Promise<Map<number, PartBytes>> {
    const url = this.#url;
    const kept = new Map<number, PartBytes>();
    const indices = (await this.#try((parts) => parts.indices(url))) ?? [];
    for (const index of indices) {
      const part = await this.#try((parts) => parts.part(url, index)).catch(() => undefined);
      if (part && part.blob.size === partLength(fileBytes, index) && (await partHolds(part)))
        kept.set(index, part.blob);
      else await this.#try((parts) => parts.dropPart(url, index));
    }
    return kept;
  }

  async #fetchPart(index: number, kept: Map<number, PartBytes>, count: number): Promise<PartBytes> {
    const url = this.#url;
    let next = index + 1;
    while (next < count && !kept.has(next)) next += 1;
    const end = Math.min(next * PART_BYTES, this.#fileBytes);
    const bytes = await (this.#source as ByteSource).read(
      index * PART_BYTES,
      partLength(this.#fileBytes, index),
      end,
    );
    const copy = this.#copies.of(bytes);
    const loose = loosePart(copy);
    const stored = await this.#try(async (parts) => {
      const sha256 = await crypto.subtle.digest("SHA-256", copy);
      await parts.writePart(url, index, { blob: loose, sha256 });
      // The stored one lies on the disk; ours may be in memory.
      return (await parts.part(url, index))?.blob;
    });
    // Both the Blob and the hash have copies of their own.
    release(bytes.buffer);
    return stored ?? loose;
  }

  #report(arrivedBytes: number): void {
    const done = Math.min(this.#doneBytes + this.#partBytes, this.#fileBytes);
    this.#highestBytes = Math.max(this.#highestBytes, done);
    this.#request.onProgress(this.#highestBytes, this.#fileBytes, arrivedBytes);
  }

  /** A place for parts that fails does not stop a load: what follows stays in memory, and that is said. */
  async #try<Value>(work: (parts: GgufParts) => Promise<Value>): Promise<Value | undefined> {
    if (!this.#parts) return undefined;
    try {
      return await work(this.#parts);
    } catch (thrown) {
      // What came so far can still be read; its room is for the model.
      await this.#parts.delete(this.#url).catch(() => {});
      this.#parts = null;
      this.#request.notices.push(`what is downloaded is not kept: ${describe(thrown)}`);
      return undefined;
    }
  }
}

async function partHolds({ blob, sha256 }: Part): Promise<boolean> {
  try {
    const found = await crypto.subtle.digest("SHA-256", await blob.arrayBuffer());
    const [one, other] = [new Uint8Array(found), new Uint8Array(sha256)];
    return one.length === other.length && one.every((byte, at) => byte === other[at]);
  } catch {
    return false; // its file is gone
  }
}

function partCount(fileBytes: number): number {
  return Math.ceil(fileBytes / PART_BYTES);
}

function partLength(fileBytes: number, index: number): number {
  return Math.max(0, Math.min(PART_BYTES, fileBytes - index * PART_BYTES));
}
