// routes.ts: which view is shown, told by the part of the address behind "#/". Going back and forth, links and reloads
// therefore work as on any page, also in a subfolder of a host that knows nothing of it.

import { signal } from "@preact/signals";

/** What follows "#/", up to the next slash: the id of a view, or "" for the first one. */
export const route = signal(routeOf(location.hash));

function routeOf(hash: string): string {
  return /^#\/([\w-]*)/.exec(hash)?.[1] ?? "";
}

/** The address of a view, for a link. */
export function addressOf(view: string): string {
  return `#/${view}`;
}

/** Shows a view as a click on its link does. */
export function goTo(view: string): void {
  location.hash = addressOf(view);
}

addEventListener("hashchange", () => (route.value = routeOf(location.hash)));
