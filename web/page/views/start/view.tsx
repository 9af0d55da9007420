// view.tsx: the first view: what this is, one button that has a text written, and every other way to a model.

import { bundled, bundledBytes } from "../../bundled_model.js";
import { useEffect } from "preact/hooks";
import { formatBytes, formatMachineMemory } from "../../format.js";
import { bundledNeeds, considerBundled } from "../../state/candidate.js";
import { intent } from "../../state/intent.js";
import { model, open, opening, stored } from "../../state/models.js";
import { goTo } from "../../state/routes.js";
import { strings } from "../../strings.js";
import { OpeningProgress } from "./opening_progress.js";
import { OtherModel } from "./other_model.js";
import { StoredModels } from "./stored_models.js";

async function begin(): Promise<void> {
  if (model.value === null && !(await open(bundled, strings.write.prompt))) return;
  intent.value = "write";
  goTo("write");
}

/** Whether the model that comes with the page is in this browser already. */
function isHere(): boolean {
  const address = new URL(String(bundled.source), document.baseURI).href;
  return (stored.value ?? []).some(
    (entry) => entry.state === "complete" && entry.urls.includes(address),
  );
}

/** Safari has no idle callbacks. */
const requestWhenIdle =
  globalThis.requestIdleCallback ?? ((call: () => void) => setTimeout(call, 200));
const cancelWhenIdle = globalThis.cancelIdleCallback ?? clearTimeout;

function describeNeeds(): string {
  const size = strings.start.beginHint(formatBytes(bundledBytes));
  const { plan, room } = bundledNeeds.value ?? {};
  if (!plan?.memoryBytes) return size;
  const needed = formatBytes(plan.memoryBytes);
  return room?.memoryBytes
    ? `${size} ${strings.start.needsOf(needed, formatMachineMemory(room.memoryBytes))}`
    : `${size} ${strings.start.needs(needed)}.`;
}

export default function StartView() {
  const busy = opening.value.state === "opening";
  const here = isHere();
  const offered = model.value === null && !busy;
  useEffect(() => {
    if (!offered || here || stored.value === null) return;
    const waiting = requestWhenIdle(() => void considerBundled(bundled));
    return () => cancelWhenIdle(waiting);
  }, [offered, here, stored.value === null]);
  const hint = here ? strings.start.beginHintStored : describeNeeds();
  return (
    <>
      <div class="hero">
        <p class="what">{strings.start.what}</p>
        <div class="begin">
          <button type="button" id="begin" class="primary big" disabled={busy} onClick={begin}>
            {model.value ? strings.start.goOn : strings.start.begin}
          </button>
          <p class="quiet">{model.value ? "" : hint}</p>
        </div>
        <OpeningProgress />
      </div>
      <OtherModel />
      <StoredModels />
    </>
  );
}
