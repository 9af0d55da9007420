// container_goldens.mjs - the list of golden containers: well-formed ones, and one for each fault
// that a reader must refuse, with the answer that it must give.
//
// Why it exists: the files in tests/golden/container/ are read by C and by JavaScript tests; this is
// where they come from. Every damaged file has one fault and, unless the fault is the hash itself, a
// right model id, so that nothing but the fault can be the reason of its refusal.

import {
  NO_TOKEN,
  ROLE,
  SCALE,
  TYPE,
  buildContainer,
  chatTables,
  sealHeader,
  tokenizerTables,
} from "./container_file.mjs";
import {
  chatModel,
  denseModel,
  headNormsModel,
  learnedModel,
  smallModel,
  stateModel,
  wordPieceModel,
  ternaryModel,
} from "./container_models.mjs";

const goldens = [];

/**
 * `reader` is what the container reader answers, `open` what a host answers that also compares the
 * hashes and the tensors with the configuration, `where` the offset of the reader's complaint.
 */
function golden(name, { reader, open = reader, where = 0, file }) {
  goldens.push({ name: `${name}.tercet`, reader, open, where, file });
}

/** One damaged file: `change` gets a built file and returns where the reader must point. */
function fault(name, reader, change, options = {}) {
  const { model = smallModel(), extraSections, shortened, open } = options;
  const built = buildContainer(model, extraSections, shortened);
  const where = change(built) ?? 0;
  if (!built.keepId) sealHeader(built.file, built.headerBytes);
  golden(name, { reader, open: open ?? reader, where, file: built.file });
}

const u32 = (at, value) => (built) => {
  built.file.writeUInt32LE(value, at);
  return at;
};
const u64 = (at, value) => (built) => {
  built.file.writeBigUInt64LE(BigInt(value), at);
  return at;
};
/** A field of a section: `at` counts from the section's first byte. */
const inSection = (section, at, write) => (built) => {
  const offset = built.sections[section].at + at;
  write(built.file, offset);
  return offset;
};
const u32In = (section, at, value) =>
  inSection(section, at, (file, to) => file.writeUInt32LE(value, to));
const u64In = (section, at, value) =>
  inSection(section, at, (file, to) => file.writeBigUInt64LE(BigInt(value), to));
const f32In = (section, at, value) =>
  inSection(section, at, (file, to) => file.writeFloatLE(value, to));
const f64In = (section, at, value) =>
  inSection(section, at, (file, to) => file.writeDoubleLE(value, to));
const byteIn = (section, at, value) =>
  inSection(section, at, (file, to) => file.writeUInt8(value, to));
/** A field of the section table. */
const inEntry = (section, at, write) => (built) => {
  const offset = built.sections[section].entry + at;
  write(built.file, offset, built);
  return offset;
};
/** The small model with one change. */
const changed = (change) => {
  const model = smallModel();
  change(model);
  return { model };
};

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

// ---------------------------------------------------------------- prefix

fault("bad_magic", "BAD_MAGIC", (built) => {
  built.file[0] = 0x09; // the high bit lost
});
golden("short_prefix", {
  reader: "TRUNCATED",
  where: 40,
  file: buildContainer(smallModel()).file.subarray(0, 40),
});
golden("other_format", { reader: "BAD_MAGIC", file: Buffer.from("GGUF\x03\0\0\0 and so on\n") });
fault("version_zero", "BAD_HEADER", u32(8, 0));
fault("version_too_new", "VERSION_TOO_NEW", u32(8, 2));
fault("no_sections", "BAD_HEADER", u32(12, 0));
fault("too_many_sections", "LIMIT_EXCEEDED", u32(12, 33));
fault("header_bytes_too_small", "BAD_HEADER", u64(16, 192));
fault("header_bytes_unaligned", "BAD_HEADER", (built) => u64(16, built.headerBytes + 8)(built));
fault("header_bytes_huge", "LIMIT_EXCEEDED", u64(16, (64 << 20) + 64));
fault("file_bytes_huge", "LIMIT_EXCEEDED", u64(24, 2n ** 40n + 64n));
fault("file_bytes_below_header", "BAD_HEADER", (built) => u64(24, built.headerBytes - 64)(built));
{
  const whole = buildContainer(smallModel());
  const cut = (bytes) => ({
    reader: "TRUNCATED",
    where: bytes,
    file: whole.file.subarray(0, bytes),
  });
  golden("truncated_header", cut(whole.headerBytes - 100));
  golden("truncated_data", cut(whole.file.length - 1));
  golden("trailing_bytes", {
    reader: "TRAILING_BYTES",
    where: whole.file.length,
    file: Buffer.concat([whole.file, Buffer.from([0])]),
  });
}

// ---------------------------------------------------------------- section table

fault("section_unknown_required", "UNSUPPORTED", (built) => built.sections.about.entry + 24, {
  extraSections: [{ id: 8, flags: 1, bytes: Buffer.from("needed") }],
});
fault(
  "section_id_zero",
  "BAD_HEADER",
  inEntry("config", 0, (file, at) => file.writeUInt32LE(0, at)),
);
fault(
  "section_twice",
  "BAD_HEADER",
  inEntry("rope", 0, (file, at) => file.writeUInt32LE(1, at)),
);
fault("section_ids_fall", "BAD_HEADER", (built) => {
  built.file.writeUInt32LE(3, built.sections.rope.entry);
  built.file.writeUInt32LE(2, built.sections.tensors.entry);
  return built.sections.tensors.entry;
});
fault(
  "section_flag_unknown",
  "BAD_HEADER",
  inEntry("about", 4, (file, at) => file.writeUInt32LE(2, at)),
);
fault(
  "section_not_required",
  "BAD_HEADER",
  inEntry("config", 4, (file, at) => file.writeUInt32LE(0, at)),
);
fault("section_missing", "BAD_HEADER", (built) => {
  // TOKENIZER becomes an optional section that nobody knows.
  built.file.writeUInt32LE(6, built.sections.tokenizer.entry);
  built.file.writeUInt32LE(0, built.sections.tokenizer.entry + 4);
  return 64;
});
fault(
  "section_hole",
  "BAD_HEADER",
  inEntry("rope", 8, (file, at, built) =>
    file.writeBigUInt64LE(BigInt(built.sections.rope.at + 64), at),
  ),
);
fault(
  "section_overlap",
  "BAD_HEADER",
  inEntry("rope", 8, (file, at, built) =>
    file.writeBigUInt64LE(BigInt(built.sections.config.at), at),
  ),
);
fault(
  "section_beyond_header",
  "BAD_HEADER",
  inEntry("about", 16, (file, at) => file.writeBigUInt64LE(2n ** 63n, at)),
);
fault("section_padding_not_zero", "BAD_HEADER", (built) => {
  const at = built.sections.rope.at + built.sections.rope.bytes;
  built.file[at] = 1;
  return at;
});
fault(
  "header_longer_than_sections",
  "BAD_HEADER",
  ({ file }) => {
    // The last section leaves the table; its 64 zero bytes stay.
    const count = file.readUInt32LE(12) - 1;
    file.writeUInt32LE(count, 12);
    file.fill(0, 64 + 24 * count, 64 + 24 * (count + 1));
    return 16;
  },
  { extraSections: [{ id: 200, flags: 0, bytes: Buffer.alloc(64) }] },
);

// Sections that end inside their first fields.
for (const [section, bytes, where] of [
  ["rope", 3, 3],
  ["tensors", 0, 0],
  ["tokenizer", 3, 3],
  ["tokenizer", 10, 10],
  ["tokenizer", 34, 34],
  ["tokenizer", 60, 60],
  ["about", 8, 8],
])
  fault(
    `${section}_of_${bytes}_bytes`,
    "BAD_HEADER",
    (built) => built.sections[section].at + where,
    { shortened: { [section]: bytes } },
  );

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

// ---------------------------------------------------------------- TOKENIZER

const table = tokenizerTables(smallModel().tokenizer);
const inTokenizer = (change) => changed((model) => change(model.tokenizer));
fault("tokenizer_kind", "UNSUPPORTED", u32In("tokenizer", 0, 99));
fault("tokenizer_merges_of_wordpiece", "BAD_HEADER", u32In("tokenizer", 20, 1), {
  model: wordPieceModel(),
});
fault("tokenizer_splitter", "UNSUPPORTED", u32In("tokenizer", 4, 4));
fault("tokenizer_splitter_of_sentencepiece", "BAD_HEADER", u32In("tokenizer", 4, 1));
fault("tokenizer_flags", "UNSUPPORTED", u32In("tokenizer", 8, 2 ** 31));
fault("tokenizer_no_tokens", "BAD_HEADER", u32In("tokenizer", 12, 0));
fault("tokenizer_beyond_vocabulary", "BAD_HEADER", u32In("tokenizer", 12, 13));
fault("tokenizer_merges_huge", "LIMIT_EXCEEDED", u32In("tokenizer", 20, 2 ** 22 + 1));
fault("tokenizer_sizes", "BAD_HEADER", (built) => {
  u32In("tokenizer", 20, 5)(built);
  return built.sections.tokenizer.at;
});
fault("tokenizer_beginning", "BAD_HEADER", u32In("tokenizer", 32, 12));
fault("tokenizer_no_beginning", "BAD_HEADER", u32In("tokenizer", 32, NO_TOKEN));
fault("tokenizer_unknown", "BAD_HEADER", u32In("tokenizer", 36, 12));
fault("tokenizer_reserved", "BAD_HEADER", byteIn("tokenizer", 63, 1));
fault("text_begins_late", "BAD_HEADER", u32In("tokenizer", table.textOffsets, 1));
fault("text_falls", "BAD_HEADER", u32In("tokenizer", table.textOffsets + 8, 0), {
  ...inTokenizer((tokenizer) => (tokenizer.tokens[0].text = "<unk>")),
});
fault("text_beyond_end", "BAD_HEADER", u32In("tokenizer", table.textOffsets + 44, 0xffff));
// The last token loses its only byte, which then belongs to none.
fault(
  "text_ends_early",
  "BAD_HEADER",
  ({ file, sections }) => {
    const at = sections.tokenizer.at + table.textOffsets + 48;
    file.writeUInt32LE(file.readUInt32LE(at) - 1, at);
    return at;
  },
  {
    ...inTokenizer((tokenizer) => (tokenizer.tokens[11].text = "x")),
  },
);
fault(
  "text_too_long",
  "LIMIT_EXCEEDED",
  (built) => built.sections.tokenizer.at + table.textOffsets + 48,
  {
    ...inTokenizer((tokenizer) => (tokenizer.tokens[11].text = "x".repeat(1025))),
  },
);
fault("token_kind", "UNSUPPORTED", byteIn("tokenizer", table.kinds + 4, 7));
fault("token_kind_zero", "UNSUPPORTED", byteIn("tokenizer", table.kinds + 4, 0));
fault("token_byte_of_two", "BAD_HEADER", byteIn("tokenizer", table.kinds + 10, 6));
fault(
  "kinds_padding",
  "BAD_HEADER",
  (built) => {
    const at = built.sections.tokenizer.at + table.kinds - 4 + 11;
    built.file[at] = 1;
    return at;
  },
  {
    ...inTokenizer((tokenizer) => tokenizer.tokens.pop()),
  },
);
fault("sorted_no_token", "BAD_HEADER", u32In("tokenizer", table.sorted, 12));
fault("sorted_falls", "BAD_HEADER", (built) => built.sections.tokenizer.at + table.sorted + 4, {
  ...inTokenizer((tokenizer) => tokenizer.sorted.reverse()),
});
fault("sorted_twice", "BAD_HEADER", u32In("tokenizer", table.sorted + 4, 4));
fault(
  "sorted_prefix_last",
  "BAD_HEADER",
  (built) => built.sections.tokenizer.at + table.sorted + 4,
  {
    ...inTokenizer((tokenizer) => ([tokenizer.sorted[0], tokenizer.sorted[1]] = [8, 4])),
  },
);
fault("sorted_byte_token", "BAD_HEADER", u32In("tokenizer", table.sorted + 12, 3));
fault("sorted_without_text", "BAD_HEADER", u32In("tokenizer", table.sorted, 11));
fault("byte_token_no_token", "BAD_HEADER", u32In("tokenizer", table.byteTokens + 4 * 0x41, 12));
fault("byte_token_other_text", "BAD_HEADER", u32In("tokenizer", table.byteTokens + 4 * 0x42, 3));
fault("byte_token_long_text", "BAD_HEADER", u32In("tokenizer", table.byteTokens + 4 * 0x61, 7));
fault(
  "merge_no_token",
  "BAD_HEADER",
  (built) => u32In("tokenizer", table.merges + 12, 12)(built) - 12,
);
fault("merges_fall", "BAD_HEADER", (built) => built.sections.tokenizer.at + table.merges + 16, {
  ...inTokenizer((tokenizer) => tokenizer.merges.reverse()),
});
fault("merge_twice", "BAD_HEADER", (built) => built.sections.tokenizer.at + table.merges + 16, {
  ...inTokenizer((tokenizer) => (tokenizer.merges[1] = tokenizer.merges[0])),
});
fault(
  "merge_other_text",
  "BAD_HEADER",
  (built) => u32In("tokenizer", table.merges + 12, 7)(built) - 12,
);
fault(
  "merge_other_length",
  "BAD_HEADER",
  (built) => u32In("tokenizer", table.merges + 12, 9)(built) - 12,
);
fault("special_no_token", "BAD_HEADER", u32In("tokenizer", table.specials, 12));
fault("special_without_text", "BAD_HEADER", u32In("tokenizer", table.specials + 4, 11));
fault(
  "specials_shorter_first",
  "BAD_HEADER",
  (built) => built.sections.tokenizer.at + table.specials + 4,
  {
    ...inTokenizer((tokenizer) => tokenizer.specials.reverse()),
  },
);
fault(
  "specials_of_one_length_fall",
  "BAD_HEADER",
  (built) => built.sections.tokenizer.at + table.specials + 8,
  {
    ...inTokenizer((tokenizer) => {
      tokenizer.tokens[0].text = "<u>";
      tokenizer.specials.push(0); // behind "<s>", which is token 1
    }),
  },
);
fault("special_twice", "BAD_HEADER", u32In("tokenizer", table.specials + 4, 2));

// ---------------------------------------------------------------- CHAT

const chat = chatTables(chatModel().chat);
/** A damaged field of the section, in the model that has one. */
const chatFault = (name, reader, change, edit = () => {}) => {
  const model = chatModel();
  edit(model.chat);
  fault(name, reader, change, { model });
};
/** A format that nobody writes with tools: the offset is of the section's `at`. */
const chatWhere = (at) => (built) => built.sections.chat.at + at;
const PART_ENDS = 56;

chatFault(
  "chat_required",
  "BAD_HEADER",
  inEntry("chat", 4, (file, at) => file.writeUInt32LE(1, at)),
);
chatFault("chat_unknown_flag", "UNSUPPORTED", u32In("chat", 0, 7));
chatFault("chat_no_name", "BAD_HEADER", u32In("chat", 4, 1));
chatFault("chat_name_huge", "LIMIT_EXCEEDED", u32In("chat", 4, 33));
chatFault("chat_name_capital", "BAD_HEADER", byteIn("chat", chat.name, 0x47));
chatFault("chat_name_unterminated", "BAD_HEADER", byteIn("chat", chat.system - 1, 0x2e));
chatFault("chat_system_huge", "LIMIT_EXCEEDED", u32In("chat", 8, 65537));
chatFault("chat_system_not_utf8", "BAD_HEADER", byteIn("chat", chat.system + 2, 0x80));
chatFault("chat_system_control_character", "BAD_HEADER", byteIn("chat", chat.system, 0x1b));
chatFault("chat_too_many_stops", "LIMIT_EXCEEDED", u32In("chat", 12, 9));
chatFault("chat_stop_no_token", "BAD_HEADER", u32In("chat", 16, 260));
chatFault("chat_unused_stop", "BAD_HEADER", u32In("chat", 16 + 4 * 7, 0));
chatFault("chat_too_many_segments", "LIMIT_EXCEEDED", u32In("chat", 48, 257));
chatFault("chat_text_huge", "LIMIT_EXCEEDED", u32In("chat", 52, 65537));
chatFault("chat_part_falls", "BAD_HEADER", u32In("chat", PART_ENDS + 4, 0));
chatFault("chat_part_beyond_segments", "BAD_HEADER", u32In("chat", PART_ENDS + 4, 200));
chatFault("chat_part_beyond_limit", "LIMIT_EXCEEDED", u32In("chat", PART_ENDS + 4, 257));
chatFault("chat_last_part_short", "BAD_HEADER", u32In("chat", PART_ENDS + 40, 16));
chatFault("chat_reserved", "BAD_HEADER", byteIn("chat", 127, 1));
chatFault("chat_size", "BAD_HEADER", (built) => {
  u32In("chat", 8, 3)(built);
  return built.sections.chat.at;
});
chatFault("chat_segment_no_token", "BAD_HEADER", u32In("chat", chat.segments, 260));
chatFault("chat_segment_token_and_text", "BAD_HEADER", (built) => {
  u32In("chat", chat.segments + 4, 1)(built);
  return built.sections.chat.at + chat.segments;
});
chatFault("chat_segment_empty", "BAD_HEADER", chatWhere(chat.segments + 8), (format) => {
  format.parts[1] = [""];
});
chatFault("chat_segment_beyond_text", "BAD_HEADER", u32In("chat", chat.segments + 8 + 4, 4000));
chatFault(
  "chat_segment_beyond_limit",
  "LIMIT_EXCEEDED",
  u32In("chat", chat.segments + 8 + 4, 65537),
);
chatFault("chat_text_left_over", "BAD_HEADER", (built) => {
  // The last segment, "</think>", loses its last byte.
  u32In("chat", chat.name - 4, 7)(built);
  return built.sections.chat.at + 52;
});
chatFault("chat_text_not_utf8", "BAD_HEADER", byteIn("chat", chat.text + 3, 0xff));
chatFault(
  "chat_character_in_two_segments",
  "BAD_HEADER",
  (built) => {
    // "é" and "x" where the first segment takes only the first byte of the character.
    u32In("chat", chat.segments + 8 + 4, 1)(built);
    u32In("chat", chat.segments + 16 + 4, 2)(built);
    return built.sections.chat.at + chat.text + 8;
  },
  (format) => {
    format.parts[1] = ["\u00e9", "x"];
  },
);
chatFault(
  "chat_thinking_of_two_segments",
  "BAD_HEADER",
  chatWhere(PART_ENDS + 4 * 10),
  (format) => {
    format.parts[10] = ["</", "think>"];
  },
);
chatFault("chat_thinking_without_end", "BAD_HEADER", chatWhere(0), (format) => {
  format.flags = 1;
  format.parts[10] = [];
});
chatFault("chat_thinking_dropped_without_end", "BAD_HEADER", chatWhere(0), (format) => {
  format.parts[9] = [];
  format.parts[10] = [];
});
chatFault("chat_thinking_long", "LIMIT_EXCEEDED", chatWhere(chat.segments + 8 * 16), (format) => {
  format.parts[10] = ["x".repeat(65)];
});
chatFault(
  "chat_thinking_half_character",
  "BAD_HEADER",
  chatWhere(chat.segments + 8 * 16),
  (format) => {
    format.parts[10] = [0xc3]; // the token of that byte
  },
);

// ---------------------------------------------------------------- ABOUT

fault("about_no_name", "BAD_HEADER", u32In("about", 0, 0));
fault("about_name_huge", "LIMIT_EXCEEDED", u32In("about", 0, 4097));
fault("about_size", "BAD_HEADER", (built) => {
  u32In("about", 0, 9)(built);
  return built.sections.about.at;
});
fault("about_reserved", "BAD_HEADER", byteIn("about", 15, 1));
fault("about_not_utf8", "BAD_HEADER", byteIn("about", 16, 0xff));
fault("about_control_character", "BAD_HEADER", byteIn("about", 17, 0x1b));
fault("about_zero_inside", "BAD_HEADER", byteIn("about", 18, 0));
fault("about_unterminated", "BAD_HEADER", byteIn("about", 16 + 7, 0x21));

/** Everything that tests/golden/container/ holds: name -> bytes. */
export function goldenFiles() {
  const files = new Map(goldens.map(({ name, file }) => [name, Buffer.from(file)]));
  const lines = goldens.map(({ name, reader, open, where }) =>
    [name, reader, open, where].join("\t"),
  );
  const table = ["# file\treader\topen\twhere", ...lines.sort(), ""].join("\n");
  return files.set("expected.tsv", Buffer.from(table));
}

/** Where the fuzzers start: path below tests/fuzz/corpus/ -> bytes. */
export function fuzzSeeds() {
  const seeds = new Map();
  const models = {
    ternary: ternaryModel(),
    dense: denseModel(),
    small: smallModel(),
    learned: learnedModel(),
    head_norms: headNormsModel(),
    chat: chatModel(),
    states: stateModel(),
    wordpiece: wordPieceModel(),
  };
  for (const [name, model] of Object.entries(models)) {
    const { file, headerBytes } = buildContainer(model);
    seeds.set(`fuzz_container_header/seed_${name}`, file.subarray(0, headerBytes));
  }
  const optional = buildContainer(smallModel(), [{ id: 8, flags: 0, bytes: Buffer.from("new") }]);
  seeds.set(
    "fuzz_container_header/seed_optional_section",
    optional.file.subarray(0, optional.headerBytes),
  );
  // How to load stands in front of the file: see fuzz_container_loader.c.
  const loads = {
    copied: [0, 0, 0, 0],
    copied_known_size: [2, 0, 0, 0],
    mapped: [1, 0, 0, 0],
    mapped_wrong_size: [1, 0, 0, 1],
    no_header_memory: [0, 1, 0, 0],
    no_data_memory: [0, 2, 0, 0],
    place_out_of_turn: [0, 0, 1, 0],
    give_out_of_turn: [0, 0, 2, 0],
  };
  const { file } = buildContainer(smallModel());
  for (const [name, how] of Object.entries(loads))
    seeds.set(`fuzz_container_loader/seed_${name}`, Buffer.concat([Buffer.from(how), file]));
  return seeds;
}
