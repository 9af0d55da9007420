// core_calls.test.mjs - no function of the core calls itself, at once or over others: how deep its stack goes is then known
// whatever a file or a prompt says. Read from the sources: a compiler makes loops of some calls, and inlines others.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { listFiles } from "../../scripts/fingerprint.mjs";
import { root } from "../../scripts/paths.mjs";

const withoutText = (source) =>
  source
    .replace(/\/\*[\s\S]*?\*\//g, " ")
    .replace(/"(?:[^"\\\n]|\\.)*"/g, '""')
    .replace(/'(?:[^'\\\n]|\\.)+'/g, "0");

/** { file, name, isStatic, calls } of each function of a source: its body ends at a brace in the first column. */
function functionsOf(file, source) {
  const pattern = /^(?!#|\s)([^\n;={}]*?)(\w+)\(([^;{}=]*?)\)\s*\{\n([\s\S]*?)^\}/gm;
  return [...withoutText(source).matchAll(pattern)].map(([, before, name, , body]) => ({
    ...{ file, name, isStatic: /\bstatic\b/.test(before) },
    // Not what is called through a pointer in a structure: those are kernels, which call no other.
    calls: new Set(
      [...body.matchAll(/(?<![\w.]|->)([A-Za-z_]\w*)\s*\(/g)].map(([, called]) => called),
    ),
  }));
}

/** Functions that come to themselves, as "a > b > a". */
function cycles(functions) {
  const find = (from, name) =>
    functions.find((one) => one.name === name && one.file === from.file) ??
    functions.find((one) => one.name === name && (!one.isStatic || one.file.endsWith(".h")));
  const found = [];
  const [open, done] = [[], new Set()];
  const visit = (one) => {
    if (open.includes(one)) {
      const names = open.slice(open.indexOf(one)).map(({ name }) => name);
      found.push([...names, one.name].join(" > "));
      return;
    }
    if (done.has(one)) return;
    open.push(one);
    for (const name of one.calls) {
      const next = find(one, name);
      if (next !== undefined) visit(next);
    }
    open.pop();
    done.add(one);
  };
  for (const one of functions) visit(one);
  return found;
}

test("no function of the core calls itself", () => {
  const functions = listFiles(join(root, "core"))
    .filter((file) => /\.[ch]$/.test(file))
    .flatMap((file) => functionsOf(file, readFileSync(file, "utf8")));
  assert.ok(functions.length > 600, `${functions.length} functions were read`);
  for (const name of ["tercet_tokenize", "container_read_header", "forward_run"])
    assert.ok(
      functions.some((one) => one.name === name && one.calls.size > 1),
      name,
    );
  assert.deepEqual(cycles(functions), []);
});

test("a function that calls itself is found, also over others and not in a comment", () => {
  const source = [
    ["int", "first(int a) {\n    /* first(a) */\n    return a > 0 ? second(a - 1) : 0;\n}\n"],
    ["static int", "second(int a) {\n    return third(a) + 1;\n}\n"],
    ["int", "third(int a) {\n    return first(a);\n}\n"],
    ["void", "alone(void) {\n    alone();\n}\n"],
    ["void", 'none(void) {\n    say("none()"); kernels->none(); /* none() */\n}\n'],
  ];
  const text = source.map((parts) => parts.join(" ")).join("\n");
  assert.deepEqual(cycles(functionsOf("a.c", text)), [
    "first > second > third > first",
    "alone > alone",
  ]);
});
