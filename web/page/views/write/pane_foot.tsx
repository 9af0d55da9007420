// pane_foot.tsx: the foot of a story and of a conversation, over the end of the window: the way back to the end of the text, how fast
// it is written, and the field for what comes next.

import { SpeedStrip } from "../../parts/speed_strip.js";
import { strings } from "../../strings.js";
import { Composer, type ComposerProps } from "./composer.js";
import type { StickToEnd } from "./stick_to_end.js";

export function PaneFoot({ end, ...composer }: { end: StickToEnd } & ComposerProps) {
  return (
    <div class="foot" ref={end.cover}>
      {!end.atEnd && (
        <button type="button" class="to-end" onClick={end.toEnd}>
          {strings.write.toEnd}
        </button>
      )}
      <SpeedStrip view="write" />
      <Composer {...composer} />
    </div>
  );
}
