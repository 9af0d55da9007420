// layer_timer.ts: how long each layer takes: every so many steps of a text one is computed part by part, with a look at the clock after
// each. The core has no clock. Runs in the worker.
import type { LayerTimes } from "./types.js";
import type { Handle, WasmModule } from "./wasm_module.js";

export class LayerTimer {
  readonly #module: WasmModule;
  readonly #session: Handle;
  readonly #every: number;
  readonly #tell: (times: LayerTimes) => void;
  #untilNext = 0;

  constructor(
    module: WasmModule,
    session: Handle,
    every: number,
    tell: (times: LayerTimes) => void,
  ) {
    this.#module = module;
    this.#session = session;
    this.#every = every;
    this.#tell = tell;
  }

  /** As WasmModule.step(). */
  step(): ReturnType<WasmModule["step"]> {
    if (this.#untilNext > 0) {
      this.#untilNext -= 1;
      return this.#module.step(this.#session);
    }
    const drafted = this.#module.stepCounts(this.#session).drafted;
    const clock = [performance.now()];
    for (;;) {
      const part = this.#module.step(this.#session, true);
      clock.push(performance.now());
      if (part.more) continue;
      // One that was drafted and computed before, the end of the text, a stop: no pass through the layers. The next step is measured.
      if (part.status !== "token" || clock.length <= 3) return part;
      const seconds = clock.slice(1).map((at, i) => (at - (clock[i] as number)) / 1000);
      this.#tell({
        seconds: ((clock.at(-1) as number) - (clock[0] as number)) / 1000,
        inputSeconds: seconds[0] as number,
        layerSeconds: seconds.slice(1, -1),
        headSeconds: seconds.at(-1) as number,
        tokens: 1 + this.#module.stepCounts(this.#session).drafted - drafted,
      });
      this.#untilNext = this.#every - 1;
      return part;
    }
  }
}
