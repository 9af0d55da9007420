// script_targets.mjs - the fuzz targets that are written in JavaScript, and the file that holds each.
const FILES = {
  grammar_ebnf: "./script_grammars.mjs",
  grammar_regex: "./script_grammars.mjs",
  grammar_schema: "./script_grammars.mjs",
  worker_messages: "./script_messages.mjs",
};

export const scriptTargets = Object.keys(FILES);

/**
 * { words, json?, run(input, random), close? }: `run` gives whether the input was taken, and throws when a promise does not hold.
 * `json`: inputs are changed as values, mostly: few changed bytes leave JSON.
 */
export async function openScriptTarget(name) {
  const { targets } = await import(FILES[name]);
  return targets[name];
}
