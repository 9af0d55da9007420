// early_prompt.ts: computes the prompt that a caller of load() names while the model still arrives, layer by layer as their
// weights come in, so that with the last byte hardly more than the last layer is left to do. It decides nothing about
// chunks, and whatever it has done is what the first text reuses, if it begins alike.
import { abortedError, TercetError } from "./errors.js";
import type { LoadMessage } from "./protocol.js";
import { yieldToMessages } from "./run_control.js";
import type { KvForm } from "./types.js";
import type { Handle } from "./wasm_calls.js";
import type { WasmModule } from "./wasm_module.js";

/** Longer prompts are begun with so many tokens: between the layers each takes two rows of floats. */
const TOKENS_MOST = 512;
/** Work between two looks at messages. */
const TURN_MS = 20;

/** The tokens of the prompt that are computed early; empty when none was named. `model` may be a plan. */
export function earlyTokens(
  module: WasmModule,
  model: Handle,
  prompt: LoadMessage["prompt"],
  context: number,
): Uint32Array {
  if (prompt === null) return new Uint32Array(0);
  const most = Math.min(TOKENS_MOST, context);
  if (prompt instanceof Uint32Array) return prompt.slice(0, most);
  if (typeof prompt !== "string") return module.tokenizeChat(model, prompt).slice(0, most);
  // As generate() takes it.
  return module.tokenize(model, prompt, { addBeginning: true, parseSpecial: true }).slice(0, most);
}

export class EarlyPrompt {
  readonly model: Handle;
  readonly session: Handle;
  readonly #module: WasmModule;

  private constructor(module: WasmModule, model: Handle, session: Handle) {
    this.#module = module;
    this.model = model;
    this.session = session;
  }

  /** null for a model that cannot be computed before it is whole: the loader is then finished as usual. */
  static begin(
    module: WasmModule,
    loader: Handle,
    plan: { prompt: Uint32Array; context: number; slice: number; kv: KvForm },
  ): EarlyPrompt | null {
    try {
      const model = module.openLoader(loader);
      const session = module.createSession(model, plan.context, plan.slice, plan.kv);
      const tokens = module.createTokens(plan.prompt);
      try {
        module.arrive(session, tokens.address, plan.prompt.length);
      } finally {
        module.destroy(tokens.handle);
      }
      return new EarlyPrompt(module, model, session);
    } catch (thrown) {
      if (thrown instanceof TercetError && thrown.code === "UNSUPPORTED") return null;
      throw thrown;
    }
  }

  /** Does what can be done with the chunks that are there. */
  async advance(signal: AbortSignal): Promise<void> {
    let begin = performance.now();
    while (this.#module.arriveMore(this.session)) {
      if (performance.now() - begin < TURN_MS) continue;
      await yieldToMessages();
      if (signal.aborted) throw abortedError(signal);
      begin = performance.now();
    }
  }
}
