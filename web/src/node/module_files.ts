// module_files.ts: where the worker of Node finds the files of a WebAssembly module: in the package, one folder up. fetch() reads
// no files, so the binary is handed over.
import { readFile } from "node:fs/promises";
import type { ModuleFiles } from "../module_files.js";

export type { ModuleFiles } from "../module_files.js";

export async function moduleFiles(name: string): Promise<ModuleFiles> {
  // These two know where files lie in Node.
  const own = name === "packer" ? "./packer_worker.js" : "./gguf_module.js";
  const glue = ["packer", "gguf"].includes(name) ? own : `../tercet-${name}.mjs`;
  const script = new URL(glue, import.meta.url).href;
  if (["gguf", "grammar", "look", "tools"].includes(name)) return { script, binary: script };
  const bytes = await readFile(new URL(`../tercet-${name}.wasm`, import.meta.url));
  return { script, binary: new Blob([bytes]) };
}
