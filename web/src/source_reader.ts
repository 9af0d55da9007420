// source_reader.ts: the file that a load was asked for, wherever it lies: opens the right kind of source, asks for its
// size once, and says when something that came damaged is worth reading again. It knows no format and no store.
import { BlobSource, type ByteSource } from "./byte_source.js";
import { HttpSource } from "./download.js";
import type { GgufFile } from "./gguf_file.js";
import type { GgufSource } from "./gguf_source.js";
import type { SourceRecord } from "./journal.js";
import { openAddress } from "./open_address.js";
import type { Progress } from "./progress.js";
import type { LoadMessage } from "./protocol.js";
import { SourceParts } from "./source_parts.js";
import type { ModelSource } from "./types.js";

export class SourceReader {
  readonly #message: LoadMessage;
  readonly #signal: AbortSignal;
  readonly #progress: Progress;
  readonly #notices: string[];
  readonly #gguf: GgufFile | null;
  readonly #fresh: boolean;
  #source: ByteSource;
  /** The same, of a GGUF file. */
  #packed: GgufSource | null = null;
  #fileBytes: number | null = null;

  /**
   * `gguf`: the file is a GGUF file, and what is read is the model that is made of it.
   * `fresh`: once before in this load the file's ETag changed.
   */
  constructor(
    message: LoadMessage,
    signal: AbortSignal,
    progress: Progress,
    notices: string[],
    gguf: GgufFile | null,
    fresh: boolean,
  ) {
    this.#message = message;
    this.#signal = signal;
    this.#progress = progress;
    this.#notices = notices;
    this.#gguf = gguf;
    this.#fresh = fresh;
    this.#source = this.#open(null);
  }

  get kind(): ModelSource {
    return this.#source.kind;
  }

  /** What the store knows the file by; null for one that is at hand. */
  get key(): string | null {
    const { source } = this.#message;
    if (this.#gguf) return this.#gguf.key;
    return source.kind === "url" ? source.urls.join(" ") : null;
  }

  /** The server's name for the version that is read, null if there is none, or several; and of a GGUF file its size. */
  get version(): Pick<SourceRecord, "etag" | "ggufBytes"> {
    if (this.#packed) return this.#packed.version ?? { etag: null };
    return { etag: this.#source instanceof HttpSource ? this.#source.etag : null };
  }

  get isGguf(): boolean {
    return this.#gguf !== null;
  }

  /** Of a GGUF file, which holds no model id: whether it is the one that the model in the store was made of. */
  async ggufIsStill(known: SourceRecord): Promise<boolean> {
    return this.#packed !== null && this.#packed.isStill(known);
  }

  /** From now on only this version of the file counts. */
  expect(etag: string | null): void {
    void this.#source.close();
    this.#source = this.#open(etag);
  }

  /** Asks once how long the file is; 0 if that stays unknown. */
  async fileBytes(): Promise<number> {
    this.#fileBytes ??= (await this.#source.start()).fileBytes ?? 0;
    return this.#fileBytes;
  }

  /** As ByteSource.read(). */
  read(
    offset: number,
    bytes: number,
    end: number,
    hold?: Promise<void>,
  ): Promise<Uint8Array<ArrayBuffer>> {
    return this.#source.read(offset, bytes, end, hold);
  }

  /** Something arrived wrong: true when reading it once more may help. */
  readAgain(what: string): boolean {
    const sentence = `${what} arrived damaged and was read again`;
    if (this.#notices.includes(sentence) || !this.#source.restart()) return false;
    this.#notices.push(sentence);
    return true;
  }

  /** Ends the connection; reading goes on with a new one. */
  pause(): void {
    this.#source.restart();
  }

  /** The model is stored whole. */
  async finish(): Promise<void> {
    await this.#source.finish?.();
  }

  close(): void | Promise<void> {
    return this.#source.close();
  }

  #open(etag: string | null): ByteSource {
    const { source, network } = this.#message;
    if (this.#gguf)
      return (this.#packed = this.#gguf.open(this.#signal, this.#progress, this.#notices));
    if (source.kind === "blob") return new BlobSource(source.blob);
    const options = {
      network,
      signal: this.#signal,
      onArrived: (bytes: number) => this.#progress.arrived(bytes),
      onFilled: (bytes: number) => this.#progress.onItsWay(bytes),
      // Behind some addresses stand several servers that name one file differently. Every byte is held against a hash.
      anyVersion: this.#fresh,
    };
    const [only, ...others] = source.urls;
    if (only !== undefined && others.length === 0) return openAddress(only, etag, options);
    return new SourceParts(source.urls.map((url) => openAddress(url, null, options)));
  }
}
