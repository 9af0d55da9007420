// model_facts.tsx: what the open model is, and whether what is stored of it still is what its id says.

import { useState } from "preact/hooks";
import { cache, type ModelInfo } from "../../library.js";
import { formatBytes, formatParameters, formatPercent } from "../../format.js";
import { Figures } from "../../parts/figures.js";
import { Problem } from "../../parts/problem.js";
import { say } from "../../state/announcer.js";
import { model, readStored, stored } from "../../state/models.js";
import { addressOf } from "../../state/routes.js";
import { strings } from "../../strings.js";
import { describeVerified } from "../start/describe_verified.js";

const words = strings.hood;

export function ModelFacts() {
  const info = model.value?.info;
  return (
    <section aria-labelledby="hood-model">
      <h2 id="hood-model">{words.model}</h2>
      {info ? (
        <Facts key={info.modelId} info={info} />
      ) : (
        <p class="quiet">
          {words.noModel} <a href={addressOf("")}>{words.toStart}</a>
        </p>
      )}
    </section>
  );
}

function Facts({ info }: { info: ModelInfo }) {
  return (
    <>
      <p class="model-id">
        <span class="quiet">{words.id}</span> <code id="model-id">{info.modelId}</code>
      </p>
      <p class="quiet">{words.idHint}</p>
      <Verify modelId={info.modelId} />
      <Figures
        className="table"
        figures={[
          { name: words.name, value: info.name },
          { name: words.family, value: info.family },
          { name: words.licence, value: info.licence },
          { name: words.parameters, value: formatParameters(info.parameters) },
          {
            name: words.ternary,
            value: formatPercent(info.ternaryParameters, Math.max(1, info.parameters)),
          },
          { name: words.layers, value: String(info.layers) },
          {
            name: words.context,
            value: words.contextOf(info.context, info.trainedContext),
          },
          { name: words.kv, value: info.kv },
          { name: words.chat, value: info.chatFormat ?? words.none },
          { name: words.file, value: formatBytes(info.fileBytes) },
          { name: words.modelMemory, value: formatBytes(info.dataBytes) },
          { name: words.sessionMemory, value: formatBytes(info.sessionBytes) },
          {
            name: words.modelFrom,
            value: words.sources[info.source],
            id: "figure-source",
          },
        ]}
      />
    </>
  );
}

/** Only what is stored can be read again. */
function Verify({ modelId }: { modelId: string }) {
  const [busy, setBusy] = useState(false);
  const [said, setSaid] = useState("");
  const [error, setError] = useState<unknown>(null);
  if (!stored.value?.some((entry) => entry.modelId === modelId)) return null;
  const verify = async () => {
    setBusy(true);
    setSaid("");
    setError(null);
    try {
      const text = describeVerified(await cache.verify(modelId));
      setSaid(text);
      say(text);
      await readStored();
    } catch (thrown) {
      setError(thrown ?? new Error("verify"));
    }
    setBusy(false);
  };
  return (
    <div class="verify">
      <button type="button" id="verify" disabled={busy} onClick={() => void verify()}>
        {strings.start.verify}
      </button>
      <p class="quiet" id="verified">
        {busy ? strings.start.verifying : said}
      </p>
      {error !== null && (
        <Problem id="verify-problem" error={error} onRetry={() => void verify()} />
      )}
    </div>
  );
}
