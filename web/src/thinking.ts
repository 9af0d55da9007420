// thinking.ts: takes an answer apart into what the model thought and what it then said, as a whole or while it comes in.

/** What a chat format puts around thinking; null for a format without. */
export type ThinkingMarks = { begin: string; end: string } | null;

export interface ThoughtAndSaid {
  thinking: string;
  content: string;
}

/** Thinking that has not ended yet is all thinking. Newlines between thinking, its marks and the content are dropped. */
export function splitThinking(text: string, marks: ThinkingMarks): ThoughtAndSaid {
  const stream = new ThinkingStream(marks);
  const first = stream.push(text);
  const last = stream.end();
  return { thinking: first.thinking + last.thinking, content: first.content + last.content };
}

/** The same for pieces: gives what is certain. */
export class ThinkingStream {
  readonly #marks: ThinkingMarks;
  /** "begun": nothing of the thinking has come; "done": nothing of what follows it. */
  #state: "start" | "begun" | "thinking" | "done" | "content";
  #held = "";

  constructor(marks: ThinkingMarks) {
    this.#marks = marks;
    this.#state = marks ? "start" : "content";
  }

  push(piece: string): ThoughtAndSaid {
    this.#held += piece;
    if (this.#state === "start") this.#begin();
    const thinking = this.#think();
    return { thinking, content: this.#say() };
  }

  end(): ThoughtAndSaid {
    const rest = this.#held;
    this.#held = "";
    const thinks = this.#state === "begun" || this.#state === "thinking";
    return thinks ? { thinking: rest, content: "" } : { thinking: "", content: rest };
  }

  /** Does it think? White space in front does not decide. */
  #begin(): void {
    const { begin } = this.#marks as { begin: string };
    const text = this.#held.trimStart();
    if (text.startsWith(begin)) {
      this.#held = text.slice(begin.length);
      this.#state = "begun";
    } else if (!begin.startsWith(text)) this.#state = "content";
  }

  #think(): string {
    if (this.#state === "begun") {
      this.#held = this.#held.replace(/^\n+/, "");
      if (this.#held !== "") this.#state = "thinking";
    }
    if (this.#state !== "thinking") return "";
    const { end } = this.#marks as { end: string };
    const at = this.#held.indexOf(end);
    // Newlines and the beginning of the mark may belong to the end of the thinking.
    let most = at >= 0 ? at : this.#held.length - partialEnd(this.#held, end);
    while (this.#held[most - 1] === "\n") most -= 1;
    const thinking = this.#held.slice(0, most);
    this.#held = this.#held.slice(at >= 0 ? at + end.length : most);
    if (at >= 0) this.#state = "done";
    return thinking;
  }

  #say(): string {
    if (this.#state === "done") {
      this.#held = this.#held.replace(/^\n+/, "");
      if (this.#held !== "") this.#state = "content";
    }
    if (this.#state !== "content") return "";
    const content = this.#held;
    this.#held = "";
    return content;
  }
}

/** How many characters at the end are the beginning of the mark. */
function partialEnd(text: string, mark: string): number {
  for (let length = Math.min(mark.length - 1, text.length); length > 0; length--)
    if (text.endsWith(mark.slice(0, length))) return length;
  return 0;
}
