/*
 * synthetic_weights.c: see synthetic_weights.h. A gigabyte a second or so: a table turns each random
 * byte into four ternary codes.
 */
#include "synthetic_weights.h"
#include "../packer/tile_writer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TILE = 16, STRIP_ROWS = 16, TILE_BYTE_COUNT = 64, FLOAT_BLOCK = 4096, PAD = 64 };

/* splitmix64 (Steele, Lea, Flood 2014): one multiplication chain a word, any seed is good. */
struct random {
    uint64_t state;
};

static inline uint64_t random_next(struct random *random) {
    uint64_t z = random->state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* Uniform in [0, 1): 24 bits, exact. */
static float random_unit(struct random *random) {
    return (float)(random_next(random) >> 40) * 0x1p-24f;
}

struct job {
    struct container_writer *writer;
    const struct writer_tensor *tensor;
    struct random random;
    uint8_t *strip;     /* one strip of codes, or a block of floats */
    uint64_t appended;  /* bytes of this tensor so far */
    uint8_t codes[256]; /* random byte -> four ternary codes, or one int8 */
};

static tercet_status append(struct job *job, const void *bytes, size_t count, tercet_error *error) {
    job->appended += count;
    return container_writer_append(job->writer, bytes, count, error);
}

/* 81 combinations of four codes share 256 bytes as evenly as can be. */
static void fill_ternary_codes(uint8_t codes[256]) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t combination = i * 81 / 256, code = 0;
        for (uint32_t field = 0; field < 4; field++, combination /= 3) {
            code |= combination % 3 << (2 * field);
        }
        codes[i] = (uint8_t)code;
    }
}

/* -127..127; -128 does not exist. */
static void fill_int8_codes(uint8_t codes[256]) {
    for (uint32_t i = 0; i < 256; i++) {
        codes[i] = i == 128 ? 0 : (uint8_t)i;
    }
}

static void fill_strip(struct job *job, size_t bytes) {
    for (size_t at = 0; at < bytes; at += 8) {
        uint64_t word = random_next(&job->random);
        for (size_t i = 0; i < 8; i++) {
            job->strip[at + i] = job->codes[word >> (8 * i) & 0xFF];
        }
    }
}

/* Rows and columns that only fill a tile hold weight 0: code 1 of a ternary tensor. A byte of it has
 * the columns c, c + 4, c + 8, c + 12 of a row, a byte of int8 one column of four. */
static void blank_padding(const struct job *job, size_t bytes, uint32_t rows) {
    bool ternary = job->tensor->type == TENSOR_TERNARY;
    uint32_t columns = job->tensor->columns, tile_columns = ternary ? TILE : 4;
    for (size_t byte = 0; rows < STRIP_ROWS && byte < bytes; byte++) {
        if (byte % TILE_BYTE_COUNT / 4 >= rows) {
            job->strip[byte] = ternary ? 0x55 : 0;
        }
    }
    for (uint32_t column = columns; column % TILE != 0; column++) {
        uint8_t *tile = job->strip + (size_t)(column / tile_columns) * TILE_BYTE_COUNT;
        uint32_t shift = 2 * (column % TILE / 4);
        for (uint32_t row = 0; row < STRIP_ROWS; row++) {
            uint8_t *byte = tile + row * 4 + column % 4;
            *byte = ternary ? (uint8_t)((*byte & ~(3u << shift)) | 1u << shift) : 0;
        }
    }
}

/* A scale around `middle`, from 3/4 to 5/4 of it. */
static float vary(struct job *job, float middle) {
    return middle * (0.75f + 0.5f * random_unit(&job->random));
}

static tercet_status write_row_scales(struct job *job, float middle, tercet_error *error) {
    uint32_t rows = job->tensor->rows;
    for (uint32_t first = 0; first < rows; first += STRIP_ROWS) {
        float scales[STRIP_ROWS] = {0};
        uint8_t bytes[sizeof scales];
        for (uint32_t row = 0; row < STRIP_ROWS && first + row < rows; row++) {
            scales[row] = vary(job, middle);
        }
        tile_write_f32(scales, STRIP_ROWS, bytes);
        TERCET_TRY(append(job, bytes, sizeof bytes, error));
    }
    return TERCET_OK;
}

static tercet_status write_group_scales(struct job *job, uint32_t group, float middle,
                                        tercet_error *error) {
    uint32_t rows = job->tensor->rows, groups = (job->tensor->columns + group - 1) / group;
    for (uint32_t first = 0; first < rows; first += STRIP_ROWS) {
        for (uint32_t i = 0; i < groups; i++) {
            float scales[STRIP_ROWS] = {0};
            uint8_t bytes[2 * STRIP_ROWS];
            for (uint32_t row = 0; row < STRIP_ROWS && first + row < rows; row++) {
                scales[row] = vary(job, middle);
            }
            tile_write_f16(scales, STRIP_ROWS, bytes);
            TERCET_TRY(append(job, bytes, sizeof bytes, error));
        }
    }
    return TERCET_OK;
}

static tercet_status write_scales(struct job *job, float middle, tercet_error *error) {
    uint8_t one[4];
    switch (job->tensor->scale) {
    case SCALE_ROW:
        return write_row_scales(job, middle, error);
    case SCALE_GROUP64:
        return write_group_scales(job, 64, middle, error);
    case SCALE_GROUP128:
        return write_group_scales(job, 128, middle, error);
    default:
        tile_write_f32(&middle, 1, one);
        return append(job, one, sizeof one, error);
    }
}

static tercet_status write_matrix(struct job *job, float gain, tercet_error *error) {
    const struct writer_tensor *tensor = job->tensor;
    bool ternary = tensor->type == TENSOR_TERNARY;
    size_t bytes = ternary ? tile_ternary_strip_bytes(tensor->columns)
                           : tile_int8_strip_bytes(tensor->columns);
    if (ternary) {
        fill_ternary_codes(job->codes);
    } else {
        fill_int8_codes(job->codes);
    }
    job->strip = malloc(bytes);
    if (job->strip == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, bytes, "no memory for a strip of weights");
    }
    tercet_status status = TERCET_OK;
    for (uint32_t first = 0; first < tensor->rows && status == TERCET_OK; first += STRIP_ROWS) {
        uint32_t left = tensor->rows - first;
        fill_strip(job, bytes);
        blank_padding(job, bytes, left < STRIP_ROWS ? left : STRIP_ROWS);
        status = append(job, job->strip, bytes, error);
    }
    free(job->strip);
    TERCET_TRY(status);
    /* K products of an input of 1 and a code: two thirds of K for ternary codes, K 127^2 / 3 for
     * int8. The scale makes `gain` of it. */
    float squares = (float)tensor->columns * (ternary ? 2.0f / 3.0f : 127.0f * 127.0f / 3.0f);
    return write_scales(job, gain / sqrtf(squares), error);
}

/* Norm weights are near 1 and biases near 0; so are both here. */
static tercet_status write_floats(struct job *job, float middle, float reach, tercet_error *error) {
    uint64_t left = (uint64_t)job->tensor->rows * job->tensor->columns;
    float values[FLOAT_BLOCK / 8];
    uint8_t bytes[sizeof values];
    while (left > 0) {
        size_t count = left < FLOAT_BLOCK / 8 ? (size_t)left : FLOAT_BLOCK / 8;
        for (size_t i = 0; i < count; i++) {
            values[i] = middle + reach * (2 * random_unit(&job->random) - 1);
        }
        if (job->tensor->type == TENSOR_F16) {
            tile_write_f16(values, count, bytes);
            TERCET_TRY(append(job, bytes, 2 * count, error));
        } else {
            tile_write_f32(values, count, bytes);
            TERCET_TRY(append(job, bytes, 4 * count, error));
        }
        left -= count;
    }
    return TERCET_OK;
}

/* Biases have roles of their own; every other vector scales what a norm gave. */
static bool is_norm_weight(const struct writer_tensor *tensor) {
    switch (tensor->role) {
    case ROLE_ATTENTION_NORM:
    case ROLE_ATTENTION_SUB_NORM:
    case ROLE_FFN_NORM:
    case ROLE_FFN_SUB_NORM:
    case ROLE_OUTPUT_NORM:
    case ROLE_Q_NORM:
    case ROLE_K_NORM:
        return true;
    default:
        return false;
    }
}

tercet_status synthetic_weights_write(struct container_writer *writer,
                                      const struct writer_tensor *tensor, uint64_t seed, float gain,
                                      tercet_error *error) {
    static const uint8_t zeros[PAD];
    struct job job = {.writer = writer, .tensor = tensor, .random = {seed}};
    uint64_t bytes = 0;
    (void)random_next(&job.random); /* seeds that differ in one bit part here */
    if (tensor->type == TENSOR_TERNARY || tensor->type == TENSOR_INT8) {
        TERCET_TRY(write_matrix(&job, gain, error));
    } else if (is_norm_weight(tensor)) {
        TERCET_TRY(write_floats(&job, 1.0f, 0.1f, error));
    } else {
        TERCET_TRY(write_floats(&job, 0.0f, 0.1f, error));
    }
    /* The writer's plan was checked: the size exists and is at least what was written. */
    (void)container_tensor_bytes(tensor->type, tensor->scale, tensor->rows, tensor->columns,
                                 &bytes);
    return append(&job, zeros, (size_t)(bytes - job.appended), error);
}
