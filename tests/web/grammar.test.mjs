// grammar.test.mjs - constrained output in Chromium: whatever the seed and however hot, a text that came to its end is what was
// asked for; what nothing can be is refused; a grammar that allows everything changes nothing.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { root } from "../../scripts/paths.mjs";
import {
  PROMPT,
  TestPage,
  TestServer,
  launchBrowser,
  limit,
  runNatively,
  tercet,
} from "./library_under_test.mjs";

const folder = mkdtempSync(join(tmpdir(), "tercet-grammar-"));
let browser, server, page;
before(async () => {
  browser = await launchBrowser();
  server = await TestServer.start();
  const file = join(folder, "qwen3.tercet");
  const source = join(root, "tests/golden/models/qwen3-grid-bf16");
  execFileSync(tercet, ["pack", source, "-o", file, "--chat-format", "qwen3", "--quiet"]);
  server.write("qwen3.tercet", readFileSync(file));
  // SentencePiece: its texts begin with a space that nobody sees.
  const stories = join(root, "tests/golden/models/stories260K");
  const dense = ["--dense", "q8", "--quiet"];
  execFileSync(tercet, ["pack", stories, "-o", file, ...dense]);
  server.write("stories.tercet", readFileSync(file));
  page = await TestPage.open(browser, server);
  await page.run(async () => {
    globalThis.model = await tercet.load("/model.tercet");
  });
});
after(async () => {
  await page?.finish();
  await browser?.close();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const SEEDS = 50;

/** The results of the seeds 1 to SEEDS. */
const generateAll = (grammar, { seeds = SEEDS, ...options } = {}) =>
  page.run(
    async ({ prompt, grammar, options, seeds }) => {
      const results = [];
      for (let seed = 1; seed <= seeds; seed++) {
        const { text, finishReason, speculation } = await model.generate(prompt, {
          ...{ grammar, seed, temperature: 1.5, topK: 0, topP: 1, minP: 0, maxTokens: 200 },
          ...options,
        }).result;
        results.push({ text, finishReason, accepted: speculation.acceptedTokens });
      }
      return results;
    },
    { prompt: PROMPT, grammar, options, seeds },
  );

const name = { type: "string", pattern: "^\\p{Lu}\\p{Ll}{1,9}$" };
const schemas = {
  "an object of all types": {
    type: "object",
    properties: {
      name,
      note: { type: "string", maxLength: 12 },
      age: { type: "integer", minimum: 0, maximum: 130 },
      weight: { type: "number", minimum: 0.5, exclusiveMaximum: 200 },
      alive: { type: "boolean" },
      nothing: { type: "null" },
      colour: { enum: ["red", "grün", "日本", 'in "quotes"', 7] },
      born: { type: "string", format: "date" },
    },
    required: ["name", "age", "alive", "colour"],
    additionalProperties: false,
  },
  "nested arrays": {
    type: "array",
    items: {
      type: "array",
      items: { type: "integer", minimum: -9, maximum: 99 },
      minItems: 1,
      maxItems: 3,
    },
    minItems: 1,
    maxItems: 3,
  },
  "anyOf with references": {
    $defs: {
      cat: {
        type: "object",
        properties: { kind: { const: "cat" }, name },
        required: ["kind", "name"],
        additionalProperties: false,
      },
      dog: {
        type: "object",
        properties: {
          kind: { const: "dog" },
          friends: { type: "array", items: name, maxItems: 2 },
        },
        required: ["kind", "friends"],
        additionalProperties: false,
      },
    },
    anyOf: [{ $ref: "#/$defs/cat" }, { $ref: "#/$defs/dog" }, { type: "array", maxItems: 0 }],
  },
  "other properties": {
    type: "object",
    properties: { a: { type: "null" } },
    required: ["a"],
    additionalProperties: { type: "boolean" },
  },
};

for (const [about, schema] of Object.entries(schemas)) {
  test(`${SEEDS} hot texts are JSON of the schema: ${about}`, limit, async () => {
    const ajv = new Ajv2020({ strict: false });
    addFormats(ajv);
    const judge = ajv.compile(schema);
    // What is bounded always comes to its end; names of other properties are not: the more is left to chance, the sooner they end.
    const heat = about === "other properties" ? { temperature: 5 } : {};
    const results = await generateAll({ jsonSchema: schema }, heat);
    const ended = results.filter(({ finishReason }) => finishReason === "stop");
    assert.ok(about === "other properties" ? ended.length > 5 : ended.length === SEEDS);
    for (const { text } of ended)
      assert.ok(judge(JSON.parse(text)), `${text} ${JSON.stringify(judge.errors)}`);
    const various = new Set(ended.map(({ text }) => text)).size > 1;
    assert.ok(various || about === "other properties", "not all the same");
  });
}

test("regular expressions, also of other scripts, and EBNF", limit, async () => {
  for (const source of [
    "[a-f]{2}\\d+(?:-[α-ω日本é]{1,3})?",
    "yes|no",
    '\\p{Lu}[^\\s"]{0,8}[.!?]',
  ]) {
    const results = await generateAll({ regex: source });
    const whole = new RegExp(`^(?:${source})$`, "u");
    const ended = results.filter(({ finishReason }) => finishReason === "stop");
    assert.ok(ended.length > 40);
    for (const { text } of ended) assert.match(text, whole);
    if (source === "yes|no") assert.equal(new Set(ended.map(({ text }) => text)).size, 2);
  }
  const ebnf = 'root ::= "(" (root | "x") ")"';
  for (const { text, finishReason } of await generateAll({ ebnf })) {
    if (finishReason === "stop") assert.match(text, /^\(+x\)+$/);
    assert.equal(text.split("(").length >= text.split(")").length, true);
  }
});

test("a text that is cut short is the beginning of one that fits", limit, async () => {
  const results = await generateAll({ regex: "(?:ab ?)+c" }, { maxTokens: 3 });
  for (const { text } of results) assert.match(text, /^(?:ab ?)*a?c?$/);
});

test("with drafts or without, the text is the same, and drafts are kept", limit, async () => {
  const grammar = {
    jsonSchema: { type: "array", items: { enum: ["again and again"] }, minItems: 4, maxItems: 6 },
  };
  const off = await generateAll(grammar, { speculation: "off", seeds: 10 });
  const on = await generateAll(grammar, { speculation: 8, seeds: 10 });
  assert.deepEqual(
    on.map(({ text }) => text),
    off.map(({ text }) => text),
  );
  assert.ok(on.reduce((sum, { accepted }) => sum + accepted, 0) > 10);
  for (const { text } of on) assert.ok(JSON.parse(text).length >= 4);
});

test(
  "a grammar that allows everything changes no token; the next text is free again",
  limit,
  async () => {
    const ask = (options) =>
      page.run(
        async ({ prompt, options }) =>
          (await model.generate(prompt, { maxTokens: 60, ...options }).result).tokens,
        { prompt: PROMPT, options },
      );
    const everything = { regex: "[\\s\\S]*" };
    for (const [options, flags] of [
      [{ temperature: 0 }, ["--temperature", 0]],
      [{ seed: 7 }, ["--seed", 7]],
    ]) {
      const native = runNatively(["-p", PROMPT, "-n", 60, ...flags]).tokens;
      assert.deepEqual(await ask({ ...options, grammar: everything }), native);
      assert.deepEqual(
        await ask({ ...options, grammar: { regex: "x" } }).then((t) => t.length > 0),
        true,
      );
      assert.deepEqual(await ask(options), native);
    }
  },
);

test(
  "what nothing can be, and what is no grammar, is refused; the engine goes on",
  limit,
  async () => {
    const refused = await page.run(async (prompt) => {
      const told = {};
      const cyclic = {};
      cyclic.self = cyclic;
      for (const [name, grammar] of Object.entries({
        impossible: { jsonSchema: { type: "integer", minimum: 3, maximum: 1 } },
        endless: { jsonSchema: { properties: { a: { $ref: "#" } }, required: ["a"] } },
        unknown: { jsonSchema: { not: {} } },
        cyclic: { jsonSchema: cyclic },
        regex: { regex: "(a" },
        ebnf: { ebnf: "root ::= other" },
        none: {},
        two: { regex: "a", ebnf: "b" },
        type: { regex: /a/ },
      })) {
        try {
          await model.generate(prompt, { grammar, maxTokens: 4 }).result;
          told[name] = "accepted";
        } catch (error) {
          told[name] = `${error.code} ${error.advice}`;
        }
      }
      const { text } = await model.generate(prompt, { grammar: { regex: "fine" } }).result;
      return { told, text };
    }, PROMPT);
    const grammar = "BAD_GRAMMAR fix-input";
    const argument = "BAD_ARGUMENT fix-input";
    assert.deepEqual(refused.told, {
      ...{ impossible: grammar, endless: grammar, unknown: grammar, cyclic: grammar },
      ...{ regex: grammar, ebnf: grammar, none: argument, two: argument, type: argument },
    });
    assert.equal(refused.text, "fine");
  },
);

test("chat and OpenAI's response_format", limit, async () => {
  const schema = {
    type: "object",
    properties: { yes: { type: "boolean" }, count: { type: "integer", minimum: 0, maximum: 99 } },
    required: ["yes", "count"],
    additionalProperties: false,
  };
  const got = await page.run(async (schema) => {
    const chatting = await tercet.load("/qwen3.tercet");
    const messages = [{ role: "user", content: "Hi" }];
    const grammar = { jsonSchema: schema };
    const chat = await chatting.chat(messages, { grammar, thinking: false, seed: 1 }).result;
    const create = (response_format) =>
      chatting.openai.chat.completions
        .create({ model: "any", messages, temperature: 1.5, seed: 4, response_format })
        .then(
          ({ choices: [{ message }] }) => message.content,
          (error) => error.code,
        );
    const format = { name: "answer", strict: true, schema };
    const told = {
      chat: chat.message.content,
      schema: await create({ type: "json_schema", json_schema: format }),
      bad: await create({ type: "json_schema", json_schema: { ...format, schema: false } }),
      missing: await create({ type: "json_schema" }),
    };
    await chatting.dispose();
    return told;
  }, schema);
  const ajv = new Ajv2020({ strict: false });
  const judge = ajv.compile(schema);
  for (const text of [got.chat, got.schema]) assert.ok(judge(JSON.parse(text)), text);
  assert.deepEqual([got.bad, got.missing], ["BAD_GRAMMAR", "BAD_ARGUMENT"]);
});

test("behind an empty prompt, where SentencePiece's first space is taken off", limit, async () => {
  const sources = [" Once[a-z ]{3,9}\\.", "Once (?:upon|in) a time", ".{5}", "  \\d{2}"];
  const got = await page.run(async (sources) => {
    const stories = await tercet.load("/stories.tercet", { cache: "memory" });
    const results = [];
    for (const regex of sources)
      for (const prompt of ["", "One day"])
        for (let seed = 1; seed <= 10; seed++) {
          const options = { grammar: { regex }, seed, temperature: 1.5, maxTokens: 40 };
          const { text, finishReason } = await stories.generate(prompt, options).result;
          results.push({ regex, prompt, text, finishReason });
        }
    await stories.dispose();
    return results;
  }, sources);
  for (const { regex, prompt, text, finishReason } of got) {
    assert.equal(finishReason, "stop");
    assert.match(text, new RegExp(`^(?:${regex})$`, "u"), `behind "${prompt}"`);
  }
});
