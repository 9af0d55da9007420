// gguf.test.mjs - GGUF files in a real browser: load() packs them in the page, to the model that the native `tercet pack` makes,
// stores that and never packs it again; downloads go on where they were cut, and nothing is left over. The module by itself is
// tests/wasm/packer.test.mjs.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { root } from "../../scripts/paths.mjs";
import { changed, readGguf, writeGguf } from "../native/gguf_edit.mjs";
import {
  TestPage,
  TestServer,
  launchBrowser,
  limit,
  modelPath,
  tercet,
} from "./library_under_test.mjs";

const PART_BYTES = 4 << 20;
const TOKENS = [1, 5, 9, 2, 30, 7, 7, 3];
/** In front of the packer's script: it downloads all and makes its file, and then packs for as long as it lives. */
const ENDLESS = "WebAssembly.compile = () => new Promise(() => {});";
const goldens = join(root, "tests/golden/models");
const names = readdirSync(goldens).filter((name) => name.startsWith("gguf-"));
const golden = (name) => readFileSync(join(goldens, name, "model.gguf"));

let folder, server, browser, page;
/** The bundled model as a GGUF file of three parts, and natively packed again. */
let large, largeId;
/** One that is quickly packed. */
const small = golden("gguf-llama-tq2_0");
let smallId;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "tercet-gguf-"));
  const path = join(folder, "large.gguf");
  execFileSync(tercet, [
    "export",
    modelPath,
    "--to",
    "gguf",
    "--type",
    "f16",
    "-o",
    path,
    "--quiet",
  ]);
  large = readFileSync(path);
  assert.ok(large.length > 2 * PART_BYTES, `${large.length} bytes`);
  largeId = packNatively(large).modelId;
  smallId = packNatively(small).modelId;
  server = await TestServer.start();
  for (const name of names) server.write(`goldens/${name}/model.gguf`, golden(name));
  browser = await launchBrowser();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});
afterEach(async () => {
  const opened = page;
  page = null;
  server.repair();
  await opened?.finish();
});

/** { modelId, file } of the same bytes under the same name. */
function packNatively(bytes, options = []) {
  const source = join(folder, "model.gguf");
  const file = join(folder, "native.tercet");
  writeFileSync(source, bytes);
  const out = execFileSync(tercet, ["pack", source, "-o", file, "--json", ...options], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  return { modelId: JSON.parse(out).model_id, file };
}

function nativeLogits(file) {
  return execFileSync(
    tercet,
    ["logits", file, "--tokens", TOKENS.join(","), "-o", "-", "--threads", "1"],
    {
      maxBuffer: 1 << 28,
    },
  );
}

/** At the address that can misbehave, which does not say .gguf. */
function serve(bytes, etag = '"one"') {
  server.bytes = bytes;
  server.etag = etag;
}

async function openPage(options) {
  page = await TestPage.open(browser, server, options);
  await prepare();
}

/** Functions that the tests call in the page. */
async function prepare() {
  await page.page.evaluate(() => {
    globalThis.summary = async (model) => {
      const { modelId, source, notices } = model.info;
      return { modelId, source, notices };
    };
    globalThis.loadOnce = async (source, options = {}) => {
      const events = [];
      const model = await tercet.load(source, {
        context: 64,
        threads: 1,
        network: quick,
        onProgress: (progress) => events.push(progress),
        ...options,
      });
      const found = { ...(await summary(model)), events };
      await model.dispose();
      return found;
    };
    /** What packing and downloading leave behind; the answer to a tidy load is [], []. */
    globalThis.leftOver = async () => {
      const files = [];
      try {
        const top = await navigator.storage.getDirectory();
        const packing = await top.getDirectoryHandle("tercet-packing");
        for await (const name of packing.keys()) files.push(name);
      } catch (thrown) {
        if (thrown.name !== "NotFoundError") throw thrown;
      }
      const parts = await new Promise((resolve, reject) => {
        const opening = indexedDB.open("tercet-gguf");
        opening.onerror = () => reject(opening.error);
        opening.onupgradeneeded = () => opening.transaction.abort();
        opening.onsuccess = () => {
          const names = opening.result.objectStoreNames;
          if (!names.contains("parts")) return resolve([]);
          const asked = opening.result.transaction("parts").objectStore("parts").getAllKeys();
          asked.onsuccess = () => {
            opening.result.close();
            resolve(asked.result.map(([, index]) => index));
          };
        };
      }).catch(() => []);
      return { files, parts };
    };
  });
}

const nothing = { files: [], parts: [] };

test(
  "every golden file is packed to the native model, and computes what that computes",
  limit,
  async () => {
    await openPage();
    for (const name of names) {
      const dense = name.endsWith("dense");
      const native = packNatively(golden(name), dense ? ["--dense", "f32"] : []);
      const found = await page.run(
        async ({ address, tokens, pack }) => {
          const model = await tercet.load(address, { pack, threads: 1 });
          const rows = await model.logits(tokens);
          const { modelId, source, family } = model.info;
          await model.dispose();
          return { modelId, source, family, logits: [...new Uint8Array(rows.buffer)] };
        },
        {
          address: `/goldens/${name}/model.gguf`,
          tokens: TOKENS,
          pack: dense ? { dense: "f32" } : {},
        },
      );
      assert.equal(found.modelId, native.modelId, name);
      assert.equal(found.source, "network");
      assert.ok(nativeLogits(native.file).equals(Buffer.from(found.logits)), `${name}: logits`);
    }
    const { left, list } = await page.run(async () => ({
      left: await leftOver(),
      list: await tercet.cache.list(),
    }));
    assert.deepEqual(left, nothing);
    assert.equal(list.length, names.length);
    assert.ok(list.every(({ state }) => state === "complete"));
  },
);

test(
  "a file of a user's and bytes are the same model as the file at an address",
  limit,
  async () => {
    const native = packNatively(small);
    await openPage();
    await page.page.setContent('<input type="file">');
    await page.page.setInputFiles("input", {
      name: "model.gguf",
      mimeType: "application/octet-stream",
      buffer: small,
    });
    const found = await page.run(async () => {
      const [file] = document.querySelector("input").files;
      const fromFile = await loadOnce(file);
      const fromBytes = await loadOnce(await file.arrayBuffer());
      return { fromFile, fromBytes, left: await leftOver(), list: await tercet.cache.list() };
    });
    assert.equal(found.fromFile.modelId, native.modelId);
    assert.equal(found.fromFile.source, "memory");
    // Packed as well, but all of its chunks are there: they are not written twice.
    assert.equal(found.fromBytes.modelId, native.modelId);
    assert.ok(found.fromBytes.events.some(({ phase }) => phase === "pack"));
    assert.deepEqual(found.left, nothing);
    assert.deepEqual(
      found.list.map(({ modelId, state, urls }) => [modelId, state, urls.length]),
      [[native.modelId, "complete", 2]],
    );
  },
);

test("a second visit needs neither the server nor the packer", limit, async () => {
  serve(small);
  await openPage();
  const first = await page.run(() => loadOnce("/model.tercet"));
  assert.equal(first.modelId, smallId);
  assert.equal(first.source, "network");
  server.repair();
  server.missing = /tercet-packer/;
  serve(small);
  server.faults = { status: 500 };
  await page.visit(server);
  await prepare();
  const second = await page.run(() => loadOnce("/model.tercet"));
  assert.equal(second.modelId, smallId);
  assert.equal(second.source, "indexeddb");
  assert.deepEqual(server.requests, []);
  assert.ok(second.events.every(({ phase }) => phase !== "pack" && phase !== "download"));
});

test(
  "a file that was chosen before is known again, another one with the same beginning is not",
  limit,
  async () => {
    serve(small);
    await openPage();
    const found = await page.run(async () => {
      const bytes = new Uint8Array(await (await fetch("/model.tercet")).arrayBuffer());
      const asFile = (content) => new File([content], "model.gguf", { lastModified: 1 });
      const first = await loadOnce(asFile(bytes));
      const second = await loadOnce(asFile(bytes));
      // One byte of one weight's block, far behind the header: still a model, with other weights.
      const other = bytes.slice();
      for (let at = 1 << 20; at < other.length; at += 1 << 16) other[at] ^= 0;
      other.fill(0, other.length - 30, other.length - 20);
      const third = await loadOnce(asFile(other)).catch((error) => error.code);
      return { first, second, third };
    });
    assert.equal(found.first.modelId, smallId);
    assert.equal(found.first.source, "memory");
    assert.equal(found.second.modelId, smallId);
    assert.equal(found.second.source, "indexeddb");
    assert.ok(found.second.events.every(({ phase }) => phase !== "pack"));
    assert.notEqual(found.third.modelId, smallId);
    assert.notEqual(found.third.source, "indexeddb");
  },
);

test(
  "progress tells of download, packing and loading, and never goes backwards",
  limit,
  async () => {
    serve(large);
    server.faults = { slowly: 2 };
    await openPage();
    const { events } = await page.run(() => loadOnce("/model.tercet"));
    const phases = [...new Set(events.map(({ phase }) => phase))];
    assert.deepEqual(
      phases.filter((phase) => phase !== "header"),
      ["download", "pack", "load", "ready"].filter((phase) => phases.includes(phase)),
    );
    assert.ok(phases.includes("download") && phases.includes("pack"), phases.join(" "));
    let before = 0;
    for (const { loadedBytes, totalBytes } of events) {
      assert.ok(loadedBytes >= before, `${before} and then ${loadedBytes}`);
      assert.ok(totalBytes === 0 || (totalBytes === 3 * large.length && loadedBytes <= totalBytes));
      before = loadedBytes;
    }
    assert.equal(events.at(-1).phase, "ready");
    assert.equal(before, 3 * large.length);
  },
);

test("a download that is cut goes on at its part on the next visit", limit, async () => {
  serve(large);
  server.faults = { cutAfter: 2 * PART_BYTES + 100_000 };
  await openPage();
  const failed = await page.run(() => failure(tercet.load("/model.tercet", { network: quick })));
  assert.equal(failed.code, "NETWORK_FAILED");
  assert.deepEqual((await page.run(() => leftOver())).parts, [0, 1]);
  server.repair();
  serve(large);
  await page.visit(server);
  await prepare();
  const found = await page.run(async () => ({
    ...(await loadOnce("/model.tercet")),
    left: await leftOver(),
  }));
  assert.equal(found.modelId, largeId);
  assert.deepEqual(found.left, nothing);
  // The question what the file is, and no byte of a part that was there.
  assert.ok(server.requests.some(({ first }) => first === 2 * PART_BYTES));
  const again = server.requests.filter(({ first }) => first < 2 * PART_BYTES);
  assert.ok(
    again.every(({ sent }) => sent <= 128 << 10),
    JSON.stringify(server.requests),
  );
});

test(
  "parts that a killed load left behind its stored model are deleted by the next one",
  limit,
  async () => {
    serve(small);
    await openPage();
    await page.run(() => loadOnce("/model.tercet"));
    const { before, after } = await page.run(async () => {
      const url = new URL("/model.tercet", location.href).href;
      await new Promise((resolve, reject) => {
        const opening = indexedDB.open("tercet-gguf");
        opening.onsuccess = () => {
          const change = opening.result.transaction(["files", "parts"], "readwrite");
          const record = { url, etag: '"one"', fileBytes: 3, touched: Date.now() };
          change.objectStore("files").put(record);
          const part = { blob: new Blob(["abc"]), sha256: new ArrayBuffer(32) };
          change.objectStore("parts").put(part, [url, 0]);
          change.oncomplete = () => resolve(opening.result.close());
          change.onerror = () => reject(change.error);
        };
      });
      const before = await leftOver();
      const { source } = await loadOnce("/model.tercet");
      return { before, after: { ...(await leftOver()), source } };
    });
    assert.deepEqual(before.parts, [0]);
    assert.deepEqual(after, { ...nothing, source: "indexeddb" });
  },
);

test("a stored part that was damaged is fetched again, alone", limit, async () => {
  serve(large);
  server.faults = { cutAfter: 2 * PART_BYTES + 100_000 };
  await openPage();
  await page.run(() => failure(tercet.load("/model.tercet", { network: quick })));
  await page.run(
    () =>
      new Promise((resolve, reject) => {
        const opening = indexedDB.open("tercet-gguf");
        opening.onsuccess = () => {
          const change = opening.result.transaction("parts", "readwrite");
          const store = change.objectStore("parts");
          const asked = store.openCursor();
          asked.onsuccess = () => {
            const { value, key } = asked.result;
            const blob = new Blob([value.blob.slice(1), "x"]);
            store.put({ ...value, blob }, key);
          };
          change.oncomplete = () => resolve(opening.result.close());
          change.onerror = () => reject(change.error);
        };
      }),
  );
  server.repair();
  serve(large);
  const found = await page.run(() => loadOnce("/model.tercet"));
  assert.equal(found.modelId, largeId);
  // Part 0, whose beginning came with the first question, and part 2; not part 1.
  const fetched = server.requests.filter(({ sent }) => sent > 128 << 10);
  assert.deepEqual(
    fetched.map(({ first }) => Math.floor(first / PART_BYTES)),
    [0, 2],
  );
  assert.ok(fetched[0].sent <= PART_BYTES);
});

test("parts of another version are not mixed in", limit, async () => {
  for (const etag of ['"one"', null]) {
    serve(large, etag);
    server.faults = { cutAfter: PART_BYTES + 100_000 };
    await openPage();
    await page.run(() => failure(tercet.load("/model.tercet", { network: quick })));
    server.repair();
    serve(small, etag && '"two"');
    const found = await page.run(async () => ({
      ...(await loadOnce("/model.tercet")),
      left: await leftOver(),
    }));
    assert.equal(found.modelId, packNatively(small).modelId);
    assert.deepEqual(found.left, nothing);
    await page.finish();
    page = null;
    server.repair();
  }
});

test("revalidate: the same file is not packed again, another one is", limit, async () => {
  serve(small);
  await openPage();
  await page.run(() => loadOnce("/model.tercet"));
  const same = await page.run(() => loadOnce("/model.tercet", { revalidate: true }));
  assert.equal(same.source, "indexeddb");
  serve(golden("gguf-qwen3-ptq1_0"), '"two"');
  const kept = await page.run(() => loadOnce("/model.tercet"));
  assert.equal(kept.modelId, smallId);
  const other = await page.run(() => loadOnce("/model.tercet", { revalidate: true }));
  assert.equal(other.modelId, packNatively(golden("gguf-qwen3-ptq1_0")).modelId);
});

test("a stored chunk that was damaged is packed again", limit, async () => {
  serve(small);
  await openPage();
  await page.run(() => loadOnce("/model.tercet"));
  await page.run(
    () =>
      new Promise((resolve) => {
        const opening = indexedDB.open("tercet");
        opening.onsuccess = () => {
          const change = opening.result.transaction("chunks", "readwrite");
          const store = change.objectStore("chunks");
          const asked = store.openCursor();
          asked.onsuccess = () => {
            const { value, key } = asked.result;
            new Uint8Array(value)[1000] ^= 1;
            store.put(value, key);
          };
          change.oncomplete = () => resolve(opening.result.close());
        };
      }),
  );
  const found = await page.run(async () => ({
    ...(await loadOnce("/model.tercet")),
    left: await leftOver(),
    list: await tercet.cache.list(),
  }));
  assert.equal(found.modelId, smallId);
  assert.ok(found.notices.some((notice) => /chunk 0 was damaged/.test(notice)));
  assert.deepEqual(found.left, nothing);
  assert.equal(found.list[0].state, "complete");
});

test(
  "what cannot be packed is refused in the packer's words, and options can change that",
  limit,
  async () => {
    const name = "gguf-llama-q8_0-dense";
    await openPage();
    const found = await page.run(async (address) => {
      const refused = await failure(tercet.load(address));
      const wrong = await failure(tercet.load(address, { pack: { dense: "f64" } }));
      const dense = await loadOnce(address, { pack: { dense: "f32" } });
      const eight = await loadOnce(address, { pack: { dense: "q8", embedding: "q8" } });
      // Which of them it was is remembered.
      const again = await loadOnce(address, { pack: { embedding: "q8", dense: "q8" } });
      return { refused, wrong, dense, eight, again, left: await leftOver() };
    }, `/goldens/${name}/model.gguf`);
    assert.equal(found.refused.code, "NOT_TERNARY");
    assert.match(found.refused.detail, /blk\.0|tensor/);
    assert.equal(found.wrong.code, "BAD_ARGUMENT");
    assert.equal(found.dense.modelId, packNatively(golden(name), ["--dense", "f32"]).modelId);
    const eight = packNatively(golden(name), ["--dense", "q8", "--embedding", "q8"]).modelId;
    assert.equal(found.eight.modelId, eight);
    assert.equal(found.again.modelId, eight);
    assert.equal(found.again.source, "indexeddb");
    assert.deepEqual(found.left, nothing);
  },
);

test("pack options say nothing about a file that is packed already", limit, async () => {
  const { file } = packNatively(small);
  serve(readFileSync(file));
  await openPage();
  const found = await page.run(async () => ({
    ...(await loadOnce("/model.tercet", { pack: { dense: "f32" } })),
    left: await leftOver(),
  }));
  assert.equal(found.modelId, smallId);
  assert.deepEqual(found.left, nothing);
});

test("cut and damaged files are refused, and nothing of them stays", limit, async () => {
  const source = small;
  const cut = source.subarray(0, source.length - 1000);
  const version = Buffer.from(source);
  version.writeUInt32LE(77, 4);
  const counted = Buffer.from(source);
  counted.fill(0xff, 8, 16);
  await openPage();
  for (const bytes of [cut, source.subarray(0, 100), version, counted, unknownType(source)]) {
    serve(bytes);
    const found = await page.run(async () => ({
      failed: await failure(tercet.load("/model.tercet", { network: quick })),
      left: await leftOver(),
      list: await tercet.cache.list(),
    }));
    assert.match(found.failed.code, /^(BAD_SOURCE|UNSUPPORTED_SOURCE|LIMIT_EXCEEDED)$/);
    assert.ok(found.failed.detail.length > 10);
    assert.deepEqual(found.left, nothing);
    assert.deepEqual(found.list, []);
  }
});

/** The file with the type of one of its matrices changed to one that nobody knows. */
function unknownType(bytes) {
  const path = join(folder, "edited.gguf");
  writeFileSync(path, bytes);
  const gguf = readGguf(path);
  const [name, tensor] = [...gguf.tensors].find(([, { type }]) => type > 1);
  const tensors = changed(gguf.tensors, { [name]: { ...tensor, type: 99 } });
  return readFileSync(writeGguf(path, { ...gguf, tensors }));
}

test("an unfinished download is in the list, counts, and can be deleted", limit, async () => {
  serve(large);
  server.faults = { cutAfter: 2 * PART_BYTES + 100_000 };
  await openPage();
  const found = await page.run(async () => {
    await failure(tercet.load("/model.tercet", { network: quick }));
    const [download, ...others] = await tercet.cache.list();
    const { modelBytes } = await tercet.cache.usage();
    const { state } = await tercet.cache.verify(download.modelId);
    const { code } = await failure(tercet.cache.export(download.modelId));
    const deleted = [];
    for (let times = 0; times < 2; times++)
      deleted.push(await tercet.cache.delete(download.modelId));
    const left = await leftOver();
    return {
      download,
      others,
      modelBytes,
      state,
      code,
      deleted,
      left,
      list: await tercet.cache.list(),
    };
  });
  const { modelId, ...download } = found.download;
  assert.match(modelId, /^[0-9a-f]{64}$/);
  assert.deepEqual(download, {
    name: "model.tercet",
    urls: [`${server.origin}/model.tercet`],
    state: "partial",
    fileBytes: large.length,
    storedBytes: 2 * PART_BYTES,
    chunks: Math.ceil(large.length / PART_BYTES),
    storedChunks: 2,
  });
  assert.equal(found.modelBytes, 2 * PART_BYTES);
  assert.deepEqual([found.state, found.code], ["absent", "BAD_ARGUMENT"]);
  assert.deepEqual([found.deleted, found.others, found.list], [[true, false], [], []]);
  assert.deepEqual(found.left, nothing);
});

test("a download that is deleted while it comes leaves no part without a list", limit, async () => {
  serve(large);
  server.faults = { holdFrom: PART_BYTES + 200_000 };
  await openPage();
  const deleted = await page.run(async () => {
    globalThis.loading = loadOnce("/model.tercet");
    let download;
    while ((download?.storedChunks ?? 0) === 0) [download] = await tercet.cache.list();
    return tercet.cache.delete(download.modelId);
  });
  assert.equal(deleted, true);
  server.faults = {};
  const found = await page.run(async () => ({ ...(await loading), left: await leftOver() }));
  assert.equal(found.modelId, largeId);
  assert.ok(found.notices.some((notice) => /what is downloaded is not kept/.test(notice)));
  assert.deepEqual(found.left, nothing);
});

test("too little room is seen before the download: nothing of it is kept", limit, async () => {
  serve(large);
  // Chromium says the same for every site, so a small one is told in its place.
  const quota = 2 * large.length;
  const script = readFileSync(join(root, "dist/tercet-packer.mjs"), "utf8");
  const told = `navigator.storage.estimate = async () => ({ usage: 0, quota: ${quota} });`;
  server.write("dist/tercet-packer.mjs", `${told}\n${script}`);
  try {
    await openPage();
    server.faults = { cutAfter: 2 * PART_BYTES + 100_000 };
    const failed = await page.run(async () => ({
      ...(await failure(tercet.load("/model.tercet", { network: quick }))),
      left: await leftOver(),
    }));
    assert.equal(failed.code, "NETWORK_FAILED");
    assert.deepEqual(failed.left, nothing);
    server.repair();
    serve(large);
    const whole = await page.run(() => loadOnce("/model.tercet"));
    assert.equal(whole.modelId, largeId);
    assert.match(whole.notices.join(), /what is downloaded is not kept: .* needs \d+ MB more/);
    // The model itself has room, and is there the next time.
    const again = await page.run(() => loadOnce("/model.tercet"));
    assert.equal(again.source, "indexeddb");
  } finally {
    server.write("dist/tercet-packer.mjs", script);
  }
});

test("a full disk: packed from memory into memory, and nothing is left over", limit, async () => {
  serve(large);
  await openPage();
  const session = await page.context.newCDPSession(page.page);
  const { usedBytes } = await page.run(() => tercet.cache.usage());
  const quotaSize = usedBytes + PART_BYTES + 500_000;
  await session.send("Storage.overrideQuotaForOrigin", { origin: server.origin, quotaSize });
  const full = await page.run(async () => ({
    ...(await loadOnce("/model.tercet")),
    left: await leftOver(),
    list: await tercet.cache.list(),
  }));
  assert.equal(full.modelId, largeId);
  assert.match(full.notices.join(), /what is downloaded is not kept/);
  assert.deepEqual(full.left, nothing);
  assert.ok(full.list.every(({ state }) => state === "complete" || state === "partial"));
});

test(
  "two tabs, one file: one download, one packing; whoever is closed while it packs",
  limit,
  async () => {
    serve(large);
    server.faults = { slowly: 3 };
    await openPage();
    const other = await page.anotherTab(server);
    const load = (tab) =>
      tab.run(async () => {
        const phases = [];
        const onProgress = ({ phase }) => phases.push(phase);
        const model = await tercet.load("/model.tercet", { context: 64, threads: 1, onProgress });
        const { modelId } = model.info;
        await model.dispose();
        return { modelId, packed: phases.includes("pack") };
      });
    const both = await Promise.all([load(page), load(other)]);
    assert.deepEqual(
      both.map(({ modelId }) => modelId),
      [largeId, largeId],
    );
    assert.equal(both.filter(({ packed }) => packed).length, 1);
    // To learn what lies at the address each asks for the first bytes.
    assert.ok(server.sentBytes <= large.length + (256 << 10), `${server.sentBytes}`);
    await other.run(async (id) => tercet.cache.delete(id), largeId);

    // It has downloaded all, made its file, and packs for as long as it lives.
    server.requests = [];
    server.faults = {};
    const script = readFileSync(join(root, "dist/tercet-packer.mjs"), "utf8");
    server.write("dist/tercet-packer.mjs", `${ENDLESS}\n${script}`);
    await page.run(() => void tercet.load("/model.tercet").catch(() => {}));
    const tab = page.page;
    page.page = other.page;
    await prepare();
    for (let left = nothing; left.files.length === 0;) left = await page.run(() => leftOver());
    server.write("dist/tercet-packer.mjs", script);
    const follower = load(other);
    await tab.close();
    const { modelId, packed } = await follower;
    assert.equal(modelId, largeId);
    assert.equal(packed, true);
    // Every part was there: of the second tab the server saw at most a question.
    const fetched = server.requests.filter(({ sent }) => sent > 128 << 10);
    assert.equal(fetched.length, 1, JSON.stringify(server.requests));
    const list = await other.run(() => tercet.cache.list());
    assert.deepEqual(
      list.map(({ modelId, state }) => [modelId, state]),
      [[largeId, "complete"]],
    );
    assert.deepEqual(await page.run(() => leftOver()), nothing);
  },
);

test(
  "a tab that comes while the packed file is stored waits for it, and packs nothing",
  limit,
  async () => {
    serve(large);
    await openPage();
    // The first tab has packed, planned and said so, and reads the packed file when it is told to.
    const script = readFileSync(join(root, "dist/engine_worker.js"), "utf8");
    server.write(
      "dist/engine_worker.js",
      `{
      const told = new Promise((go) => (new BroadcastChannel("read the packed file").onmessage = go));
      const { arrayBuffer } = Blob.prototype;
      let planned = false;
      Blob.prototype.arrayBuffer = async function () {
        if (planned) await told;
        return arrayBuffer.call(this);
      };
      const { put } = IDBObjectStore.prototype;
      IDBObjectStore.prototype.put = function (...record) {
        if (this.name === "sources") planned = true;
        return put.apply(this, record);
      };
    }\n${script}`,
    );
    const load = (tab) =>
      tab.run(async () => {
        globalThis.phases = [];
        const onProgress = ({ phase }) => phases.push(phase);
        const model = await tercet.load("/model.tercet", { context: 64, threads: 1, onProgress });
        const { modelId } = model.info;
        await model.dispose();
        return { modelId, packed: phases.includes("pack") };
      });
    const other = await page.anotherTab(server);
    const leader = load(page);
    for (let planned = false; !planned;)
      planned = await other.run(
        async (id) => (await tercet.cache.list()).some(({ modelId }) => modelId === id),
        largeId,
      );
    server.write("dist/engine_worker.js", script);
    const follower = load(other);
    for (let decided = false; !decided;)
      decided = await other.run(async (name) => {
        const { pending } = await navigator.locks.query();
        return phases.includes("pack") || pending.some((lock) => lock.name === name);
      }, `tercet-model-${largeId}`);
    await other.run(() => void new BroadcastChannel("read the packed file").postMessage("now"));
    assert.deepEqual(await leader, { modelId: largeId, packed: true });
    assert.deepEqual(await follower, { modelId: largeId, packed: false });
    assert.deepEqual(await page.run(() => leftOver()), nothing);
  },
);

test(
  "stopped while it comes, or is packed, it goes on later with what had come",
  limit,
  async () => {
    const script = readFileSync(join(root, "dist/tercet-packer.mjs"), "utf8");
    for (const phase of ["download", "pack"]) {
      serve(large);
      // The first part is there and no more comes; or all has come, the file is made, and it packs for as long as it lives.
      if (phase === "download") server.faults = { holdFrom: PART_BYTES + 200_000 };
      else server.write("dist/tercet-packer.mjs", `${ENDLESS}\n${script}`);
      await openPage();
      const code = await page.run(async (when) => {
        const stop = new AbortController();
        const { signal } = stop;
        const phases = [];
        const onProgress = ({ phase }) => phases.push(phase);
        const failed = failure(tercet.load("/model.tercet", { signal, onProgress }));
        for (let there = false; !there;) {
          const [download] = await tercet.cache.list();
          const { files } = await leftOver();
          there = when === "pack" ? files.length > 0 : download?.storedChunks === 1;
        }
        if (!phases.includes("download")) throw new Error(phases.join(" "));
        stop.abort();
        return (await failed).code;
      }, phase);
      assert.equal(code, "ABORTED");
      server.write("dist/tercet-packer.mjs", script);
      server.repair();
      serve(large);
      const found = await page.run(async () => ({
        ...(await loadOnce("/model.tercet")),
        left: await leftOver(),
      }));
      assert.equal(found.modelId, largeId);
      assert.deepEqual(found.left, nothing);
      const fetched = server.requests.filter(({ sent }) => sent > 128 << 10);
      assert.deepEqual(
        fetched.map(({ first }) => first),
        phase === "download" ? [PART_BYTES] : [],
      );
      await page.finish();
      page = null;
      server.repair();
    }
  },
);

test(
  "where no file can be made it is packed in memory; cache: memory leaves nothing",
  limit,
  async () => {
    serve(small);
    await openPage();
    const found = await page.run(async () => {
      const model = await loadOnce("/model.tercet", { cache: "memory" });
      return { model, left: await leftOver(), list: await tercet.cache.list() };
    });
    assert.equal(found.model.modelId, smallId);
    assert.deepEqual(found.left, nothing);
    assert.deepEqual(found.list, []);
    // As in a private window: the worker's file system says no.
    server.write(
      "dist/tercet-packer.mjs",
      `navigator.storage.getDirectory = async () => { throw new DOMException("no", "SecurityError"); };\n${readFileSync(join(root, "dist/tercet-packer.mjs"), "utf8")}`,
    );
    try {
      const inMemory = await page.run(() => loadOnce("/model.tercet"));
      assert.equal(inMemory.modelId, smallId);
      assert.ok(inMemory.notices.some((notice) => /packed in memory/.test(notice)));
    } finally {
      server.write("dist/tercet-packer.mjs", readFileSync(join(root, "dist/tercet-packer.mjs")));
    }
  },
);

test(
  "without the packer's files a GGUF file is refused, and the engine's models load",
  limit,
  async () => {
    const scripts = [
      [/tercet-packer\.mjs/, "ENGINE_CRASHED", /packer/],
      [/tercet-packer\.wasm/, "ENGINE_CRASHED", /packer/],
      [/tercet-gguf\.mjs/, "NETWORK_FAILED", /tercet-gguf\.mjs/],
    ];
    for (const [missing, code, said] of scripts) {
      serve(small);
      server.missing = missing;
      await openPage();
      const failed = await page.run(() => failure(tercet.load("/model.tercet")));
      assert.equal(failed.code, code);
      assert.match(failed.detail, said);
      // Without the script that knows of downloads they are in no list, which is one all the same.
      const listed = await page.run(() => tercet.cache.list());
      assert.ok(listed.every(({ state }) => state === "partial"));
      await page.finish();
      page = null;
      server.repair();
    }
  },
);

test(
  "the disk becomes full while the packer writes: it goes on in memory, and says so",
  limit,
  async () => {
    serve(small);
    // From the second write on there is room for a few bytes only; then for none.
    server.write(
      "dist/tercet-packer.mjs",
      `{
      const { write } = FileSystemSyncAccessHandle.prototype;
      let count = 0;
      FileSystemSyncAccessHandle.prototype.write = function (bytes, place) {
        count += 1;
        if (count > 2) throw new DOMException("no room", "QuotaExceededError");
        return write.call(this, count > 1 ? bytes.subarray(0, 5) : bytes, place);
      };
    }\n${readFileSync(join(root, "dist/tercet-packer.mjs"), "utf8")}`,
    );
    try {
      await openPage();
      const found = await page.run(async () => ({
        model: await loadOnce("/model.tercet"),
        left: await leftOver(),
        list: await tercet.cache.list(),
      }));
      assert.equal(found.model.modelId, smallId);
      assert.ok(found.model.notices.some((notice) => /packed in memory: the disk/.test(notice)));
      assert.equal(found.list[0].state, "complete");
      assert.deepEqual(found.left, nothing);
    } finally {
      server.write("dist/tercet-packer.mjs", readFileSync(join(root, "dist/tercet-packer.mjs")));
    }
  },
);
