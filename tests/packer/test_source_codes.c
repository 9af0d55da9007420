/*
 * test_source_codes.c: rows as codes say the same weights as rows of numbers, for every stored type that has codes and every
 * kind of scale; what they cannot say is told. And a crew of any size sees the same matrix, with the same first error.
 */
#define _GNU_SOURCE 1
#include "base/arena.h"
#include "base/thread_pool.h"
#include "source_copy.h"
#include "strip_crew.h"
#include "ternarize.h"

#include <math.h>

enum { ROWS = 150, COLUMNS = 512, BYTES_MAX = ROWS * COLUMNS };

/* A tensor of any type: the file holds its bytes as U8. */
struct bench {
    struct source_copy copy;
    struct source_weights source;
    struct source_tensor weight, scale;
    struct planned_tensor planned;
    struct source_matrix matrix;
};

static uint32_t random_state = 77;
static uint32_t next_random(void) {
    random_state = random_state * 1664525u + 1013904223u;
    return random_state >> 8;
}

static void bench_open(struct bench *bench, enum source_type type, const uint8_t *bytes,
                       size_t count) {
    const uint64_t shape[2] = {1, count}, one = 1;
    uint32_t index;
    memset(bench, 0, sizeof *bench);
    folder_make(bench->copy.folder);
    memcpy(copy_add(&bench->copy, "w", "U8", 2, shape, count)->bytes, bytes, count);
    copy_set_f32(copy_add(&bench->copy, "s", "F32", 1, &one, 4), 0, 0.375f);
    copy_write_shard(&bench->copy, "model.safetensors", 0, bench->copy.tensor_count);
    REQUIRE(safetensors_open(bench->copy.folder, &bench->source, NULL) == TERCET_OK);
    REQUIRE(source_weights_find(&bench->source, "w", &index));
    bench->weight = *bench->source.tensors[index];
    bench->weight.dtype = type;
    bench->weight.shape[0] = ROWS;
    bench->weight.shape[1] = COLUMNS;
    bench->weight.elements = (uint64_t)ROWS * COLUMNS;
    REQUIRE(source_weights_find(&bench->source, "s", &index));
    bench->scale = *bench->source.tensors[index];
    bench->planned = (struct planned_tensor){.stage = 1,
                                             .role = ROLE_Q,
                                             .rows = ROWS,
                                             .columns = COLUMNS,
                                             .source_outputs = ROWS,
                                             .linear = true,
                                             .weight = &bench->weight};
}

static void bench_start(struct bench *bench) {
    REQUIRE(source_matrix_open(&bench->source, SOURCE_MULTIPLY, &bench->planned, &bench->matrix,
                               NULL) == TERCET_OK);
}

static void bench_close(struct bench *bench) {
    source_matrix_close(&bench->matrix);
    source_weights_close(&bench->source);
    source_copy_close(&bench->copy);
}

/* All rows both ways, in strips that begin anywhere. */
static void check_rows(struct bench *bench, bool want_coded) {
    static float values[SOURCE_ROWS_MAX * COLUMNS], steps[SOURCE_ROWS_MAX * COLUMNS];
    static uint8_t codes[SOURCE_ROWS_MAX * COLUMNS];
    uint32_t span = source_matrix_code_span(&bench->matrix), wrong = 0;
    bool coded = false, all_coded = true;
    for (uint32_t first = 0; first < ROWS; first += 7) {
        uint32_t count = ROWS - first < 13 ? ROWS - first : 13;
        CHECK_STATUS(source_matrix_read_values(&bench->matrix, first, count, values, NULL),
                     TERCET_OK);
        CHECK_STATUS(
            source_matrix_read_codes(&bench->matrix, first, count, codes, steps, &coded, NULL),
            TERCET_OK);
        all_coded = all_coded && coded;
        for (uint32_t i = 0; i < count * COLUMNS && coded; i++) {
            float step = steps[i / COLUMNS * (COLUMNS / span) + i % COLUMNS / span];
            wrong += ((float)codes[i] - 1) * step != values[i] || codes[i] > 2 || !(step >= 0);
        }
    }
    CHECK_EQ(wrong, 0);
    CHECK_EQ(all_coded, want_coded);
}

static const struct {
    enum source_type type;
    uint32_t scale_at; /* of the half in its block */
} blocks[] = {{SOURCE_TQ1_0, 52},
              {SOURCE_TQ2_0, 64},
              {SOURCE_Q2_0, 0},
              {SOURCE_PQ2_0, 0},
              {SOURCE_PTQ1_0, 26}};

/* Random blocks; of those with two bits a code none is 3. */
static size_t fill_blocks(size_t which, uint8_t *bytes) {
    static const uint16_t halves[] = {0x3C00, 0xBC00, 0x0000, 0x8000, 0x0001, 0x7BFF, 0x2E66};
    enum source_type type = blocks[which].type;
    struct block_size size = block_size_of(type);
    size_t count = (size_t)ROWS * COLUMNS / size.columns;
    bool digits = type == SOURCE_TQ1_0 || type == SOURCE_PTQ1_0;
    for (size_t b = 0; b < count; b++) {
        uint8_t *block = bytes + b * size.bytes;
        uint16_t half = halves[next_random() % 7];
        for (uint32_t i = 0; i < size.bytes; i++) {
            uint32_t byte = next_random() & 0xFF;
            block[i] = (uint8_t)(digits ? byte : byte & ~(byte >> 1 & 0x55));
        }
        block[blocks[which].scale_at] = (uint8_t)half;
        block[blocks[which].scale_at + 1] = (uint8_t)(half >> 8);
    }
    return count * size.bytes;
}

static void test_blocks(void) {
    static uint8_t bytes[BYTES_MAX];
    static const float multipliers[] = {1.0f, -0.7f, 0.0f, 1e-44f};
    for (size_t b = 0; b < sizeof blocks / sizeof *blocks; b++) {
        struct block_size size = block_size_of(blocks[b].type);
        size_t count = fill_blocks(b, bytes);
        struct bench bench;
        bench_open(&bench, blocks[b].type, bytes, count);
        bench_start(&bench);
        CHECK_EQ(source_matrix_code_span(&bench.matrix), size.columns);
        for (size_t m = 0; m < sizeof multipliers / sizeof *multipliers; m++) {
            bench.matrix.multiplier = multipliers[m];
            check_rows(&bench, true);
        }
        bench_close(&bench);
        /* +2 scales, and a scale that is infinite where all weights are 0. */
        size_t middle = ROWS / 2 * (size_t)COLUMNS / size.columns * size.bytes;
        uint32_t two_bits = blocks[b].scale_at == 0 ? 2 : 0;
        if (blocks[b].type != SOURCE_TQ1_0 && blocks[b].type != SOURCE_PTQ1_0) {
            bytes[middle + two_bits + 3] = 0x5D;
            bench_open(&bench, blocks[b].type, bytes, count);
            bench_start(&bench);
            check_rows(&bench, false);
            bench_close(&bench);
            memset(bytes + middle, 0x55, size.bytes);
            bytes[middle + blocks[b].scale_at] = 0x00;
            bytes[middle + blocks[b].scale_at + 1] = 0x7C;
            bench_open(&bench, blocks[b].type, bytes, count);
            bench_start(&bench);
            check_rows(&bench, false);
            bench_close(&bench);
        }
    }
}

/* Halves on the grid of their 64 columns are codes; one number beside it, an infinite one, and rows of other widths are not. */
static void test_halves(void) {
    static uint8_t bytes[(size_t)ROWS * COLUMNS * 2];
    static const enum source_type types[] = {SOURCE_F16, SOURCE_BF16};
    static const uint16_t steps[] = {0x3C00, 0x0001, 0x2E66, 0x0000, 0x7BFF};
    for (size_t t = 0; t < 2; t++) {
        for (size_t i = 0; i < sizeof bytes / 2; i++) {
            uint32_t random = next_random();
            uint16_t sign = (uint16_t)((random & 1) << 15), step = steps[i / 64 % 37 % 5];
            uint16_t half = (uint16_t)((random & 2 ? step : 0) | sign);
            memcpy(bytes + i * 2, &half, sizeof half);
        }
        for (int fault = 0; fault < 3; fault++) {
            const uint16_t wrong = 0x3C01, infinite = types[t] == SOURCE_F16 ? 0xFC00 : 0xFF80;
            struct bench bench;
            if (fault == 1) {
                memcpy(bytes + (size_t)77 * COLUMNS * 2, &wrong, sizeof wrong);
            }
            bench_open(&bench, types[t], bytes, sizeof bytes);
            bench_start(&bench);
            CHECK_EQ(source_matrix_code_span(&bench.matrix), 64);
            if (fault < 2) {
                check_rows(&bench, fault == 0);
            }
            bench.matrix.multiplier = 2;
            CHECK_EQ(source_matrix_code_span(&bench.matrix), 0);
            bench_close(&bench);
            if (fault == 1) { /* all of a span: only that it is no number gives it away */
                for (size_t i = 0; i < 64; i++) {
                    memcpy(bytes + ((size_t)77 * COLUMNS + i) * 2, &infinite, sizeof infinite);
                }
            } else if (fault == 2) {
                static uint8_t codes[COLUMNS];
                float scales[COLUMNS / 64];
                bool coded = true;
                bench_open(&bench, types[t], bytes, sizeof bytes);
                bench_start(&bench);
                CHECK_STATUS(
                    source_matrix_read_codes(&bench.matrix, 77, 1, codes, scales, &coded, NULL),
                    TERCET_OK);
                CHECK(!coded);
                bench_close(&bench);
            }
        }
    }
}

/* Codes with one scale: four a byte, in three orders and more. */
static void test_packed(void) {
    static uint8_t bytes[BYTES_MAX];
    struct bench bench;
    for (int form = 0; form < 5; form++) {
        for (size_t i = 0; i < sizeof bytes; i++) {
            uint32_t byte = next_random() & 0xFF;
            bytes[i] = (uint8_t)(byte & ~(byte >> 1 & 0x55));
        }
        float scale = 2.5f;
        memcpy(bytes + (size_t)ROWS * COLUMNS / 4, &scale, sizeof scale);
        bench_open(&bench,
                   form == 0   ? SOURCE_U8
                   : form == 1 ? SOURCE_QUADS
                               : SOURCE_I2_S,
                   bytes, sizeof bytes);
        bench.planned.weight_scale = form < 2 ? &bench.scale : NULL;
        bench.planned.i2s_layout = form < 2 ? I2S_X86 : (enum i2s_layout)(form - 2);
        bench.planned.rows = form == 4 ? ROWS - ROWS % 4 : ROWS;
        REQUIRE(source_matrix_open(&bench.source, SOURCE_MULTIPLY, &bench.planned, &bench.matrix,
                                   NULL) == TERCET_OK);
        bench.planned.rows = ROWS;
        CHECK_EQ(source_matrix_code_span(&bench.matrix), COLUMNS);
        CHECK(bench.matrix.scale == (form < 2 ? 0.375f : 2.5f));
        check_rows(&bench, true);
        bench_close(&bench);
    }
}

/* Adds up rows, and fails where it is told to. */
struct visit {
    uint64_t rows[STRIP_CREW_MAX];
    uint8_t seen[ROWS];
    uint32_t fail_from;
};

static tercet_status visit_strip(void *context, struct strip_hand *hand, uint32_t first,
                                 uint32_t count, tercet_error *error) {
    struct visit *visit = context;
    TERCET_TRY(source_matrix_read_values(hand->matrix, first, count, hand->values, error));
    for (uint32_t i = first; i < first + count; i++) {
        visit->seen[i]++;
    }
    visit->rows[hand->index] += count;
    return first >= visit->fail_from
               ? tercet_fail(error, TERCET_BAD_SOURCE, first, "strip at row %u", first)
               : TERCET_OK;
}

static void test_crew(void) {
    static uint8_t bytes[BYTES_MAX];
    tercet_allocator allocator = arena_default_allocator();
    size_t count = fill_blocks(2, bytes);
    for (uint32_t threads = 1; threads <= 5; threads += 2) {
        struct bench bench;
        struct visit visit;
        tercet_error error = {0};
        bytes[48 * (COLUMNS / 64 * 18) + 2] = 0xD5; /* rows 48 and 97 say +2 */
        bytes[97 * (COLUMNS / 64 * 18) + 2] = 0xD5;
        bench_open(&bench, SOURCE_Q2_0, bytes, count);
        REQUIRE(thread_pool_create(&allocator, threads, &bench.source.pool) == TERCET_OK);
        bench_start(&bench);
        memset(&visit, 0, sizeof visit);
        visit.fail_from = ROWS;
        CHECK_STATUS(strip_crew_visit(&bench.matrix, STRIPS_ANY_ORDER, visit_strip, &visit, &error),
                     TERCET_OK);
        uint64_t rows = 0;
        for (uint32_t i = 0; i < STRIP_CREW_MAX; i++) {
            rows += visit.rows[i];
            CHECK(i < threads || visit.rows[i] == 0);
        }
        CHECK_EQ(rows, ROWS);
        for (uint32_t i = 0; i < ROWS; i++) {
            CHECK_EQ(visit.seen[i], 1);
        }
        CHECK(bench.matrix.code_3 && bench.matrix.code_3_row == 48 &&
              bench.matrix.code_3_column == 3);
        /* Several strips fail: the first one is told. */
        visit.fail_from = 64;
        CHECK_STATUS(strip_crew_visit(&bench.matrix, STRIPS_ANY_ORDER, visit_strip, &visit, &error),
                     TERCET_BAD_SOURCE);
        CHECK_EQ(error.where, 64);
        CHECK(strcmp(error.detail, "strip at row 64") == 0);
        thread_pool_destroy(bench.source.pool);
        bench_close(&bench);
    }
}

int main(void) {
    test_blocks();
    test_halves();
    test_packed();
    test_crew();
    return check_done();
}
