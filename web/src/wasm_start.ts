// wasm_start.ts: from the files of a WebAssembly module to a running instance in a memory of the size that was planned, and its
// end. It knows no function of the engine.
import { describe, TercetError } from "./errors.js";
import { moduleFiles } from "./module_files.js";
import type { Variant } from "./types.js";

export const PAGE_BYTES = 65536;
/** Workers of the module's own threads load their script: a missing header or file makes that hang for ever. */
const START_TIMEOUT_MS = 20_000;

type AbiFunction = (...values: (number | bigint)[]) => number;
/** Of the glue of a module with threads; set on the options as soon as the factory was called. */
interface ThreadPool {
  PThread?: { terminateAllThreads(): void };
  _pthread_self?: () => number;
  __emscripten_thread_init?: (...values: number[]) => void;
}
export type Instance = ThreadPool & { [name: `_tercet_abi_${string}`]: AbiFunction | undefined };
type GlueOptions = ThreadPool & Record<string, unknown>;
type Factory = (options: GlueOptions) => Promise<Instance>;

export interface StartOptions {
  assetsUrl: string | null;
  threads: number;
  /**
   * Told before and after the workers of the threads are made. Firefox (153 ESR, busy machine, about one load of thirty) may never
   * return from `new Worker` in a worker: its new thread takes the signal that this one waits for. Only the page can help then.
   */
  onThreads?: (starting: boolean) => void;
}

/**
 * Compiles and starts a module with this memory. `threads` counts the caller; a module without threads ignores it.
 * ENGINE_CRASHED, NETWORK_FAILED, HTTP_STATUS or PROTOCOL say why it does not start.
 */
export async function startInstance<Value>(
  variant: Variant,
  memory: WebAssembly.Memory,
  options: StartOptions,
  /** Takes the instance over. */
  use: (instance: Instance) => Value,
): Promise<Value> {
  const { script, binary } = await moduleFiles(variant, options.assetsUrl);
  const [factory, compiled] = await Promise.all([importFactory(script), compile(binary)]);
  const glueOptions: GlueOptions = {};
  const starting = new Promise<Instance>((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new TercetError("ENGINE_CRASHED", `tercet-${variant} did not start in time`));
    }, START_TIMEOUT_MS);
    Object.assign(glueOptions, {
      wasmMemory: memory,
      poolSize: options.threads - 1,
      print: () => {},
      printErr: () => {},
      instantiateWasm: (
        imports: WebAssembly.Imports,
        receive: (instance: WebAssembly.Instance, module: WebAssembly.Module) => void,
      ) => {
        // The glue waits for ever when this fails, so the failure goes past it.
        WebAssembly.instantiate(compiled, imports).then(
          (made) => receive(made, compiled),
          (thrown: unknown) => reject(crashed(thrown)),
        );
        return {};
      },
    });
    if (options.threads > 1) options.onThreads?.(true);
    const making = factory(glueOptions);
    if (options.threads > 1) options.onThreads?.(false);
    making
      .then(resolve, (thrown: unknown) => reject(crashed(thrown)))
      .finally(() => clearTimeout(timer));
  });
  try {
    return use(await starting);
  } catch (thrown) {
    // The workers of the pool are started before anything can fail.
    endThreads(glueOptions, memory);
    throw thrown;
  }
}

/** Nothing to do for a module without threads. */
export function endThreads(glue: ThreadPool, memory: WebAssembly.Memory): void {
  glue.PThread?.terminateAllThreads();
  // This thread listens for messages at the address of its own record, with Atomics.waitAsync: for as long as it does, the
  // browser holds the listener and with it the memory. Woken as nobody's thread, it does not listen again.
  try {
    const self = glue._pthread_self?.() ?? 0;
    if (self === 0) return;
    glue.__emscripten_thread_init?.(0, 0, 0, 0, 0, 0);
    Atomics.notify(new Int32Array(memory.buffer), self >>> 2);
  } catch {
    // It failed before it had any code: then nobody listens.
  }
}

/** Exactly this many bytes, rounded up to pages, and never more. OUT_OF_MEMORY when the browser has not got them. */
export function createMemory(bytes: number, shared: boolean): WebAssembly.Memory {
  const pages = Math.ceil(bytes / PAGE_BYTES);
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared });
  } catch (thrown) {
    const megabytes = Math.ceil(bytes / 2 ** 20);
    throw new TercetError(
      "OUT_OF_MEMORY",
      `the browser refused ${megabytes} MiB for model and context`,
      {
        where: bytes,
        cause: thrown,
      },
    );
  }
}

export function crashed(thrown: unknown): TercetError {
  if (thrown instanceof TercetError) return thrown as TercetError;
  return new TercetError("ENGINE_CRASHED", describe(thrown), { cause: thrown });
}

async function importFactory(script: string): Promise<Factory> {
  try {
    const glue = (await import(/* @vite-ignore */ /* webpackIgnore: true */ script)) as {
      default: Factory;
    };
    return glue.default;
  } catch (thrown) {
    throw new TercetError("NETWORK_FAILED", `${script}: ${describe(thrown)}`, { cause: thrown });
  }
}

const compiledModules = new Map<string | Blob, Promise<WebAssembly.Module>>();

/** Compiled once a worker: the planner and the engine may be of one kind. */
function compile(binary: string | Blob): Promise<WebAssembly.Module> {
  const known = compiledModules.get(binary);
  if (known) return known;
  const compiling = fetchAndCompile(binary);
  compiledModules.set(binary, compiling);
  compiling.catch(() => compiledModules.delete(binary));
  return compiling;
}

async function fetchAndCompile(file: string | Blob): Promise<WebAssembly.Module> {
  const binary = typeof file === "string" ? file : "the module";
  let bytes: ArrayBuffer;
  try {
    const response =
      typeof file === "string"
        ? await fetch(file, { credentials: "same-origin" })
        : new Response(file);
    if (!response.ok) throw new TercetError("HTTP_STATUS", `${binary} answered ${response.status}`);
    bytes = await response.arrayBuffer();
  } catch (thrown) {
    if (thrown instanceof TercetError) throw thrown;
    throw new TercetError("NETWORK_FAILED", `${binary}: ${describe(thrown)}`, { cause: thrown });
  }
  try {
    return await WebAssembly.compile(bytes);
  } catch (thrown) {
    // An instruction that this engine lacks, or a content policy without 'wasm-unsafe-eval'.
    throw new TercetError("UNSUPPORTED_BROWSER", `${binary}: ${describe(thrown)}`, {
      cause: thrown,
    });
  }
}
