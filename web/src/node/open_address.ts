// open_address.ts: what lies behind an address, in Node: a file of this machine, or the network.
import { open, stat, type FileHandle } from "node:fs/promises";
import type { SizedSource } from "../byte_source.js";
import { HttpSource, type DownloadOptions } from "../download.js";
import { describe, TercetError } from "../errors.js";

export function openAddress(
  url: string,
  etag: string | null,
  options: DownloadOptions,
): SizedSource {
  return url.startsWith("file:")
    ? new FileSource(new URL(url))
    : new HttpSource(url, etag, options);
}

/** A file of this machine with size and time: once it changes it is packed again. */
export async function addressName(url: string): Promise<string> {
  if (!url.startsWith("file:")) return url;
  const facts = await stat(new URL(url)).catch(() => null);
  return facts ? `${url}#bytes=${facts.size}&changed=${facts.mtimeMs}` : url;
}

/** Read piece by piece, never whole. */
export class FileSource implements SizedSource {
  readonly kind = "memory";
  readonly #url: URL;
  #file: FileHandle | null = null;
  #closed = false;

  constructor(url: URL) {
    this.#url = url;
  }

  async start(): Promise<{ fileBytes: number }> {
    return { fileBytes: await this.size() };
  }

  async size(): Promise<number> {
    const file = await this.#open();
    return (await file.stat()).size;
  }

  async read(offset: number, bytes: number): Promise<Uint8Array<ArrayBuffer>> {
    const file = await this.#open();
    const buffer = new Uint8Array(bytes);
    for (let at = 0; at < bytes;) {
      const { bytesRead } = await file.read(buffer, at, bytes - at, offset + at).catch((thrown) => {
        throw this.#error("FILE_READ_FAILED", thrown, offset + at);
      });
      if (bytesRead === 0)
        throw new TercetError("TRUNCATED", `it ends ${bytes - at} bytes early`, {
          where: offset + at,
        });
      at += bytesRead;
    }
    return buffer;
  }

  restart(): boolean {
    return false;
  }

  close(): void {
    this.#closed = true;
    void this.#file?.close().catch(() => {});
    this.#file = null;
  }

  async #open(): Promise<FileHandle> {
    if (this.#file) return this.#file;
    const file = await open(this.#url).catch((thrown: unknown) => {
      const missing = (thrown as { code?: string })?.code === "ENOENT";
      throw this.#error(missing ? "FILE_NOT_FOUND" : "FILE_READ_FAILED", thrown, null);
    });
    if (this.#closed) {
      await file.close();
      throw new TercetError("ABORTED");
    }
    this.#file = file;
    return file;
  }

  #error(
    code: "FILE_NOT_FOUND" | "FILE_READ_FAILED",
    thrown: unknown,
    where: number | null,
  ): TercetError {
    return new TercetError(code, describe(thrown), { where, cause: thrown });
  }
}
