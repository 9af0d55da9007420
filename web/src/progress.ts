// progress.ts: turns what a load does into events for people: never backwards, not more than ten a second, with a speed
// that is the last seconds' and not the whole download's. It must never decide anything.
import type { LoadPhase, LoadProgress, ModelSource } from "./types.js";

const INTERVAL_MS = 100;
/** The speed is that of about so long. */
const SPEED_WINDOW_MS = 3000;

export class Progress {
  readonly #report: (progress: LoadProgress) => void;
  readonly #samples: { at: number; bytes: number }[] = [];
  #phase: LoadPhase = "header";
  #source: ModelSource = "network";
  #lastReport = -Infinity;
  #loaded = 0;
  #total = 0;
  /** Bytes of the chunk on its way. */
  #partial = 0;
  #highest = 0;
  /** Work in front of the model's own bytes, what is done of it, and how much the model counts then; 0: as it is. */
  #beforeBytes = 0;
  #beforeDone = 0;
  #ownBytes = 0;

  constructor(report: (progress: LoadProgress) => void) {
    this.#report = report;
  }

  /** Of the file that is read now: also of one that took the place of another, of which nothing counts. */
  setTotal(bytes: number): void {
    // A smaller one counts as what was left of the one before.
    const done = this.#highest;
    if (bytes < this.#total) this.before(done, done, this.#total - done || bytes);
    this.#total = bytes;
    this.#loaded = 0;
    this.#partial = 0;
  }

  /** So much of so much is done before the model's own bytes come, and these will count `own` whatever their number is. */
  before(done: number, total: number, own: number): void {
    this.#beforeDone = done;
    this.#beforeBytes = total;
    this.#ownBytes = own;
    this.#sendSometimes();
  }

  /** Reported at once when it is a new phase. */
  setPhase(phase: LoadPhase, source: ModelSource): void {
    if (phase === this.#phase && source === this.#source && this.#lastReport > 0) return;
    // Another source has another speed.
    if (source !== this.#source) this.#samples.length = 0;
    this.#phase = phase;
    this.#source = source;
    this.#send();
  }

  /** Bytes came in, wanted or not: they make the speed. */
  arrived(bytes: number): void {
    const at = performance.now();
    this.#samples.push({ at, bytes });
    while ((this.#samples[0]?.at ?? at) < at - SPEED_WINDOW_MS) this.#samples.shift();
    this.#sendSometimes();
  }

  /** Bytes of the next chunk are here, not yet checked. */
  onItsWay(bytes: number): void {
    this.#partial += bytes;
    this.#sendSometimes();
  }

  /** All bytes up to here are checked and in place, and nothing more. */
  inPlace(bytes: number): void {
    this.#partial = 0;
    this.#loaded = Math.max(this.#loaded, bytes);
    this.#sendSometimes();
  }

  /** Nothing new; what was not told yet is told, and the speed falls. */
  waiting(): void {
    this.#sendSometimes();
  }

  ready(): void {
    this.#loaded = this.#total;
    this.#partial = 0;
    this.#phase = "ready";
    this.#send();
  }

  #sendSometimes(): void {
    if (performance.now() - this.#lastReport >= INTERVAL_MS) this.#send();
  }

  #send(): void {
    this.#lastReport = performance.now();
    // What is on its way may have to come again; what was shown stays.
    const own = this.#total === 0 ? 0 : Math.min(this.#loaded + this.#partial, this.#total);
    const share = this.#ownBytes > 0 && this.#total > 0 ? this.#ownBytes / this.#total : 1;
    const shown = this.#beforeDone + Math.floor(own * share);
    this.#highest = Math.max(this.#highest, shown);
    const bytesPerSecond = this.#speed();
    const totalBytes = this.#beforeBytes + (this.#ownBytes || this.#total);
    const left = totalBytes - this.#highest;
    this.#report({
      phase: this.#phase,
      loadedBytes: this.#highest,
      totalBytes,
      bytesPerSecond,
      secondsLeft: totalBytes > 0 && bytesPerSecond > 0 ? left / bytesPerSecond : null,
      source: this.#source,
    });
  }

  #speed(): number {
    const first = this.#samples[0];
    if (!first) return 0;
    const seconds = (performance.now() - first.at) / 1000;
    // Less than that says more about buffers than about the connection.
    if (seconds < 0.2) return 0;
    return this.#samples.reduce((sum, sample) => sum + sample.bytes, 0) / seconds;
  }
}
