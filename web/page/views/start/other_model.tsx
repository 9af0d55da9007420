// other_model.tsx: a model from an address or from a file, chosen or dropped anywhere on the page.

import { useEffect, useRef, useState } from "preact/hooks";
import { consider } from "../../state/candidate.js";
import { nameOfAddress } from "../../state/models.js";
import { goTo } from "../../state/routes.js";
import { strings } from "../../strings.js";
import { CandidatePanel } from "./candidate_panel.js";

/** "" or why this address cannot work here. */
function problemOfAddress(text: string): string {
  if (text === "") return strings.start.addressEmpty;
  if (text.startsWith("hf:")) return "";
  try {
    const url = new URL(text, document.baseURI);
    return url.origin === location.origin || url.protocol === "https:"
      ? ""
      : strings.start.addressInsecure;
  } catch {
    return strings.start.addressWrong;
  }
}

function openFile(file: File): void {
  goTo("");
  void consider({ kind: "file", label: file.name.replace(/\.(tercet|gguf)$/, ""), source: file });
}

export function OtherModel() {
  const field = useRef<HTMLInputElement>(null);
  const submit = (event: Event) => {
    event.preventDefault();
    const input = field.current;
    if (!input) return;
    const text = input.value.trim();
    const problem = problemOfAddress(text);
    input.setCustomValidity(problem);
    if (problem) input.reportValidity();
    else void consider({ kind: "url", label: text.startsWith("hf:") ? text : nameOfAddress(text), source: text }); // prettier-ignore
  };
  return (
    <section class="other" aria-labelledby="other-title">
      <h2 id="other-title">{strings.start.other}</h2>
      <form class="row" onSubmit={submit} noValidate>
        <label class="grow" for="model-url">
          {strings.start.addressLabel}
          <input
            ref={field}
            id="model-url"
            type="text"
            inputMode="url"
            autoCapitalize="off"
            autoComplete="off"
            spellcheck={false}
            placeholder={strings.start.addressHint}
            onInput={() => field.current?.setCustomValidity("")}
          />
        </label>
        <button type="submit">{strings.start.open}</button>
      </form>
      <ChooseFile />
      <CandidatePanel />
    </section>
  );
}

/** The field itself is out of sight: its label is the button that one sees. */
function ChooseFile() {
  const [wrong, setWrong] = useState(false);
  const over = useDrop((files) => {
    const [file] = files;
    const good = file !== undefined && files.length === 1 && /\.(tercet|gguf)$/i.test(file.name);
    setWrong(!good);
    if (good) openFile(file);
    else goTo("");
  });
  return (
    <p class="choose-file">
      <input
        class="hidden"
        type="file"
        id="model-file"
        accept=".tercet,.gguf"
        onChange={({ currentTarget }) => {
          const [file] = currentTarget.files ?? [];
          if (file) openFile(file);
          currentTarget.value = "";
        }}
      />
      <label class="button" for="model-file">
        {strings.start.chooseFile}
      </label>{" "}
      <span class="quiet" role={wrong ? "alert" : undefined}>
        {wrong ? (
          strings.start.dropWrong
        ) : (
          <>
            <span class="for-mouse">{strings.start.drop}</span>
            <span class="for-touch">{strings.start.fileKinds}</span>
          </>
        )}
      </span>
      {over && <span class="drop-here">{strings.start.dropNow}</span>}
    </p>
  );
}

/** Files that are dropped on the page while no view took them; returns whether files hang over it now. */
function useDrop(take: (files: File[]) => void): boolean {
  const [over, setOver] = useState(false);
  const taker = useRef(take);
  taker.current = take;
  useEffect(() => {
    const own = new AbortController();
    const { signal } = own;
    const holdsFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    document.addEventListener("dragover", (event) => {
      if (!holdsFiles(event) || event.defaultPrevented) return;
      event.preventDefault();
      setOver(true);
    }, { signal }); // prettier-ignore
    document.addEventListener(
      "dragleave",
      (event) => event.relatedTarget === null && setOver(false),
      {
        signal,
      },
    );
    document.addEventListener("drop", (event) => {
      setOver(false);
      if (!holdsFiles(event) || event.defaultPrevented) return;
      event.preventDefault();
      taker.current([...(event.dataTransfer?.files ?? [])]);
    }, { signal }); // prettier-ignore
    return () => own.abort();
  }, []);
  return over;
}
