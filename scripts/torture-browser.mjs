// torture-browser.mjs - tortures of the engine in a browser: the cases of tests/web/*_torture.mjs as rows of `npm run torture`. A
// finding is what is wrong, and also what comes too late, which the tests do not look at.

import { prepareBrowser } from "../bench/browser.mjs";
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

const ENDS = ["closes itself", "throws", "throws where it posts", "rejects"];
const SILENT = ["hangs", "waits"];
/** Of the worker's messages: the first one says that it is there, and before it there is no heartbeat. */
const MESSAGES = Array.from({ length: 40 }, (_, index) => index + 2);

function deathCases(torture, variant, functions, scale) {
  const threads = variant.endsWith("-threads");
  const some = (list, count) => (scale === "full" ? list : list.slice(0, count));
  return [
    ...torture.traps(variant, functions),
    ...(threads ? torture.brokenPools(variant) : []),
    ...(threads ? torture.endedThreads(variant, some([1, 2, 3, 4, 5, 6, 7, 8], 1)) : []),
    ...torture.ends(variant, ENDS, some(MESSAGES, 2)),
    ...torture.ends(variant, SILENT, some(MESSAGES, 1)),
  ];
}

async function runDeath({ name, run }, notes) {
  const { problems, died, lateMs, limitMs } = await run();
  const late = lateMs > limitMs ? [`told after ${lateMs} ms`] : [];
  return {
    ran: died ? 1 : 0,
    found: [...problems, ...late].map((one) => `${name}: ${one}`),
    notes: [...notes, ...(died ? [] : [`${name}: not reached`])],
  };
}

let opened = null;

export const traps = {
  name: "traps",
  what: "engines that trap, end or fall silent, in each exported function and at each message",
  unit: "deaths",
  prepare: async ({ scale, report }) => {
    opened = await openBrowser();
    const { EngineTorture } = await import("../tests/web/engine_torture.mjs");
    const torture = new EngineTorture(opened);
    const cases = [];
    for (const variant of scale === "full" ? VARIANTS : ["relaxed-threads"]) {
      report(`calls of the functions of ${variant}`);
      const functions = await torture.probe(variant);
      const never = functions.filter(({ calls }) => calls === 0).map(({ name }) => name);
      const notes = [`${variant}: nothing calls ${never.join(", ")}`];
      for (const [index, one] of deathCases(torture, variant, functions, scale).entries())
        cases.push({ id: one.name, run: () => runDeath(one, index === 0 ? notes : []) });
    }
    return { key: contentHash([...library, "tests/web/engine_torture.mjs"]), cases };
  },
  close: async () => {
    await opened?.close();
    opened = null;
  },
};

export const browserRows = [traps];
