/*
 * tile_writer.h: rows of numbers -> the bytes of a tensor in the container: V16 tiles of trits, 16 x 4 tiles of int8,
 * row-major f16 and f32. Layouts: core/kernels/ternary_tile.h and container_layout.h. Works on strips of 16 rows in memory;
 * knows no files.
 */
#ifndef TERCET_PACKER_TILE_WRITER_H
#define TERCET_PACKER_TILE_WRITER_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of one strip of 16 rows. */
size_t tile_ternary_strip_bytes(uint32_t columns);
size_t tile_int8_strip_bytes(uint32_t columns);

/* rows x columns values, rows <= 16; what is missing to a full strip becomes weight 0. Ternary codes are weight + 1. */
void tile_write_ternary(const uint8_t *codes, uint32_t rows, uint32_t columns, uint8_t *strip);
void tile_write_int8(const int8_t *codes, uint32_t rows, uint32_t columns, uint8_t *strip);

/* One row -> int8 codes and its scale: scale = max|w| / 127, code = round half to even(w / scale). A row of zeros has
 * scale 0. */
float tile_quantise_row(const float *values, uint32_t columns, int8_t *codes);

/* Little-endian. f16 rounds to nearest even. */
void tile_write_f32(const float *values, size_t count, uint8_t *bytes);
void tile_write_f16(const float *values, size_t count, uint8_t *bytes);

#endif
