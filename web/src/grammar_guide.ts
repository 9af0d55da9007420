// grammar_guide.ts: holds a running text to its grammar: gives the session the mask for each next token and follows what came. The
// mask is computed in the worker beside the engine, so that no token waits for a message; a place in the grammar that a text has
// been at before costs a look into a table.
import { TercetError } from "./errors.js";
import { GrammarShelf, Vocabulary, type TokenMasks } from "./grammar_masks.js";
import type { Place } from "./grammar_machine.js";
import type { GrammarOption } from "./types.js";
import type { Handle, ModelFacts, WasmModule } from "./wasm_module.js";

/** What a model's grammars share: its vocabulary, and what was compiled lately. */
export class Grammars {
  readonly #module: WasmModule;
  readonly #model: Handle;
  readonly #facts: ModelFacts;
  readonly #shelf = new GrammarShelf();
  #texts: { texts: Uint8Array[]; stops: number[] } | null = null;
  readonly #vocabularies = new Map<string, Vocabulary>();

  constructor(module: WasmModule, model: Handle, facts: ModelFacts) {
    this.#module = module;
    this.#model = model;
    this.#facts = facts;
  }

  /** `stops`: tokens that end a text besides the model's own. BAD_GRAMMAR when no text could be held to it. */
  open(option: GrammarOption, session: Handle, stops: Uint32Array): GrammarGuide {
    const vocabulary = this.#vocabulary(stops);
    return new GrammarGuide(this.#module, session, this.#shelf.get(option, vocabulary));
  }

  #vocabulary(more: Uint32Array): Vocabulary {
    this.#texts ??= this.#module.tokenTexts(this.#model, this.#facts.tokenCount);
    const { texts, stops } = this.#texts;
    const all = [...new Set([...stops, ...more])];
    const key = all.join();
    let vocabulary = this.#vocabularies.get(key);
    if (!vocabulary) {
      vocabulary = new Vocabulary(texts, this.#facts.vocabulary, all);
      this.#vocabularies.set(key, vocabulary);
    }
    return vocabulary;
  }
}

/** One text. Close it, or the session stays held to where it ended. */
export class GrammarGuide {
  readonly #module: WasmModule;
  readonly #session: Handle;
  readonly #masks: TokenMasks;
  #place: Place;
  #given: Uint32Array | null = null;
  #buffer: { handle: Handle; address: number } | null = null;

  constructor(module: WasmModule, session: Handle, masks: TokenMasks) {
    this.#module = module;
    this.#session = session;
    this.#masks = masks;
    this.#place = masks.machine.start;
  }

  /** Before each step. */
  apply(): void {
    const mask = this.#masks.at(this.#place);
    if (mask === this.#given) return;
    if (mask.every((word) => word === 0))
      throw new TercetError("BAD_GRAMMAR", "the model has no token for what must come next");
    this.#buffer ??= this.#module.createBuffer(mask.byteLength);
    this.#module.write(this.#buffer.address, new Uint8Array(mask.buffer));
    this.#module.setMask(this.#session, this.#buffer.address, mask.length);
    this.#given = mask;
  }

  /** After each token; true when nothing can follow it. */
  accept(token: number): boolean {
    const { machine } = this.#masks;
    this.#place = this.#masks.after(this.#place, token);
    return machine.mustEnd(this.#place);
  }

  close(): void {
    this.#module.setMask(this.#session, 0, 0);
    if (this.#buffer) this.#module.destroy(this.#buffer.handle);
    this.#buffer = null;
  }
}
