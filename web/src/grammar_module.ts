// grammar_module.ts: constrained output is a script of its own, tercet-grammar.mjs, which the worker fetches when the first text is to
// be held to a grammar: who never asks for it never downloads it.
export { Grammars } from "./grammar_guide.js";
