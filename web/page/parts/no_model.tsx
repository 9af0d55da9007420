// no_model.tsx: what a view shows that needs a model while none is open.

import { addressOf } from "../state/routes.js";
import { strings } from "../strings.js";

export function NoModel({ why }: { why: string }) {
  return (
    <div class="empty">
      <p class="lead">{why}</p>
      <p>
        <a class="button" href={addressOf("")}>
          {strings.write.toStart}
        </a>
      </p>
    </div>
  );
}
