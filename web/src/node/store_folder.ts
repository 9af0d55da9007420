// store_folder.ts: models in a folder of this machine: one folder for each, one file for each chunk, so that a write is atomic
// (a file gets its name when it is whole), a damaged chunk is replaced alone, and no more than a chunk is ever held. It
// checks no hash: who writes has checked, who reads checks again. Several processes may share the folder.
import { createHash, randomUUID } from "node:crypto";
import type { Dirent } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, TercetError } from "../errors.js";
import {
  leadsTo,
  modelState,
  storedBytes,
  type CommitRecord,
  type HeaderRecord,
  type SourceRecord,
} from "../journal.js";
import type { Store } from "../store.js";
import type { StoredModel } from "../types.js";

const SOURCES = "sources";
const MODEL_ID = /^[0-9a-f]{64}$/;

export class FolderStore implements Store {
  readonly kind = "folder";
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Makes the folder if it is not there. */
  static async open(url: URL): Promise<FolderStore> {
    return attempt(async () => {
      const folder = fileURLToPath(url);
      await mkdir(join(folder, SOURCES), { recursive: true });
      return new FolderStore(folder);
    });
  }

  readSource(url: string): Promise<SourceRecord | undefined> {
    return attempt(() => readRecord<SourceRecord>(this.#source(url)));
  }

  async readSources(): Promise<SourceRecord[]> {
    return attempt(async () => {
      const entries = await entriesIn(join(this.#folder, SOURCES));
      const files = entries.filter((entry) => !entry.isDirectory());
      const names = files.map(({ name }) => name).filter((name) => name.endsWith(".json"));
      const records = await Promise.all(
        names.map((name) => readRecord<SourceRecord>(join(this.#folder, SOURCES, name))),
      );
      return records.filter((record) => record !== undefined);
    });
  }

  async writeSource(record: SourceRecord): Promise<void> {
    await attempt(async () => {
      await this.#requireHeader(record.modelId);
      await writeWhole(this.#source(record.url), JSON.stringify(record));
    });
  }

  readHeader(modelId: string): Promise<HeaderRecord | undefined> {
    return attempt(async () => {
      const facts = await readRecord<Omit<HeaderRecord, "header">>(
        this.#path(modelId, "header.json"),
      );
      // A record that says less is none, and a load writes it anew.
      const { fileBytes, chunkBytes, chunks } = facts ?? {};
      if (!facts || ![fileBytes, chunkBytes, chunks].every(Number.isSafeInteger)) return undefined;
      const header = await readBytes(this.#path(modelId, "header"));
      return header && { ...facts, header };
    });
  }

  async writeHeader({ header, ...facts }: HeaderRecord): Promise<void> {
    await attempt(async () => {
      await mkdir(this.#path(facts.modelId), { recursive: true });
      await writeWhole(this.#path(facts.modelId, "header"), new Uint8Array(header));
      await writeWhole(this.#path(facts.modelId, "header.json"), JSON.stringify(facts));
    });
  }

  async chunkIndices(modelId: string): Promise<number[]> {
    const entries = await attempt(() => entriesIn(this.#path(modelId)));
    const indices = entries.map(({ name }) => /^chunk-(\d+)$/.exec(name)?.[1]);
    return indices
      .filter((index) => index !== undefined)
      .map(Number)
      .sort((a, b) => a - b);
  }

  readChunk(modelId: string, index: number): Promise<ArrayBuffer | undefined> {
    return attempt(() => readBytes(this.#path(modelId, `chunk-${index}`)));
  }

  async writeChunk(modelId: string, index: number, bytes: ArrayBuffer): Promise<void> {
    await attempt(async () => {
      await this.#requireHeader(modelId);
      await writeWhole(this.#path(modelId, `chunk-${index}`), new Uint8Array(bytes));
    });
  }

  async dropChunk(modelId: string, index: number): Promise<void> {
    await attempt(async () => {
      // The commit record first: what is left in between is a model with a hole that nobody takes for whole.
      await rm(this.#path(modelId, "commit.json"), { force: true });
      await rm(this.#path(modelId, `chunk-${index}`), { force: true });
    });
  }

  readCommit(modelId: string): Promise<CommitRecord | undefined> {
    return attempt(() => readRecord<CommitRecord>(this.#path(modelId, "commit.json")));
  }

  async writeCommit(record: CommitRecord): Promise<void> {
    await attempt(async () => {
      await this.#requireHeader(record.modelId);
      await writeWhole(this.#path(record.modelId, "commit.json"), JSON.stringify(record));
    });
  }

  async list(): Promise<StoredModel[]> {
    const sources = await this.readSources();
    const ids = await attempt(() => this.#modelIds());
    const models = await Promise.all(
      ids.map(async (modelId): Promise<StoredModel | null> => {
        const header = await this.readHeader(modelId);
        if (!header) return null;
        const chunks = await this.chunkIndices(modelId);
        const commit = await this.readCommit(modelId);
        return {
          modelId,
          name: header.name,
          urls: sources.filter((source) => leadsTo(source, modelId)).map(({ url }) => url),
          state: modelState({ header, chunks, commit }),
          fileBytes: header.fileBytes,
          storedBytes: storedBytes(header, chunks),
          chunks: header.chunks,
          storedChunks: chunks.length,
        };
      }),
    );
    return models.filter((model) => model !== null);
  }

  async deleteModel(modelId: string): Promise<boolean> {
    const sources = await this.readSources();
    return attempt(async () => {
      const found = await exists(this.#path(modelId, "header.json"));
      // In this order: if it ends half way, what is left is no model.
      await rm(this.#path(modelId, "commit.json"), { force: true });
      await rm(this.#path(modelId), { recursive: true, force: true });
      for (const { arriving, ...source } of sources)
        if (source.modelId === modelId) await rm(this.#source(source.url), { force: true });
        else if (arriving?.modelId === modelId)
          await writeWhole(this.#source(source.url), JSON.stringify(source));
      return found;
    });
  }

  async sweep(keep: ReadonlySet<string>): Promise<void> {
    const sources = await this.readSources();
    await attempt(async () => {
      for (const modelId of await this.#modelIds()) {
        const whole =
          (await exists(this.#path(modelId, "header.json"))) &&
          ((await exists(this.#path(modelId, "commit.json"))) ||
            sources.some((source) => leadsTo(source, modelId)));
        if (!keep.has(modelId) && !whole)
          await rm(this.#path(modelId), { recursive: true, force: true });
      }
    });
  }

  close(): void {}

  #path(modelId: string, ...names: string[]): string {
    if (!MODEL_ID.test(modelId))
      throw new TercetError("BAD_ARGUMENT", "a model id is 64 hex digits");
    return join(this.#folder, modelId, ...names);
  }

  /** Folders that may be a model's. A file of such a name is somebody else's, and stays. */
  async #modelIds(): Promise<string[]> {
    const folders = (await entriesIn(this.#folder)).filter((entry) => !entry.isFile());
    return folders.map(({ name }) => name).filter((name) => MODEL_ID.test(name));
  }

  #source(url: string): string {
    return join(this.#folder, SOURCES, `${createHash("sha256").update(url).digest("hex")}.json`);
  }

  /** Another process may have deleted the model while it was loaded. */
  async #requireHeader(modelId: string): Promise<void> {
    if (!(await exists(this.#path(modelId, "header.json"))))
      throw new TercetError("STORAGE_FAILED", "the model was deleted while it was being stored");
  }
}

/** undefined: it is not there, or it is no record. */
async function readRecord<Value>(path: string): Promise<Value | undefined> {
  const bytes = await readBytes(path);
  try {
    if (!bytes) return undefined;
    return (JSON.parse(new TextDecoder().decode(bytes)) ?? undefined) as Value | undefined;
  } catch {
    return undefined;
  }
}

async function readBytes(path: string): Promise<ArrayBuffer | undefined> {
  try {
    // Small files lie in a pool that they share: a copy is ours alone.
    const bytes = await readFile(path);
    return new Uint8Array(bytes).buffer;
  } catch (thrown) {
    if (isMissing(thrown)) return undefined;
    throw thrown;
  }
}

async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  const unfinished = `${path}.${randomUUID()}.part`;
  try {
    await writeFile(unfinished, content);
    await rename(unfinished, path);
  } catch (thrown) {
    await rm(unfinished, { force: true }).catch(() => {});
    throw thrown;
  }
}

async function entriesIn(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (thrown) {
    if (isMissing(thrown)) return [];
    throw thrown;
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (thrown) {
    if (isMissing(thrown)) return false;
    throw thrown;
  }
}

function isMissing(thrown: unknown): boolean {
  return (thrown as { code?: string })?.code === "ENOENT";
}

async function attempt<Value>(work: () => Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (thrown) {
    if (thrown instanceof TercetError) throw thrown;
    const full = ["ENOSPC", "EDQUOT"].includes((thrown as { code?: string })?.code ?? "");
    throw new TercetError(full ? "QUOTA_EXCEEDED" : "STORAGE_FAILED", describe(thrown), {
      cause: thrown,
    });
  }
}
