// grammar_guide.ts: holds a running text to its grammar: gives the session the mask for each next token and follows what came. The
// mask is computed in the worker beside the engine, so that no token waits for a message; a place in the grammar that a text has
// been at before costs a look into a table.
import { TercetError } from "./errors.js";
import { GrammarShelf, SPACE, type ShelvedMasks } from "./grammar_masks.js";
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
  #losesSpace: boolean | null = null;

  constructor(module: WasmModule, model: Handle, facts: ModelFacts) {
    this.#module = module;
    this.#model = model;
    this.#facts = facts;
  }

  /**
   * `stops`: tokens that end a text besides the model's own. `prompt`: what the text follows. BAD_GRAMMAR when no text could be held
   * to it. The first call reads the vocabulary, with pauses in which messages come in; null when `isAborted` has become true meanwhile.
   */
  async open(
    option: GrammarOption,
    session: Handle,
    stops: Uint32Array,
    prompt: Uint32Array,
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
    const shelved = await inParts(this.#shelf.take(option, vocabulary, all), isAborted);
    if (shelved === null) return null;
    this.#losesSpace ??= this.#dropsFirstSpace(vocabulary);
    const begins = this.#losesSpace && prompt.every((token) => shelved.masks.saysNothing(token));
    return new GrammarGuide(this.#module, session, begins, shelved, () =>
      this.#shelf.putBack(shelved),
    );
  }

  /** SentencePiece puts a space in front of a text; it is taken off where the text begins. */
  #dropsFirstSpace({ bytes, offsets }: Vocabulary): boolean {
    for (let id = 0; id + 1 < offsets.length; id++)
      if (offsets[id] !== offsets[id + 1] && bytes[offsets[id] as number] === SPACE)
        return !this.#module.detokenize(this.#model, Uint32Array.of(id)).startsWith(" ");
    return false;
  }
}

/** One text. Close it, or the session stays held to where it ended. */
export class GrammarGuide {
  readonly #module: WasmModule;
  readonly #session: Handle;
  readonly #masks: ShelvedMasks["masks"];
  readonly #putBack: () => void;
  #place: Place;
  /** Nothing of the text is there yet, and a space at its beginning will not be in it. */
  #begins: boolean;
  #given: Uint32Array | null = null;
  #buffer: { handle: Handle; address: number } | null = null;

  constructor(
    module: WasmModule,
    session: Handle,
    begins: boolean,
    { masks }: ShelvedMasks,
    putBack: () => void,
  ) {
    this.#module = module;
    this.#session = session;
    this.#begins = begins;
    this.#masks = masks;
    this.#putBack = putBack;
    this.#place = masks.machine.start;
  }

  /** Before each step. False when `isAborted` has become true meanwhile: the session then has no mask to go on with. */
  async apply(isAborted: () => boolean): Promise<boolean> {
    const known = this.#begins ? undefined : this.#masks.known(this.#place);
    const mask = known ?? (await inParts(this.#masks.at(this.#place, this.#begins), isAborted));
    if (mask === null) return false;
    if (mask === this.#given) return true;
    if (mask.every((word) => word === 0))
      throw new TercetError("BAD_GRAMMAR", "the model has no token for what must come next");
    this.#buffer ??= this.#module.createBuffer(mask.byteLength);
    this.#module.write(this.#buffer.address, new Uint8Array(mask.buffer));
    this.#module.setMask(this.#session, this.#buffer.address, mask.length);
    this.#given = mask;
    return true;
  }

  /** After each token; true when nothing can follow it. */
  accept(token: number): boolean {
    const { machine } = this.#masks;
    this.#place = this.#masks.after(this.#place, token, this.#begins);
    this.#begins &&= this.#masks.saysNothing(token);
    return machine.mustEnd(this.#place);
  }

  close(): void {
    this.#module.setMask(this.#session, 0, 0);
    if (this.#buffer) this.#module.destroy(this.#buffer.handle);
    this.#buffer = null;
    this.#putBack();
  }
}

/** The longest that messages wait for a part of the work. */
const PART_MS = 10;

/** What the work gives, with pauses in which messages come in; null when `isAborted` has become true meanwhile. */
export async function inParts<Result>(
  work: Generator<void, Result>,
  isAborted: () => boolean,
): Promise<Result | null> {
  let begun = performance.now();
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
    if (performance.now() - begun < PART_MS) continue;
    await yieldToMessages();
    if (isAborted()) return null;
    begun = performance.now();
  }
}
