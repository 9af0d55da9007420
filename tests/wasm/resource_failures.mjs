// resource_failures.mjs - a module's whole use with the n-th allocation, or the n-th thread, failing, once and from then on, for every
// n: OUT_OF_MEMORY or fewer threads, nothing lost, and the same module then gives the logits that it gives when nothing fails. What
// tests/torture/test_resource_failures.c is for the native core. A program of its own, since Node takes relaxed SIMD as a flag:
//
//   node resource_failures.mjs VARIANT FILE     one line of JSON: { allocations, threads, cases, found }

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import {
  END_OF_TEXT,
  Module,
  OK,
  OUT_OF_MEMORY,
  PAGE_BYTES,
  modulesFolder,
} from "./module_under_test.mjs";

/** Of tercet.h. */
const FEWER_THREADS = 2;
const THREADS = 3;
const PROMPT = [1, 2, 3, 4, 5];
const STEPS = 3;

async function openModule(variant, bytes, threads, most = bytes) {
  const glue = pathToFileURL(join(modulesFolder, `failing-${variant}.mjs`));
  const { default: factory } = await import(glue);
  const module = new Module();
  module.memory = new WebAssembly.Memory({
    initial: Math.ceil(bytes / PAGE_BYTES),
    maximum: Math.ceil(most / PAGE_BYTES),
    shared: variant.endsWith("-threads"),
  });
  module.instance = await factory({ wasmMemory: module.memory, poolSize: threads - 1 });
  module.result = module.instance._tercet_abi_result() >>> 0;
  return module;
}

const isError = (status) => status >= 64;

/**
 * Engine, model, session, a text, its state saved and restored; all of it given back. { engine, status, logits }: what
 * engine_create said, the last status, and the logits as a text if it came so far.
 */
function useAll(module, file, threads) {
  const open = [];
  const make = (name, ...args) => {
    const status = module.call(name, ...args);
    if (!isError(status)) open.push(module.value(0));
    return status;
  };
  const outcome = { engine: make("engine_create", threads, 0, 0), status: OK, logits: null };
  const work = () => {
    if (isError(outcome.engine)) return outcome.engine;
    const [engine] = open;
    let status = make("loader_create", engine, BigInt(file.length), 0);
    if (isError(status)) return status;
    const loader = open[1];
    status = module.feed(loader, file);
    if (status !== OK) return status;
    status = module.call("loader_finish", loader);
    if (isError(status)) return status;
    const model = module.value(0);
    open.push(model);
    status = make("session_create", model, 0, 0, 0);
    if (isError(status)) return status;
    const session = open.at(-1);
    module.ok("session_sampling", session, 0, 0, 1, 0, 1, 64, 0n);
    status = make("buffer_create", PROMPT.length * 4);
    if (isError(status)) return status;
    const prompt = module.value(1);
    module.write(prompt, new Uint8Array(Uint32Array.from(PROMPT).buffer));
    for (let done = 0; done < PROMPT.length; done += module.value(0)) {
      status = module.call(
        "session_prefill",
        session,
        prompt + 4 * done,
        PROMPT.length - done,
        0,
        0,
      );
      if (status !== OK) return status;
    }
    for (let step = 0; step < STEPS; step++) {
      status = module.call("session_step", session);
      if (status !== OK && status !== END_OF_TEXT) return status;
    }
    module.ok("session_state_bytes", session);
    const bytes = module.value(0);
    status = make("buffer_create", bytes);
    if (isError(status)) return status;
    const state = module.value(1);
    module.ok("session_save", session, 0n, state, bytes);
    module.ok("model_info", model);
    const vocabulary = module.value(14);
    module.ok("session_logits", session);
    outcome.logits = module.bytes(module.value(0), vocabulary * 4).toString("base64");
    module.ok("session_restore", session, 0n, state, bytes);
    return OK;
  };
  outcome.status = work();
  for (const handle of open.reverse()) module.ok("destroy", handle);
  return outcome;
}

/** The largest buffer that there is room for: less when anything was lost. */
function room(module) {
  let [fits, most] = [0, module.memory.buffer.byteLength];
  while (most - fits > 64) {
    const middle = Math.floor((fits + most) / 128) * 64;
    if (middle === fits) break;
    if (module.call("buffer_create", middle) === OK) {
      module.ok("destroy", module.value(0));
      fits = middle;
    } else most = middle;
  }
  return fits;
}

/** Workers go back to the pool, and their stacks to the memory, when the page hears of their end. */
async function untilThreadsEnded(module, threads) {
  while (module.instance.PThread && module.instance.PThread.unusedWorkers.length < threads - 1)
    await new Promise((resolve) => setTimeout(resolve, 1));
}

/** { allocations, threads, cases, found } of one module; `file` is a container's bytes. */
export async function failEach(variant, file) {
  const threads = variant.endsWith("-threads") ? THREADS : 1;
  const planner = await openModule(variant, 1 << 20, 1, 80 << 20);
  const engine = planner.ok("engine_create", 1, 0, 0);
  const loader = planner.ok("loader_create", engine, BigInt(file.length), 1);
  if (planner.feed(loader, file) !== OK) throw new Error(planner.detail);
  const plan = planner.ok("plan_create", loader);
  // And room for the session's state and the prompt, which hosts take from what is left.
  const bytes = planner.ok("plan_bytes", plan, 0, 0, threads, 0, 0) + (1 << 20);
  const module = await openModule(variant, bytes, threads);
  const use = async () => {
    const outcome = useAll(module, file, threads);
    await untilThreadsEnded(module, threads);
    return outcome;
  };
  const { _failing_allocation: failAllocation, _failing_thread: failThread } = module.instance;
  const found = [];
  let cases = 0;
  await use();
  const empty = room(module);
  failAllocation(0, 0);
  failThread(0, 0);
  const well = await use();
  if (well.status !== OK || well.engine !== OK || !well.logits)
    throw new Error(`nothing failed, and yet: ${well.engine} ${well.status} ${module.detail}`);
  const allocations = failAllocation(0, 0);
  const made = failThread(0, 0);
  const check = async (what, fail, holds) => {
    cases += 1;
    fail();
    const outcome = await use();
    failAllocation(0, 0);
    failThread(0, 0);
    if (!holds(outcome)) found.push(`${what}: ${outcome.engine}, ${outcome.status}`);
    if (outcome.logits && outcome.logits !== well.logits) found.push(`${what}: other logits`);
    const left = room(module);
    if (left !== empty) found.push(`${what}: ${empty - left} bytes are lost`);
    const again = await use();
    if (again.status !== OK || again.engine !== OK || again.logits !== well.logits)
      found.push(`${what}: afterwards ${again.engine}, ${again.status}`);
  };
  for (const once of [1, 0]) {
    for (let n = 1; n <= allocations; n++)
      await check(
        `allocation ${n}${once ? "" : " and later"}`,
        () => failAllocation(n, once),
        // What can be done without is done without.
        ({ status, logits }) => status === OUT_OF_MEMORY || (status === OK && logits),
      );
    for (let n = 1; n <= made; n++)
      await check(
        `thread ${n}${once ? "" : " and later"}`,
        () => failThread(n, once),
        ({ engine, status, logits }) => engine === FEWER_THREADS && status === OK && logits,
      );
  }
  return { allocations, threads: made, cases, found };
}

const [, program, variant, path] = process.argv;
if (program && import.meta.url === pathToFileURL(program).href) {
  console.log(JSON.stringify(await failEach(variant, readFileSync(path))));
  process.exit(0); // workers of the pool would hold it
}
