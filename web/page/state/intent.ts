// intent.ts: what a view asks another one to do as soon as it can: the big button of the first view wants a text, which
// only the view that writes can give.

import { signal } from "@preact/signals";

/** Taken, and set to null, by the view that does it. */
export const intent = signal<"write" | null>(null);
