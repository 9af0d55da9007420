// goldens_model.mjs - golden containers that the reader accepts: well-formed ones, and those that a host refuses, for a hash is wrong or the
// tensors are no model.

import { startGoldens } from "./container_faults.mjs";
import { ROLE, SCALE, TYPE, buildContainer } from "./container_file.mjs";
import {
  chatModel,
  denseModel,
  headNormsModel,
  learnedModel,
  stateModel,
  ternaryModel,
  wordPieceModel,
} from "./container_models.mjs";

const { goldens, golden, fault } = startGoldens();
export { goldens };

// ---------------------------------------------------------------- well-formed

golden("well_formed", { reader: "OK", file: buildContainer(ternaryModel()).file });
golden("well_formed_dense", { reader: "OK", file: buildContainer(denseModel()).file });
golden("well_formed_learned", { reader: "OK", file: buildContainer(learnedModel()).file });
golden("well_formed_head_norms", { reader: "OK", file: buildContainer(headNormsModel()).file });
golden("well_formed_chat", { reader: "OK", file: buildContainer(chatModel()).file });
golden("well_formed_wordpiece", { reader: "OK", file: buildContainer(wordPieceModel()).file });
golden("well_formed_states", { reader: "OK", file: buildContainer(stateModel()).file });
golden("unknown_optional_section", {
  reader: "OK",
  file: buildContainer(ternaryModel(), [
    { id: 8, flags: 0, bytes: Buffer.from("a later invention") },
    { id: 99, flags: 0, bytes: Buffer.alloc(0) },
  ]).file,
});

// ---------------------------------------------------------------- hashes and model: not the reader's

fault(
  "flipped_header_bit",
  "OK",
  (built) => {
    built.keepId = true;
    built.file[built.sections.config.at + 52] ^= 1; // a slightly other temperature
  },
  { model: ternaryModel(), open: "HEADER_HASH_MISMATCH" },
);
fault(
  "flipped_id_bit",
  "OK",
  (built) => {
    built.keepId = true;
    built.file[63] ^= 0x80;
  },
  { model: ternaryModel(), open: "HEADER_HASH_MISMATCH" },
);
fault(
  "flipped_chunk_bit",
  "OK",
  (built) => {
    built.file[built.headerBytes + 1000] ^= 0x10;
  },
  { model: ternaryModel(), open: "CHUNK_HASH_MISMATCH" },
);

// ---------------------------------------------------------------- accepted by the reader, but no model

const noModel = (name, open, change) => {
  const model = ternaryModel();
  change(model);
  fault(name, "OK", () => {}, { model, open });
};
fault("tensor_missing", "OK", () => {}, { open: "BAD_HEADER" });
noModel("model_last_tensor_missing", "BAD_HEADER", (model) => model.tensors.pop());
noModel("model_shape", "BAD_HEADER", (model) => (model.config.inner = 32));
noModel("model_norm_int8", "BAD_HEADER", (model) => {
  Object.assign(model.tensors[1], { type: TYPE.int8, scale: SCALE.row });
});
/** The models with learned positions and with norms of heads, changed likewise. */
const noOtherModel = (name, make, change) => {
  const model = make();
  change(model);
  fault(name, "OK", () => {}, { model, open: "BAD_HEADER" });
};
const tensorOf = (model, role) => model.tensors.findIndex((tensor) => tensor.role === role);
/** Every tensor that a flag asks for: missing, and there without the flag. */
for (const [name, make, flag, role] of [
  ["position_embedding", learnedModel, 0, ROLE.positionEmbedding],
  ["norm_bias", learnedModel, 8, ROLE.attentionNormBias],
  ["ffn_norm_bias", learnedModel, 0, ROLE.ffnNormBias],
  ["output_norm_bias", learnedModel, 0, ROLE.outputNormBias],
  ["q_bias", learnedModel, 32, ROLE.qBias],
  ["k_bias", headNormsModel, 0, ROLE.kBias],
  ["v_bias", headNormsModel, 0, ROLE.vBias],
  ["o_bias", headNormsModel, 64, ROLE.oBias],
  ["gate_bias", headNormsModel, 128, ROLE.gateBias],
  ["up_bias", learnedModel, 128, ROLE.upBias],
  ["down_bias", learnedModel, 0, ROLE.downBias],
  ["q_norm", headNormsModel, 256, ROLE.qNorm],
  ["k_norm", headNormsModel, 0, ROLE.kNorm],
  ["q_in_norm", headNormsModel, 8192, ROLE.qInNorm],
  ["o_in_norm", headNormsModel, 0, ROLE.oInNorm],
  ["gate_in_norm", headNormsModel, 0, ROLE.gateInNorm],
  ["down_in_norm", headNormsModel, 0, ROLE.downInNorm],
  ["head_bias", stateModel, 512, ROLE.headBias],
  ["head_norm", stateModel, 2048, ROLE.headNorm],
  ["mixer_in", stateModel, 0, ROLE.mixerIn],
  ["mixer_conv", stateModel, 0, ROLE.mixerConv],
]) {
  noOtherModel(`model_${name}_missing`, make, (model) =>
    model.tensors.splice(tensorOf(model, role), 1),
  );
  if (flag !== 0)
    noOtherModel(`model_${name}_extra`, make, (model) => {
      model.config.flags &= ~flag;
      if (flag === 8192) model.config.linearNormEpsilon = 0;
    });
}
noOtherModel("model_gate_missing", learnedModel, (model) => (model.config.activation = 1));
noOtherModel("model_gate_extra", headNormsModel, (model) => (model.config.activation = 3));
noOtherModel("model_position_rows", learnedModel, (model) => (model.config.context = 25));
noOtherModel("model_q_norm_shape", headNormsModel, (model) => {
  model.tensors[tensorOf(model, ROLE.qNorm)].columns = 24;
});
noOtherModel("model_mixer_conv_taps", stateModel, (model) => {
  model.tensors[tensorOf(model, ROLE.mixerConv)].rows = 3;
});
noOtherModel("model_mixer_conv_ternary", stateModel, (model) => {
  const conv = model.tensors[tensorOf(model, ROLE.mixerConv)];
  Object.assign(conv, { type: TYPE.ternary, scale: SCALE.row });
});
noOtherModel("model_mixer_in_rows", stateModel, (model) => {
  model.tensors[tensorOf(model, ROLE.mixerIn)].rows = 40;
});
/** Attention's tensors where there are states, and the other way round. */
noOtherModel("model_of_states_dense", denseModel, (model) => {
  Object.assign(model.config, { flags: 1024, inner: 8, kvHeads: 2 });
  model.rope.frequencies = [];
});
noOtherModel("model_bias_ternary", learnedModel, (model) => {
  const bias = model.tensors[tensorOf(model, ROLE.upBias)];
  Object.assign(bias, { type: TYPE.ternary, scale: SCALE.row });
});
noModel("model_extra_tensor", "BAD_HEADER", (model) => (model.config.flags |= 1)); // a tied head
noModel("model_activation_bits", "UNSUPPORTED", (model) => (model.config.activationBits = 32));
