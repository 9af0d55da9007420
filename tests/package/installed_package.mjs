// installed_package.mjs - what the tests of the package share: the tarball that `npm pack` makes, installed into a project of its
// own as a user would have it, and a page in Chromium on what a bundler made of that project.

import { execFile, execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { fingerprint, listFiles } from "../../scripts/fingerprint.mjs";
import { root } from "../../scripts/paths.mjs";
import { PROMPT, TestPage, TestServer, tercet } from "../web/library_under_test.mjs";

const run = promisify(execFile);
const NPM_TIMEOUT_MS = 300_000;

/** The npm that runs us, if one does. */
function npm(args, options) {
  const cli = process.env.npm_execpath;
  const [command, first] = cli?.endsWith(".js") ? [process.execPath, [cli]] : ["npm", []];
  return run(command, [...first, ...args], { timeout: NPM_TIMEOUT_MS, ...options });
}

/**
 * Makes the tarball in `folder`.
 * @returns {Promise<{ filename: string, integrity: string, files: { path: string, size: number }[] }>} as npm reports it
 */
export async function pack(folder) {
  const flags = ["--json", "--silent", "--pack-destination", folder];
  const { stdout } = await npm(["pack", ...flags], { cwd: root, maxBuffer: 1 << 24 });
  return JSON.parse(stdout)[0];
}

/** Whatever the tarball is made of and by. */
const INGREDIENTS = ["dist", "docs", "package.json", "README.md", "LICENSE", "scripts"];
/** Where projects with the package installed and nothing else are kept, each under the fingerprint of its ingredients. */
const KEPT = join(root, "build", "package-under-test");
const KEPT_FOR_MS = 24 * 3600 * 1000;

/** Packs and installs, as a user does. Nothing is fetched: the package has no dependencies. */
async function install(folder) {
  const packed = await pack(folder);
  const manifest = '{ "name": "project", "private": true, "type": "module" }';
  writeFileSync(join(folder, "package.json"), manifest);
  const flags = ["--offline", "--no-audit", "--no-fund", "--silent"];
  await npm(["install", ...flags, `./${packed.filename}`], { cwd: folder });
  writeFileSync(join(folder, "packed.json"), JSON.stringify(packed));
}

/** The folder of a project that was installed from just these files, by this process or one before. */
async function installedOnce() {
  const kept = join(KEPT, fingerprint(INGREDIENTS.map((name) => join(root, name))).slice(0, 16));
  if (existsSync(kept)) return kept;
  mkdirSync(KEPT, { recursive: true });
  for (const name of readdirSync(KEPT))
    if (statSync(join(KEPT, name)).mtimeMs < Date.now() - KEPT_FOR_MS)
      rmSync(join(KEPT, name), { recursive: true, force: true });
  const folder = mkdtempSync(join(KEPT, "making-"));
  try {
    await install(folder);
    renameSync(folder, kept);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    // Another process was faster.
    if (!existsSync(kept)) throw error;
  }
  return kept;
}

/** A folder with package.json, the installed package and the files of one project. */
export class Project {
  /** `files`: of the project, by path. `anew`: packed and installed for this project, and not a copy of one that was. */
  static async create(files = {}, { anew = false } = {}) {
    const made = new Project();
    made.folder = mkdtempSync(join(tmpdir(), "tercet-project-"));
    if (anew) await install(made.folder);
    else cpSync(await installedOnce(), made.folder, { recursive: true });
    made.packed = JSON.parse(made.read("packed.json"));
    for (const [path, text] of Object.entries(files)) made.write(path, text);
    return made;
  }

  path(...names) {
    return join(this.folder, ...names);
  }

  read(path) {
    return readFileSync(this.path(path), "utf8");
  }

  readBytes(...names) {
    return readFileSync(this.path(...names));
  }

  write(path, text) {
    mkdirSync(dirname(this.path(path)), { recursive: true });
    writeFileSync(this.path(path), text);
  }

  remove() {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** What a page must allow at least when worker and modules come out of its bundle. */
export const INLINED_POLICY =
  "default-src 'self'; script-src 'self' blob: 'wasm-unsafe-eval'; worker-src 'self' blob:";

/** What `held` of a page's answer fits: the script for grammars is a file, or part of a bundle, of its own. */
export const HELD = /^\{"answer":(true|false)\}$/;

/** A page's script: it imports the package by its name and nothing else, and says what it did. */
export const pageScript = (specifier = "tercet", options = "{}") => `
import { load } from ${JSON.stringify(specifier)};
globalThis.write = async (prompt) => {
  const model = await load("/model.tercet", ${options});
  const { text } = await model.generate(prompt, { maxTokens: 8, seed: 5 }).result;
  const jsonSchema = { type: "object", properties: { answer: { type: "boolean" } },
    required: ["answer"], additionalProperties: false };
  const { text: held } = await model.generate(prompt, { grammar: { jsonSchema }, seed: 5 }).result;
  const { variant, threads, notices, isolated } = model.info;
  await model.dispose();
  return { text, held: held.replaceAll(" ", ""), variant, threads, notices, isolated };
};
globalThis.packed = async (address) => {
  const model = await load(address, { cache: "memory" });
  const { modelId } = model.info;
  await model.dispose();
  return modelId;
};
`;

/** A GGUF file that every page is given: the packer comes out of the package too. */
export const GGUF = "small.gguf";
const ggufPath = join(root, "tests/golden/models/gguf-llama-tq2_0/model.gguf");
export const ggufBytes = readFileSync(ggufPath);

/** Of the model that the native twin makes of it. */
export function ggufId() {
  const folder = mkdtempSync(join(tmpdir(), "tercet-packed-"));
  try {
    const args = ["pack", ggufPath, "-o", join(folder, "m.tercet"), "--json"];
    const out = execFileSync(tercet, args, { stdio: ["ignore", "pipe", "ignore"] });
    return JSON.parse(out).model_id;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export const pageMarkup = (script) =>
  `<!doctype html><title>page</title><script type="module" src="${script}"></script>`;

/**
 * Serves a folder and lets its page write. `isolation`: whether the page can have threads. `contentPolicy`: in place of the
 * strict one that `npm start` sends.
 * Fails on any request that leaves the server and on whatever the page reports.
 * @returns {Promise<{ text: string, held: string, variant: string, threads: number, notices: string[], isolated: boolean, packed: string, paths: string[] }>} `packed`: id of the GGUF file's model
 */
export async function writeInPage(
  browser,
  folder,
  { isolation = true, contentPolicy, path = "/" } = {},
) {
  const server = await TestServer.start({ isolation, contentPolicy });
  try {
    for (const file of listFiles(folder))
      server.write(file.slice(folder.length + 1), readFileSync(file));
    server.write(GGUF, ggufBytes);
    if (!existsSync(join(folder, "index.html"))) throw new Error(`${folder} holds no page`);
    return await writeAt(browser, server.origin, path);
  } finally {
    await server.stop();
  }
}

/** The same on a server that runs already; `others`: origins that may be asked too. */
export async function writeAt(browser, origin, path = "/", { others = [] } = {}) {
  const page = new TestPage();
  page.context = await browser.newContext();
  const addresses = [];
  page.context.on("request", (request) => addresses.push(request.url()));
  await page.visit({ origin }, path, { withLibrary: false });
  await page.page
    .waitForFunction(() => typeof globalThis.write === "function")
    .catch((error) => {
      throw new Error(`${error.message} ${page.problems.join("; ")} of ${addresses.join(" ")}`);
    });
  const written = await page.run((prompt) => globalThis.write(prompt), PROMPT);
  const modelId = await page.run((address) => globalThis.packed(address), `/${GGUF}`);
  await page.finish();
  const foreign = addresses.filter(
    (url) => !/^(blob|data):/.test(url) && ![origin, ...others].includes(new URL(url).origin),
  );
  if (foreign.length > 0) throw new Error(`requests to others: ${foreign.join(" ")}`);
  const paths = addresses
    .filter((url) => url.startsWith(origin))
    .map((url) => new URL(url).pathname);
  return { ...written, packed: modelId, paths };
}
