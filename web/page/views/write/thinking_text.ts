// thinking_text.ts: an answer that is still coming in, as what the model thinks and what it says. The library splits finished
// answers; while one streams a mark may have come by half, and that half is held back here so that it never flashes up.

import type { ModelInfo } from "../../library.js";

export interface SplitText {
  thinking: string;
  content: string;
  /** Whether it is thinking still. */
  open: boolean;
}

export function splitText(text: string, marks: ModelInfo["thinkingMarks"]): SplitText {
  if (marks === null) return { thinking: "", content: text, open: false };
  const { begin, end } = marks;
  const start = text.trimStart();
  if (!start.startsWith(begin)) {
    const may = begin.startsWith(start);
    return { thinking: "", content: may ? "" : text, open: false };
  }
  const rest = start.slice(begin.length);
  const at = rest.indexOf(end);
  if (at >= 0)
    return {
      thinking: rest.slice(0, at).trim(),
      content: rest.slice(at + end.length).replace(/^\n+/, ""),
      open: false,
    };
  let held = 0;
  for (let length = Math.min(end.length - 1, rest.length); length > 0 && held === 0; length--)
    if (rest.endsWith(end.slice(0, length))) held = length;
  return { thinking: rest.slice(0, rest.length - held).trim(), content: "", open: true };
}
