// stored_models.tsx: the models in this browser's storage: open, delete.

import { useState } from "preact/hooks";
import { cache, type StoredModel } from "../../library.js";
import { formatBytes } from "../../format.js";
import { Problem } from "../../parts/problem.js";
import { say } from "../../state/announcer.js";
import { model, open, opening, originOfStored, readStored, stored } from "../../state/models.js";
import { strings } from "../../strings.js";

function describeStored(entry: StoredModel): string {
    const size = formatBytes(entry.fileBytes);
    if (entry.state === "complete") return size;
    const share = `${Math.floor((100 * entry.storedBytes) / Math.max(1, entry.fileBytes))}%`;
    const what =
        entry.state === "damaged" ? strings.start.storedDamaged : strings.start.storedPartly(share);
    return `${size} · ${what}`;
}

export function StoredModels() {
    const [problem, setProblem] = useState<{ error: unknown; retry: () => void } | null>(null);
    const remove = async (entry: StoredModel) => {
        setProblem(null);
        try {
            await cache.delete(entry.modelId);
            say(strings.model.deleted);
        } catch (error) {
            setProblem({ error, retry: () => void remove(entry) });
        }
        await readStored();
    };
    const entries = stored.value ?? [];
    const openId = model.value?.info.modelId;
    return (
        <section class="stored" aria-labelledby="stored-title">
            <h2 id="stored-title">{strings.start.stored}</h2>
            {problem && (
                <Problem id="stored-problem" error={problem.error} onRetry={problem.retry} />
            )}
            {entries.length === 0 && <p class="quiet">{strings.start.storedNone}</p>}
            <ul class="models" id="stored-models">
                {entries.map((entry) => {
                    const origin = originOfStored(entry);
                    const isOpen = entry.modelId === openId;
                    return (
                        <li key={entry.modelId}>
                            <p>
                                <span class="model-name">{origin.label}</span>{" "}
                                <span class="quiet numbers">{describeStored(entry)}</span>
                            </p>
                            <div class="actions">
                                {isOpen ? (
                                    <span class="quiet open-now">{strings.start.openNow}</span>
                                ) : (
                                    <button
                                        type="button"
                                        class="plain"
                                        aria-label={strings.start.openNamed(origin.label)}
                                        disabled={opening.value.state === "opening"}
                                        onClick={() => void open(origin)}
                                    >
                                        {strings.start.open}
                                    </button>
                                )}
                                <button
                                    type="button"
                                    class="plain"
                                    aria-label={strings.start.deleteNamed(origin.label)}
                                    onClick={() => void remove(entry)}
                                >
                                    {strings.start.delete}
                                </button>
                            </div>
                        </li>
                    );
                })}
            </ul>
        </section>
    );
}
