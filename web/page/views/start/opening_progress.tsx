// opening_progress.tsx: how far the opening of a model is, or how it ended, with what one can do about it. Takes its room when
// somebody asks for a model and keeps it from then on, so that what is below stays in place.

import type { LoadProgress } from "../../library.js";
import { formatBytes, formatBytesOf, formatParameters, formatRate, formatTimeLeft, sentence } from "../../format.js"; // prettier-ignore
import { Problem } from "../../parts/problem.js";
import { stopRunning } from "../../state/activity.js";
import {
  cancelOpening,
  closeModel,
  model,
  notices,
  openAgain,
  opening,
} from "../../state/models.js";
import { strings } from "../../strings.js";

function describeProgress(progress: LoadProgress | null): string {
  if (progress === null) return strings.start.asking;
  const bytes = formatBytesOf(progress.loadedBytes, progress.totalBytes);
  switch (progress.phase) {
    case "header":
      return strings.start.asking;
    case "cache":
      return strings.start.fromStorage(bytes);
    case "download": {
      const parts = [bytes];
      if (progress.bytesPerSecond > 0) parts.push(formatRate(progress.bytesPerSecond));
      if (progress.secondsLeft !== null) parts.push(formatTimeLeft(progress.secondsLeft));
      return parts.join(" · ");
    }
    case "pack":
      return strings.start.packing(bytes);
    case "load":
    case "ready":
      return strings.start.starting;
  }
}

function describeState(): string {
  const { value } = opening;
  switch (value.state) {
    case "none":
      return "";
    case "opening":
      return describeProgress(value.progress);
    case "cancelled":
      return strings.start.cancelled;
    case "failed":
      return strings.start.notOpened;
    case "open": {
      const info = model.value?.info;
      if (!info) return "";
      const parts = [formatParameters(info.parameters), formatBytes(info.fileBytes)];
      return [...parts, strings.start.source[info.source]].join(" · ");
    }
  }
}

/** Nothing may go on in a model that is closed. */
function close(): void {
  stopRunning();
  void closeModel();
}

export function OpeningProgress() {
  const { value } = opening;
  const progress = "progress" in value ? value.progress : null;
  const name = value.state === "open" ? model.value?.info.name : "";
  const hasShare = value.state === "opening" || value.state === "cancelled";
  return (
    <div class={`arrival ${value.state}`} hidden={value.state === "none"}>
      <p class="model-head">
        <span class="model-name" id="model-name">
          {name || (value.state === "none" ? "" : value.origin.label)}
        </span>{" "}
        <span class="quiet numbers" id="model-state">
          {describeState()}
        </span>
      </p>
      <progress
        id="model-progress"
        class={hasShare ? "" : "idle"}
        aria-label={strings.start.progress}
        aria-hidden={!hasShare}
        max={1}
        value={shareOf(value.state, progress)}
      />
      <div class="actions">
        {value.state === "opening" && (
          <button type="button" class="plain" id="cancel" onClick={cancelOpening}>
            {strings.start.cancel}
          </button>
        )}
        {value.state === "cancelled" && (
          <button type="button" class="plain" id="resume" onClick={openAgain}>
            {strings.start.resume}
          </button>
        )}
        {value.state === "open" && (
          <button type="button" class="plain" id="close-model" onClick={close}>
            {strings.start.close}
          </button>
        )}
      </div>
      {value.state === "failed" && (
        <Problem id="model-problem" error={value.error} onRetry={openAgain} />
      )}
      {notices.value.length > 0 && (
        <div class="notice" id="notice" role="note">
          <p id="notice-text">{notices.value.map(sentence).join(" ")}</p>
          <button
            type="button"
            class="plain"
            id="notice-dismiss"
            onClick={() => (notices.value = [])}
          >
            {strings.start.dismiss}
          </button>
        </div>
      )}
    </div>
  );
}

/** undefined: under way, but nobody knows how far. */
function shareOf(state: string, progress: LoadProgress | null): number | undefined {
  if (state !== "opening" && state !== "cancelled") return 0;
  if (progress === null || progress.totalBytes === 0) return state === "opening" ? undefined : 0;
  return progress.loadedBytes / progress.totalBytes;
}
