// packing_place.ts: the place where a GGUF file becomes a model, in Node: a folder of its own, below the folder of what is kept or
// among the temporary files, removed when the model is loaded.
import { mkdirSync, mkdtempSync } from "node:fs";
import { readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Worker as Thread } from "node:worker_threads";
import type { ByteSource } from "../byte_source.js";
import { describe, TercetError } from "../errors.js";
import type { FromPacker, ToPacker } from "../packer_protocol.js";
import { FileSource } from "./open_address.js";

const FOLDER = "packing";
/** Nobody packs for so long: what is older is left of a process that was killed. */
const FORGOTTEN_AFTER_MS = 24 * 3600 * 1000;

export class PackingPlace {
  /** Its path. */
  readonly name: string;

  private constructor(name: string) {
    this.name = name;
  }

  /** remove() it at the end, whatever happened. `cacheDir` null: among the temporary files. */
  static async take(cacheDir: string | null): Promise<PackingPlace> {
    try {
      const parent = cacheDir === null ? tmpdir() : join(fileURLToPath(cacheDir), FOLDER);
      mkdirSync(parent, { recursive: true });
      return new PackingPlace(mkdtempSync(join(parent, "tercet-packing-")));
    } catch (thrown) {
      throw new TercetError("STORAGE_FAILED", describe(thrown), { cause: thrown });
    }
  }

  startPacker(script: string): Worker {
    return new PackerThread(script) as unknown as Worker;
  }

  openPacked(file: Blob | string): ByteSource {
    if (typeof file !== "string") throw new TercetError("PROTOCOL", "the packed file has no path");
    return new FileSource(pathToFileURL(file));
  }

  async remove(): Promise<void> {
    await rm(this.name, { recursive: true, force: true, maxRetries: 3 }).catch(() => {});
  }
}

/** What processes that were killed have left below this folder. */
export async function removeLeftPacking(cacheDir: string | null): Promise<void> {
  if (cacheDir === null) return;
  try {
    const parent = join(fileURLToPath(cacheDir), FOLDER);
    for (const name of await readdir(parent)) {
      const { mtimeMs } = await stat(join(parent, name));
      if (mtimeMs < Date.now() - FORGOTTEN_AFTER_MS)
        await rm(join(parent, name), { recursive: true, force: true });
    }
  } catch {
    // There is no such folder, or another process was faster.
  }
}

/** As much of a web worker as GgufSource uses. */
class PackerThread {
  onmessage: ((event: { data: FromPacker }) => void) | null = null;
  onerror: ((event: { message: string; preventDefault(): void }) => void) | null = null;
  readonly #thread: Thread;

  constructor(script: string) {
    this.#thread = new Thread(new URL(script));
    const fail = (message: string) => this.onerror?.({ message, preventDefault: () => {} });
    this.#thread.on("message", (data: FromPacker) => this.onmessage?.({ data }));
    this.#thread.on("error", (error) => fail(describe(error)));
    this.#thread.on("exit", () => fail("it ended before it was done"));
  }

  postMessage(message: ToPacker): void {
    this.#thread.postMessage(message);
  }

  terminate(): void {
    void this.#thread.terminate();
  }
}
