// build.mjs - makes the npm package's files in dist/ (library, worker, modules, types), then the page.
//
//   node web/build.mjs
//
// The worker and the modules lie beside index.js under their own names: that is where it looks for them. It must never
// bundle a module's glue (the glue starts its own threads from the file that it is) or fetch anything.
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

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
  for (const name of moduleFiles) {
    if (!existsSync(join(modules, name)))
      throw new Error(
        `${join(modules, name)} is missing: run \`node scripts/build.mjs wasm\` first`,
      );
  }
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const bundle = {
    outdir: out,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    logLevel: "warning",
  };
  await build({ ...bundle, entryPoints: [join(here, "src", "index.ts")] });
  // idb is inside the worker, and its licence wants to be in every copy.
  const licence = readFileSync(join(root, "node_modules", "idb", "LICENSE"), "utf8").trim();
  await build({
    ...bundle,
    entryPoints: [join(here, "src", "engine_worker.ts")],
    banner: { js: `/*! Contains idb.\n${licence}\n*/` },
  });
  for (const name of moduleFiles) cpSync(join(modules, name), join(out, name));
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
  const download = gzipped("index.js") + gzipped("engine_worker.js") + largest;
  if (download > LIMIT_GZIPPED_BYTES)
    throw new Error(
      `scripts and a module are ${download} bytes gzipped, more than ${LIMIT_GZIPPED_BYTES}`,
    );
  return { out, sizes, download };
}

/** index.d.ts and what it names. */
function emitTypes(out) {
  execFileSync(
    process.execPath,
    [
      join(root, "node_modules", "typescript", "bin", "tsc"),
      ...["-p", join(here, "src", "tsconfig.json"), "--outDir", out],
    ],
    { stdio: "inherit" },
  );
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
    `engine and scripts: ${(download / 1000).toFixed(1)} kB gzipped; page: ${site.files} files`,
  );
}
