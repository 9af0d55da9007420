// packer_module.ts: the packer's WebAssembly module (wasm/packer_abi.c): makes an instance for one file, answers what it asks of
// its host, and turns its report or refusal into JavaScript's. The only file that touches its memory. Where the bytes
// come from and go to is the host's business.
import { describe, TercetError } from "./errors.js";
import { STATUS, type StatusName } from "./generated_constants.js";
import type { PackReport } from "./types.js";

/** Of wasm/packer_abi.c; a module of another version is a module of another build. */
const ABI_VERSION = 1;

// The result block (struct packer_result): six doubles, the model id, and texts that end with a zero byte.
const RESULT_AT_MODEL_ID = 48;
const RESULT_AT_DETAIL = 80;
const DETAIL_BYTES = 192;
const RESULT_AT_FORM = 272;
const FORM_BYTES = 96;
const RESULT_AT_CHAT_NOTE = 368;
const CHAT_NOTE_BYTES = 320;

// Answers to the module that are no success (wasm/packer_host.h).
const FAILED = -1;
const FULL = -2;

/** What the module is given: synchronous, as it runs in one go. What a method throws ends the packing and is thrown again. */
export interface PackerHost {
  readonly sourceBytes: number;
  /** Fills all of `target` from this offset on. */
  readSource(offset: number, target: Uint8Array): void;
  /** The packed file will have so many bytes. A TercetError QUOTA_EXCEEDED where they have no room. */
  openPacked(bytes: number): void;
  /** `bytes` lie in the module's memory: they are to be copied. */
  writePacked(offset: number, bytes: Uint8Array): void;
  readPacked(offset: number, target: Uint8Array): void;
  sha256(first: Uint8Array, second: Uint8Array): Uint8Array;
  progress(doneBytes: number, totalBytes: number): void;
}

/** Places in the lists of words of pack_options.ts. */
export interface PackChoice {
  quantize: number;
  dense: number;
  embedding: number;
  i2sLayout: number;
  chatFormat: string | null;
}

interface Exports {
  memory: WebAssembly.Memory;
  _initialize(): void;
  tercet_packer_version(): number;
  tercet_packer_take(bytes: number): number;
  tercet_packer_result(): number;
  tercet_packer_pack(
    name: number,
    chatFormat: number,
    quantize: number,
    dense: number,
    embedding: number,
    i2sLayout: number,
  ): number;
}

/** Packs the host's source, which is called `name`. Throws the packer's refusal under its own code. */
export async function runPacker(
  module: WebAssembly.Module,
  host: PackerHost,
  name: string,
  choice: PackChoice,
): Promise<PackReport> {
  const run = new PackerRun(host);
  await run.start(module);
  return run.pack(name, choice);
}

class PackerRun {
  readonly #host: PackerHost;
  #exports!: Exports;
  /** What the host threw. */
  #thrown: unknown = null;

  constructor(host: PackerHost) {
    this.#host = host;
  }

  async start(module: WebAssembly.Module): Promise<void> {
    const host = this.#host;
    const tercet = {
      sourceBytes: () => host.sourceBytes,
      readSource: (offset: number, at: number, bytes: number) =>
        this.#ask(() => host.readSource(offset, this.#bytes(at, bytes))),
      openPacked: (bytes: number) => this.#ask(() => host.openPacked(bytes)),
      writePacked: (offset: number, at: number, bytes: number) =>
        this.#ask(() => host.writePacked(offset, this.#bytes(at, bytes))),
      readPacked: (offset: number, at: number, bytes: number) =>
        this.#ask(() => host.readPacked(offset, this.#bytes(at, bytes))),
      sha256: (first: number, firstBytes: number, second: number, bytes: number, hash: number) => {
        const value = host.sha256(this.#bytes(first, firstBytes), this.#bytes(second, bytes));
        this.#bytes(hash, 32).set(value);
      },
      progress: (done: number, total: number) => host.progress(done, total),
    };
    // Views of the memory are made anew for each use: nothing is to be done when it grew.
    const env = { emscripten_notify_memory_growth: () => {} };
    const instance = await WebAssembly.instantiate(module, { tercet, env });
    this.#exports = instance.exports as unknown as Exports;
    this.#exports._initialize();
    const version = this.#exports.tercet_packer_version();
    if (version !== ABI_VERSION)
      throw new TercetError("PROTOCOL", `packer ${version}, script ${ABI_VERSION}`);
  }

  pack(name: string, choice: PackChoice): PackReport {
    const { quantize, dense, embedding, i2sLayout, chatFormat } = choice;
    let status: number;
    try {
      status = this.#exports.tercet_packer_pack(
        this.#put(name),
        chatFormat === null ? 0 : this.#put(chatFormat),
        quantize,
        dense,
        embedding,
        i2sLayout,
      );
    } catch (thrown) {
      throw new TercetError("ENGINE_CRASHED", describe(thrown), { cause: thrown });
    }
    if (this.#thrown !== null) throw this.#thrown;
    const result = this.#exports.tercet_packer_result() >>> 0;
    const numbers = new DataView(this.#exports.memory.buffer, result, RESULT_AT_MODEL_ID);
    const number = (index: number) => numbers.getFloat64(index * 8, true);
    if (status !== STATUS.OK)
      throw new TercetError(
        statusName(status),
        this.#text(result + RESULT_AT_DETAIL, DETAIL_BYTES),
        {
          where: number(0),
        },
      );
    const id = this.#bytes(result + RESULT_AT_MODEL_ID, 32);
    return {
      modelId: [...id].map((byte) => byte.toString(16).padStart(2, "0")).join(""),
      sourceBytes: number(1),
      fileBytes: number(2),
      verifiedWeights: number(3),
      roundedWeights: number(4),
      quantizeError: number(5),
      form: this.#text(result + RESULT_AT_FORM, FORM_BYTES),
      chatNote: this.#text(result + RESULT_AT_CHAT_NOTE, CHAT_NOTE_BYTES),
    };
  }

  #ask(work: () => void): number {
    try {
      work();
      return 0;
    } catch (thrown) {
      this.#thrown = thrown;
      return thrown instanceof TercetError && thrown.code === "QUOTA_EXCEEDED" ? FULL : FAILED;
    }
  }

  #bytes(at: number, count: number): Uint8Array {
    return new Uint8Array(this.#exports.memory.buffer, at >>> 0, count >>> 0);
  }

  #text(at: number, most: number): string {
    const bytes = this.#bytes(at, most);
    const end = bytes.indexOf(0);
    // A sentence that was cut in the middle of a character ends with U+FFFD.
    return new TextDecoder().decode(bytes.slice(0, end < 0 ? most : end));
  }

  /** With a zero byte behind it; one inside would end it early. */
  #put(text: string): number {
    const bytes = new TextEncoder().encode(`${text.replaceAll("\0", "")}\0`);
    const at = this.#exports.tercet_packer_take(bytes.length) >>> 0;
    if (at === 0) throw new TercetError("OUT_OF_MEMORY", "the packer has no memory for a name");
    this.#bytes(at, bytes.length).set(bytes);
    return at;
  }
}

function statusName(status: number): StatusName {
  const found = Object.entries(STATUS).find(([, value]) => value === status);
  return (found?.[0] as StatusName | undefined) ?? "BAD_SOURCE";
}
