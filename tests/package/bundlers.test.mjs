// bundlers.test.mjs - a page that was built from the installed package, with nothing but its name in the source and no setting
// of a bundler: esbuild, Vite, webpack, and no bundler at all. Each runs in Chromium and writes the native twin's text, with
// threads on an isolated page and without them on another.

import assert from "node:assert/strict";
import { cpSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { build as buildWithEsbuild } from "esbuild";
import { listen } from "../../scripts/serve.mjs";
import {
  PROMPT,
  TestServer,
  launchBrowser,
  limit,
  modelPath,
  runNatively,
} from "../web/library_under_test.mjs";
import {
  GGUF,
  HELD,
  INLINED_POLICY,
  Project,
  ggufBytes,
  ggufId,
  pageMarkup,
  pageScript,
  writeAt,
  writeInPage,
} from "./installed_package.mjs";

let browser, project, expected, expectedId;
before(async () => {
  browser = await launchBrowser();
  project = await Project.create({ "app.js": pageScript() });
  expected = runNatively(["-p", PROMPT, "-n", 8, "--seed", 5]).text;
  expectedId = ggufId();
});
after(async () => {
  await browser?.close();
  project?.remove();
});

/** The page works on both kinds of sites; returns what the isolated one said. */
async function works(folder, { contentPolicy } = {}) {
  const plain = await writeInPage(browser, folder, { isolation: false, contentPolicy });
  assert.equal(plain.text, expected);
  assert.match(plain.held, HELD);
  assert.equal(plain.packed, expectedId);
  assert.equal(plain.threads, 1);
  assert.equal(plain.isolated, false);
  const isolated = await writeInPage(browser, folder, { contentPolicy });
  assert.equal(isolated.text, expected);
  assert.match(isolated.held, HELD);
  assert.equal(isolated.packed, expectedId);
  assert.equal(isolated.isolated, true);
  assert.match(isolated.variant, /-threads$/);
  assert.ok(isolated.threads > 1);
  return isolated;
}

const inBundle = (written) => written.notices.some((notice) => /inside the bundle/.test(notice));

test("no bundler: the folder is served as it is", limit, async () => {
  const folder = project.path("plain");
  cpSync(project.path("node_modules", "tercet", "dist"), join(folder, "tercet"), {
    recursive: true,
  });
  project.write("plain/app.js", pageScript("./tercet/index.js"));
  project.write("plain/index.html", pageMarkup("app.js"));
  const written = await works(folder);
  assert.equal(inBundle(written), false);
});

test("no bundler: an import map gives the name", limit, async () => {
  const folder = project.path("mapped");
  cpSync(project.path("node_modules", "tercet", "dist"), join(folder, "tercet"), {
    recursive: true,
  });
  project.write("mapped/app.js", pageScript());
  const map = JSON.stringify({ imports: { tercet: "/tercet/index.js" } });
  project.write(
    "mapped/index.html",
    `<!doctype html><script type="importmap">${map}</script>${pageMarkup("app.js")}`,
  );
  assert.equal(inBundle(await works(folder, { contentPolicy: null })), false);
});

test("no bundler: the scripts come from another site", limit, async () => {
  const site = await TestServer.start({ contentPolicy: null });
  const elsewhere = createHttpServer(async (request, response) => {
    const file = project.path("node_modules", "tercet", "dist", `.${request.url}`);
    const type = file.endsWith(".wasm") ? "application/wasm" : "text/javascript";
    response.writeHead(200, {
      "Content-Type": type,
      "Access-Control-Allow-Origin": "*",
      "Cross-Origin-Resource-Policy": "cross-origin",
    });
    response.end(await readFile(file));
  });
  try {
    const port = await listen(elsewhere, { port: 0 });
    const origin = `http://localhost:${port}`;
    site.write(GGUF, ggufBytes);
    site.write("index.html", pageMarkup("app.js"));
    site.write("app.js", pageScript(`${origin}/index.js`));
    const written = await writeAt(browser, site.origin, "/", { others: [origin] });
    assert.equal(written.text, expected);
    assert.match(written.held, HELD);
    assert.equal(written.packed, expectedId);
    assert.ok(written.threads > 1);
  } finally {
    elsewhere.closeAllConnections();
    await new Promise((resolve) => elsewhere.close(resolve));
    await site.stop();
  }
});

test("tercet/single: one file, nothing beside it is asked for", limit, async () => {
  cpSync(project.path("node_modules/tercet/dist/single.js"), project.path("single", "tercet.js"));
  project.write("single/app.js", pageScript("./tercet.js"));
  project.write("single/index.html", pageMarkup("app.js"));
  const written = await works(project.path("single"), { contentPolicy: INLINED_POLICY });
  assert.deepEqual(written.notices, []);
  assert.deepEqual(
    [...new Set(written.paths)],
    ["/", "/app.js", "/tercet.js", "/model.tercet", `/${GGUF}`],
  );
});

describe("esbuild", () => {
  const bundle = (folder, options) =>
    buildWithEsbuild({
      entryPoints: [project.path("app.js")],
      absWorkingDir: project.folder,
      bundle: true,
      format: "esm",
      outdir: project.path(folder),
      logLevel: "error",
      ...options,
    });

  test(
    "bundler breaks worker URL? No: esbuild's one bundle has worker and modules in it",
    limit,
    async () => {
      await bundle("esbuild", { minify: true });
      project.write("esbuild/index.html", pageMarkup("app.js"));
      assert.equal(
        inBundle(await works(project.path("esbuild"), { contentPolicy: INLINED_POLICY })),
        true,
      );
    },
  );

  test("tercet/single by its name", limit, async () => {
    project.write("lonely/in.js", pageScript("tercet/single"));
    const entryPoints = { app: project.path("lonely", "in.js") };
    await bundle("lonely/out", { entryPoints, minify: true });
    project.write("lonely/out/index.html", pageMarkup("app.js"));
    const written = await works(project.path("lonely", "out"), { contentPolicy: INLINED_POLICY });
    assert.deepEqual([...new Set(written.paths)], ["/", "/app.js", "/model.tercet", `/${GGUF}`]);
  });

  test("with splitting, only the module that runs is fetched", limit, async () => {
    await bundle("esbuild-split", { minify: true, splitting: true });
    project.write("esbuild-split/index.html", pageMarkup("app.js"));
    const written = await works(project.path("esbuild-split"), { contentPolicy: INLINED_POLICY });
    const modules = written.paths.filter((path) => /tercet-(simd128|relaxed)/.test(path));
    assert.equal(modules.length, 1, modules.join(" "));
  });
});

// Vite asks for a newer Node than the library and the rest of these tests.
const [major, minor] = process.versions.node.split(".").map(Number);
const vites = major >= 23 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19);
const tooOld = !vites && `Vite 8 needs Node 20.19 or 22.12, this is ${process.versions.node}`;

describe("Vite", { skip: tooOld }, () => {
  test("bundler breaks worker URL? No: Vite brings the worker along", limit, async () => {
    const { build } = await import("vite");
    project.write("vite/index.html", pageMarkup("/app.js"));
    project.write("vite/app.js", pageScript());
    await build({ root: project.path("vite"), logLevel: "error", configFile: false });
    const written = await works(project.path("vite", "dist"));
    assert.equal(inBundle(written), false, "Vite brings the worker along");
    const served = written.paths.filter((path) => /engine_worker/.test(path));
    assert.equal(new Set(served).size, 1);
  });

  // The development server moves the script of the package and nothing else of it.
  for (const [kind, headers] of [
    ["plain", {}],
    [
      "isolated",
      {
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Embedder-Policy": "require-corp",
      },
    ],
  ]) {
    test(`development server, ${kind}`, limit, async () => {
      const { createServer } = await import("vite");
      project.write("vite-dev/index.html", pageMarkup("/app.js"));
      project.write("vite-dev/app.js", pageScript());
      project.write("vite-dev/public/model.tercet", readFileSync(modelPath));
      project.write(`vite-dev/public/${GGUF}`, ggufBytes);
      const vite = await createServer({
        root: project.path("vite-dev"),
        cacheDir: project.path("vite-dev-cache"),
        logLevel: "error",
        configFile: false,
        server: { host: "127.0.0.1", port: 0, headers, watch: null },
      });
      try {
        await vite.listen();
        const { port } = vite.httpServer.address();
        const written = await writeAt(browser, `http://127.0.0.1:${port}`);
        assert.equal(written.text, expected);
        assert.match(written.held, HELD);
        assert.equal(written.packed, expectedId);
        assert.equal(written.isolated, kind === "isolated");
        assert.equal(written.threads > 1, kind === "isolated");
      } finally {
        await vite.close();
      }
    });
  }
});

test("bundler breaks worker URL? No: webpack brings the worker along", limit, async () => {
  const webpack = createRequire(import.meta.url)("webpack");
  const stats = await new Promise((resolve, reject) =>
    webpack(
      {
        context: project.folder,
        mode: "production",
        entry: "./app.js",
        output: { path: project.path("webpack") },
      },
      (error, result) => (error ? reject(error) : resolve(result)),
    ),
  );
  assert.equal(stats.hasErrors(), false, stats.toString({ all: false, errors: true }));
  project.write("webpack/index.html", pageMarkup("main.js"));
  assert.equal(inBundle(await works(project.path("webpack"))), false);
});
