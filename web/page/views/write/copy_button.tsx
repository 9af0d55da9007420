// copy_button.tsx: a button that puts a text into the clipboard and says for a moment that it did, or could not.

import { useEffect, useState } from "preact/hooks";
import { strings } from "../../strings.js";

const SHOWN_MS = 2000;

export function CopyButton({ text, label }: { text: () => string; label: string }) {
  const [state, setState] = useState<"idle" | "done" | "failed">("idle");
  useEffect(() => {
    if (state === "idle") return;
    const timer = setTimeout(() => setState("idle"), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [state]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text());
      setState("done");
    } catch {
      setState("failed");
    }
  };
  const { copied, copyFailed } = strings.write;
  const shown = state === "idle" ? label : state === "done" ? copied : copyFailed;
  return (
    <button type="button" class="plain" onClick={() => void copy()} aria-live="polite">
      {shown}
    </button>
  );
}
