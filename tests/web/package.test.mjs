// package.test.mjs - what users of the package get: the sizes, constants that are C's, and a bundle
// made by esbuild that runs. (How the package is seen from outside: tests/package/.)

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { root } from "../../scripts/paths.mjs";
import { renderConstants } from "../../web/generate-constants.mjs";
import {
  PROMPT,
  TestPage,
  TestServer,
  dist,
  launchBrowser,
  limit,
  runNatively,
  tercet,
} from "./library_under_test.mjs";

let folder;
before(() => (folder = mkdtempSync(join(tmpdir(), "tercet-package-"))));
after(() => rmSync(folder, { recursive: true, force: true }));

const variants = ["simd128", "simd128-threads", "relaxed", "relaxed-threads"];
const scripts = ["index.js", "engine_worker.js"];
/** Fetched with the first question in the shape of OpenAI. */
const answers = "openai_answers.js";
/** Fetched only when a page is given a GGUF file. */
const packer = ["tercet-packer.mjs", "tercet-packer.wasm"];
const modules = variants.flatMap((name) => [`tercet-${name}.mjs`, `tercet-${name}.wasm`]);

test("generated_constants.ts is what the native twin says", async () => {
  const json = execFileSync(tercet, ["constants"], { encoding: "utf8" });
  const file = join(root, "web/src/generated_constants.ts");
  const upToDate = readFileSync(file, "utf8") === (await renderConstants(json));
  assert.ok(upToDate, "run node web/generate-constants.mjs");
});

test("every file of types is of use to somebody; licences are in the copies", () => {
  const types = readdirSync(dist).filter((name) => name.endsWith(".d.ts"));
  const named = types.flatMap((name) =>
    [...readFileSync(join(dist, name), "utf8").matchAll(/"\.\/(\w+)\.js"/g)].map(
      (found) => found[1],
    ),
  );
  assert.deepEqual(
    [...new Set(["index", ...named])].map((name) => `${name}.d.ts`).sort(),
    types.sort(),
  );
  const worker = readFileSync(join(dist, "engine_worker.js"), "utf8");
  assert.match(worker, /Contains idb[^]*Jake Archibald/, "the licence of what is bundled");
});

test("engine and scripts are under 150 kB gzipped for any visitor", () => {
  const gzipped = (name) => gzipSync(readFileSync(join(dist, name)), { level: 9 }).length;
  const common = scripts.reduce((sum, name) => sum + gzipped(name), 0);
  for (const name of variants) {
    const all = common + gzipped(`tercet-${name}.mjs`) + gzipped(`tercet-${name}.wasm`);
    assert.ok(all < 150_000, `${name}: ${all} bytes`);
  }
});

test("the packer is under 150 kB gzipped", () => {
  const bytes = packer.map((name) => gzipSync(readFileSync(join(dist, name)), { level: 9 }).length);
  assert.ok(bytes[0] + bytes[1] < 150_000, `${bytes} bytes`);
  const worker = readFileSync(join(dist, packer[0]), "utf8");
  assert.match(
    worker,
    /Contains idb[^]*Jake Archibald[^]*Contains hash-wasm[^]*Dani Biró/,
    "licences",
  );
});

// "data: " with a blank begins a server-sent event, no address. The hub is where names that begin with "hf:" lead, which a
// caller has to write; nothing else in there names a place.
test("no eval, no blob workers, no foreign addresses in what is shipped", () => {
  for (const name of [...scripts, answers]) {
    const text = readFileSync(join(dist, name), "utf8").replace("https://huggingface.co", "");
    const found =
      /\beval\(|new Function|createObjectURL|["'`](blob|data):(?! )|https?:\/\/\w+\.\w/.exec(text);
    assert.equal(found, null, name);
  }
});

test("the page side holds no worker, no store and no module", async () => {
  const { metafile } = await build({
    entryPoints: [join(root, "web/src/index.ts")],
    external: ["./inlined.js", `./${answers}`],
    bundle: true,
    format: "esm",
    write: false,
    metafile: true,
    logLevel: "warning",
  });
  const names = Object.keys(metafile.inputs).map((path) =>
    path.replace(/^.*\//, "").replace(/\.ts$/, ""),
  );
  assert.deepEqual(names.filter((name) => name !== "generated_constants").sort(), [
    ...["chat", "checks", "engine_client", "errors", "features", "generation", "heartbeat"],
    ...[
      "index",
      "model",
      "openai",
      "pack_options",
      "page",
      "platform",
      "protocol",
      "session",
      "source_address",
      "status_advice",
      "token_stream",
      "user_messages",
    ],
  ]);
});

test(
  "bundled by esbuild with the assets beside it, it runs; so with assets elsewhere",
  limit,
  async () => {
    const browser = await launchBrowser();
    const server = await TestServer.start();
    try {
      for (const [place, assets] of [
        ["app", "app"],
        ["lean", "assets"],
      ]) {
        const options = place === assets ? "{}" : `{ assetsUrl: "/${assets}/" }`;
        const entry = join(folder, `${place}.mjs`);
        writeFileSync(
          entry,
          `import { load } from ${JSON.stringify(join(dist, "index.js"))};
        globalThis.write = async (prompt) => {
          const model = await load("/model.tercet", ${options});
          const { text } = await model.generate(prompt, { maxTokens: 8, seed: 5 }).result;
          await model.dispose();
          return text;
        };`,
        );
        const { outputFiles } = await build({
          entryPoints: [entry],
          bundle: true,
          minify: true,
          format: "esm",
          write: false,
          logLevel: "warning",
        });
        server.write(`${place}/app.js`, outputFiles[0].contents);
        for (const name of [...modules, "engine_worker.js"])
          server.write(`${assets}/${name}`, readFileSync(join(dist, name)));
        server.write(
          `${place}/index.html`,
          '<!doctype html><script type="module" src="app.js"></script>',
        );
        const page = await TestPage.open(browser, server, { path: `/${place}/` });
        const text = await page.run((prompt) => globalThis.write(prompt), PROMPT);
        assert.equal(text, runNatively(["-p", PROMPT, "-n", 8, "--seed", 5]).text);
        await page.finish();
      }
    } finally {
      await browser.close();
      await server.stop();
    }
  },
);
