// view.tsx: under the hood: which module runs here and why, what the model is and whether it is whole, what is stored, and
// every error that there can be.

import { EngineFacts } from "./engine_facts.js";
import { ErrorTable } from "./error_table.js";
import { ModelFacts } from "./model_facts.js";
import { StorageFacts } from "./storage_facts.js";

export default function HoodView() {
  return (
    <div class="hood">
      <EngineFacts />
      <ModelFacts />
      <StorageFacts />
      <ErrorTable />
    </div>
  );
}
