// whole_session.test.mjs - everything that a page or a script does with the library in one go, and every request on the way: none but
// those for the addresses given and the package's own files. The page has the strictest content policy, trusted types among it, and is
// isolated or not.

import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { librarySamples } from "../../scripts/library-samples.mjs";
import { root } from "../../scripts/paths.mjs";
import {
  TestPage,
  TestServer,
  launchBrowser,
  modelBytes,
  tercet,
} from "../web/library_under_test.mjs";
import { Project } from "./installed_package.mjs";

/** Long, for a machine that has much else to do. */
const limit = { timeout: 300_000 };
const MODELS = ["/models/story.tercet", "/models/chat.tercet", "/models/small.gguf"];

/** Says which steps were taken. `origin`: of the models; `place`: as the options of load() and of cache. */
const session = `
export async function wholeSession(tercet, origin, place) {
  const steps = [];
  const { load, cache, features, TercetError } = tercet;
  features();
  const model = await load(origin + "/models/story.tercet", { ...place, sessions: 2, threads: 2, onProgress: () => {} });
  steps.push(model.info.threads > 1 ? "threads" : "one thread");
  for await (const piece of model.generate("One morning", { maxTokens: 8, logprobs: 2 })) void piece;
  await model.generate("One", { grammar: { regex: "a|b" } }).result;
  await model.generate("One", { grammar: { jsonSchema: { type: "boolean" } } }).result;
  steps.push("text");
  await model.detokenize(await model.tokenize("Tom"));
  await model.embed("Tom");
  await model.perplexity("Tom ran home.");
  await model.bench({ promptTokens: 4, decodeTokens: 2 });
  const other = await model.createSession();
  await other.generate("One", { maxTokens: 2 }).result;
  await other.dispose();
  if (!place.cacheDir) {
    await model.session.save("kept");
    await model.restart();
    await model.restoreSession("kept");
    await model.deleteSession("kept");
    steps.push("sessions");
  }
  const stored = await cache.list(place);
  await cache.verify(stored[0].modelId, place);
  await cache.usage(place);
  await (await cache.export(stored[0].modelId, place)).arrayBuffer();
  await model.dispose();
  await (await load(origin + "/models/story.tercet", place)).dispose();
  await cache.delete(stored[0].modelId, place);
  steps.push("cache");
  const chat = await load(origin + "/models/chat.tercet", place);
  const messages = [{ role: "user", content: "Hello!" }];
  await chat.chat(messages, { maxTokens: 4 }).result;
  const ask = { messages, max_tokens: 4, stream: true };
  for await (const chunk of await chat.openai.chat.completions.create(ask)) void chunk;
  const body = JSON.stringify(ask);
  const answer = await chat.openai.fetch("https://tercet.invalid/v1/chat/completions", { method: "POST", body });
  await answer.text();
  await chat.dispose();
  steps.push("chat");
  const packed = await load(origin + "/models/small.gguf", place);
  await packed.generate([1, 2, 3], { maxTokens: 2 }).result;
  await packed.dispose();
  steps.push("gguf");
  const failure = await load(origin + "/models/nothing.tercet", { ...place, network: { retries: 0 } }).catch((error) => error);
  if (failure instanceof TercetError) steps.push(failure.code);
  return steps;
}
`;

let folder, chat;
before(() => {
  folder = mkdtempSync(join(tmpdir(), "tercet-session-"));
  chat = join(folder, "chat.tercet");
  const source = join(root, "tests/golden/models/qwen3-grid-bf16");
  execFileSync(tercet, ["pack", source, "-o", chat, "--quiet", "--chat-format", "qwen3"]);
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** The models of the session, and nothing else. */
async function serveModels(options) {
  const server = await TestServer.start(options);
  server.write("models/story.tercet", modelBytes);
  server.write("models/chat.tercet", readFileSync(chat));
  const gguf = join(root, "tests/golden/models/gguf-llama-tq2_0/model.gguf");
  server.write("models/small.gguf", readFileSync(gguf));
  return server;
}

/** And the package, and a page whose policy lets nothing start but the package's own worker. */
function writePage(server, project, files) {
  for (const path of files.filter((name) => name.startsWith("dist/")))
    server.write(path.replace("dist/", "tercet/"), project.readBytes("node_modules/tercet", path));
  server.write("policy.js", librarySamples().find(({ kind }) => kind === "policy").code);
  server.write("session.js", session);
  const rules = "require-trusted-types-for 'script'; trusted-types default";
  server.write(
    "session.html",
    `<!doctype html><title>page</title><meta http-equiv="Content-Security-Policy" content="${rules}">
      <script src="policy.js"></script>`,
  );
}

async function visitStrictly({ browser, server, files, isolation }) {
  const page = new TestPage();
  page.context = await browser.newContext();
  const asked = [];
  page.context.on("request", (request) => asked.push(request.url()));
  await page.visit(server, "/session.html", { withLibrary: false });
  assert.equal(await page.page.evaluate(() => crossOriginIsolated), isolation);
  const steps = await page.page.evaluate(async () => {
    const { wholeSession } = await import("/session.js");
    return wholeSession(await import("/tercet/index.js"), location.origin, {});
  });
  const threads = isolation ? "threads" : "one thread";
  assert.deepEqual(steps, [threads, "text", "sessions", "cache", "chat", "gguf", "HTTP_STATUS"]);
  // Without the rule in force the policy would show nothing.
  const refused = await page.page.evaluate(() => {
    try {
      return String(new Worker("/elsewhere.js"));
    } catch (error) {
      return error.name;
    }
  });
  assert.equal(refused, "TypeError");
  await page.finish();
  assert.deepEqual(
    asked.filter((url) => !url.startsWith(`${server.origin}/`)),
    [],
  );
  const paths = [...new Set(asked.map((url) => new URL(url).pathname))];
  const given = ["/session.html", "/session.js", "/policy.js", "/models/nothing.tercet", ...MODELS];
  const own = files.map((path) => path.replace("dist/", "/tercet/"));
  assert.deepEqual(
    paths.filter((path) => !given.includes(path) && !own.includes(path)),
    [],
  );
  for (const path of [...MODELS, "/tercet/engine_worker.js", "/tercet/tercet-packer.wasm"])
    assert.ok(paths.includes(path), `${path} was not seen: what else was not?`);
}

test(
  "a page under the strictest policy: the models and the package, nothing else",
  limit,
  async (t) => {
    const project = await Project.create();
    const browser = await launchBrowser();
    const files = project.packed.files.map(({ path }) => path);
    try {
      for (const isolation of [true, false])
        await t.test(isolation ? "isolated" : "not isolated", async () => {
          const server = await serveModels({ isolation });
          try {
            writePage(server, project, files);
            await visitStrictly({ browser, server, files, isolation });
          } finally {
            await server.stop();
          }
        });
    } finally {
      await browser.close();
      project.remove();
    }
  },
);

/** Writes down every address and every name that a process and its threads connect to or look up. */
const recorder = `
import { appendFileSync } from "node:fs";
import dns from "node:dns";
import net from "node:net";
import { syncBuiltinESMExports } from "node:module";
const note = (line) => appendFileSync(process.env.RECORD, line + "\\n");
const { connect } = net.Socket.prototype;
net.Socket.prototype.connect = function (...given) {
  const [{ host, port, path }] = Array.isArray(given[0]) ? given[0] : given;
  note(\`connect \${path ?? host + ":" + port}\`);
  return connect.apply(this, given);
};
for (const name of ["lookup", "resolve"]) {
  const original = dns[name];
  dns[name] = (host, ...rest) => (note(\`name \${host}\`), original(host, ...rest));
}
syncBuiltinESMExports();
note("started");
`;

test("Node: connections to the server of the models alone", limit, async () => {
  const project = await Project.create({
    "recorder.mjs": recorder,
    "session.mjs": session,
    "run.mjs": `
      import * as tercet from "tercet";
      import { wholeSession } from "./session.mjs";
      console.log(JSON.stringify(await wholeSession(tercet, process.env.SITE, { cacheDir: "kept" })));`,
  });
  const server = await serveModels();
  try {
    const record = project.path("record.txt");
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--import", "./recorder.mjs", "run.mjs"],
      {
        cwd: project.folder,
        env: { ...process.env, SITE: server.origin, RECORD: record },
      },
    );
    assert.deepEqual(JSON.parse(stdout), [
      "threads",
      "text",
      "cache",
      "chat",
      "gguf",
      "HTTP_STATUS",
    ]);
    const lines = project.read("record.txt").trim().split("\n");
    const { host, hostname } = new URL(server.origin);
    assert.ok(lines.includes(`connect ${host}`), [...new Set(lines)].join("; "));
    const others = lines.filter(
      (line) => !["started", `connect ${host}`, `name ${hostname}`].includes(line),
    );
    assert.deepEqual(others, []);
    assert.ok(lines.filter((line) => line === "started").length > 1, "threads are not recorded");
  } finally {
    project.remove();
    await server.stop();
  }
});
