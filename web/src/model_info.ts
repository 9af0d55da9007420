// model_info.ts: what a page is told about an open model: the facts of its file, of this load and of the engine, laid
// together. It decides nothing.
import { TercetError } from "./errors.js";
import type { OpenSession } from "./session_runner.js";
import type { KvForm, ModelInfo, ModelSource } from "./types.js";
import type { Handle, WasmModule } from "./wasm_module.js";

/** What only the load knows. */
export interface LoadFacts {
  engine: Handle;
  kv: KvForm;
  source: ModelSource;
  /** Kept, not copied: what the engine has to say is added. */
  notices: string[];
}

export function modelInfo(open: OpenSession, load: LoadFacts): ModelInfo {
  const { module, model, session, facts } = open;
  const { threads, kernels, note } = module.engineInfo(load.engine);
  if (note !== "") load.notices.push(`kernels ${kernels}: ${note}`);
  const { bytes: sessionBytes, slice, context } = module.sessionInfo(session);
  return {
    name: facts.name,
    family: facts.family,
    licence: facts.licence,
    modelId: facts.modelId,
    layers: facts.layers,
    hidden: facts.hidden,
    inner: facts.inner,
    heads: facts.heads,
    kvHeads: facts.kvHeads,
    headDim: facts.headDim,
    vocabulary: facts.vocabulary,
    trainedContext: facts.context,
    context,
    slice,
    kv: load.kv,
    parameters: facts.parameters,
    ternaryParameters: facts.ternaryParameters,
    tensors: facts.tensors,
    tiedHead: facts.tiedHead,
    activationBits: facts.activationBits,
    fileBytes: facts.fileBytes,
    dataBytes: facts.dataBytes,
    sessionBytes,
    memoryBytes: module.memory.buffer.byteLength,
    source: load.source,
    variant: module.variant,
    kernels,
    threads,
    isolated: globalThis.crossOriginIsolated === true,
    ...chatInfo(module, model),
    persisted: null,
    notices: load.notices,
    sampling: facts.sampling,
  };
}

/** A model without a chat format of its own is one like any other. */
function chatInfo(
  module: WasmModule,
  model: Handle,
): Pick<ModelInfo, "chatFormat" | "thinkingSwitch" | "thinkingMarks"> {
  try {
    const { name, thinkingSwitch, thinkingMarks } = module.chatFacts(model, null);
    return { chatFormat: name, thinkingSwitch, thinkingMarks };
  } catch (thrown) {
    if (!(thrown instanceof TercetError) || thrown.code !== "NO_CHAT_FORMAT") throw thrown;
    return { chatFormat: null, thinkingSwitch: false, thinkingMarks: null };
  }
}
