// openai.test.mjs - the model in the shape of OpenAI's client, and OpenAI's own client (npm `openai`) running against it
// unchanged in Chromium: objects, streams, usage, stops, errors. Their types are compiled against ours.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { build } from "esbuild";
import { root } from "../../scripts/paths.mjs";
import { TestPage, TestServer, launchBrowser, limit, tercet } from "./library_under_test.mjs";

const folder = mkdtempSync(join(tmpdir(), "tercet-openai-"));
let browser, server, page;
before(async () => {
  const file = join(folder, "qwen3.tercet");
  const source = join(root, "tests/golden/models/qwen3-grid-bf16");
  execFileSync(tercet, ["pack", source, "-o", file, "--chat-format", "qwen3", "--quiet"]);
  const { outputFiles } = await build({
    stdin: { contents: 'export { default } from "openai";', resolveDir: root },
    bundle: true,
    format: "esm",
    platform: "browser",
    write: false,
    logLevel: "error",
  });
  browser = await launchBrowser();
  server = await TestServer.start();
  server.write("qwen3.tercet", readFileSync(file));
  server.write("openai.js", outputFiles[0].text);
  page = await TestPage.open(browser, server);
  await page.run(async () => {
    globalThis.model = await tercet.load("/qwen3.tercet");
    globalThis.story = await tercet.load("/model.tercet");
    const { default: OpenAI } = await import("/openai.js");
    globalThis.OpenAI = OpenAI;
    globalThis.clientOf = ({ openai }) =>
      new OpenAI({
        fetch: openai.fetch,
        baseURL: "https://tercet.invalid/v1",
        apiKey: "none",
        dangerouslyAllowBrowser: true,
      });
    globalThis.client = clientOf(model);
    globalThis.messages = [
      { role: "developer", content: "Be kind." },
      {
        role: "user",
        content: [
          { type: "text", text: "H" },
          { type: "text", text: "i" },
        ],
      },
    ];
    globalThis.same = [
      { role: "system", content: "Be kind." },
      { role: "user", content: "Hi" },
    ];
    globalThis.refusal = async (work) => {
      try {
        await work();
        return "no failure";
      } catch ({ status, code, type, message, name }) {
        return { status, code, type, message, name };
      }
    };
  });
});
after(async () => {
  await page?.finish();
  await browser?.close();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

test("a completion: OpenAI's object, our text, usage and reason", limit, async () => {
  const got = await page.run(async () => {
    const ask = { temperature: 0, max_completion_tokens: 6, seed: -3 };
    const begin = Date.now();
    const ours = await model.chat(same, { temperature: 0, maxTokens: 6 }).result;
    const direct = await model.openai.chat.completions.create({ messages, ...ask });
    const through = await client.chat.completions.create({ model: "any", messages, ...ask });
    const varied = (await model.chat(same, { temperature: 1.5, seed: 4, maxTokens: 20 }).result)
      .text;
    const end = varied.slice(-4, -2);
    const stopped = await client.chat.completions.create({
      ...{ model: "any", messages, temperature: 1.5, seed: 4, max_tokens: 20, stop: [end] },
    });
    return {
      ours,
      direct,
      through,
      stopped,
      varied,
      end,
      times: [begin, Date.now()],
      name: model.info.name,
      modelId: model.info.modelId,
    };
  });
  const { ours, direct, through, stopped } = got;
  assert.match(direct.id, /^chatcmpl-[0-9a-f-]{36}$/);
  const [earliest, latest] = got.times.map((ms) => Math.floor(ms / 1000));
  assert.ok(direct.created >= earliest && direct.created <= latest, `${direct.created}`);
  assert.deepEqual(
    { ...direct, id: "", created: 0 },
    {
      id: "",
      object: "chat.completion",
      created: 0,
      model: got.name || "tercet",
      system_fingerprint: got.modelId.slice(0, 16),
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: ours.text, refusal: null },
          logprobs: null,
          finish_reason: "length",
        },
      ],
      usage: {
        prompt_tokens: ours.promptTokens,
        completion_tokens: 6,
        total_tokens: ours.promptTokens + 6,
        // The same prompt as that of the text before it; the logits of its last token were overwritten.
        prompt_tokens_details: { cached_tokens: direct.usage.prompt_tokens_details.cached_tokens },
      },
    },
  );
  assert.ok(direct.usage.prompt_tokens_details.cached_tokens > 0);
  assert.equal(through.model, "any");
  assert.equal(through.choices[0].message.content, ours.text);
  assert.equal(stopped.choices[0].finish_reason, "stop");
  const { varied, end } = got;
  assert.equal(stopped.choices[0].message.content, varied.slice(0, varied.indexOf(end)));
});

test(
  "a stream: the same text in pieces, one role, one reason, usage when asked for",
  limit,
  async () => {
    const got = await page.run(async () => {
      const ask = { model: "any", messages, temperature: 0, max_tokens: 8, stream: true };
      const whole = await model.chat(same, { temperature: 0, maxTokens: 8 }).result;
      const collect = async (stream) => {
        const chunks = [];
        for await (const chunk of stream) chunks.push(chunk);
        return chunks;
      };
      return {
        whole,
        direct: await collect(await model.openai.chat.completions.create(ask)),
        through: await collect(await client.chat.completions.create(ask)),
        counted: await collect(
          await client.chat.completions.create({ ...ask, stream_options: { include_usage: true } }),
        ),
      };
    });
    const { whole, direct, through, counted } = got;
    for (const chunks of [direct, through, counted.slice(0, -1)]) {
      const deltas = chunks.map(({ choices }) => choices[0].delta);
      assert.deepEqual(deltas[0], { role: "assistant", content: "", refusal: null });
      assert.deepEqual(deltas.at(-1), {});
      assert.equal(deltas.map(({ content = "" }) => content).join(""), whole.text);
      assert.deepEqual(
        chunks.map(({ choices }) => choices[0].finish_reason),
        [...chunks.slice(1).map(() => null), "length"],
      );
      assert.equal(new Set(chunks.map(({ id }) => id)).size, 1);
      assert.ok(chunks.length > 3, "it comes in pieces");
    }
    assert.equal(direct[0].usage, undefined);
    assert.equal(counted[0].usage, null);
    const { choices, usage } = counted.at(-1);
    assert.deepEqual(choices, []);
    assert.equal(usage.prompt_tokens, whole.promptTokens);
    assert.equal(usage.completion_tokens, 8);
  },
);

test("who leaves or stops a stream stops the work, and the engine goes on", limit, async () => {
  const got = await page.run(async () => {
    const ask = { model: "any", messages, max_tokens: 90, stream: true };
    const left = await client.chat.completions.create(ask);
    for await (const chunk of left) if (chunk.choices[0].delta.content) break;
    const aborted = await client.chat.completions.create(ask);
    const name = await refusal(async () => {
      for await (const chunk of aborted)
        if (chunk.choices[0].delta.content) aborted.controller.abort();
    });
    const signal = AbortSignal.abort();
    const direct = await refusal(() => model.openai.chat.completions.create(ask, { signal }));
    const through = await refusal(() => client.chat.completions.create(ask, { signal }));
    const { usage } = await client.chat.completions.create({
      ...ask,
      stream: false,
      max_tokens: 2,
    });
    return { name, direct, through, tokens: usage.completion_tokens };
  });
  assert.equal(got.name, "no failure"); // their client ends such an iteration quietly
  assert.equal(got.direct.name, "AbortError");
  assert.match(got.through.message, /abort/i);
  assert.equal(got.tokens, 2);
});

test("thinking stands apart, and can be switched off", limit, async () => {
  const got = await page.run(async () => {
    const ask = { model: "any", messages, temperature: 0, max_tokens: 2 };
    const plain = await client.chat.completions.create(ask);
    const none = await client.chat.completions.create({ ...ask, reasoning_effort: "none" });
    const kwargs = { chat_template_kwargs: { enable_thinking: false } };
    const off = await client.chat.completions.create({ ...ask, ...kwargs });
    return [plain, none, off].map(({ usage }) => usage.prompt_tokens);
  });
  assert.ok(got[1] > got[0]);
  assert.equal(got[2], got[1]);
});

test("the list of models has the one", limit, async () => {
  const ids = await page.run(async () => {
    const list = [];
    for await (const { id, object } of client.models.list()) list.push([id, object]);
    return list;
  });
  assert.equal(ids.length, 1);
  assert.equal(ids[0][1], "model");
});

test("what cannot be done is refused with a status, not ignored", limit, async () => {
  const got = await page.run(async () => {
    const ask = { model: "any", messages, max_tokens: 1 };
    const cases = {
      tools: { tools: [{ type: "function", function: { name: "f" } }] },
      n: { n: 2 },
      logprobs: { top_logprobs: 2 },
      likeliest: { logprobs: true, top_logprobs: 21 },
      json: { response_format: { type: "json_schema" } },
      format: { response_format: { type: "grammar" } },
      schema: {
        response_format: {
          type: "json_schema",
          json_schema: { name: "none", schema: { type: "integer", minimum: 5, maximum: 3 } },
        },
      },
      penalty: { presence_penalty: 1 },
      bias: { logit_bias: { 5: 1 } },
      image: { messages: [{ role: "user", content: [{ type: "image_url", image_url: {} }] }] },
      role: { messages: [{ role: "tool", content: "a", tool_call_id: "b" }] },
      empty: { messages: [] },
      none: { messages: undefined },
      temperature: { temperature: -1 },
      long: { messages: [{ role: "user", content: "Hi ".repeat(500) }] },
      answered: { messages: [...messages, { role: "assistant", content: "a" }] },
    };
    const told = {};
    for (const [name, change] of Object.entries(cases)) {
      told[name] = await refusal(() => client.chat.completions.create({ ...ask, ...change }));
      const stream = { ...ask, ...change, stream: true };
      told[`${name}, direct`] = await refusal(async () => {
        for await (const chunk of await model.openai.chat.completions.create(stream)) void chunk;
      });
    }
    // What asks for nothing is no reason to refuse.
    const nothing = { tools: [], n: 1, logprobs: false, response_format: { type: "text" } };
    const more = { presence_penalty: 0, frequency_penalty: null, logit_bias: {}, user: "me" };
    const fine = await client.chat.completions.create({ ...ask, ...nothing, ...more });
    const base = await clientOf(story);
    told.base = await refusal(() => base.chat.completions.create(ask));
    told.streamed = await refusal(async () => {
      const long = { ...ask, ...cases.long, stream: true };
      for await (const chunk of await client.chat.completions.create(long)) void chunk;
    });
    const address = "https://tercet.invalid/v1/";
    const fetched = async (path, init) => {
      const response = await model.openai.fetch(`${address}${path}`, init);
      return [response.status, (await response.json()).error.code];
    };
    told.embeddings = await fetched("embeddings", { method: "POST", body: "{}" });
    told.dimensions = await fetched("embeddings", {
      method: "POST",
      body: JSON.stringify({ input: "a", dimensions: 3 }),
    });
    told.elsewhere = await fetched("images/generations", { method: "POST", body: "{}" });
    told.broken = await fetched("chat/completions", { method: "POST", body: "{" });
    told.null = await fetched("chat/completions", { method: "POST", body: "null" });
    return { told, fine: fine.usage.completion_tokens };
  });
  const { told, fine } = got;
  assert.equal(fine, 1);
  for (const [name, error] of Object.entries(told)) {
    if (Array.isArray(error)) continue;
    if (name.endsWith("direct")) {
      const codes = { "long, direct": "PROMPT_TOO_LONG", "schema, direct": "BAD_GRAMMAR" };
      const code = codes[name] ?? "BAD_ARGUMENT";
      assert.deepEqual([error.code, error.name], [code, "TercetError"], name);
    } else if (name !== "streamed") {
      assert.equal(error.status, 400, `${name}: ${JSON.stringify(error)}`);
      assert.equal(error.type, "invalid_request_error", name);
    }
  }
  assert.equal(told.long.code, "context_length_exceeded");
  assert.equal(told.base.code, "no_chat_format");
  assert.equal(told.schema.code, "bad_grammar");
  assert.match(told.tools.message, /tools is not possible/);
  assert.match(told.streamed.message, /does not fit into the context/);
  assert.deepEqual(told.embeddings, [400, "bad_argument"]);
  assert.deepEqual(told.dimensions, [400, "bad_argument"]);
  assert.deepEqual(told.elsewhere, [404, "not_found"]);
  assert.deepEqual(told.broken, [400, "invalid_json"]);
  assert.deepEqual(told.null, [400, "bad_argument"]);
});

test("logprobs of an answer and of a stream: the same, one for each token", limit, async () => {
  const got = await page.run(async () => {
    const ask = { model: "any", messages, max_tokens: 9, seed: 4, logprobs: true, top_logprobs: 3 };
    const whole = await client.chat.completions.create(ask);
    const streamed = [];
    let text = "";
    for await (const { choices } of await client.chat.completions.create({
      ...ask,
      stream: true,
    })) {
      const { delta, logprobs } = choices[0];
      text += (delta.reasoning_content ?? "") + (delta.content ?? "");
      if (logprobs) streamed.push(...logprobs.content);
    }
    const bare = await client.chat.completions.create({ ...ask, top_logprobs: undefined });
    const none = await client.chat.completions.create({ ...ask, logprobs: false, top_logprobs: 0 });
    const ours = await model.chat(same, { maxTokens: 9, seed: 4, logprobs: 3 }).result;
    return { whole, streamed, text, bare, none, ours: ours.logprobs };
  });
  const { content } = got.whole.choices[0].logprobs;
  assert.equal(content.length, got.whole.usage.completion_tokens);
  assert.deepEqual(got.streamed, content);
  assert.deepEqual(
    content.map(({ token, logprob, top_logprobs }) => [token, logprob, top_logprobs.length]),
    got.ours.map(({ text, logprob }) => [text, logprob, 3]),
  );
  for (const { token, bytes, top_logprobs: top } of content) {
    assert.equal(Buffer.from(bytes).toString(), token);
    assert.ok(top[0].logprob >= top[1].logprob && top[1].logprob >= top[2].logprob);
  }
  assert.ok(
    got.bare.choices[0].logprobs.content.every(({ top_logprobs: top }) => top.length === 0),
  );
  assert.equal(got.none.choices[0].logprobs, null);
});

test(
  "embeddings: OpenAI's client gets the model's numbers, as it asks for them",
  limit,
  async () => {
    const got = await page.run(async () => {
      const input = ["One dog.", "Two cats."];
      const list = await client.embeddings.create({ model: "any", input }); // its client asks for base64
      const floats = await client.embeddings.create({
        model: "any",
        input: input[0],
        encoding_format: "float",
      });
      const ids = [...(await model.tokenize(input[0], { addBeginning: true }))];
      const direct = await model.openai.embeddings.create({ input: ids });
      const ours = [];
      for (const text of input) ours.push([...(await model.embed(text)).embedding]);
      return { list, floats, direct, ours, count: ids.length };
    });
    assert.deepEqual(
      got.list.data.map(({ embedding }) => embedding),
      got.ours,
    );
    assert.deepEqual(
      got.list.data.map(({ index, object }) => [index, object]),
      [
        [0, "embedding"],
        [1, "embedding"],
      ],
    );
    assert.deepEqual(got.floats.data[0].embedding, got.ours[0]);
    assert.deepEqual(got.direct.data[0].embedding, got.ours[0]);
    assert.equal(got.floats.usage.prompt_tokens, got.count);
    assert.equal(got.list.object, "list");
  },
);

test("a disposed model is a server that is not there", limit, async () => {
  const error = await page.run(async () => {
    const gone = await tercet.load("/qwen3.tercet");
    await gone.dispose();
    const { chat } = clientOf(gone);
    return refusal(() => chat.completions.create({ model: "any", messages }));
  });
  assert.deepEqual([error.status, error.code], [503, "disposed"]);
});

test("our objects are theirs, and their client takes our fetch: the types agree", limit, () => {
  const project = join(folder, "types");
  mkdirSync(join(project, "node_modules/tercet"), { recursive: true });
  symlinkSync(join(root, "node_modules/openai"), join(project, "node_modules/openai"));
  symlinkSync(join(root, "dist"), join(project, "node_modules/tercet/dist"));
  symlinkSync(join(root, "package.json"), join(project, "node_modules/tercet/package.json"));
  writeFileSync(join(project, "package.json"), '{ "type": "module" }');
  writeFileSync(
    join(project, "use.ts"),
    `import OpenAI from "openai";
    import { load, type ChatCompletion, type ChatCompletionChunk } from "tercet";
    const model = await load("m.tercet");
    const client = new OpenAI({ fetch: model.openai.fetch });
    const params: OpenAI.Chat.ChatCompletionCreateParamsNonStreaming = { model: "m", messages: [{ role: "user", content: "a" }] };
    const answer: ChatCompletion = await model.openai.chat.completions.create(params);
    const theirs: OpenAI.Chat.ChatCompletion = answer;
    const streaming = { ...params, stream: true as const };
    for await (const chunk of await model.openai.chat.completions.create(streaming)) {
      const ours: ChatCompletionChunk = chunk;
      const their: OpenAI.Chat.ChatCompletionChunk = ours;
      console.log(their.choices[0]?.delta.content);
    }
    const embedded: OpenAI.CreateEmbeddingResponse = await model.openai.embeddings.create({ input: "a" } satisfies Partial<OpenAI.EmbeddingCreateParams>);
    const request: OpenAI.EmbeddingCreateParams = { input: ["a"], model: "m" };
    console.log(embedded.data.length, (await model.openai.embeddings.create(request)).usage.total_tokens);
    const { message } = await model.chat([{ role: "user", content: "a" }], { thinking: false }).result;
    console.log(client.baseURL, theirs.choices[0]?.message.content, message.content);
    // @ts-expect-error a role that there is not
    model.chat([{ role: "tool", content: "a" }]);`,
  );
  const flags = ["--noEmit", "--strict", "--skipLibCheck", "--target", "es2022"];
  const modules = ["--module", "esnext", "--moduleResolution", "bundler", "--types", ""];
  execFileSync(
    process.execPath,
    [
      join(root, "node_modules/typescript/bin/tsc"),
      ...[...flags, "--lib", "es2022,dom,dom.iterable", ...modules, "--preserveSymlinks", "use.ts"],
    ],
    { cwd: project, encoding: "utf8" },
  );
});
