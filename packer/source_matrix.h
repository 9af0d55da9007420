/*
 * source_matrix.h: one tensor of the source as rows of numbers, a few rows at a time, whatever it is stored as. Everything
 * behind it sees f32 (every supported type fits exactly) or trits. Memory: rows, never the tensor, but
 * for a matrix that lies the other way round, whose rows are everywhere in it.
 */
#ifndef TERCET_PACKER_SOURCE_MATRIX_H
#define TERCET_PACKER_SOURCE_MATRIX_H

#include "architectures.h"

#define SOURCE_ROWS_MAX 16u /* rows of one read: a strip of the container */

struct source_matrix {
    const struct source_weights *source;
    const struct planned_tensor *planned;
    bool
        packed; /* codes of trits with one scale: U8, QUADS or I2_S; trits are exact, and `scale` is theirs */
    float scale;
    float multiplier; /* of the weights of other matrices, mostly 1 */
    uint8_t *bytes;   /* SOURCE_ROWS_MAX rows as stored */
    uint8_t *
        whole; /* of a transposed matrix: all of it, column by column, for all of its readers; else NULL */
    bool copied;    /* `whole` belongs to another reader */
    uint8_t *codes; /* of one row, when packed */
    float *affine;  /* scales and biases of one row of MLX's codes, else NULL */
    bool code_3;    /* a row that was read had the code 3, which only dense
                                         weights may have; the first place: */
    uint32_t code_3_row, code_3_column;
};

/* Reads and checks the scale of a packed tensor. BAD_SOURCE (a scale of zero, below zero, NaN), UNSUPPORTED_SOURCE (rows
 * that the layout of I2_S cannot hold), OUT_OF_MEMORY. After a failure there is nothing to close. */
tercet_status source_matrix_open(const struct source_weights *source,
                                 enum source_quantization quantization,
                                 const struct planned_tensor *planned, struct source_matrix *matrix,
                                 tercet_error *error);
/* A second reader of the same matrix, for another thread. OUT_OF_MEMORY: then there is nothing to close. */
tercet_status source_matrix_copy(const struct source_matrix *matrix, struct source_matrix *copy,
                                 tercet_error *error);
void source_matrix_close(struct source_matrix *matrix);

/* Rows, a multiple of 16, that are cheapest when one thread reads them all. */
uint32_t source_matrix_band(const struct source_matrix *matrix);
/* Rows [first, first + count) as f32, count <= SOURCE_ROWS_MAX, `columns` values a row. Packed: trit * scale. BAD_SOURCE
 * for NaN, infinities and the code 3, with the position. */
tercet_status source_matrix_read_values(struct source_matrix *matrix, uint32_t first,
                                        uint32_t count, float *values, tercet_error *error);
/* Columns that share a step in source_matrix_read_codes: a multiple of 64, or all of them; 0 when the source has numbers and
 * no codes. */
uint32_t source_matrix_code_span(const struct source_matrix *matrix);
/* The same rows as codes, weight + 1: weight = (code - 1) * step, with one step for every span of a row, never below 0; where
 * it is 0 the codes are 1. False in *coded, and nothing to be used, where rows cannot be said so: a code 3, a scale that is
 * no number, MLX's biases of another kind. Packed rows always can; there the code 3 is BAD_SOURCE. */
tercet_status source_matrix_read_codes(struct source_matrix *matrix, uint32_t first, uint32_t count,
                                       uint8_t *codes, float *steps, bool *coded,
                                       tercet_error *error);

/* Bits of a finite f32 that came from `dtype`, as a number that grows by one with each step of that type; sign dropped. */
uint32_t source_ordinal(enum source_type dtype, float value);
/* And back: the non-negative value of an ordinal. */
float source_ordinal_value(enum source_type dtype, uint32_t ordinal);

#endif
