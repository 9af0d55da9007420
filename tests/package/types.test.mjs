// types.test.mjs - the types of the package in projects as they are set up: with a bundler's resolution and Node's, for pages and
// for servers that have no DOM, with every strict flag that changes how a library's types are read. No project skips the check of
// the package's own files, though most do.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { root } from "../../scripts/paths.mjs";
import { limit } from "../web/library_under_test.mjs";
import { Project } from "./installed_package.mjs";

const run = promisify(execFile);

let project;
before(async () => {
  project = await Project.create();
  // Node's types as a user has them; nothing of ours.
  for (const name of ["@types", "undici-types"])
    symlinkSync(join(root, "node_modules", name), project.path("node_modules", name));
});
after(() => project?.remove());

const uses = `
import { load, cache, features, TercetError, type GenerateOptions, type GenerateResult, type LoadOptions, type Model } from "tercet";
const model: Model = await load("m.tercet", {
  threads: 2, context: 64, kv: "int4", signal: AbortSignal.timeout(1), onProgress: ({ phase, loadedBytes }) => console.log(phase, loadedBytes) });
for await (const piece of model.generate("a", { seed: 1n, stop: ["b"], topK: 3 })) console.log(piece.length);
const { result } = model.generate(new Uint32Array(1));
const done: GenerateResult = await result;
const ids: Uint32Array = await model.tokenize("a");
const text: string = await model.detokenize(ids);
const rows: Float32Array = await model.logits([1, 2]);
try { await model.bench(); } catch (error) { if (error instanceof TercetError) console.log(error.code === "ABORTED", error.advice); }
console.log(done.finishReason === "stop", text, rows, (await cache.list())[0]?.state, features().simd128, model.info.kernels);
const answer = await model.openai.fetch(new URL("https://tercet.invalid/v1/models"));
console.log(answer.status, (await model.openai.chat.completions.create({ messages: [] })).choices[0]?.message.content);
// What is undefined is as if it were left out.
const maybe = Math.random() > 0.5 ? AbortSignal.timeout(1) : undefined;
const asked: GenerateOptions = { signal: maybe, maxTokens: undefined, temperature: undefined, grammar: undefined };
const wanted: LoadOptions = { signal: maybe, threads: undefined, network: { retries: undefined }, pack: undefined };
console.log(asked, wanted);
// @ts-expect-error there is no such option
model.generate("a", { temprature: 1 });
// @ts-expect-error there is no such form of the cache
load("m.tercet", { kv: "int2" }).then(({ info }) => console.log(info.kv));
// @ts-expect-error a model comes from load()
new (model.constructor as typeof Model)();
await model.dispose();
export {};
`;

const page = ["--lib", "es2022,dom,dom.iterable", "--types", ""];
const server = ["--lib", "es2022", "--types", "node"];
const strictest = [
  ...["--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess", "--verbatimModuleSyntax"],
  ...["--noPropertyAccessFromIndexSignature", "--isolatedModules"],
];

for (const [name, module, resolution, flags] of [
  ["a page with a bundler", "esnext", "bundler", page],
  ["a page with a bundler, every strict flag", "esnext", "bundler", [...page, ...strictest]],
  ["a page, node16", "node16", "node16", page],
  ["a server without the DOM, node16", "node16", "node16", server],
  ["a server, nodenext, every strict flag", "nodenext", "nodenext", [...server, ...strictest]],
])
  test(name, limit, async () => {
    project.write("use.ts", uses);
    project.write("single.ts", uses.replace('"tercet"', '"tercet/single"'));
    await run(
      process.execPath,
      [
        join(root, "node_modules/typescript/bin/tsc"),
        ...["--noEmit", "--strict", "--target", "es2022", "--module", module],
        ...["--moduleResolution", resolution, ...flags, "use.ts", "single.ts"],
      ],
      { cwd: project.folder },
    ).catch(({ stdout, message }) => assert.fail(stdout || message));
  });

test("a CommonJS project imports it in a function", limit, async () => {
  project.write("old/package.json", '{ "type": "commonjs" }');
  project.write(
    "old/use.cts",
    `async function open() { const { load } = await import("tercet"); return load("m.tercet"); }
    open().then(({ info }) => console.log(info.name));`,
  );
  await run(
    process.execPath,
    [
      join(root, "node_modules/typescript/bin/tsc"),
      ...["--noEmit", "--strict", "--target", "es2022", "--module", "node16", ...server],
      "old/use.cts",
    ],
    { cwd: project.folder },
  ).catch(({ stdout, message }) => assert.fail(stdout || message));
});
