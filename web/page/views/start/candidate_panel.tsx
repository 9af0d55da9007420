// candidate_panel.tsx: what a model needs and what is here, before anything of it is downloaded, and the choice.

import { useEffect, useRef } from "preact/hooks";
import { formatBytes, formatMachineMemory, formatParameters } from "../../format.js";
import { Figures } from "../../parts/figures.js";
import { Problem } from "../../parts/problem.js";
import {
  accept,
  candidate,
  consider,
  decline,
  needsTooMuch,
  needsTooMuchStorage,
  type Candidate,
} from "../../state/candidate.js";
import { strings } from "../../strings.js";

const words = strings.start.candidate;

export function CandidatePanel() {
  const { value } = candidate;
  return (
    <div class="candidate" id="candidate" aria-live="polite">
      {value?.state === "asking" && (
        <p class="quiet">
          {words.asking(value.origin.label)}{" "}
          <button type="button" class="plain" onClick={decline}>
            {words.cancel}
          </button>
        </p>
      )}
      {value?.state === "failed" && (
        <Problem
          id="candidate-problem"
          error={value.error}
          onRetry={() => void consider(value.origin)}
        />
      )}
      {value?.state === "known" && <Needs known={value} />}
    </div>
  );
}

function Needs({ known }: { known: Extract<Candidate, { state: "known" }> }) {
  const { origin, plan, room } = known;
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => button.current?.focus(), []);
  const isGguf = plan.memoryBytes === null;
  const tooMuch = needsTooMuch(plan, room);
  const warnings = [
    tooMuch && words.tooMuch,
    needsTooMuchStorage(plan, room) && words.tooMuchStorage,
    isGguf && words.gguf,
  ].filter((warning) => warning !== false);
  return (
    <section class="needs" aria-labelledby="needs-title">
      <h3 id="needs-title">{words.title}</h3>
      <p class="model-line">
        <span class="model-name">{plan.name || origin.label}</span>{" "}
        {plan.parameters !== null && <span class="quiet">{formatParameters(plan.parameters)}</span>}
      </p>
      <Figures
        className="live"
        figures={[
          {
            name: words.download,
            value: plan.fileBytes > 0 ? formatBytes(plan.fileBytes) : "",
          },
          {
            name: words.memory,
            value: plan.memoryBytes === null ? words.whenPacked : formatBytes(plan.memoryBytes),
          },
          {
            name: words.memoryHere,
            value:
              room.memoryBytes === null
                ? words.unknown
                : words.atLeast(formatMachineMemory(room.memoryBytes)),
          },
          {
            name: words.storage,
            value: room.storageBytes === null ? words.unknown : formatBytes(room.storageBytes),
          },
        ]}
      />
      {warnings.map((warning) => (
        <p key={warning} class="warning">
          {warning}
        </p>
      ))}
      <div class="actions">
        <button
          ref={button}
          type="button"
          class="primary"
          id="accept"
          onClick={() => void accept()}
        >
          {tooMuch ? words.anyway : words.accept}
        </button>
        <button type="button" id="decline" onClick={decline}>
          {words.cancel}
        </button>
      </div>
    </section>
  );
}
