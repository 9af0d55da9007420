// elements.ts: finds the parts of index.html by id and checks their kind, so that a renamed id fails at
// the start and by name. It creates only empty elements and text: markup never comes from a string.

export function element<T extends HTMLElement>(id: string, kind: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`index.html has no ${kind.name} with id "${id}"`);
  return found;
}

/** A new element that holds `text` as text. */
export function create<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className: string,
  text = "",
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}

/**
 * Enables and disables buttons together. A button that is disabled while it has the focus would drop it to
 * the top of the page; the first of the enabled ones takes it over.
 */
export function setEnabled(states: ReadonlyArray<readonly [HTMLButtonElement, boolean]>): void {
  const focused = document.activeElement;
  for (const [button, enabled] of states) button.disabled = !enabled;
  const lost = states.some(([button, enabled]) => button === focused && !enabled);
  if (lost) states.find(([, enabled]) => enabled)?.[0].focus({ preventScroll: true });
}
