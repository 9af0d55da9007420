// offline.ts: registers the service worker that keeps the page's own files, and says whether the page can be opened
// without a network. The page works the same without it; a failure is shown, not thrown. On a host that sends no headers the
// worker also isolates the page, which gives it threads, from the next load on.

import { signal } from "@preact/signals";
import { strings } from "../strings.js";
import { TAKE_OVER } from "../worker_messages.js";

/** A word for the figures: whether the page opens without a network. */
export const offline = signal("");

/** Loading the page again would give it threads: the worker that isolates it has come after it. */
export const reloadHelps = signal(false);

/** Of this tab: a load for the sake of isolation was tried. It is not tried twice. */
const TRIED = "tercet.isolation-tried";

/** An answer that does not come by then will not: the page starts as it is. */
const TAKE_OVER_TIMEOUT_MS = 3000;

/**
 * True when a newer version of the page, fetched during an earlier visit, has just taken over: then this page is the old
 * one and must be loaded again. Costs nothing while there is none.
 */
export async function takeNewerVersion(): Promise<boolean> {
  // A page that no worker controls came from the network: it is the newest there is.
  if (!navigator.serviceWorker?.controller) return false;
  const registration = await navigator.serviceWorker.getRegistration().catch(() => undefined);
  const waiting = registration?.waiting;
  if (!waiting) return false;
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    const changed = () => resolve(true);
    navigator.serviceWorker.addEventListener("controllerchange", changed, { once: true });
    const giveUp = () => {
      navigator.serviceWorker.removeEventListener("controllerchange", changed);
      resolve(false);
    };
    setTimeout(giveUp, TAKE_OVER_TIMEOUT_MS);
    port1.onmessage = (event: MessageEvent<boolean>) => {
      if (!event.data) giveUp(); // other pages are open
    };
    waiting.postMessage(TAKE_OVER, [port2]);
  });
}

/** Registers the worker; `offline` says how that went. */
export async function keepOffline(): Promise<void> {
  if (!("serviceWorker" in navigator)) {
    offline.value = strings.offline.insecure;
    return;
  }
  offline.value = strings.offline.preparing;
  try {
    const registration = await navigator.serviceWorker.register("service_worker.js");
    const installing = registration.installing;
    if (registration.active) {
      offline.value = strings.offline.ready;
      // Browsers look for a newer version by themselves, but some of them much later. Without a network there is none.
      registration.update().catch(() => {});
      return;
    }
    // The first installation may fail, for example when the site changes under it; "ready" would then never settle.
    installing?.addEventListener("statechange", () => {
      if (installing.state === "redundant") offline.value = strings.offline.failed;
    });
    await navigator.serviceWorker.ready;
    offline.value = strings.offline.ready;
  } catch {
    offline.value = strings.offline.refused;
  }
}

/**
 * Whether to load the page again at once, now that a worker can isolate it. `begun` tells whether somebody has started to do
 * something here, who would lose it: then `reloadHelps` says it, and it is theirs to decide.
 */
export function shouldReloadForThreads(begun: () => boolean): boolean {
  const active = offline.value === strings.offline.ready;
  if (crossOriginIsolated || !active || navigator.hardwareConcurrency === 1) return false;
  try {
    if (sessionStorage.getItem(TRIED) !== null) return false;
    if (begun()) {
      reloadHelps.value = true;
      return false;
    }
    sessionStorage.setItem(TRIED, "yes");
    return true;
  } catch {
    return false; // without a memory it would go round in circles
  }
}
