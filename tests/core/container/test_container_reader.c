/*
 * test_container_reader.c: what the reader makes of well-formed files, and each field of the header at the edges of what is
 * allowed. Faults that need more than one field stand in golden/container/ (test_container_goldens.c).
 */
#define _POSIX_C_SOURCE 200809L /* posix_memalign */
#include "container_consistency.h"
#include "golden_file.h"

#include <math.h>

static tercet_status read_header(const uint8_t *header, size_t bytes, uint64_t file_bytes,
                                 struct container *container, tercet_error *error) {
    return container_read_header((untrusted_bytes){header, bytes}, file_bytes, container, error);
}

static void check_ternary_model(void) {
    struct golden_file golden = golden_read("golden/container/well_formed.tercet");
    size_t header_bytes = golden_header_bytes(golden.bytes);
    struct container c;
    CHECK_STATUS(read_header(golden.bytes, header_bytes, golden.count, &c, NULL), TERCET_OK);
    REQUIRE(container_inconsistency(&c, golden.bytes) == NULL);
    CHECK_EQ(c.prefix.section_count, 6);
    CHECK_EQ(c.prefix.file_bytes, golden.count);
    const struct container_config *config = &c.config;
    CHECK_EQ(config->family, FAMILY_BITNET);
    CHECK_EQ(config->flags, CONFIG_FLAG_SUB_NORMS);
    CHECK(config->layers == 1 && config->hidden == 20 && config->inner == 24 && config->heads == 4);
    CHECK(config->kv_heads == 2 && config->head_dim == 4 && config->vocabulary == 12 &&
          config->context == 64);
    CHECK(config->activation == ACTIVATION_RELU2 && config->activation_bits == 8);
    CHECK(config->norm_epsilon == 0x1p-17f && config->temperature == 0.75f &&
          config->top_p == 0.9375f);
    CHECK(config->min_p == 0.0f && config->top_k == 8);
    CHECK(config->stop_count == 1 && config->stop_tokens[0] == 2 &&
          config->stop_tokens[1] == TERCET_NO_TOKEN);
    double frequency;
    memcpy(&frequency, c.rope_frequencies + 8, sizeof frequency);
    CHECK(c.rope_scale == 1.0 && c.rope_count == 2 && frequency == 0.015625);
    CHECK_EQ(c.tensor_count, 14);
    struct container_tensor gate = container_get_tensor(&c, 8);
    CHECK(gate.stage == 1 && gate.role == ROLE_GATE && gate.type == TENSOR_TERNARY &&
          gate.scale == SCALE_GROUP128);
    CHECK(gate.rows == 24 && gate.columns == 20 && gate.bytes == 2 * 2 * 64 + 2 * 32);
    CHECK_EQ(c.chunk_count, 1);
    uint8_t hash[32];
    golden_sha256(golden.bytes + header_bytes, golden.count - header_bytes, hash);
    CHECK_MEM(c.chunk_sha256, hash, 32);
    golden_model_id(golden.bytes, header_bytes, hash);
    CHECK_MEM(c.model_id, hash, 32);
    const struct container_tokenizer *t = &c.tokenizer;
    CHECK(t->kind == TOKENIZER_SENTENCEPIECE && t->splitter == SPLITTER_NONE && t->flags == 7);
    CHECK(t->token_count == 12 && t->sorted_count == 7 && t->merge_count == 4 &&
          t->special_count == 2);
    CHECK(t->beginning == 1 && t->unknown == 0 && t->byte_tokens['A'] == 3 &&
          t->byte_tokens['B'] == TERCET_NO_TOKEN);
    CHECK_MEM(t->text + t->text_offsets[9], " ab", 3);
    CHECK(t->specials[0] == 2 && t->specials[1] == 1 && t->kinds[3] == TOKEN_BYTE);
    CHECK_STR(c.name, "Golden ternary");
    CHECK_STR(c.licence, "MIT");
    CHECK_STR(c.source, "container_models.mjs");
    free(golden.bytes);
}

static void check_dense_model(void) {
    struct golden_file golden = golden_read("golden/container/well_formed_dense.tercet");
    struct container c;
    CHECK_STATUS(read_header(golden.bytes, golden_header_bytes(golden.bytes), 0, &c, NULL),
                 TERCET_OK);
    REQUIRE(container_inconsistency(&c, golden.bytes) == NULL);
    CHECK_EQ(c.config.flags, CONFIG_FLAG_TIED_HEAD | CONFIG_FLAG_ROPE_INTERLEAVED);
    CHECK(c.config.activation_bits == 32 && c.config.vocabulary == 264 &&
          c.tokenizer.token_count == 260);
    CHECK(c.tokenizer.kind == TOKENIZER_BYTE_BPE && c.tokenizer.beginning == TERCET_NO_TOKEN);
    CHECK_STR(c.name, "");
    CHECK_STR(c.licence, "");
    CHECK_STR(c.source, "");
    free(golden.bytes);
}

/* Sections that may be skipped change nothing of what is read. */
static void check_unknown_optional(void) {
    struct golden_file golden = golden_read("golden/container/unknown_optional_section.tercet");
    struct container c;
    CHECK_STATUS(read_header(golden.bytes, golden_header_bytes(golden.bytes), 0, &c, NULL),
                 TERCET_OK);
    CHECK_EQ(c.prefix.section_count, 8);
    CHECK_STR(c.name, "Golden ternary");
    CHECK_EQ(c.tensor_count, 14);
    free(golden.bytes);
}

/* A file shorter than its prefix is ours and cut, or not ours, by what little is there. */
static void check_short_prefix(const struct golden_file *golden) {
    struct container_prefix prefix;
    for (size_t count = 0; count < PREFIX_BYTES; count++) {
        uint8_t *bytes = aligned_copy(golden->bytes, count);
        tercet_error error = {0};
        CHECK_STATUS(container_read_prefix((untrusted_bytes){bytes, count}, 0, &prefix, &error),
                     TERCET_TRUNCATED);
        CHECK_EQ(error.where, count);
        if (count > 0) {
            bytes[count < 8 ? count - 1 : 7] ^= 1;
            CHECK_STATUS(container_read_prefix((untrusted_bytes){bytes, count}, 0, &prefix, NULL),
                         TERCET_BAD_MAGIC);
        }
        free(bytes);
    }
    CHECK_STATUS(container_read_prefix((untrusted_bytes){NULL, 0}, 0, &prefix, NULL),
                 TERCET_TRUNCATED);
}

static void check_known_size(const struct golden_file *golden) {
    struct container_prefix prefix;
    tercet_error error = {0};
    untrusted_bytes bytes = {golden->bytes, PREFIX_BYTES};
    CHECK_STATUS(container_read_prefix(bytes, 0, &prefix, NULL), TERCET_OK);
    CHECK_STATUS(container_read_prefix(bytes, golden->count, &prefix, NULL), TERCET_OK);
    CHECK_STATUS(container_read_prefix(bytes, golden->count - 1, &prefix, &error),
                 TERCET_TRUNCATED);
    CHECK_EQ(error.where, golden->count - 1);
    CHECK_STATUS(container_read_prefix(bytes, golden->count + 1, &prefix, &error),
                 TERCET_TRAILING_BYTES);
    CHECK_EQ(error.where, golden->count);
}

/* Mistakes of the caller, which no file can cause. */
static void check_arguments(const struct golden_file *golden) {
    size_t header_bytes = golden_header_bytes(golden->bytes);
    struct container c;
    memset(&c, 0xAA, sizeof c);
    uint8_t *shifted = aligned_block(header_bytes + 8);
    memcpy(shifted + 8, golden->bytes, header_bytes);
    CHECK_STATUS(read_header(shifted + 8, header_bytes, 0, &c, NULL), TERCET_BAD_ARGUMENT);
    CHECK(c.model_id == NULL && c.name == NULL);
    free(shifted);
    CHECK_STATUS(read_header(golden->bytes, header_bytes + 64, 0, &c, NULL), TERCET_BAD_ARGUMENT);
    CHECK_STATUS(read_header(golden->bytes, header_bytes - 1, 0, &c, NULL), TERCET_TRUNCATED);
}

/* One field with one value. `refused` is OK for values that the field itself allows; the file may then still be refused
 * elsewhere, because another field contradicts it. */
struct edge {
    uint32_t section; /* 0: the prefix */
    uint32_t at;
    uint32_t width; /* 4 or 8 */
    uint64_t value;
    tercet_status refused;
};

static uint64_t f32_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static uint64_t f64_bits(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static size_t section_offset(const uint8_t *header, uint32_t section) {
    for (size_t entry = 64; section != 0; entry += 24) {
        uint32_t id, offset;
        memcpy(&id, header + entry, sizeof id);
        memcpy(&offset, header + entry + 8, sizeof offset);
        if (id == section)
            return offset;
    }
    return 0;
}

static void check_edge(const struct golden_file *golden, const struct edge *edge) {
    size_t header_bytes = golden_header_bytes(golden->bytes);
    uint8_t *header = aligned_copy(golden->bytes, header_bytes);
    size_t at = section_offset(header, edge->section) + edge->at;
    memcpy(header + at, &edge->value, edge->width);
    struct container c;
    tercet_error error = {0};
    tercet_status status = read_header(header, header_bytes, 0, &c, &error);
    int good;
    if (edge->refused != TERCET_OK) {
        good = CHECK_STATUS(status, edge->refused);
        good &= CHECK_EQ(error.where, at);
    } else {
        good = CHECK(status == TERCET_OK || error.where != at);
        if (status == TERCET_OK)
            good &= CHECK(container_inconsistency(&c, header) == NULL);
    }
    if (!good)
        fprintf(stderr, "    section %u, field at %u, value %llu: %s\n", edge->section, edge->at,
                (unsigned long long)edge->value, error.detail);
    free(header);
}

#define OK TERCET_OK
#define BAD TERCET_BAD_HEADER
#define BIG TERCET_LIMIT_EXCEEDED
#define NEW TERCET_UNSUPPORTED
#define MAX32 0xFFFFFFFFu

static void check_u32_edges(const struct golden_file *golden) {
    static const struct edge edges[] = {
        {0, PREFIX_AT_VERSION, 4, 0, BAD},
        {0, PREFIX_AT_VERSION, 4, 2, TERCET_VERSION_TOO_NEW},
        {0, PREFIX_AT_VERSION, 4, MAX32, TERCET_VERSION_TOO_NEW},
        {0, PREFIX_AT_SECTION_COUNT, 4, 0, BAD},
        {0, PREFIX_AT_SECTION_COUNT, 4, 32, OK},
        {0, PREFIX_AT_SECTION_COUNT, 4, 33, BIG},
        {0, PREFIX_AT_SECTION_COUNT, 4, MAX32, BIG},
        {0, PREFIX_AT_HEADER_BYTES, 8, 0, BAD},
        {0, PREFIX_AT_HEADER_BYTES, 8, LIMIT_HEADER_BYTES, OK},
        {0, PREFIX_AT_HEADER_BYTES, 8, LIMIT_HEADER_BYTES + 1, BIG},
        {0, PREFIX_AT_HEADER_BYTES, 8, UINT64_MAX, BIG},
        {0, PREFIX_AT_FILE_BYTES, 8, 0, BAD},
        {0, PREFIX_AT_FILE_BYTES, 8, LIMIT_FILE_BYTES + 1, BIG},
        {0, PREFIX_AT_FILE_BYTES, 8, UINT64_MAX, BIG},
        {SECTION_CONFIG, CONFIG_AT_FAMILY, 4, 0, NEW},
        {SECTION_CONFIG, CONFIG_AT_FAMILY, 4, 1, OK},
        {SECTION_CONFIG, CONFIG_AT_FAMILY, 4, FAMILY_LAST, OK},
        {SECTION_CONFIG, CONFIG_AT_FAMILY, 4, FAMILY_LAST + 1, NEW},
        {SECTION_CONFIG, CONFIG_AT_FLAGS, 4, 7, OK},
        {SECTION_CONFIG, CONFIG_AT_FLAGS, 4, CONFIG_FLAGS_ALL,
         BAD}, /* learned positions, interleaved */
        {SECTION_CONFIG, CONFIG_AT_FLAGS, 4, CONFIG_FLAGS_ALL & ~4u, BAD}, /* states as well */
        {SECTION_CONFIG, CONFIG_AT_FLAGS, 4,
         CONFIG_FLAGS_ALL & ~(4u | CONFIG_FLAG_STATE_SPACE | CONFIG_FLAG_LINEAR_NORMS), OK},
        {SECTION_CONFIG, CONFIG_AT_FLAGS, 4, CONFIG_FLAGS_ALL + 1, NEW},
        {SECTION_CONFIG, CONFIG_AT_FLAGS, 4, MAX32, NEW},
        {SECTION_CONFIG, CONFIG_AT_LAYERS, 4, 0, BAD},
        {SECTION_CONFIG, CONFIG_AT_LAYERS, 4, LIMIT_LAYERS, OK},
        {SECTION_CONFIG, CONFIG_AT_LAYERS, 4, LIMIT_LAYERS + 1, BIG},
        {SECTION_CONFIG, CONFIG_AT_HIDDEN, 4, 0, BAD},
        {SECTION_CONFIG, CONFIG_AT_HIDDEN, 4, LIMIT_HIDDEN, OK},
        {SECTION_CONFIG, CONFIG_AT_HIDDEN, 4, LIMIT_HIDDEN + 1, BIG},
        {SECTION_CONFIG, CONFIG_AT_INNER, 4, 0, BAD},
        {SECTION_CONFIG, CONFIG_AT_INNER, 4, LIMIT_INNER, OK},
        {SECTION_CONFIG, CONFIG_AT_INNER, 4, LIMIT_INNER + 1, BIG},
        {SECTION_CONFIG, CONFIG_AT_HEADS, 4, 0, BAD},
        {SECTION_CONFIG, CONFIG_AT_HEADS, 4, LIMIT_HEADS, OK},
        {SECTION_CONFIG, CONFIG_AT_HEADS, 4, LIMIT_HEADS + 1, BIG},
        {SECTION_CONFIG, CONFIG_AT_KV_HEADS, 4, 0, BAD},
        {SECTION_CONFIG, CONFIG_AT_KV_HEADS, 4, 4, OK},
        {SECTION_CONFIG, CONFIG_AT_KV_HEADS, 4, 8, BAD},
        {SECTION_CONFIG, CONFIG_AT_KV_HEADS, 4, LIMIT_HEADS + 1, BIG},
        {SECTION_CONFIG, CONFIG_AT_HEAD_DIM, 4, 0, BAD},
        {SECTION_CONFIG, CONFIG_AT_HEAD_DIM, 4, 1, BAD},
        {SECTION_CONFIG, CONFIG_AT_HEAD_DIM, 4, 3, BAD},
        {SECTION_CONFIG, CONFIG_AT_HEAD_DIM, 4, LIMIT_HEAD_DIM, OK},
        {SECTION_CONFIG, CONFIG_AT_HEAD_DIM, 4, LIMIT_HEAD_DIM + 1, BIG},
        {SECTION_CONFIG, CONFIG_AT_VOCABULARY, 4, 0, BAD},
        {SECTION_CONFIG, CONFIG_AT_VOCABULARY, 4, 2, OK},
        {SECTION_CONFIG, CONFIG_AT_VOCABULARY, 4, LIMIT_VOCABULARY, OK},
        {SECTION_CONFIG, CONFIG_AT_VOCABULARY, 4, LIMIT_VOCABULARY + 1, BIG},
        {SECTION_CONFIG, CONFIG_AT_CONTEXT, 4, 0, BAD},
        {SECTION_CONFIG, CONFIG_AT_CONTEXT, 4, LIMIT_CONTEXT, OK},
        {SECTION_CONFIG, CONFIG_AT_CONTEXT, 4, LIMIT_CONTEXT + 1, BIG},
        {SECTION_CONFIG, CONFIG_AT_ACTIVATION, 4, 0, NEW},
        {SECTION_CONFIG, CONFIG_AT_ACTIVATION, 4, 1, OK},
        {SECTION_CONFIG, CONFIG_AT_ACTIVATION, 4, ACTIVATION_LAST, OK},
        {SECTION_CONFIG, CONFIG_AT_ACTIVATION, 4, ACTIVATION_LAST + 1, NEW},
        {SECTION_CONFIG, CONFIG_AT_ACTIVATION_BITS, 4, 0, NEW},
        {SECTION_CONFIG, CONFIG_AT_ACTIVATION_BITS, 4, 16, NEW},
        {SECTION_CONFIG, CONFIG_AT_ACTIVATION_BITS, 4, 32, OK},
        {SECTION_CONFIG, CONFIG_AT_TOP_K, 4, LIMIT_VOCABULARY, OK},
        {SECTION_CONFIG, CONFIG_AT_TOP_K, 4, LIMIT_VOCABULARY + 1, BIG},
        {SECTION_CONFIG, CONFIG_AT_STOP_COUNT, 4, 9, BIG},
        {SECTION_CONFIG, CONFIG_AT_STOP_TOKENS, 4, 11, OK},
        {SECTION_CONFIG, CONFIG_AT_STOP_TOKENS, 4, 12, BAD},
        {SECTION_CONFIG, CONFIG_AT_STOP_TOKENS, 4, MAX32, BAD},
        {SECTION_CONFIG, CONFIG_AT_STOP_TOKENS + 28, 4, MAX32 - 1, BAD},
        {SECTION_CONFIG, CONFIG_AT_RESERVED, 4, 1, BAD},
        {SECTION_ROPE, ROPE_AT_COUNT, 4, 0, BAD},
        {SECTION_ROPE, ROPE_AT_COUNT, 4, MAX32, BAD},
        {SECTION_TENSORS, TENSORS_AT_COUNT, 4, 0, BAD},
        {SECTION_TENSORS, TENSORS_AT_COUNT, 4, LIMIT_TENSORS + 1, BIG},
        {SECTION_TENSORS, TENSORS_AT_ENTRIES + TENSOR_AT_STAGE, 4, 3, BAD},
        {SECTION_TENSORS, TENSORS_AT_ENTRIES + TENSOR_AT_STAGE, 4, MAX32, BAD},
        {SECTION_TENSORS, TENSORS_AT_ENTRIES + TENSOR_AT_ROLE, 4, 0, NEW},
        {SECTION_TENSORS, TENSORS_AT_ENTRIES + TENSOR_AT_ROLE, 4, MAX32, NEW},
        {SECTION_TENSORS, TENSORS_AT_ENTRIES + TENSOR_AT_TYPE, 4, 0, NEW},
        {SECTION_TENSORS, TENSORS_AT_ENTRIES + TENSOR_AT_TYPE, 4, 5, NEW},
        {SECTION_TENSORS, TENSORS_AT_ENTRIES + TENSOR_AT_SCALE, 4, 5, NEW},
        {SECTION_TENSORS, TENSORS_AT_ENTRIES + TENSOR_AT_SCALE, 4, MAX32, NEW},
        {SECTION_TENSORS, TENSORS_AT_ENTRIES + TENSOR_AT_ROWS, 4, 0, BAD},
        {SECTION_TENSORS, TENSORS_AT_ENTRIES + TENSOR_AT_ROWS, 4, LIMIT_VOCABULARY, OK},
        {SECTION_TENSORS, TENSORS_AT_ENTRIES + TENSOR_AT_ROWS, 4, LIMIT_VOCABULARY + 1, BIG},
        {SECTION_TENSORS, TENSORS_AT_ENTRIES + TENSOR_AT_ROWS, 4, MAX32, BIG},
        {SECTION_TENSORS, TENSORS_AT_ENTRIES + TENSOR_AT_COLUMNS, 4, 0, BAD},
        {SECTION_TENSORS, TENSORS_AT_ENTRIES + TENSOR_AT_COLUMNS, 4, MAX32, BIG},
        {SECTION_TENSORS, TENSORS_AT_ENTRIES + TENSOR_AT_OFFSET, 8, 0, BAD},
        {SECTION_TENSORS, TENSORS_AT_ENTRIES + TENSOR_AT_OFFSET, 8, UINT64_MAX, BAD},
        {SECTION_TENSORS, TENSORS_AT_ENTRIES + TENSOR_AT_BYTES, 8, 0, BAD},
        {SECTION_TENSORS, TENSORS_AT_ENTRIES + TENSOR_AT_BYTES, 8, UINT64_MAX, BAD},
        {SECTION_TOKENIZER, TOKENIZER_AT_KIND, 4, 0, NEW},
        {SECTION_TOKENIZER, TOKENIZER_AT_KIND, 4, 1, OK},
        {SECTION_TOKENIZER, TOKENIZER_AT_KIND, 4, 4, NEW},
        {SECTION_TOKENIZER, TOKENIZER_AT_SPLITTER, 4, SPLITTER_QWEN2, BAD}, /* of SentencePiece */
        {SECTION_TOKENIZER, TOKENIZER_AT_SPLITTER, 4, SPLITTER_QWEN2 + 1, NEW},
        {SECTION_TOKENIZER, TOKENIZER_AT_FLAGS, 4, TOKENIZER_FLAGS_ALL, OK},
        {SECTION_TOKENIZER, TOKENIZER_AT_FLAGS, 4, TOKENIZER_FLAGS_ALL + 1, NEW},
        {SECTION_TOKENIZER, TOKENIZER_AT_TOKEN_COUNT, 4, 0, BAD},
        {SECTION_TOKENIZER, TOKENIZER_AT_TOKEN_COUNT, 4, 11, OK},
        {SECTION_TOKENIZER, TOKENIZER_AT_TOKEN_COUNT, 4, 13, BAD},
        {SECTION_TOKENIZER, TOKENIZER_AT_TOKEN_COUNT, 4, MAX32, BIG},
        {SECTION_TOKENIZER, TOKENIZER_AT_SORTED_COUNT, 4, LIMIT_VOCABULARY, OK},
        {SECTION_TOKENIZER, TOKENIZER_AT_SORTED_COUNT, 4, LIMIT_VOCABULARY + 1, BIG},
        {SECTION_TOKENIZER, TOKENIZER_AT_MERGE_COUNT, 4, LIMIT_MERGES, OK},
        {SECTION_TOKENIZER, TOKENIZER_AT_MERGE_COUNT, 4, LIMIT_MERGES + 1, BIG},
        {SECTION_TOKENIZER, TOKENIZER_AT_SPECIAL_COUNT, 4, LIMIT_SPECIALS, OK},
        {SECTION_TOKENIZER, TOKENIZER_AT_SPECIAL_COUNT, 4, LIMIT_SPECIALS + 1, BIG},
        {SECTION_TOKENIZER, TOKENIZER_AT_TEXT_BYTES, 4, LIMIT_TOKEN_TEXT_BYTES, OK},
        {SECTION_TOKENIZER, TOKENIZER_AT_TEXT_BYTES, 4, LIMIT_TOKEN_TEXT_BYTES + 1, BIG},
        {SECTION_TOKENIZER, TOKENIZER_AT_BEGINNING, 4, 11, OK},
        {SECTION_TOKENIZER, TOKENIZER_AT_BEGINNING, 4, 12, BAD},
        {SECTION_TOKENIZER, TOKENIZER_AT_BEGINNING, 4, MAX32, BAD}, /* the flags ask for one */
        {SECTION_TOKENIZER, TOKENIZER_AT_UNKNOWN, 4, 12, BAD},
        {SECTION_TOKENIZER, TOKENIZER_AT_UNKNOWN, 4, MAX32, OK},
        {SECTION_TOKENIZER, TOKENIZER_AT_RESERVED, 8, 1, BAD},
        {SECTION_ABOUT, ABOUT_AT_NAME_BYTES, 4, 0, BAD},
        {SECTION_ABOUT, ABOUT_AT_LICENCE_BYTES, 4, ABOUT_STRING_BYTES_MAX, OK},
        {SECTION_ABOUT, ABOUT_AT_NAME_BYTES, 4, ABOUT_STRING_BYTES_MAX + 1, BIG},
        {SECTION_ABOUT, ABOUT_AT_LICENCE_BYTES, 4, 0, BAD},
        {SECTION_ABOUT, ABOUT_AT_LICENCE_BYTES, 4, MAX32, BIG},
        {SECTION_ABOUT, ABOUT_AT_SOURCE_BYTES, 4, 0, BAD},
        {SECTION_ABOUT, ABOUT_AT_SOURCE_BYTES, 4, MAX32, BIG},
        {SECTION_ABOUT, ABOUT_AT_RESERVED, 4, 1, BAD},
    };
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
        check_edge(golden, &edges[i]);
}

static void check_float_edges(const struct golden_file *golden) {
    const uint64_t least = f32_bits(0x1p-126f), below = f32_bits(0x1p-127f), nan = f32_bits(NAN);
    const uint64_t above_one = f32_bits(0x1.000002p+0f);
    const struct edge edges[] = {
        {SECTION_CONFIG, CONFIG_AT_NORM_EPSILON, 4, least, OK},
        {SECTION_CONFIG, CONFIG_AT_NORM_EPSILON, 4, below, BAD},
        {SECTION_CONFIG, CONFIG_AT_NORM_EPSILON, 4, f32_bits(1.0f), OK},
        {SECTION_CONFIG, CONFIG_AT_NORM_EPSILON, 4, above_one, BAD},
        {SECTION_CONFIG, CONFIG_AT_NORM_EPSILON, 4, nan, BAD},
        {SECTION_CONFIG, CONFIG_AT_NORM_EPSILON, 4, f32_bits(-1.0f), BAD},
        {SECTION_CONFIG, CONFIG_AT_TEMPERATURE, 4, f32_bits(100.0f), OK},
        {SECTION_CONFIG, CONFIG_AT_TEMPERATURE, 4, f32_bits(100.5f), BAD},
        {SECTION_CONFIG, CONFIG_AT_TEMPERATURE, 4, f32_bits(-0x1p-149f), BAD},
        {SECTION_CONFIG, CONFIG_AT_TEMPERATURE, 4, f32_bits(INFINITY), BAD},
        {SECTION_CONFIG, CONFIG_AT_TOP_P, 4, least, OK},
        {SECTION_CONFIG, CONFIG_AT_TOP_P, 4, f32_bits(1.0f), OK},
        {SECTION_CONFIG, CONFIG_AT_TOP_P, 4, above_one, BAD},
        {SECTION_CONFIG, CONFIG_AT_TOP_P, 4, nan, BAD},
        {SECTION_CONFIG, CONFIG_AT_MIN_P, 4, f32_bits(1.0f), OK},
        {SECTION_CONFIG, CONFIG_AT_MIN_P, 4, above_one, BAD},
        {SECTION_CONFIG, CONFIG_AT_MIN_P, 4, f32_bits(-INFINITY), BAD},
        {SECTION_ROPE, ROPE_AT_SCALE, 8, f64_bits(128.0), OK},
        {SECTION_ROPE, ROPE_AT_SCALE, 8, f64_bits(128.5), BAD},
        {SECTION_ROPE, ROPE_AT_SCALE, 8, f64_bits(-1.0), BAD},
        {SECTION_ROPE, ROPE_AT_SCALE, 8, f64_bits(INFINITY), BAD},
        {SECTION_ROPE, ROPE_AT_FREQUENCIES, 8, f64_bits(0.0), OK},
        {SECTION_ROPE, ROPE_AT_FREQUENCIES, 8, f64_bits(128.0), OK},
        {SECTION_ROPE, ROPE_AT_FREQUENCIES, 8, f64_bits(128.0000001), BAD},
        {SECTION_ROPE, ROPE_AT_FREQUENCIES + 8, 8, f64_bits(NAN), BAD},
        {SECTION_ROPE, ROPE_AT_FREQUENCIES + 8, 8, f64_bits(-0x1p-1074), BAD},
    };
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
        check_edge(golden, &edges[i]);
}

/* The name's first bytes as UTF-8 (RFC 3629), good and bad. */
static void check_names(const struct golden_file *golden) {
    static const struct {
        const char *text;
        size_t bytes;
        bool good;
    } names[] = {
        {" ~", 2, true},
        {"\xC2\xA0", 2, true},
        {"\xDF\xBF", 2, true},
        {"\xE0\xA0\x80", 3, true},
        {"\xED\x9F\xBF", 3, true},
        {"\xEE\x80\x80", 3, true},
        {"\xEF\xBF\xBF", 3, true},
        {"\xF0\x90\x80\x80", 4, true},
        {"\xF4\x8F\xBF\xBF", 4, true},
        {"\x1F", 1, false},             /* C0 */
        {"\n", 1, false},               /* C0 */
        {"\x7F", 1, false},             /* DEL */
        {"\xC2\x9B", 2, false},         /* C1: CSI */
        {"\x80", 1, false},             /* continuation alone */
        {"\xC1\xBF", 2, false},         /* overlong */
        {"\xE0\x9F\xBF", 3, false},     /* overlong */
        {"\xF0\x8F\xBF\xBF", 4, false}, /* overlong */
        {"\xED\xA0\x80", 3, false},     /* surrogate */
        {"\xF4\x90\x80\x80", 4, false}, /* beyond U+10FFFF */
        {"\xF5\x80\x80\x80", 4, false}, /* beyond U+10FFFF */
        {"\xE2\x82", 2, false},         /* third byte is none */
        {"\xF0\x9F\x98", 3, false},     /* fourth byte is none */
        {"\xC3(", 2, false},            /* second byte is none */
    };
    size_t header_bytes = golden_header_bytes(golden->bytes);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        uint8_t *header = aligned_copy(golden->bytes, header_bytes);
        size_t at = section_offset(header, SECTION_ABOUT) + ABOUT_HEAD_BYTES;
        memcpy(header + at, names[i].text, names[i].bytes);
        struct container c;
        tercet_error error = {0};
        tercet_status status = read_header(header, header_bytes, 0, &c, &error);
        if (!CHECK_EQ(status, names[i].good ? TERCET_OK : TERCET_BAD_HEADER))
            fprintf(stderr, "    name %zu\n", i);
        if (!names[i].good)
            CHECK_EQ(error.where, at);
        /* The same at the very end, where the NUL cuts a character short. */
        memcpy(header, golden->bytes, header_bytes);
        memcpy(header + at + strlen("Golden ternary") - names[i].bytes, names[i].text,
               names[i].bytes);
        CHECK_EQ(read_header(header, header_bytes, 0, &c, NULL),
                 names[i].good ? TERCET_OK : TERCET_BAD_HEADER);
        free(header);
    }
}

int main(void) {
    check_ternary_model();
    check_dense_model();
    check_unknown_optional();
    struct golden_file golden = golden_read("golden/container/well_formed.tercet");
    check_short_prefix(&golden);
    check_known_size(&golden);
    check_arguments(&golden);
    check_u32_edges(&golden);
    check_float_edges(&golden);
    check_names(&golden);
    free(golden.bytes);
    return check_done();
}
