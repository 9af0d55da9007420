// view.tsx: under the hood: where and how the model runs.

import { formatBytes } from "../../format.js";
import { Figures } from "../../parts/figures.js";
import { model } from "../../state/models.js";
import { offline } from "../../state/offline.js";
import { strings } from "../../strings.js";

const words = strings.hood;

export default function HoodView() {
    const info = model.value?.info;
    return (
        <Figures
            className="table"
            figures={[
                { name: words.modelMemory, value: info && formatBytes(info.dataBytes) },
                { name: words.sessionMemory, value: info && formatBytes(info.sessionBytes) },
                {
                    name: words.modelFrom,
                    value: info && words.sources[info.source],
                    id: "figure-source",
                },
                { name: words.kernels, value: info?.kernels },
                { name: words.module, value: info?.variant },
                { name: words.threads, value: info && String(info.threads) },
                { name: words.isolated, value: crossOriginIsolated ? words.yes : words.no },
                { name: words.offline, value: offline.value, id: "figure-offline" },
            ]}
        />
    );
}
