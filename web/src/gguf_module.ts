// gguf_module.ts: GGUF files are the business of a script of its own, tercet-gguf.mjs, which the worker fetches for the first one: who
// loads .tercet files never downloads it. The packer is yet another one (packer_worker.ts), for a file that is not packed yet.
export { deleteDownload, listDownloads } from "./gguf_kept.js";
export { ggufKey, GgufSource } from "./gguf_source.js";
