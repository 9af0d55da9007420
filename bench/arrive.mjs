// arrive.mjs - `npm run bench:arrive`: how long after the model's last byte the first token of a prompt comes, when load() was told of the
// prompt and when not. A server on this machine sends the model at a given speed; each visit is a fresh Chromium, both in turn. The
// server notes when it gave the last byte away, the page when it had a token: one machine, one clock.

import { closeSync, openSync, readSync, statSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { modelFile, root } from "../scripts/paths.mjs";
import { createServer, listen, parseRange } from "../scripts/serve.mjs";
import { isProgram, reportFailure, StepError } from "../scripts/steps.mjs";
import { chromiumPath, launcher, prepareBrowser } from "./browser.mjs";
import { machineLine } from "./machine.mjs";
import { chooseModels } from "./models.mjs";
import { readOptions } from "./options.mjs";
import { addRow, startResult, writeResult } from "./results.mjs";
import { median } from "./statistics.mjs";
import { columnsOf } from "./summary.mjs";
import { textTable } from "./table.mjs";

const command = {
  usage: "npm run bench:arrive -- [OPTIONS]",
  summary:
    "Time from the model's last byte to the first token, with the prompt given to load() and without.",
  options: {
    shape: {
      kind: "list",
      value: "LIST",
      help: "synthetic models (tercet bench --shapes); default: the bundled model",
    },
    model: { kind: "text", value: "FILE", help: "this file instead" },
    runs: { kind: "count", value: "N", help: "pairs of visits (default 5)", default: 5 },
    prompt: { kind: "count", value: "N", help: "tokens of the prompt (default 128)", default: 128 },
    threads: { kind: "count", value: "N", help: "threads of the engine (default 2)", default: 2 },
    speed: { kind: "count", value: "N", help: "MB/s of the server (default 20)", default: 20 },
    json: { kind: "text", value: "FILE", help: "write the figures to FILE" },
  },
};

const PIECE_BYTES = 65_536;
const TIMEOUT_MS = 300_000;

/** dist/ and an empty page, and the model at a pace; tells when the model's last byte was given away. */
class SlowSite {
  lastByteAt = 0;
  #path;
  #bytesPerSecond;
  #server;
  #files;
  origin;

  static async start(path, bytesPerSecond) {
    const site = new SlowSite();
    site.#path = path;
    site.#bytesPerSecond = bytesPerSecond;
    site.#files = createServer({ root: join(root, "dist"), contentPolicy: null }).listeners(
      "request",
    )[0];
    site.#server = createHttpServer((request, response) => site.#receive(request, response));
    site.origin = `http://127.0.0.1:${await listen(site.#server, { port: 0 })}`;
    return site;
  }

  #receive(request, response) {
    const isolation = {
      "Cross-Origin-Opener-Policy": "same-origin",
      "Cross-Origin-Embedder-Policy": "require-corp",
    };
    if (request.url === "/") {
      response.writeHead(200, { ...isolation, "Content-Type": "text/html" });
      response.end("<!doctype html><title>bench</title>");
    } else if (request.url === "/model.tercet") {
      this.#sendModel(request, response).catch(() => response.destroy());
    } else this.#files(request, response);
  }

  async #sendModel(request, response) {
    const size = statSync(this.#path).size;
    const range = parseRange(request.headers.range, size);
    const { first, last } = range === "whole" ? { first: 0, last: size - 1 } : range;
    response.writeHead(range === "whole" ? 200 : 206, {
      "Content-Type": "application/octet-stream",
      "Content-Length": last - first + 1,
      "Accept-Ranges": "bytes",
      ETag: '"model"',
      ...(range === "whole" ? {} : { "Content-Range": `bytes ${first}-${last}/${size}` }),
    });
    if (request.method === "HEAD") return void response.end();
    await pipeline(this.#pieces(first, last), response);
    if (last === size - 1) this.lastByteAt = Date.now();
  }

  async *#pieces(first, last) {
    const file = openSync(this.#path, "r");
    try {
      const begun = performance.now();
      for (let at = first; at <= last;) {
        const piece = Buffer.alloc(Math.min(PIECE_BYTES, last + 1 - at));
        readSync(file, piece, 0, piece.length, at);
        at += piece.length;
        const due = ((at - first) / this.#bytesPerSecond) * 1000 - (performance.now() - begun);
        if (due > 1) await new Promise((resolve) => setTimeout(resolve, due));
        yield piece;
      }
    } finally {
      closeSync(file);
    }
  }

  async stop() {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** In the page. */
async function visitPage({ promptTokens, threads, told }) {
  const tercet = await import("/index.js");
  const prompt = Uint32Array.from({ length: promptTokens }, (_, i) => 5 + ((7 * i) % 90));
  const model = await tercet.load("/model.tercet", {
    ...{ cache: "memory", threads, context: 2 * promptTokens },
    ...(told && { prompt }),
  });
  const { tokens, reusedTokens } = await model.generate(prompt, {
    ...{ maxTokens: 1, temperature: 0, seed: 1 },
  }).result;
  const tokenAt = Date.now();
  const { threads: used } = model.info;
  await model.dispose();
  return { tokenAt, token: tokens[0] ?? null, reusedTokens, threads: used };
}

async function visit(site, wanted) {
  const chromium = await launcher();
  const browser = await chromium.launch({
    executablePath: chromiumPath(),
    args: ["--no-sandbox", "--disable-gpu"],
  });
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(TIMEOUT_MS);
    await page.goto(`${site.origin}/`);
    return await page.evaluate(visitPage, wanted);
  } finally {
    await browser.close();
  }
}

async function measure({ path, name }, options, result) {
  const { runs, threads, prompt: promptTokens, speed } = options;
  const site = await SlowSite.start(path, speed * 1e6);
  const times = { told: [], silent: [] };
  const seen = new Set();
  let used = threads;
  try {
    for (let run = 0; run < runs; run++)
      for (const told of [true, false]) {
        const answer = await visit(site, { promptTokens, threads, told });
        times[told ? "told" : "silent"].push(answer.tokenAt - site.lastByteAt);
        seen.add(answer.token);
        used = answer.threads;
        if (told !== answer.reusedTokens > 0)
          throw new StepError(`${answer.reusedTokens} tokens of the prompt were reused`);
      }
  } finally {
    await site.stop();
  }
  if (seen.size > 1) throw new StepError("the first token is not the same with and without");
  for (const [which, engine] of [
    ["told", "load(url, { prompt })"],
    ["silent", "load(url)"],
  ])
    addRow(result, {
      ...{ subject: name, engine, threads: used },
      figures: { after_last_byte_ms: times[which] },
    });
  const [told, silent] = [median(times.told), median(times.silent)];
  result.notes.push(
    `${name}, prompt of ${promptTokens} tokens, ${speed} MB/s: first token ${told.toFixed(0)} ms after the last byte when load() has the prompt, ` +
      `${silent.toFixed(0)} ms when not: ${(silent / told).toFixed(1)} x`,
  );
}

export async function main(args) {
  const options = readOptions(command, args);
  if (options === null) return;
  const { runs, threads, prompt, speed } = options;
  const result = startResult("arrive", { runs, threads, prompt, speed });
  await prepareBrowser(["native", "model", "wasm", "web"]);
  const chosen = options.shape ? options : { model: options.model ?? modelFile };
  for (const model of await chooseModels(chosen, (text) => process.stderr.write(`${text}\n`)))
    await measure(model, options, result);
  process.stdout.write(`\n${textTable(columnsOf(result), result.rows)}\n`);
  for (const note of result.notes) process.stdout.write(`${note}\n`);
  process.stdout.write(`${machineLine(result.machine)}\n`);
  if (options.json) writeResult(result, options.json);
}

if (isProgram(import.meta)) await main(process.argv.slice(2)).catch(reportFailure);
