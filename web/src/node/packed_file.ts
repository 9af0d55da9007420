// packed_file.ts: where the packer writes, in Node: a file in the place of this packing.
import { closeSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, TercetError } from "../errors.js";
import type { PackedFile } from "../packed_file.js";

export type { PackedFile } from "../packed_file.js";

export async function makePackedFile(place: string): Promise<PackedFile> {
  const path = join(place, "model.tercet");
  return new PlainFile(
    path,
    attempt(() => openSync(path, "w+")),
  );
}

class PlainFile implements PackedFile {
  readonly #path: string;
  readonly #file: number;
  #open = true;

  constructor(path: string, file: number) {
    this.#path = path;
    this.#file = file;
  }

  open(bytes: number): void {
    attempt(() => ftruncateSync(this.#file, bytes));
  }

  write(offset: number, bytes: Uint8Array): void {
    attempt(() => {
      for (let done = 0; done < bytes.length;)
        done += writeSync(this.#file, bytes, done, bytes.length - done, offset + done);
    });
  }

  read(offset: number, target: Uint8Array): void {
    attempt(() => {
      for (let done = 0; done < target.length;) {
        const count = readSync(this.#file, target, done, target.length - done, offset + done);
        if (count === 0)
          throw new TercetError("STORAGE_FAILED", "the packed model ends early", { where: offset });
        done += count;
      }
    });
  }

  async finish(): Promise<string> {
    this.#close();
    return this.#path;
  }

  async remove(): Promise<void> {
    this.#close();
    await rm(this.#path, { force: true }).catch(() => {});
  }

  #close(): void {
    if (this.#open) closeSync(this.#file);
    this.#open = false;
  }
}

function attempt<Value>(work: () => Value): Value {
  try {
    return work();
  } catch (thrown) {
    if (thrown instanceof TercetError) throw thrown;
    const full = ["ENOSPC", "EDQUOT"].includes((thrown as { code?: string })?.code ?? "");
    throw new TercetError(full ? "QUOTA_EXCEEDED" : "STORAGE_FAILED", describe(thrown), {
      cause: thrown,
    });
  }
}
