// tools_module.ts: what is asked of a model besides texts, and of a stored one besides loading it, is a script of its own,
// tercet-tools.mjs, which the worker fetches with the first such question: nobody else downloads it.
export { exportModel, verifyModel } from "./model_archive.js";
export {
  computeEmbedding,
  computeLogits,
  computePerplexity,
  measureSpeed,
} from "./text_measures.js";
