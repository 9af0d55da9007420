// speed_window.ts: tokens/s over the last moments, for a strip that is drawn while text comes. Times are given from outside, in
// milliseconds. It holds a fixed number of slots, however long a text gets.

const SLOT_MS = 250;
export const SLOTS = 60;

export class SpeedWindow {
  /** Tokens of each slot, the oldest first. */
  #counts: number[] = [];
  #slotBegin = 0;
  #first = 0;
  #tokens = 0;

  begin(now: number): void {
    this.#counts = [];
    this.#tokens = 0;
    this.#slotBegin = now;
  }

  count(tokens: number, now: number): void {
    if (this.#tokens === 0) {
      this.#first = now;
      this.#slotBegin = now;
      this.#counts = [0];
    }
    this.#advance(now);
    this.#counts[this.#counts.length - 1]! += tokens;
    this.#tokens += tokens;
  }

  get tokens(): number {
    return this.#tokens;
  }

  /** Over the last two seconds; 0 while it is too early to say. */
  speed(now: number): number {
    if (this.#tokens < 2) return 0;
    this.#advance(now);
    const whole = this.#counts.slice(-9, -1);
    if (whole.length < 2) {
      const seconds = (now - this.#first) / 1000;
      return seconds > 0.05 ? (this.#tokens - 1) / seconds : 0;
    }
    return whole.reduce((sum, count) => sum + count, 0) / ((whole.length * SLOT_MS) / 1000);
  }

  /** Tokens/s of each whole slot, the oldest first, at most SLOTS. */
  bars(now: number): number[] {
    if (this.#tokens === 0) return [];
    this.#advance(now);
    return this.#counts.slice(0, -1).map((count) => (count * 1000) / SLOT_MS);
  }

  #advance(now: number): void {
    const passed = Math.floor((now - this.#slotBegin) / SLOT_MS);
    if (passed <= 0 || this.#counts.length === 0) return;
    this.#slotBegin += passed * SLOT_MS;
    for (let i = 0; i < Math.min(passed, SLOTS + 1); i++) this.#counts.push(0);
    this.#counts = this.#counts.slice(-SLOTS - 1);
  }
}
