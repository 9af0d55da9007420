// thinking.tsx: what a model thought before it answered, folded away until somebody wants to read it.

import { strings } from "../../strings.js";

/** `open`: it is at it still. */
export function Thinking({ text, open }: { text: string; open: boolean }) {
  return (
    <details class="thinking">
      <summary>{open ? strings.write.thinking : strings.write.thought}</summary>
      <p class="as-is">{text}</p>
    </details>
  );
}
