// serve.mjs - the development server: one folder of files, with the headers that a page with
// shared memory and a strict content policy needs.
//
//   node scripts/serve.mjs [--port N] [--host H] [--root FOLDER] [--no-isolation]
//
// Why our own: threads in the page need COOP and COEP, the loader needs byte ranges with strong
// validators, and a test needs both to be switchable. It must never answer with a file outside its
// folder, list a folder, or listen on other than 127.0.0.1 unless told to. Reading is all it can do.

import { createReadStream } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { extname, join, sep } from "node:path";
import { StepError, isProgram, reportFailure } from "./steps.mjs";
import { site } from "./paths.mjs";

const contentTypes = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".json": "application/json; charset=utf-8",
  ".map": "application/json; charset=utf-8",
  ".webmanifest": "application/manifest+json; charset=utf-8",
  ".txt": "text/plain; charset=utf-8",
  ".wasm": "application/wasm",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".tercet": "application/octet-stream",
};

/**
 * What the page may do. Models may come from any site over https, which is what its field for an address is for; scripts,
 * styles and pictures come from its own only, and markup or script addresses only by way of the one policy named.
 */
export const pagePolicy = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "connect-src 'self' https:",
  "worker-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types default",
  "frame-ancestors 'none'",
];

/**
 * The header of every answer. Without the rules for markup: pages say those themselves (index.html has the whole policy in it),
 * and workers have no markup and start their own threads by address.
 */
export const contentSecurityPolicy = pagePolicy
  .filter((rule) => !rule.includes("trusted-types"))
  .join("; ");

/** On every answer, errors too: a worker's script carries its own policy. */
function commonHeaders(isolation, contentPolicy) {
  const headers = {
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    // Always ask again; the ETag makes that cheap. A stale module beside a new page would not run.
    "Cache-Control": "no-cache",
  };
  if (contentPolicy !== null) headers["Content-Security-Policy"] = contentPolicy;
  if (isolation) {
    headers["Cross-Origin-Opener-Policy"] = "same-origin";
    headers["Cross-Origin-Embedder-Policy"] = "require-corp";
  }
  return headers;
}

/**
 * The path of a request as safe path parts, or null when it is none: no way up, no hidden files,
 * no separators or NUL smuggled in by escapes.
 * @param {string} url the request target
 */
export function parsePath(url) {
  const path = url.split(/[?#]/, 1)[0];
  if (!path.startsWith("/")) return null;
  const parts = [];
  for (const raw of path.slice(1).split("/")) {
    let part;
    try {
      part = decodeURIComponent(raw);
    } catch {
      return null;
    }
    if (part.startsWith(".") || /[\\/\0]/.test(part)) return null;
    parts.push(part);
  }
  // An empty part may only end the path ("/a/"): "//host/x" is nothing we serve.
  return parts.slice(0, -1).includes("") ? null : parts;
}

/**
 * RFC 9110, section 14. One range is answered; several, another unit or bad syntax are ignored,
 * which the RFC allows, and the whole file is the answer.
 * @returns {{ first: number, last: number } | "whole" | "unsatisfiable"}
 */
export function parseRange(header, size) {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? "");
  if (!match || (match[1] === "" && match[2] === "")) return "whole";
  if (match[1] === "") {
    const length = Number(match[2]);
    if (length === 0 || size === 0) return "unsatisfiable";
    return { first: Math.max(0, size - length), last: size - 1 };
  }
  const first = Number(match[1]);
  const last = match[2] === "" ? size - 1 : Math.min(Number(match[2]), size - 1);
  if (match[2] !== "" && Number(match[2]) < first) return "whole";
  return first >= size ? "unsatisfiable" : { first, last };
}

/** If-Range: the range counts only for exactly this version. A weak validator never matches. */
function ifRangeHolds(header, etag, modified) {
  if (header === undefined) return true;
  if (header.startsWith('"')) return header === etag;
  return header === modified;
}

function ifNoneMatchHolds(header, etag) {
  if (header === undefined) return false;
  return header === "*" || header.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag);
}

/** Finds the file of a request below `folder`; null when there is none. */
async function findFile(folder, parts) {
  let path = join(folder, ...parts);
  try {
    let info = await stat(path);
    if (info.isDirectory()) {
      if (parts.at(-1) !== "") return { redirect: true };
      path = join(path, "index.html");
    } else if (parts.at(-1) === "") {
      return null; // "/file/"
    }
    // A link may lead out of the folder: what counts is where the file really is.
    const real = await realpath(path);
    if (!real.startsWith((await realpath(folder)) + sep)) return null;
    info = await stat(real, { bigint: true });
    return info.isFile() ? { path: real, info } : null;
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "EACCES", "ELOOP", "ENAMETOOLONG"].includes(error.code)) return null;
    throw error;
  }
}

/**
 * @param {object} [options]
 * @param {string} [options.root] folder to serve
 * @param {boolean} [options.isolation] send COOP and COEP
 * @param {string | null} [options.contentPolicy] null sends none: for pages of others only
 * @param {(line: string) => void} [options.log] one line for each request
 * @returns {import("node:http").Server} not listening yet; see listen()
 */
export function createServer({
  root = site,
  isolation = true,
  contentPolicy = contentSecurityPolicy,
  log = () => {},
} = {}) {
  const headers = commonHeaders(isolation, contentPolicy);

  async function answer(request, response) {
    const refuse = (status, text, extra = {}) => {
      const body = `${text}\n`;
      response.writeHead(status, {
        ...headers,
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": Buffer.byteLength(body),
        ...extra,
      });
      response.end(request.method === "HEAD" ? undefined : body);
    };
    if (request.method !== "GET" && request.method !== "HEAD") {
      return refuse(405, "only GET and HEAD are answered here", { Allow: "GET, HEAD" });
    }
    const parts = parsePath(request.url);
    if (parts === null) return refuse(400, "this path is not served");
    const found = await findFile(root, parts);
    if (found === null) return refuse(404, "no such file");
    if (found.redirect) {
      return refuse(308, "this is a folder", {
        Location: `/${parts.map(encodeURIComponent).join("/")}/`,
      });
    }

    const size = Number(found.info.size);
    // Strong: another content has another time in nanoseconds, inode or size.
    const etag = `"${found.info.ino.toString(36)}-${found.info.mtimeNs.toString(36)}-${size.toString(36)}"`;
    const modified = new Date(Number(found.info.mtimeMs)).toUTCString();
    const type = extname(found.path).toLowerCase();
    const fileHeaders = {
      ...headers,
      "Content-Type": contentTypes[type] ?? "application/octet-stream",
      ETag: etag,
      "Last-Modified": modified,
      "Accept-Ranges": "bytes",
    };
    if (ifNoneMatchHolds(request.headers["if-none-match"], etag)) {
      response.writeHead(304, fileHeaders);
      return response.end();
    }
    // Range has a meaning for GET only.
    const asked =
      request.method === "GET" && ifRangeHolds(request.headers["if-range"], etag, modified);
    const range = asked ? parseRange(request.headers.range, size) : "whole";
    if (range === "unsatisfiable") {
      return refuse(416, "the file ends before this range", {
        "Content-Range": `bytes */${size}`,
        "Accept-Ranges": "bytes",
      });
    }
    const { first, last } = range === "whole" ? { first: 0, last: size - 1 } : range;
    fileHeaders["Content-Length"] = last - first + 1;
    if (range !== "whole") fileHeaders["Content-Range"] = `bytes ${first}-${last}/${size}`;
    response.writeHead(range === "whole" ? 200 : 206, fileHeaders);
    if (request.method === "HEAD" || size === 0) return response.end();
    const stream = createReadStream(found.path, { start: first, end: last });
    // The header is out: all that is left for a read error is to cut the connection, which the
    // receiver sees as a short body.
    stream.on("error", () => response.destroy());
    response.on("close", () => stream.destroy());
    stream.pipe(response);
  }

  return createHttpServer((request, response) => {
    response.on("finish", () => log(`${request.method} ${request.url} ${response.statusCode}`));
    answer(request, response).catch((error) => {
      log(`${request.method} ${request.url} failed: ${error.message}`);
      if (!response.headersSent) response.writeHead(500, headers);
      response.end();
    });
  });
}

/**
 * Listens on `port`, or on the next of the following twenty that is free. Port 0 takes any.
 * @returns {Promise<number>} the port
 */
export async function listen(server, { port = 8080, host = "127.0.0.1", tries = 20 } = {}) {
  for (let candidate = port; ; candidate++) {
    try {
      await new Promise((resolve, reject) => {
        server.once("error", reject);
        server.listen(candidate, host, () => {
          server.removeListener("error", reject);
          resolve();
        });
      });
      return server.address().port;
    } catch (error) {
      server.removeAllListeners("error");
      if (error.code !== "EADDRINUSE" || candidate >= port + tries || candidate >= 65535)
        throw error;
    }
  }
}

/** Serves until the process is interrupted; says where. */
export async function serve({
  root = site,
  port = 8080,
  host = "127.0.0.1",
  isolation = true,
} = {}) {
  const server = createServer({ root, isolation });
  const taken = await listen(server, { port, host }).catch((error) => {
    const advice = {
      EACCES: "ports below 1024 need root; choose another with --port",
      EADDRINUSE: "it and the ports after it are in use; choose another with --port",
      EADDRNOTAVAIL: "this machine has no such address; choose another with --host",
      ENOTFOUND: "this machine has no such address; choose another with --host",
    }[error.code];
    throw new StepError(
      `the page cannot be served on ${host}, port ${port}: ${advice ?? error.message} (${error.code})`,
    );
  });
  if (port !== 0 && taken !== port) console.log(`Port ${port} is in use; taking ${taken}.`);
  const shown = host.includes(":") ? `[${host}]` : host;
  console.log(
    `Serving ${isolation ? "" : "(not isolated: one thread) "}at  http://${shown}:${taken}/`,
  );
  console.log("Press Ctrl-C to stop.");
  const stop = () => {
    server.close();
    server.closeAllConnections();
  };
  process.once("SIGINT", stop).once("SIGTERM", stop);
  await new Promise((resolve) => server.once("close", resolve));
}

export function parseServeOptions(args) {
  const options = {};
  for (let i = 0; i < args.length; i++) {
    const value = () => {
      if (args[i + 1] === undefined) throw new Error(`${args[i]} needs a value`);
      return args[++i];
    };
    if (args[i] === "--port") {
      options.port = Number(value());
      if (!Number.isInteger(options.port) || options.port < 0 || options.port > 65535) {
        throw new Error(`--port needs a number from 0 to 65535, not ${args[i]}`);
      }
    } else if (args[i] === "--host") options.host = value();
    else if (args[i] === "--root") options.root = value();
    else if (args[i] === "--no-isolation") options.isolation = false;
    else throw new Error(`unknown option ${args[i]}`);
  }
  return options;
}

if (isProgram(import.meta)) {
  const usage =
    "usage: node scripts/serve.mjs [--port N] [--host H] [--root FOLDER] [--no-isolation]\n";
  const args = process.argv.slice(2);
  let options;
  try {
    if (args.includes("--help") || args.includes("-h")) process.stdout.write(usage);
    else options = parseServeOptions(args);
  } catch (error) {
    process.stderr.write(`${error.message}\n${usage}`);
    process.exitCode = 2;
  }
  if (options) await serve(options).catch(reportFailure);
}
