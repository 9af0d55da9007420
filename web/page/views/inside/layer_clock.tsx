// layer_clock.tsx: the model at work: tokens/s as they come, and the time of each layer, one column each, moving as they come, whichever
// view writes; or a text of its own for who only wants to look.

import { useState } from "preact/hooks";
import { formatMilliseconds } from "../../format.js";
import type { Model } from "../../library.js";
import { LayerBars } from "../../parts/layer_bars.js";
import { Problem } from "../../parts/problem.js";
import { SpeedStrip } from "../../parts/speed_strip.js";
import { activity, begin, stopRunning } from "../../state/activity.js";
import { generateTimed, layerTimes } from "../../state/layer_times.js";
import { route } from "../../state/routes.js";
import { strings } from "../../strings.js";

const words = strings.inside.clock;
const TOKENS = 96;

export function LayerClock({ opened }: { opened: Model }) {
  const [error, setError] = useState<unknown>(null);
  const running = activity.value?.running ?? false;
  const mine = running && activity.value?.kind === "inspect";
  const start = async () => {
    const run = begin("inspect");
    if (!run) return;
    setError(null);
    const options = { signal: run.signal, maxTokens: TOKENS };
    try {
      const ask = (timed: object) =>
        opened.generate(strings.write.prompt, { ...options, ...timed });
      run.end(await generateTimed(ask, (piece) => run.token(piece), 1));
    } catch (thrown) {
      setError(thrown);
    } finally {
      run.end();
    }
  };
  return (
    <section aria-labelledby="inside-time">
      <div class="row">
        <h2 id="inside-time">{words.title}</h2>
        <button type="button" disabled={running && !mine} onClick={mine ? stopRunning : start}>
          {mine ? strings.write.stop : words.start}
        </button>
      </div>
      <p class="quiet">
        {words.about}
        {!crossOriginIsolated && ` ${words.coarse}`}
      </p>
      {error !== null && <Problem error={error} />}
      <SpeedStrip view="inside" />
      <Times />
    </section>
  );
}

function Times() {
  // Nothing is drawn where nobody looks.
  const times = route.value === "inside" ? layerTimes.value : [];
  const name = (i: number) =>
    i === 0 ? words.input : i === times.length - 1 ? words.head : strings.inside.layer(i);
  return (
    <>
      <LayerBars times={times} kind="large" />
      {times.length > 0 && (
        <dl class="figures table numbers" id="layer-times">
          {formatMilliseconds(times).map((milliseconds, i) => (
            <div key={i}>
              <dt>{name(i)}</dt>
              <dd>{milliseconds}</dd>
            </div>
          ))}
        </dl>
      )}
    </>
  );
}
