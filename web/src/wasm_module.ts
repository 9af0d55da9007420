// wasm_module.ts: one WebAssembly module of the engine: starts it, and wraps the flat functions of wasm/abi_*.c (each file of
// functions has its class; this one is the whole). It must never decide what to load.
import { TercetError } from "./errors.js";
import { KV, STATUS } from "./generated_constants.js";
import type { KvForm, Variant } from "./types.js";
import type { Handle } from "./wasm_calls.js";
import { WasmSession } from "./wasm_session.js";
import { startInstance, type StartOptions } from "./wasm_start.js";

export { hex, type Handle } from "./wasm_calls.js";
export type { StepCounts } from "./wasm_session.js";
export { createMemory, PAGE_BYTES } from "./wasm_start.js";
export type { ChatFacts, ModelFacts } from "./wasm_text.js";

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

export class WasmModule extends WasmSession {
  /** As startInstance(). */
  static create(
    variant: Variant,
    memory: WebAssembly.Memory,
    options: StartOptions,
  ): Promise<WasmModule> {
    return startInstance(
      variant,
      memory,
      options,
      (instance) => new WasmModule(variant, memory, instance),
    );
  }

  // ---------------------------------------------------------------- engine

  /** `kernels`: "" for the best set. `fewer`: not all threads could be started. */
  createEngine(threads: number, kernels: string): { engine: Handle; fewer: boolean } {
    // Before there is an engine there is no other place: the name rides in a buffer.
    const name = new TextEncoder().encode(kernels);
    const buffer = name.length > 0 ? this.createBuffer(name.length) : null;
    try {
      if (buffer) this.write(buffer.address, name);
      const status = this.call("engine_create", threads, buffer?.address ?? 0, name.length);
      return { engine: this.handle(), fewer: status === STATUS.FEWER_THREADS };
    } finally {
      if (buffer) this.destroy(buffer.handle);
    }
  }

  engineInfo(engine: Handle): EngineInfo {
    this.call("engine_info", engine);
    return { threads: this.value(0), kernels: this.string(1), note: this.string(3) };
  }

  // ---------------------------------------------------------------- loader

  /** `fileBytes` 0: not known, as is what a damaged record says. */
  createLoader(engine: Handle, fileBytes: number, planning: boolean): Handle {
    this.call(
      "loader_create",
      engine,
      BigInt(Number.isSafeInteger(fileBytes) ? fileBytes : 0),
      planning ? 1 : 0,
    );
    return this.handle();
  }

  /** null: everything is there. */
  want(loader: Handle): Want | null {
    if (this.call("loader_want", loader) !== STATUS.NEED_BYTES) return null;
    const sha256 = this.value(5);
    return {
      kind: WANT_KINDS[this.value(0)] ?? "chunk",
      chunkIndex: this.value(1),
      offset: this.value(2),
      bytes: this.value(3),
      destination: this.value(4),
      sha256: sha256 === 0 ? null : this.read(sha256, 32),
    };
  }

  /** The bytes of the want, checked against its sha256 by the caller, go to their final place. */
  give(loader: Handle, want: Want, bytes: Uint8Array): void {
    if (bytes.length !== want.bytes)
      throw new TercetError("BAD_ARGUMENT", `${bytes.length} bytes given, ${want.bytes} wanted`);
    this.write(want.destination, bytes);
    this.call("loader_give", loader);
  }

  fileInfo(loader: Handle): FileInfo {
    this.call("loader_info", loader);
    return {
      fileBytes: this.value(0),
      headerBytes: this.value(1),
      dataBytes: this.value(2),
      chunkBytes: this.value(3),
      chunks: this.value(4),
      modelId: this.hex(),
    };
  }

  /** The SHA-256 of every chunk, copies, in their order. */
  chunkHashes(loader: Handle): Uint8Array[] {
    this.call("loader_info", loader);
    const [count, address] = [this.value(4), this.value(5)];
    return Array.from({ length: count }, (_, index) => this.read(address + 32 * index, 32));
  }

  finishLoader(loader: Handle): Handle {
    this.call("loader_finish", loader);
    return this.handle();
  }

  /** The model, while its chunks still come; the loader goes on and is destroyed before it. */
  openLoader(loader: Handle): Handle {
    this.call("loader_open", loader);
    return this.handle();
  }

  createPlan(loader: Handle): Handle {
    this.call("plan_create", loader);
    return this.handle();
  }

  /** Bytes of the memory that model and session need, and of the session alone. */
  planBytes(
    plan: Handle,
    shape: { context: number; slice: number; threads: number; kv: KvForm; arriving: number },
  ): { memoryBytes: number; sessionBytes: number } {
    const { context, slice, threads, kv, arriving } = shape;
    this.call("plan_bytes", plan, context, slice, threads, KV[kv], arriving);
    return { memoryBytes: this.value(0), sessionBytes: this.value(1) };
  }
}
