// check_kernels.test.mjs - check_kernels.c and check_matrices.c as WebAssembly: the plain set in Node, the relaxed one in
// Chromium too, because Node 20 has relaxed SIMD only behind a flag, and there it computes wrongly on
// machines with AVX-VNNI. (Native sets are checked by ctest, between guard pages.)

import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { root, wasmBuild } from "../../../scripts/paths.mjs";
import { createServer, listen } from "../../../scripts/serve.mjs";
import { runCommand } from "../../../scripts/steps.mjs";

const { chromium } = createRequire(join(root, "package.json"))("playwright-core");
const programs = ["check_kernels", "check_matrices"];
const variants = ["simd128", "relaxed"];
/** Of every program. */
const modulesOf = (variant) => programs.map((program) => `${program}-${variant}`);

/** Another build folder of the modules is tested by naming it. */
const modulesFolder = process.env.TERCET_WASM ?? wasmBuild;

before(async () => {
  const targets = variants.flatMap(modulesOf);
  await runCommand("ninja", ["-C", modulesFolder, ...targets], {
    failure: "the kernel checks could not be built",
  });
});

/** Runs main; this function also runs in the page, so it names nothing outside of it. */
async function runCheck(url) {
  const lines = [];
  const print = (line) => lines.push(line);
  const { default: factory } = await import(url);
  const module = await factory({ print, printErr: print });
  return { status: module.callMain([]), text: lines.join("\n") };
}

test("portable and SIMD128 in Node", async () => {
  for (const name of modulesOf("simd128")) {
    const { status, text } = await runCheck(pathToFileURL(join(modulesFolder, `${name}.mjs`)).href);
    assert.equal(status, 0, text);
    assert.match(text, /^portable: checked$/m);
    assert.match(text, /^wasm_simd128: checked$/m);
  }
});

/** Runs the checks of these variants in a Chromium with these flags of V8 and gives what each printed. */
async function checkInChromium(t, flags, chosen) {
  const folder = mkdtempSync(join(tmpdir(), "tercet-kernels-"));
  const server = createServer({ root: folder });
  let browser;
  t.after(async () => {
    await browser?.close();
    server.close();
    server.closeAllConnections();
    rmSync(folder, { recursive: true, force: true });
  });
  for (const module of chosen.flatMap(modulesOf)) {
    for (const name of [`${module}.mjs`, `${module}.wasm`])
      copyFileSync(join(modulesFolder, name), join(folder, name));
  }
  writeFileSync(join(folder, "index.html"), "<!doctype html><title>kernels</title>");
  const port = await listen(server, { port: 0 });
  const args = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
  ];
  browser = await chromium.launch({
    executablePath: process.env.TERCET_CHROMIUM ?? "/usr/bin/chromium",
    args: flags === "" ? args : [...args, `--js-flags=${flags}`],
  });
  const page = await browser.newPage();
  page.setDefaultTimeout(300_000);
  await page.goto(`http://127.0.0.1:${port}/`);
  const texts = {};
  for (const variant of chosen) {
    texts[variant] = "";
    for (const name of modulesOf(variant)) {
      const { status, text } = await page.evaluate(runCheck, `/${name}.mjs`);
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
