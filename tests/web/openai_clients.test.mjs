// openai_clients.test.mjs - clients that were written for OpenAI's servers, unchanged, in the page: npm `ai` with its OpenAI-compatible
// provider, and npm `openai` with the browser's own fetch behind a service worker that asks the page.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { build } from "esbuild";
import { root } from "../../scripts/paths.mjs";
import { TestPage, TestServer, launchBrowser, limit, tercet } from "./library_under_test.mjs";

const folder = mkdtempSync(join(tmpdir(), "tercet-clients-"));
let browser, server, page;

async function bundle(contents) {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: root },
    bundle: true,
    format: "esm",
    platform: "browser",
    write: false,
    logLevel: "error",
  });
  return outputFiles[0].text;
}

before(async () => {
  const file = join(folder, "qwen3.tercet");
  const source = join(root, "tests/golden/models/qwen3-grid-bf16");
  execFileSync(tercet, ["pack", source, "-o", file, "--chat-format", "qwen3", "--quiet"]);
  browser = await launchBrowser();
  server = await TestServer.start();
  server.write("qwen3.tercet", readFileSync(file));
  server.write("openai.js", await bundle('export { default } from "openai";'));
  server.write(
    "ai.js",
    await bundle(`export { embed, generateText, streamText } from "ai";
      export { createOpenAICompatible } from "@ai-sdk/openai-compatible";`),
  );
  server.write(
    "sw.js",
    `addEventListener("install", () => skipWaiting());
    addEventListener("activate", (event) => event.waitUntil(clients.claim()));
    addEventListener("fetch", (event) => {
      if (new URL(event.request.url).pathname.startsWith("/v1/")) event.respondWith(answer(event));
    });
    async function answer({ request, clientId }) {
      const page = await clients.get(clientId);
      const { port1, port2 } = new MessageChannel();
      const reply = new Promise((resolve) => (port1.onmessage = ({ data }) => resolve(data)));
      const { url, method } = request;
      page.postMessage({ url, method, body: await request.text() }, [port2]);
      const { body, ...rest } = await reply;
      return new Response(body, rest);
    }`,
  );
  page = await TestPage.open(browser, server);
  await page.run(async () => {
    globalThis.model = await tercet.load("/qwen3.tercet");
    globalThis.ours = async (options) =>
      (await model.chat([{ role: "user", content: "Hi" }], options).result).message.content;
  });
});
after(async () => {
  // A library of npm ai asks whether it may use eval, and does without.
  await page?.run(() => {
    globalThis.violations = globalThis.violations.filter(
      (one) => !one.startsWith("script-src eval"),
    );
  });
  await page?.finish();
  await browser?.close();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

test("npm ai: generateText, streamText and embed give what the model gives", limit, async () => {
  const got = await page.run(async () => {
    const { createOpenAICompatible, embed, generateText, streamText } = await import("/ai.js");
    const provider = createOpenAICompatible({
      name: "tercet",
      baseURL: "https://tercet.invalid/v1",
      fetch: model.openai.fetch,
      includeUsage: true,
    });
    const ask = {
      model: provider("any"),
      prompt: "Hi",
      maxOutputTokens: 12,
      seed: 4,
      maxRetries: 0,
    };
    const whole = await generateText(ask);
    const stream = streamText(ask);
    let streamed = "";
    let thought = "";
    for await (const part of stream.fullStream) {
      if (part.type === "text-delta") streamed += part.text;
      if (part.type === "reasoning-delta") thought += part.text;
      if (part.type === "error") throw part.error;
    }
    const { embedding } = await embed({
      model: provider.embeddingModel("any"),
      value: "Hi",
      maxRetries: 0,
    });
    const direct = await model.chat([{ role: "user", content: "Hi" }], { maxTokens: 12, seed: 4 })
      .result;
    return {
      whole: [whole.reasoningText ?? "", whole.text, whole.usage.outputTokens],
      streamed: [thought, streamed, (await stream.usage).outputTokens],
      direct: [direct.thinking, direct.message.content, direct.tokens.length],
      embedding,
      ours: [...(await model.embed("Hi")).embedding],
    };
  });
  assert.deepEqual(got.whole, got.direct);
  assert.deepEqual(got.streamed, got.direct);
  assert.deepEqual(got.embedding, got.ours);
});

test(
  "npm openai with the browser's own fetch, through a service worker: whole, streamed, stopped",
  limit,
  async () => {
    const got = await page.run(async () => {
      navigator.serviceWorker.addEventListener("message", async ({ data, ports: [port] }) => {
        const { url, method, body } = data;
        const response = await model.openai.fetch(url, { method, ...(body ? { body } : {}) });
        const answer = { status: response.status, headers: [...response.headers] };
        port.postMessage({ ...answer, body: response.body }, [response.body]);
      });
      await navigator.serviceWorker.register("/sw.js");
      await navigator.serviceWorker.ready;
      while (!navigator.serviceWorker.controller)
        await new Promise((resolve) => setTimeout(resolve, 20));
      const { default: OpenAI } = await import("/openai.js");
      const client = new OpenAI({
        baseURL: `${location.origin}/v1`,
        apiKey: "none",
        dangerouslyAllowBrowser: true,
      });
      const messages = [{ role: "user", content: "Hi" }];
      const ask = { model: "any", messages, max_tokens: 12, seed: 4 };
      const whole = await client.chat.completions.create(ask);
      let streamed = "";
      for await (const { choices } of await client.chat.completions.create({
        ...ask,
        stream: true,
      })) {
        const { content, reasoning_content: thinking } = choices[0].delta;
        streamed += (thinking ?? "") + (content ?? "");
      }
      // Who leaves the loop stops the work: the next request has the engine.
      let seen = 0;
      const long = { ...ask, max_tokens: 100000, stream: true };
      for await (const _ of await client.chat.completions.create(long)) if (++seen === 3) break;
      const after = await client.chat.completions.create(ask);
      const models = [];
      for await (const { id } of client.models.list()) models.push(id);
      const { text } = await model.chat(messages, { maxTokens: 12, seed: 4 }).result;
      const { message } = whole.choices[0];
      return {
        whole: (message.reasoning_content ?? "") + message.content,
        streamed,
        same: after.choices[0].message.content === message.content,
        models: models.length,
        letters: text.replace(/<.*?>|\n/g, ""),
      };
    });
    assert.equal(got.whole.replaceAll("\n", ""), got.letters);
    assert.equal(got.streamed.replaceAll("\n", ""), got.letters);
    assert.ok(got.same);
    assert.equal(got.models, 1);
  },
);
