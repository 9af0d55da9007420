// composer.tsx: the field in which one writes to the model, and its one button: sending, and stopping while an answer comes.
// Enter sends, Shift+Enter begins a line; Escape, which the frame listens to, stops.

import type { RefObject } from "preact";
import { activity, stopRunning } from "../../state/activity.js";
import { strings } from "../../strings.js";

const words = strings.write;

export interface ComposerProps {
  /** Of the field, and of the button while it does not stop. */
  ids: { field: string; button: string };
  field: RefObject<HTMLTextAreaElement | null>;
  /** Whether there is a model for it. */
  usable: boolean;
  /** Whether its own text is being written. */
  running: boolean;
  label: string;
  action: string;
  placeholder: string;
  onSend: (text: string) => void;
}

export function Composer(props: ComposerProps) {
  const { ids, field, usable, running, label, action, placeholder, onSend } = props;
  const busy = activity.value?.running ?? false;
  const send = () => {
    const { current } = field;
    if (!current || !usable || busy || current.value.trim() === "") return;
    const text = current.value;
    current.value = "";
    onSend(text);
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <textarea
        ref={field}
        id={ids.field}
        rows={1}
        aria-label={label}
        placeholder={placeholder}
        autoComplete="off"
        enterkeyhint="send"
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          send();
        }}
      />
      {/* One button: the focus stays on it whatever it does. */}
      <button
        type={running ? "button" : "submit"}
        class="primary"
        id={running ? "stop" : ids.button}
        disabled={!usable || (busy && !running)}
        onClick={running ? stopRunning : undefined}
      >
        {running ? words.stop : action}
      </button>
      <p class="quiet hint">{words.keys}</p>
    </form>
  );
}
