// options.mjs - the command lines of all benchmarks: one table says what a benchmark takes, and help
// and checks come from it. A mistyped option is an error with advice, never ignored.

import { parseArgs } from "node:util";
import { StepError } from "../scripts/steps.mjs";

/**
 * @typedef {{ kind: "flag" | "text" | "list" | "count" | "counts", value?: string, help: string,
 *             default?: unknown, choices?: readonly string[] }} Option
 */

const count = (name, text) => {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > 1_000_000) {
    throw new StepError(`--${name} takes whole numbers from 1, not "${text}"`);
  }
  return value;
};

function convert(name, option, text) {
  const words = text.split(",");
  if (words.some((word) => word === ""))
    throw new StepError(`--${name} "${text}" has an empty item`);
  const unknown = option.choices && words.find((word) => !option.choices.includes(word));
  if (unknown !== undefined && unknown !== false) {
    throw new StepError(`--${name} takes ${option.choices.join(", ")}, not "${unknown}"`);
  }
  switch (option.kind) {
    case "list":
      return words;
    case "count":
      return count(name, text);
    case "counts":
      return words.map((word) => count(name, word));
    default:
      return text;
  }
}

export function helpText(usage, summary, options) {
  const all = { ...options, help: { kind: "flag", help: "this text" } };
  const lines = Object.entries(all).map(([name, { kind, value, help }]) => [
    `  --${name}${kind === "flag" ? "" : ` ${value ?? "TEXT"}`}`,
    help,
  ]);
  const width = Math.max(...lines.map(([left]) => left.length));
  const body = lines.map(([left, help]) => `${left.padEnd(width)}  ${help}`).join("\n");
  return `usage: ${usage}\n\n${summary}\n\n${body}\n`;
}

/**
 * The values by name, defaults filled in; null after --help was printed.
 * @param {{ usage: string, summary: string, options: Record<string, Option> }} command
 */
export function readOptions(command, args = process.argv.slice(2), out = process.stdout) {
  const spec = { help: { type: "boolean", short: "h" } };
  for (const [name, { kind }] of Object.entries(command.options)) {
    spec[name] = { type: kind === "flag" ? "boolean" : "string" };
  }
  let values;
  try {
    ({ values } = parseArgs({ args, options: spec, strict: true, allowPositionals: false }));
  } catch (error) {
    throw new StepError(`${error.message.split("\n")[0]} (--help lists the options)`);
  }
  if (values.help) {
    out.write(helpText(command.usage, command.summary, command.options));
    return null;
  }
  const read = {};
  for (const [name, option] of Object.entries(command.options)) {
    const value = values[name];
    if (value === undefined) read[name] = option.default ?? (option.kind === "flag" ? false : null);
    else read[name] = option.kind === "flag" ? value : convert(name, option, value);
  }
  return read;
}
