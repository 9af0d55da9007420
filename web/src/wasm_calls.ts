// wasm_calls.ts: one WebAssembly module of the engine as functions to call and memory to read: the only file that touches the heap.
// Everybody else sees handles and copies. After a trap an instance is never called again.
import { describe, TercetError } from "./errors.js";
import { STATUS, type StatusName } from "./generated_constants.js";
import type { Variant } from "./types.js";
import { crashed, endThreads, type Instance } from "./wasm_start.js";

/** Of wasm/abi_state.h; a module of another version is a module of another build. */
const ABI_VERSION = 5;

// The result block (struct abi_result).
const RESULT_VALUES = 32;
const RESULT_AT_BYTES = 256;
const RESULT_AT_WHERE = 288;
const RESULT_AT_DETAIL_BYTES = 296;
const RESULT_AT_DETAIL = 304;

/** Handles of wasm/abi_state.h: an index with a generation. */
export type Handle = number & { readonly handle: unique symbol };

const STATUS_NAMES = new Map<number, StatusName>(
  Object.entries(STATUS).map(([name, value]) => [value, name as StatusName]),
);

/** The part of a module that calls it and reads what it says; the subjects are in the classes above it. */
export class WasmCalls {
  readonly variant: Variant;
  /** null once it is closed. */
  #memory: WebAssembly.Memory | null;
  #instance: Instance | null;
  readonly #result: number;
  #trapped = false;

  protected constructor(variant: Variant, memory: WebAssembly.Memory, instance: Instance) {
    this.variant = variant;
    this.#memory = memory;
    this.#instance = instance;
    if (this.raw("version") !== ABI_VERSION)
      throw new TercetError("PROTOCOL", `tercet-${variant}.wasm is of another build`);
    this.#result = this.raw("result") >>> 0;
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

  /** Frees what a create or finish function gave. */
  destroy(handle: Handle): void {
    this.call("destroy", handle);
  }

  // ---------------------------------------------------------------- memory

  /** Room in the module's memory, aligned to 64; OUT_OF_MEMORY when there is none. */
  createBuffer(bytes: number): { handle: Handle; address: number } {
    // More would arrive there modulo 2^32.
    if (bytes >= 2 ** 32)
      throw new TercetError("OUT_OF_MEMORY", `${bytes} bytes are more than any module has`);
    this.call("buffer_create", bytes);
    return { handle: this.handle(), address: this.value(1) };
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

  /** What a function says of a handle: for scripts that come late and ask what nobody else does. */
  ask(name: string, handle: Handle, at: number): number {
    this.call(name, handle);
    return this.value(at);
  }

  protected raw(name: string, ...values: (number | bigint)[]): number {
    const run = this.#instance?.[`_tercet_abi_${name}`];
    if (this.#trapped || !run)
      throw new TercetError("ENGINE_CRASHED", this.#trapped ? "it trapped before" : `no ${name}`);
    try {
      return run(...values);
    } catch (thrown) {
      // What is no number never reaches the module; a trap is a RuntimeError.
      if (thrown instanceof TypeError || thrown instanceof SyntaxError)
        throw new TercetError("BAD_ARGUMENT", describe(thrown));
      this.#trapped = true;
      throw crashed(thrown);
    }
  }

  protected callAny(name: string, ...values: (number | bigint)[]): number {
    return this.raw(name, ...values);
  }

  /** Notes and suspensions are returned, errors thrown. */
  protected call(name: string, ...values: (number | bigint)[]): number {
    const status = this.raw(name, ...values);
    if (status >= STATUS.BAD_ARGUMENT) throw this.error(status);
    return status;
  }

  protected error(status: number): TercetError {
    const view = new DataView(this.memory.buffer, this.#result);
    const bytes = Math.min(view.getUint32(RESULT_AT_DETAIL_BYTES, true), 192);
    const where = Number(view.getBigUint64(RESULT_AT_WHERE, true));
    const detail = this.text(this.#result + RESULT_AT_DETAIL, bytes);
    return new TercetError(STATUS_NAMES.get(status) ?? "PROTOCOL", detail, { where });
  }

  /** Sizes and addresses: all below 2^53. */
  protected value(index: number): number {
    return Number(new BigUint64Array(this.memory.buffer, this.#result, RESULT_VALUES)[index]);
  }

  protected double(index: number): number {
    return new Float64Array(this.memory.buffer, this.#result, RESULT_VALUES)[index] as number;
  }

  protected handle(): Handle {
    return this.value(0) as Handle;
  }

  protected hex(): string {
    return hex(this.read(this.#result + RESULT_AT_BYTES, 32));
  }

  /** A string value: address and bytes. */
  protected string(index: number): string {
    return this.text(this.value(index), this.value(index + 1));
  }

  protected text(address: number, bytes: number): string {
    if (bytes === 0) return "";
    // A byte order mark is a character like any other here: the model wrote it, and the native twin keeps it.
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(this.read(address, bytes));
  }
}

export function hex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}
