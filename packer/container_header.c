/*
 * container_header.c: see container_header.h. The same plan always gives the same bytes: no clock, no path, no padding that
 * is not zero.
 */
#include "container_header.h"

#include <stdlib.h>

/* One section: its bytes are counted first, then written at their place. */
struct section_plan {
    uint32_t id;
    uint32_t flags;
    uint64_t bytes;
    bool present;
    uint64_t offset;
};

enum { CONFIG, ROPE, TENSORS, CHUNKS, TOKENIZER, CHAT, ABOUT, SECTIONS };

struct layout {
    struct section_plan sections[SECTIONS];
    uint32_t section_count;
    uint64_t header_bytes, data_bytes;
};

static void put_u32(uint8_t *at, uint32_t value) {
    for (unsigned i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static void put_u64(uint8_t *at, uint64_t value) {
    put_u32(at, (uint32_t)value);
    put_u32(at + 4, (uint32_t)(value >> 32));
}

static void put_f32(uint8_t *at, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_u32(at, bits);
}

static void put_f64(uint8_t *at, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_u64(at, bits);
}

static const char *text_or_empty(const char *text) {
    return text == NULL ? "" : text;
}

static bool has_about(const struct writer_plan *plan) {
    return text_or_empty(plan->name)[0] != '\0' || text_or_empty(plan->licence)[0] != '\0' ||
           text_or_empty(plan->source)[0] != '\0';
}

static tercet_status sum_data_bytes(const struct writer_plan *plan, uint64_t *sum,
                                    tercet_error *error) {
    *sum = 0;
    for (uint32_t i = 0; i < plan->tensor_count; i++) {
        const struct writer_tensor *tensor = &plan->tensors[i];
        char name[64];
        uint64_t bytes;
        container_tensor_name(tensor->stage, tensor->role, name);
        if (!container_tensor_bytes(tensor->type, tensor->scale, tensor->rows, tensor->columns,
                                    &bytes))
            return tercet_fail(error, TERCET_UNSUPPORTED, i,
                               "tensor %s has type %u with scale %u, which does not exist", name,
                               tensor->type, tensor->scale);
        if (!checked_add_u64(*sum, bytes, sum) || *sum > LIMIT_FILE_BYTES)
            return tercet_fail(error, TERCET_LIMIT_EXCEEDED, i,
                               "with tensor %s the file would exceed %llu bytes", name,
                               (unsigned long long)LIMIT_FILE_BYTES);
    }
    return TERCET_OK;
}

/* Frequencies in section ROPE: one a pair of a head, none where nothing is rotated. */
static uint32_t rope_count(const struct container_config *config) {
    return (config->flags & CONFIG_FLAGS_UNROTATED) != 0 ? 0 : config->head_dim / 2;
}

static tercet_status about_bytes(const struct writer_plan *plan, uint64_t *bytes,
                                 tercet_error *error) {
    const char *texts[] = {text_or_empty(plan->name), text_or_empty(plan->licence),
                           text_or_empty(plan->source)};
    *bytes = ABOUT_HEAD_BYTES;
    for (size_t i = 0; i < 3; i++) {
        size_t length = strlen(texts[i]) + 1;
        if (length > ABOUT_STRING_BYTES_MAX)
            return tercet_fail(error, TERCET_LIMIT_EXCEEDED, length,
                               "name, licence and source may have %u bytes each",
                               ABOUT_STRING_BYTES_MAX - 1);
        *bytes += length;
    }
    return TERCET_OK;
}

/* Sizes and places of all sections. What is counted here is limited first, so nothing overflows. */
static tercet_status plan_layout(const struct writer_plan *plan, struct layout *layout,
                                 tercet_error *error) {
    uint64_t about = 0, data_bytes;
    if (plan->tensor_count > LIMIT_TENSORS)
        return tercet_fail(error, TERCET_LIMIT_EXCEEDED, plan->tensor_count,
                           "a file holds at most %u tensors", LIMIT_TENSORS);
    if (plan->config.head_dim > LIMIT_HEAD_DIM)
        return tercet_fail(error, TERCET_LIMIT_EXCEEDED, plan->config.head_dim,
                           "head_dim is %u, but may be at most %u", plan->config.head_dim,
                           LIMIT_HEAD_DIM);
    if (plan->chat_bytes > LIMIT_HEADER_BYTES)
        return tercet_fail(error, TERCET_LIMIT_EXCEEDED, plan->chat_bytes,
                           "the chat format takes %llu bytes, but a header may have at most %u",
                           (unsigned long long)plan->chat_bytes, LIMIT_HEADER_BYTES);
    if (plan->tokenizer_bytes > LIMIT_HEADER_BYTES)
        return tercet_fail(error, TERCET_LIMIT_EXCEEDED, plan->tokenizer_bytes,
                           "the tokenizer takes %llu bytes, but a header may have at most %u",
                           (unsigned long long)plan->tokenizer_bytes, LIMIT_HEADER_BYTES);
    TERCET_TRY(sum_data_bytes(plan, &data_bytes, error));
    TERCET_TRY(about_bytes(plan, &about, error));
    uint64_t chunks = (data_bytes + CONTAINER_CHUNK_BYTES - 1) / CONTAINER_CHUNK_BYTES;
    *layout = (struct layout){
        .sections = {{SECTION_CONFIG, SECTION_FLAG_REQUIRED, CONFIG_BYTES, true, 0},
                     {SECTION_ROPE, SECTION_FLAG_REQUIRED,
                      ROPE_AT_FREQUENCIES + (uint64_t)rope_count(&plan->config) * sizeof(double),
                      true, 0},
                     {SECTION_TENSORS, SECTION_FLAG_REQUIRED,
                      TENSORS_AT_ENTRIES + (uint64_t)plan->tensor_count * TENSOR_ENTRY_BYTES, true,
                      0},
                     {SECTION_CHUNKS, SECTION_FLAG_REQUIRED, chunks * CHUNK_HASH_BYTES, true, 0},
                     {SECTION_TOKENIZER, SECTION_FLAG_REQUIRED, plan->tokenizer_bytes, true, 0},
                     {SECTION_CHAT, 0, plan->chat_bytes, plan->chat_bytes > 0, 0},
                     {SECTION_ABOUT, 0, about, has_about(plan), 0}},
        .data_bytes = data_bytes,
    };
    for (uint32_t i = 0; i < SECTIONS; i++)
        layout->section_count += layout->sections[i].present;
    uint64_t cursor = PREFIX_BYTES + (uint64_t)layout->section_count * SECTION_ENTRY_BYTES;
    for (uint32_t i = 0; i < SECTIONS; i++) {
        if (!layout->sections[i].present)
            continue;
        (void)checked_pad_u64(cursor, CONTAINER_ALIGNMENT, &cursor);
        layout->sections[i].offset = cursor;
        cursor += layout->sections[i].bytes;
    }
    (void)checked_pad_u64(cursor, CONTAINER_ALIGNMENT, &cursor);
    if (cursor > LIMIT_HEADER_BYTES)
        return tercet_fail(error, TERCET_LIMIT_EXCEEDED, cursor,
                           "the header would have %llu bytes, but may have at most %u",
                           (unsigned long long)cursor, LIMIT_HEADER_BYTES);
    layout->header_bytes = cursor;
    return TERCET_OK;
}

static void write_prefix(const struct layout *layout, uint8_t *header) {
    memcpy(header + PREFIX_AT_MAGIC, CONTAINER_MAGIC, sizeof CONTAINER_MAGIC - 1);
    put_u32(header + PREFIX_AT_VERSION, CONTAINER_VERSION);
    put_u32(header + PREFIX_AT_SECTION_COUNT, layout->section_count);
    put_u64(header + PREFIX_AT_HEADER_BYTES, layout->header_bytes);
    put_u64(header + PREFIX_AT_FILE_BYTES, layout->header_bytes + layout->data_bytes);
    uint8_t *entry = header + PREFIX_BYTES;
    for (uint32_t i = 0; i < SECTIONS; i++) {
        if (!layout->sections[i].present)
            continue;
        put_u32(entry + SECTION_AT_ID, layout->sections[i].id);
        put_u32(entry + SECTION_AT_FLAGS, layout->sections[i].flags);
        put_u64(entry + SECTION_AT_OFFSET, layout->sections[i].offset);
        put_u64(entry + SECTION_AT_BYTES, layout->sections[i].bytes);
        entry += SECTION_ENTRY_BYTES;
    }
}

static void write_config(const struct container_config *config, uint8_t *at) {
    put_u32(at + CONFIG_AT_FAMILY, config->family);
    put_u32(at + CONFIG_AT_FLAGS, config->flags);
    put_u32(at + CONFIG_AT_LAYERS, config->layers);
    put_u32(at + CONFIG_AT_HIDDEN, config->hidden);
    put_u32(at + CONFIG_AT_INNER, config->inner);
    put_u32(at + CONFIG_AT_HEADS, config->heads);
    put_u32(at + CONFIG_AT_KV_HEADS, config->kv_heads);
    put_u32(at + CONFIG_AT_HEAD_DIM, config->head_dim);
    put_u32(at + CONFIG_AT_VOCABULARY, config->vocabulary);
    put_u32(at + CONFIG_AT_CONTEXT, config->context);
    put_u32(at + CONFIG_AT_ACTIVATION, config->activation);
    put_u32(at + CONFIG_AT_ACTIVATION_BITS, config->activation_bits);
    put_f32(at + CONFIG_AT_NORM_EPSILON, config->norm_epsilon);
    put_f32(at + CONFIG_AT_TEMPERATURE, config->temperature);
    put_u32(at + CONFIG_AT_TOP_K, config->top_k);
    put_f32(at + CONFIG_AT_TOP_P, config->top_p);
    put_f32(at + CONFIG_AT_MIN_P, config->min_p);
    if ((config->flags & CONFIG_FLAG_LINEAR_NORMS) != 0)
        put_f32(at + CONFIG_AT_LINEAR_NORM_EPSILON, config->linear_norm_epsilon);
    put_u32(at + CONFIG_AT_STOP_COUNT, config->stop_count);
    for (uint32_t i = 0; i < CONFIG_STOP_TOKENS_MAX; i++)
        put_u32(at + CONFIG_AT_STOP_TOKENS + (size_t)i * sizeof(uint32_t),
                i < config->stop_count ? config->stop_tokens[i] : TERCET_NO_TOKEN);
}

static void write_rope(const struct writer_plan *plan, uint8_t *at) {
    uint32_t count = rope_count(&plan->config);
    put_u32(at + ROPE_AT_COUNT, count);
    put_f64(at + ROPE_AT_SCALE, plan->rope_scale);
    for (uint32_t i = 0; i < count; i++)
        put_f64(at + ROPE_AT_FREQUENCIES + (size_t)i * sizeof(double), plan->rope_frequencies[i]);
}

static void write_tensors(const struct writer_plan *plan, uint64_t offset, uint8_t *at) {
    put_u32(at + TENSORS_AT_COUNT, plan->tensor_count);
    for (uint32_t i = 0; i < plan->tensor_count; i++) {
        const struct writer_tensor *tensor = &plan->tensors[i];
        uint8_t *entry = at + TENSORS_AT_ENTRIES + (size_t)i * TENSOR_ENTRY_BYTES;
        uint64_t bytes = 0;
        (void)container_tensor_bytes(tensor->type, tensor->scale, tensor->rows, tensor->columns,
                                     &bytes);
        put_u32(entry + TENSOR_AT_STAGE, tensor->stage);
        put_u32(entry + TENSOR_AT_ROLE, tensor->role);
        put_u32(entry + TENSOR_AT_TYPE, tensor->type);
        put_u32(entry + TENSOR_AT_SCALE, tensor->scale);
        put_u32(entry + TENSOR_AT_ROWS, tensor->rows);
        put_u32(entry + TENSOR_AT_COLUMNS, tensor->columns);
        put_u64(entry + TENSOR_AT_OFFSET, offset);
        put_u64(entry + TENSOR_AT_BYTES, bytes);
        offset += bytes;
    }
}

static void write_about(const struct writer_plan *plan, uint8_t *at) {
    const char *texts[] = {text_or_empty(plan->name), text_or_empty(plan->licence),
                           text_or_empty(plan->source)};
    uint8_t *text = at + ABOUT_HEAD_BYTES;
    for (size_t i = 0; i < 3; i++) {
        size_t length = strlen(texts[i]) + 1;
        put_u32(at + ABOUT_AT_NAME_BYTES + i * sizeof(uint32_t), (uint32_t)length);
        memcpy(text, texts[i], length);
        text += length;
    }
}

tercet_status container_header_build(const struct writer_plan *plan,
                                     struct container_header *header, tercet_error *error) {
    struct layout layout = {0};
    *header = (struct container_header){0};
    TERCET_TRY(plan_layout(plan, &layout, error));
    uint8_t *bytes = aligned_alloc(CONTAINER_ALIGNMENT, (size_t)layout.header_bytes);
    if (bytes == NULL)
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, layout.header_bytes,
                           "no memory for a header of %llu bytes",
                           (unsigned long long)layout.header_bytes);
    memset(bytes, 0, (size_t)layout.header_bytes);
    write_prefix(&layout, bytes);
    write_config(&plan->config, bytes + layout.sections[CONFIG].offset);
    write_rope(plan, bytes + layout.sections[ROPE].offset);
    write_tensors(plan, layout.header_bytes, bytes + layout.sections[TENSORS].offset);
    if (plan->tokenizer_bytes > 0)
        memcpy(bytes + layout.sections[TOKENIZER].offset, plan->tokenizer_section,
               plan->tokenizer_bytes);
    if (plan->chat_bytes > 0)
        memcpy(bytes + layout.sections[CHAT].offset, plan->chat_section, plan->chat_bytes);
    if (has_about(plan))
        write_about(plan, bytes + layout.sections[ABOUT].offset);
    *header = (struct container_header){bytes, layout.header_bytes, layout.data_bytes,
                                        layout.sections[CHUNKS].offset};
    tercet_status status = container_header_check(header, error);
    if (status != TERCET_OK)
        container_header_free(header);
    return status;
}

tercet_status container_header_check(const struct container_header *header, tercet_error *error) {
    struct container container;
    untrusted_bytes bytes = {header->bytes, (size_t)header->header_bytes};
    tercet_status status =
        container_read_header(bytes, header->header_bytes + header->data_bytes, &container, error);
    /* To the one who packs, a header that the reader refuses means a model that makes no sense. */
    if (status == TERCET_BAD_HEADER) {
        status = TERCET_BAD_SOURCE;
        if (error != NULL)
            error->status = status;
    }
    return status;
}

void container_header_free(struct container_header *header) {
    free(header->bytes);
    *header = (struct container_header){0};
}
