// hosting.test.mjs - the lines of docs/library/hosting.md for web servers, each run by its server: a page that is isolated, scripts
// and modules with types that browsers take, small where the server may compress, and models in ranges, never compressed.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { get } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { root } from "../../scripts/paths.mjs";
import { dist, modelBytes } from "../web/library_under_test.mjs";

const text = readFileSync(join(root, "docs/library/hosting.md"), "utf8");
/** What stands between ```language and ```. */
const snippet = (language) => {
  const found = new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, "m").exec(text);
  assert.ok(found, `no ${language} in hosting.md`);
  return found[1];
};

const ISOLATION = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

/** `configure` gives the arguments that run the server on a folder in the foreground, with the lines of the page. */
const servers = {
  nginx: {
    programs: ["/usr/sbin/nginx"],
    configure({ place, site, port }) {
      const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map((name) => `${name}_temp_path ${place}/${name};`)
        .join(" ");
      writeFileSync(
        join(place, "nginx.conf"),
        `daemon off; worker_processes 1; pid ${place}/pid; error_log ${place}/log;
        events { worker_connections 64; }
        http { include /etc/nginx/mime.types; default_type application/octet-stream; access_log off; ${temporary}
        server { listen 127.0.0.1:${port}; root ${site};\n${snippet("nginx")}} }`,
      );
      return ["-e", `${place}/log`, "-c", `${place}/nginx.conf`];
    },
  },
  Apache: {
    programs: ["/usr/sbin/apache2", "/usr/sbin/httpd"],
    configure({ place, site, port }) {
      const modules = ["mpm_event", "authz_core", "mime", "headers", "deflate", "filter", "dir"]
        .map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so\n`)
        .join("");
      writeFileSync(join(site, ".htaccess"), snippet("apache"));
      writeFileSync(
        join(place, "apache.conf"),
        `${modules}ServerRoot ${place}\nPidFile ${place}/pid\nErrorLog ${place}/log\nServerName localhost
        DefaultRuntimeDir ${place}\nMutex posixsem\nTypesConfig /etc/mime.types\n
        Listen 127.0.0.1:${port}\nDocumentRoot ${site}\n
        <Directory ${site}>\nAllowOverride FileInfo\nRequire all granted\n</Directory>\n`,
      );
      return ["-DFOREGROUND", "-f", `${place}/apache.conf`];
    },
  },
  Caddy: {
    programs: ["/usr/bin/caddy"],
    configure({ place, site, port }) {
      writeFileSync(
        join(place, "Caddyfile"),
        `{\n\tadmin off\n\tauto_https off\n}\nhttp://127.0.0.1:${port} {\n\troot * ${site}\n${snippet("caddy")}}\n`,
      );
      return ["run", "--config", `${place}/Caddyfile`, "--adapter", "caddyfile"];
    },
  },
};

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** fetch() would unpack what is compressed, and hide it. */
function ask(port, path, headers = {}) {
  return new Promise((resolve, reject) => {
    const request = get({ host: "127.0.0.1", port, path, headers }, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () =>
        resolve({
          status: response.statusCode,
          headers: response.headers,
          body: Buffer.concat(parts),
        }),
      );
    });
    request.on("error", reject);
  });
}

for (const [name, { programs, configure }] of Object.entries(servers)) {
  const program = programs.find((path) => spawnSync(path, ["-v"]).error === undefined);
  const skip = !program && `${name} is not installed (${programs[0]})`;
  describe(name, { skip }, () => {
    let place, server, port;
    const said = [];
    before(async () => {
      place = mkdtempSync(join(tmpdir(), "tercet-hosting-"));
      const site = join(place, "site");
      mkdirSync(site);
      cpSync(dist, join(site, "tercet"), { recursive: true });
      writeFileSync(join(site, "index.html"), "<!doctype html><title>page</title>");
      writeFileSync(join(site, "story.tercet"), modelBytes);
      // Apache vouches for no file that changed this second.
      utimesSync(join(site, "story.tercet"), 1e9, 1e9);
      // Who made it beforehand made it smaller.
      const script = readFileSync(join(dist, "index.js"));
      writeFileSync(join(site, "tercet", "index.js.gz"), gzipSync(script, { level: 9 }));
      // Started by root, nginx and Apache serve as somebody else.
      chmodSync(place, 0o755);
      port = await freePort();
      const environment = { ...process.env, HOME: place, XDG_CONFIG_HOME: place };
      server = spawn(program, configure({ place, site, port }), { env: environment });
      for (const stream of [server.stdout, server.stderr])
        stream.on("data", (part) => said.push(String(part)));
      // Until it answers, or is gone; the runner ends a test that hangs.
      for (let answered = false; !answered;) {
        if (server.exitCode !== null) throw new Error(`${name} ended: ${said.join("")}`);
        answered = await ask(port, "/").then(
          () => true,
          () => sleep(50, false),
        );
      }
    });
    after(async () => {
      if (server && server.exitCode === null) {
        const ended = new Promise((resolve) => server.once("exit", resolve));
        server.kill("SIGTERM");
        await ended;
      }
      if (place) rmSync(place, { recursive: true, force: true });
    });

    const isIsolated = ({ headers }) => {
      for (const [header, value] of Object.entries(ISOLATION))
        assert.equal(headers[header], value, header);
    };

    test("page, worker and what is not there are isolated, each with its type", async () => {
      const types = {
        "/": /^text\/html/,
        "/tercet/index.js": /^(text|application)\/javascript/,
        "/tercet/engine_worker.js": /^(text|application)\/javascript/,
        "/tercet/tercet-relaxed-threads.mjs": /^(text|application)\/javascript/,
        "/tercet/tercet-relaxed-threads.wasm": /^application\/wasm$/,
      };
      for (const [path, type] of Object.entries(types)) {
        const answer = await ask(port, path);
        assert.equal(answer.status, 200, path);
        assert.match(answer.headers["content-type"], type, path);
        isIsolated(answer);
      }
      const nothing = await ask(port, "/tercet/nothing.js");
      assert.equal(nothing.status, 404);
      // A page that is not there need not be isolated; where a server can say so, it does.
      if (name !== "Caddy") isIsolated(nothing);
    });

    test("scripts and modules come compressed to who takes it", async () => {
      for (const path of ["/tercet/engine_worker.js", "/tercet/tercet-simd128.wasm"]) {
        const { headers, body } = await ask(port, path, { "Accept-Encoding": "gzip" });
        assert.equal(headers["content-encoding"], "gzip", path);
        const whole = readFileSync(join(dist, path.slice("/tercet/".length))).length;
        assert.ok(body.length < whole / 2, `${path}: ${body.length} bytes of ${whole}`);
      }
      const { headers, body } = await ask(port, "/tercet/index.js", { "Accept-Encoding": "gzip" });
      assert.equal(headers["content-encoding"], "gzip");
      const ready = readFileSync(join(place, "site", "tercet", "index.js.gz"));
      if (name !== "Apache")
        assert.ok(body.equals(ready), "not the file that was compressed before");
    });

    test("a model comes as it is, and in ranges of exactly this version", async () => {
      const whole = await ask(port, "/story.tercet", { "Accept-Encoding": "gzip, br" });
      assert.equal(whole.headers["content-encoding"], undefined);
      assert.ok(whole.body.equals(modelBytes));
      const validator = whole.headers.etag ?? whole.headers["last-modified"];
      assert.ok(validator, "neither ETag nor Last-Modified");
      const range = { Range: "bytes=1000-1999", "If-Range": validator, "Accept-Encoding": "gzip" };
      const part = await ask(port, "/story.tercet", range);
      assert.equal(part.status, 206);
      assert.equal(part.headers["content-range"], `bytes 1000-1999/${modelBytes.length}`);
      assert.ok(part.body.equals(modelBytes.subarray(1000, 2000)));
      const other = await ask(port, "/story.tercet", { ...range, "If-Range": '"another"' });
      assert.equal(other.status, 200);
      assert.equal(other.body.length, modelBytes.length);
    });
  });
}

test("what hosts read from files of the site names the same two headers", () => {
  const { headers } = JSON.parse(snippet("json"));
  assert.deepEqual(
    Object.fromEntries(headers[0].headers.map(({ key, value }) => [key.toLowerCase(), value])),
    ISOLATION,
  );
  assert.ok(new RegExp(`^${headers[0].source}$`).test("/any/file.js"));
  const [pattern, ...lines] = snippet("headers").trimEnd().split("\n");
  assert.equal(pattern, "/*");
  assert.deepEqual(
    Object.fromEntries(
      lines
        .map((line) => line.trim().split(": "))
        .map(([key, value]) => [key.toLowerCase(), value]),
    ),
    ISOLATION,
  );
});
