// view.tsx: the standard bench in the page: modules, threads and lengths of context in turn, drawn beside a file of the command's results.

import { useState } from "preact/hooks";
import { features, type Model, type Variant } from "../../library.js";
import { Figures } from "../../parts/figures.js";
import { NoModel } from "../../parts/no_model.js";
import { Problem } from "../../parts/problem.js";
import { Shares } from "../../parts/shares.js";
import { activity, begin, stopRunning } from "../../state/activity.js";
import { model } from "../../state/models.js";
import { strings } from "../../strings.js";
import { drawPicture } from "./picture.js";
import {
  deviceMemory,
  measure,
  packedBytesPerToken,
  readResultFile,
  resultFile,
  type Choice,
  type Row,
} from "./results.js";

const words = strings.bench;

export default function BenchView() {
  const opened = model.value;
  return opened ? (
    <Bench key={opened.info.modelId} opened={opened} />
  ) : (
    <NoModel why={words.noModel} />
  );
}

/** What can run here; one thread is the module without threads. */
function possible(opened: Model) {
  const { relaxedSimd, threads, hardwareThreads } = features();
  return {
    modules: relaxedSimd ? ["relaxed", "simd128"] : ["simd128"],
    threads: [1, 2, 4, 8].filter((n) => n === 1 || (threads && n <= hardwareThreads)),
    contexts: [64, 192, 512, 1024].filter((n) => n <= opened.info.trainedContext),
  };
}

function Bench({ opened }: { opened: Model }) {
  const [can] = useState(() => possible(opened));
  const [chosen, setChosen] = useState(() => ({
    modules: can.modules.slice(0, 1),
    threads: can.threads,
    contexts: can.contexts.slice(0, 2).slice(-1),
  }));
  const [rows, setRows] = useState<Row[]>([]);
  const [date, setDate] = useState<Date | null>(null);
  const [others, setOthers] = useState<Row[]>([]);
  const [progress, setProgress] = useState<[done: number, all: number] | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [note, setNote] = useState("");
  const running = activity.value?.running ?? false;

  const start = async () => {
    const run = begin("bench");
    if (!run) return;
    const choices: Choice[] = chosen.contexts.flatMap((context) =>
      chosen.modules.flatMap((base) =>
        chosen.threads.map((threads) => {
          const variant = (threads > 1 ? `${base}-threads` : base) as Variant;
          return { variant, threads, context };
        }),
      ),
    );
    setError(null);
    setRows([]);
    setDate(new Date());
    setProgress([0, choices.length]);
    const measured: Row[] = [];
    try {
      const packedBytes = packedBytesPerToken(
        await opened.map({ signal: run.signal }),
        opened.info,
      );
      for (const choice of choices) {
        setProgress([measured.length, choices.length]);
        if (run.signal.aborted) break;
        measured.push(await measure(opened, choice, packedBytes, run.signal));
        setRows([...measured]);
      }
    } catch (thrown) {
      if (!run.signal.aborted) setError(thrown);
    } finally {
      // As it was.
      await opened.restart().catch(setError);
      setProgress(null);
      run.end();
    }
  };
  const compare = async (file: File | undefined) => {
    if (!file) return;
    // A folder that was dropped, or a file that is gone, cannot be read at all.
    const read = readResultFile(await file.text().catch(() => ""));
    setNote(!read ? words.bad : read.model_id === opened.info.modelId ? "" : words.other);
    setOthers(read?.results ?? []);
  };

  const isolation = crossOriginIsolated ? words.isolated : words.notIsolated;
  const bars = [
    ...rows.map((row) => ({ row, label: labelOf(row) })),
    ...others.map((row) => ({ row, label: `${labelOf(row)} (${words.native})` })),
  ];
  const most = Math.max(
    ...bars.map(({ row }) => Math.max(row.prompt_tokens_per_s, row.decode_tokens_per_s)),
    0,
  );
  const save = (blob: Blob | null, name: string) => {
    if (!blob) return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  };
  const file = () => JSON.stringify(resultFile(opened.info, rows, date ?? new Date()), null, 2);
  const machine = words.machine(navigator.hardwareConcurrency, navigator.platform, deviceMemory());
  const facts = [
    { name: words.facts.model, value: opened.info.name },
    { name: words.facts.id, value: opened.info.modelId },
    { name: words.facts.machine, value: machine },
    { name: words.facts.browser, value: navigator.userAgent },
    { name: words.facts.isolation, value: isolation },
    {
      name: words.facts.date,
      value: date && `${date.toISOString().slice(0, 16).replace("T", " ")} UTC`,
    },
  ];

  return (
    <div class="bench">
      <section aria-label={strings.views.bench.title}>
        <p class="quiet">{words.about}</p>
        <div class="choices">
          {(["modules", "threads", "contexts"] as const).map((kind) => (
            <fieldset key={kind} disabled={running}>
              <legend>{words[kind]}</legend>
              {(can[kind] as (string | number)[]).map((value) => (
                <label key={value}>
                  <input
                    type="checkbox"
                    checked={(chosen[kind] as unknown[]).includes(value)}
                    onChange={() => setChosen(toggled(chosen, kind, value))}
                  />
                  {value}
                </label>
              ))}
            </fieldset>
          ))}
        </div>
        <div class="actions">
          {progress ? (
            <button type="button" onClick={stopRunning}>
              {strings.write.stop}
            </button>
          ) : (
            <button
              type="button"
              class="primary"
              disabled={running || Object.values(chosen).some((list) => !list.length)}
              onClick={start}
            >
              {words.start}
            </button>
          )}
          <p class="quiet" role="status">
            {progress ? words.progress(...progress) : ""}
          </p>
        </div>
        {progress && <progress max={progress[1]} value={progress[0]} aria-label={words.start} />}
        {error !== null && <Problem error={error} onRetry={start} />}
      </section>
      {bars.length > 0 && (
        <section aria-label={words.decode}>
          <div class="scroll" tabIndex={0} role="group" aria-label={words.decode}>
            <table class="map numbers" id="bench-results">
              <caption class="quiet">{words.caption}</caption>
              <thead>
                <tr>
                  <th scope="col">{words.configuration}</th>
                  <th scope="col">{words.prompt}</th>
                  <th scope="col">{words.decode}</th>
                </tr>
              </thead>
              <tbody>
                {bars.map(({ row, label }, i) => (
                  <tr key={i}>
                    <th scope="row">{label}</th>
                    <Speed kind="zero" value={row.prompt_tokens_per_s} most={most} />
                    <Speed kind="minus" value={row.decode_tokens_per_s} most={most} />
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          <div class="actions">
            <button
              type="button"
              disabled={rows.length === 0 || running}
              onClick={() =>
                save(new Blob([file()], { type: "application/json" }), "tercet-bench.json")
              }
            >
              {words.saveJson}
            </button>
            <button
              type="button"
              disabled={running}
              onClick={async () => {
                const shown = bars.map(({ row, label }) => ({
                  label,
                  prompt: row.prompt_tokens_per_s,
                  decode: row.decode_tokens_per_s,
                }));
                save(
                  await drawPicture(
                    opened.info.name,
                    facts.slice(1).flatMap(({ value }) => value ?? []),
                    shown,
                  ),
                  "tercet-bench.png",
                );
              }}
            >
              {words.savePng}
            </button>
          </div>
        </section>
      )}
      <section aria-labelledby="bench-facts">
        <h2 id="bench-facts">{rows.length ? words.facts.title : words.facts.before}</h2>
        <Figures figures={facts} className="table facts" />
      </section>
      <section
        class="drop"
        aria-labelledby="bench-compare"
        onDragOver={(event) => event.preventDefault()}
        onDrop={(event) => {
          event.preventDefault();
          event.stopPropagation();
          void compare(event.dataTransfer?.files[0]);
        }}
      >
        <h2 id="bench-compare">{words.compare}</h2>
        <label>
          {words.choose}
          <span class="for-mouse">{words.drop}</span>
          <input
            type="file"
            accept=".json,application/json"
            // Else the same file chosen again, measured anew perhaps, would be no change.
            onClick={(event) => (event.currentTarget.value = "")}
            onChange={(event) => void compare(event.currentTarget.files?.[0])}
          />
        </label>
        <p role="alert" class="sentence">
          {note}
        </p>
      </section>
    </div>
  );
}

function Speed({ kind, value, most }: { kind: string; value: number; most: number }) {
  return (
    <td>
      {value.toFixed(1)}
      <Shares shares={[{ kind, size: value }]} whole={most} />
    </td>
  );
}

function labelOf({ variant, kernels, threads, context }: Row): string {
  return words.row(variant ?? kernels, threads, context);
}

function toggled<Chosen extends Record<string, unknown[]>>(
  chosen: Chosen,
  kind: keyof Chosen,
  value: unknown,
): Chosen {
  const list = chosen[kind] as unknown[];
  const next = list.includes(value) ? list.filter((one) => one !== value) : [...list, value];
  return { ...chosen, [kind]: next.sort((a, b) => (a as number) - (b as number)) };
}
