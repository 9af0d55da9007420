// frame.tsx: what is around every view: name, links to the views, the model that is open, and the region that speaks to
// screen readers. A view that was shown stays, hidden, so that going elsewhere loses nothing of what was begun in it.

import type { ComponentType } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Problem } from "./parts/problem.js";
import { activity, stopRunning, type Kind } from "./state/activity.js";
import { spoken } from "./state/announcer.js";
import { model, opening } from "./state/models.js";
import { addressOf, route } from "./state/routes.js";
import { strings } from "./strings.js";
import { views, type View } from "./views.js";

function viewOf(id: string): View {
  const [first] = views;
  if (!first) throw new Error("the page has no views");
  return views.find((view) => view.id === id) ?? first;
}

export function Frame() {
  const shown = viewOf(route.value);
  const [visited, setVisited] = useState<readonly View[]>([shown]);
  if (!visited.includes(shown)) setVisited([...visited, shown]);
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);

  useEffect(() => {
    document.title = shown.id ? `${shown.title} · ${strings.name}` : strings.name;
    // Who follows a link hears where it led; the first view is where the page begins anyway.
    if (!first.current) main.current?.querySelector<HTMLElement>(".view:not([hidden]) h1")?.focus();
    first.current = false;
  }, [shown]);

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !event.defaultPrevented) stopRunning();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);

  return (
    <>
      <a class="skip" href="#main" onClick={(event) => skipTo(event, main.current)}>
        {strings.skip}
      </a>
      <header class="masthead">
        <a class="wordmark" href={addressOf("")}>
          <Mark />
          {strings.name}
        </a>
        <Links shown={shown} />
        <OpenModel />
      </header>
      <main id="main" ref={main}>
        {views.map((view) => (
          <ViewPlace
            key={view.id}
            view={view}
            shown={view === shown}
            wanted={visited.includes(view)}
          />
        ))}
      </main>
      <p class="hidden" id="announcer" role="status" aria-live="polite">
        {spoken}
      </p>
    </>
  );
}

/** A link to "#main" would be an address of a view. */
function skipTo(event: Event, main: HTMLElement | null): void {
  event.preventDefault();
  main?.querySelector<HTMLElement>(".view:not([hidden]) h1")?.focus();
}

/** Where something that runs is shown. */
const VIEW_OF: Readonly<Record<Kind, string>> = {
  write: "write",
  chat: "write",
  inspect: "inside",
  bench: "bench",
};

function Links({ shown }: { shown: View }) {
  const busy = activity.value?.running ? VIEW_OF[activity.value.kind] : null;
  return (
    <nav class="links" aria-label={strings.navigation}>
      <ul>
        {views.map((view) => (
          <li key={view.id}>
            <a href={addressOf(view.id)} aria-current={view === shown ? "page" : undefined}>
              <span class="long" data-text={view.title}>
                {view.title}
              </span>
              <span class="short" data-text={view.short}>
                {view.short}
              </span>
              {busy === view.id && <span class="busy" role="img" aria-label={strings.working} />}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}

/** The name of the open model, on screens that have the room. */
function OpenModel() {
  const { value } = opening;
  const name =
    model.value?.info.name ||
    (value.state === "opening" || value.state === "open" ? value.origin.label : "");
  const text = value.state === "opening" ? strings.model.opening(name) : name || strings.model.none;
  return (
    <p class={`open-model ${value.state}`} title={text}>
      {text}
    </p>
  );
}

interface Loaded {
  Component: ComponentType | null;
  error: unknown;
}

/** A view with its heading. Its component is fetched when it is wanted, and stays. */
function ViewPlace({ view, shown, wanted }: { view: View; shown: boolean; wanted: boolean }) {
  const known = view.component ?? null;
  const [{ Component, error }, setLoaded] = useState<Loaded>({ Component: known, error: null });
  const load = () => {
    setLoaded({ Component: null, error: null });
    view.load().then(
      (module) => setLoaded({ Component: module.default, error: null }),
      (thrown: unknown) => setLoaded({ Component: null, error: thrown ?? new Error(view.id) }),
    );
  };
  useEffect(() => {
    if (wanted && known === null) load();
  }, [wanted]);
  if (!wanted) return null;
  return (
    <section
      class={`view view-${view.id || "start"}`}
      hidden={!shown}
      aria-labelledby={`title-${view.id || "start"}`}
    >
      <h1 id={`title-${view.id || "start"}`} tabIndex={-1}>
        {view.heading ?? view.title}
      </h1>
      {Component ? (
        <Component />
      ) : error ? (
        <Problem error={error} />
      ) : (
        <p class="quiet loading-view">{strings.loadingView}</p>
      )}
    </section>
  );
}

function Mark() {
  return (
    <svg viewBox="0 0 30 30" width="30" height="30" aria-hidden="true">
      <path class="minus" d="M3 7h24" />
      <path class="rest" d="M3 15h15" />
      <path class="plus" d="M3 23h19" />
    </svg>
  );
}
