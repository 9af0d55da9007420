// grammar_loader.ts: the worker's way to tercet-grammar.mjs (grammar_module.ts), once for a model.
import { describe, TercetError } from "./errors.js";
import type { GrammarGuide, Grammars } from "./grammar_guide.js";
import { moduleFiles } from "./module_files.js";
import type { GrammarOption } from "./types.js";
import type { Handle, ModelFacts, WasmModule } from "./wasm_module.js";

export class GrammarLoader {
  readonly #assetsUrl: string | null;
  #grammars: Promise<Grammars> | null = null;

  constructor(assetsUrl: string | null) {
    this.#assetsUrl = assetsUrl;
  }

  /** As Grammars.open (null: aborted); NETWORK_FAILED when the script does not come. */
  async open(
    option: GrammarOption,
    { module, model, session, facts }: Opened,
    stops: Uint32Array,
    isAborted: () => boolean,
  ): Promise<GrammarGuide | null> {
    this.#grammars ??= this.#load().then((loaded) => new loaded.Grammars(module, model, facts));
    // A failure is not kept: the next text tries again.
    this.#grammars.catch(() => (this.#grammars = null));
    return (await this.#grammars).open(option, session, stops, isAborted);
  }

  async #load(): Promise<typeof import("./grammar_module.js")> {
    const { script } = await moduleFiles("grammar", this.#assetsUrl);
    try {
      return (await import(
        /* @vite-ignore */ /* webpackIgnore: true */ script
      )) as typeof import("./grammar_module.js");
    } catch (thrown) {
      throw new TercetError("NETWORK_FAILED", `tercet-grammar.mjs: ${describe(thrown)}`, {
        cause: thrown,
      });
    }
  }
}

interface Opened {
  module: WasmModule;
  model: Handle;
  session: Handle;
  facts: ModelFacts;
}
