// service_worker.ts: keeps the page's own files, so that it opens without a network. build.mjs writes the list of files
// with their hashes into it; a new list is a new worker with a new cache, and the two never mix.
//
// It must never touch models: they are large, live in IndexedDB and are checked by the library. Cached answers keep
// the headers they came with: without COOP and COEP the page would lose its threads, without CSP its guard.

export {};

interface PrecachedFile {
  /** Relative to the scope; "" is the page itself. */
  path: string;
  /** "sha256-…", as in the integrity attribute. */
  integrity: string;
}

/** Replaced by build.mjs. */
declare const PRECACHED_FILES: readonly PrecachedFile[];
declare const SITE_VERSION: string;
declare const self: ServiceWorkerGlobalScope;

// The origin's caches may also hold those of another page; the scope tells them apart.
const cachePrefix = `tercet page ${self.registration.scope} `;
const cacheName = cachePrefix + SITE_VERSION;
const paths = new Set(PRECACHED_FILES.map((file) => file.path));
const TAKE_OVER = "take over";

self.addEventListener("install", (event) => {
  event.waitUntil(
    precache().catch(async (error: unknown) => {
      await caches.delete(cacheName);
      throw error;
    }),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(deleteOldCaches());
});

self.addEventListener("message", (event) => {
  if (event.data === TAKE_OVER) void self.skipWaiting();
});

self.addEventListener("fetch", (event) => {
  const path = precachedPath(event.request);
  if (path !== null) event.respondWith(answer(event.request, path));
});

/** All or nothing. `integrity` refuses a file of another version, when the site changes meanwhile. */
async function precache(): Promise<void> {
  const cache = await caches.open(cacheName);
  await Promise.all(
    PRECACHED_FILES.map(async ({ path, integrity }) => {
      const url = new URL(path, self.registration.scope);
      const response = await fetch(new Request(url, { integrity, cache: "no-cache" }));
      if (!response.ok || response.redirected) throw new Error(`${url.pathname} is not there`);
      await cache.put(url, response);
    }),
  );
}

async function deleteOldCaches(): Promise<void> {
  for (const name of await caches.keys()) {
    if (name.startsWith(cachePrefix) && name !== cacheName) await caches.delete(name);
  }
}

/** The path of a file in the list, or null for what the network answers: models, other sites, other methods. */
function precachedPath(request: Request): string | null {
  const url = new URL(request.url);
  if (request.method !== "GET" || !url.href.startsWith(self.registration.scope)) return null;
  let path = url.origin + url.pathname;
  path = path.slice(self.registration.scope.length);
  if (path === "index.html") path = "";
  return paths.has(path) ? path : null;
}

async function answer(request: Request, path: string): Promise<Response> {
  const cache = await caches.open(cacheName);
  const response = await cache.match(new URL(path, self.registration.scope));
  // Browsers may empty a cache; then the network is all there is.
  if (!response) return fetch(request);
  if (request.mode === "navigate" && (await handOver(request))) return reloadAtOnce(response);
  return response;
}

/**
 * A newer worker waits until no page of this version is open. A reload alone never gets there, as the old page lives
 * until the new one has an answer. So: if no other page is open, the newer worker takes over, and the load is repeated.
 * Where the browser does not tell a reload from a new tab, one page that is open is taken for another one.
 */
async function handOver(request: Request): Promise<boolean> {
  const { waiting } = self.registration;
  if (!waiting) return false;
  const { isReloadNavigation = false } = request as Request & { isReloadNavigation?: boolean };
  const open = await self.clients.matchAll();
  if (open.length > (isReloadNavigation ? 1 : 0)) return false;
  waiting.postMessage(TAKE_OVER);
  return true;
}

/** A page with the same protections that only loads again. The icon is named, or the browser asks for another. */
function reloadAtOnce(page: Response): Response {
  const headers = new Headers(page.headers);
  headers.delete("Content-Length");
  headers.delete("Content-Encoding");
  headers.set("Refresh", "0");
  return new Response('<!doctype html><link rel="icon" href="icon.svg">', { headers });
}
