// gguf_under_test.mjs - what the tests of GGUF files in the page share: one browser and one server for all of them, the files that are
// loaded with what they are natively, and for each test a server without faults. A test opens its page itself, once the server is as it
// wants it. To import it is to have it; the tests are gguf_*.mjs, which gguf.test.mjs runs in one process.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before } from "node:test";
import { root } from "../../scripts/paths.mjs";
import { TestPage, TestServer, launchBrowser, modelPath, tercet } from "./library_under_test.mjs";

/** Of the parts in which a download is kept. */
export const PART_BYTES = 4 << 20;

/** Of a file, at most, by which a page learns what it is. */
export const BEGINNING_BYTES = 128 << 10;
/** For server.packerPreamble: it downloads all and makes its file, and then packs for as long as it lives. */
export const ENDLESS = "WebAssembly.compile = () => new Promise(() => {});";

const goldens = join(root, "tests/golden/models");
/** Of the golden GGUF files; they lie on the server at /goldens/NAME/model.gguf. */
export const names = readdirSync(goldens).filter((name) => name.startsWith("gguf-"));
export const golden = (name) => readFileSync(join(goldens, name, "model.gguf"));

export let folder, server, browser, page;

/** The bundled model as a GGUF file of three parts, and natively packed again. */
export let large, largeId;
/** One that is quickly packed. */
export const small = golden("gguf-llama-tq2_0");
export let smallId;

/** What a tidy load leaves behind: see leftOver(). */
export const nothing = { files: [], parts: [] };

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "tercet-gguf-"));
  const path = join(folder, "large.gguf");
  execFileSync(tercet, [
    "export",
    modelPath,
    "--to",
    "gguf",
    "--type",
    "f16",
    "-o",
    path,
    "--quiet",
  ]);
  large = readFileSync(path);
  assert.ok(large.length > 2 * PART_BYTES, `${large.length} bytes`);
  largeId = packNatively(large).modelId;
  smallId = packNatively(small).modelId;
  server = await TestServer.start();
  for (const name of names) server.write(`goldens/${name}/model.gguf`, golden(name));
  browser = await launchBrowser();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});
afterEach(async () => {
  server.repair();
  await finishPage();
});

/** { modelId, file } of the same bytes under the same name. */
export function packNatively(bytes, options = []) {
  const source = join(folder, "model.gguf");
  const file = join(folder, "native.tercet");
  writeFileSync(source, bytes);
  const out = execFileSync(tercet, ["pack", source, "-o", file, "--json", ...options], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  return { modelId: JSON.parse(out).model_id, file };
}

/** At the address that can misbehave, which does not say .gguf. */
export function serve(bytes, etag = '"one"') {
  server.bytes = bytes;
  server.etag = etag;
}

/** What was asked of the server but the beginnings, by which a page learns what lies at the address. */
export function fetchedParts() {
  return server.requests.filter(({ sent }) => sent > BEGINNING_BYTES);
}

export async function openPage(options) {
  page = await TestPage.open(browser, server, options);
  await prepare();
}

/** Before the end of a test, which does it as well. */
export async function finishPage() {
  const opened = page;
  page = null;
  await opened?.finish();
}

/** Functions that the tests call in the page. */
export async function prepare() {
  await page.page.evaluate(() => {
    globalThis.summary = async (model) => {
      const { modelId, source, notices } = model.info;
      return { modelId, source, notices };
    };
    globalThis.loadOnce = async (source, options = {}) => {
      const events = [];
      const model = await tercet.load(source, {
        context: 64,
        threads: 1,
        network: quick,
        onProgress: (progress) => events.push(progress),
        ...options,
      });
      const found = { ...(await summary(model)), events };
      await model.dispose();
      return found;
    };
    /** What packing and downloading leave behind; the answer to a tidy load is [], []. */
    globalThis.leftOver = async () => {
      const files = [];
      try {
        const top = await navigator.storage.getDirectory();
        const packing = await top.getDirectoryHandle("tercet-packing");
        for await (const name of packing.keys()) files.push(name);
      } catch (thrown) {
        if (thrown.name !== "NotFoundError") throw thrown;
      }
      const parts = await new Promise((resolve, reject) => {
        const opening = indexedDB.open("tercet-gguf");
        opening.onerror = () => reject(opening.error);
        opening.onupgradeneeded = () => opening.transaction.abort();
        opening.onsuccess = () => {
          const names = opening.result.objectStoreNames;
          if (!names.contains("parts")) return resolve([]);
          const asked = opening.result.transaction("parts").objectStore("parts").getAllKeys();
          asked.onsuccess = () => {
            opening.result.close();
            resolve(asked.result.map(([, index]) => index));
          };
        };
      }).catch(() => []);
      return { files, parts };
    };
  });
}
