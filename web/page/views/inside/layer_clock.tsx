// layer_clock.tsx: the time of each layer while the model writes a few tokens: one column a layer, moving as they come.

import { useState } from "preact/hooks";
import type { LayerTimes, Model } from "../../library.js";
import { Problem } from "../../parts/problem.js";
import { activity, begin, stopRunning } from "../../state/activity.js";
import { strings } from "../../strings.js";

const words = strings.inside.clock;
const TOKENS = 96;
/** New times count so much: the columns move, and do not flicker. */
const WEIGHT = 0.15;

export function LayerClock({ opened }: { opened: Model }) {
    const [times, setTimes] = useState<number[]>([]);
    const [error, setError] = useState<unknown>(null);
    const running = activity.value?.running ?? false;
    const mine = running && activity.value?.kind === "inspect";
    const start = async () => {
        const run = begin("inspect");
        if (!run) return;
        setError(null);
        let mean: number[] = [];
        let frame = 0;
        const take = ({ inputSeconds, layerSeconds, headSeconds }: LayerTimes) => {
            const now = [inputSeconds, ...layerSeconds, headSeconds];
            mean = now.map((one, i) => one * WEIGHT + (mean[i] ?? one) * (1 - WEIGHT));
            frame ||= requestAnimationFrame(() => {
                frame = 0;
                setTimes(mean);
            });
        };
        try {
            const options = { signal: run.signal, maxTokens: TOKENS, layerTimesEvery: 1 };
            run.end(
                await opened.generate(strings.write.prompt, {
                    ...options,
                    onLayerTimes: take,
                    onToken: (piece) => run.token(piece),
                }).result,
            );
        } catch (thrown) {
            setError(thrown);
        } finally {
            run.end();
        }
    };
    const most = Math.max(...times, 1e-9);
    const name = (i: number) =>
        i === 0 ? words.input : i === times.length - 1 ? words.head : strings.inside.layer(i);
    const milliseconds = (seconds: number) => `${(seconds * 1000).toPrecision(3)} ms`;
    return (
        <section aria-labelledby="inside-time">
            <div class="row">
                <h2 id="inside-time">{words.title}</h2>
                <button
                    type="button"
                    disabled={running && !mine}
                    onClick={mine ? stopRunning : start}
                >
                    {mine ? strings.write.stop : words.start}
                </button>
            </div>
            <p class="quiet">{words.about}</p>
            {error !== null && <Problem error={error} />}
            <svg
                class="clock"
                viewBox={`0 0 ${Math.max(times.length, 1)} 1`}
                preserveAspectRatio="none"
                aria-hidden="true"
            >
                {times.map((seconds, i) => (
                    <rect
                        key={i}
                        x={i + 0.1}
                        y={1 - seconds / most}
                        width="0.8"
                        height={seconds / most}
                    />
                ))}
            </svg>
            {times.length > 0 && (
                <dl class="figures table numbers" id="layer-times">
                    {times.map((seconds, i) => (
                        <div key={i}>
                            <dt>{name(i)}</dt>
                            <dd>{milliseconds(seconds)}</dd>
                        </div>
                    ))}
                </dl>
            )}
        </section>
    );
}
