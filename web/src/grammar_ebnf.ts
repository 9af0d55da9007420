// grammar_ebnf.ts: a grammar in EBNF, as llama.cpp's GBNF and XGrammar write it: rules `name ::= …` of "texts", [classes], names,
// groups, | and the signs * + ? {2,5}; # begins a comment. The text is an instance of the rule `root`.
import {
  characters,
  choice,
  grammarError,
  LAST_CHARACTER,
  literal,
  repeat,
  rule,
  sequence,
  type Grammar,
  type Pattern,
} from "./grammar_pattern.js";
import { regexPattern } from "./grammar_regex.js";

const TOKENS =
  /\s+|#[^\n]*|([A-Za-z_][\w-]*)(\s*::=)?|("(?:[^"\\\n]|\\.)*")|(\[(?:[^\]\\\n]|\\.)*\])|(\{\d+(?:,\d*)?\})|([()|*+?.])/uy;

export function ebnfGrammar(source: string): Grammar {
  return new EbnfReader(source).read();
}

interface Token {
  kind: "define" | "name" | "text" | "class" | "count" | "sign";
  value: string;
}

class EbnfReader {
  readonly #tokens: Token[] = [];
  readonly #rules = new Map<string, Pattern>();
  readonly #named = new Set<string>();
  #at = 0;

  constructor(source: string) {
    TOKENS.lastIndex = 0;
    for (let at = 0; at < source.length; at = TOKENS.lastIndex) {
      const match = TOKENS.exec(source);
      if (!match) {
        const line = source.slice(0, at).split("\n").length;
        throw grammarError(
          `line ${line} of the EBNF: ${JSON.stringify(source.slice(at, at + 12))}`,
        );
      }
      const [, name, defines, text, set, count, sign] = match;
      if (name !== undefined)
        this.#tokens.push({ kind: defines === undefined ? "name" : "define", value: name });
      else if (text !== undefined) this.#tokens.push({ kind: "text", value: text });
      else if (set !== undefined) this.#tokens.push({ kind: "class", value: set });
      else if (count !== undefined) this.#tokens.push({ kind: "count", value: count });
      else if (sign !== undefined) this.#tokens.push({ kind: "sign", value: sign });
    }
  }

  read(): Grammar {
    while (this.#at < this.#tokens.length) {
      const { kind, value } = this.#tokens[this.#at++] as Token;
      if (kind !== "define")
        throw grammarError(`EBNF: a rule begins with its name, not with ${value}`);
      if (this.#rules.has(value)) throw grammarError(`EBNF: ${value} is defined twice`);
      this.#rules.set(value, this.#choice());
    }
    for (const name of [...this.#named, "root"])
      if (!this.#rules.has(name)) throw grammarError(`EBNF: there is no rule ${name}`);
    return { root: rule("root"), rules: this.#rules };
  }

  #takeSign(value: string): boolean {
    const token = this.#tokens[this.#at];
    if (token?.kind !== "sign" || token.value !== value) return false;
    this.#at++;
    return true;
  }

  #choice(): Pattern {
    const parts = [];
    do parts.push(this.#sequence());
    while (this.#takeSign("|"));
    return choice(...parts);
  }

  #sequence(): Pattern {
    const parts: Pattern[] = [];
    for (;;) {
      const token = this.#tokens[this.#at];
      if (
        !token ||
        token.kind === "define" ||
        (token.kind === "sign" && "|)".includes(token.value))
      )
        return sequence(...parts);
      parts.push(this.#counted(this.#atom(token)));
    }
  }

  #atom(token: Token): Pattern {
    this.#at++;
    switch (token.kind) {
      case "name":
        this.#named.add(token.value);
        return rule(token.value);
      case "text":
        return literal(textOf(token.value));
      case "class":
        return regexPattern(token.value, { characters, search: false, rules: this.#rules });
    }
    if (token.value === ".") return characters([[0, LAST_CHARACTER]]);
    if (token.value !== "(") throw grammarError(`EBNF: ${token.value} has nothing to stand behind`);
    const inside = this.#choice();
    if (!this.#takeSign(")")) throw grammarError("EBNF: a group is not closed");
    return inside;
  }

  #counted(part: Pattern): Pattern {
    const token = this.#tokens[this.#at];
    if (token?.kind === "count") {
      this.#at++;
      const [least = "", most] = token.value.slice(1, -1).split(",");
      return repeat(
        part,
        Number(least),
        most === undefined ? Number(least) : most === "" ? Infinity : Number(most),
      );
    }
    if (this.#takeSign("*")) return repeat(part);
    if (this.#takeSign("+")) return repeat(part, 1);
    return this.#takeSign("?") ? repeat(part, 0, 1) : part;
  }
}

/** A quoted text: JSON's escapes, \xHH, \u{…}, and \' for what some write. */
function textOf(quoted: string): string {
  return quoted
    .slice(1, -1)
    .replace(
      /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]+)\}|U([0-9a-fA-F]{8})|(.))/gu,
      (all: string, x?: string, u?: string, braced?: string, long?: string, sign?: string) => {
        const hex = x ?? u ?? braced ?? long;
        if (hex !== undefined) {
          const code = Number.parseInt(hex, 16);
          if (code > LAST_CHARACTER) throw grammarError(`EBNF: ${all} is no character`);
          return String.fromCodePoint(code);
        }
        const known = { n: "\n", r: "\r", t: "\t", b: "\b", f: "\f" }[sign as string];
        if (known === undefined && /\w/.test(sign as string))
          throw grammarError(`EBNF: ${all} is no escape`);
        return known ?? (sign as string);
      },
    );
}
