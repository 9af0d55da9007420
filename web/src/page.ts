// page.ts: what addresses, features and the console of a page are, for both builds that run in pages. Node has its own
// (node/platform.ts).

/** Of the addresses that load() takes. */
export const LOADABLE = /^https?:$/;

/** A page's base address may be another than its own; workers have only the latter. */
export function resolveAddress(address: string | URL): string {
  return new URL(address, globalThis.document?.baseURI ?? globalThis.location?.href).href;
}

/** What features() looks at. */
export function featureScope(): typeof globalThis {
  return globalThis;
}

/** A sentence for who looks for one. */
export function tell(sentence: string): void {
  console.info(sentence);
}
