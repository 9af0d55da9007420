/*
 * test_read_bitmamba.c: the golden BitMamba-2 file tensor by tensor, and the same file with every fault that its structure allows:
 * cut at any place, another number in any head, something behind the end.
 */
#include "bitmamba_model.h"
#include "source_copy.h"

#define GOLDEN "golden/models/bitmamba2-bin/model.bin"
#define LAYERS 2u
#define HIDDEN 40u
#define HEADS 4u

static char folder[COPY_PATH_BYTES], path[COPY_PATH_BYTES];
static uint8_t *golden;
static size_t golden_bytes;

static tercet_status open_bytes(const uint8_t *bytes, size_t count, tercet_error *error) {
    struct source_weights source;
    struct bitmamba_shape shape;
    folder_write(folder, "model.bin", bytes, count);
    tercet_status status = bitmamba_open(path, &source, &shape, error);
    if (status == TERCET_OK) {
        for (uint32_t i = 0; i < source.tensor_count; i++) {
            const struct source_tensor *tensor = source.tensors[i];
            CHECK(tensor->offset + tensor->bytes <= count);
        }
        source_weights_close(&source);
    }
    return status;
}

static void put_u32(uint8_t *at, uint32_t value) {
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static void test_golden(void) {
    struct source_weights source;
    struct bitmamba_shape shape;
    struct architecture architecture;
    uint32_t index;
    CHECK(bitmamba_is(GOLDEN));
    CHECK(!bitmamba_is("golden/models/bitmamba2-bin/tokenizer.bin"));
    CHECK(!bitmamba_is("golden/models/bitmamba2-bin"));
    CHECK(!bitmamba_is("golden/models/nothing"));
    REQUIRE(bitmamba_open(GOLDEN, &source, &shape, NULL) == TERCET_OK);
    CHECK(shape.layers == LAYERS && shape.hidden == HIDDEN && shape.heads == HEADS);
    CHECK_EQ(source.tensor_count, 1 + LAYERS * (9 + 2) + 4);
    REQUIRE(source_weights_find(&source, "layers.1.in_proj.weight", &index));
    CHECK_EQ(source.tensors[index]->bytes, (4 * HIDDEN + 3 * HEADS) * (HIDDEN / 4));
    CHECK(source.tensors[index]->dtype == SOURCE_QUADS);
    REQUIRE(source_weights_find(&source, "layers.1.conv1d.weight", &index));
    CHECK(source.tensors[index]->rank == 2 && source.tensors[index]->shape[0] == 2 * HIDDEN &&
          source.tensors[index]->shape[1] == 4);
    REQUIRE(bitmamba_model_read(&shape, &source, &architecture, NULL) == TERCET_OK);
    CHECK_EQ(architecture.tensor_count, 1 + LAYERS * 9 + 3);
    CHECK_EQ(architecture.config.inner, 2 * HIDDEN);
    CHECK_EQ(architecture.config.head_dim, 2 * HIDDEN / HEADS);
    architecture_free(&architecture);
    source_weights_close(&source);
}

/* Every cut is noticed; cuts inside of large tensors are sampled. */
static void test_cut(void) {
    tercet_error error;
    for (size_t count = 0; count < golden_bytes; count += count < 64 ? 1 : 97) {
        tercet_status status = open_bytes(golden, count, &error);
        CHECK_STATUS(status, TERCET_BAD_SOURCE);
        CHECK(strstr(error.detail, "model.bin is cut short") != NULL);
    }
    uint8_t *longer = malloc(golden_bytes + 1);
    REQUIRE(longer != NULL);
    memcpy(longer, golden, golden_bytes);
    longer[golden_bytes] = 0;
    CHECK_STATUS(open_bytes(longer, golden_bytes + 1, &error), TERCET_BAD_SOURCE);
    CHECK(strstr(error.detail, "1 bytes behind its last tensor") != NULL);
    free(longer);
}

static void test_heads(void) {
    static const struct {
        size_t at; /* of a u32 */
        uint32_t value;
        tercet_status want;
        const char *word;
    } cases[] = {
        {0, 0x42495433, TERCET_BAD_SOURCE, "no BitMamba-2 file"},
        {4, 0, TERCET_BAD_SOURCE, "make no model"},
        {4, LIMIT_VOCABULARY + 1, TERCET_LIMIT_EXCEEDED, "vocabulary"},
        {4, 7, TERCET_BAD_SOURCE, "embed.weight"},
        {8, 0, TERCET_BAD_SOURCE, "make no model"},
        {8, 0x80000000u, TERCET_LIMIT_EXCEEDED, "width"},
        {8, 44, TERCET_BAD_SOURCE, "embed.weight"},
        {12, 0, TERCET_BAD_SOURCE, "make no model"},
        {12, LIMIT_LAYERS + 1, TERCET_LIMIT_EXCEEDED, "layers"},
        {12, 1, TERCET_BAD_SOURCE, "lm_head.norm.weight"},
        {12, 3, TERCET_BAD_SOURCE, "layers.2.in_proj.weight"},
        {16, 0, TERCET_BAD_SOURCE, "make no model"},
        {16, 3, TERCET_BAD_SOURCE, "make no model"},
        {16, 5, TERCET_BAD_SOURCE, "layers.0.in_proj.weight"},
        {16, 0xFFFFFFFFu, TERCET_LIMIT_EXCEEDED, "heads"},
        {20, 2, TERCET_BAD_SOURCE, "embed.weight"}, /* its type */
        {24, 1, TERCET_BAD_SOURCE, "embed.weight"}, /* its rank */
        {24, 0xFFFFFFFFu, TERCET_BAD_SOURCE, "embed.weight"},
        {32, 41, TERCET_BAD_SOURCE, "embed.weight"}, /* its width */
    };
    uint8_t *bytes = malloc(golden_bytes);
    REQUIRE(bytes != NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tercet_error error = {TERCET_OK, 0, ""};
        memcpy(bytes, golden, golden_bytes);
        put_u32(bytes + cases[i].at, cases[i].value);
        CHECK_STATUS(open_bytes(bytes, golden_bytes, &error), cases[i].want);
        CHECK(strstr(error.detail, cases[i].word) != NULL);
    }
    free(bytes);
}

static void test_not_there(void) {
    struct source_weights source;
    struct bitmamba_shape shape;
    CHECK_STATUS(bitmamba_open("golden/models/nothing.bin", &source, &shape, NULL),
                 TERCET_FILE_NOT_FOUND);
    CHECK_STATUS(bitmamba_open("golden/models", &source, &shape, NULL), TERCET_FILE_READ_FAILED);
}

/* Heads that the file may have and that cannot be run. */
static void test_head_sizes(void) {
    static const struct bitmamba_shape shapes[] = {{4, 4, 1, 8}, {4, 4096, 1, 2}};
    const struct source_weights none = {0};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct architecture architecture;
        tercet_error error = {0};
        CHECK_STATUS(bitmamba_model_read(&shapes[i], &none, &architecture, &error),
                     TERCET_LIMIT_EXCEEDED);
        CHECK(strstr(error.detail, "heads of") != NULL);
        architecture_free(&architecture);
    }
}

int main(void) {
    test_head_sizes();
    FILE *file = fopen(GOLDEN, "rb");
    REQUIRE(file != NULL);
    fseek(file, 0, SEEK_END);
    golden_bytes = (size_t)ftell(file);
    rewind(file);
    golden = malloc(golden_bytes);
    REQUIRE(golden != NULL && fread(golden, 1, golden_bytes, file) == golden_bytes);
    fclose(file);
    folder_make(folder);
    (void)folder_path(folder, "model.bin", path);
    test_golden();
    test_cut();
    test_heads();
    test_not_there();
    free(golden);
    folder_remove(folder);
    return check_done();
}
