// goldens_fields.mjs - golden containers with a fault in a field of CONFIG, ROPE, TENSORS or CHUNKS.

import { byteIn, changed, f32In, f64In, startGoldens, u32In, u64In } from "./container_faults.mjs";
import { ROLE, SCALE } from "./container_file.mjs";
import { headNormsModel, learnedModel, stateModel } from "./container_models.mjs";

const { goldens, fault } = startGoldens();
export { goldens };

// ---------------------------------------------------------------- CONFIG

fault("config_size", "BAD_HEADER", (built) => {
  built.file.writeBigUInt64LE(120n, built.sections.config.entry + 16);
  return built.sections.config.at;
});
fault("config_family", "UNSUPPORTED", u32In("config", 0, 99));
fault("config_flags", "UNSUPPORTED", u32In("config", 4, 2 ** 20));
fault("config_learned_interleaved", "BAD_HEADER", u32In("config", 4, 4 | 16), {
  model: learnedModel(),
});
fault("config_no_layers", "BAD_HEADER", u32In("config", 8, 0));
fault("config_many_layers", "LIMIT_EXCEEDED", u32In("config", 8, 257));
fault("config_kv_heads", "BAD_HEADER", u32In("config", 24, 3));
const inStates = (name, change) => fault(name, "BAD_HEADER", change, { model: stateModel() });
fault("config_linear_epsilon_zero", "BAD_HEADER", f32In("config", 104, 0), {
  model: headNormsModel(),
});
fault("config_linear_epsilon_unused", "BAD_HEADER", f32In("config", 104, 1e-6));
inStates("config_states_linear_norms", u32In("config", 4, 1024 | 8192));
inStates("config_states_sub_norms", u32In("config", 4, 1024 | 2));
inStates("config_states_learned", u32In("config", 4, 1024 | 16));
inStates("config_states_layer_norms", u32In("config", 4, 1024 | 8));
inStates("config_states_biases", u32In("config", 4, 1024 | 32));
inStates("config_states_kv_heads", u32In("config", 24, 2));
inStates("config_states_inner", u32In("config", 16, 24));
inStates("config_states_activation", u32In("config", 40, 2));
inStates("rope_scale_states", f64In("rope", 8, 1.5));
fault("config_head_dim_odd", "BAD_HEADER", u32In("config", 28, 5));
fault("config_attention_width", "LIMIT_EXCEEDED", (built) => {
  u32In("config", 20, 1024)(built);
  u32In("config", 28, 1024)(built);
  return built.sections.config.at + 20;
});
fault("config_vocabulary_huge", "LIMIT_EXCEEDED", u32In("config", 32, 2 ** 20 + 1));
fault("config_activation", "UNSUPPORTED", u32In("config", 40, 4));
fault("config_activation_bits", "UNSUPPORTED", u32In("config", 44, 4));
fault("config_epsilon_nan", "BAD_HEADER", f32In("config", 48, NaN));
fault("config_epsilon_zero", "BAD_HEADER", f32In("config", 48, 0));
fault("config_temperature_infinite", "BAD_HEADER", f32In("config", 52, Infinity));
fault("config_top_p_zero", "BAD_HEADER", f32In("config", 60, 0));
fault("config_min_p_above_one", "BAD_HEADER", f32In("config", 64, 1.5));
fault("config_many_stop_tokens", "LIMIT_EXCEEDED", u32In("config", 68, 9));
fault("config_stop_token", "BAD_HEADER", u32In("config", 72, 12));
fault("config_stop_token_unused", "BAD_HEADER", u32In("config", 76, 0));
fault("config_reserved", "BAD_HEADER", byteIn("config", 127, 1));

// ---------------------------------------------------------------- ROPE

fault("rope_count", "BAD_HEADER", u32In("rope", 0, 3));
fault("rope_count_learned", "BAD_HEADER", u32In("rope", 0, 5), { model: learnedModel() });
fault("rope_count_none", "BAD_HEADER", u32In("rope", 0, 0));
fault("rope_scale_learned", "BAD_HEADER", f64In("rope", 8, 1.5), { model: learnedModel() });
fault(
  "rope_size_learned",
  "BAD_HEADER",
  (built) => {
    built.file.writeBigUInt64LE(24n, built.sections.rope.entry + 16);
    return built.sections.rope.at;
  },
  { model: learnedModel() },
);
fault("rope_reserved", "BAD_HEADER", byteIn("rope", 4, 1));
fault("rope_scale_zero", "BAD_HEADER", f64In("rope", 8, 0));
fault("rope_frequency_nan", "BAD_HEADER", f64In("rope", 16, NaN));
fault("rope_frequency_negative", "BAD_HEADER", f64In("rope", 24, -1));
fault("rope_frequency_huge", "BAD_HEADER", f64In("rope", 24, 129));
fault("rope_size", "BAD_HEADER", (built) => {
  built.file.writeBigUInt64LE(40n, built.sections.rope.entry + 16);
  return built.sections.rope.at;
});

// ---------------------------------------------------------------- TENSORS, CHUNKS

const entry = (index, at) => 8 + 48 * index + at;
fault("tensors_none", "BAD_HEADER", u32In("tensors", 0, 0));
fault("tensors_too_many", "LIMIT_EXCEEDED", u32In("tensors", 0, 16385));
fault("tensors_count", "BAD_HEADER", (built) => {
  u32In("tensors", 0, 5)(built);
  return built.sections.tensors.at;
});
fault("tensors_reserved", "BAD_HEADER", byteIn("tensors", 7, 1));
fault("tensor_stage", "BAD_HEADER", u32In("tensors", entry(3, 0), 3));
fault("tensor_role", "UNSUPPORTED", u32In("tensors", entry(1, 4), 23));
fault("tensor_misplaced", "BAD_HEADER", u32In("tensors", entry(1, 4), ROLE.head));
fault("tensors_fall", "BAD_HEADER", (built) => u32In("tensors", entry(2, 0), 1)(built), {
  ...changed((model) => model.tensors.splice(1, 2, model.tensors[2], model.tensors[1])),
});
fault("tensor_stages_fall", "BAD_HEADER", (built) => built.sections.tensors.at + entry(2, 0), {
  ...changed((model) => {
    model.config.layers = 2;
    [1, 2, 3].forEach((tensor, i) => (model.tensors[tensor].stage = [2, 1, 3][i]));
  }),
});
fault("tensor_twice", "BAD_HEADER", (built) => built.sections.tensors.at + entry(2, 0), {
  ...changed((model) => (model.tensors[2].role = ROLE.q)),
});
fault("tensor_type", "UNSUPPORTED", u32In("tensors", entry(1, 8), 5));
fault("tensor_scale", "UNSUPPORTED", u32In("tensors", entry(0, 12), SCALE.tensor));
fault("tensor_no_rows", "BAD_HEADER", u32In("tensors", entry(1, 16), 0));
fault("tensor_columns_huge", "LIMIT_EXCEEDED", u32In("tensors", entry(1, 20), 2 ** 18 + 1));
fault("tensor_int8_columns", "LIMIT_EXCEEDED", u32In("tensors", entry(0, 20), 2 ** 17 + 1));
fault("tensor_bytes", "BAD_HEADER", u64In("tensors", entry(1, 32), 128));
fault("tensor_reserved", "BAD_HEADER", byteIn("tensors", entry(1, 47), 1));
fault("tensor_hole", "BAD_HEADER", (built) =>
  u64In("tensors", entry(1, 24), built.headerBytes + 704)(built),
);
fault("tensor_overlap", "BAD_HEADER", (built) =>
  u64In("tensors", entry(1, 24), built.headerBytes)(built),
);
fault("tensors_beyond_file", "BAD_HEADER", (built) => {
  // The last tensor is too large for the file, by a shape that fits its bytes.
  u32In("tensors", entry(3, 20), 64)(built);
  return u64In("tensors", entry(3, 32), 256)(built);
});
fault("tensors_end_early", "BAD_HEADER", (built) => {
  u32In("tensors", entry(3, 20), 16)(built);
  u64In("tensors", entry(3, 32), 64)(built);
  return 24;
});
fault("chunks_size", "BAD_HEADER", (built) => {
  built.file.writeBigUInt64LE(64n, built.sections.chunks.entry + 16);
  return built.sections.chunks.at;
});
