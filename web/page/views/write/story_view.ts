// story_view.ts: the story as it grows. One paragraph element for each paragraph, text nodes only. The text content of the element
// is exactly beginning and pieces, line ends included. Whoever calls it does so at most once a frame.

/** Longer beginnings stay in plain letters: small capitals are hard to read at length. */
const SHORT_OPENING_CHARACTERS = 60;

export class StoryView {
  readonly #place: HTMLElement;
  #tail: Text | null = null;
  /** The last paragraph has its line end: what follows begins another. */
  #closed = false;

  constructor(place: HTMLElement) {
    this.#place = place;
  }

  /** Clears the page and sets the beginning that the reader wrote. */
  begin(prompt: string): void {
    this.#place.replaceChildren();
    this.#tail = null;
    this.#closed = false;
    // A capital of two lines, after quotation marks perhaps; smaller letters do not bear that size.
    this.#place.classList.toggle("initial", /^[\p{P}]{0,2}\p{Lu}/u.test(prompt));
    const short = prompt.length <= SHORT_OPENING_CHARACTERS && !prompt.includes("\n");
    this.#write(prompt, short ? "opening short" : "opening");
    this.#tail = null;
  }

  append(text: string): void {
    if (text) this.#write(text, "");
  }

  /** Whether more is coming: a caret stands at its end then. */
  setWriting(writing: boolean): void {
    this.#place.classList.toggle("writing", writing);
    this.#place.setAttribute("aria-busy", String(writing));
  }

  /** Line ends stay at the end of the paragraph they close, where the first of them takes no room. */
  #write(text: string, className: string): void {
    for (const [part] of text.matchAll(/[^\n]+|\n+/g)) {
      const lineEnd = part.startsWith("\n");
      let paragraph = this.#place.lastElementChild;
      if (paragraph === null || (this.#closed && !lineEnd)) {
        paragraph = this.#place.appendChild(document.createElement("p"));
        this.#tail = null;
      }
      this.#closed = lineEnd;
      if (this.#tail !== null) {
        this.#tail.appendData(part);
        continue;
      }
      let parent: Element = paragraph;
      if (className) {
        parent = paragraph.appendChild(document.createElement("span"));
        parent.className = className;
      }
      this.#tail = parent.appendChild(new Text(part));
    }
  }
}
