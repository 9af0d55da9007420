// torture-rows.mjs - the tortures that there are, cheapest first. Each knows how large it is, what it needs built, and how to run
// one part of itself; torture.mjs runs them, notes what is done and prints the table.

import { browserRows } from "./torture-browser.mjs";
import { builds } from "./torture-builds.mjs";
import { checks, coverage } from "./torture-checks.mjs";
import { damageRows } from "./torture-damage.mjs";
import { kernels } from "./torture-kernels.mjs";
import { programRows } from "./torture-programs.mjs";
import { twins } from "./torture-twins.mjs";
import { main as tortureLoad } from "./torture-load.mjs";

/** Parts of its own, noted in a ledger of its own: torture-load.mjs. */
const load = {
  name: "load",
  what: "loads under faults of network, server, storage and browser",
  unit: "broken loads",
  prepare: async ({ scale, seed }) => ({
    // What it has done is known to itself alone.
    key: `${Date.now()}`,
    cases: [
      {
        id: "all",
        run: () => tortureLoad(["--size", scale, "--seed", String(seed)]),
      },
    ],
  }),
};

export const rows = [
  ...[...damageRows, checks, coverage, kernels, twins],
  ...[...browserRows, ...programRows, builds, load],
];
