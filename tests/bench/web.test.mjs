// web.test.mjs - the parts of the browser bench that can be wrong without anybody seeing it: what memory is counted, what a
// download is, and a report that must not hide a rival's failure. Nothing here depends on a time, and no rival is needed.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { gzipSync } from "node:zlib";
import { measure as measureGrammar } from "../../bench/grammar.mjs";
import { addRow, startResult } from "../../bench/results.mjs";
import { webText } from "../../bench/web/report.mjs";
import { MemoryWatch, browserProcess, parseMemory } from "../../bench/web/renderer_memory.mjs";
import { BenchSite } from "../../bench/web/site.mjs";
import { modelFile } from "../../scripts/paths.mjs";

const limit = { timeout: 300_000 };
const folder = mkdtempSync(join(tmpdir(), "tercet-bench-test-"));
after(() => rmSync(folder, { recursive: true, force: true }));

test("memory is read from the kernel's texts, and a text without it is refused", () => {
  const rollup = "00400000-7ffd ---p [rollup]\nRss:  300 kB\nPss:   120 kB\nPss_Anon:  7 kB\n";
  const status = "Name:\tx\nVmPeak:\t 999 kB\nVmHWM:\t     400 kB\nVmRSS:\t     350 kB\n";
  assert.deepEqual(parseMemory(rollup, status), {
    pssBytes: 120 * 1024,
    rssBytes: 350 * 1024,
    peakRssBytes: 400 * 1024,
  });
  assert.throws(() => parseMemory("Rss: 3 kB\n", status), /no Pss/);
});

test("the watch sees a peak of the process that works, and only that", limit, async () => {
  // A stand-in for the browser, found as the browser is, with two "renderers": one takes and gives back 80 MB.
  const renderer = (work) =>
    `process.stdin.once("data", () => { ${work} }); process.stdout.write("ready");`;
  const busy = renderer(
    `const big = Buffer.alloc(80e6, 1); process.stdout.write("done"); setTimeout(() => big, 1e5);`,
  );
  const starter = `
    const { spawn } = require("node:child_process");
    const start = (text) => spawn(process.execPath, ["-e", text, "--", "--type=renderer"],
      { stdio: ["pipe", "pipe", "inherit"] });
    const children = [start(process.argv[2]), start(process.argv[3])];
    let ready = 0;
    for (const child of children) child.stdout.on("data", (text) => {
      if (String(text) === "done") process.stdout.write("done");
      else if (++ready === 2) process.stdout.write("ready");
    });
    process.stdin.on("data", () => children[0].stdin.write("go"));
    process.stdin.on("end", () => { for (const child of children) child.kill(); process.exit(); });`;
  const profile = join(folder, "profile");
  const words = ["-e", starter, "--", `--user-data-dir=${profile}`, busy, renderer("")];
  const browser = spawn(process.execPath, words, { stdio: ["pipe", "pipe", "inherit"] });
  const said = () =>
    new Promise((resolve) => browser.stdout.once("data", (it) => resolve(`${it}`)));
  try {
    assert.equal(await said(), "ready");
    assert.equal(browserProcess(profile), browser.pid);
    assert.equal(browserProcess(`${profile}-other`), null);
    const watch = new MemoryWatch(browser.pid);
    browser.stdin.write("go");
    assert.equal(await said(), "done");
    const seen = watch.stop();
    for (const name of ["rendererPeakBytes", "rendererHighWaterBytes", "browserPeakBytes"])
      assert.ok(seen[name] > 70e6 && seen[name] < 160e6, `${name} ${seen[name]}`);
    assert.ok(seen.samples >= 2);
  } finally {
    browser.stdin.end();
    await new Promise((resolve) => browser.once("exit", resolve));
  }
});

test("a download is what a page asked for, compressed, of one folder alone", limit, async () => {
  const text = "export const words = 1;\n".repeat(200);
  writeFileSync(join(folder, "engine.js"), text);
  writeFileSync(join(folder, "unused.js"), text);
  const site = await BenchSite.start({ engine: folder, other: folder });
  try {
    const answer = await fetch(`${site.origin}/engine/engine.js?again=1`);
    assert.equal(await answer.text(), text);
    assert.equal(answer.headers.get("cross-origin-opener-policy"), "same-origin");
    assert.equal(answer.headers.get("content-security-policy"), null);
    await fetch(`${site.origin}/engine/engine.js`);
    assert.equal((await fetch(`${site.origin}/nowhere/engine.js`)).status, 404);
    const { files, gzipBytes } = site.sentOf("engine");
    assert.deepEqual(
      files.map(({ path, bytes }) => [path, bytes]),
      [["/engine/engine.js", text.length]],
    );
    assert.equal(gzipBytes, gzipSync(text, { level: 9 }).length);
    assert.equal(site.sentOf("other").gzipBytes, 0);
    site.forget();
    assert.equal(site.sentOf("engine").gzipBytes, 0);
  } finally {
    await site.stop();
  }
});

test("a signal ends the benchmark, not only its browser", limit, async () => {
  // A stand-in for Chromium that says that it runs, and ends when the pipe to it does.
  const fake = join(folder, "chromium.sh");
  writeFileSync(fake, '#!/bin/sh\n: > "$0.runs"\nexec cat <&3 >/dev/null\n', { mode: 0o755 });
  const script = `
    import { visit } from ${JSON.stringify(new URL("../../bench/web/visit.mjs", import.meta.url).href)};
    await visit({}, { folder: ${JSON.stringify(folder)} }, "tercet", {}, { timeoutMs: 300_000 }).catch(() => {});
    setInterval(() => {}, 1000); // the next visit`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    env: { ...process.env, TERCET_CHROMIUM: fake },
    stdio: "ignore",
  });
  try {
    const ended = new Promise((resolve) => child.once("exit", (_, signal) => resolve(signal)));
    while (!existsSync(`${fake}.runs`)) await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill("SIGTERM");
    const late = new Promise((resolve) => setTimeout(resolve, 120_000, "still there").unref());
    assert.equal(await Promise.race([ended, late]), "SIGTERM");
  } finally {
    child.kill("SIGKILL");
  }
});

test("the grammar bench runs on the bundled model, every text of it", limit, async () => {
  const result = startResult("grammar");
  const few = { dist: null, runs: 1, tokens: 24, threads: 1 };
  await measureGrammar({ path: modelFile, name: "bundled" }, few, result);
  const texts = ["no grammar", "grammar: text", "grammar: json", "grammar: lengths"];
  assert.deepEqual(
    result.rows.map(({ engine }) => engine),
    texts,
  );
});

test("the report has a ratio per pair and says why a rival failed", () => {
  const result = startResult("web");
  const shared = { subject: "synthetic tiny", threads: 2 };
  const figures = (decode) => ({ decode_tokens_per_s: decode, model_bytes: [228e6] });
  addRow(result, { ...shared, engine: "tercet", figures: figures([90, 100, 80]) });
  addRow(result, { ...shared, engine: "wllama q4_0", figures: figures([3, 4, 2]) });
  addRow(result, { ...shared, engine: "wllama tq2_0", failure: "the renderer crashed" });
  const text = webText(result);
  assert.match(text, /wllama q4_0 +2 +3\.00 +30\.00 x/);
  assert.match(text, /wllama tq2_0 +2 +- +-/);
  assert.match(text, /wllama tq2_0 +2 .*- +the renderer crashed$/m);
  assert.match(text, /228 MB/);
});
