// settings.ts: reads the sampling settings from the form. The ranges stand once, in index.html, as attributes that the
// browser checks. Invalid input is shown, never repaired.

import type { GenerateOptions } from "../src/index.js";
import { element } from "./elements.js";

/** Every one of them is given, also those that are at their default: the page shows what it uses. */
type SettingsOptions = Required<
  Pick<
    GenerateOptions,
    "temperature" | "topP" | "topK" | "minP" | "repetitionPenalty" | "maxTokens"
  >
> & { seed: number };

export class Settings {
  readonly #disclosure = element("settings", HTMLDetailsElement);
  readonly #temperature = element("temperature", HTMLInputElement);
  readonly #topP = element("top-p", HTMLInputElement);
  readonly #topK = element("top-k", HTMLInputElement);
  readonly #minP = element("min-p", HTMLInputElement);
  readonly #repetitionPenalty = element("repetition-penalty", HTMLInputElement);
  readonly #length = element("length", HTMLInputElement);
  readonly #seed = element("seed", HTMLInputElement);

  /** The options of one story, or null when something is invalid: then the browser shows what and why. */
  read(): SettingsOptions | null {
    const inputs = [
      this.#temperature,
      this.#topP,
      this.#topK,
      this.#minP,
      this.#repetitionPenalty,
      this.#length,
      this.#seed,
    ];
    const invalid = inputs.find((input) => !input.validity.valid);
    if (invalid) {
      // A message cannot point at a field that is folded away.
      this.#disclosure.open = true;
      invalid.reportValidity();
      return null;
    }
    return {
      temperature: this.#temperature.valueAsNumber,
      topP: this.#topP.valueAsNumber,
      topK: this.#topK.valueAsNumber,
      minP: this.#minP.valueAsNumber,
      repetitionPenalty: this.#repetitionPenalty.valueAsNumber,
      maxTokens: this.#length.valueAsNumber,
      seed: this.#seed.value === "" ? newSeed() : this.#seed.valueAsNumber,
    };
  }
}

/** Short enough to be copied by hand, which is what a shown seed is for. */
function newSeed(): number {
  const [value = 0] = crypto.getRandomValues(new Uint32Array(1));
  return value;
}
