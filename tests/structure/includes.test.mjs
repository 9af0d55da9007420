// includes.test.mjs - who may include whom. Data flows one way through the core; an include in the
// other direction is where a layer begins to depend on what it must not know.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { dirname, extname, join, relative } from "node:path";
import { test } from "node:test";
import { listFiles } from "../../scripts/fingerprint.mjs";
import { root } from "../../scripts/paths.mjs";

/** What each layer of the core may include, besides itself and the public header. */
const layers = {
  base: [],
  container: ["base"],
  // The tokenizer works on the tables that the container's reader has checked.
  text: ["base", "container"],
  kernels: ["base"],
  model: ["base", "container", "kernels"],
  generate: ["base", "text", "model"],
  "api.c": ["base", "container", "text", "kernels", "model", "generate"],
};

/** The C library as far as it computes; nothing that reads, writes, tells the time or exits. */
const computingHeaders = [
  "float.h",
  "limits.h",
  "math.h",
  "stdalign.h",
  "stdarg.h",
  "stdatomic.h",
  "stdbool.h",
  "stddef.h",
  "stdint.h",
  "stdlib.h",
  "string.h",
];

/** Headers that belong to one place: instructions to the kernels, threads and machine to base. */
const placedHeaders = {
  "pthread.h": /^core\/base\/thread_pool\.c$/,
  "sched.h": /^core\/base\/thread_pool\.c$/,
  "cpuid.h": /^core\/base\/cpu_features\.c$/,
  "sys/auxv.h": /^core\/base\/cpu_features\.c$/,
  "immintrin.h": /^core\/kernels\/x86_\w+\.[ch]$/,
  "arm_neon.h": /^core\/kernels\/arm_\w+\.[ch]$/,
  "wasm_simd128.h": /^core\/(kernels\/wasm_\w+\.[ch]|base\/cpu_features\.c)$/,
};

const isC = (file) => [".c", ".h"].includes(extname(file));

/** Includes of a file: { system: "stdint.h" } or { path: "core/base/arena.h" }, with line numbers. */
function includesOf(file) {
  const found = [];
  const lines = readFileSync(join(root, file), "utf8").split("\n");
  lines.forEach((line, index) => {
    const match = /^\s*#\s*include\s*(?:<([^>]+)>|"([^"]+)")/.exec(line);
    if (!match) return;
    const at = `${file}:${index + 1}`;
    if (match[1] !== undefined) found.push({ at, system: match[1] });
    else {
      const beside = relative(root, join(root, dirname(file), match[2]));
      const fromCore = join("core", match[2]);
      const path = existsSync(join(root, beside))
        ? beside
        : existsSync(join(root, fromCore))
          ? fromCore
          : null;
      found.push({ at, path, written: match[2] });
    }
  });
  return found;
}

const filesIn = (folder) =>
  listFiles(join(root, folder))
    .map((file) => relative(root, file))
    .filter(isC);

/** "base", "api.c", ... of a path below core/; "include" for the public header. */
const layerOf = (file) => file.split("/")[1];

test("layers of the core include only what is before them", () => {
  const wrong = [];
  for (const file of filesIn("core")) {
    const layer = layerOf(file);
    if (layer === "include") continue;
    assert.ok(layer in layers, `${file} is in no known layer`);
    for (const { at, path, written, system } of includesOf(file)) {
      if (system !== undefined || written === "kernel_sets.inc") continue;
      const target = path === null ? null : layerOf(path);
      const allowed =
        path?.startsWith("core/") &&
        (target === layer || target === "include" || layers[layer].includes(target));
      if (!allowed) wrong.push(`${at}: ${layer} must not include "${written}"`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("the core includes of the system only what computes", () => {
  const wrong = [];
  for (const file of filesIn("core")) {
    for (const { at, system } of includesOf(file)) {
      if (system === undefined || computingHeaders.includes(system)) continue;
      if (!placedHeaders[system]?.test(file)) wrong.push(`${at}: <${system}> has no place here`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("the list of kernel sets is included by kernels/select.c alone", () => {
  const users = filesIn("core").filter((file) =>
    includesOf(file).some(({ written }) => written === "kernel_sets.inc"),
  );
  assert.deepEqual(users, ["core/kernels/select.c"]);
});

test("the native twin and the WebAssembly module see of the core only its public header", () => {
  const wrong = [];
  for (const file of [...filesIn("native"), ...filesIn("wasm")]) {
    for (const { at, path, written } of includesOf(file)) {
      if (written === undefined || path === "core/include/tercet.h" || written === "tercet.h")
        continue;
      // `tercet constants` is where other languages get the format's constants from.
      const layout = "core/container/container_layout.h";
      if (file === "native/command_constants.c" && path === layout) continue;
      // The twin's command line also calls the packer, and so does the packer's own module; those of the engine have none.
      const own = path?.startsWith("native/") || path?.startsWith("wasm/");
      const packer = /^(native\/|wasm\/packer_)/.test(file) && path?.startsWith("packer/");
      if (!own && !packer) wrong.push(`${at}: must not include "${written}"`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("the packer shares formats with the core, not the engine", () => {
  const wrong = [];
  for (const file of filesIn("packer")) {
    for (const { at, path, written } of includesOf(file)) {
      if (!path?.startsWith("core/")) continue;
      if (["model", "generate", "api.c"].includes(layerOf(path)))
        wrong.push(`${at}: must not include "${written}"`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("nothing that is shipped includes a test", () => {
  const shipped = ["core", "packer", "native", "wasm"].flatMap(filesIn);
  assert.ok(
    shipped.length > 20,
    `only ${shipped.length} files were found: the test looks in the wrong place`,
  );
  const wrong = shipped.flatMap((file) =>
    includesOf(file).filter(
      ({ path, written }) => path?.startsWith("tests/") || written === "check.h",
    ),
  );
  assert.deepEqual(wrong, []);
});
