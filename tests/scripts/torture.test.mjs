// torture.test.mjs - the runner of the tortures: it goes on where it was interrupted, begins anew when what is tortured changed, shows
// what was found and fails then. And a little of the tortures that are no test of another file, by the same commands.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { judgeDeaths, judgeStops } from "../../scripts/torture-browser.mjs";
import { differences, readShipped } from "../../scripts/torture-builds.mjs";
import { damagedContainers, padContainer } from "../../scripts/torture-damage.mjs";
import { judgeRun } from "../../scripts/torture-kernels.mjs";
import { difference, makeTexts, prepareTwins, twins } from "../../scripts/torture-twins.mjs";
import { main } from "../../scripts/torture.mjs";
import { pack, succeedJson } from "../native/twin_under_test.mjs";
import { root } from "../../scripts/paths.mjs";

const folder = mkdtempSync(join(tmpdir(), "tercet-torture-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Runs rows and gives { exitCode, table }; what it says meanwhile is nobody's business here. */
async function torture(rows, args = []) {
  const table = join(folder, "table.md");
  const nowhere = { write: () => true };
  const before = process.exitCode;
  try {
    await main(["--ledgers", folder, "--table", table, ...args], rows, {
      out: nowhere,
      progress: nowhere,
    });
    return { exitCode: process.exitCode, table: readFileSync(table, "utf8") };
  } finally {
    process.exitCode = before;
  }
}

/** A row of three parts that notes which of them ran. */
function threeParts(name, ran, { key = "one", found = () => [], stopAt } = {}) {
  const run = (id) => async () => {
    if (id === stopAt) throw new Error("interrupted");
    ran.push(id);
    return { ran: 5, found: found(id), notes: [`with ${name}`] };
  };
  const cases = ["a", "b", "c"].map((id) => ({ id, run: run(id) }));
  return { name, what: "three parts", unit: "tries", prepare: async () => ({ key, cases }) };
}

test("an interrupted torture goes on, another state of the code begins anew", async () => {
  const ran = [];
  await assert.rejects(torture([threeParts("three", ran, { stopAt: "b" })]), /interrupted/);
  assert.deepEqual(ran.splice(0), ["a"]);
  const { exitCode, table } = await torture([threeParts("three", ran)]);
  assert.deepEqual(ran.splice(0), ["b", "c"]);
  assert.equal(exitCode, 0);
  assert.match(table, /^\| three \| three parts \| 15 tries \| 0 \| [\d.]+ \| with three \|$/m);
  await torture([threeParts("three", ran)]);
  assert.deepEqual(ran, []);
  await torture([threeParts("three", ran, { key: "two" })]);
  assert.deepEqual(ran.splice(0), ["a", "b", "c"]);
  await torture([threeParts("three", ran, { key: "two" })], ["--fresh"]);
  assert.equal(ran.splice(0).length, 3);
  await torture([threeParts("three", ran, { key: "two" })], ["--seed", "2"]);
  assert.equal(ran.length, 3);
});

test("what was found is shown and fails, also when it was found by an earlier run", async () => {
  const found = (id) => (id === "b" ? ["case 7: the memory was lost"] : []);
  for (let again = 0; again < 2; again++) {
    const { exitCode, table } = await torture([threeParts("bad", [], { found })]);
    assert.equal(exitCode, 1);
    assert.match(table, /^\| bad \| three parts \| 15 tries \| 1 \|/m);
  }
});

test("what only all parts together show is found once all have run", async () => {
  const judge = (outcomes) => ({
    found: outcomes.length > 2 ? ["too little was tried"] : [],
    notes: [`${outcomes.length} parts`],
  });
  const row = (more) => ({ ...threeParts("judged", [], more), judge });
  await assert.rejects(torture([row({ stopAt: "c" })]), /interrupted/);
  const { exitCode, table } = await torture([row()]);
  assert.equal(exitCode, 1);
  assert.match(table, /\| 15 tries \| 1 \| [\d.]+ \| with judged; 3 parts \|$/m);
});

test("traps: deaths that never were are bounded", () => {
  const outcomes = (died, missed) => [
    ...Array.from({ length: died }, () => ({ reached: true })),
    ...Array.from({ length: missed }, () => ({ reached: false })),
    { ran: 0 }, // no death
  ];
  assert.deepEqual(judgeDeaths(outcomes(95, 5)), { found: [], notes: ["5 of 100 not reached"] });
  assert.deepEqual(judgeDeaths(outcomes(94, 6)).found, ["6 of 100 not reached"]);
});

test("abort: stops that are missing, late, or late in tokens are found", () => {
  const well = {
    ...{ problems: [], stops: Array(20).fill(1), further: Array(10).fill(1) },
    ...{ places: 24, missed: 4, tokens: 12, slices: 12 },
  };
  const found = (change, stride = 1) => judgeStops({ ...well, ...change }, stride).found;
  assert.deepEqual(found({}), []);
  assert.deepEqual(found({ problems: ["other tokens"] }), ["other tokens"]);
  assert.deepEqual(found({ slices: 0 }), ["the prompt had no slices"]);
  assert.deepEqual(found({ missed: 6 }), ["6 of 24 places were never stopped"]);
  assert.deepEqual(found({ missed: 2 }, 16), ["2 of 24 places were never stopped"]);
  assert.deepEqual(found({ further: [] }), ["nothing was stopped at a token"]);
  assert.deepEqual(found({ stops: Array(10).fill(1) }), ["nothing was stopped at a slice"]);
  assert.deepEqual(found({ stops: [...well.stops, 101] }), ["99 of 100 stops take 101 ms"]);
  assert.deepEqual(found({ further: [1, 5, 5] }), ["half of the stops come 5 tokens late"]);
});

test("one row of several, and a name that is none", async () => {
  const [first, second] = [[], []];
  const rows = [threeParts("first", first), threeParts("second", second)];
  await torture(rows, ["--only", "second"]);
  assert.deepEqual([first.length, second.length], [0, 3]);
  await assert.rejects(torture(rows, ["--only", "third"]), /--only takes first, second/);
});

test("a row of several lanes runs so many parts at a time; after a failure none is begun", async () => {
  const started = [];
  let open = 0;
  let most = 0;
  let release;
  const both = new Promise((resolve) => (release = resolve));
  const run = (id) => async () => {
    started.push(id);
    most = Math.max(most, ++open);
    if (started.length === 2) release();
    // The first two are under way at the same time, or this never ends.
    await both;
    open--;
    if (id === "b") throw new Error("broken");
    return { ran: 1, found: [] };
  };
  const row = (ids) => ({
    ...{ name: "lanes", what: "lanes", unit: "tries", lanes: 2 },
    prepare: async () => ({ key: "one", cases: ids.map((id) => ({ id, run: run(id) })) }),
  });
  const { table } = await torture([row(["a", "c", "d", "e"])]);
  assert.match(table, /\| 4 tries \| 0 \|/);
  assert.equal(most, 2);
  started.length = 0;
  await assert.rejects(torture([row(["a", "b", "f", "g", "h"])]), /broken/);
  // One of the other lane may have begun before.
  assert.ok(started.length <= 2 && started[0] === "b", `${started}`);
});

test("two builds are compared file by file", () => {
  const [first, second] = ["first", "second"].map((name) => join(folder, name));
  for (const build of [first, second]) {
    mkdirSync(join(build, "site", "dist"), { recursive: true });
    writeFileSync(join(build, "site", "dist", "a.js"), "a");
    writeFileSync(join(build, "site", `${build.slice(folder.length + 1)}.js`), "b");
  }
  const shipped = [first, second].map((build) => readShipped(build, ["site"]));
  assert.deepEqual([...shipped[0].keys()].sort(), ["site/dist/a.js", "site/first.js"]);
  assert.deepEqual(differences(shipped[0], shipped[0]), []);
  shipped[1].set("site/dist/a.js", Buffer.from("another"));
  assert.deepEqual(differences(...shipped).sort(), [
    "site/dist/a.js has other bytes",
    "site/first.js is in one build alone",
    "site/second.js is in one build alone",
  ]);
});

test("a run of the kernel checks that compares too little, or lacks a set, is a finding", () => {
  const judge = (lines, failure = null, place = "wasm") =>
    judgeRun(place, "check_matrices", { failure, text: lines.join("\n") });
  const all = ["portable: 9 cases", "wasm_simd128: 8000 cases", "wasm_relaxed: 8001 cases"];
  const { found, sets } = judge(all);
  assert.deepEqual(found, []);
  assert.deepEqual(sets, [
    { set: "wasm_simd128", count: 8000 },
    { set: "wasm_relaxed", count: 8001 },
  ]);
  assert.match(judge(all.slice(0, 2)).found.join(), /wasm_relaxed is not there/);
  assert.match(
    judge([...all, "wasm_relaxed_dot: 7999 cases"]).found.join(),
    /only 7999 comparisons of wasm_relaxed_dot/,
  );
  assert.match(judge(all, "exit code 1").found.join(), /exit code 1: portable/);
  assert.deepEqual(judge(all.slice(0, 1), null, "native").found, ["there is no set but portable"]);
});

test("a padded container is the same model in exactly so many bytes", async () => {
  const file = pack(join(root, "tests/golden/models/gpt2-dense-f32"), ["--quantize", "absmean"]);
  const padded = join(folder, "padded.tercet");
  const bytes = readFileSync(file);
  writeFileSync(padded, await padContainer(bytes, 65_536));
  assert.equal(readFileSync(padded).length, 65_536);
  assert.equal(succeedJson(["verify", padded]).ok, true);
  const run = (path) => succeedJson(["run", path, "-p", "a", "--tokens", "8", "--hash-logits"]);
  assert.equal(run(padded).logits_sha256, run(file).logits_sha256);
  await assert.rejects(padContainer(bytes, bytes.length), /cannot have/);
});

test("the damaged containers have between them every section, frequencies, a chat format and states", async () => {
  const STATES = 1 << 10;
  const files = (await damagedContainers()).map((path) => readFileSync(path));
  const sections = files.map((file) =>
    Array.from({ length: file.readUInt32LE(12) }, (_, i) => {
      const [id, at, bytes] = [0, 8, 16].map((place) => file.readUInt32LE(64 + 24 * i + place));
      return { id, at, bytes };
    }),
  );
  const known = sections.flat().filter(({ bytes }) => bytes > 0);
  for (let id = 1; id <= 7; id++)
    assert.ok(
      known.some((one) => one.id === id),
      `section ${id}`,
    );
  // Of rotation, its count and scale are 16 bytes.
  assert.ok(known.some(({ id, bytes }) => id === 2 && bytes > 16));
  const flags = files.map((file, i) => file.readUInt32LE(sections[i][0].at + 4));
  assert.ok(flags.some((value) => value & STATES) && flags.some((value) => !(value & STATES)));
  assert.equal(files[0].length, 65_536);
});

test("twins: a little of every place, and a difference is found", async () => {
  const built = { ...twins, prepare: async (options) => prepareTwins(options) };
  const { exitCode, table } = await torture([built], ["--scale", "small"]);
  assert.equal(exitCode, 0, table);
  // Four texts a place: portable natively, and seven of the modules, whatever the machine.
  const [, texts] = /^\| twins \| [^|]+ \| (\d+) texts \| 0 \|/m.exec(table);
  assert.ok(Number(texts) >= 4 * 8 && Number(texts) % 4 === 0, texts);

  const [name] = readdirSync(folder).filter((one) => /^twins-gpt2-\w+-0-4\.jsonl$/.test(one));
  const path = join(folder, name);
  const lines = readFileSync(path, "utf8");
  const token = JSON.parse(lines.split("\n")[2]).tokens[5];
  writeFileSync(path, lines.replace(`${token}`, `${token + 1}`));
  const { cases } = prepareTwins({ scale: "small", seed: 1, folder });
  const { found } = await cases.find(({ id }) => /^gpt2 .* x8$/.test(id)).run();
  assert.equal(found.length, 1, `${found}`);
  assert.match(found[0], /: text \d (has|is) /);
});

test("the difference of two texts, and texts of all kinds", () => {
  const text = { prompt: 2, logits: ["a", "b", "c"], tokens: [7, 8] };
  const other = (change) =>
    difference(JSON.stringify(text), JSON.stringify({ ...text, ...change }));
  assert.equal(other({}), null);
  assert.equal(other({ logits: ["x", "b", "c"] }), "has other logits after the prompt");
  const both = other({ logits: ["a", "b", "x"], tokens: [7, 9] });
  assert.equal(both, "has other logits after token 1 and has another token 1");
  assert.equal(other({ prompt: 3 }), "has 3 tokens of prompt, not 2");
  assert.equal(difference(JSON.stringify(text), undefined), "is missing");

  const texts = makeTexts(200, 1);
  assert.equal(new Set(texts).size, 200);
  assert.deepEqual(makeTexts(200, 1), texts);
  assert.notDeepEqual(makeTexts(200, 2), texts);
  const fields = texts.map((line) => line.split(" "));
  const lengths = fields.map((words) => Number(words[7]));
  assert.ok(Math.min(...lengths) === 1 && Math.max(...lengths) === 128);
  const [greedy, ids] = [
    fields.filter((words) => words[1] === "0"),
    fields.filter((words) => words[8] === "ids"),
  ];
  assert.equal(greedy.length, 67);
  assert.equal(ids.length, 80);
});
