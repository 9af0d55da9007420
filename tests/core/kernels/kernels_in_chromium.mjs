// kernels_in_chromium.mjs - the kernel checks as WebAssembly (wasm/variants.cmake), run in Chromium: there each set of the modules
// works that the machine has, which Node 20 does not give. For the test and for the row `kernels` of `npm run torture`.

import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root, wasmBuild } from "../../../scripts/paths.mjs";
import { createServer, listen } from "../../../scripts/serve.mjs";

const { chromium } = createRequire(join(root, "package.json"))("playwright-core");

/** Another build folder of the modules is tested by naming it. */
export const modulesFolder = process.env.TERCET_WASM ?? wasmBuild;

/** Runs main: { status, text }. This function also runs in the page, so it names nothing outside of it. */
export async function runCheck({ url, args }) {
  const lines = [];
  const print = (line) => lines.push(line);
  const { default: factory } = await import(url);
  const module = await factory({ print, printErr: print });
  return { status: module.callMain(args), text: lines.join("\n") };
}

export class KernelsInChromium {
  #folder = mkdtempSync(join(tmpdir(), "tercet-kernels-"));
  #server = createServer({ root: this.#folder });
  #browser;
  #port;

  /** `modules`: names of checks that are built; `flags`: of V8. */
  static async open(modules, flags = "") {
    const opened = new KernelsInChromium();
    try {
      await opened.#start(modules, flags);
      return opened;
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  async #start(modules, flags) {
    for (const name of modules.flatMap((module) => [`${module}.mjs`, `${module}.wasm`]))
      copyFileSync(join(modulesFolder, name), join(this.#folder, name));
    writeFileSync(join(this.#folder, "index.html"), "<!doctype html><title>kernels</title>");
    this.#port = await listen(this.#server, { port: 0 });
    const args = [
      "--no-sandbox",
      "--disable-gpu",
      "--no-first-run",
      "--disable-background-networking",
    ];
    this.#browser = await chromium.launch({
      executablePath: process.env.TERCET_CHROMIUM ?? "/usr/bin/chromium",
      args: flags === "" ? args : [...args, `--js-flags=${flags}`],
    });
  }

  /** { status, text } of one check, in a page of its own. */
  async run(module, args = []) {
    const context = await this.#browser.newContext();
    try {
      const page = await context.newPage();
      page.setDefaultTimeout(300_000);
      await page.goto(`http://127.0.0.1:${this.#port}/`);
      return await page.evaluate(runCheck, { url: `/${module}.mjs`, args });
    } finally {
      await context.close();
    }
  }

  async close() {
    await this.#browser?.close();
    this.#server.close();
    this.#server.closeAllConnections();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
