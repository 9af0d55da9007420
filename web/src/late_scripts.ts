// late_scripts.ts: the worker's way to what only some users need of a model: scripts of their own beside the worker (tercet-grammar.mjs,
// tercet-look.mjs, tercet-tools.mjs), fetched when a model is first asked for what they do. It knows none of them by more than that.
import type { GrammarGuide, Grammars } from "./grammar_guide.js";
import { lateScript } from "./late_script.js";
import type { LayerTimer } from "./layer_timer.js";
import type { RunControl } from "./run_control.js";
import type { OpenSession } from "./session_runner.js";
import type { GrammarOption, LayerTimes, ModelMap } from "./types.js";
import type { Handle, ModelFacts, WasmModule } from "./wasm_module.js";

export type Tools = typeof import("./tools_module.js");

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
    prompt: Uint32Array,
    isAborted: () => boolean,
  ): Promise<GrammarGuide | null> {
    this.#grammars ??= lateScript<typeof import("./grammar_module.js")>(
      "grammar",
      this.#assetsUrl,
    ).then((loaded) => new loaded.Grammars(module, model, facts));
    this.#grammars.catch(() => (this.#grammars = null));
    return (await this.#grammars).open(option, session, stops, prompt, isAborted);
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

  tools(): Promise<Tools> {
    return lateScript("tools", this.#assetsUrl);
  }

  #look(): Promise<typeof import("./look_module.js")> {
    return lateScript("look", this.#assetsUrl);
  }
}

interface Opened {
  module: WasmModule;
  model: Handle;
  session: Handle;
  facts: ModelFacts;
}
