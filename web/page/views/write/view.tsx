// view.tsx: a story from a beginning, as the model writes it.

import { useEffect, useRef, useState } from "preact/hooks";
import { TercetError, type GenerateResult } from "../../library.js";
import { formatMeasured, formatSpeed, formatTokens } from "../../format.js";
import { Figures } from "../../parts/figures.js";
import { Problem } from "../../parts/problem.js";
import { activity, begin, stopRunning } from "../../state/activity.js";
import { finishHearing, hear, say } from "../../state/announcer.js";
import { intent } from "../../state/intent.js";
import { model, openAgain } from "../../state/models.js";
import { addressOf } from "../../state/routes.js";
import { strings } from "../../strings.js";
import { readSettings, Settings } from "./settings.js";
import { StoryView } from "./story_view.js";

const words = strings.write;

export default function WriteView() {
    const prompt = useRef<HTMLTextAreaElement>(null);
    const settings = useRef<HTMLDetailsElement>(null);
    const place = useRef<HTMLDivElement>(null);
    const story = useRef<StoryView | null>(null);
    const [problem, setProblem] = useState<unknown>(null);
    const [result, setResult] = useState<GenerateResult | null>(null);
    const [seed, setSeed] = useState<number | null>(null);
    const present = activity.value?.kind === "write" ? activity.value : null;
    const running = activity.value?.running ?? false;

    useEffect(() => {
        story.current = new StoryView(place.current!);
    }, []);

    const write = async () => {
        const opened = model.value;
        if (opened === null || !story.current || !prompt.current || !settings.current) return;
        const options = readSettings(settings.current);
        if (options === null) return;
        const run = begin("write");
        if (run === null) return;
        const text = prompt.current.value;
        let pieces = 0;
        setProblem(null);
        setResult(null);
        setSeed(options.seed);
        story.current.begin(text);
        say(words.writing);
        try {
            const generation = opened.generate(text, { ...options, signal: run.signal });
            for await (const piece of generation) {
                pieces++;
                story.current.append(piece);
                run.token(piece);
                hear(piece);
            }
            const finished = await generation.result;
            run.end(finished);
            setResult(finished);
            finishHearing(
                `${words.endings[finished.finishReason]} ${formatTokens(finished.tokens.length)}.`,
            );
        } catch (thrown) {
            // After a crash the engine is gone and the model with it; other errors leave the model as it was.
            if (pieces === 0) story.current.clear();
            setProblem(thrown ?? new Error("the text could not be written"));
        } finally {
            story.current.end();
            run.end();
        }
    };

    useEffect(() => {
        if (intent.value !== "write" || model.value === null) return;
        intent.value = null;
        void write();
    });

    const retry = async () => {
        setProblem(null);
        const gone = problem instanceof TercetError && problem.advice === "reload";
        if (gone) await openAgain();
        else await write();
    };
    const speed =
        present && present.tokensPerSecond > 0 ? formatSpeed(present.tokensPerSecond) : "";
    return (
        <div class="columns">
            <form
                class="prompt"
                id="write-form"
                noValidate
                onSubmit={(event) => {
                    event.preventDefault();
                    void write();
                }}
            >
                <label class="hidden" for="prompt">
                    {words.promptLabel}
                </label>
                <textarea
                    ref={prompt}
                    id="prompt"
                    rows={2}
                    maxLength={20000}
                    autoComplete="off"
                    aria-describedby="prompt-hint"
                    defaultValue={words.prompt}
                    onKeyDown={(event) => {
                        if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
                        if (event.isComposing) return;
                        event.preventDefault();
                        void write();
                    }}
                />
                <div class="tools">
                    <div class="actions">
                        {/* One button: the focus stays on it whatever it does. */}
                        <button
                            type={running ? "button" : "submit"}
                            class="primary"
                            id={running ? "stop" : "write"}
                            disabled={model.value === null}
                            onClick={running ? stopRunning : undefined}
                        >
                            {running ? words.stop : words.write}
                        </button>
                        <p class="quiet hint" id="prompt-hint">
                            {words.hint}
                        </p>
                    </div>
                    <Settings place={settings} />
                </div>
            </form>
            {model.value === null && (
                <p class="notice">
                    {words.noModel} <a href={addressOf("")}>{words.toStart}</a>
                </p>
            )}
            <Figures
                className="live"
                figures={[
                    { name: words.speed, value: speed },
                    { name: words.written, value: present && formatTokens(present.tokens) },
                    {
                        name: words.first,
                        value:
                            present?.firstSeconds == null
                                ? ""
                                : formatMeasured(present.firstSeconds),
                    },
                    { name: words.seed, value: seed === null ? "" : String(seed) },
                ]}
            />
            {problem !== null && (
                <Problem id="story-problem" error={problem} onRetry={() => void retry()} />
            )}
            <div id="story" class="story" data-empty={words.empty} ref={place} />
            {result && (
                <p class="quiet ending" id="ending">
                    {words.endings[result.finishReason]}
                </p>
            )}
        </div>
    );
}
