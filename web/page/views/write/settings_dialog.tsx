// settings_dialog.tsx: how texts are sampled and how the model is opened, each with a line that says what it does. What is entered
// holds at once; what cannot be is marked, said, and not taken.

import { useState } from "preact/hooks";
import { model, openAgain, opening } from "../../state/models.js";
import { strings } from "../../strings.js";
import { Dialog } from "./dialog.js";
import {
  changeSettings,
  fits,
  KV_FORMS,
  RANGES,
  resetSettings,
  settings,
  type NumberSetting,
} from "../../state/settings.js";

const words = strings.write;
const texts = words.setting;

const SAMPLING: NumberSetting[] = [
  "temperature",
  "topP",
  "topK",
  "minP",
  "repetitionPenalty",
  "maxTokens",
  "seed",
];

export function SettingsDialog({ onClose }: { onClose: () => void }) {
  // Fields hold what was typed; after a reset they begin anew.
  const [round, setRound] = useState(0);
  const info = model.value?.info;
  return (
    <Dialog title={words.settings} className="settings-dialog" onClose={onClose}>
      <div class="setting-groups" key={round}>
        <fieldset>
          <legend>{words.settingsSampling}</legend>
          <div class="setting-fields">
            {SAMPLING.map((name) => (
              <NumberField key={name} name={name} />
            ))}
          </div>
          {info?.thinkingSwitch && (
            <label class="check">
              <input
                type="checkbox"
                checked={settings.value.thinking}
                onChange={(event) => changeSettings({ thinking: event.currentTarget.checked })}
              />
              <span>
                {texts.thinking.name} <small>{texts.thinking.hint}</small>
              </span>
            </label>
          )}
        </fieldset>
        <fieldset>
          <legend>{words.settingsModel}</legend>
          <div class="setting-fields">
            <NumberField name="context" />
            <NumberField name="threads" />
            <label class="setting">
              {texts.kv.name}
              <select
                id="setting-kv"
                value={settings.value.kv}
                onChange={(event) =>
                  changeSettings({
                    kv: KV_FORMS.find((form) => form === event.currentTarget.value)!,
                  })
                }
              >
                {KV_FORMS.map((form) => (
                  <option key={form} value={form}>
                    {form}
                  </option>
                ))}
              </select>
              <small>{texts.kv.hint}</small>
            </label>
          </div>
          {info && (
            <div class="row applied">
              <p class="quiet">{words.openedWith(info.context, info.threads, info.kv)}</p>
              <button
                type="button"
                class="plain"
                disabled={opening.value.state === "opening"}
                onClick={() => void openAgain()}
              >
                {words.apply}
              </button>
            </div>
          )}
        </fieldset>
      </div>
      <div class="row">
        <button
          type="button"
          class="plain"
          onClick={() => {
            resetSettings();
            setRound(round + 1);
          }}
        >
          {words.reset}
        </button>
      </div>
    </Dialog>
  );
}

function NumberField({ name }: { name: NumberSetting }) {
  const value = settings.value[name];
  const [typed, setTyped] = useState(value === null ? "" : String(value));
  const number = typed.trim() === "" ? null : Number(typed.replace(",", "."));
  const right = fits(name, number);
  const { min, max, whole } = RANGES[name];
  const text = texts[name];
  const id = `setting-${name}`;
  return (
    <label class="setting" for={id}>
      {text.name}
      <input
        id={id}
        type="text"
        inputMode={whole ? "numeric" : "decimal"}
        autoComplete="off"
        value={typed}
        placeholder={"empty" in text ? text.empty : ""}
        aria-invalid={!right}
        aria-describedby={`${id}-hint`}
        onInput={(event) => {
          const entered = event.currentTarget.value;
          setTyped(entered);
          const next = entered.trim() === "" ? null : Number(entered.replace(",", "."));
          if (fits(name, next)) changeSettings({ [name]: next });
        }}
      />
      <small id={`${id}-hint`} class={right ? undefined : "wrong"}>
        {right ? text.hint : words.outside(min, max, whole)}
      </small>
    </label>
  );
}
