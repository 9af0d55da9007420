// packer_worker.ts: the worker that makes a model of a GGUF file: downloads it part by part, packs it in one go with the
// packer's own module, and names the packed file, which the engine's worker then reads itself: this one is ended before
// the engine takes its memory. All its files may be read and written at once, which only a worker may do. It must never
// touch the store of models.
import { describe, TercetError, toTercetError, toWireError } from "./errors.js";
import { downloadGguf } from "./gguf_download.js";
import { GgufParts } from "./gguf_parts.js";
import { packWord } from "./pack_options.js";
import { makePackedFile, type PackedFile } from "./packed_file.js";
import { makeHash, type Hash } from "./packer_hash.js";
import { runPacker, type PackerHost } from "./packer_module.js";
import type { FromPacker, PackMessage, ToPacker } from "./packer_protocol.js";
import { partsAtHand, SourceBytes, type PartBytes } from "./source_bytes.js";
import { roomLeft } from "./storage_room.js";

const scope = globalThis as unknown as DedicatedWorkerGlobalScope;

const PROGRESS_INTERVAL_MS = 50;
/** Other options would not help. */
const REFUSALS = new Set(["BAD_SOURCE", "LIMIT_EXCEEDED", "UNSUPPORTED_SOURCE"]);

scope.onmessage = ({ data }: MessageEvent<ToPacker>) => {
  pack(data).catch((thrown: unknown) =>
    post({ kind: "failed", error: toWireError(toTercetError(thrown, "ENGINE_CRASHED")) }),
  );
};

async function pack(message: PackMessage): Promise<void> {
  const notices: string[] = [];
  const here = await partsAtHand(message);
  const kept = here ? null : await openParts(message, notices);
  const { parts, etag } = here
    ? { parts: here, etag: null }
    : await download(message, kept, notices);
  const source = new SourceBytes(parts);
  const packed = await makePackedFile(message.place, await roomLeft(), notices);
  const host = new Host(source, packed, await makeHash());
  const { options } = message;
  try {
    const report = await runPacker(await compiled(message.binary), host, message.name, {
      quantize: packWord(options, "quantize"),
      dense: packWord(options, "dense"),
      embedding: packWord(options, "embedding"),
      i2sLayout: packWord(options, "i2sLayout"),
      chatFormat: options.chatFormat ?? null,
    });
    const file = await packed.finish();
    post({ kind: "packed", file, etag, sourceBytes: source.size, report, notices });
  } catch (thrown) {
    await packed.remove();
    // A file that cannot be packed would not be packed the next time: its parts are in the way.
    if (thrown instanceof TercetError && REFUSALS.has(thrown.code))
      await kept?.delete(urlOf(message)).catch(() => {});
    throw thrown;
  } finally {
    source.close();
    kept?.close();
  }
}

function urlOf({ source }: PackMessage): string {
  return source.kind === "url" ? source.urls.join(" ") : "";
}

function download(
  { source, network }: PackMessage,
  parts: GgufParts | null,
  notices: string[],
): Promise<{ parts: PartBytes[]; etag: string | null }> {
  const onProgress = throttled((doneBytes, totalBytes, arrivedBytes) =>
    post({ kind: "progress", phase: "download", doneBytes, totalBytes, arrivedBytes }),
  );
  const urls = source.kind === "url" ? source.urls : [];
  return downloadGguf({ urls, network, parts, notices, onProgress });
}

async function openParts(message: PackMessage, notices: string[]): Promise<GgufParts | null> {
  try {
    const opened = await GgufParts.forPacking(message);
    await opened?.deleteForgotten(Date.now());
    return opened;
  } catch (thrown) {
    notices.push(`what is downloaded is not kept: ${describe(thrown)}`);
    return null;
  }
}

class Host implements PackerHost {
  readonly sourceBytes: number;
  readonly progress: (doneBytes: number, totalBytes: number) => void;
  readonly #source: SourceBytes;
  readonly #packed: PackedFile;
  readonly sha256: Hash;

  constructor(source: SourceBytes, file: PackedFile, hash: Hash) {
    this.#source = source;
    this.#packed = file;
    this.sha256 = hash;
    this.sourceBytes = source.size;
    const report = throttled((doneBytes, totalBytes, arrivedBytes) =>
      post({ kind: "progress", phase: "pack", doneBytes, totalBytes, arrivedBytes }),
    );
    let before = 0;
    this.progress = (done, total) => {
      // Each byte of the source is gone through several times; for people it counts once.
      const doneBytes = total > 0 ? Math.floor((done / total) * source.size) : 0;
      report(doneBytes, source.size, doneBytes - before);
      before = doneBytes;
    };
  }

  readSource(offset: number, target: Uint8Array): void {
    this.#source.read(offset, target);
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

function post(message: FromPacker): void {
  scope.postMessage(message);
}
