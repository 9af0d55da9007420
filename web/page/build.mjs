// build.mjs - makes the page: build/site/ from the sources beside this file, the library in dist/ and the packed model.
//
// The page is a user of the library like any other: it imports the built package, whose worker finds its modules beside
// itself. The last step lists every file with its hash for the service worker. It must never put into
// the site what the list does not name, except the models and the worker itself.

import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { errorCodes } from "../../scripts/error-table.mjs";
import { pagePolicy } from "../../scripts/serve.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = join(here, "..", "..");
const copied = [
  ...["index.html", "manifest.webmanifest", "icon.svg", "icon-192.png", "icon-512.png"],
  ...["icon-maskable.png", "apple-touch-icon.png"],
];

/** What the page's browser may ask for; the package also holds types, and the engine once more as texts for bundlers. */
const isServed = (name) =>
  /\.(m?js|wasm)$/.test(name) && !["inlined.js", "single.js"].includes(name);

/** What the libraries of all views may weigh together, gzipped. */
const LIBRARIES_LIMIT_GZIPPED_BYTES = 60_000;
/** What all views and their libraries may weigh, gzipped: scripts, styles and the page itself, without the engine. */
const LIMIT_GZIPPED_BYTES = 80_000;
/** Of these, what comes before the first view is shown. */
const FIRST_VIEW_LIMIT_GZIPPED_BYTES = 35_000;

/** In the site the library lies in its own folder, unbundled: "../src/index.js" is there "./tercet/index.js". */
const libraryAsIs = {
  name: "library-as-is",
  setup(esbuild) {
    esbuild.onResolve({ filter: /^\.\.\/src\/index\.js$/ }, () => ({
      path: "./tercet/index.js",
      external: true,
    }));
  },
};

/**
 * @param {object} [options]
 * @param {string} [options.library] folder of the built package
 * @param {string} [options.model] the packed model that the page starts with
 * @param {string} [options.out] the site; what was there is replaced
 * @returns {Promise<{ out: string, files: number, bytes: number, gzipped: number, first: number, libraries: number }>} what is kept for use without a
 *   network, and what page and libraries weigh without the engine: all of it, before the first view is shown, and the libraries alone
 */
export async function buildSite({
  library = join(root, "dist"),
  model = join(root, "models", "gutenberg-6m-b158.tercet"),
  out = join(root, "build", "site"),
} = {}) {
  for (const [file, maker] of [
    [join(library, "index.js"), "node web/build.mjs"],
    [model, "node scripts/build.mjs model"],
  ]) {
    if (!existsSync(file)) throw new Error(`${file} is missing: run \`${maker}\` first`);
  }
  rmSync(out, { recursive: true, force: true });
  for (const folder of ["", "tercet", "models"]) mkdirSync(join(out, folder), { recursive: true });

  for (const name of copied) copyFileSync(join(here, name), join(out, name));
  const libraryFiles = readdirSync(library).filter(isServed);
  for (const name of libraryFiles) copyFileSync(join(library, name), join(out, "tercet", name));
  copyFileSync(model, join(out, "models", basename(model)));
  const shared = {
    bundle: true,
    minify: true,
    target: "es2022",
    logLevel: "warning",
    // The names of parts hang on the places of their sources, seen from here.
    absWorkingDir: root,
  };
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const bundled = { path: `models/${basename(model)}`, bytes: statSync(model).size };
  const { metafile } = await build({
    ...shared,
    entryPoints: [join(here, "main.tsx"), join(here, "style.css")],
    format: "esm",
    outdir: out,
    // Each view in a file of its own, fetched when it is wanted.
    splitting: true,
    jsx: "automatic",
    jsxImportSource: "preact",
    define: {
      BUNDLED_MODEL: JSON.stringify(bundled),
      ERROR_CODES: JSON.stringify(await errorCodes()),
      PAGE_VERSION: JSON.stringify(version),
    },
    metafile: true,
    plugins: [libraryAsIs],
  });
  const made = Object.keys(metafile.outputs).map((path) => inSite(out, path));
  writeFileSync(join(out, "index.html"), pageWithPolicy());
  const weigh = (names) =>
    names
      .map((name) => gzipSync(readFileSync(join(out, name)), { level: 9 }).length)
      .reduce((sum, bytes) => sum + bytes);
  const gzipped = weigh([...made, "index.html"]);
  const first = weigh([...firstFiles(metafile, out), "style.css", "index.html"]);
  const libraries = weighLibraries(metafile, out);
  for (const [what, bytes, most] of [
    ["what the page takes from libraries", libraries, LIBRARIES_LIMIT_GZIPPED_BYTES],
    ["the page with all its views", gzipped, LIMIT_GZIPPED_BYTES],
    ["what the first view needs", first, FIRST_VIEW_LIMIT_GZIPPED_BYTES],
  ])
    if (bytes > most) throw new Error(`${what} is ${bytes} bytes gzipped, more than ${most}`);

  writeFileSync(join(out, "_headers"), headersFile());
  // GitHub Pages leaves out names that begin with an underscore, unless it is told not to think.
  writeFileSync(join(out, ".nojekyll"), "");
  const kept = [...copied, ...made, ...libraryFiles.map((name) => `tercet/${name}`)];
  const precached = kept.sort().map((name) => {
    const bytes = readFileSync(join(out, name));
    const hash = createHash("sha256").update(bytes).digest("base64");
    return {
      path: name === "index.html" ? "" : name,
      integrity: `sha256-${hash}`,
      bytes: bytes.length,
    };
  });
  const list = JSON.stringify(precached.map(({ path, integrity }) => ({ path, integrity })));
  await build({
    ...shared,
    entryPoints: [join(here, "service_worker.ts")],
    format: "iife",
    outdir: out,
    define: {
      PRECACHED_FILES: list,
      SITE_VERSION: JSON.stringify(createHash("sha256").update(list).digest("hex").slice(0, 16)),
    },
  });
  const bytes = precached.reduce((sum, file) => sum + file.bytes, 0);
  return { out, files: precached.length, bytes, gzipped, first, libraries };
}

/** A place as esbuild has it, from the folder that it works in. */
const inSite = (out, path) => relative(out, resolve(root, path));

/** main.js and what it imports at once; views that are fetched when they are shown are not among it. */
function firstFiles({ outputs }, out) {
  const names = new Map(Object.keys(outputs).map((path) => [inSite(out, path), path]));
  const wanted = new Set(["main.js"]);
  for (const name of wanted)
    for (const { path, kind, external } of outputs[names.get(name)].imports)
      if (kind === "import-statement" && !external) wanted.add(inSite(out, path));
  return wanted;
}

/** Of each file the libraries' share, as they are compressed together with what is ours. */
function weighLibraries({ outputs }, out) {
  let libraries = 0;
  for (const [path, { bytes, inputs }] of Object.entries(outputs)) {
    const theirs = Object.entries(inputs)
      .filter(([input]) => input.includes("node_modules/"))
      .reduce((sum, [, { bytesInOutput }]) => sum + bytesInOutput, 0);
    if (theirs === 0) continue;
    const file = readFileSync(join(out, inSite(out, path)));
    libraries += (gzipSync(file, { level: 9 }).length * theirs) / bytes;
  }
  return Math.round(libraries);
}

/** index.html with the content policy in it: the same words that our server sends, less what only a header can say. */
function pageWithPolicy() {
  const page = readFileSync(join(here, "index.html"), "utf8");
  const mark = "<!-- content policy -->";
  if (page.split(mark).length !== 2) throw new Error(`index.html has no place for ${mark}`);
  const policy = pagePolicy.filter((rule) => !rule.startsWith("frame-ancestors"));
  return page.replace(
    mark,
    `<meta http-equiv="Content-Security-Policy" content="${policy.join("; ")}" />`,
  );
}

/** For hosts that take headers from such a file (Netlify, Cloudflare Pages); others serve it and nobody asks for it. */
function headersFile() {
  const lines = [
    "Cross-Origin-Opener-Policy: same-origin",
    "Cross-Origin-Embedder-Policy: require-corp",
    "Cross-Origin-Resource-Policy: same-origin",
    "X-Content-Type-Options: nosniff",
    "Referrer-Policy: no-referrer",
    "Cache-Control: no-cache",
  ];
  return ["/*", ...lines.map((line) => `  ${line}`), ""].join("\n");
}
