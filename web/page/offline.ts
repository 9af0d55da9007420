// offline.ts: registers the service worker that keeps the page's own files, and says whether the page can be opened
// without a network. The page works the same without it; a failure is shown, not thrown.

/** Calls `report` with a word for the figures, once or twice. */
export async function keepOffline(report: (text: string) => void): Promise<void> {
  if (!("serviceWorker" in navigator)) {
    report("No: needs https or localhost");
    return;
  }
  report("Preparing");
  try {
    const registration = await navigator.serviceWorker.register("service_worker.js");
    const installing = registration.installing;
    if (registration.active) {
      report("Ready");
      // Browsers look for a newer version by themselves, but some of them much later. Without a network there is none.
      registration.update().catch(() => {});
      return;
    }
    // The first installation may fail, for example when the site changes under it; "ready" would then never settle.
    installing?.addEventListener("statechange", () => {
      if (installing.state === "redundant") report("Not this time");
    });
    await navigator.serviceWorker.ready;
    report("Ready");
  } catch {
    report("No: the browser refused");
  }
}
