// trusted_types.ts: under the page's content policy a string can become a script address only by way of a policy. This is
// the only one for scripts: it lets through the three programs that the page starts, and nothing else.

const PROGRAMS = ["tercet/engine_worker.js", "tercet/tercet-packer.mjs", "service_worker.js"];

interface Factory {
  createPolicy(name: string, rules: { createScriptURL(address: string): string }): unknown;
}

/** To be called once, before anything is started. A function, since bundlers may leave out what is imported for nothing. */
export function guardScripts(): void {
  const factory = (globalThis as { trustedTypes?: Factory }).trustedTypes;
  const programs = new Set(PROGRAMS.map((path) => new URL(path, document.baseURI).href));
  factory?.createPolicy("default", {
    createScriptURL(address) {
      const { href } = new URL(address, document.baseURI);
      if (!programs.has(href)) throw new TypeError(`${href} is no program of this page`);
      return href;
    },
  });
}
