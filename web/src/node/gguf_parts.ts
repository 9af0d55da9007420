// gguf_parts.ts: a GGUF file on its way, in Node: a folder for each, a file for each part with its hash in front, so that a part
// is whole or not there. Where nothing is to be kept the folder is one of the packing's own, and goes with it.
import { createHash, randomUUID } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { FORGOTTEN_AFTER_MS, type Part, type PartsRecord } from "../gguf_record.js";
import type { PackMessage } from "../packer_protocol.js";
import { FilePart, type PartBytes } from "./source_bytes.js";

const FOLDER = "gguf";
const RECORD = "file.json";
const HASH_BYTES = 32;

export class GgufParts {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async forPacking({ keep, cacheDir, place }: PackMessage): Promise<GgufParts | null> {
    const kept = keep ? await GgufParts.kept(cacheDir) : null;
    return kept ?? new GgufParts(join(place, FOLDER));
  }

  static async kept(cacheDir: string | null): Promise<GgufParts | null> {
    return cacheDir === null ? null : new GgufParts(join(fileURLToPath(cacheDir), FOLDER));
  }

  read(url: string): Promise<PartsRecord | undefined> {
    return this.#record(this.#path(url));
  }

  async write(record: PartsRecord): Promise<void> {
    await mkdir(this.#path(record.url), { recursive: true });
    await writeWhole(join(this.#path(record.url), RECORD), [JSON.stringify(record)]);
  }

  async readAll(): Promise<PartsRecord[]> {
    const folders = await readdir(this.#folder).catch(() => []);
    const records = await Promise.all(
      folders.map((name) => this.#record(join(this.#folder, name))),
    );
    return records.filter((record) => record !== undefined);
  }

  async indices(url: string): Promise<number[]> {
    const names = await readdir(this.#path(url)).catch(() => []);
    const indices = names.map((name) => /^part-(\d+)$/.exec(name)?.[1]);
    return indices
      .filter((index) => index !== undefined)
      .map(Number)
      .sort((a, b) => a - b);
  }

  async part(url: string, index: number): Promise<Part | undefined> {
    const path = this.#part(url, index);
    const file = await open(path).catch(() => null);
    if (!file) return undefined;
    try {
      const hash = new Uint8Array(HASH_BYTES);
      await file.read(hash, 0, HASH_BYTES, 0);
      const { size } = await file.stat();
      const blob: PartBytes = new FilePart(path, HASH_BYTES, Math.max(0, size - HASH_BYTES));
      return { blob, sha256: hash.buffer };
    } finally {
      await file.close();
    }
  }

  async writePart(url: string, index: number, { blob, sha256 }: Part): Promise<void> {
    await stat(join(this.#path(url), RECORD)); // it is gone if the download was deleted
    const bytes = new Uint8Array(await blob.arrayBuffer());
    await writeWhole(this.#part(url, index), [new Uint8Array(sha256), bytes]);
  }

  async dropPart(url: string, index: number): Promise<void> {
    await rm(this.#part(url, index), { force: true });
  }

  async delete(url: string): Promise<void> {
    // The record first: what is left in between is no download.
    await rm(join(this.#path(url), RECORD), { force: true });
    await rm(this.#path(url), { recursive: true, force: true });
  }

  async deleteForgotten(now: number): Promise<void> {
    for (const { url, touched } of await this.readAll())
      if (touched < now - FORGOTTEN_AFTER_MS) await this.delete(url);
  }

  close(): void {}

  #path(url: string): string {
    return join(this.#folder, createHash("sha256").update(url).digest("hex"));
  }

  #part(url: string, index: number): string {
    return join(this.#path(url), `part-${index}`);
  }

  async #record(folder: string): Promise<PartsRecord | undefined> {
    try {
      const text = await readFile(join(folder, RECORD), "utf8");
      return (JSON.parse(text) ?? undefined) as PartsRecord | undefined;
    } catch {
      return undefined; // there is none, or none that can be read
    }
  }
}

async function writeWhole(path: string, pieces: (string | Uint8Array)[]): Promise<void> {
  const unfinished = `${path}.${randomUUID()}.part`;
  try {
    await writeFile(unfinished, pieces);
    await rename(unfinished, path);
  } catch (thrown) {
    await rm(unfinished, { force: true }).catch(() => {});
    throw thrown;
  }
}
