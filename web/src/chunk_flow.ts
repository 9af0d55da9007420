// chunk_flow.ts: the chunks of one model in the order in which the engine wants them: from the store where they lie there
// and hold, from the source otherwise; each is hashed, and what was fetched is kept. It never decides where a chunk goes.
import { ChunkMemory, release } from "./chunk_memory.js";
import { holds, sameBytes } from "./content_hash.js";
import { TercetError } from "./errors.js";
import type { KeptModel, Stored } from "./kept_model.js";
import type { Progress } from "./progress.js";
import type { SourceReader } from "./source_reader.js";
import type { DownloadTurn } from "./tab_locks.js";
import type { FileInfo, Want } from "./wasm_module.js";

interface FlowParts {
  signal: AbortSignal;
  notices: string[];
  kept: KeptModel;
  source: SourceReader;
  progress: Progress;
}

interface WantedChunk {
  index: number;
  offset: number;
  bytes: number;
  sha256: Uint8Array;
}

export class ChunkFlow {
  readonly #parts: FlowParts;
  readonly #file: FileInfo;
  readonly #turn: DownloadTurn;
  #stored: Stored;
  readonly #memory = new ChunkMemory();
  #fetched = 0;

  private constructor(parts: FlowParts, file: FileInfo, stored: Stored, turn: DownloadTurn) {
    this.#parts = parts;
    this.#file = file;
    this.#stored = stored;
    this.#turn = turn;
  }

  /** `turn`: this tab's, to bring the file. Who made it leaves it at the end. */
  static async open(parts: FlowParts, file: FileInfo, turn: DownloadTurn): Promise<ChunkFlow> {
    const stored = await parts.kept.open(file);
    await parts.kept.requireRoom(file, stored);
    return new ChunkFlow(parts, file, stored, turn);
  }

  /** How many came from the source. */
  get fetched(): number {
    return this.#fetched;
  }

  /** Hands the bytes that are wanted, which hold, to `use`, which must not keep them. */
  async pass(
    { chunkIndex, offset, bytes, sha256 }: Want,
    use: (bytes: Uint8Array) => void,
  ): Promise<void> {
    if (!sha256) throw new TercetError("PROTOCOL", "the loader wants a chunk without a hash");
    const chunk: WantedChunk = { index: chunkIndex, offset, bytes, sha256 };
    const stored = (await this.#here(chunkIndex)) ? await this.#storedChunk(chunk) : null;
    const arrived = stored ?? (await this.#fetchedChunk(chunk));
    use(arrived);
    // What was fetched may still be on its way to the store.
    void (stored ? Promise.resolve() : this.#parts.kept.writing).then(() =>
      release(arrived.buffer),
    );
    this.#memory.passed(arrived.length);
    this.#parts.progress.inPlace(offset + bytes);
  }

  /** Whether the chunk is in the store. Where another tab is bringing the model this waits for what it brings. */
  async #here(index: number): Promise<boolean> {
    const { kept, progress, signal, source } = this.#parts;
    if (this.#stored.indices.has(index)) return true;
    // Who does not store has nothing to share; who has the turn knows what there is.
    if (!kept.keeps || this.#turn.held) return false;
    const look = async () => {
      progress.waiting();
      this.#stored = await kept.open(this.#file, index);
      return this.#stored.indices.has(index);
    };
    if (await this.#turn.takeIfFree()) return look();
    // A connection that nobody reads from would only go stale.
    source.pause();
    const mine = await this.#turn.wait(look, signal);
    // The tab before may have brought it just before it ended.
    return !mine || look();
  }

  /** null when it is not there any more, or wrong: then it is fetched again, alone. */
  async #storedChunk(chunk: WantedChunk): Promise<Uint8Array<ArrayBuffer> | null> {
    const { kept, notices, progress } = this.#parts;
    progress.setPhase("cache", kept.kind);
    const found = await kept.chunk(this.#stored, chunk.index);
    if (!found) return null;
    const { bytes, sha256 } = found;
    progress.arrived(bytes.length);
    if (bytes.length === chunk.bytes && sameBytes(sha256, chunk.sha256)) return bytes;
    notices.push(`stored chunk ${chunk.index} was damaged and is fetched again`);
    await kept.dropChunk(this.#file.modelId, chunk.index);
    return null;
  }

  async #fetchedChunk(chunk: WantedChunk): Promise<Uint8Array<ArrayBuffer>> {
    const { kept, source, progress } = this.#parts;
    const { modelId, chunks } = this.#file;
    progress.setPhase("download", source.kind);
    this.#fetched += 1;
    const what = `chunk ${chunk.index} of ${chunks}`;
    const end = endOfMissing(this.#file, this.#stored.indices, chunk.index);
    for (let again = false; ; again = true) {
      progress.inPlace(chunk.offset); // what came of this chunk before does not count
      // Never two whole chunks that are not stored yet: no more than one is lost, whatever happens.
      const bytes = await source.read(chunk.offset, chunk.bytes, end, kept.writing);
      if (await holds(bytes, chunk.sha256)) {
        await kept.keepChunk(modelId, chunk.index, bytes);
        // What is not stored is of no use to a tab that waits.
        if (!kept.keeps) this.#turn.leave();
        return bytes;
      }
      if (again || !source.readAgain(what))
        throw new TercetError("CHUNK_HASH_MISMATCH", `${what}, at byte ${chunk.offset}`, {
          where: chunk.index,
        });
    }
  }
}

/** Offset at which the run of missing chunks from `index` on ends: one request fetches them all. */
function endOfMissing(file: FileInfo, stored: Set<number>, index: number): number {
  let next = index + 1;
  while (next < file.chunks && !stored.has(next)) next += 1;
  return Math.min(file.headerBytes + next * file.chunkBytes, file.fileBytes);
}
