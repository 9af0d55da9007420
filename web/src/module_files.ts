// module_files.ts: where the worker finds the files of a WebAssembly module. Each address is written out in full in the one
// form that bundlers understand: they move the file, give it another name and put that name here. It fetches nothing.
import { TercetError } from "./errors.js";
import { PROTOCOL_VERSION, type FromWorker, type ToWorker } from "./protocol.js";

export interface ModuleFiles {
  /** Address of the glue, for import(); of the packer, of its worker. */
  script: string;
  /** Address of the binary, or the binary itself. */
  binary: string | Blob;
}

/** Files of a module by the name that it has in the package: "tercet-" + this. `assetsUrl` null: beside this worker. */
export async function moduleFiles(name: string, assetsUrl: string | null): Promise<ModuleFiles> {
  if (assetsUrl !== null) {
    return {
      script: new URL(`tercet-${name}.mjs`, assetsUrl).href,
      binary: new URL(`tercet-${name}.wasm`, assetsUrl).href,
    };
  }
  // A worker that was made from a text has nothing beside it.
  if (globalThis.location?.protocol.startsWith("blob")) return askPage(name);
  const [script, binary = script] = besideWorker(name);
  return { script: script.href, binary: binary.href };
}

/** Some are a script and no more. */
function besideWorker(name: string): [script: URL, binary?: URL] {
  switch (name) {
    case "simd128":
      return [
        new URL("./tercet-simd128.mjs", import.meta.url),
        new URL("./tercet-simd128.wasm", import.meta.url),
      ];
    case "simd128-threads":
      return [
        new URL("./tercet-simd128-threads.mjs", import.meta.url),
        new URL("./tercet-simd128-threads.wasm", import.meta.url),
      ];
    case "relaxed":
      return [
        new URL("./tercet-relaxed.mjs", import.meta.url),
        new URL("./tercet-relaxed.wasm", import.meta.url),
      ];
    case "relaxed-threads":
      return [
        new URL("./tercet-relaxed-threads.mjs", import.meta.url),
        new URL("./tercet-relaxed-threads.wasm", import.meta.url),
      ];
    case "gguf":
      return [new URL("./tercet-gguf.mjs", import.meta.url)];
    case "grammar":
      return [new URL("./tercet-grammar.mjs", import.meta.url)];
    case "look":
      return [new URL("./tercet-look.mjs", import.meta.url)];
    case "tools":
      return [new URL("./tercet-tools.mjs", import.meta.url)];
    case "packer":
      return [
        new URL("./tercet-packer.mjs", import.meta.url),
        new URL("./tercet-packer.wasm", import.meta.url),
      ];
  }
  throw new TercetError("BAD_ARGUMENT", `there is no module ${name}`);
}

const asked = new Map<string, Promise<ModuleFiles>>();

/** The page has what this worker was made from, and the modules lie there too. */
function askPage(name: string): Promise<ModuleFiles> {
  const known = asked.get(name);
  if (known) return known;
  const scope = globalThis as unknown as DedicatedWorkerGlobalScope;
  const asking = new Promise<ModuleFiles>((resolve, reject) => {
    const take = ({ data }: MessageEvent<ToWorker>) => {
      if (data.op !== "files" || data.name !== name) return;
      scope.removeEventListener("message", take);
      if (data.files) resolve(data.files);
      else reject(new TercetError("ENGINE_CRASHED", `tercet-${name} is not in this bundle`));
    };
    scope.addEventListener("message", take);
    const question: FromWorker = { v: PROTOCOL_VERSION, id: 0, kind: "ask", name };
    scope.postMessage(question);
  });
  asked.set(name, asking);
  return asking;
}
