// torture-browser.mjs - tortures of the engine in a browser, and of its modules in Node: the cases of tests/web/*_torture.mjs and of
// tests/wasm/resource_failures.mjs as rows of `npm run torture`. A finding is what is wrong, and also what comes too late, which the tests do not look at.

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { prepareBrowser } from "../bench/browser.mjs";
import { modelFile, root, wasmBuild } from "./paths.mjs";
import { runCommand } from "./steps.mjs";
import { contentHash } from "./torture-ledger.mjs";

const VARIANTS = ["simd128", "simd128-threads", "relaxed", "relaxed-threads"];

/** What the rows here hang on, besides their own script. */
const library = ["dist", "tests/web/library_under_test.mjs"];

/** Browser and server for a row, with the scripts that were just built. */
async function openBrowser({ isolation = true, flags = [] } = {}) {
  await prepareBrowser(["native", "model", "wasm", "web"]);
  // Only now: it reads what was built.
  const { TestServer, launchBrowser } = await import("../tests/web/library_under_test.mjs");
  const browser = await launchBrowser({ flags });
  const server = await TestServer.start({ isolation });
  const close = async () => {
    await browser.close();
    await server.stop();
  };
  return { browser, server, close };
}

/* ---------------------------------------------------------------- traps */

const ENDS = ["closes itself", "throws", "throws there", "rejects"];
/** At a message that it gets a worker does not hang as well: for the page that is the same, and each takes seconds. */
const SILENT = { sent: ["hangs", "waits"], received: ["waits"] };

/** Each of so many messages; at small size the first and one in the middle. */
const messagesOf = (count, full) =>
  full ? Array.from({ length: count }, (_, index) => index + 1) : [1, Math.ceil(count / 2)];

function deathCases(torture, variant, { functions, messages }, full) {
  const threads = variant.endsWith("-threads");
  const pieces = full ? [1, 2, 3, 4, 5, 6, 7, 8] : [1];
  const ends = ["sent", "received"].flatMap((side) => {
    const count = messages[side];
    const ways = [...ENDS, ...SILENT[side]];
    return torture.ends(variant, { side, count }, ways, messagesOf(count, full));
  });
  return [
    ...torture.traps(variant, functions),
    ...(threads ? torture.brokenPools(variant) : []),
    ...(threads ? torture.endedThreads(variant, pieces) : []),
    ...ends,
  ];
}

async function runDeath({ name, run }, notes) {
  const { problems, died, lateMs, limitMs } = await run();
  const late = lateMs > limitMs ? [`somebody was answered ${lateMs} ms late`] : [];
  const found = [...problems, ...late].map((one) => `${name}: ${one}`);
  return { ran: died ? 1 : 0, reached: died, found, notes };
}

/** Of the deaths that were to be. How often a function is called and a message sent hangs on how fast things are: the last may not come. */
const NOT_REACHED_SHARE = 0.05;

/** What only all deaths together show: how many of them there never were. */
export function judgeDeaths(outcomes) {
  const deaths = outcomes.filter(({ reached }) => reached !== undefined);
  const missed = deaths.filter(({ reached }) => !reached).length;
  const sentence = `${missed} of ${deaths.length} not reached`;
  return { found: missed > deaths.length * NOT_REACHED_SHARE ? [sentence] : [], notes: [sentence] };
}

/** What the page reports at its end, after the last case that looked. */
async function closePage(torture) {
  try {
    await torture.close();
    return [];
  } catch (error) {
    return [error.message];
  }
}

let opened = null;

export const traps = {
  name: "traps",
  what: "engines that trap, end or fall silent, in each exported function and at each message",
  unit: "deaths",
  judge: judgeDeaths,
  prepare: async ({ scale, report }) => {
    opened = await openBrowser();
    const { EngineTorture } = await import("../tests/web/engine_torture.mjs");
    const torture = new EngineTorture(opened);
    const cases = [];
    for (const variant of scale === "full" ? VARIANTS : ["relaxed-threads"]) {
      report(`calls of the functions of ${variant}`);
      const probed = await torture.probe(variant);
      const never = probed.functions.filter(({ calls }) => calls === 0).map(({ name }) => name);
      const { sent, received } = probed.messages;
      const notes = [
        `${variant}: nothing calls ${never.join(", ")}; ${sent} messages sent, ${received} received`,
      ];
      for (const [index, one] of deathCases(torture, variant, probed, scale === "full").entries())
        cases.push({ id: one.name, run: () => runDeath(one, index === 0 ? notes : []) });
    }
    const atLast = async () => ({ ran: 0, found: await closePage(torture) });
    cases.push({ id: "the page at its end", run: atLast });
    return { key: contentHash([...library, "tests/web/engine_torture.mjs"]), cases };
  },
  close: async () => {
    await opened?.close();
    opened = null;
  },
};

/* ---------------------------------------------------------------- again and again */

const LONG = "tests/web/long_torture.mjs";

/** Where an engine runs: with threads, with one on an isolated page, and on a page that is not. */
const PLACES = [
  { place: "isolated, 2 threads", isolation: true, options: { threads: 2 } },
  { place: "isolated, 1 thread", isolation: true, options: { threads: 1 } },
  { place: "not isolated", isolation: false, options: {} },
];

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

/** A row with a case for each place, each in a browser of its own: `run` gets { page, native, options, full }. */
function longRow(name, what, unit, work, run) {
  return {
    name,
    what,
    unit,
    prepare: async ({ scale }) => {
      await prepareBrowser(["native", "model", "wasm", "web"]);
      const long = await import("../tests/web/long_torture.mjs");
      const { PROMPT, runNatively } = await import("../tests/web/library_under_test.mjs");
      const native = runNatively(["-p", PROMPT, "-n", 8, "--seed", 5]).text;
      const full = scale === "full";
      const cases = (full ? PLACES : PLACES.slice(0, 1)).map(({ place, isolation, options }) => ({
        id: `${place} ${work(full)}`,
        run: async (report) => {
          const { browser, server, close } = await openBrowser({
            isolation,
            flags: long.MEMORY_FLAGS,
          });
          try {
            const page = await long.WatchedPage.open(browser, server);
            const outcome = await run({ long, page, server, native, options, full, report });
            await page.finish();
            return {
              ...outcome,
              found: outcome.found.map((one) => `${place}: ${one}`),
              notes: [`${place}: ${outcome.notes}`],
            };
          } finally {
            await close();
          }
        },
      }));
      return { key: contentHash([...library, LONG]), cases };
    },
  };
}

/**
 * Of the process; what grows with each engine or token does not stay below it. Without any growth what a browser takes for itself varies by
 * as much: of 400 engines the last 160 left it at 41 MB within 0.4 MB, the first 40 at 38 MB.
 */
const PROCESS_GROWTH_BYTES_MOST = { restarts: 4 << 20, soak: 2 << 20 };
/** Of the page's JavaScript: the questions of the torture itself are kept by the browser. */
const SCRIPT_GROWTH_BYTES_MOST = 256 << 10;

/** What is wrong with how memory went on from number `warm`, and a sentence. */
function judgeMemory(slope, memory, warm, most) {
  const later = memory.slice(warm);
  const growth = (which) => slope(later.map((one) => one[which])) * (later.length - 1);
  const [process, script] = [growth("processBytes"), growth("scriptBytes")];
  const found = [];
  if (process > most) found.push(`the process grew by ${megabytes(process)}`);
  if (script > SCRIPT_GROWTH_BYTES_MOST) found.push(`the page grew by ${megabytes(script)}`);
  const last = memory.at(-1).processBytes;
  const note = `process of ${megabytes(last)} grew by ${Math.round(process / 1024)} KiB, the page's JavaScript by ${Math.round(script / 1024)} KiB`;
  return { found, note };
}

/** Memory is measured after so many engines; the first so many warm up. */
const RESTARTS_PART = 20;

const restarts = longRow(
  "restarts",
  "engines opened and closed, killed or restarted in one page: its memory stays",
  "engines",
  (full) => (full ? 100 : 40),
  async ({ long, page, server, native, options, full, report }) => {
    server.workerPreamble = long.TRAP_ON_DEMAND;
    const parts = full ? 5 : 2;
    const [problems, memory] = [[], []];
    for (let part = 0; part < parts; part++) {
      const given = { times: RESTARTS_PART, expected: native, options };
      problems.push(...(await long.restartAgain(page, given)));
      memory.push(await page.settledMemory());
      report(`${(part + 1) * RESTARTS_PART} engines`);
    }
    const most = PROCESS_GROWTH_BYTES_MOST.restarts;
    const { found, note } = judgeMemory(long.slope, memory, 0, most);
    return {
      ran: parts * RESTARTS_PART,
      found: [...problems, ...found],
      notes: `after ${RESTARTS_PART}: ${note}`,
    };
  },
);

const STOP_MS = 100;
/** Tokens that come after a stop at a token, in half of them: the bundled model needs about 1 ms for one, so STOP_MS alone says little of it. */
const FURTHER_TOKENS_MOST = 4;
/** Of all places of a text: its last tokens and slices are there when the page hears of them. */
const MISSED_MOST = 5;

const rank = (numbers, share) =>
  numbers.toSorted((a, b) => a - b)[
    Math.min(numbers.length - 1, Math.floor(share * numbers.length))
  ];

/** What is wrong with what stopEverywhere() gave for each `stride`th place, and a sentence. */
export function judgeStops(got, stride) {
  const { stops, further, places, missed, tokens, slices } = got;
  const found = [...got.problems];
  if (slices === 0) found.push("the prompt had no slices");
  if (further.length === 0) found.push("nothing was stopped at a token");
  if (stops.length === further.length) found.push("nothing was stopped at a slice");
  if (missed > Math.ceil(MISSED_MOST / stride))
    found.push(`${missed} of ${places} places were never stopped`);
  const ms = (share) => rank(stops, share) ?? 0;
  const more = rank(further, 0.5) ?? 0;
  if (ms(0.99) > STOP_MS) found.push(`99 of 100 stops take ${ms(0.99).toFixed(0)} ms`);
  if (more > FURTHER_TOKENS_MOST) found.push(`half of the stops come ${more} tokens late`);
  const note =
    `${tokens} tokens and ${slices} slices, half of the stops within ${ms(0.5).toFixed(1)} ms and ${more} more tokens, ` +
    `99 of 100 within ${ms(0.99).toFixed(1)} ms, ${missed} of ${places} places are too near the end`;
  return { found, note };
}

/** For a whole place of this row on a machine that is busy. */
const LONG_LIMIT_MS = 6 * 3_600_000;

const abort = longRow(
  "abort",
  "a text stopped at every token and every slice of its prompt, then written again",
  "stops",
  (full) => (full ? "every" : "every 16th"),
  async ({ long, page, options, full }) => {
    const prompt = "One morning Tom went to the store. ".repeat(12);
    const stride = full ? 1 : 16;
    const given = { prompt, options, maxTokens: 128, stride };
    const got = await page.run(long.stopEverywhere, given, LONG_LIMIT_MS);
    const { found, note } = judgeStops(got, stride);
    return { ran: got.stops.length, found, notes: note };
  },
);

/** So many that what the collector of JavaScript leaves, some megabytes now more and now less, is no slope. */
const SOAK_PARTS = { full: 100, small: 20 };
const SOAK_WARM = 0.3;

const browserSoak = longRow(
  "browser-soak",
  "text after text in one page: its memory stays",
  "tokens",
  (full) => (full ? 100_000 : 5_000),
  async ({ long, page, server, native, options, full, report }) => {
    const { PROMPT } = await import("../tests/web/library_under_test.mjs");
    server.workerPreamble = long.COLLECT;
    const parts = full ? SOAK_PARTS.full : SOAK_PARTS.small;
    const warm = parts * SOAK_WARM;
    const tokens = (full ? 100_000 : 5_000) / parts;
    await page.run(long.beginSoak, { options });
    const [found, memory] = [[], []];
    let ran = 0;
    for (let part = 0; part < parts; part++) {
      const { written, text } = await page.run(long.soak, { tokens, first: PROMPT }, LONG_LIMIT_MS);
      ran += written;
      if (text !== native) found.push(`after ${ran} tokens: ${text}`);
      memory.push(await page.memory(1));
      if ((part + 1) % 10 === 0) report(`${ran} tokens`);
    }
    const most = PROCESS_GROWTH_BYTES_MOST.soak;
    const judged = judgeMemory(long.slope, memory, warm, most);
    return {
      ran,
      found: [...found, ...judged.found],
      notes: `after ${warm} parts of ${parts}: ${judged.note}`,
    };
  },
);

/* ---------------------------------------------------------------- modules */

const FAILURES = "tests/wasm/resource_failures.mjs";
const TINY = "tests/golden/container/well_formed.tercet";

/** Node before 22 takes relaxed SIMD as a flag. */
const relaxedFlags =
  Number(process.versions.node.split(".")[0]) < 22 ? ["--experimental-wasm-relaxed-simd"] : [];

function failModule(variant, file) {
  const flags = variant.startsWith("relaxed") ? relaxedFlags : [];
  const args = [...flags, join(root, FAILURES), variant, join(root, file)];
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: "utf8",
  });
  if (status !== 0)
    return {
      ran: 0,
      found: [`${variant}: ${signal ?? `exit code ${status}`}: ${stderr.slice(-300)}`],
    };
  const { allocations, threads, cases, found } = JSON.parse(stdout);
  return {
    ran: cases,
    found: found.map((one) => `${variant}, ${file}: ${one}`),
    notes: [`${variant}: ${allocations} allocations, ${threads} threads`],
  };
}

const modules = {
  name: "modules",
  what: "every allocation and thread of a WebAssembly module fails, once and from then on",
  unit: "failures",
  prepare: async ({ scale, report }) => {
    await prepareBrowser(["native", "model", "wasm"]);
    report("linking modules whose allocations fail");
    const names = VARIANTS.map((variant) => `failing-${variant}`);
    await runCommand("ninja", ["-C", wasmBuild, ...names], {
      failure: "the modules whose allocations fail could not be built",
    });
    const bundled = modelFile.slice(root.length + 1);
    const files = scale === "full" ? [TINY, bundled] : [TINY];
    const built = names.flatMap((name) => [`build/wasm/${name}.mjs`, `build/wasm/${name}.wasm`]);
    return {
      key: contentHash([...built, ...files, FAILURES]),
      cases: VARIANTS.flatMap((variant) =>
        files.map((file) => ({
          id: `${variant} ${file}`,
          run: async () => failModule(variant, file),
        })),
      ),
    };
  },
};

export const browserRows = [modules, traps, restarts, abort, browserSoak];
