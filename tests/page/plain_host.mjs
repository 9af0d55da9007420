// plain_host.mjs - the built site as any host of static files serves it, in a subfolder: no ranges, no validators, no policy, no header
// but the type of a file.

import { readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { listen } from "../../scripts/serve.mjs";
import { siteFolder } from "./site_under_test.mjs";

const FOLDER = "/people/tom/tercet/";
const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
};

function answer(request, response) {
  const path = new URL(request.url, "http://host").pathname;
  const file = join(siteFolder, normalize(path.slice(FOLDER.length) || "index.html"));
  const found = path.startsWith(FOLDER) && statSync(file, { throwIfNoEntry: false })?.isFile();
  if (!found) return response.writeHead(404).end();
  const bytes = readFileSync(file);
  const type = TYPES[extname(file)] ?? "application/octet-stream";
  response.writeHead(200, { "Content-Type": type, "Content-Length": bytes.length });
  response.end(bytes);
}

/** `address`: of the page. */
export async function startPlainHost() {
  const server = createServer(answer);
  const origin = `http://127.0.0.1:${await listen(server, { port: 0 })}`;
  const stop = () => {
    server.closeAllConnections();
    server.close();
  };
  return { origin, address: `${origin}${FOLDER}`, stop };
}
