// remembered.ts: a few words that outlive the page, in localStorage. A browser may forbid it, and then throws at the mere mention: nothing
// is remembered there, and everything else goes on.

/** null: there is nothing of that name, or storage is forbidden. */
export function recall(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

/** null: it is forgotten. Where storage is forbidden or full it holds no longer than the page. */
export function remember(name: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(name);
    else localStorage.setItem(name, value);
  } catch {
    // As said above.
  }
}
