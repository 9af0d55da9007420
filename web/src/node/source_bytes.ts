// source_bytes.ts: the bytes of a GGUF file as the packer asks for them, in Node: stretches of files, read at once.
import { createWriteStream } from "node:fs";
import { closeSync, openSync, readSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream as WebStream } from "node:stream/web";
import { fileURLToPath } from "node:url";
import { describe, TercetError } from "../errors.js";
import type { PackMessage } from "../packer_protocol.js";
import type { PartBytes } from "../source_bytes.js";

export type { PartBytes } from "../source_bytes.js";

/** `size` bytes of a file from `offset` on. */
export class FilePart implements PartBytes {
  readonly path: string;
  readonly offset: number;
  readonly size: number;

  constructor(path: string, offset: number, size: number) {
    this.path = path;
    this.offset = offset;
    this.size = size;
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    const bytes = await readFile(this.path);
    return new Uint8Array(bytes.subarray(this.offset, this.offset + this.size)).buffer;
  }
}

/** Where no file can be written. */
class LoosePart implements PartBytes {
  readonly bytes: Uint8Array<ArrayBuffer>;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.bytes = bytes;
  }

  get size(): number {
    return this.bytes.length;
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    return this.bytes.slice().buffer;
  }
}

export function loosePart(bytes: Uint8Array<ArrayBuffer>): PartBytes {
  return new LoosePart(bytes.slice());
}

/** null: some of it has to be downloaded. A Blob becomes a file, for only files can be read at once. */
export async function partsAtHand({ source, place }: PackMessage): Promise<PartBytes[] | null> {
  if (source.kind === "blob") {
    const path = join(place, "source.gguf");
    try {
      const bytes = Readable.fromWeb(source.blob.stream() as WebStream);
      await pipeline(bytes, createWriteStream(path));
    } catch (thrown) {
      throw new TercetError("STORAGE_FAILED", describe(thrown), { cause: thrown });
    }
    return [new FilePart(path, 0, source.blob.size)];
  }
  if (!source.urls.every((url) => url.startsWith("file:"))) return null;
  return Promise.all(
    source.urls.map(async (url) => {
      const path = fileURLToPath(url);
      const { size } = await stat(path).catch((thrown: unknown) => {
        const missing = (thrown as { code?: string })?.code === "ENOENT";
        throw failure(missing ? "FILE_NOT_FOUND" : "FILE_READ_FAILED", thrown, null);
      });
      return new FilePart(path, 0, size);
    }),
  );
}

interface Stretch {
  begin: number;
  part: FilePart | LoosePart;
}

export class SourceBytes {
  readonly size: number;
  readonly #stretches: Stretch[] = [];
  /** The file that was read last. */
  #open: { path: string; file: number } | null = null;

  constructor(parts: readonly PartBytes[]) {
    let begin = 0;
    for (const part of parts as readonly (FilePart | LoosePart)[]) {
      if (part.size > 0) this.#stretches.push({ begin, part });
      begin += part.size;
    }
    this.size = begin;
  }

  /** Fills all of `target`. FILE_READ_FAILED where a file changed or vanished. */
  read(offset: number, target: Uint8Array): void {
    for (let filled = 0; filled < target.length;) {
      const at = offset + filled;
      const { begin, part } = this.#stretchAt(at);
      const inside = at - begin;
      const count = Math.min(part.size - inside, target.length - filled);
      const piece = target.subarray(filled, filled + count);
      if (part instanceof LoosePart) piece.set(part.bytes.subarray(inside, inside + count));
      else this.#readFile(part, inside, piece);
      filled += count;
    }
  }

  close(): void {
    if (this.#open) closeSync(this.#open.file);
    this.#open = null;
  }

  #stretchAt(at: number): Stretch {
    let low = 0;
    for (let high = this.#stretches.length; high - low > 1;) {
      const middle = (low + high) >> 1;
      if ((this.#stretches[middle]?.begin ?? Infinity) <= at) low = middle;
      else high = middle;
    }
    const found = this.#stretches[low];
    if (!found || at >= found.begin + found.part.size)
      throw failure("FILE_READ_FAILED", new Error("there is nothing behind its end"), at);
    return found;
  }

  #readFile({ path, offset }: FilePart, inside: number, target: Uint8Array): void {
    try {
      if (this.#open?.path !== path) {
        this.close();
        this.#open = { path, file: openSync(path, "r") };
      }
      for (let done = 0; done < target.length;) {
        const at = offset + inside + done;
        const count = readSync(this.#open.file, target, done, target.length - done, at);
        if (count === 0) throw new Error("it ends early");
        done += count;
      }
    } catch (thrown) {
      throw failure("FILE_READ_FAILED", thrown, inside);
    }
  }
}

function failure(
  code: "FILE_NOT_FOUND" | "FILE_READ_FAILED",
  thrown: unknown,
  where: number | null,
): TercetError {
  return new TercetError(code, describe(thrown), { where, cause: thrown });
}
