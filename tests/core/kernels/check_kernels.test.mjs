// check_kernels.test.mjs - check_kernels.c and check_matrices.c as WebAssembly: the plain set in Node, the relaxed one in
// Chromium too, because Node 20 has relaxed SIMD only behind a flag, and there it computes wrongly on
// machines with AVX-VNNI. (Native sets are checked by ctest, between guard pages.)

import assert from "node:assert/strict";
import { join } from "node:path";
import { before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { runCommand } from "../../../scripts/steps.mjs";
import { KernelsInChromium, modulesFolder, runCheck } from "./kernels_in_chromium.mjs";

const programs = ["check_kernels", "check_matrices"];
const variants = ["simd128", "relaxed"];
/** Of every program. */
const modulesOf = (variant) => programs.map((program) => `${program}-${variant}`);

before(async () => {
  const targets = variants.flatMap(modulesOf);
  await runCommand("ninja", ["-C", modulesFolder, ...targets], {
    failure: "the kernel checks could not be built",
  });
});

test("portable and SIMD128 in Node", async () => {
  for (const name of modulesOf("simd128")) {
    const url = pathToFileURL(join(modulesFolder, `${name}.mjs`)).href;
    const { status, text } = await runCheck({ url, args: [] });
    assert.equal(status, 0, text);
    assert.match(text, /^portable: checked$/m);
    assert.match(text, /^wasm_simd128: checked$/m);
  }
});

/** Runs the checks of these variants in a Chromium with these flags of V8 and gives what each printed. */
async function checkInChromium(t, flags, chosen) {
  const checks = await KernelsInChromium.open(chosen.flatMap(modulesOf), flags);
  t.after(() => checks.close());
  const texts = {};
  for (const variant of chosen) {
    texts[variant] = "";
    for (const name of modulesOf(variant)) {
      const { status, text } = await checks.run(name);
      assert.equal(status, 0, text);
      assert.match(text, new RegExp(`^wasm_${variant}: checked$`, "m"));
      texts[variant] += text;
    }
  }
  return texts;
}

test("every set in Chromium", { timeout: 300_000 }, async (t) => {
  const { relaxed } = await checkInChromium(t, "", variants);
  assert.match(relaxed, /^wasm_relaxed_dot: (checked|not on this machine)$/m);
});

test(
  "a machine without the one instruction of the dot product is told apart",
  {
    timeout: 300_000,
    skip: process.arch !== "x64" && "the flag is one for x86-64",
  },
  async (t) => {
    const { relaxed } = await checkInChromium(t, "--no-enable-avx-vnni", ["relaxed"]);
    assert.match(relaxed, /^wasm_relaxed_dot: not on this machine$/m);
  },
);
