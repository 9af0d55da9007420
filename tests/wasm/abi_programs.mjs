// abi_programs.mjs - the programs of calls that a fuzzer found or a person wrote (tests/fuzz/corpus/fuzz_abi) on the modules themselves:
// tests/fuzz/fuzz_abi.c runs them natively, over a window that stands in for a module's memory. The same calls, with the same window at the
// end of the memory, so that what runs out of the one runs out of the other. Prints what fuzz_abi prints with TERCET_TRACE_CALLS.
//
//   node tests/wasm/abi_programs.mjs VARIANT FILE...

import { readFileSync } from "node:fs";
import { Module, NEED_BYTES } from "./module_under_test.mjs";

const [variant, ...files] = process.argv.slice(2);
const read = (path) => readFileSync(new URL(path, import.meta.url));
const WINDOW_BYTES = 32768;
const MEMORY_BYTES = 24 << 20;
const BASE = 3;
const OPENING = /^(buffer|engine|loader|plan|session)_create$|^loader_(finish|open)$/;
/** As fuzz_abi.c has them: [name, kinds of its arguments]. */
const functions = [...`${read("../fuzz/fuzz_abi.c")}`.matchAll(/^ {4}X\((\w+), "(\w*)"/gm)].map(
  ([, name, kinds]) => ({ name, kinds }),
);
const model = read("../golden/container/well_formed_chat.tercet");

const module = await Module.open(MEMORY_BYTES, {
  variant,
  threads: variant.endsWith("-threads") ? 4 : 1,
});
const window = MEMORY_BYTES - WINDOW_BYTES;

const u32s = (...values) => Buffer.from(Uint32Array.from(values).buffer);

function fillWindow() {
  const bytes = Buffer.alloc(WINDOW_BYTES, 0xff);
  const quarter = WINDOW_BYTES / 4;
  for (let i = 0; i < quarter / 4; i++) bytes.writeUInt32LE((i * 7 + 5) % 264, 4 * i);
  const text = Buffer.from("A word, two words; ein Wört.\n");
  for (let i = 0; i < quarter; i++) bytes[quarter + i] = [...text, 0][i % 30];
  for (let i = 0; i < Math.floor(quarter / 12); i++)
    u32s(i % 3, window + quarter + i * 30, 24).copy(bytes, 2 * quarter + 12 * i);
  const names = ["chatml", "portable", "zephyr", "golden-1.0"];
  for (let i = 0; i < 16; i++)
    Buffer.from(names[i % 4].padEnd(16, "\0")).copy(bytes, 3 * quarter + (i * WINDOW_BYTES) / 128);
  module.write(window, bytes);
}

/** Answers up to `most` wants; a bit of these bytes of the file is another one. */
function serve(loader, most, damage) {
  for (let i = 0; i < most; i++) {
    const status = module.call("loader_want", loader);
    if (status !== NEED_BYTES) return status;
    const [offset, bytes, destination] = [2, 3, 4].map((at) => module.value(at));
    const part = Buffer.from(model.subarray(offset, offset + bytes));
    if (part.length < bytes) return -1;
    if (damage > offset && damage <= offset + bytes) part[damage - 1 - offset] ^= 1 << (damage % 8);
    module.write(destination, part);
    const given = module.call("loader_give", loader);
    if (given !== 0) return given;
  }
  return NEED_BYTES;
}

let handles = [];

function openBase() {
  const engine = module.ok("engine_create", 1, 0, 0);
  handles = [engine];
  for (const planning of [1, 0]) {
    const loader = module.ok("loader_create", engine, BigInt(model.length), planning);
    if (serve(loader, Infinity, 0) !== 0) throw new Error(`no base: ${module.detail}`);
    handles.push(module.ok(planning ? "plan_create" : "loader_finish", loader));
    module.ok("destroy", loader);
  }
}

/** All of these, children first. */
function destroyFrom(first) {
  while (
    handles
      .slice(first)
      .map((handle) => module.call("destroy", handle))
      .includes(0)
  );
  handles.length = Math.max(first, 0);
}

class Program {
  #bytes;
  #at = 0;
  constructor(bytes) {
    this.#bytes = bytes;
  }
  get left() {
    return this.#bytes.length - this.#at;
  }
  part(count) {
    return this.#bytes.subarray(this.#at, (this.#at += Math.min(count, this.left)));
  }
  wide(width) {
    return this.part(width).reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
  }
  take(width) {
    return Number(this.wide(width));
  }
  address() {
    const choice = this.take(1);
    const at = choice < 0x80 ? choice * (WINDOW_BYTES / 128) : this.take(choice < 0xc0 ? 2 : 4);
    // What lies outside of the window lies outside of memory.
    return at === 0 ? 0 : at < WINDOW_BYTES ? window + at : at % 4 === 0 ? 0xfffffff0 : 0xfffffff1;
  }
  argument(kind) {
    if (kind === "a") return this.address();
    const choice = this.take(1);
    if (kind === "h") return choice < 0xe0 ? handles[choice % handles.length] : this.take(4);
    if (kind === "t") return choice % 4 < 3 ? choice % 4 : 65 + (this.take(4) % 0xffff0000);
    if (kind === "f") {
      const floats = [0, 1, 0.5, 0.9, 1.3, 100, -1, 1e-30];
      return choice < 0x80 ? u32s(this.take(4)).readFloatLE() : floats[choice % 8];
    }
    if (kind === "n") return choice < 0xf0 ? choice : this.take(4);
    const bits = choice < 0xf0 ? BigInt(choice) : this.wide(8);
    if (kind === "w") return bits;
    const double = Buffer.alloc(8);
    double.writeBigUInt64LE(bits);
    return double.readDoubleLE();
  }
}

function runProgram(bytes) {
  console.log("program");
  const program = new Program(bytes);
  program.take(2); // how much memory there is, natively
  for (let i = 0; i < 48 && program.left > 0; i++) {
    const operation = program.take(1) % (functions.length + 4);
    if (operation === functions.length) {
      const at = program.take(2) % WINDOW_BYTES;
      module.write(window + at, program.part(Math.min(program.take(1), WINDOW_BYTES - at)));
    } else if (operation > functions.length) {
      const loader = program.argument("h");
      const most = program.take(1);
      serve(loader, most, program.take(2));
    } else {
      const { name, kinds } = functions[operation];
      const status = module.call(name, ...[...kinds].map((kind) => program.argument(kind)));
      console.log(`${name} ${status}`);
      const isError = status >= 64;
      if (name === "session_cancel_flag" && !isError) module.write(module.value(0), u32s(1));
      if (OPENING.test(name) && !isError && handles.length < 64) handles.push(module.value(0));
    }
  }
}

for (const path of files) {
  if (handles.length === 0) openBase();
  fillWindow();
  runProgram(readFileSync(path));
  destroyFrom(BASE);
  const [engine, plan, opened] = handles;
  if (
    module.call("engine_info", engine) !== 0 ||
    module.call("model_info", plan) !== 0 ||
    module.call("model_info", opened) !== 0
  )
    destroyFrom(0);
}
module.close();
