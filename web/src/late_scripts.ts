// late_scripts.ts: the worker's way to what only some users need: scripts of their own beside the worker (tercet-grammar.mjs,
// tercet-look.mjs), fetched when a model is first asked for what they do. It knows none of them by more than that.
import { describe, TercetError } from "./errors.js";
import type { GrammarGuide, Grammars } from "./grammar_guide.js";
import type { LayerTimer } from "./layer_timer.js";
import { moduleFiles } from "./module_files.js";
import type { RunControl } from "./run_control.js";
import type { OpenSession } from "./session_runner.js";
import type { GrammarOption, LayerTimes, ModelMap } from "./types.js";
import type { Handle, ModelFacts, WasmModule } from "./wasm_module.js";

/** Each rejects with NETWORK_FAILED when its script does not come; a failure is not kept: the next call tries again. */
export class LateScripts {
  readonly #assetsUrl: string | null;
  #grammars: Promise<Grammars> | null = null;

  constructor(assetsUrl: string | null) {
    this.#assetsUrl = assetsUrl;
  }

  /** As Grammars.open (null: aborted). */
  async openGrammar(
    option: GrammarOption,
    { module, model, session, facts }: Opened,
    stops: Uint32Array,
    isAborted: () => boolean,
  ): Promise<GrammarGuide | null> {
    this.#grammars ??= this.#load<typeof import("./grammar_module.js")>("grammar").then(
      (loaded) => new loaded.Grammars(module, model, facts),
    );
    this.#grammars.catch(() => (this.#grammars = null));
    return (await this.#grammars).open(option, session, stops, isAborted);
  }

  /** For one text. */
  async timeLayers(
    { module, session }: Opened,
    every: number,
    tell: (times: LayerTimes) => void,
  ): Promise<LayerTimer> {
    return new (await this.#look()).LayerTimer(module, session, every, tell);
  }

  async mapModel(open: OpenSession, control: RunControl): Promise<ModelMap> {
    return (await this.#look()).mapModel(open, control);
  }

  #look(): Promise<typeof import("./look_module.js")> {
    return this.#load("look");
  }

  async #load<Exports>(name: string): Promise<Exports> {
    const { script } = await moduleFiles(name, this.#assetsUrl);
    try {
      return (await import(/* @vite-ignore */ /* webpackIgnore: true */ script)) as Exports;
    } catch (thrown) {
      throw new TercetError("NETWORK_FAILED", `tercet-${name}.mjs: ${describe(thrown)}`, {
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
