// thinking.ts: takes an answer apart into what the model thought and what it then said.

/** What a chat format puts around thinking; "" for a format without. */
export interface ThinkingMarks {
  thinkingBegin: string;
  thinkingEnd: string;
}

/** Thinking that has not ended yet is all thinking. */
export function splitThinking(
  text: string,
  { thinkingBegin, thinkingEnd }: ThinkingMarks,
): { thinking: string; content: string } {
  const begin = text.trimStart();
  if (thinkingBegin === "" || !begin.startsWith(thinkingBegin))
    return { thinking: "", content: text };
  const behind = begin.slice(thinkingBegin.length);
  const end = behind.indexOf(thinkingEnd);
  if (end < 0) return { thinking: behind.replace(/^\n+/, ""), content: "" };
  return {
    thinking: behind.slice(0, end).replace(/^\n+|\n+$/g, ""),
    content: behind.slice(end + thinkingEnd.length).replace(/^\n+/, ""),
  };
}
