// service_worker.ts: keeps the page's own files, so that it opens without a network. build.mjs writes the list of files
// with their hashes into it; a new list is a new worker with a new cache, and the two never mix.
//
// It must never touch models: they are large, live in IndexedDB and are checked by the library. Cached answers keep
// the headers they came with, the content policy among them, and get the two that isolate the page and so give it
// threads: many hosts of static files send no headers of one's own.

import { TAKE_OVER } from "./worker_messages.js";

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
  if (event.data !== TAKE_OVER) return;
  event.waitUntil(takeOverIfAlone().then((taken) => event.ports[0]?.postMessage(taken)));
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
      await cache.put(url, isolated(response));
    }),
  );
}

/** What docs/library/hosting.md asks a server for. */
function isolated(response: Response): Response {
  const headers = new Headers(response.headers);
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  headers.set("Cross-Origin-Resource-Policy", "same-origin");
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers });
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
  const kept = await cache.match(new URL(path, self.registration.scope));
  // Browsers may empty a cache; then the network is all there is.
  return kept ?? isolated(await fetch(request));
}

/**
 * A page that finds this worker waiting asks it to take over, and loads again if it does. A reload alone never gets
 * there, as the old page lives until the new one has an answer. Another page that is open must not lose its files.
 */
async function takeOverIfAlone(): Promise<boolean> {
  const open = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const ours = open.filter((client) => client.url.startsWith(self.registration.scope));
  if (ours.length > 1) return false;
  void self.skipWaiting();
  return true;
}
