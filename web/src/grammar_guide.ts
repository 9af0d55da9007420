// grammar_guide.ts: holds a running text to its grammar: gives the session the mask for each next token and follows what came. The
// mask is computed in the worker beside the engine, so that no token waits for a message; a place in the grammar that a text has
// been at before costs a look into a table.
import { TercetError } from "./errors.js";
import { GrammarShelf, type ShelvedMasks } from "./grammar_masks.js";
import type { Place } from "./grammar_machine.js";
import { Vocabulary } from "./grammar_vocabulary.js";
import { yieldToMessages } from "./run_control.js";
import type { GrammarOption } from "./types.js";
import type { Handle, ModelFacts, WasmModule } from "./wasm_module.js";

/** What a model's grammars share: its vocabulary, and what was compiled lately. */
export class Grammars {
  readonly #module: WasmModule;
  readonly #model: Handle;
  readonly #facts: ModelFacts;
  readonly #shelf = new GrammarShelf();
  #vocabulary: Promise<Vocabulary> | null = null;

  constructor(module: WasmModule, model: Handle, facts: ModelFacts) {
    this.#module = module;
    this.#model = model;
    this.#facts = facts;
  }

  /**
   * `stops`: tokens that end a text besides the model's own. BAD_GRAMMAR when no text could be held to it. The first call reads the
   * vocabulary, with pauses in which messages come in; null when `isAborted` has become true meanwhile.
   */
  async open(
    option: GrammarOption,
    session: Handle,
    stops: Uint32Array,
    isAborted: () => boolean,
  ): Promise<GrammarGuide | null> {
    this.#vocabulary ??= Vocabulary.read(
      this.#facts.tokenCount,
      this.#facts.vocabulary,
      (token) => this.#module.ownToken(this.#model, token),
      yieldToMessages,
    );
    // The reading goes on for the next text; this one ends now.
    let vocabulary: Vocabulary | null = null;
    let failed = false;
    this.#vocabulary.then(
      (read) => (vocabulary = read),
      () => (failed = true),
    );
    while (vocabulary === null && !failed && !isAborted()) await yieldToMessages();
    if (isAborted()) return null;
    vocabulary = await this.#vocabulary;
    const all = [...new Set([...vocabulary.stops, ...stops])];
    const shelved = this.#shelf.take(option, vocabulary, all);
    return new GrammarGuide(this.#module, session, shelved, () => this.#shelf.putBack(shelved));
  }
}

/** One text. Close it, or the session stays held to where it ended. */
export class GrammarGuide {
  readonly #module: WasmModule;
  readonly #session: Handle;
  readonly #masks: ShelvedMasks["masks"];
  readonly #putBack: () => void;
  #place: Place;
  #given: Uint32Array | null = null;
  #buffer: { handle: Handle; address: number } | null = null;

  constructor(module: WasmModule, session: Handle, { masks }: ShelvedMasks, putBack: () => void) {
    this.#module = module;
    this.#session = session;
    this.#masks = masks;
    this.#putBack = putBack;
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
    this.#putBack();
  }
}
