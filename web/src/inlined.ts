// inlined.ts: the engine out of texts that lie in the bundle: for bundlers that leave new URL(…, import.meta.url) as it is and
// bring no worker along (esbuild), for scripts from another site, whose workers no page may start, and for the single
// file. index.js imports it only when its worker cannot be loaded. Needs blob: in the page's content policy, if it has one.
import { files, type InlinedFile } from "./inlined_files.js";
import type { ModuleFiles } from "./module_files.js";

export async function startInlinedWorker(): Promise<Worker> {
  const address = await scriptAddress(await inlinedFile("engine_worker"));
  try {
    return new Worker(address, { type: "module" });
  } finally {
    // The browser has taken the text by then or fails; a little later, for Safari takes it late.
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  }
}

/** For a worker that asks; the address of the script lives as long as the page, since threads may be started from it again. */
export async function inlinedModule(name: string): Promise<ModuleFiles> {
  const file = await inlinedFile(`tercet-${name}`);
  const binary = file.binary ? await inflated(file.binary, "application/wasm") : new Blob();
  return { script: await scriptAddress(file), binary };
}

async function inlinedFile(name: string): Promise<InlinedFile> {
  const find = Object.hasOwn(files, name) ? files[name] : undefined;
  if (!find) throw new Error(`${name} is not in this bundle`);
  return find();
}

async function scriptAddress(file: InlinedFile): Promise<string> {
  return URL.createObjectURL(await inflated(file.script, "text/javascript"));
}

async function inflated(text: string, type: string): Promise<Blob> {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Blob([await new Response(stream).arrayBuffer()], { type });
}
