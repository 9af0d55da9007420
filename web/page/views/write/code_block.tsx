// code_block.tsx: a piece of code in an answer, as it is, with a button that copies it.

import type { ComponentChild } from "preact";
import { strings } from "../../strings.js";
import { CopyButton } from "./copy_button.js";

export function CodeBlock(props: { code: string; language: string; tail: ComponentChild }) {
  const { code, language, tail } = props;
  const [name = ""] = language.split(/\s/, 1);
  return (
    <figure class="code" aria-label={strings.write.codeBlock(name)}>
      <figcaption>
        <span>{name}</span>
        <CopyButton text={() => code} label={strings.write.copyCode} />
      </figcaption>
      <pre tabIndex={0}>
        <code>
          {code}
          {tail}
        </code>
      </pre>
    </figure>
  );
}
