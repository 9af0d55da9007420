// source_parts.ts: a file that lies on servers in parts, cut anywhere (as `split -b` does), read as if it were one. It
// asks for the sizes of the parts once, and knows no more about them than that they follow each other.
import type { ByteSource, SizedSource } from "./byte_source.js";
import { TercetError } from "./errors.js";

export class SourceParts implements ByteSource {
  readonly kind = "network";
  readonly #parts: readonly SizedSource[];
  /** Offset of each part in the whole file, and the end of the last one. */
  #begins: number[] | null = null;
  /** The part that was read last. */
  #open: SizedSource | null = null;

  constructor(parts: readonly SizedSource[]) {
    this.#parts = parts;
  }

  async start(): Promise<{ fileBytes: number }> {
    const begins = await this.#sizes();
    return { fileBytes: begins[this.#parts.length] ?? 0 };
  }

  async read(
    offset: number,
    bytes: number,
    end: number,
    hold?: Promise<void>,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const begins = await this.#sizes();
    const target = new Uint8Array(bytes);
    for (let filled = 0; filled < bytes;) {
      const at = offset + filled;
      // Of two parts at one place the first is empty: the last one that begins there has the byte.
      let index = this.#parts.length;
      while (index > 0 && (begins[index] ?? 0) > at) index -= 1;
      const part = this.#parts[index];
      if (!part)
        throw new TercetError(
          "TRUNCATED",
          `the ${this.#parts.length} parts end after ${at} bytes`,
          {
            where: at,
          },
        );
      // One connection is enough; that of the part before would wait for nothing.
      if (this.#open !== part) this.#open?.close();
      this.#open = part;
      const begin = begins[index] ?? 0;
      const partEnd = (begins[index + 1] ?? 0) - begin;
      const piece = Math.min(bytes - filled, partEnd - (at - begin));
      const read = await part.read(at - begin, piece, Math.min(end - begin, partEnd), hold);
      target.set(read, filled);
      filled += piece;
    }
    return target;
  }

  restart(): boolean {
    for (const part of this.#parts) part.restart();
    return true;
  }

  close(): void {
    for (const part of this.#parts) part.close();
  }

  async #sizes(): Promise<number[]> {
    if (this.#begins) return this.#begins;
    const sizes = await Promise.all(this.#parts.map((part) => part.size()));
    const begins = [0];
    for (const size of sizes) begins.push((begins.at(-1) ?? 0) + size);
    this.#begins = begins;
    return begins;
  }
}
