// dialog.tsx: a dialog over the page, with the browser's own keeping of the focus. It closes by its button, by Escape and by a
// click beside it.

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { strings } from "../../strings.js";

interface DialogProps {
  title: string;
  className?: string;
  onClose: () => void;
  children: ComponentChildren;
}

export function Dialog({ title, className = "", onClose, children }: DialogProps) {
  const place = useRef<HTMLDialogElement>(null);
  useEffect(() => place.current?.showModal(), []);
  return (
    <dialog
      ref={place}
      class={className}
      aria-label={title}
      onClose={onClose}
      onClick={(event) => {
        if (event.target === place.current) place.current?.close();
      }}
      onKeyDown={(event) => {
        // Elsewhere on the page Escape stops the text that is being written.
        if (event.key === "Escape") event.stopPropagation();
      }}
    >
      <div class="dialog-body">
        <header>
          <h2>{title}</h2>
          <button type="button" class="plain" onClick={() => place.current?.close()}>
            {strings.write.close}
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}
