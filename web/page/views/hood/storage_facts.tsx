// storage_facts.tsx: what this site has stored in this browser, how much more it may, and whether the browser will keep it.

import { useEffect, useState } from "preact/hooks";
import { cache, type StorageUsage } from "../../library.js";
import { formatBytes } from "../../format.js";
import { Figures } from "../../parts/figures.js";
import { Problem } from "../../parts/problem.js";
import { stored } from "../../state/models.js";
import { offline } from "../../state/offline.js";
import { route } from "../../state/routes.js";
import { strings } from "../../strings.js";

/** Replaced by build.mjs. */
declare const PAGE_VERSION: string;

const words = strings.hood;

export function StorageFacts() {
  const [usage, setUsage] = useState<StorageUsage | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [refused, setRefused] = useState(false);
  const read = () => {
    setError(null);
    cache.usage().then(setUsage, (thrown: unknown) => setError(thrown ?? new Error("usage")));
  };
  useEffect(() => {
    if (route.value === "hood") read();
  }, [stored.value, route.value]);
  const persist = async () => {
    setRefused(!(await cache.persist()));
    read();
  };
  const bytes = (value: number | null | undefined) => (value == null ? "" : formatBytes(value));
  return (
    <section aria-labelledby="hood-storage">
      <h2 id="hood-storage">{words.storage}</h2>
      {error !== null && <Problem id="storage-problem" error={error} onRetry={read} />}
      <Figures
        className="table"
        figures={[
          { name: words.models, value: bytes(usage?.modelBytes) },
          { name: words.used, value: bytes(usage?.usedBytes) },
          { name: words.quota, value: bytes(usage?.quotaBytes) },
          {
            name: words.persisted,
            value: usage && (usage.persisted ? words.yes : words.no),
          },
          { name: words.offline, value: offline.value, id: "figure-offline" },
          { name: words.version, value: PAGE_VERSION },
        ]}
      />
      {usage && !usage.persisted && (
        <p class="persist">
          <button type="button" id="persist" onClick={() => void persist()}>
            {words.persist}
          </button>
          <span class="quiet" role="status">
            {refused ? words.persistRefused : ""}
          </span>
        </p>
      )}
    </section>
  );
}
