// gguf_source.ts: a GGUF file as a source of the packed model that is made of it: whoever reads from it first makes the packer's
// worker download and pack the file, and what is read are bytes of the result. So a load knows no difference, and a model
// that is in the store is never packed again. The worker and all its memory are gone before the first byte is read. It
// knows nothing of GGUF.
import type { ByteSource } from "./byte_source.js";
import { HttpSource } from "./download.js";
import { abortedError, fromWireError, TercetError } from "./errors.js";
import type { SourceRecord } from "./journal.js";
import type { ModuleFiles } from "./module_files.js";
import { addressName } from "./open_address.js";
import type { FromPacker, PackedMessage, ToPacker } from "./packer_protocol.js";
import { PackingPlace } from "./packing_place.js";
import type { Progress } from "./progress.js";
import type { LoadMessage, LoadSource } from "./protocol.js";
import type { ModelSource } from "./types.js";
import { forgetDownload } from "./gguf_kept.js";
import { hex } from "./wasm_module.js";

/** For the name of a file's content: its beginning, and so many pieces evenly over the rest, of so many bytes. */
const BEGINNING_BYTES = 1 << 20;
const SAMPLES = 256;
const SAMPLE_BYTES = 4096;

/**
 * What the packed model is stored under: address or content of the file, and how it was packed. A file that a user chose
 * has no address: its name, times and samples of its content stand for it, since reading all of it takes as long as packing.
 */
export async function ggufKey({ source, pack }: LoadMessage): Promise<string> {
  const address =
    source.kind === "url"
      ? (await Promise.all(source.urls.map(addressName))).join(" ")
      : await contentName(source.blob);
  return Object.keys(pack).length > 0 ? `${address}#pack=${JSON.stringify(pack)}` : address;
}

async function contentName(blob: Blob): Promise<string> {
  const changed = blob instanceof File ? blob.lastModified : 0;
  const pieces: BlobPart[] = [`${blob.size} ${changed} `, blob.slice(0, BEGINNING_BYTES)];
  const step = Math.max(SAMPLE_BYTES, Math.floor((blob.size - BEGINNING_BYTES) / SAMPLES));
  for (let at = BEGINNING_BYTES; at < blob.size; at += step)
    pieces.push(blob.slice(at, at + SAMPLE_BYTES));
  pieces.push(blob.slice(-SAMPLE_BYTES));
  const sampled = await new Blob(pieces).arrayBuffer();
  const sha256 = hex(new Uint8Array(await crypto.subtle.digest("SHA-256", sampled)));
  return `file:${nameOf({ kind: "blob", blob })}#sha256=${sha256}`;
}

/** The last part of the address, or the name of the file. */
function nameOf(source: LoadSource): string {
  const other = "model.gguf";
  if (source.kind === "blob") return (source.blob instanceof File && source.blob.name) || other;
  // Of several parts the first one names the file.
  const last = new URL(source.urls[0] ?? "").pathname.replace(/^.*\//, "") || other;
  try {
    return decodeURIComponent(last);
  } catch {
    return last; // a lone percent sign
  }
}

export class GgufSource implements ByteSource {
  readonly kind: ModelSource;
  readonly #message: LoadMessage;
  readonly #signal: AbortSignal;
  readonly #progress: Progress;
  readonly #notices: string[];
  readonly #packerFiles: () => Promise<ModuleFiles>;
  #place: PackingPlace | null = null;
  #packing: Promise<PackedMessage> | null = null;
  #packed: PackedMessage | null = null;
  /** The packed file. */
  #file: ByteSource | null = null;
  /** Rejects what waits for the worker. */
  #lose: (reason: TercetError) => void = () => {};

  /** `packerFiles`: where the packer lies, which only the engine's worker knows. */
  constructor(
    message: LoadMessage,
    signal: AbortSignal,
    progress: Progress,
    notices: string[],
    packerFiles: () => Promise<ModuleFiles>,
  ) {
    const { source } = message;
    const atHand = source.kind === "blob" || source.urls.every((url) => url.startsWith("file:"));
    this.kind = atHand ? "memory" : "network";
    this.#message = message;
    this.#signal = signal;
    this.#progress = progress;
    this.#notices = notices;
    this.#packerFiles = packerFiles;
  }

  /** Version and size of the file that was packed; null before. */
  get version(): Pick<SourceRecord, "etag" | "ggufBytes"> | null {
    return this.#packed && { etag: this.#packed.etag, ggufBytes: this.#packed.sourceBytes };
  }

  async start(): Promise<{ fileBytes: number | null }> {
    this.#packing ??= this.#pack();
    this.#packed = await this.#packing;
    return (await this.#file?.start()) ?? { fileBytes: null };
  }

  async read(offset: number, bytes: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    await this.start();
    if (!this.#file) throw new TercetError("DISPOSED");
    return this.#file.read(offset, bytes, end);
  }

  restart(): boolean {
    return false;
  }

  /** Asks the server whether it still has the file that was packed to what is stored. */
  async isStill(known: SourceRecord): Promise<boolean> {
    const { source, network } = this.#message;
    // Its content named it, or time and size of its file.
    if (source.kind !== "url" || this.kind === "memory") return true;
    const nothing = () => {};
    const options = { network, signal: this.#signal, onArrived: nothing, onFilled: nothing };
    const parts = source.urls.map((url) => new HttpSource(url, null, options));
    let bytes = 0;
    for (const part of parts) bytes += await part.size();
    return bytes === known.ggufBytes && (parts.length > 1 || parts[0]?.etag === known.etag);
  }

  /** The packed model is stored whole: the file's parts and the packed file are deleted. */
  async finish(): Promise<void> {
    const { source, cacheDir } = this.#message;
    // Also of a load that was ended between storing its model and deleting the parts.
    if (source.kind === "url") await forgetDownload(cacheDir, source.urls.join(" "));
    await this.close();
  }

  async close(): Promise<void> {
    this.#lose(new TercetError("DISPOSED"));
    this.#file?.close();
    this.#file = null;
    const place = this.#place;
    this.#place = null;
    await place?.remove();
  }

  async #pack(): Promise<PackedMessage> {
    const { source, pack, network, cache, cacheDir } = this.#message;
    const notices = this.#notices;
    const { script, binary } = await this.#packerFiles();
    if (this.#signal.aborted) throw abortedError(this.#signal);
    const place = await PackingPlace.take(cacheDir);
    this.#place = place;
    const worker = place.startPacker(script);
    const onAbort = () => this.#lose(abortedError(this.#signal));
    const packed = new Promise<PackedMessage>((resolve, reject) => {
      this.#lose = reject;
      worker.onmessage = ({ data }: MessageEvent<FromPacker>) => {
        if (data.kind === "progress") this.#show(data);
        else if (data.kind === "packed") resolve(data);
        else reject(fromWireError(data.error));
      };
      worker.onerror = (event) => {
        event.preventDefault();
        const reason =
          event.message || "its script could not be loaded: is tercet-packer.mjs there?";
        reject(new TercetError("ENGINE_CRASHED", `the packer's worker failed: ${reason}`));
      };
      this.#signal.addEventListener("abort", onAbort, { once: true });
      if (this.#signal.aborted) onAbort();
    });
    try {
      const message: ToPacker = {
        ...{ op: "pack", source, options: pack, network, binary, cacheDir },
        ...{ name: nameOf(source), keep: cache !== "memory", place: place.name },
      };
      worker.postMessage(message);
      const answer = await packed;
      this.#file = place.openPacked(answer.file);
      notices.push(...answer.notices);
      const { chatNote } = answer.report;
      if (chatNote) notices.push(`the file's chat template was left out: ${chatNote}`);
      return answer;
    } finally {
      this.#signal.removeEventListener("abort", onAbort);
      // With all its memory, before the engine's is taken.
      worker.terminate();
    }
  }

  #show(data: Extract<FromPacker, { kind: "progress" }>): void {
    const { phase, doneBytes, totalBytes, arrivedBytes } = data;
    // The file counts once for each thing that is done with it: it comes, it is packed, the model is loaded.
    const earlier = this.kind === "network" ? totalBytes : 0;
    const done = phase === "pack" ? earlier + doneBytes : doneBytes;
    this.#progress.setPhase(phase, this.kind);
    this.#progress.before(done, earlier + totalBytes, totalBytes);
    this.#progress.arrived(arrivedBytes);
  }
}
