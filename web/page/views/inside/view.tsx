// view.tsx: look inside: which signs the weights have, layer by layer, how long each layer takes, what file and memory are made of.

import { useEffect, useState } from "preact/hooks";
import { formatBytes, formatPercent } from "../../format.js";
import type { Model, ModelMap } from "../../library.js";
import { NoModel } from "../../parts/no_model.js";
import { Problem } from "../../parts/problem.js";
import { Shares } from "../../parts/shares.js";
import { model } from "../../state/models.js";
import { strings } from "../../strings.js";
import { LayerClock } from "./layer_clock.js";
import { LayerTable } from "./layer_table.js";

const words = strings.inside;

export default function InsideView() {
  const opened = model.value;
  return opened ? (
    <Inside key={opened.info.modelId} opened={opened} />
  ) : (
    <NoModel why={words.noModel} />
  );
}

function Inside({ opened }: { opened: Model }) {
  const [map, setMap] = useState<ModelMap | null>(null);
  const [error, setError] = useState<unknown>(null);
  const read = () => {
    setError(null);
    opened.map().then(setMap, setError);
  };
  useEffect(read, [opened]);
  if (error) return <Problem error={error} onRetry={read} />;
  if (!map) return <p class="quiet">{words.counting}</p>;
  const { memory } = map;
  const memoryParts = [
    { kind: "weights", name: words.memory.weights, size: memory.weightBytes },
    { kind: "header", name: words.memory.header, size: memory.headerBytes },
    { kind: "kept", name: words.memory.kept, size: memory.keptBytes },
    { kind: "work", name: words.memory.work, size: memory.workBytes },
    { kind: "engine", name: words.memory.engine, size: memory.engineBytes },
  ];
  const fileParts = map.parts
    .filter(({ bytes }) => bytes > 0)
    .map(({ part, bytes }) => ({ kind: part, name: words.parts[part], size: bytes }));
  return (
    <div class="inside">
      <section aria-labelledby="inside-map">
        <h2 id="inside-map">{words.signs}</h2>
        <p class="quiet">
          {map.ternary.weights > 0
            ? words.signsOf(formatPercent(map.ternary.zero, map.ternary.weights))
            : words.dense}
        </p>
        <LayerTable map={map} />
      </section>
      <LayerClock opened={opened} />
      <Parts
        id="inside-file"
        title={words.file(formatBytes(map.fileBytes))}
        parts={fileParts}
        whole={memory.totalBytes}
      />
      <Parts
        id="inside-memory"
        title={words.memory.title(formatBytes(memory.totalBytes))}
        parts={memoryParts}
        whole={memory.totalBytes}
      />
    </div>
  );
}

interface PartsProps {
  id: string;
  title: string;
  parts: { kind: string; name: string; size: number }[];
  /** The same for both bars, so that they can be compared. */
  whole: number;
}

function Parts({ id, title, parts, whole }: PartsProps) {
  return (
    <section aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      <Shares shares={parts} whole={whole} />
      <dl class="figures table">
        {parts.map(({ kind, name, size }) => (
          <div key={kind}>
            <dt>
              <svg class="dot" viewBox="0 0 1 1" aria-hidden="true">
                <rect class={kind} width="1" height="1" />
              </svg>
              {name}
            </dt>
            <dd>{formatBytes(size)}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
