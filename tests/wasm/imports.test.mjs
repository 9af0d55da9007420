// imports.test.mjs - what the engine's modules ask of their host: memory, and with threads what starts, wakes and ends those, and the time.
// No file, no network. (The packer's module: packer.test.mjs.) The names in a module are
// shortened; its script says what each of them is. Modules are read and not compiled: not every Node knows relaxed instructions.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { modulesFolder } from "./module_under_test.mjs";

const IMPORTS = 2;

/** The names in the section of imports, "module.name". */
function importsOf(wasm) {
  let at = 8;
  const number = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = wasm[at++];
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  };
  const name = () => {
    const bytes = number();
    return wasm.toString("utf8", at, (at += bytes));
  };
  for (;;) {
    const section = wasm[at++];
    const bytes = number();
    if (section === IMPORTS) break;
    at += bytes;
  }
  return Array.from({ length: number() }, () => {
    const full = `${name()}.${name()}`;
    const kind = wasm[at++];
    assert.ok(kind === 0 || kind === 2, `${full} is a function or the memory`);
    if (kind === 0) number();
    else {
      const limits = number();
      number();
      if (limits & 1) number();
    }
    return full;
  });
}

const ONE_THREAD = ["_emscripten_resize_heap", "wasmMemory"];
/** fd_write leads to the console: there is no file system. */
const THREADS = [
  "___pthread_create_js",
  "__emscripten_init_main_thread_js",
  "__emscripten_notify_mailbox_postmessage",
  "__emscripten_receive_on_main_thread_js",
  "__emscripten_thread_cleanup",
  "__emscripten_thread_mailbox_await",
  "__emscripten_thread_set_strongref",
  "_emscripten_check_blocking_allowed",
  "_emscripten_exit_with_live_runtime",
  "_emscripten_get_now",
  ...ONE_THREAD,
  "_exit",
  "_fd_write",
].sort();

for (const variant of ["simd128", "relaxed", "simd128-threads", "relaxed-threads"])
  test(`${variant} imports the functions of the list and no other`, () => {
    const wasm = readFileSync(join(modulesFolder, `tercet-${variant}.wasm`));
    const script = readFileSync(join(modulesFolder, `tercet-${variant}.mjs`), "utf8");
    const [, pairs] = /wasmImports=\{([^}]*)\}/.exec(script);
    const given = new Map(pairs.split(",").map((pair) => pair.split(":")));
    const asked = importsOf(wasm).map((full) => {
      const [module, name] = full.split(".");
      assert.equal(module, "a");
      return given.get(name);
    });
    assert.deepEqual(asked.sort(), variant.endsWith("threads") ? THREADS : ONE_THREAD);
  });
