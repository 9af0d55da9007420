// figures.ts: the figures beside the story: what is measured while it is written, and where and how the model runs. Shows
// numbers that the library gives; the only thing measured here is the time, while a story is under way.

import type { GenerateResult, ModelInfo, ModelSource } from "../src/index.js";
import { element } from "./elements.js";
import { formatBytes, formatMeasured, formatSpeed, formatTokens } from "./format.js";

const NOTHING = "–";

const SOURCES: Readonly<Record<ModelSource, string>> = {
  network: "Network",
  indexeddb: "IndexedDB",
  folder: "Folder",
  memory: "Memory",
};

export class Figures {
  readonly #speed = element("figure-speed", HTMLElement);
  readonly #tokens = element("figure-tokens", HTMLElement);
  readonly #first = element("figure-first", HTMLElement);
  readonly #memoryModel = element("figure-memory-model", HTMLElement);
  readonly #memorySession = element("figure-memory-session", HTMLElement);
  readonly #source = element("figure-source", HTMLElement);
  readonly #kernels = element("figure-kernels", HTMLElement);
  readonly #variant = element("figure-variant", HTMLElement);
  readonly #threads = element("figure-threads", HTMLElement);
  readonly #isolated = element("figure-isolated", HTMLElement);
  readonly #seed = element("figure-seed", HTMLElement);
  readonly #offline = element("figure-offline", HTMLElement);
  #startTime = 0;
  #firstTime = 0;
  #pieces = 0;

  showModel(info: ModelInfo): void {
    this.#memoryModel.textContent = formatBytes(info.dataBytes);
    this.#memorySession.textContent = formatBytes(info.sessionBytes);
    this.#source.textContent = SOURCES[info.source];
    this.#kernels.textContent = info.kernels;
    this.#variant.textContent = info.variant;
    this.#threads.textContent = String(info.threads);
    this.#isolated.textContent = info.isolated ? "Yes" : "No";
  }

  clearModel(): void {
    for (const figure of [
      this.#memoryModel,
      this.#memorySession,
      this.#source,
      this.#kernels,
      this.#variant,
      this.#threads,
      this.#isolated,
    ]) {
      figure.textContent = NOTHING;
    }
  }

  begin(seed: number, now: number): void {
    this.#startTime = now;
    this.#pieces = 0;
    for (const figure of [this.#speed, this.#tokens, this.#first]) figure.textContent = NOTHING;
    this.#seed.textContent = String(seed);
  }

  /** One piece has come. A piece is nearly always one token; the exact figures come with the result. */
  countPiece(now: number): void {
    this.#pieces++;
    if (this.#pieces === 1) {
      this.#firstTime = now;
      this.#first.textContent = formatMeasured((now - this.#startTime) / 1000);
    }
    this.#tokens.textContent = formatTokens(this.#pieces);
    const seconds = (now - this.#firstTime) / 1000;
    if (seconds > 0.2) this.#speed.textContent = formatSpeed((this.#pieces - 1) / seconds);
  }

  finish(result: GenerateResult): void {
    const { timings } = result;
    this.#tokens.textContent = formatTokens(result.tokens.length);
    this.#speed.textContent = formatSpeed(timings.tokensPerSecond);
    if (result.tokens.length > 0) {
      this.#first.textContent = formatMeasured(timings.timeToFirstTokenSeconds);
    }
    this.#seed.textContent = String(result.seed);
  }

  showOffline(text: string): void {
    this.#offline.textContent = text;
  }
}
