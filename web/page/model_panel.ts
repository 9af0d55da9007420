// model_panel.ts: the model bar: brings a model in, shows how far it is and where it came from, and lets one stop, repeat
// and delete. Holds at most one model, and one load, at a time; the model before is disposed before the next comes.

import { cache, load, TercetError, type LoadProgress, type Model } from "../src/index.js";
import { element } from "./elements.js";
import {
  formatBytes,
  formatBytesOf,
  formatParameters,
  formatRate,
  formatTimeLeft,
  sentence,
} from "./format.js";
import { hideProblem, showProblem } from "./problem.js";

export interface ModelEvents {
  ready(model: Model): void;
  /** There is no model any more, or not yet. */
  gone(): void;
  say(text: string): void;
}

/** "models/a.tercet", "models/a.gguf" -> "a" */
function nameOfUrl(url: string): string {
  const path = new URL(url, document.baseURI).pathname;
  return decodeURIComponent(path.slice(path.lastIndexOf("/") + 1)).replace(/\.(tercet|gguf)$/, "");
}

function describeProgress(progress: LoadProgress): string {
  const bytes = formatBytesOf(progress.loadedBytes, progress.totalBytes);
  switch (progress.phase) {
    case "header":
      return "Asking what the file holds";
    case "cache":
      return `${bytes}, from this browser’s storage`;
    case "download": {
      const parts = [bytes];
      if (progress.bytesPerSecond > 0) parts.push(formatRate(progress.bytesPerSecond));
      if (progress.secondsLeft !== null) parts.push(formatTimeLeft(progress.secondsLeft));
      return parts.join(" · ");
    }
    case "pack":
      return `Packing the file: ${bytes}`;
    case "load":
    case "ready":
      return "Starting the engine";
  }
}

export class ModelPanel {
  readonly #events: ModelEvents;
  readonly #name = element("model-name", HTMLElement);
  readonly #bar = element("model-progress", HTMLProgressElement);
  readonly #state = element("model-state", HTMLElement);
  readonly #cancel = element("cancel", HTMLButtonElement);
  readonly #load = element("load", HTMLButtonElement);
  readonly #delete = element("delete", HTMLButtonElement);
  readonly #problem = element("model-problem", HTMLElement);
  readonly #notice = element("notice", HTMLElement);
  readonly #noticeText = element("notice-text", HTMLElement);
  readonly #noticed = new Set<string>();
  #url: string;
  #model: Model | null = null;
  #running: AbortController | null = null;
  #frame = 0;

  constructor(url: string, events: ModelEvents) {
    this.#url = url;
    this.#events = events;
    this.#cancel.addEventListener("click", () => this.#running?.abort());
    this.#load.addEventListener("click", () => void this.load());
    this.#delete.addEventListener("click", () => void this.#deleteStored());
    element("notice-dismiss", HTMLButtonElement).addEventListener("click", () => {
      this.#notice.hidden = true;
    });
    const form = element("other-model-form", HTMLFormElement);
    const field = element("model-url", HTMLInputElement);
    field.addEventListener("input", () => field.setCustomValidity(""));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const problem = problemOfUrl(field.value);
      field.setCustomValidity(problem);
      if (problem) field.reportValidity();
      else void this.load(field.value.trim());
    });
  }

  /** Loads the model at `url`, or again the one before. Whatever happens is shown; it never rejects. */
  async load(url = this.#url): Promise<void> {
    this.#running?.abort();
    const running = new AbortController();
    this.#running = running;
    this.#url = url;
    hideProblem(this.#problem);
    this.#name.textContent = nameOfUrl(url);
    this.#show("Starting", { cancel: true });
    this.#bar.classList.remove("idle");
    this.#bar.ariaHidden = "false";
    this.#bar.removeAttribute("value");
    this.#events.gone();
    const before = this.#model;
    this.#model = null;
    try {
      await before?.dispose();
      const model = await load(new URL(url, document.baseURI).href, {
        signal: running.signal,
        onProgress: (progress) => {
          if (this.#running === running) this.#showProgress(progress);
        },
      });
      if (this.#running !== running) {
        await model.dispose();
        return;
      }
      this.#model = model;
      this.#settle();
      await this.#showReady(model);
    } catch (thrown) {
      if (this.#running !== running) return; // another load has taken over
      this.#settle();
      if (thrown instanceof TercetError && thrown.code === "ABORTED") {
        this.#show("Cancelled. What has arrived is kept.", { load: true });
        this.#events.say("Cancelled");
      } else {
        this.#show("Not loaded", {});
        showProblem(this.#problem, thrown, () => void this.load());
      }
    }
  }

  #settle(): void {
    this.#running = null;
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#bar.value = 0;
    this.#bar.classList.add("idle");
    this.#bar.ariaHidden = "true";
  }

  /** At most once a frame: chunks of a fast download come faster than anybody reads. */
  #showProgress(progress: LoadProgress): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => {
      this.#state.textContent = describeProgress(progress);
      if (progress.totalBytes > 0) this.#bar.value = progress.loadedBytes / progress.totalBytes;
    });
  }

  #show(text: string, buttons: { cancel?: boolean; load?: boolean; delete?: boolean }): void {
    this.#state.textContent = text;
    const focused = document.activeElement;
    const all = [
      [this.#cancel, buttons.cancel],
      [this.#load, buttons.load],
      [this.#delete, buttons.delete],
    ] as const;
    for (const [button, shown] of all) button.hidden = !shown;
    // The focus must not fall back to the top of the page with the button that had it.
    if (all.some(([button, shown]) => button === focused && !shown)) {
      all.find(([, shown]) => shown)?.[0].focus({ preventScroll: true });
    }
  }

  async #showReady(model: Model): Promise<void> {
    const { info } = model;
    this.#name.textContent = info.name || nameOfUrl(this.#url);
    const parts = [
      formatParameters(info.parameters),
      formatBytes(info.fileBytes),
      info.source === "indexeddb" ? "kept in this browser" : "downloaded",
    ];
    const stored = await isStored(model);
    if (this.#model !== model) return; // another load has taken over
    this.#show(parts.join(" · "), { delete: stored });
    const notices = this.#showNotices(info.notices);
    this.#events.ready(model);
    this.#events.say(`The model is ready. ${notices}`);
  }

  /** Each notice once: who loads a model again has read it. Returns what is shown now. */
  #showNotices(notices: readonly string[]): string {
    const fresh = notices.filter((notice) => !this.#noticed.has(notice));
    for (const notice of fresh) this.#noticed.add(notice);
    const text = fresh.map(sentence).join(" ");
    this.#noticeText.textContent = text;
    this.#notice.hidden = text === "";
    return text;
  }

  async #deleteStored(): Promise<void> {
    const model = this.#model;
    if (!model) return;
    try {
      await cache.delete(model.info.modelId);
      if (this.#model !== model) return;
      this.#show("Deleted from this browser. It works until this page is closed.", {});
      this.#events.say("Deleted from this browser");
    } catch (thrown) {
      showProblem(this.#problem, thrown, () => void this.#deleteStored());
    }
  }
}

/** The list is a convenience here: if it cannot be read there is nothing to offer. */
async function isStored(model: Model): Promise<boolean> {
  const stored = await cache.list().catch(() => []);
  return stored.some((entry) => entry.modelId === model.info.modelId);
}

/** "" or why this address cannot work here: the page's content policy only lets it read from its own site. */
function problemOfUrl(text: string): string {
  if (text.trim() === "") return "Enter an address.";
  try {
    const url = new URL(text.trim(), document.baseURI);
    if (url.origin === location.origin) return "";
    return `This page reads only from its own site, ${location.origin}: put the file there.`;
  } catch {
    return "This is not an address.";
  }
}
