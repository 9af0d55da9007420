// wasm_module.ts: one WebAssembly module of the engine: compiles it, gives it a memory of the size that was planned, and
// wraps the flat functions of wasm/abi.c. The only file that touches the heap: everybody else sees handles and copies.
// After a trap an instance is never called again. It must never decide what to load.
import { describe, TercetError } from "./errors.js";
import { CHAT_NO_THINKING, CHAT_ROLE, KV, STATUS, type StatusName } from "./generated_constants.js";
import type { ChatPrompt } from "./protocol.js";
import type { ThinkingMarks } from "./thinking.js";
import type { KvForm, Sampling, Variant } from "./types.js";

/** Of wasm/abi.c; a module of another version is a module of another build. */
const ABI_VERSION = 2;

// The result block (struct abi_result).
const RESULT_VALUES = 32;
const RESULT_AT_BYTES = 256;
const RESULT_AT_WHERE = 288;
const RESULT_AT_DETAIL_BYTES = 296;
const RESULT_AT_DETAIL = 304;

export const PAGE_BYTES = 65536;
/** Workers of the module's own threads load their script: a missing header or file makes that hang for ever. */
const START_TIMEOUT_MS = 20_000;

const TEXT_ADD_BEGINNING = 1;
const TEXT_PARSE_SPECIAL = 2;

/** Handles of wasm/abi.c: an index with a generation. */
export type Handle = number & { readonly handle: unique symbol };

export type WantKind = "prefix" | "header" | "chunk";
const WANT_KINDS: readonly WantKind[] = ["prefix", "header", "chunk"];

export interface Want {
  kind: WantKind;
  chunkIndex: number;
  offset: number;
  bytes: number;
  destination: number;
  /** A copy; null when the loader checks the bytes itself. */
  sha256: Uint8Array | null;
}

export interface FileInfo {
  fileBytes: number;
  headerBytes: number;
  dataBytes: number;
  chunkBytes: number;
  chunks: number;
  modelId: string;
}

export interface EngineInfo {
  threads: number;
  kernels: string;
  /** "" or why a better set was dropped. */
  note: string;
}

export interface ModelFacts {
  modelId: string;
  name: string;
  family: string;
  licence: string;
  layers: number;
  hidden: number;
  inner: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  vocabulary: number;
  context: number;
  tiedHead: boolean;
  activationBits: number;
  tensors: number;
  tokenCount: number;
  parameters: number;
  ternaryParameters: number;
  dataBytes: number;
  fileBytes: number;
  sampling: Sampling;
}

/** A chat format: the model's own, or a known one that was asked for. */
export interface ChatFacts {
  name: string;
  /** Whether an answer can be asked for without thinking. */
  thinkingSwitch: boolean;
  /** What an answer puts around its thinking. */
  thinkingMarks: ThinkingMarks;
  stopTokens: Uint32Array;
}

type AbiFunction = (...values: (number | bigint)[]) => number;
/** Of the glue of a module with threads; set on the options as soon as the factory was called. */
interface ThreadPool {
  PThread?: { terminateAllThreads(): void };
  _pthread_self?: () => number;
  __emscripten_thread_init?: (...values: number[]) => void;
}
type Instance = ThreadPool & { [name: `_tercet_abi_${string}`]: AbiFunction | undefined };
type GlueOptions = ThreadPool & Record<string, unknown>;
type Factory = (options: GlueOptions) => Promise<Instance>;

const STATUS_NAMES = new Map<number, StatusName>(
  Object.entries(STATUS).map(([name, value]) => [value, name as StatusName]),
);

export interface StepCounts {
  passes: number;
  drafted: number;
  accepted: number;
}

export class WasmModule {
  readonly variant: Variant;
  /** null once it is closed. */
  #memory: WebAssembly.Memory | null;
  #instance: Instance | null;
  readonly #result: number;
  #trapped = false;

  private constructor(variant: Variant, memory: WebAssembly.Memory, instance: Instance) {
    this.variant = variant;
    this.#memory = memory;
    this.#instance = instance;
    if (this.#raw("version") !== ABI_VERSION)
      throw new TercetError("PROTOCOL", `tercet-${variant}.wasm is of another build`);
    this.#result = this.#raw("result") >>> 0;
  }

  /**
   * Compiles and starts a module with this memory. `threads` counts the caller; a module without threads ignores it.
   * ENGINE_CRASHED, NETWORK_FAILED, HTTP_STATUS or PROTOCOL say why it does not start.
   */
  static async create(
    variant: Variant,
    memory: WebAssembly.Memory,
    options: { assetsUrl: string; threads: number },
  ): Promise<WasmModule> {
    const script = new URL(`tercet-${variant}.mjs`, options.assetsUrl).href;
    const binary = new URL(`tercet-${variant}.wasm`, options.assetsUrl).href;
    const [factory, compiled] = await Promise.all([importFactory(script), compile(binary)]);
    const glueOptions: GlueOptions = {};
    const starting = new Promise<Instance>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new TercetError("ENGINE_CRASHED", `tercet-${variant} did not start in time`));
      }, START_TIMEOUT_MS);
      Object.assign(glueOptions, {
        wasmMemory: memory,
        poolSize: options.threads - 1,
        print: () => {},
        printErr: () => {},
        instantiateWasm: (
          imports: WebAssembly.Imports,
          receive: (instance: WebAssembly.Instance, module: WebAssembly.Module) => void,
        ) => {
          // The glue waits for ever when this fails, so the failure goes past it.
          WebAssembly.instantiate(compiled, imports).then(
            (made) => receive(made, compiled),
            (thrown: unknown) => reject(crashed(thrown)),
          );
          return {};
        },
      });
      factory(glueOptions)
        .then(resolve, (thrown: unknown) => reject(crashed(thrown)))
        .finally(() => clearTimeout(timer));
    });
    try {
      return new WasmModule(variant, memory, await starting);
    } catch (thrown) {
      // The workers of the pool are started before anything can fail.
      endThreads(glueOptions, memory);
      throw thrown;
    }
  }

  /** Throws when it is closed. */
  get memory(): WebAssembly.Memory {
    if (!this.#memory) throw new TercetError("ENGINE_CRASHED", "the module is closed");
    return this.#memory;
  }

  /**
   * Ends the workers of its threads and lets go of its memory, whatever state it is in; every handle is void. To be
   * called on a module that is given up while the worker lives on; more than once is allowed.
   */
  close(): void {
    const instance = this.#instance;
    const memory = this.#memory;
    this.#instance = null;
    this.#memory = null;
    if (instance && memory) endThreads(instance, memory);
  }

  // ---------------------------------------------------------------- engine

  /** `kernels`: "" for the best set. `fewer`: not all threads could be started. */
  createEngine(threads: number, kernels: string): { engine: Handle; fewer: boolean } {
    // Before there is an engine there is no other place: the name rides in a buffer.
    const name = new TextEncoder().encode(kernels);
    const buffer = name.length > 0 ? this.createBuffer(name.length) : null;
    try {
      if (buffer) this.write(buffer.address, name);
      const status = this.#call("engine_create", threads, buffer?.address ?? 0, name.length);
      return { engine: this.#handle(), fewer: status === STATUS.FEWER_THREADS };
    } finally {
      if (buffer) this.destroy(buffer.handle);
    }
  }

  engineInfo(engine: Handle): EngineInfo {
    this.#call("engine_info", engine);
    return { threads: this.#value(0), kernels: this.#string(1), note: this.#string(3) };
  }

  /** Frees what a create or finish function gave. */
  destroy(handle: Handle): void {
    this.#call("destroy", handle);
  }

  // ---------------------------------------------------------------- loader

  createLoader(engine: Handle, fileBytes: number, planning: boolean): Handle {
    this.#call("loader_create", engine, BigInt(fileBytes), planning ? 1 : 0);
    return this.#handle();
  }

  /** null: everything is there. */
  want(loader: Handle): Want | null {
    if (this.#call("loader_want", loader) !== STATUS.NEED_BYTES) return null;
    const sha256 = this.#value(5);
    return {
      kind: WANT_KINDS[this.#value(0)] ?? "chunk",
      chunkIndex: this.#value(1),
      offset: this.#value(2),
      bytes: this.#value(3),
      destination: this.#value(4),
      sha256: sha256 === 0 ? null : this.read(sha256, 32),
    };
  }

  /** The bytes of the want, checked against its sha256 by the caller, go to their final place. */
  give(loader: Handle, want: Want, bytes: Uint8Array): void {
    if (bytes.length !== want.bytes)
      throw new TercetError("BAD_ARGUMENT", `${bytes.length} bytes given, ${want.bytes} wanted`);
    this.write(want.destination, bytes);
    this.#call("loader_give", loader);
  }

  fileInfo(loader: Handle): FileInfo {
    this.#call("loader_info", loader);
    return {
      fileBytes: this.#value(0),
      headerBytes: this.#value(1),
      dataBytes: this.#value(2),
      chunkBytes: this.#value(3),
      chunks: this.#value(4),
      modelId: this.#hex(),
    };
  }

  finishLoader(loader: Handle): Handle {
    this.#call("loader_finish", loader);
    return this.#handle();
  }

  createPlan(loader: Handle): Handle {
    this.#call("plan_create", loader);
    return this.#handle();
  }

  /** Bytes of the memory that model and session need, and of the session alone. */
  planBytes(
    plan: Handle,
    shape: { context: number; slice: number; threads: number; kv: KvForm },
  ): { memoryBytes: number; sessionBytes: number } {
    this.#call("plan_bytes", plan, shape.context, shape.slice, shape.threads, KV[shape.kv]);
    return { memoryBytes: this.#value(0), sessionBytes: this.#value(1) };
  }

  // ---------------------------------------------------------------- model and text

  modelFacts(model: Handle): ModelFacts {
    this.#call("model_info", model);
    return {
      modelId: this.#hex(),
      name: this.#string(0),
      family: this.#string(2),
      licence: this.#string(4),
      layers: this.#value(8),
      hidden: this.#value(9),
      inner: this.#value(10),
      heads: this.#value(11),
      kvHeads: this.#value(12),
      headDim: this.#value(13),
      vocabulary: this.#value(14),
      context: this.#value(15),
      tiedHead: this.#value(16) === 1,
      activationBits: this.#value(17),
      tensors: this.#value(18),
      tokenCount: this.#value(19),
      parameters: this.#value(20),
      ternaryParameters: this.#value(21),
      dataBytes: this.#value(22),
      fileBytes: this.#value(23),
      sampling: {
        temperature: shortest(this.#double(26)),
        topK: this.#value(24),
        topP: shortest(this.#double(27)),
        minP: shortest(this.#double(28)),
        repetitionPenalty: shortest(this.#double(29)),
        repetitionWindow: this.#value(25),
      },
    };
  }

  tokenize(
    model: Handle,
    text: string,
    options: { addBeginning: boolean; parseSpecial: boolean },
  ): Uint32Array {
    const utf8 = new TextEncoder().encode(text);
    const flags =
      (options.addBeginning ? TEXT_ADD_BEGINNING : 0) |
      (options.parseSpecial ? TEXT_PARSE_SPECIAL : 0);
    // A token has at least one byte; the beginning token and the space in front come on top. Only a text whose normal form
    // is longer may have more, and then the module says how many.
    const capacity = utf8.length + 2;
    try {
      return this.#tokenizeInto(capacity, model, utf8, flags);
    } catch (error) {
      const tooMany = error instanceof TercetError && error.code === "BAD_ARGUMENT";
      const needed = (tooMany && error.where) || 0;
      if (needed <= capacity) throw error;
      return this.#tokenizeInto(needed, model, utf8, flags);
    }
  }

  #tokenizeInto(capacity: number, model: Handle, utf8: Uint8Array, flags: number): Uint32Array {
    const buffer = this.createBuffer(capacity * 4 + utf8.length);
    try {
      const textAddress = buffer.address + capacity * 4;
      this.write(textAddress, utf8);
      const place = [buffer.address, capacity] as const;
      this.#call("tokenize", model, textAddress, utf8.length, flags, ...place);
      return this.readWords(buffer.address, this.#value(0));
    } finally {
      this.destroy(buffer.handle);
    }
  }

  detokenize(model: Handle, tokens: Uint32Array): string {
    if (tokens.length === 0) return "";
    const source = this.createTokens(tokens);
    try {
      // The core says BAD_ARGUMENT and the size when the text does not fit: ask with no room first.
      const args = [model, source.address, tokens.length] as const;
      const status = this.#callAny("detokenize", ...args, 0, 0);
      const bytes = this.#value(0);
      if (bytes === 0) {
        if (status >= STATUS.BAD_ARGUMENT) throw this.#error(status);
        return "";
      }
      const target = this.createBuffer(bytes);
      try {
        this.#call("detokenize", ...args, target.address, bytes);
        return this.#text(target.address, bytes);
      } finally {
        this.destroy(target.handle);
      }
    } finally {
      this.destroy(source.handle);
    }
  }

  // ---------------------------------------------------------------- chat

  /** `format` null: the model's own; NO_CHAT_FORMAT if it has none. */
  chatFacts(model: Handle, format: string | null): ChatFacts {
    return this.#withFormat(format, (...name) => {
      this.#call("chat_info", model, ...name);
      return {
        name: this.#string(0),
        thinkingSwitch: this.#value(2) === 1,
        thinkingMarks:
          this.#value(4) === 0 ? null : { begin: this.#string(3), end: this.#string(5) },
        stopTokens: Uint32Array.from({ length: this.#value(7) }, (_, i) => this.#value(8 + i)),
      };
    });
  }

  /** A conversation to the tokens of a prompt that asks for the next answer. */
  tokenizeChat(model: Handle, { messages, format, thinking }: ChatPrompt): Uint32Array {
    const texts = messages.map(({ content }) => new TextEncoder().encode(content));
    const textBytes = texts.reduce((sum, text) => sum + text.length, 0);
    // Room for the words in front, then the texts.
    const words = messages.length * 3;
    const source = this.createBuffer(words * 4 + textBytes + 1);
    try {
      let at = source.address + words * 4;
      const table = messages.flatMap(({ role }, i) => {
        const text = texts[i] as Uint8Array;
        this.write(at, text);
        at += text.length;
        return [CHAT_ROLE[role], at - text.length, text.length];
      });
      this.write(source.address, new Uint8Array(Uint32Array.from(table).buffer));
      const flags = thinking ? 0 : CHAT_NO_THINKING;
      return this.#withFormat(format, (...name) => {
        const args = [model, ...name, source.address, messages.length, flags] as const;
        // The format adds a few tokens to each message; if they are more, the core says how many.
        for (let capacity = textBytes + 16 * (messages.length + 2); ;) {
          const place = this.createBuffer(capacity * 4);
          try {
            const status = this.#callAny("chat_tokenize", ...args, place.address, capacity);
            const count = this.#value(0);
            if (status === STATUS.OK) return this.readWords(place.address, count);
            if (status !== STATUS.BAD_ARGUMENT || count <= capacity) throw this.#error(status);
            capacity = count;
          } finally {
            this.destroy(place.handle);
          }
        }
      });
    } finally {
      this.destroy(source.handle);
    }
  }

  #withFormat<Value>(
    format: string | null,
    work: (address: number, bytes: number) => Value,
  ): Value {
    if (format === null) return work(0, 0);
    const name = new TextEncoder().encode(format);
    const buffer = this.createBuffer(name.length + 1);
    try {
      this.write(buffer.address, name);
      return work(buffer.address, name.length);
    } finally {
      this.destroy(buffer.handle);
    }
  }

  // ---------------------------------------------------------------- session

  createSession(model: Handle, context: number, slice: number, kv: KvForm): Handle {
    this.#call("session_create", model, context, slice, KV[kv]);
    return this.#handle();
  }

  setSampling(session: Handle, sampling: Sampling, seed: bigint): void {
    const { temperature, topK, topP, minP, repetitionPenalty, repetitionWindow } = sampling;
    const args = [temperature, topK, topP, minP, repetitionPenalty, repetitionWindow] as const;
    this.#call("session_sampling", session, ...args, seed);
  }

  /**
   * Computes up to `count` tokens that lie at `address`; returns how many, or null when it was cancelled. With `logits`
   * the logits of each are written there.
   */
  prefill(
    session: Handle,
    address: number,
    count: number,
    logits: { address: number; rows: number } = { address: 0, rows: 0 },
  ): number | null {
    const args = [address, count, logits.address, logits.rows] as const;
    const status = this.#call("session_prefill", session, ...args);
    return status === STATUS.CANCELLED ? null : this.#value(0);
  }

  step(session: Handle): { status: "token" | "end" | "full" | "cancelled"; token: number } {
    const status = this.#call("session_step", session);
    const token = this.#value(0);
    if (status === STATUS.END_OF_TEXT) return { status: "end", token };
    if (status === STATUS.CONTEXT_FULL) return { status: "full", token };
    if (status === STATUS.CANCELLED) return { status: "cancelled", token };
    return { status: "token", token };
  }

  /** What the last step completed; `flush` also gives a half character, as U+FFFD. */
  takeText(session: Handle, flush: boolean): string {
    this.#call("session_text", session, flush ? 1 : 0);
    return this.#text(this.#value(0), this.#value(1));
  }

  resetSession(session: Handle): void {
    this.#call("session_reset", session, 0);
  }

  /** Keeps what the session has of the tokens that lie at `address`; returns how many those are. */
  reuse(session: Handle, address: number, count: number): number {
    this.#call("session_reuse", session, address, count);
    return this.#value(0);
  }

  /** Most tokens of a prompt at once from now on; 0 = as many as the session was made for. */
  setSlice(session: Handle, tokens: number): void {
    this.#call("session_slice", session, tokens);
  }

  /** Most tokens that a step computes; 0 = automatic, 1 = no drafts. */
  setSpeculation(session: Handle, tokens: number): void {
    this.#call("session_speculation", session, tokens);
  }

  /** Tokens that end a text besides the model's own, from now on. */
  setStopTokens(session: Handle, tokens: Uint32Array): void {
    if (tokens.length === 0) {
      this.#call("session_stop_tokens", session, 0, 0);
      return;
    }
    const source = this.createTokens(tokens);
    try {
      this.#call("session_stop_tokens", session, source.address, tokens.length);
    } finally {
      this.destroy(source.handle);
    }
  }

  /** Since the session was made. */
  stepCounts(session: Handle): StepCounts {
    this.#call("session_info", session);
    return { passes: this.#value(5), drafted: this.#value(6), accepted: this.#value(7) };
  }

  sessionInfo(session: Handle): { context: number; slice: number; bytes: number } {
    this.#call("session_info", session);
    return { context: this.#value(1), slice: this.#value(2), bytes: this.#value(3) };
  }

  cancelFlagAddress(session: Handle): number {
    this.#call("session_cancel_flag", session);
    return this.#value(0);
  }

  // ---------------------------------------------------------------- memory

  /** Room in the module's memory, aligned to 64; OUT_OF_MEMORY when there is none. */
  createBuffer(bytes: number): { handle: Handle; address: number } {
    // More would arrive there modulo 2^32.
    if (bytes >= 2 ** 32)
      throw new TercetError("OUT_OF_MEMORY", `${bytes} bytes are more than any module has`);
    this.#call("buffer_create", bytes);
    return { handle: this.#handle(), address: this.#value(1) };
  }

  createTokens(tokens: Uint32Array): { handle: Handle; address: number } {
    const buffer = this.createBuffer(tokens.length * 4);
    this.write(buffer.address, new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength));
    return buffer;
  }

  write(address: number, bytes: Uint8Array): void {
    new Uint8Array(this.memory.buffer, address, bytes.length).set(bytes);
  }

  /** Copies: a view would be of shared memory, which most of the web refuses, or be lost when memory grows. */
  read(address: number, bytes: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(new Uint8Array(this.memory.buffer, address, bytes));
  }

  readWords(address: number, words: number): Uint32Array<ArrayBuffer> {
    return new Uint32Array(new Uint32Array(this.memory.buffer, address, words));
  }

  readFloats(address: number, floats: number, into: Float32Array, at: number): void {
    into.set(new Float32Array(this.memory.buffer, address, floats), at);
  }

  // ---------------------------------------------------------------- calls

  #raw(name: string, ...values: (number | bigint)[]): number {
    const run = this.#instance?.[`_tercet_abi_${name}`];
    if (this.#trapped || !run)
      throw new TercetError("ENGINE_CRASHED", this.#trapped ? "it trapped before" : `no ${name}`);
    try {
      return run(...values);
    } catch (thrown) {
      this.#trapped = true;
      throw crashed(thrown);
    }
  }

  #callAny(name: string, ...values: (number | bigint)[]): number {
    return this.#raw(name, ...values);
  }

  /** Notes and suspensions are returned, errors thrown. */
  #call(name: string, ...values: (number | bigint)[]): number {
    const status = this.#raw(name, ...values);
    if (status >= STATUS.BAD_ARGUMENT) throw this.#error(status);
    return status;
  }

  #error(status: number): TercetError {
    const view = new DataView(this.memory.buffer, this.#result);
    const bytes = Math.min(view.getUint32(RESULT_AT_DETAIL_BYTES, true), 192);
    const where = Number(view.getBigUint64(RESULT_AT_WHERE, true));
    const detail = this.#text(this.#result + RESULT_AT_DETAIL, bytes);
    return new TercetError(STATUS_NAMES.get(status) ?? "PROTOCOL", detail, { where });
  }

  /** Sizes and addresses: all below 2^53. */
  #value(index: number): number {
    return Number(new BigUint64Array(this.memory.buffer, this.#result, RESULT_VALUES)[index]);
  }

  #double(index: number): number {
    return new Float64Array(this.memory.buffer, this.#result, RESULT_VALUES)[index] as number;
  }

  #handle(): Handle {
    return this.#value(0) as Handle;
  }

  #hex(): string {
    return hex(this.read(this.#result + RESULT_AT_BYTES, 32));
  }

  /** A string value: address and bytes. */
  #string(index: number): string {
    return this.#text(this.#value(index), this.#value(index + 1));
  }

  #text(address: number, bytes: number): string {
    if (bytes === 0) return "";
    // A byte order mark is a character like any other here: the model wrote it, and the native twin keeps it.
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(this.read(address, bytes));
  }
}

/** Nothing to do for a module without threads. */
function endThreads(glue: ThreadPool, memory: WebAssembly.Memory): void {
  glue.PThread?.terminateAllThreads();
  // This thread listens for messages at the address of its own record, with Atomics.waitAsync: for as long as it does, the
  // browser holds the listener and with it the memory. Woken as nobody's thread, it does not listen again.
  try {
    const self = glue._pthread_self?.() ?? 0;
    if (self === 0) return;
    glue.__emscripten_thread_init?.(0, 0, 0, 0, 0, 0);
    Atomics.notify(new Int32Array(memory.buffer), self >>> 2);
  } catch {
    // It failed before it had any code: then nobody listens.
  }
}

/** Exactly this many bytes, rounded up to pages, and never more. OUT_OF_MEMORY when the browser has not got them. */
export function createMemory(bytes: number, shared: boolean): WebAssembly.Memory {
  const pages = Math.ceil(bytes / PAGE_BYTES);
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared });
  } catch (thrown) {
    const megabytes = Math.ceil(bytes / 2 ** 20);
    throw new TercetError(
      "OUT_OF_MEMORY",
      `the browser refused ${megabytes} MiB for model and context`,
      {
        where: bytes,
        cause: thrown,
      },
    );
  }
}

/** 0.7 for the f32 that is called 0.699999988079071: both are the same f32. */
function shortest(value: number): number {
  const short = Number(value.toPrecision(7));
  return Math.fround(short) === value ? short : value;
}

export function hex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

function crashed(thrown: unknown): TercetError {
  if (thrown instanceof TercetError) return thrown as TercetError;
  return new TercetError("ENGINE_CRASHED", describe(thrown), { cause: thrown });
}

async function importFactory(script: string): Promise<Factory> {
  try {
    const glue = (await import(/* @vite-ignore */ /* webpackIgnore: true */ script)) as {
      default: Factory;
    };
    return glue.default;
  } catch (thrown) {
    throw new TercetError("NETWORK_FAILED", `${script}: ${describe(thrown)}`, { cause: thrown });
  }
}

const compiledModules = new Map<string, Promise<WebAssembly.Module>>();

/** Compiled once a worker: the planner and the engine may be of one kind. */
function compile(binary: string): Promise<WebAssembly.Module> {
  const known = compiledModules.get(binary);
  if (known) return known;
  const compiling = fetchAndCompile(binary);
  compiledModules.set(binary, compiling);
  compiling.catch(() => compiledModules.delete(binary));
  return compiling;
}

async function fetchAndCompile(binary: string): Promise<WebAssembly.Module> {
  let bytes: ArrayBuffer;
  try {
    const response = await fetch(binary, { credentials: "same-origin" });
    if (!response.ok) throw new TercetError("HTTP_STATUS", `${binary} answered ${response.status}`);
    bytes = await response.arrayBuffer();
  } catch (thrown) {
    if (thrown instanceof TercetError) throw thrown;
    throw new TercetError("NETWORK_FAILED", `${binary}: ${describe(thrown)}`, { cause: thrown });
  }
  try {
    return await WebAssembly.compile(bytes);
  } catch (thrown) {
    // An instruction that this engine lacks, or a content policy without 'wasm-unsafe-eval'.
    throw new TercetError("UNSUPPORTED_BROWSER", `${binary}: ${describe(thrown)}`, {
      cause: thrown,
    });
  }
}
