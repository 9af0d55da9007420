// script_watcher.mjs - ends run_script.mjs, from a thread beside it, when one execution takes too long, and keeps its input.
import { mkdirSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { workerData } from "node:worker_threads";

const { clock, current, folder, seconds } = workerData;
let last = -1;
let since = performance.now();
setInterval(() => {
  const now = Atomics.load(clock, 0);
  if (now !== last) [last, since] = [now, performance.now()];
  if (performance.now() - since < 1000 * seconds) return;
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `timeout-${now}`);
  writeFileSync(path, current.slice(0, clock[1]));
  writeSync(2, `an execution takes more than ${seconds} s\n${path}\n`);
  process.kill(process.pid, "SIGKILL");
}, 500);
