// look_inside.test.mjs - the views that look inside and that measure, as a person uses them: the map says what the native twin says, a layer
// opens, layers are timed; the bench runs, can be stopped, is saved, and lies beside a file of the command.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { tercet } from "../../scripts/paths.mjs";
import {
  TestSite,
  Visit,
  cleanUp,
  launchBrowser,
  limit,
  makeTemporaryFolder,
  modelPath,
} from "./site_under_test.mjs";

let browser, site, visit, page, folder;
before(async () => {
  folder = makeTemporaryFolder();
  browser = await launchBrowser();
  site = await TestSite.start();
  visit = await Visit.open(await browser.newContext(), `${site.origin}/`);
  ({ page } = visit);
});
after(async () => {
  await visit?.finish();
  await browser?.close();
  await cleanUp();
});

const runTercet = (...args) => JSON.parse(execFileSync(tercet, args, { encoding: "utf8" }));
/** The page that these tests share, with the model open; each test can be the first. */
async function openShared() {
  if ((await page.locator(".open-model.open").count()) === 0) await visit.openModel();
  await visit.ready();
}
const cells = (row) => row.locator("th, td").allInnerTexts();

test("without a model both views lead to the first one", limit, async () => {
  for (const view of ["inside", "bench"]) {
    await visit.goTo(view);
    await page.locator(`.view-${view} .empty a`).click();
    await page.waitForSelector(".view-start:not([hidden])");
  }
});

test(
  "the map: every layer's shares, its matrices, the parts of file and memory",
  limit,
  async () => {
    const inspected = runTercet("inspect", modelPath, "--tensors", "--json");
    await openShared();
    await visit.goTo("inside");
    const table = page.locator(".inside table");
    await table.waitFor();
    for (const [i, share] of inspected.ternary.sparsity_by_layer.entries()) {
      const row = table.locator("tr", { hasText: `Layer ${i + 1}` });
      const [, , minus, zero, plus] = await cells(row);
      assert.equal(zero, `${(100 * share).toFixed(1)} %`);
      const sum = [minus, zero, plus].reduce((total, text) => total + parseFloat(text), 0);
      assert.ok(Math.abs(sum - 100) < 0.2, `${sum}`);
    }
    const closed = await table.locator("tbody tr").count();
    const button = table.getByRole("button", { name: "Layer 2" });
    await button.click();
    assert.equal(await button.getAttribute("aria-expanded"), "true");
    const tensors = inspected.tensors.filter(({ name }) => name.startsWith("layers.1."));
    assert.equal(await table.locator("tbody tr").count(), closed + tensors.length);
    const query = tensors.find(({ name }) => name.endsWith("attention.q"));
    const [name, , , zero] = await cells(table.locator("tr", { hasText: "attention.q" }));
    assert.match(name, new RegExp(`${query.rows} × ${query.columns} ternary, scales? `));
    assert.equal(zero, `${((100 * query.zeros) / (query.rows * query.columns)).toFixed(1)} %`);
    await button.press("Enter");
    assert.equal(await table.locator("tbody tr").count(), closed);
    // The file's bytes, and those of memory, by part.
    const file = page.getByRole("region", { name: /^The file: / });
    assert.equal(await file.locator("dt").count(), 6);
    const memory = page.getByRole("region", { name: /^Memory: / });
    assert.deepEqual(await memory.locator("dt").allInnerTexts(), [
      "Weights",
      "Header and tokenizer",
      "Keys and values",
      "Activations",
      "Engine",
    ]);
  },
);

test("the time of each layer while tokens come", limit, async () => {
  const { layers } = runTercet("inspect", modelPath, "--json").shape;
  await openShared();
  await visit.goTo("inside");
  await page.getByRole("button", { name: "Measure" }).click();
  await page.waitForSelector("#layer-times");
  await page.getByRole("button", { name: "Measure" }).waitFor();
  const times = await page.locator("#layer-times dd").allInnerTexts();
  assert.equal(times.length, layers + 2);
  for (const time of times) assert.match(time, /^\d+(\.\d+)? ms$/);
  const decimals = times.map((time) => time.split(" ")[0].split(".")[1]?.length);
  assert.equal(new Set(decimals).size, 1, times.join(", "));
  const columns = ".view-inside .layer-bars rect";
  assert.equal(await page.locator(columns).count(), layers + 2);
  assert.match(await page.locator(".view-inside .speed").innerText(), /tokens\/s/);
  assert.ok(!(await page.locator(".inside").innerText()).includes("not isolated"));
});

/** A page of its own, where the model is open. */
async function visitAnew({ origin = site.origin, prepare, messages } = {}) {
  const context = await browser.newContext({ serviceWorkers: "block" });
  const own = await Visit.open(context, "about:blank");
  own.expectMessages(/Service Worker registration blocked/);
  if (messages) own.expectMessages(messages);
  await prepare?.(own.page, context);
  await own.page.goto(`${origin}/`);
  await own.openModel();
  await own.ready();
  return own;
}

test("layers are timed while somebody writes, and seen in both views", limit, async () => {
  const { layers } = runTercet("inspect", modelPath, "--json").shape;
  const own = await visitAnew();
  await own.write({ seed: 3, length: 40 });
  const columns = own.page.locator(".view-write .layer-bars rect");
  await columns.first().waitFor({ state: "attached" }); // with the frame after
  assert.equal(await columns.count(), layers + 2);
  await own.goTo("inside");
  await own.page.waitForSelector("#layer-times");
  assert.equal(await own.page.locator("#layer-times dd").count(), layers + 2);
  await own.finish();
});

test("nothing is timed in a tab that is hidden", limit, async () => {
  const own = await visitAnew();
  await own.page.evaluate(() => Object.defineProperty(document, "hidden", { get: () => true }));
  const asked = [];
  own.page.context().on("request", (request) => asked.push(request.url()));
  await own.write({ seed: 3, length: 40 });
  assert.equal(await own.page.locator(".view-write .layer-bars rect").count(), 0);
  assert.deepEqual(
    asked.filter((url) => url.includes("tercet-look")),
    [],
  );
  await own.finish();
});

test("the text is written also where the script that times does not come", limit, async () => {
  let refused = 0;
  const own = await visitAnew({
    messages: /ERR_FAILED/,
    prepare: (_, context) =>
      context.route(/tercet-look/, (route) => {
        refused += 1;
        return route.abort();
      }),
  });
  for (let i = 0; i < 2; i++) {
    await own.write({ seed: 3 + i, length: 40 });
  }
  assert.equal(refused, 1, "it is asked for once");
  assert.equal(await own.page.locator(".view-write .layer-bars rect").count(), 0);
  await own.finish();
});

test("a page that is not isolated says that its clock is coarse", limit, async () => {
  const plain = await TestSite.start({ isolation: false });
  const own = await visitAnew({ origin: plain.origin });
  await own.goTo("inside");
  await own.page.getByText("This page is not isolated, so its clock is coarse").waitFor();
  await own.finish();
});

test(
  "the bench: chosen, run, compared with the command's file, saved, stopped",
  limit,
  async () => {
    await openShared();
    await visit.goTo("bench");
    const start = page.getByRole("button", { name: "Start", exact: true });
    // Nothing was measured yet, and nothing says so.
    const before = await page.getByRole("region", { name: "This machine" }).innerText();
    assert.match(before, /Date\s+–/);
    assert.equal(await page.getByText("Measured here").count(), 0);
    const check = (name, on) => page.getByRole("checkbox", { name, exact: true }).setChecked(on);
    await check("64", true);
    await check("192", false);
    const threads = page.getByRole("group", { name: "Threads" }).getByRole("checkbox");
    for (let i = 0; i < (await threads.count()); i++) await threads.nth(i).setChecked(i === 0);
    await check("simd128", true);
    await start.click();
    await page.locator("#bench-results tbody tr").nth(1).waitFor();
    await start.waitFor();
    const labels = async () => page.locator("#bench-results tbody th").allInnerTexts();
    assert.deepEqual(await labels(), [
      "relaxed, 1 thread, 64 tokens",
      "simd128, 1 thread, 64 tokens",
    ]);

    // A file of the command, dropped; then what is none, chosen.
    const native = execFileSync(
      tercet,
      ["bench", modelPath, "--json", "--runs", "1", "--context", "64", "--threads", "1"],
      { encoding: "utf8" },
    );
    await page.evaluate((text) => {
      const data = new DataTransfer();
      data.items.add(new File([text], "native.json", { type: "application/json" }));
      for (const type of ["dragover", "drop"]) {
        const event = new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true });
        document.querySelector(".bench .drop").dispatchEvent(event);
      }
    }, native);
    await page.locator("#bench-results tbody tr").nth(2).waitFor();
    const [row] = JSON.parse(native).results;
    assert.equal((await labels())[2], `${row.kernels}, 1 thread, 64 tokens (from file)`);
    const shown = await cells(page.locator("#bench-results tbody tr").nth(2));
    assert.equal(shown[2].trim(), row.decode_tokens_per_s.toFixed(1));

    const download = async (name) => {
      const [saved] = await Promise.all([
        page.waitForEvent("download"),
        page.getByRole("button", { name }).click(),
      ]);
      return { name: saved.suggestedFilename(), bytes: readFileSync(await saved.path()) };
    };
    const json = await download("Save JSON");
    assert.equal(json.name, "tercet-bench.json");
    const file = JSON.parse(json.bytes);
    assert.equal(file.model_id, JSON.parse(native).model_id);
    assert.equal(file.cross_origin_isolated, true);
    assert.match(file.browser, /Chrom/);
    assert.equal(file.results.length, 2);
    const shared = ["kernels", "threads", "context", "kv", "prompt_tokens", "decode_tokens"];
    shared.push("prompt_tokens_per_s", "decode_tokens_per_s", "prompt_runs", "decode_runs");
    for (const one of file.results)
      for (const key of shared) assert.equal(typeof one[key], typeof row[key], key);
    assert.equal(file.results[0].prompt_tokens + file.results[0].decode_tokens, 64);
    assert.equal(file.results[0].prompt_tokens, row.prompt_tokens);
    // Every field of the command is there: the same in kind, or null where a page cannot know it.
    const unknown = ["read_gb_per_s", "read_from_memory", "read_share", "load_average"];
    for (const one of file.results) {
      for (const [key, value] of Object.entries(row)) {
        if (unknown.includes(key)) assert.equal(one[key], null, key);
        else assert.equal(typeof one[key], typeof value, key);
      }
      assert.ok(one.first_token_seconds > 0);
      assert.equal(one.packed_bytes_per_token, row.packed_bytes_per_token);
      const rate = (one.packed_bytes_per_token * one.decode_tokens_per_s) / 1e9;
      assert.ok(Math.abs(one.packed_gb_per_s / rate - 1) < 1e-9);
    }
    for (const key of Object.keys(JSON.parse(native))) assert.ok(key in file, key);
    assert.equal(file.last_cache_bytes, null);

    // Where it was measured is said on the page too.
    const facts = page.getByRole("region", { name: "Measured here" });
    const said = await facts.innerText();
    for (const fact of [file.model_id, file.browser, "isolated", file.platform])
      assert.ok(said.includes(fact), fact);
    assert.ok(said.includes(file.date.slice(0, 10)));
    const png = await download("Save PNG");
    assert.equal(png.bytes.subarray(1, 4).toString(), "PNG");
    assert.equal(png.bytes.readUInt32BE(16), 1200);
    assert.ok(png.bytes.length > 4000, "something is drawn");

    // What the page saved can be compared as well; what is none is refused.
    const chosen = page.locator(".bench input[type=file]");
    const saved = join(folder, "saved.json");
    writeFileSync(saved, json.bytes);
    await chosen.setInputFiles(saved);
    await page.locator("#bench-results tbody tr").nth(3).waitFor();
    // The same file again is a choice too: it may have been measured anew.
    const again = page.waitForEvent("filechooser");
    await chosen.click();
    assert.equal(await chosen.inputValue(), "");
    await (await again).setFiles(saved);
    const wrong = join(folder, "wrong.json");
    writeFileSync(wrong, '{"model_id": "x", "results": [{}]}');
    await chosen.setInputFiles(wrong);
    await page.getByText("This is no result of tercet bench --json.").waitFor();
    assert.equal((await labels()).length, 2);
    // A folder is none either, and cannot even be read.
    await chosen.setInputFiles(saved);
    await page.locator("#bench-results tbody tr").nth(2).waitFor();
    const place = page.locator(".bench .drop");
    await place.scrollIntoViewIfNeeded();
    const { x, y } = await place.boundingBox();
    await visit.drop(folder, { x: x + 5, y: y + 5 });
    await page.getByText("This is no result of tercet bench --json.").waitFor();
    assert.equal((await labels()).length, 2);

    // Stopped in the middle, however fast the engine is; it is as it was, and writes.
    await page.evaluate(async () => {
      const { Model } = await import(new URL("tercet/index.js", document.baseURI).href);
      const { bench } = Model.prototype;
      Model.prototype.bench = async function (options) {
        const { signal } = options;
        const measured = await bench.call(this, options);
        if (!signal.aborted) await new Promise((go) => signal.addEventListener("abort", go));
        return measured;
      };
    });
    await start.click();
    await page.getByRole("button", { name: "Stop" }).click();
    await start.waitFor();
    const { Kernels, Module } = await visit.facts();
    assert.ok(Kernels && Module);
    await visit.write({ seed: 3, length: 8 });
  },
);
