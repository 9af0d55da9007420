/*
 * container_tensors.c: the sections TENSORS and CHUNKS, the size of a tensor, and the names of tensors. Checks the table in
 * itself (order, types, sizes, places); which tensors a model needs, and with which shapes, core/model compares.
 */
#include "container_sections.h"

enum place { PLACE_INPUT, PLACE_LAYER, PLACE_OUTPUT };

/* In rising order of the roles. */
static const struct role {
    uint32_t id;
    enum place place;
    const char *name;
} roles[] = {
    {ROLE_EMBEDDING, PLACE_INPUT, "embedding"},
    {ROLE_POSITION_EMBEDDING, PLACE_INPUT, "position_embedding"},
    {ROLE_ATTENTION_NORM, PLACE_LAYER, "attention.norm"},
    {ROLE_Q, PLACE_LAYER, "attention.q"},
    {ROLE_K, PLACE_LAYER, "attention.k"},
    {ROLE_V, PLACE_LAYER, "attention.v"},
    {ROLE_Q_BIAS, PLACE_LAYER, "attention.q_bias"},
    {ROLE_K_BIAS, PLACE_LAYER, "attention.k_bias"},
    {ROLE_V_BIAS, PLACE_LAYER, "attention.v_bias"},
    {ROLE_ATTENTION_SUB_NORM, PLACE_LAYER, "attention.sub_norm"},
    {ROLE_O, PLACE_LAYER, "attention.o"},
    {ROLE_O_BIAS, PLACE_LAYER, "attention.o_bias"},
    {ROLE_ATTENTION_NORM_BIAS, PLACE_LAYER, "attention.norm_bias"},
    {ROLE_Q_NORM, PLACE_LAYER, "attention.q_norm"},
    {ROLE_K_NORM, PLACE_LAYER, "attention.k_norm"},
    {ROLE_FFN_NORM, PLACE_LAYER, "ffn.norm"},
    {ROLE_GATE, PLACE_LAYER, "ffn.gate"},
    {ROLE_UP, PLACE_LAYER, "ffn.up"},
    {ROLE_FFN_SUB_NORM, PLACE_LAYER, "ffn.sub_norm"},
    {ROLE_DOWN, PLACE_LAYER, "ffn.down"},
    {ROLE_FFN_NORM_BIAS, PLACE_LAYER, "ffn.norm_bias"},
    {ROLE_GATE_BIAS, PLACE_LAYER, "ffn.gate_bias"},
    {ROLE_UP_BIAS, PLACE_LAYER, "ffn.up_bias"},
    {ROLE_DOWN_BIAS, PLACE_LAYER, "ffn.down_bias"},
    {ROLE_MIXER_NORM, PLACE_LAYER, "mixer.norm"},
    {ROLE_MIXER_IN, PLACE_LAYER, "mixer.in"},
    {ROLE_MIXER_CONV, PLACE_LAYER, "mixer.conv"},
    {ROLE_MIXER_CONV_BIAS, PLACE_LAYER, "mixer.conv_bias"},
    {ROLE_MIXER_STEP_BIAS, PLACE_LAYER, "mixer.step_bias"},
    {ROLE_MIXER_LOG_RATE, PLACE_LAYER, "mixer.log_rate"},
    {ROLE_MIXER_SKIP, PLACE_LAYER, "mixer.skip"},
    {ROLE_MIXER_OUT_NORM, PLACE_LAYER, "mixer.out_norm"},
    {ROLE_MIXER_OUT, PLACE_LAYER, "mixer.out"},
    {ROLE_Q_IN_NORM, PLACE_LAYER, "attention.q_in_norm"},
    {ROLE_K_IN_NORM, PLACE_LAYER, "attention.k_in_norm"},
    {ROLE_V_IN_NORM, PLACE_LAYER, "attention.v_in_norm"},
    {ROLE_O_IN_NORM, PLACE_LAYER, "attention.o_in_norm"},
    {ROLE_GATE_IN_NORM, PLACE_LAYER, "ffn.gate_in_norm"},
    {ROLE_UP_IN_NORM, PLACE_LAYER, "ffn.up_in_norm"},
    {ROLE_DOWN_IN_NORM, PLACE_LAYER, "ffn.down_in_norm"},
    {ROLE_OUTPUT_NORM, PLACE_OUTPUT, "output_norm"},
    {ROLE_HEAD, PLACE_OUTPUT, "head"},
    {ROLE_OUTPUT_NORM_BIAS, PLACE_OUTPUT, "output_norm_bias"},
    {ROLE_HEAD_BIAS, PLACE_OUTPUT, "head_bias"},
    {ROLE_HEAD_NORM, PLACE_OUTPUT, "head_norm"},
};

static const struct role *find_role(uint32_t id) {
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (roles[i].id == id)
            return &roles[i];
    return NULL;
}

/* Appends to a name; the longest one, "layers.4294967294.attention.norm_bias", has 37 characters. */
static char *append(char *at, const char *text) {
    while (*text != '\0')
        *at++ = *text++;
    *at = '\0';
    return at;
}

void container_tensor_name(uint32_t stage, uint32_t role, char name[64]) {
    const struct role *found = find_role(role);
    char *at = name;
    if (found == NULL || found->place == PLACE_LAYER) {
        char digits[11] = {0}; /* of a u32, from the end */
        char *first = digits + sizeof digits - 1;
        uint32_t layer = stage - 1;
        do {
            *--first = (char)('0' + layer % 10);
            layer /= 10;
        } while (layer != 0);
        at = append(append(append(at, "layers."), first), ".");
    }
    (void)append(at, found == NULL ? "unknown" : found->name);
}

/* Rows and columns are below 2^32, so their padded product is at most 2^64: only the last steps can overflow. */
static bool codes_bytes(uint32_t type, uint32_t rows, uint32_t columns, uint64_t *bytes) {
    uint64_t padded_rows = ((uint64_t)rows + 15u) & ~(uint64_t)15u;
    uint64_t padded_columns = ((uint64_t)columns + 15u) & ~(uint64_t)15u;
    if (!checked_mul_u64(padded_rows, padded_columns, bytes))
        return false;
    if (type == TENSOR_TERNARY)
        *bytes /= 4; /* two bits each */
    return true;
}

uint64_t container_scales_offset(uint32_t type, uint32_t rows, uint32_t columns) {
    uint64_t bytes = 0;
    return codes_bytes(type, rows, columns, &bytes)
               ? bytes
               : 0; /* whole tiles of 64 bytes: no padding follows */
}

/* Bytes of the scales of an int8 or ternary tensor; false for a pair that does not exist. */
static bool scales_bytes(uint32_t type, uint32_t scale, uint32_t rows, uint32_t columns,
                         uint64_t *bytes) {
    uint64_t strips = ((uint64_t)rows + 15u) / 16u;
    if (type == TENSOR_TERNARY && scale == SCALE_TENSOR) {
        *bytes = sizeof(float);
        return true;
    }
    if (scale == SCALE_ROW) {
        *bytes = strips * 16u * sizeof(float);
        return true;
    }
    if (type == TENSOR_TERNARY && (scale == SCALE_GROUP64 || scale == SCALE_GROUP128)) {
        uint64_t group = scale == SCALE_GROUP64 ? 64u : 128u;
        uint64_t groups = (columns + group - 1) / group;
        *bytes = strips * groups * 16u * sizeof(uint16_t); /* below 2^28 * 2^26 * 2^5 = 2^59 */
        return true;
    }
    return false;
}

bool container_tensor_bytes(uint32_t type, uint32_t scale, uint32_t rows, uint32_t columns,
                            uint64_t *bytes) {
    uint64_t total, scales;
    if (rows == 0 || columns == 0)
        return false;
    switch (type) {
    case TENSOR_F32:
    case TENSOR_F16:
        if (scale != SCALE_NONE)
            return false;
        if (!checked_mul_u64((uint64_t)rows * columns, type == TENSOR_F32 ? 4u : 2u, &total))
            return false;
        break;
    case TENSOR_INT8:
    case TENSOR_TERNARY:
        if (!scales_bytes(type, scale, rows, columns, &scales))
            return false;
        /* Branches not counted: codes that fit leave 2^36 bytes, and scales take 2^34 */
        if (!codes_bytes(type, rows, columns, &total) || !checked_add_u64(total, scales, &total))
            return false;
        break;
    default:
        return false;
    }
    return checked_pad_u64(total, CONTAINER_ALIGNMENT, bytes);
}

static uint32_t entry_u32(const uint8_t *entry, size_t at) {
    uint32_t value;
    memcpy(&value, entry + at, sizeof value);
    return value;
}

static uint64_t entry_u64(const uint8_t *entry, size_t at) {
    uint64_t value;
    memcpy(&value, entry + at, sizeof value);
    return value;
}

struct container_tensor container_get_tensor(const struct container *container, uint32_t index) {
    const uint8_t *entry = container->tensor_entries + (size_t)index * TENSOR_ENTRY_BYTES;
    return (struct container_tensor){
        .stage = entry_u32(entry, TENSOR_AT_STAGE),
        .role = entry_u32(entry, TENSOR_AT_ROLE),
        .type = entry_u32(entry, TENSOR_AT_TYPE),
        .scale = entry_u32(entry, TENSOR_AT_SCALE),
        .rows = entry_u32(entry, TENSOR_AT_ROWS),
        .columns = entry_u32(entry, TENSOR_AT_COLUMNS),
        .offset = entry_u64(entry, TENSOR_AT_OFFSET),
        .bytes = entry_u64(entry, TENSOR_AT_BYTES),
    };
}

/* Stage and role: known, in their place, and behind those of the entry before. */
static tercet_status read_order(const struct section *s, size_t at, uint32_t index, uint32_t layers,
                                struct container_tensor *tensor,
                                const struct container_tensor *previous, tercet_error *error) {
    TERCET_TRY(section_u32(s, at + TENSOR_AT_STAGE, "stage", 0, UINT32_MAX, &tensor->stage, error));
    TERCET_TRY(section_u32(s, at + TENSOR_AT_ROLE, "role", 0, UINT32_MAX, &tensor->role, error));
    if (tensor->stage > layers + 1)
        return tercet_fail(
            error, TERCET_BAD_HEADER, s->offset + at + TENSOR_AT_STAGE,
            "TENSORS: entry %u has stage %u, but the output of %u layers is stage %u", index,
            tensor->stage, layers, layers + 1);
    const struct role *role = find_role(tensor->role);
    if (role == NULL)
        return tercet_fail(error, TERCET_UNSUPPORTED, s->offset + at + TENSOR_AT_ROLE,
                           "TENSORS: entry %u has role %u, which this version does not know", index,
                           tensor->role);
    enum place place = tensor->stage == 0        ? PLACE_INPUT
                       : tensor->stage <= layers ? PLACE_LAYER
                                                 : PLACE_OUTPUT;
    if (role->place != place)
        return tercet_fail(error, TERCET_BAD_HEADER, s->offset + at + TENSOR_AT_ROLE,
                           "TENSORS: entry %u (%s) does not belong to stage %u", index, role->name,
                           tensor->stage);
    if (index > 0 && (tensor->stage < previous->stage ||
                      (tensor->stage == previous->stage && tensor->role <= previous->role)))
        return tercet_fail(
            error, TERCET_BAD_HEADER, s->offset + at + TENSOR_AT_STAGE,
            "TENSORS: entry %u is not behind the one before it in (stage, role) order", index);
    return TERCET_OK;
}

/* Type, scale, shape, and the size that follows from them. `s` covers the whole section. */
static tercet_status read_kind(const struct section *s, size_t at, uint32_t index,
                               struct container_tensor *tensor, tercet_error *error) {
    uint64_t bytes;
    TERCET_TRY(
        section_choice(s, at + TENSOR_AT_TYPE, "type", TENSOR_TERNARY, &tensor->type, error));
    TERCET_TRY(section_u32(s, at + TENSOR_AT_SCALE, "scale", 0, UINT32_MAX, &tensor->scale, error));
    TERCET_TRY(
        section_u32(s, at + TENSOR_AT_ROWS, "rows", 1, LIMIT_VOCABULARY, &tensor->rows, error));
    TERCET_TRY(
        section_u32(s, at + TENSOR_AT_COLUMNS, "columns", 1, LIMIT_INNER, &tensor->columns, error));
    if (!container_tensor_bytes(tensor->type, tensor->scale, tensor->rows, tensor->columns, &bytes))
        return tercet_fail(
            error, TERCET_UNSUPPORTED, s->offset + at + TENSOR_AT_SCALE,
            "TENSORS: entry %u has type %u with scale %u, which this version does not know", index,
            tensor->type, tensor->scale);
    if (tensor->type == TENSOR_INT8 && tensor->columns > LIMIT_INT8_COLUMNS)
        return tercet_fail(error, TERCET_LIMIT_EXCEEDED, s->offset + at + TENSOR_AT_COLUMNS,
                           "TENSORS: entry %u is int8 with %u columns, but may have at most %u",
                           index, tensor->columns, LIMIT_INT8_COLUMNS);
    TERCET_TRY(section_u64(s, at + TENSOR_AT_BYTES, "bytes", 0, UINT64_MAX, &tensor->bytes, error));
    if (tensor->bytes != bytes)
        return tercet_fail(error, TERCET_BAD_HEADER, s->offset + at + TENSOR_AT_BYTES,
                           "TENSORS: entry %u has %llu bytes, but its shape gives %llu", index,
                           (unsigned long long)tensor->bytes, (unsigned long long)bytes);
    return section_zero(s, at + TENSOR_AT_RESERVED, TENSOR_ENTRY_BYTES - TENSOR_AT_RESERVED, error);
}

tercet_status container_read_tensors(const struct section *s, struct container *container,
                                     tercet_error *error) {
    uint32_t count;
    TERCET_TRY(section_u32(s, TENSORS_AT_COUNT, "count", 1, LIMIT_TENSORS, &count, error));
    TERCET_TRY(section_size(s, TENSORS_AT_ENTRIES + (uint64_t)count * TENSOR_ENTRY_BYTES, error));
    TERCET_TRY(
        section_zero(s, TENSORS_AT_RESERVED, TENSORS_AT_ENTRIES - TENSORS_AT_RESERVED, error));
    uint64_t cursor = container->prefix.header_bytes, file_bytes = container->prefix.file_bytes;
    struct container_tensor previous = {0};
    for (uint32_t i = 0; i < count; i++) {
        size_t at = TENSORS_AT_ENTRIES + (size_t)i * TENSOR_ENTRY_BYTES;
        struct container_tensor tensor;
        TERCET_TRY(read_order(s, at, i, container->config.layers, &tensor, &previous, error));
        TERCET_TRY(read_kind(s, at, i, &tensor, error));
        TERCET_TRY(
            section_u64(s, at + TENSOR_AT_OFFSET, "offset", 0, UINT64_MAX, &tensor.offset, error));
        if (tensor.offset != cursor)
            return tercet_fail(error, TERCET_BAD_HEADER, s->offset + at + TENSOR_AT_OFFSET,
                               "TENSORS: entry %u is said to begin at %llu, but must begin at %llu",
                               i, (unsigned long long)tensor.offset, (unsigned long long)cursor);
        if (tensor.bytes > file_bytes - cursor)
            return tercet_fail(error, TERCET_BAD_HEADER, s->offset + at + TENSOR_AT_BYTES,
                               "TENSORS: entry %u reaches beyond the end of the file at %llu", i,
                               (unsigned long long)file_bytes);
        cursor += tensor.bytes;
        previous = tensor;
    }
    if (cursor != file_bytes)
        return tercet_fail(error, TERCET_BAD_HEADER, PREFIX_AT_FILE_BYTES,
                           "prefix: file_bytes is %llu, but the last tensor ends at %llu",
                           (unsigned long long)file_bytes, (unsigned long long)cursor);
    container->tensor_count = count;
    container->tensor_entries = s->bytes.bytes + TENSORS_AT_ENTRIES;
    return TERCET_OK;
}

tercet_status container_read_chunks(const struct section *s, struct container *container,
                                    tercet_error *error) {
    uint64_t data_bytes = container->prefix.file_bytes - container->prefix.header_bytes;
    /* At most 2^40 / 2^20 by the limit of the file. */
    uint32_t count = (uint32_t)((data_bytes + CONTAINER_CHUNK_BYTES - 1) / CONTAINER_CHUNK_BYTES);
    TERCET_TRY(section_size(s, (uint64_t)count * CHUNK_HASH_BYTES, error));
    container->chunk_count = count;
    container->chunk_sha256 = s->bytes.bytes;
    return TERCET_OK;
}
