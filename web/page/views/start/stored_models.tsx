// stored_models.tsx: the models in this browser's storage: open or go on with the download, verify, save as a file, delete.

import { useEffect, useState } from "preact/hooks";
import { cache, type StoredModel } from "../../library.js";
import { formatBytes } from "../../format.js";
import { Problem } from "../../parts/problem.js";
import { say } from "../../state/announcer.js";
import { findRoom } from "../../state/candidate.js";
import { model, open, opening, originOfStored, readStored, stored } from "../../state/models.js";
import { strings } from "../../strings.js";
import { describeVerified } from "./describe_verified.js";

const words = strings.start;

function describeStored(entry: StoredModel): string {
  const size = formatBytes(entry.fileBytes);
  if (entry.state === "complete") return size;
  const share = `${Math.floor((100 * entry.storedBytes) / Math.max(1, entry.fileBytes))} %`;
  return `${size} · ${entry.state === "damaged" ? words.storedDamaged : words.storedPartly(share)}`;
}

/** Gives a file to the browser as a click on a link to it does. */
function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The browser has taken it by then; without this it would hold the file for as long as the page lives.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

export function StoredModels() {
  const [free, setFree] = useState<number | null>(null);
  const entries = stored.value ?? [];
  useEffect(() => {
    void findRoom().then(({ storageBytes }) => setFree(storageBytes));
  }, [stored.value]);
  const used = entries.reduce((sum, entry) => sum + entry.storedBytes, 0);
  return (
    <section class="stored" aria-labelledby="stored-title">
      <div class="stored-head">
        <h2 id="stored-title">{words.stored}</h2>
        {used > 0 && free !== null && (
          <p class="quiet numbers">{words.storedUse(formatBytes(used), formatBytes(free))}</p>
        )}
      </div>
      {stored.value !== null && entries.length === 0 && <p class="quiet">{words.storedNone}</p>}
      <ul class="models" id="stored-models">
        {entries.map((entry) => (
          <Stored key={entry.modelId} entry={entry} />
        ))}
      </ul>
    </section>
  );
}

type Work = "" | "asked" | "deleting" | "verifying" | "exporting";

function Stored({ entry }: { entry: StoredModel }) {
  const [work, setWork] = useState<Work>("");
  const [said, setSaid] = useState("");
  const [problem, setProblem] = useState<{ error: unknown; retry: () => void } | null>(null);
  const origin = originOfStored(entry);
  const { label } = origin;
  const isOpen = entry.modelId === model.value?.info.modelId;
  const busy = opening.value.state === "opening" || (work !== "" && work !== "asked");

  const attempt = async (kind: Work, action: () => Promise<string>) => {
    setProblem(null);
    setSaid("");
    setWork(kind);
    try {
      const text = await action();
      setSaid(text);
      if (text) say(text);
    } catch (error) {
      setProblem({ error, retry: () => void attempt(kind, action) });
    }
    setWork("");
  };
  const remove = () =>
    attempt("deleting", async () => {
      await cache.delete(entry.modelId);
      say(strings.model.deleted);
      await readStored();
      return "";
    });
  const verify = () =>
    attempt("verifying", async () => {
      const found = await cache.verify(entry.modelId);
      await readStored();
      return describeVerified(found);
    });
  const exportFile = () =>
    attempt("exporting", async () => {
      save(await cache.export(entry.modelId), `${label.replace(/[^\w.-]+/g, "-")}.tercet`);
      return "";
    });

  const text =
    work === "verifying" ? words.verifying : work === "exporting" ? words.exporting : said;
  return (
    <li>
      <div class="stored-model">
        <p class="model-line">
          <span class="model-name">{label}</span>{" "}
          <span class="quiet numbers">{describeStored(entry)}</span>
        </p>
        <div class="actions">
          {work === "asked" ? (
            <>
              <button type="button" class="plain" onClick={remove}>
                {words.deleteReally(formatBytes(entry.storedBytes))}
              </button>
              <button
                type="button"
                class="plain"
                aria-label={words.keepNamed(label)}
                onClick={() => setWork("")}
              >
                {words.keep}
              </button>
            </>
          ) : (
            <>
              {isOpen ? (
                <span class="quiet open-now">{words.openNow}</span>
              ) : (
                <Action
                  text={entry.state === "complete" ? words.open : words.resume}
                  name={
                    entry.state === "complete" ? words.openNamed(label) : words.resumeNamed(label)
                  }
                  disabled={busy}
                  onClick={() => void open(origin)}
                />
              )}
              <Action
                text={words.verify}
                name={words.verifyNamed(label)}
                disabled={busy}
                onClick={verify}
              />
              {entry.state === "complete" && (
                <Action
                  text={words.export}
                  name={words.exportNamed(label)}
                  disabled={busy}
                  onClick={exportFile}
                />
              )}
              <Action
                text={words.delete}
                name={words.deleteNamed(label)}
                disabled={busy}
                onClick={() => setWork("asked")}
              />
            </>
          )}
        </div>
      </div>
      {text && <p class="quiet outcome">{text}</p>}
      {problem && <Problem id="stored-problem" error={problem.error} onRetry={problem.retry} />}
    </li>
  );
}

interface ActionProps {
  text: string;
  /** What it does, with the name of the model: for those who hear one button without its row. */
  name: string;
  disabled: boolean;
  onClick: () => void;
}

function Action({ text, name, disabled, onClick }: ActionProps) {
  return (
    <button type="button" class="plain" aria-label={name} disabled={disabled} onClick={onClick}>
      {text}
    </button>
  );
}
