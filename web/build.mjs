// build.mjs - makes the npm package's files in dist/ (library, worker, modules, types), then the page.
//
//   node web/build.mjs
//
// The worker and the modules lie beside index.js under their own names: that is where it looks for them. The same once more
// as texts (inlined/) for bundlers that move scripts and leave other files behind; single.js is all of it in one file. It
// must never bundle a module's glue (the glue starts its own threads from the file that it is) or fetch anything.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { deflateRawSync, gzipSync } from "node:zlib";
import { build, transform } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = join(here, "..");

export const VARIANTS = ["simd128", "simd128-threads", "relaxed", "relaxed-threads"];

/** What a visitor may have to download for the engine: scripts and the largest module. design.md, section 1. */
const LIMIT_GZIPPED_BYTES = 150_000;

/**
 * @param {object} [options]
 * @param {string} [options.modules] folder with the four modules
 * @param {string} [options.out] the package's files; what was there is replaced
 * @returns {Promise<{ out: string, sizes: { name: string, bytes: number, gzipped: number }[], download: number }>}
 *   `download`: gzipped bytes of the scripts and the largest module, which is the most that one visitor gets
 */
export async function buildLibrary({
  modules = join(root, "build", "wasm"),
  out = join(root, "dist"),
} = {}) {
  const moduleFiles = VARIANTS.flatMap((name) => [`tercet-${name}.mjs`, `tercet-${name}.wasm`]);
  moduleFiles.push("tercet-packer.wasm");
  for (const name of moduleFiles) {
    if (!existsSync(join(modules, name)))
      throw new Error(
        `${join(modules, name)} is missing: run \`node scripts/build.mjs wasm\` first`,
      );
  }
  rmSync(out, { recursive: true, force: true });
  mkdirSync(join(out, "inlined"), { recursive: true });
  // idb is inside the worker, and its licence wants to be in every copy.
  const licence = readFileSync(join(root, "node_modules", "idb", "LICENSE"), "utf8").trim();
  const banner = `/*! Contains idb.\n${licence}\n*/`;
  await bundle(out, "index.ts", { external: ["./inlined.js", "./openai_answers.js"] });
  await bundle(out, "openai_answers.ts", {});
  await bundle(out, "engine_worker.ts", { overrides: "worker", banner: { js: banner } });
  for (const name of moduleFiles) {
    const bytes = readFileSync(join(modules, name));
    writeFileSync(join(out, name), name.endsWith(".mjs") ? await glue(name, `${bytes}`) : bytes);
  }
  const hashes = readFileSync(join(root, "node_modules", "hash-wasm", "LICENSE"), "utf8").trim();
  const packerBanner = `${banner.replace(/\*\/$/, "")}\nContains hash-wasm.\n${hashes}\n*/`;
  await bundle(out, "packer_worker.ts", {
    entryNames: "tercet-packer",
    outExtension: { ".js": ".mjs" },
    banner: { js: packerBanner },
  });
  for (const [name, licences] of Object.entries({ grammar: "", look: "", tools: "", gguf: banner }))
    await bundle(out, `${name}_module.ts`, {
      overrides: "worker",
      entryNames: `tercet-${name}`,
      outExtension: { ".js": ".mjs" },
      banner: { js: licences },
    });
  await buildInlined(out, { banner, packerBanner });
  await buildForNode(out);
  emitTypes(out);
  const sizes = readdirSync(out)
    .filter((name) => /\.(m?js|wasm)$/.test(name))
    .map((name) => {
      const bytes = readFileSync(join(out, name));
      return { name, bytes: bytes.length, gzipped: gzipSync(bytes, { level: 9 }).length };
    });
  const gzipped = (name) => sizes.find((file) => file.name === name).gzipped;
  const largest = Math.max(
    ...VARIANTS.map((name) => gzipped(`tercet-${name}.mjs`) + gzipped(`tercet-${name}.wasm`)),
  );
  // What only some users need is no part of this, for it comes when it is first asked for: the packer and tercet-gguf.mjs with a GGUF file, grammars with the first
  // text that is held to one, looking inside with the first look, tools with the first measure, what answers in the shape of OpenAI with the first such question.
  const download = gzipped("index.js") + gzipped("engine_worker.js") + largest;
  if (download > LIMIT_GZIPPED_BYTES)
    throw new Error(
      `scripts and a module are ${download} bytes gzipped, more than ${LIMIT_GZIPPED_BYTES}`,
    );
  return { out, sizes, download };
}

/**
 * `overrides`: a folder of web/src/ whose files take the place of those of the same name (platform.ts). `inlinedFiles`:
 * the properties of what inlined_files.d.ts declares.
 */
async function bundle(out, entry, { overrides = null, inlinedFiles = null, ...options }) {
  const source = join(here, "src");
  const places = {
    name: "places",
    setup(esbuild) {
      esbuild.onResolve({ filter: /^\.\/\w+\.js$/ }, ({ path, resolveDir }) => {
        if (path === "./inlined_files.js") return { path, namespace: "generated" };
        const file = overrides && join(source, overrides, path.replace(/js$/, "ts"));
        return file && resolveDir === source && existsSync(file) ? { path: file } : null;
      });
      esbuild.onLoad({ filter: /./, namespace: "generated" }, () => ({
        contents: `export const files = {\n${inlinedFiles}\n};\n`,
        resolveDir: source,
      }));
    },
  };
  const { outputFiles } = await build({
    entryPoints: [join(source, entry)],
    outdir: out,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    logLevel: "warning",
    // package.json says that importing has no effect, which is not so inside of a worker.
    ignoreAnnotations: true,
    write: false,
    plugins: [places],
    ...options,
  });
  for (const { path, text } of outputFiles) writeFileSync(path, markedImports(text));
}

/** For scripts and servers: its own public side and worker, which use the same modules. */
async function buildForNode(out) {
  const options = { overrides: "node", platform: "node", target: "node20" };
  mkdirSync(join(out, "node"), { recursive: true });
  await bundle(join(out, "node"), "index.ts", options);
  for (const script of ["node/engine_worker", "node/packer_worker", "gguf_module"])
    await bundle(join(out, "node"), `${script}.ts`, { ...options, entryNames: "[name]" });
}

/** Addresses that are known only at run time: bundlers shall leave such an import alone. Minifying drops the marks. */
function markedImports(text) {
  return text.replace(/\bimport\((?=[\w$])/g, "import(/* webpackIgnore: true *//* @vite-ignore */");
}

/** Emscripten leaves a quarter of its script to be made smaller. */
async function glue(name, text) {
  const options = { minify: true, format: "esm", target: "es2022" };
  return (await transform(movableGlue(name, text), options)).code;
}

/** The glue of a module starts its threads from its own file: by whatever name that file goes after a bundler had it. */
function movableGlue(name, text) {
  const own = `new URL("${name}",import.meta.url)`;
  const count = text.split(own).length - 1;
  if (count !== (name.includes("threads") ? 1 : 0))
    throw new Error(
      `${name} names itself ${count} times: has Emscripten's way to start threads changed?`,
    );
  return text.replace(own, "new URL(import.meta.url)");
}

/** Worker and modules as texts: one file each for bundlers (inlined.ts), and all of it in one file (single.js). */
async function buildInlined(out, { banner, packerBanner }) {
  const packed = (name) =>
    deflateRawSync(readFileSync(join(out, name)), { level: 9 }).toString("base64");
  const inlined = { engine_worker: { script: packed("engine_worker.js") } };
  for (const variant of [...VARIANTS, "packer"]) {
    const name = `tercet-${variant}`;
    inlined[name] = { script: packed(`${name}.mjs`), binary: packed(`${name}.wasm`) };
  }
  for (const name of ["tercet-gguf", "tercet-grammar", "tercet-look", "tercet-tools"])
    inlined[name] = { script: packed(`${name}.mjs`) };
  for (const [name, { script, binary }] of Object.entries(inlined)) {
    const lines = [`export const script = "${script}";`];
    if (binary) lines.push(`export const binary = "${binary}";`);
    const licences = {
      engine_worker: banner,
      "tercet-gguf": banner,
      "tercet-packer": packerBanner,
    };
    const head = licences[name] ? `${licences[name]}\n` : "";
    writeFileSync(join(out, "inlined", `${name}.js`), `${head}${lines.join("\n")}\n`);
  }
  const names = Object.keys(inlined);
  await bundle(out, "inlined.ts", {
    inlinedFiles: names
      .map((name) => `"${name}": () => import("./inlined/${name}.js"),`)
      .join("\n"),
    external: ["./inlined/*"],
  });
  await bundle(out, "index.ts", {
    overrides: "single",
    inlinedFiles: names
      .map((name) => `"${name}": async () => (${JSON.stringify(inlined[name])}),`)
      .join("\n"),
    entryNames: "single",
    banner: { js: packerBanner },
  });
}

/** index.d.ts and what it names, which is less than what the compiler writes. */
function emitTypes(out) {
  execFileSync(
    process.execPath,
    [
      join(root, "node_modules", "typescript", "bin", "tsc"),
      ...["-p", join(here, "src", "tsconfig.json"), "--outDir", out],
    ],
    { stdio: "inherit" },
  );
  const named = new Set(["index.d.ts"]);
  for (const file of named)
    for (const [, name] of readFileSync(join(out, file), "utf8").matchAll(/"\.\/(\w+)\.js"/g))
      named.add(`${name}.d.ts`);
  for (const file of readdirSync(out))
    if (file.endsWith(".d.ts") && !named.has(file)) rmSync(join(out, file));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { sizes, download } = await buildLibrary();
  for (const { name, bytes, gzipped } of sizes)
    console.log(
      `${name.padEnd(28)} ${String(bytes).padStart(8)} bytes ${String(gzipped).padStart(7)} gzipped`,
    );
  const { buildSite } = await import("./page/build.mjs");
  const site = await buildSite();
  console.log(
    `engine and scripts: ${(download / 1000).toFixed(1)} kB gzipped; page and its libraries: ${(site.gzipped / 1000).toFixed(1)} kB (libraries ${(site.libraries / 1000).toFixed(1)} kB; ${(site.first / 1000).toFixed(1)} kB for the first view), ${site.files} files`,
  );
}
