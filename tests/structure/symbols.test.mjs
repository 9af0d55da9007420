// symbols.test.mjs - what the compiled core refers to and keeps: no mutable globals, and of the
// C library only what neither reads, writes, looks at the environment nor ends the process.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { nativeBuild, tercet } from "../../scripts/paths.mjs";

const library = join(nativeBuild, "libtercet_core.a");

/** Memory, strings, threads, and what a compiler calls on its own. */
const allowed = [
  /^(malloc|calloc|realloc|free|aligned_alloc|posix_memalign)$/,
  /^mem(cpy|move|set|cmp|chr)$/,
  /^str(len|cmp|ncmp|nlen)$/,
  /^pthread_(create|join|self|equal|attr_\w+|mutex_\w+|cond_\w+|once)$/,
  /^sched_yield$/,
  // Correctly rounded by IEEE 754, so the same everywhere. exp, sin, pow and their kin are not.
  /^(sqrtf?|floorf?|ceilf?|truncf?|rintf?|nearbyintf?|fabsf?|fmaxf?|fminf?|ldexpf?|scalbnf?)$/,
  // From the compiler: stack guards, processor features, bounds-checked copies, position independence.
  /^__(stack_chk_fail|cpu_model|cpu_features2|cpu_indicator_init)$/,
  /^__mem(cpy|move|set)_chk$/,
  /^_GLOBAL_OFFSET_TABLE_$/,
  /^__(udivti3|umodti3|divti3|multi3)$/,
];

/** One entry for each symbol: name, class letter of nm, section. */
function symbols() {
  assert.ok(existsSync(library), `${library} is not built: run node scripts/build.mjs native`);
  const text = execFileSync("nm", ["--format=sysv", library], {
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  return text
    .split("\n")
    .map((line) => line.split("|").map((column) => column.trim()))
    .filter((columns) => columns.length === 7 && columns[0] !== "Name")
    .map(([name, , kind, type, , , section]) => ({ name, kind, type, section }));
}

test("the core keeps no mutable global state", () => {
  const all = symbols();
  assert.ok(all.length > 50, `only ${all.length} symbols were read`);
  // .data.rel.ro holds constants with addresses in them: read-only once the program is linked.
  const mutable = all.filter(
    ({ kind, section }) => /^[bBdDcCgGsS]$/.test(kind) && !section.startsWith(".data.rel.ro"),
  );
  assert.deepEqual(
    mutable.map(({ name, section }) => `${name} in ${section || "common"}`),
    [],
  );
});

test("the program speaks to no network", () => {
  assert.ok(existsSync(tercet), `${tercet} is not built: run node scripts/build.mjs native`);
  // Of a static library too, what is undefined or defined.
  const names = execFileSync("nm", ["--format=posix", tercet], {
    encoding: "utf8",
    maxBuffer: 1 << 26,
  })
    .split("\n")
    .map((line) => line.split(/[ @]/)[0]);
  assert.ok(names.includes("pread") && names.includes("main"), "the symbols were read");
  const network =
    /^(socket(pair)?|bind|listen|accept4?|connect|recv(from|m?msg)?|send(to|m?msg)?|getaddrinfo|gethostby\w+|BIO_(new_)?(accept|connect|socket)\w*)$/;
  assert.deepEqual(
    names.filter((name) => network.test(name)),
    [],
  );
});

test("the core calls nothing that does I/O, exits or differs between C libraries", () => {
  const all = symbols();
  const defined = new Set(all.filter(({ kind }) => !/^[Uwv]$/.test(kind)).map(({ name }) => name));
  const used = new Set(all.filter(({ kind }) => /^[Uwv]$/.test(kind)).map(({ name }) => name));
  assert.ok(used.size > 0);
  const wrong = [...used].filter(
    (name) => !defined.has(name) && !allowed.some((pattern) => pattern.test(name)),
  );
  assert.deepEqual(wrong.sort(), []);
});

test("no global name of the core is one that a program or the C library uses", () => {
  const all = symbols();
  const global = all.filter(({ kind }) => /^[TDBRCGSV]$/.test(kind)).map(({ name }) => name);
  // A static library has one name space with the program that it is linked into.
  const plain = global.filter((name) =>
    /^(main|init|error|log|read|write|open|close|malloc|free)$/.test(name),
  );
  assert.deepEqual(plain, []);
});
