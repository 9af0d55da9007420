// markdown.tsx: Markdown of an answer as elements. marked only takes the text apart; what comes out is built here from a short
// list of elements, so no text of a model ever becomes markup: HTML in it is shown as it was written, images are links,
// and a link goes to the web or nowhere. While an answer streams only its last block is read again.

import { Lexer, type Token, type Tokens } from "marked";
import type { ComponentChild, VNode } from "preact";
import { useRef } from "preact/hooks";
import { CodeBlock } from "./code_block.js";

/** Deeper nesting is shown as plain text: nobody reads it, and it costs. */
const DEEPEST = 10;
/** Longer texts are shown as they are. */
const LONGEST_CHARACTERS = 200_000;

interface Blocks {
  /** Of the text up to here nothing will change any more. */
  settled: string;
  done: VNode[];
}

/** `tail` goes to the end of the last block: what has come since the text was last read. */
export function Markdown({ text, tail }: { text: string; tail?: ComponentChild }) {
  const kept = useRef<Blocks>({ settled: "", done: [] });
  if (text.length > LONGEST_CHARACTERS)
    return (
      <p class="as-is">
        {text}
        {tail}
      </p>
    );
  if (!text.startsWith(kept.current.settled)) kept.current = { settled: "", done: [] };
  const { settled, done } = kept.current;
  const tokens = lex(text.slice(settled.length));
  const last = tokens.length - 1;
  // The last block may still grow, and only it.
  const fresh = tokens
    .slice(0, last)
    .map((token, index) => <div key={done.length + index}>{block(token, 0, null)}</div>);
  kept.current = {
    settled:
      settled +
      tokens
        .slice(0, last)
        .map(({ raw }) => raw)
        .join(""),
    done: [...done, ...fresh],
  };
  const final = tokens[last];
  return (
    <div class="markdown">
      {kept.current.done}
      {final && <div key={kept.current.done.length}>{block(final, 0, tail ?? null)}</div>}
      {!final && tail}
    </div>
  );
}

/** Without the empty ones between. What cannot be read is one paragraph of plain text. */
function lex(text: string): Token[] {
  let tokens: Token[];
  try {
    tokens = new Lexer({ gfm: true }).lex(text);
  } catch {
    return [{ type: "plain", raw: text }];
  }
  // Line ends are read as one character; where that changed the length, nothing can be settled.
  if (tokens.map(({ raw }) => raw).join("") !== text) return [{ type: "plain", raw: text }];
  const merged: Token[] = [];
  for (const token of tokens) {
    const before = merged.at(-1);
    if (token.type === "space" && before) before.raw += token.raw;
    else merged.push(token);
  }
  return merged;
}

function block(token: Token, depth: number, tail: ComponentChild): ComponentChild {
  if (depth > DEEPEST) return plain(token, tail);
  switch (token.type) {
    case "space":
    case "def":
      return tail;
    case "code":
      return <CodeBlock code={token.text} language={token.lang ?? ""} tail={tail} />;
    case "heading": {
      // The page has headings of its own above these.
      const level = Math.min(6, token.depth + 2);
      const Heading = `h${level}` as "h3";
      return (
        <Heading>
          {inline(token.tokens, depth)}
          {tail}
        </Heading>
      );
    }
    case "paragraph":
      return (
        <p>
          {inline(token.tokens, depth)}
          {tail}
        </p>
      );
    case "text":
      return (
        <>
          {token.tokens ? inline(token.tokens, depth) : decode(token.text)}
          {tail}
        </>
      );
    case "blockquote":
      return <blockquote>{blocks(token.tokens ?? [], depth + 1, tail)}</blockquote>;
    case "list":
      return list(token as Tokens.List, depth, tail);
    case "table":
      return (
        <>
          {table(token as Tokens.Table, depth)}
          {tail}
        </>
      );
    case "hr":
      return (
        <>
          <hr />
          {tail}
        </>
      );
    default:
      return plain(token, tail);
  }
}

function plain(token: Token, tail: ComponentChild): ComponentChild {
  return (
    <p class="as-is">
      {token.raw.trimEnd()}
      {tail}
    </p>
  );
}

function blocks(tokens: readonly Token[], depth: number, tail: ComponentChild): ComponentChild[] {
  if (tokens.length === 0) return [tail];
  return tokens.map((token, i) => block(token, depth, i === tokens.length - 1 ? tail : null));
}

function list(token: Tokens.List, depth: number, tail: ComponentChild): ComponentChild {
  const items = token.items.map((item, i) => (
    <li key={i} class={item.task ? "task" : undefined}>
      {item.task && <span aria-hidden="true">{item.checked ? "☑ " : "☐ "}</span>}
      {blocks(
        item.tokens.filter(({ type }) => type !== "checkbox"),
        depth + 1,
        i === token.items.length - 1 ? tail : null,
      )}
    </li>
  ));
  if (!token.ordered) return <ul>{items}</ul>;
  return <ol start={token.start === "" ? 1 : token.start}>{items}</ol>;
}

function table(token: Tokens.Table, depth: number): ComponentChild {
  const aligned = (cell: Tokens.TableCell) => (cell.align ? `to-${cell.align}` : undefined);
  return (
    <div class="wide" tabIndex={0} role="group">
      <table>
        <thead>
          <tr>
            {token.header.map((cell, i) => (
              <th key={i} class={aligned(cell)}>
                {inline(cell.tokens, depth)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {token.rows.map((row, i) => (
            <tr key={i}>
              {row.map((cell, j) => (
                <td key={j} class={aligned(cell)}>
                  {inline(cell.tokens, depth)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function inline(tokens: readonly Token[] | undefined, depth: number): ComponentChild[] {
  return (tokens ?? []).map((token) => {
    if (depth > DEEPEST) return token.raw;
    const inner = () => inline("tokens" in token ? token.tokens : [], depth + 1);
    switch (token.type) {
      case "strong":
        return <strong>{inner()}</strong>;
      case "em":
        return <em>{inner()}</em>;
      case "del":
        return <del>{inner()}</del>;
      case "codespan":
        return <code>{token.text}</code>;
      case "br":
        return <br />;
      case "link":
        return link(token.href, inner());
      case "image":
        return link(token.href, [decode(token.text || token.href)]);
      case "escape":
        return token.text;
      case "text":
        return "tokens" in token && token.tokens ? inner() : decode(token.text);
      default:
        return token.raw;
    }
  });
}

function link(href: string, children: ComponentChild[]): ComponentChild {
  if (!/^(https?:\/\/|mailto:)/i.test(href)) return children;
  return (
    <a href={href} target="_blank" rel="noopener noreferrer">
      {children}
    </a>
  );
}

/** A map: an object would also have "constructor". */
const NAMED: ReadonlyMap<string, string> = new Map([
  ["amp", "&"],
  ["lt", "<"],
  ["gt", ">"],
  ["quot", '"'],
  ["apos", "'"],
  ["nbsp", "\u00a0"],
]);

/** Entities that texts of models have; the others stay as they are written. */
function decode(text: string): string {
  return text.replace(
    /&(?:#(\d{1,7})|#x([\da-f]{1,6})|([a-z]+));/gi,
    (whole, decimal, hex, name) => {
      if (name) return NAMED.get(name as string) ?? whole;
      const code = decimal ? Number(decimal) : Number.parseInt(hex, 16);
      const fits = code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code < 0xe000);
      return fits ? String.fromCodePoint(code) : "\ufffd";
    },
  );
}
