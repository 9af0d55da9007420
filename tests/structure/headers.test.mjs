// headers.test.mjs - headers stand alone: each compiles by itself, the public one also as C++ and
// as C99, with every warning an error.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { relative } from "node:path";
import { test } from "node:test";
import { listFiles } from "../../scripts/fingerprint.mjs";
import { root } from "../../scripts/paths.mjs";

const warnings = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-pedantic", "-Werror"];

/** As in CMakeLists.txt. */
const folders = ["-I", `${root}/core/include`, "-I", `${root}/packer`];

/** Includes the header twice from an otherwise empty file: it must name what it needs and guard itself. */
function compile(compiler, args, header) {
  const source = `#include "${root}/${header}"\n#include "${root}/${header}"\nint tercet_header_test(void);\n`;
  const result = spawnSync(compiler, [...args, ...folders, "-fsyntax-only", "-"], {
    input: source,
    encoding: "utf8",
  });
  assert.equal(result.error, undefined, `${compiler} cannot be run`);
  return result.status === 0
    ? ""
    : `${header} with ${compiler} ${args.join(" ")}:\n${result.stderr}`;
}

test("the public header compiles alone as C and as C++", () => {
  const header = "core/include/tercet.h";
  const failures = [
    compile("gcc", ["-x", "c", "-std=c11", ...warnings, "-Wstrict-prototypes"], header),
    compile("gcc", ["-x", "c", "-std=c99", ...warnings], header),
    compile("clang-14", ["-x", "c", "-std=c11", ...warnings, "-Wstrict-prototypes"], header),
    compile("clang-14", ["-x", "c++", "-std=c++17", ...warnings], header),
  ].filter(Boolean);
  assert.deepEqual(failures, []);
});

test("every other header compiles alone", () => {
  const headers = ["core", "packer", "native", "wasm"]
    .flatMap((folder) => listFiles(`${root}/${folder}`))
    .map((file) => relative(root, file))
    .filter((file) => file.endsWith(".h") && file !== "core/include/tercet.h");
  assert.ok(headers.length > 10, `only ${headers.length} headers were found`);
  // Those with instructions of one architecture are seen by their kernel files only.
  const portable = headers.filter((header) => !/kernels\/(x86|arm|wasm)_/.test(header));
  const strict = ["-x", "c", "-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror"];
  // The core is plain C11; the hosts choose POSIX in their .c files, before any include. A static
  // inline function of a header is used by some files only.
  const argsFor = (header) =>
    [...strict, "-Wno-unused-function"].concat(
      header.startsWith("core/") ? [] : "-D_DEFAULT_SOURCE",
    );
  const failures = portable
    .map((header) => compile("gcc", argsFor(header), header))
    .filter(Boolean);
  assert.deepEqual(failures, []);
});
