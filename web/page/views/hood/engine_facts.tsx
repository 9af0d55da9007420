// engine_facts.tsx: which module was chosen and why, threads, isolation.

import { features, type Features } from "../../library.js";
import { formatBytes } from "../../format.js";
import { Figures } from "../../parts/figures.js";
import { model } from "../../state/models.js";
import { reloadHelps } from "../../state/offline.js";
import { strings } from "../../strings.js";

const words = strings.hood;
const yesNo = (value: boolean) => (value ? words.yes : words.no);

/** The choice of load(), in the order in which it is made. */
function reasons(found: Features): string[] {
  if (!found.simd128) return [words.why.noModule];
  const simd = found.relaxedSimd ? words.why.relaxed : words.why.simd;
  if (found.hardwareThreads === 1) return [simd, words.why.oneProcessor];
  const threads = found.threads
    ? words.why.threads(Math.min(8, found.hardwareThreads))
    : words.why.notIsolated;
  return [simd, threads];
}

export function EngineFacts() {
  const info = model.value?.info;
  const found = features();
  return (
    <section aria-labelledby="hood-engine">
      <h2 id="hood-engine">{words.engine}</h2>
      <ul class="reasons">
        {reasons(found).map((reason) => (
          <li key={reason}>{reason}</li>
        ))}
      </ul>
      {reloadHelps.value && (
        <p>
          <button type="button" onClick={() => location.reload()}>
            {words.reload}
          </button>
        </p>
      )}
      <Figures
        className="table"
        figures={[
          { name: words.module, value: info?.variant },
          { name: words.kernels, value: info?.kernels },
          { name: words.threads, value: info && String(info.threads) },
          { name: words.processors, value: String(found.hardwareThreads) },
          { name: words.isolated, value: yesNo(found.crossOriginIsolated) },
          { name: words.simd, value: yesNo(found.simd128) },
          { name: words.relaxed, value: yesNo(found.relaxedSimd) },
          { name: words.memoryWhole, value: info && formatBytes(info.memoryBytes) },
        ]}
      />
    </section>
  );
}
