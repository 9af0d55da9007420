// speed_strip.tsx: tokens/s as they come: a strip of bars of the last quarter minute, and the figures beside it. Drawn on a canvas a
// few times a second; its room is there from the start, so that nothing moves. Where text is written the time of each layer stands beside
// it, small. Nothing is drawn where nobody looks.

import { useEffect, useRef } from "preact/hooks";
import { formatMeasured, formatSpeed, formatTokens } from "../format.js";
import { activity, onToken } from "../state/activity.js";
import { layerTimes } from "../state/layer_times.js";
import { route } from "../state/routes.js";
import { strings } from "../strings.js";
import { LayerBars } from "./layer_bars.js";
import { SLOTS, SpeedWindow } from "./speed_window.js";

const DRAW_EVERY_MS = 250;
const BAR_PIXELS = 2;
const HEIGHT_PIXELS = 20;

/** `view`: the one that it stands in. */
export function SpeedStrip({ view }: { view: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const present = activity.value;
  const running = present?.running === true;
  const startedAt = present?.startedAt ?? 0;
  const shown = useRef(new SpeedWindow());

  useEffect(() => onToken(({ time }) => shown.current.count(1, time)), []);
  useEffect(() => {
    if (!running) return;
    shown.current.begin(startedAt);
    const timer = setInterval(() => {
      if (route.peek() === view && !document.hidden) draw(canvas.current, shown.current);
    }, DRAW_EVERY_MS);
    return () => {
      clearInterval(timer);
      draw(canvas.current, shown.current);
    };
  }, [running, startedAt]);

  const { speed, written, first } = strings.write;
  const parts: [string, string][] = present
    ? [
        [speed, formatSpeed(present.tokensPerSecond)],
        [written, formatTokens(present.tokens)],
        [first, present.firstSeconds === null ? "–" : formatMeasured(present.firstSeconds)],
      ]
    : [];
  return (
    <div class={`speed ${present ? "" : "unused"}`}>
      <canvas
        ref={canvas}
        width={SLOTS * (BAR_PIXELS + 1) * 2}
        height={HEIGHT_PIXELS * 2}
        aria-hidden="true"
      />
      {view === "write" && <LayerStrip />}
      <dl class="figures">
        {parts.map(([name, value]) => (
          <div key={name}>
            <dt class="hidden">{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}

/** Look inside has the numbers. */
function LayerStrip() {
  return (
    <span class="layer-strip" title={strings.inside.clock.title}>
      <LayerBars times={route.value === "write" ? layerTimes.value : []} kind="small" />
    </span>
  );
}

function draw(canvas: HTMLCanvasElement | null, shown: SpeedWindow): void {
  const context = canvas?.getContext("2d");
  if (!canvas || !context) return;
  const bars = shown.bars(performance.now()).slice(-SLOTS);
  const highest = Math.max(...bars, 1);
  context.setTransform(2, 0, 0, 2, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = getComputedStyle(canvas).color;
  const from = SLOTS - bars.length;
  bars.forEach((value, i) => {
    const height = Math.max(1, (value / highest) * HEIGHT_PIXELS);
    context.fillRect((from + i) * (BAR_PIXELS + 1), HEIGHT_PIXELS - height, BAR_PIXELS, height);
  });
}
