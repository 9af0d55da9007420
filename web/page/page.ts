// page.ts: the page's entry: joins model bar, prompt, story and figures. It decides what happens when; how each part
// looks is that part's business. Nothing here may block: the engine runs in a worker.

import { TercetError, type FinishReason, type Model } from "../src/index.js";
import { Announcer } from "./announcer.js";
import { element, setEnabled } from "./elements.js";
import { Figures } from "./figures.js";
import { formatTokens } from "./format.js";
import { ModelPanel } from "./model_panel.js";
import { keepOffline, takeNewerVersion } from "./offline.js";
import { hideProblem, showProblem } from "./problem.js";
import { Settings } from "./settings.js";
import { StoryView } from "./story_view.js";

const BUNDLED_MODEL = "models/gutenberg-kids-6m-b158.tercet";

const ENDINGS: Readonly<Record<FinishReason, string>> = {
  stop: "The model ended its text.",
  "stop-text": "The text to stop at was reached.",
  length: "It has the length that was asked for.",
  context: "The model can hold no longer text.",
  aborted: "Stopped.",
};

const form = element("write-form", HTMLFormElement);
const prompt = element("prompt", HTMLTextAreaElement);
const writeButton = element("write", HTMLButtonElement);
const stopButton = element("stop", HTMLButtonElement);
const storyPlace = element("story", HTMLElement);
const storyProblem = element("story-problem", HTMLElement);
const ending = element("ending", HTMLElement);

const announcer = new Announcer(element("announcer", HTMLElement));
const figures = new Figures();
const settings = new Settings();
const story = new StoryView(storyPlace);

let model: Model | null = null;
let writing: AbortController | null = null;

const panel = new ModelPanel(BUNDLED_MODEL, {
  ready(loaded) {
    model = loaded;
    figures.showModel(loaded.info);
    showButtons();
  },
  gone() {
    model = null;
    writing?.abort();
    figures.clearModel();
    showButtons();
  },
  say: (text) => announcer.say(text),
});

function showButtons(): void {
  setEnabled([
    [writeButton, model !== null && writing === null],
    [stopButton, writing !== null],
  ]);
}

async function write(): Promise<void> {
  if (model === null || writing !== null) return;
  const options = settings.read();
  if (options === null) return;
  const running = new AbortController();
  writing = running;
  const text = prompt.value;
  showButtons();
  hideProblem(storyProblem);
  ending.hidden = true;
  story.begin(text);
  figures.begin(options.seed, performance.now());
  announcer.say("Writing");
  let pieces = 0;
  storyPlace.scrollIntoView({ block: "nearest" });
  try {
    const generation = model.generate(text, { ...options, signal: running.signal });
    for await (const piece of generation) {
      const now = performance.now();
      pieces++;
      story.append(piece);
      figures.countPiece(now);
      announcer.hear(piece, now);
    }
    const result = await generation.result;
    figures.finish(result);
    ending.textContent = ENDINGS[result.finishReason];
    ending.hidden = false;
    announcer.finish(`${ENDINGS[result.finishReason]} ${formatTokens(result.tokens.length)}.`);
  } catch (thrown) {
    // After a crash the engine is gone and the model with it; other errors leave the model as it was.
    if (pieces === 0) story.clear();
    const reload = thrown instanceof TercetError && thrown.advice === "reload";
    showProblem(storyProblem, thrown, () => void (reload ? panel.load() : write()));
  } finally {
    story.end();
    writing = null;
    showButtons();
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  void write();
});
stopButton.addEventListener("click", () => writing?.abort());
prompt.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) {
    event.preventDefault();
    void write();
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") writing?.abort();
});

async function start(): Promise<void> {
  if (await takeNewerVersion()) {
    location.reload();
    return;
  }
  void panel.load();
  void keepOffline((text) => figures.showOffline(text));
}

void start();
