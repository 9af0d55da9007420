// engine_start.ts: gets a module of the engine to run: the one that the page asked for or that was chosen, and where that
// does not start, a simpler one, which is said. It knows nothing of models but how much memory is wanted.
import { unlessAborted } from "./aborting.js";
import { abortedError, toTercetError } from "./errors.js";
import type { ModuleChoice } from "./features.js";
import { CONTAINER } from "./generated_constants.js";
import type { LoadMessage } from "./protocol.js";
import type { Variant } from "./types.js";
import { createMemory, PAGE_BYTES, WasmModule, type Handle } from "./wasm_module.js";

export interface StartedEngine {
  module: WasmModule;
  engine: Handle;
}

/** What a caller has to say about the engine. */
type Asked = Pick<LoadMessage, "assetsUrl" | "variant" | "kernels">;

export class EngineStart {
  readonly #message: Asked;
  readonly #signal: AbortSignal;
  readonly #notices: string[];
  readonly #onThreads: (starting: boolean) => void;
  readonly #threads: number;
  /** What is left to try, simpler and simpler; the first one is what runs. */
  readonly #variants: Variant[];

  /** `onThreads`: as in StartOptions. */
  constructor(
    message: Asked,
    choice: ModuleChoice,
    signal: AbortSignal,
    notices: string[],
    onThreads: (starting: boolean) => void = () => {},
  ) {
    this.#onThreads = onThreads;
    this.#message = message;
    this.#signal = signal;
    this.#notices = notices;
    this.#threads = choice.threads;
    this.#variants = message.variant ? [message.variant] : simplerVariants(choice.variant);
  }

  /** Threads that a plan has to have room for. */
  get threads(): number {
    return this.#threads;
  }

  /**
   * A module that reads headers, in a small memory that goes with it: the caller closes it. It is the module that will
   * run, so that nothing is downloaded only for this.
   */
  async planner(): Promise<StartedEngine> {
    const { assetsUrl } = this.#message;
    const module = await this.#firstThatStarts((variant) => {
      // Room for the largest header that the format allows; taken only as far as this one needs it.
      const memory = new WebAssembly.Memory({
        initial: (1 << 20) / PAGE_BYTES,
        maximum: (CONTAINER.LIMIT_HEADER_BYTES + (16 << 20)) / PAGE_BYTES,
        shared: variant.endsWith("-threads"),
      });
      return WasmModule.create(variant, memory, { assetsUrl, threads: 1 });
    });
    try {
      return { module, engine: module.createEngine(1, "portable").engine };
    } catch (thrown) {
      module.close();
      throw thrown;
    }
  }

  /** The module that runs the model, with exactly so much memory. The caller closes it. */
  async engine(memoryBytes: number): Promise<StartedEngine> {
    const { assetsUrl, kernels } = this.#message;
    return this.#firstThatStarts(async (variant) => {
      const threads = variant.endsWith("-threads") ? this.#threads : 1;
      const memory = createMemory(memoryBytes, variant.endsWith("-threads"));
      const onThreads = this.#onThreads;
      const module = await WasmModule.create(variant, memory, { assetsUrl, threads, onThreads });
      try {
        const { engine, fewer } = module.createEngine(threads, kernels ?? "");
        if (fewer)
          this.#notices.push(
            `only ${module.engineInfo(engine).threads} of ${threads} threads started`,
          );
        return { module, engine };
      } catch (thrown) {
        module.close();
        throw thrown;
      }
    });
  }

  /** A module that does not start gives way to a simpler one, which is said. */
  async #firstThatStarts<Value>(start: (variant: Variant) => Promise<Value>): Promise<Value> {
    for (;;) {
      if (this.#signal.aborted) throw abortedError(this.#signal);
      const variant = this.#variants[0] ?? "simd128";
      try {
        return await unlessAborted(this.#signal, start(variant));
      } catch (thrown) {
        if (this.#signal.aborted) throw abortedError(this.#signal);
        const error = toTercetError(thrown, "ENGINE_CRASHED");
        const helpless = error.code === "OUT_OF_MEMORY" || error.code === "NO_KERNELS";
        if (helpless || this.#variants.length <= 1) throw error;
        this.#variants.shift();
        this.#notices.push(
          `the module ${variant} did not start, ${this.#variants[0]} is used: ${error.message}`,
        );
      }
    }
  }
}

/** The variant and what to try when it does not start, simpler and simpler. */
function simplerVariants(variant: Variant): Variant[] {
  const order: Variant[] = ["relaxed-threads", "simd128-threads", "relaxed", "simd128"];
  const first = order.indexOf(variant);
  return variant === "relaxed" ? ["relaxed", "simd128"] : order.slice(first);
}
