// module_under_test.mjs - a WebAssembly module in Node, driven through its flat functions with nothing of web/src in
// between: a second reader of the interface, so that a mistake in one shows.
//
// Other builds are tested by naming them: TERCET_WASM (folder of the modules), TERCET_MODEL.

import { readFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { modelFile, wasmBuild } from "../../scripts/paths.mjs";

export const modulesFolder = process.env.TERCET_WASM ?? wasmBuild;
export const modelPath = process.env.TERCET_MODEL ?? modelFile;

/** Values of tercet.h that the tests name; the full list is checked against C elsewhere. */
export const OK = 0;
export const END_OF_TEXT = 1;
export const CONTEXT_FULL = 3;
export const NEED_BYTES = 32;
export const CANCELLED = 33;
export const BAD_ARGUMENT = 64;
export const OUT_OF_MEMORY = 65;

export const PAGE_BYTES = 65536;

export class Module {
  /** `bytes`: the exact size of its memory. `most`: it may grow up to there. `threads`: the caller and workers of Node. */
  static async open(bytes, { variant = "simd128", most = bytes, threads = 1 } = {}) {
    const glue = pathToFileURL(join(modulesFolder, `tercet-${variant}.mjs`));
    const factory = (await import(glue)).default;
    const opened = new Module();
    opened.memory = new WebAssembly.Memory({
      initial: Math.ceil(bytes / PAGE_BYTES),
      maximum: Math.ceil(most / PAGE_BYTES),
      shared: variant.endsWith("-threads"),
    });
    // The glue of a module with threads puts on its options what ends them.
    opened.options = { wasmMemory: opened.memory, poolSize: threads - 1 };
    opened.instance = await factory(opened.options);
    opened.result = opened.instance._tercet_abi_result() >>> 0;
    return opened;
  }

  /** Ends the workers of its threads, which keep Node alive. */
  close() {
    this.options.PThread?.terminateAllThreads();
  }

  /** The status; values and detail are then in `value` and `detail`. */
  call(name, ...args) {
    return this.instance[`_tercet_abi_${name}`](...args);
  }

  /** A call that must give OK. */
  ok(name, ...args) {
    const status = this.call(name, ...args);
    if (status !== OK) throw new Error(`${name} gave ${status}: ${this.detail}`);
    return this.value(0);
  }

  value(index) {
    return Number(new DataView(this.memory.buffer).getBigUint64(this.result + 8 * index, true));
  }

  get detail() {
    const view = new DataView(this.memory.buffer);
    const bytes = view.getUint32(this.result + 296, true);
    return Buffer.from(this.memory.buffer, this.result + 304, bytes).toString();
  }

  get where() {
    return Number(new DataView(this.memory.buffer).getBigUint64(this.result + 288, true));
  }

  bytes(address, count) {
    return Buffer.from(new Uint8Array(this.memory.buffer, address, count));
  }

  /** Not a copy: until memory grows. */
  view(address, count) {
    return Buffer.from(this.memory.buffer, address, count);
  }

  write(address, bytes) {
    new Uint8Array(this.memory.buffer).set(bytes, address);
  }

  floats(address, count) {
    return new Float32Array(this.memory.buffer, address, count).slice();
  }

  /** A buffer that holds these tokens; its handle and address. */
  tokens(ids) {
    const handle = this.ok("buffer_create", ids.length * 4);
    const address = this.value(1);
    this.write(address, new Uint8Array(Uint32Array.from(ids).buffer));
    return { handle, address };
  }

  /** `text`: or its bytes. */
  text(text) {
    const utf8 = Buffer.from(text);
    const handle = this.ok("buffer_create", utf8.length);
    const address = this.value(1);
    this.write(address, utf8);
    return { handle, address, bytes: utf8.length };
  }

  /**
   * Answers the loader's wants from these bytes, checking each hash as a host must. Returns the first status that is
   * neither OK nor NEED_BYTES, or "HASH" where a hash is wrong, or OK when everything is there.
   */
  feed(loader, file) {
    for (;;) {
      const status = this.call("loader_want", loader);
      if (status !== NEED_BYTES) return status;
      const [kind, , offset, bytes, destination, sha256] = [0, 1, 2, 3, 4, 5].map((i) =>
        this.value(i),
      );
      const part = file.subarray(offset, offset + bytes);
      if (part.length < bytes) return "SHORT";
      if (sha256 !== 0) {
        const covered = kind === 1 ? [part.subarray(0, 32), part.subarray(64)] : [part];
        const hash = createHash("sha256");
        for (const piece of covered) hash.update(piece);
        if (!hash.digest().equals(this.bytes(sha256, 32)))
          return kind === 1 ? "HEADER_HASH" : "CHUNK_HASH";
      }
      this.write(destination, part);
      const given = this.call("loader_give", loader);
      if (given !== OK) return given;
    }
  }

  /** Engine, model and session for a whole file. */
  openSession(file, { context = 0, slice = 0, kv = 0, threads = 1, kernels = "" } = {}) {
    const name = kernels === "" ? { address: 0, bytes: 0 } : this.text(kernels);
    const engine = this.ok("engine_create", threads, name.address, name.bytes);
    if (name.handle !== undefined) this.ok("destroy", name.handle);
    const loader = this.ok("loader_create", engine, BigInt(file.length), 0);
    const status = this.feed(loader, file);
    if (status !== OK) throw new Error(`the file was refused: ${status} ${this.detail}`);
    const model = this.ok("loader_finish", loader);
    this.ok("destroy", loader);
    const session = this.ok("session_create", model, context, slice, kv);
    return { engine, model, session };
  }

  /** Bytes of memory that this file needs, and of its session. */
  static async plan(file, { context = 0, slice = 0, threads = 1, kv = 0 } = {}) {
    const module = await Module.open(1 << 20, { most: 80 << 20 });
    const engine = module.ok("engine_create", 1, 0, 0);
    const loader = module.ok("loader_create", engine, BigInt(file.length), 1);
    const status = module.feed(loader, file);
    if (status !== OK) throw new Error(`the header was refused: ${status} ${module.detail}`);
    const plan = module.ok("plan_create", loader);
    const memoryBytes = module.ok("plan_bytes", plan, context, slice, threads, kv);
    return { module, plan, engine, loader, memoryBytes, sessionBytes: module.value(1) };
  }
}

export const readModel = () => readFileSync(modelPath);
