// serve.test.mjs - the development server: what it sends, what it refuses, and that it never
// leaves its folder. Requests go over a raw socket where an HTTP client would tidy them up.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  contentSecurityPolicy,
  pagePolicy,
  createServer,
  listen,
  parsePath,
  parseRange,
  parseServeOptions,
  serve,
} from "../../scripts/serve.mjs";
import { StepError } from "../../scripts/steps.mjs";

let folder, root, server, plain, port, plainPort;
const bytes = Buffer.from(Array.from({ length: 1000 }, (_, i) => (i * 7) % 251));

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "tercet-serve-"));
  root = join(folder, "site");
  mkdirSync(join(root, "page"), { recursive: true });
  mkdirSync(join(root, ".secret"));
  writeFileSync(join(root, "index.html"), "<!doctype html><title>t</title>");
  writeFileSync(join(root, "page", "index.html"), "inner");
  writeFileSync(join(root, "model.tercet"), bytes);
  writeFileSync(join(root, "empty.tercet"), "");
  writeFileSync(join(root, "tercet-simd128.mjs"), "export default 1;");
  writeFileSync(join(root, "tercet-simd128.wasm"), "\0asm");
  writeFileSync(join(root, "a b.txt"), "space");
  writeFileSync(join(root, ".secret", "key.txt"), "hidden");
  writeFileSync(join(folder, "outside.txt"), "outside");
  symlinkSync(join(folder, "outside.txt"), join(root, "link.txt"));
  symlinkSync(join(root, "a b.txt"), join(root, "inner-link.txt"));
  server = createServer({ root });
  plain = createServer({ root, isolation: false });
  port = await listen(server, { port: 0 });
  plainPort = await listen(plain, { port: 0 });
});

after(() => {
  for (const each of [server, plain]) {
    each.close();
    each.closeAllConnections();
  }
  rmSync(folder, { recursive: true });
});

/** The request target goes out exactly as written. */
function request(target, { method = "GET", headers = {}, at = port } = {}) {
  return new Promise((resolve, reject) => {
    const socket = connect(at, "127.0.0.1", () => {
      const lines = Object.entries({ Host: "x", Connection: "close", ...headers });
      socket.write(
        `${method} ${target} HTTP/1.1\r\n${lines.map(([k, v]) => `${k}: ${v}`).join("\r\n")}\r\n\r\n`,
      );
    });
    const chunks = [];
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.on("error", reject);
    socket.on("end", () => {
      const all = Buffer.concat(chunks);
      const end = all.indexOf("\r\n\r\n");
      const [first, ...rest] = all.subarray(0, end).toString().split("\r\n");
      const got = {};
      for (const line of rest)
        got[line.slice(0, line.indexOf(":")).toLowerCase()] = line.slice(line.indexOf(":") + 2);
      resolve({ status: Number(first.split(" ")[1]), headers: got, body: all.subarray(end + 4) });
    });
  });
}

test("every answer carries the isolation headers and the policy, errors too", async () => {
  for (const target of ["/", "/model.tercet", "/nothing", "/../outside.txt"]) {
    const { headers } = await request(target);
    assert.equal(headers["cross-origin-opener-policy"], "same-origin", target);
    assert.equal(headers["cross-origin-embedder-policy"], "require-corp", target);
    assert.equal(headers["cross-origin-resource-policy"], "same-origin", target);
    assert.equal(headers["content-security-policy"], contentSecurityPolicy, target);
    assert.equal(headers["x-content-type-options"], "nosniff", target);
  }
  for (const part of [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "worker-src 'self'",
    "frame-ancestors 'none'",
  ]) {
    assert.ok(contentSecurityPolicy.split("; ").includes(part), part);
  }
  assert.doesNotMatch(contentSecurityPolicy, /unsafe-inline|'unsafe-eval'|\*/);
  const blobs = pagePolicy.filter((rule) => rule.includes("blob:"));
  assert.deepEqual(blobs, ["img-src 'self' data: blob:"], "pictures only");
  assert.ok(pagePolicy.includes("require-trusted-types-for 'script'"));
});

test("without isolation the two headers are gone and the policy stays", async () => {
  const { headers, status } = await request("/", { at: plainPort });
  assert.equal(status, 200);
  assert.equal(headers["cross-origin-opener-policy"], undefined);
  assert.equal(headers["cross-origin-embedder-policy"], undefined);
  assert.equal(headers["content-security-policy"], contentSecurityPolicy);
});

test("types are what a browser insists on", async () => {
  const type = async (target) => (await request(target)).headers["content-type"];
  assert.match(await type("/"), /^text\/html/);
  assert.match(await type("/tercet-simd128.mjs"), /^text\/javascript/);
  assert.equal(await type("/tercet-simd128.wasm"), "application/wasm");
  assert.equal(await type("/model.tercet"), "application/octet-stream");
});

test("folders answer with their index, by way of a slash", async () => {
  assert.equal((await request("/page/")).body.toString(), "inner");
  const { status, headers } = await request("/page");
  assert.equal(status, 308);
  assert.equal(headers.location, "/page/");
  assert.equal((await request("/model.tercet/")).status, 404);
});

test("a whole file, its HEAD, and a query that is ignored", async () => {
  const whole = await request("/model.tercet?version=2");
  assert.equal(whole.status, 200);
  assert.equal(whole.headers["accept-ranges"], "bytes");
  assert.deepEqual(whole.body, bytes);
  const head = await request("/model.tercet", { method: "HEAD", headers: { Range: "bytes=0-9" } });
  assert.equal(head.status, 200);
  assert.equal(head.headers["content-length"], "1000");
  assert.equal(head.headers.etag, whole.headers.etag);
  assert.equal(head.body.length, 0);
  assert.equal((await request("/a%20b.txt")).body.toString(), "space");
  assert.equal((await request("/empty.tercet")).headers["content-length"], "0");
});

test("one range is answered with exactly its bytes", async () => {
  for (const [range, first, last] of [
    ["bytes=0-0", 0, 0],
    ["bytes=10-19", 10, 19],
    ["bytes=990-", 990, 999],
    ["bytes=990-5000", 990, 999],
    ["bytes=-10", 990, 999],
    ["bytes=-5000", 0, 999],
  ]) {
    const { status, headers, body } = await request("/model.tercet", { headers: { Range: range } });
    assert.equal(status, 206, range);
    assert.equal(headers["content-range"], `bytes ${first}-${last}/1000`, range);
    assert.equal(headers["content-length"], String(last - first + 1), range);
    assert.deepEqual(body, bytes.subarray(first, last + 1), range);
  }
});

test("a range past the end is 416 and names the size", async () => {
  for (const [target, range, size] of [
    ["/model.tercet", "bytes=1000-", 1000],
    ["/model.tercet", "bytes=99999999999999999999-", 1000],
    ["/model.tercet", "bytes=-0", 1000],
    ["/empty.tercet", "bytes=0-", 0],
  ]) {
    const { status, headers } = await request(target, { headers: { Range: range } });
    assert.equal(status, 416, range);
    assert.equal(headers["content-range"], `bytes */${size}`, range);
  }
});

test("what is no single byte range gives the whole file", async () => {
  for (const range of ["bytes=5-2", "bytes=-", "bytes=a-b", "lines=1-2", "bytes=0-1,4-5"]) {
    const { status, body } = await request("/model.tercet", { headers: { Range: range } });
    assert.equal(status, 200, range);
    assert.equal(body.length, 1000, range);
  }
});

test("If-Range: the same version gives the part, another one the whole", async () => {
  const { etag, "last-modified": modified } = (await request("/model.tercet")).headers;
  const ranged = async (ifRange) =>
    (await request("/model.tercet", { headers: { Range: "bytes=0-9", "If-Range": ifRange } }))
      .status;
  assert.equal(await ranged(etag), 206);
  assert.equal(await ranged(modified), 206);
  assert.equal(await ranged('"another"'), 200);
  assert.equal(await ranged(`W/${etag}`), 200);
  assert.equal(await ranged("Thu, 01 Jan 1970 00:00:00 GMT"), 200);
});

test("a file that changed has another ETag; one that did not is 304", async () => {
  const path = join(root, "changing.txt");
  writeFileSync(path, "one");
  const before = (await request("/changing.txt")).headers.etag;
  assert.equal(
    (await request("/changing.txt", { headers: { "If-None-Match": before } })).status,
    304,
  );
  assert.equal(
    (await request("/changing.txt", { headers: { "If-None-Match": `W/${before}` } })).status,
    304,
  );
  writeFileSync(path, "two");
  utimesSync(path, new Date(), new Date(Date.now() + 2000));
  const after = await request("/changing.txt", { headers: { "If-None-Match": before } });
  assert.equal(after.status, 200);
  assert.notEqual(after.headers.etag, before);
  const resumed = await request("/changing.txt", {
    headers: { Range: "bytes=1-", "If-Range": before },
  });
  assert.equal(resumed.status, 200);
  assert.equal(resumed.body.toString(), "two");
});

test("nothing outside the folder and nothing hidden is answered", async () => {
  for (const target of [
    "/../outside.txt",
    "/page/../../outside.txt",
    "/%2e%2e/outside.txt",
    "/..%2foutside.txt",
    "/%2e%2e%2foutside.txt",
    "/..%5coutside.txt",
    "/page/..%2f..%2foutside.txt",
    "//etc/passwd",
    "/.secret/key.txt",
    "/%2esecret/key.txt",
    "/link.txt",
    "/model.tercet%00.html",
    "/%ff",
    "/%",
    "http://x/outside.txt",
    "*",
  ]) {
    const { status, body } = await request(target);
    assert.ok(status === 400 || status === 404, `${target} gave ${status}`);
    assert.doesNotMatch(body.toString(), /outside|hidden|root:/, target);
  }
  assert.equal((await request("/inner-link.txt")).body.toString(), "space");
});

test("only GET and HEAD", async () => {
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
    const { status, headers } = await request("/model.tercet", {
      method,
      headers: { "Content-Length": "0" },
    });
    assert.equal(status, 405, method);
    assert.equal(headers.allow, "GET, HEAD");
  }
});

test("a port in use gives the next free one; none free is an error", async () => {
  const second = createServer({ root });
  try {
    const taken = await listen(second, { port });
    assert.ok(taken > port && taken <= port + 20);
  } finally {
    second.close();
  }
  const third = createServer({ root });
  await assert.rejects(listen(third, { port, tries: 0 }), { code: "EADDRINUSE" });
});

test("it listens to this machine alone unless it is told another address", async () => {
  for (const each of [server, plain])
    assert.deepEqual([each.address().address, each.address().family], ["127.0.0.1", "IPv4"]);
  const { host } = parseServeOptions([]);
  assert.ok(host === undefined || host === "127.0.0.1", host);
  const said = createServer({ root });
  await listen(said, { port: 0, host: "0.0.0.0" });
  try {
    assert.equal(said.address().address, "0.0.0.0");
  } finally {
    said.close();
  }
});

test("an address that is not this machine's is one sentence that says what to do", async () => {
  // 192.0.2.0/24 is for documentation (RFC 5737): no machine has it.
  await assert.rejects(serve({ root, port: 0, host: "192.0.2.1" }), (error) => {
    assert.ok(error instanceof StepError);
    assert.match(error.message, /192\.0\.2\.1.*choose another with --host \(EADDRNOTAVAIL\)$/);
    return true;
  });
});

test("path and range parsing", () => {
  assert.deepEqual(parsePath("/"), [""]);
  assert.deepEqual(parsePath("/a/b.c?d=/../e#f"), ["a", "b.c"]);
  assert.equal(parsePath("a"), null);
  assert.equal(parsePath("/a//b"), null);
  assert.equal(parseRange(undefined, 10), "whole");
  assert.deepEqual(parseRange("bytes=3-4", 10), { first: 3, last: 4 });
});

test("options of the command line", () => {
  assert.deepEqual(parseServeOptions(["--port", "0", "--host", "::1", "--no-isolation"]), {
    port: 0,
    host: "::1",
    isolation: false,
  });
  for (const bad of [["--port"], ["--port", "x"], ["--port", "70000"], ["--what"]]) {
    assert.throws(() => parseServeOptions(bad), /--port needs|unknown option/);
  }
});
