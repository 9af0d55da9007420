// torture.mjs - `npm run torture`: every torture at its full size, one after another. Takes many hours; an interrupted run goes
// on where it was, since each torture notes what it has done. Ends with 1 when anything was not as it must be.

import { main as tortureLoad } from "./torture-load.mjs";
import { StepError, isProgram, reportFailure } from "./steps.mjs";

/** Name, what it is, and the work; each sets the exit code to 1 when it finds something. */
const TORTURES = [
  [
    "load",
    "loads under faults of network, server, storage and browser",
    () => tortureLoad(["--size", "full"]),
  ],
];

async function main(args) {
  const names = TORTURES.map(([name]) => name);
  const unknown = args.find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new StepError(`there is no torture "${unknown}"; there are: ${names.join(", ")}`);
  let found = false;
  for (const [name, what, run] of TORTURES) {
    if (args.length > 0 && !args.includes(name)) continue;
    process.stdout.write(`\n${name}: ${what}\n`);
    await run();
    found ||= process.exitCode === 1;
  }
  process.exitCode = found ? 1 : 0;
}

if (isProgram(import.meta)) await main(process.argv.slice(2)).catch(reportFailure);
