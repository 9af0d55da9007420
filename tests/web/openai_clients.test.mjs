// openai_clients.test.mjs - clients that were written for OpenAI's servers, unchanged, in the page: npm `ai` with its OpenAI-compatible
// provider, and npm `openai` with the browser's own fetch behind a service worker that asks the page.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { build } from "esbuild";
import { librarySamples } from "../../scripts/library-samples.mjs";
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
    await bundle(`export { embed, generateText, jsonSchema, Output, streamText, tool } from "ai";
      export { createOpenAICompatible } from "@ai-sdk/openai-compatible";`),
  );
  // As docs/chat.md has them.
  const sample = (wanted) => librarySamples().find(({ kind }) => kind === wanted).code;
  server.write("sw.js", sample("worker"));
  server.write(
    "answering.js",
    `export async function answerBehind(model) { ${sample("worker-page")} }`,
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
  "npm ai: an object of a schema, a stop in the middle, a tool that is refused",
  limit,
  async () => {
    const got = await page.run(async () => {
      const ai = await import("/ai.js");
      const provider = ai.createOpenAICompatible({
        name: "tercet",
        baseURL: "https://tercet.invalid/v1",
        fetch: model.openai.fetch,
        supportsStructuredOutputs: true,
      });
      const ask = { model: provider("any"), prompt: "Hi", seed: 4, maxRetries: 0 };
      const schema = {
        type: "object",
        properties: {
          ready: { type: "boolean" },
          count: { type: "integer", minimum: 1, maximum: 5 },
        },
        required: ["ready", "count"],
        additionalProperties: false,
      };
      const { output } = await ai.generateText({
        ...ask,
        output: ai.Output.object({ schema: ai.jsonSchema(schema) }),
      });
      const stop = new AbortController();
      const stream = ai.streamText({ ...ask, abortSignal: stop.signal });
      const kinds = new Set();
      for await (const { type } of stream.fullStream) {
        kinds.add(type);
        if (type.endsWith("-delta")) stop.abort();
      }
      const after = await ai.generateText({ ...ask, maxOutputTokens: 3 });
      const inputSchema = ai.jsonSchema({ type: "object", properties: {} });
      const tools = { clock: ai.tool({ description: "the time", inputSchema }) };
      const refused = await ai.generateText({ ...ask, tools }).catch((error) => error);
      return {
        output,
        kinds: [...kinds],
        tokens: after.usage.outputTokens,
        refused: [refused.statusCode, refused.message, refused.isRetryable],
      };
    });
    assert.equal(typeof got.output.ready, "boolean");
    assert.ok(got.output.count >= 1 && got.output.count <= 5);
    assert.ok(got.kinds.includes("abort"), got.kinds.join(" "));
    assert.ok(!got.kinds.includes("error"));
    assert.equal(got.tokens, 3);
    const [status, message, retryable] = got.refused;
    assert.deepEqual([status, retryable], [400, false]);
    assert.match(message, /tools is not possible with this engine/);
  },
);

test(
  "npm openai with the browser's own fetch, through a service worker: whole, streamed, stopped",
  limit,
  async () => {
    const got = await page.run(async () => {
      const { answerBehind } = await import("/answering.js");
      await answerBehind(model);
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
      const tools = [{ type: "function", function: { name: "f" } }];
      const refused = await client.chat.completions
        .create({ ...ask, tools })
        .catch((error) => error);
      // A stop from outside reaches the engine too.
      const stop = new AbortController();
      const stopped = await client.chat.completions
        .create(long, { signal: stop.signal })
        .then(async (stream) => {
          for await (const _ of stream) stop.abort();
          return "ended";
        });
      const counts = [];
      const counted = { ...ask, stream: true, stream_options: { include_usage: true } };
      for await (const { usage } of await client.chat.completions.create(counted))
        if (usage) counts.push(usage.completion_tokens);
      const { text } = await model.chat(messages, { maxTokens: 12, seed: 4 }).result;
      const { message } = whole.choices[0];
      return {
        whole: (message.reasoning_content ?? "") + message.content,
        streamed,
        same: after.choices[0].message.content === message.content,
        models: models.length,
        refused: [refused.constructor.name, refused.status, refused.type, refused.message],
        stopped,
        counts,
        letters: text.replace(/<.*?>|\n/g, ""),
      };
    });
    assert.equal(got.whole.replaceAll("\n", ""), got.letters);
    assert.equal(got.streamed.replaceAll("\n", ""), got.letters);
    assert.ok(got.same);
    assert.equal(got.models, 1);
    const [name, status, type, message] = got.refused;
    assert.deepEqual([name, status, type], ["BadRequestError", 400, "invalid_request_error"]);
    assert.match(message, /tools is not possible with this engine/);
    assert.equal(got.stopped, "ended");
    assert.deepEqual(got.counts, [12]);
  },
);
