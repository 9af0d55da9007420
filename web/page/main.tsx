// main.tsx: the page's entry: puts the frame up, opens what was open last, and keeps the page for the next visit. Nothing
// here may block: the engine runs in a worker.

import { render } from "preact";
import { Frame } from "./frame.js";
import { lastOpened, notices, open, opening, readStored } from "./state/models.js";
import { keepOffline, shouldReloadForThreads, takeNewerVersion } from "./state/offline.js";
import { route } from "./state/routes.js";
import { say } from "./state/announcer.js";
import { sentence } from "./format.js";
import { strings } from "./strings.js";
import { guardScripts } from "./trusted_types.js";

async function start(): Promise<void> {
  guardScripts();
  if (await takeNewerVersion()) {
    location.reload();
    return;
  }
  const place = document.getElementById("app");
  if (place === null) throw new Error("index.html has no place for the page");
  place.replaceChildren();
  render(<Frame />, place);
  opening.subscribe(({ state }) => {
    if (state === "open") say([strings.model.ready, ...notices.value.map(sentence)].join(" "));
    if (state === "cancelled") say(strings.model.cancelled);
  });
  const kept = keepOffline();
  await readStored();
  // The first view asks before it opens anything; the others are of little use without a model.
  if (route.value !== "" && opening.value.state === "none") {
    const last = await lastOpened();
    if (last && opening.value.state === "none") await open(last);
  }
  await kept;
  const begun = () => route.value !== "" || opening.value.state !== "none";
  if (shouldReloadForThreads(begun)) location.reload();
}

void start();
