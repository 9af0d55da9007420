// settings.tsx: the sampling settings as a form. The ranges stand here once, as attributes that the browser checks.
// Invalid input is shown, never repaired.

import type { RefObject } from "preact";
import type { GenerateOptions } from "../../library.js";
import { strings } from "../../strings.js";

/** Every one of them is given, also those that are at their default: the page shows what it uses. */
type SettingsOptions = Required<
    Pick<
        GenerateOptions,
        "temperature" | "topP" | "topK" | "minP" | "repetitionPenalty" | "maxTokens"
    >
> & { seed: number };

interface Field {
    id: string;
    name: string;
    hint: string;
    value?: number;
    min: number;
    max: number;
    whole?: boolean;
    placeholder?: string;
}

const words = strings.write;
const FIELDS: readonly Field[] = [
    { id: "temperature", name: words.temperature, hint: words.temperatureHint, value: 0.7, min: 0, max: 100 }, // prettier-ignore
    { id: "top-p", name: words.topP, hint: words.topPHint, value: 0.95, min: 0.001, max: 1 },
    { id: "top-k", name: words.topK, hint: words.topKHint, value: 0, min: 0, max: 2 ** 20, whole: true }, // prettier-ignore
    { id: "min-p", name: words.minP, hint: words.minPHint, value: 0, min: 0, max: 1 },
    { id: "repetition-penalty", name: words.penalty, hint: words.penaltyHint, value: 1, min: 0.01, max: 100 }, // prettier-ignore
    { id: "length", name: words.length, hint: words.lengthHint, value: 200, min: 1, max: 2 ** 20, whole: true }, // prettier-ignore
    { id: "seed", name: words.seed, hint: words.seedHint, min: 0, max: Number.MAX_SAFE_INTEGER, whole: true, placeholder: words.newSeed }, // prettier-ignore
];

export function Settings({ place }: { place: RefObject<HTMLDetailsElement | null> }) {
    return (
        <details id="settings" ref={place}>
            <summary>{words.settings}</summary>
            <div class="settings">
                {FIELDS.map(({ id, name, hint, value, min, max, whole, placeholder }) => (
                    <label key={id} for={id}>
                        {name}
                        <input
                            id={id}
                            type="number"
                            inputMode={whole ? "numeric" : "decimal"}
                            defaultValue={value}
                            min={min}
                            max={max}
                            step={whole ? 1 : "any"}
                            required={value !== undefined}
                            placeholder={placeholder}
                        />
                        <small>{hint}</small>
                    </label>
                ))}
            </div>
        </details>
    );
}

/** The options of one story, or null when something is invalid: then the browser shows what and why. */
export function readSettings(place: HTMLDetailsElement): SettingsOptions | null {
    const inputs = FIELDS.map(({ id }) => place.querySelector<HTMLInputElement>(`#${id}`)!);
    const invalid = inputs.find((input) => !input.validity.valid);
    if (invalid) {
        // A message cannot point at a field that is folded away.
        place.open = true;
        invalid.reportValidity();
        return null;
    }
    const [temperature = 0, topP = 1, topK = 0, minP = 0, repetitionPenalty = 1, maxTokens = 1] =
        inputs.map((input) => input.valueAsNumber);
    const seed = inputs.at(-1)!;
    return {
        ...{ temperature, topP, topK, minP, repetitionPenalty, maxTokens },
        seed: seed.value === "" ? newSeed() : seed.valueAsNumber,
    };
}

/** Short enough to be copied by hand, which is what a shown seed is for. */
function newSeed(): number {
    const [value = 0] = crypto.getRandomValues(new Uint32Array(1));
    return value;
}
