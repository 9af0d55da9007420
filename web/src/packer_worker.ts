// packer_worker.ts: the worker that makes a model of a GGUF file: downloads it part by part, packs it in one go with the
// packer's own module, and hands the packed bytes to the engine's worker as that asks for them. It is started when a page
// gives a GGUF file and ended with it; who wants to stop it ends it. All its files may be read and written at once, which
// only a worker may do. It must never touch the store of models.
import { createSHA256, type IHasher } from "hash-wasm";
import { ChunkMemory, release } from "./chunk_memory.js";
import { describe, TercetError, toTercetError, toWireError } from "./errors.js";
import { downloadGguf } from "./gguf_download.js";
import { GgufParts } from "./gguf_parts.js";
import { packWord } from "./pack_options.js";
import { makePackedFile, type PackedFile } from "./packed_file.js";
import { runPacker, type PackerHost } from "./packer_module.js";
import type { FromPacker, PackMessage, ToPacker } from "./packer_protocol.js";

const scope = globalThis as unknown as DedicatedWorkerGlobalScope;

/** The packer asks for rows; a Blob is read in larger pieces. */
const WINDOW_BYTES = 2 << 20;
const PROGRESS_INTERVAL_MS = 50;

let packed: PackedFile | null = null;
let parts: GgufParts | null = null;
let url: string | null = null;

scope.onmessage = ({ data }: MessageEvent<ToPacker>) => {
  if (data.op === "pack") void pack(data).catch(fail);
  else if (data.op === "read") read(data.id, data.offset, data.bytes);
  else void finish().catch(fail);
};

async function pack(message: PackMessage): Promise<void> {
  const notices: string[] = [];
  const { blob, etag } = await fetchSource(message, notices);
  packed = await makePackedFile(notices);
  const host = new BlobHost(blob, packed, await createSHA256());
  const { options } = message;
  try {
    const report = await runPacker(await compiled(message.binary), host, message.name, {
      quantize: packWord(options, "quantize"),
      dense: packWord(options, "dense"),
      embedding: packWord(options, "embedding"),
      i2sLayout: packWord(options, "i2sLayout"),
      chatFormat: options.chatFormat ?? null,
    });
    const { fileBytes } = report;
    post({ kind: "packed", fileBytes, etag, sourceBytes: blob.size, report, notices });
  } catch (thrown) {
    await packed.remove();
    // A file that cannot be packed would not be packed the next time: its parts are in the way.
    if (thrown instanceof TercetError && REFUSALS.has(thrown.code) && url !== null)
      await parts?.delete(url);
    throw thrown;
  }
}

const REFUSALS = new Set(["BAD_SOURCE", "LIMIT_EXCEEDED"]);

async function fetchSource(
  { source, network, keep }: PackMessage,
  notices: string[],
): Promise<{ blob: Blob; etag: string | null }> {
  if (source.kind === "blob") return { blob: source.blob, etag: null };
  url = source.urls.join(" ");
  parts = keep ? await openParts(notices) : null;
  const report = throttled((doneBytes, totalBytes, arrivedBytes) =>
    post({ kind: "progress", phase: "download", doneBytes, totalBytes, arrivedBytes }),
  );
  return downloadGguf({ urls: source.urls, network, parts, notices, onProgress: report });
}

async function openParts(notices: string[]): Promise<GgufParts | null> {
  try {
    const opened = await GgufParts.open();
    await opened.deleteForgotten(Date.now());
    return opened;
  } catch (thrown) {
    notices.push(`what is downloaded is not kept: ${describe(thrown)}`);
    return null;
  }
}

/** The packed model is stored: the source and the file are not needed any more. */
async function finish(): Promise<void> {
  await packed?.remove();
  if (url !== null) await parts?.delete(url);
  parts?.close();
  post({ kind: "finished" });
}

function read(id: number, offset: number, count: number): void {
  try {
    const bytes = new Uint8Array(count);
    if (!packed) throw new TercetError("PROTOCOL", "nothing is packed yet");
    packed.read(offset, bytes);
    post({ kind: "bytes", id, bytes }, [bytes.buffer]);
  } catch (thrown) {
    post({ kind: "readFailed", id, error: toWireError(toTercetError(thrown, "STORAGE_FAILED")) });
  }
}

class BlobHost implements PackerHost {
  readonly sourceBytes: number;
  readonly progress: (doneBytes: number, totalBytes: number) => void;
  readonly #blob: Blob;
  readonly #packed: PackedFile;
  readonly #hasher: IHasher;
  readonly #reader = new FileReaderSync();
  readonly #memory = new ChunkMemory();
  #window = new Uint8Array(0);
  #windowAt = 0;

  constructor(blob: Blob, file: PackedFile, hasher: IHasher) {
    this.#blob = blob;
    this.#packed = file;
    this.#hasher = hasher;
    this.sourceBytes = blob.size;
    const report = throttled((doneBytes, totalBytes, arrivedBytes) =>
      post({ kind: "progress", phase: "pack", doneBytes, totalBytes, arrivedBytes }),
    );
    let before = 0;
    this.progress = (done, total) => {
      // Each byte of the source is gone through several times; for people it counts once.
      const doneBytes = total > 0 ? Math.floor((done / total) * blob.size) : 0;
      report(doneBytes, blob.size, doneBytes - before);
      before = doneBytes;
    };
  }

  readSource(offset: number, target: Uint8Array): void {
    for (let filled = 0; filled < target.length;) {
      const at = offset + filled;
      if (at < this.#windowAt || at >= this.#windowAt + this.#window.length) this.#look(at);
      const from = at - this.#windowAt;
      const piece = this.#window.subarray(from, from + target.length - filled);
      target.set(piece, filled);
      filled += piece.length;
    }
  }

  openPacked(bytes: number): void {
    this.#packed.open(bytes);
  }

  writePacked(offset: number, bytes: Uint8Array): void {
    this.#packed.write(offset, bytes);
  }

  readPacked(offset: number, target: Uint8Array): void {
    this.#packed.read(offset, target);
  }

  sha256(first: Uint8Array, second: Uint8Array): Uint8Array {
    return this.#hasher.init().update(first).update(second).digest("binary");
  }

  #look(at: number): void {
    this.#memory.passed(this.#window.length);
    release(this.#window.buffer);
    try {
      const buffer = this.#reader.readAsArrayBuffer(this.#blob.slice(at, at + WINDOW_BYTES));
      if (buffer.byteLength === 0) throw new Error("there is nothing behind its end");
      this.#window = new Uint8Array(buffer);
      this.#windowAt = at;
    } catch (thrown) {
      this.#window = new Uint8Array(0);
      // A File that changed or vanished since it was chosen.
      throw new TercetError("FILE_READ_FAILED", describe(thrown), { where: at, cause: thrown });
    }
  }
}

/** Not more often than a page can show; the last one always. Bytes that came in are summed up. */
function throttled(
  report: (doneBytes: number, totalBytes: number, arrivedBytes: number) => void,
): (doneBytes: number, totalBytes: number, arrivedBytes: number) => void {
  let last = -Infinity;
  let arrived = 0;
  return (done, total, bytes) => {
    arrived += bytes;
    const now = performance.now();
    if (now - last < PROGRESS_INTERVAL_MS && done < total) return;
    report(done, total, arrived);
    last = now;
    arrived = 0;
  };
}

async function compiled(binary: string | Blob): Promise<WebAssembly.Module> {
  try {
    if (typeof binary !== "string") return await WebAssembly.compile(await binary.arrayBuffer());
    const answer = await fetch(binary);
    if (!answer.ok) throw new Error(`${binary} answered ${answer.status}`);
    return await WebAssembly.compile(await answer.arrayBuffer());
  } catch (thrown) {
    throw new TercetError("ENGINE_CRASHED", `the packer could not be loaded: ${describe(thrown)}`, {
      cause: thrown,
    });
  }
}

function fail(thrown: unknown): void {
  post({ kind: "failed", error: toWireError(toTercetError(thrown, "ENGINE_CRASHED")) });
}

function post(message: FromPacker, transfer: Transferable[] = []): void {
  scope.postMessage(message, transfer);
}
