// limits.mjs - `npm run bench:limits`: how fast this machine reads memory, how fast every kernel is,
// and how close each comes: natively, and as WebAssembly in Chromium. A kernel whose weights come from
// memory cannot pass the read bandwidth; its share of it says what is left to gain.

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { build } from "../scripts/build.mjs";
import { nativeBuild, root, wasmBuild } from "../scripts/paths.mjs";
import { isProgram, reportFailure, runCommand } from "../scripts/steps.mjs";
import { chromiumPath, launcher, prepareBrowser } from "./browser.mjs";
import { machineLine } from "./machine.mjs";
import { nativeProgram } from "./models.mjs";
import { benchJson } from "./native_runs.mjs";
import { readOptions } from "./options.mjs";
import { addRow, startResult, writeResult } from "./results.mjs";
import { columnsOf } from "./summary.mjs";
import { textTable } from "./table.mjs";
import { BenchSite } from "./web/site.mjs";

const command = {
  usage: "npm run bench:limits -- [OPTIONS]",
  summary:
    "Measures the read bandwidth (one and four streams a thread) and the speed of every kernel,\n" +
    "natively and as WebAssembly in Chromium, with each one's share of the bandwidth.",
  options: {
    threads: { kind: "counts", value: "LIST", default: [1, 2], help: "Threads; default 1,2." },
    only: {
      kind: "list",
      value: "LIST",
      choices: ["bandwidth", "native", "wasm"],
      default: ["bandwidth", "native", "wasm"],
      help: "Parts to measure; default all: bandwidth,native,wasm.",
    },
    json: { kind: "text", value: "FILE", help: "Keep the result." },
  },
};

/** Bytes of a weight as it is packed, without scales. */
const WEIGHT_BYTES = { ternary: 0.25, int8: 1, f16: 2, f32: 4 };

/** Matrices from here on come from memory: about twice the last cache of common machines. */
const FROM_MEMORY_MEGABYTES = 64;

/**
 * Lines of `check_kernels --bench`: "x86_avx2  ternary 55296x2560 35.4 MB tensor 1 tokens: 107.1 G/s".
 * @param {string} text
 */
export function parseKernelBench(text) {
  const line =
    /^(\w+) +(ternary|int8|f16|f32) +(\d+)x(\d+) +([\d.]+) MB *(\w*) +(\d+) tokens: +([\d.]+) G\/s$/;
  return text
    .split("\n")
    .map((row) => line.exec(row.trimEnd()))
    .filter(Boolean)
    .map(([, kernels, type, rows, columns, megabytes, scale, tokens, rate]) => ({
      kernels,
      type,
      rows: Number(rows),
      columns: Number(columns),
      megabytes: Number(megabytes),
      scale,
      tokens: Number(tokens),
      g_per_s: Number(rate),
    }));
}

/** Of a module's figures those of its own sets: the relaxed one has two, and runs simd128 and portable code as well. */
export const setsOf = (variant, kernels) =>
  kernels.filter(({ kernels: name }) => name.startsWith(`wasm_${variant}`));

/** Rows of the result: the kernel, what it worked on, G weights/s, GB/s, and the share of the limit. */
function addKernels(result, kernels, where, limit) {
  if (kernels.length === 0) throw new Error(`${where}: the kernel bench printed no figures`);
  for (const { kernels: name, type, rows, columns, megabytes, scale, tokens, g_per_s } of kernels) {
    const rate = g_per_s * WEIGHT_BYTES[type];
    addRow(result, {
      subject: `${type} ${rows} x ${columns}${scale ? `, scale a ${scale}` : ""}, ${tokens === 1 ? "1 token" : `${tokens} tokens`}, ${megabytes} MB`,
      engine: where === "native" ? name : `${name} (${where})`,
      figures: {
        g_per_s,
        // Only one token reads its weights once; more tokens share them. What fits into a cache has
        // another limit.
        ...(tokens === 1 && { packed_gb_per_s: rate }),
        ...(tokens === 1 && megabytes >= FROM_MEMORY_MEGABYTES && limit && { share: rate / limit }),
      },
    });
  }
}

/** What `check_kernels --bench` prints in a page; relaxed SIMD in Node 20 is behind a flag, and wrong. */
async function benchWasm(variant, report) {
  const target = `check_kernels-${variant}`;
  report(`building and running ${target}`);
  await runCommand("ninja", ["-C", wasmBuild, target], { failure: `${target} could not be built` });
  const chromium = await launcher();
  const browser = await chromium.launch({
    executablePath: chromiumPath(),
    args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
    handleSIGTERM: false, // as in web/visit.mjs
    handleSIGHUP: false,
  });
  let site = null;
  try {
    site = await BenchSite.start({ modules: wasmBuild, page: join(root, "bench/web/page") });
    const page = await browser.newPage();
    await page.goto(`${site.origin}/page/index.html`);
    const { status, text } = await page.evaluate(async (url) => {
      const lines = [];
      const print = (line) => lines.push(line);
      const { default: factory } = await import(url);
      const module = await factory({ print, printErr: print });
      return { status: module.callMain(["--bench"]), text: lines.join("\n") };
    }, `/modules/${target}.mjs`);
    if (status !== 0) throw new Error(`${target} ended with ${status}: ${text}`);
    return text;
  } finally {
    await browser.close();
    await site?.stop();
  }
}

export async function runLimits(args) {
  const options = readOptions(command, args);
  if (options === null) return;
  const report = (line) => process.stderr.write(`${line}\n`);
  const result = startResult("limits", { ...options, json: undefined });
  let limit = null;
  if (options.only.includes("bandwidth")) {
    const program = await nativeProgram(report);
    const threads = options.threads.join(",");
    report("measuring the read bandwidth");
    const { bandwidth } = await benchJson(program, ["--bandwidth", "--threads", threads]);
    for (const { threads: count, streams, read_gb_per_s } of bandwidth) {
      addRow(result, {
        subject: "reading memory",
        engine: streams === 1 ? "one stream a thread" : `${streams} streams a thread`,
        threads: count,
        figures: { read_gb_per_s },
      });
      if (count === 1) limit = Math.max(limit ?? 0, read_gb_per_s);
    }
  }
  if (options.only.includes("native")) {
    await build(["native"]);
    await runCommand("ninja", ["-C", nativeBuild, "core-kernels-check_kernels"], {
      failure: "the kernel bench could not be built",
    });
    report("running every native kernel set");
    const check = join(nativeBuild, "tests", "core-kernels-check_kernels");
    const out = execFileSync(check, ["--bench"], { encoding: "utf8" });
    addKernels(result, parseKernelBench(out), "native", limit);
  }
  if (options.only.includes("wasm")) {
    const missing = await prepareBrowser(["wasm"]).then(
      () => null,
      (error) => error,
    );
    for (const variant of ["simd128", "relaxed"]) {
      const where = "Chromium";
      try {
        if (missing) throw missing;
        const kernels = parseKernelBench(await benchWasm(variant, report));
        addKernels(result, setsOf(variant, kernels), where, limit);
      } catch (error) {
        addRow(result, {
          subject: "every kernel",
          engine: `wasm_${variant} (${where})`,
          failure: error.message.split("\n")[0],
        });
      }
    }
  }
  process.stdout.write(`\n${textTable(columnsOf(result), result.rows)}\n`);
  process.stdout.write(`${machineLine(result.machine)}\n`);
  if (options.json) writeResult(result, options.json);
}

if (isProgram(import.meta)) await runLimits(process.argv.slice(2)).catch(reportFailure);
