// site.mjs - what the browser bench loads, from this machine alone: the engines, the models and the bench's own page behind
// the project's server, each folder under a name of its own. It keeps what was asked for, so that the size of a download
// is what a page really fetched and not what a package weighs.

import { readFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { createServer, listen } from "../../scripts/serve.mjs";

export class BenchSite {
  #folders;
  #answers = new Map();
  #paths = new Set();
  #server;
  #port;

  /** `folders`: name in the address -> folder on the disk. Isolated, so that pages have threads. */
  static async start(folders) {
    const started = new BenchSite();
    started.#folders = new Map(Object.entries(folders));
    for (const [name, folder] of started.#folders) {
      // No content policy: the rival starts its workers from text, which a strict one forbids.
      const server = createServer({ root: folder, contentPolicy: null });
      started.#answers.set(name, server.listeners("request")[0]);
    }
    started.#server = createHttpServer((request, response) => started.#receive(request, response));
    started.#port = await listen(started.#server, { port: 0 });
    return started;
  }

  get origin() {
    return `http://127.0.0.1:${this.#port}`;
  }

  #receive(request, response) {
    const [, name, rest] = /^\/([^/?]+)(\/.*)$/.exec(request.url) ?? [];
    const answer = this.#answers.get(name);
    if (!answer) {
      response.writeHead(404).end();
      return;
    }
    this.#paths.add(request.url.replace(/[?#].*$/, ""));
    request.url = rest;
    answer(request, response);
  }

  /** Forgets what was asked for so far. */
  forget() {
    this.#paths.clear();
  }

  /** Files of this folder that were asked for, as a server that compresses sends them. */
  sentOf(name) {
    const files = [...this.#paths]
      .filter((path) => path.startsWith(`/${name}/`))
      .map((path) => {
        const bytes = readFileSync(join(this.#folders.get(name), path.slice(name.length + 2)));
        return { path, bytes: bytes.length, gzipBytes: gzipSync(bytes, { level: 9 }).length };
      });
    return { files, gzipBytes: files.reduce((sum, file) => sum + file.gzipBytes, 0) };
  }

  async stop() {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
