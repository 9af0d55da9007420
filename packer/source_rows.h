/*
 * source_rows.h: rows of a matrix as they are stored, for the two halves of source_matrix.h alone: numbers (source_matrix.c)
 * and codes (source_codes.c).
 */
#ifndef TERCET_PACKER_SOURCE_ROWS_H
#define TERCET_PACKER_SOURCE_ROWS_H

#include "source_matrix.h"

/* Bytes of a row of blocks or plain numbers. */
size_t source_rows_bytes(const struct source_matrix *matrix);
/* Rows of these, into matrix->bytes. */
tercet_status source_rows_read(struct source_matrix *matrix, uint32_t first, uint32_t count,
                               size_t row_bytes, tercet_error *error);
/* The same of a matrix of plain numbers that may be transposed: the rows as if it were not. */
tercet_status source_rows_read_plain(struct source_matrix *matrix, uint32_t first, uint32_t count,
                                     tercet_error *error);
/* All of a transposed matrix into matrix->whole, by all threads. */
tercet_status source_rows_load(struct source_matrix *matrix, tercet_error *error);
/* MLX: scales of as many rows as are read at once. */
size_t source_rows_groups(const struct planned_tensor *planned);
/* Its rows: codes into matrix->bytes, scales into matrix->affine, the biases source_rows_groups behind them. */
tercet_status source_rows_read_affine(struct source_matrix *matrix, uint32_t first, uint32_t count,
                                      tercet_error *error);
/* The codes of a packed matrix; BAD_SOURCE for the code 3. */
tercet_status source_rows_read_packed(struct source_matrix *matrix, uint32_t first, uint32_t count,
                                      uint8_t *codes, tercet_error *error);
/* BAD_SOURCE: "tensor w holds `what` at row 1, column 2". */
tercet_status source_rows_bad_element(const struct source_matrix *matrix, uint32_t row,
                                      uint32_t column, const char *what, tercet_error *error);

#endif
