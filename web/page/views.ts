// views.ts: the views of the page in the order of their links. A view is a folder in views/ with a view.tsx whose default
// export is its component; README.md says how to make one.

import type { ComponentType } from "preact";
import { strings } from "./strings.js";
import StartView from "./views/start/view.js";

export interface View {
  /** The address: "#/id". "" is the first view. */
  readonly id: string;
  /** Of the page, of the link, and of the view if it has no other heading. */
  readonly title: string;
  readonly heading?: string;
  /** Of the link on narrow screens; a part of the title, so that who speaks it finds it. */
  readonly short: string;
  /** Fetched when the view is shown for the first time. */
  load(): Promise<{ default: ComponentType }>;
  /** Of the first view: it is there at once. */
  readonly component?: ComponentType;
}

export const views: readonly View[] = [
  {
    id: "",
    ...strings.views.start,
    heading: strings.lede,
    component: StartView,
    load: () => Promise.resolve({ default: StartView }),
  },
  { id: "write", ...strings.views.write, load: () => import("./views/write/view.js") },
  { id: "inside", ...strings.views.inside, load: () => import("./views/inside/view.js") },
  { id: "bench", ...strings.views.bench, load: () => import("./views/bench/view.js") },
  { id: "hood", ...strings.views.hood, load: () => import("./views/hood/view.js") },
];
