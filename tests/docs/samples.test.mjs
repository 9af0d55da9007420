// samples.test.mjs - every code sample of docs/library/ and of the README, which npm shows, runs as it stands there: in Chromium, or in Node with the installed
// package. A sample must end well and show something; one that says nothing about how it is run fails.

import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { build } from "esbuild";
import { libraryPages, librarySamples } from "../../scripts/library-samples.mjs";
import { root } from "../../scripts/paths.mjs";
import { Project } from "../package/installed_package.mjs";
import {
  TestServer,
  launchBrowser,
  limit,
  modelBytes,
  STEP_TIMEOUT_MS,
  tercet,
} from "../web/library_under_test.mjs";

const KINDS = /^(run=page|run=chat|run=node|rival=\S+|policy|worker(-page)?|other)$/;
const samples = librarySamples();
/** { page, target, anchor } of every link within the checkout. */
const links = libraryPages().flatMap(({ name, text }) =>
  [...text.matchAll(/\]\((?!https?:)([^)#]*)(#[^)]*)?\)/g)].map(([, target, anchor]) => ({
    page: name,
    target,
    anchor,
  })),
);
const TIMEOUT_MS = STEP_TIMEOUT_MS;

let browser, server, project, folder;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), "tercet-samples-"));
  // Random weights with the vocabulary of one that answers: sense is not what a sample needs.
  const chat = join(folder, "chat.tercet");
  const source = join(root, "tests/golden/models/qwen3-grid-bf16");
  execFileSync(tercet, ["pack", source, "-o", chat, "--quiet", "--chat-format", "qwen3"]);
  server = await TestServer.start();
  server.write("models/story.tercet", modelBytes);
  server.write("models/chat.tercet", readFileSync(chat));
  const { outputFiles } = await build({
    stdin: { contents: 'export { default } from "openai";', resolveDir: root },
    bundle: true,
    format: "esm",
    write: false,
    logLevel: "error",
  });
  server.write("openai.js", outputFiles[0].contents);
  browser = await launchBrowser();
  project = await Project.create({ "models/story.tercet": modelBytes });
});
after(async () => {
  await browser?.close();
  await server?.stop();
  project?.remove();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

test("every sample says how it is run", () => {
  assert.ok(samples.length > 10);
  for (const { page, line, kind } of samples)
    assert.match(kind, KINDS, `${page}:${line} is fenced as "js ${kind}"`);
});

async function runInPage(code, number) {
  const names = { '"tercet"': '"/dist/index.js"', '"openai"': '"/openai.js"' };
  server.write(
    `sample-${number}.js`,
    code.replace(/(?<=from )"\w+"/g, (name) => names[name] ?? name),
  );
  server.write(
    `sample-${number}.html`,
    `<!doctype html><title>sample</title><script type="module" src="run-${number}.js"></script>`,
  );
  server.write(
    `run-${number}.js`,
    `import("/sample-${number}.js").then(() => { globalThis.ended = "well"; },
      (error) => { globalThis.ended = String(error.stack ?? error); });`,
  );
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    page.setDefaultTimeout(TIMEOUT_MS);
    const shown = [];
    page.on("console", (message) => {
      if (message.type() === "log") shown.push(message.text());
    });
    await page.goto(`${server.origin}/sample-${number}.html`);
    await page.waitForFunction(() => globalThis.ended);
    assert.equal(await page.evaluate(() => globalThis.ended), "well");
    return shown.join("\n") + (await page.evaluate(() => document.body.textContent));
  } finally {
    await context.close();
  }
}

async function runInNode(code, number) {
  project.write(`sample-${number}.mjs`, code);
  const { stdout } = await promisify(execFile)(process.execPath, [`sample-${number}.mjs`], {
    cwd: project.folder,
    timeout: TIMEOUT_MS,
    env: { ...process.env, SITE: server.origin },
  });
  return stdout;
}

describe("samples", () => {
  samples.forEach(({ page, line, kind, code }, number) => {
    if (!kind.startsWith("run=")) return;
    test(`${page}:${line}`, limit, async () => {
      const shown = await (kind === "run=node" ? runInNode : runInPage)(code, number);
      assert.ok(shown.trim().length > 0, "it shows nothing");
    });
  });
});

test("links lead somewhere", () => {
  assert.ok(links.length > 5);
  for (const { page, target, anchor } of links) {
    const file = target === "" ? join(root, page) : join(root, dirname(page), target);
    assert.ok(existsSync(file), `${page}: ${target}`);
    if (!anchor) continue;
    const headings = readFileSync(file, "utf8").match(/^#+ .*$/gm) ?? [];
    const anchors = headings.map(
      (heading) =>
        `#${heading
          .replace(/^#+ /, "")
          .toLowerCase()
          .replace(/[^\w -]/g, "")
          .replaceAll(" ", "-")}`,
    );
    assert.ok(anchors.includes(anchor), `${page}: ${target}${anchor}`);
  }
});
