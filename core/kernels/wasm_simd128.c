/*
 * wasm_simd128.c: the kernels for WebAssembly's fixed-width SIMD (every engine since 2021 to 2023).
 * What is here is the integer arithmetic; wasm_lanes.h has the lanes, the .inc files put them
 * together.
 *
 * Integer recipe: the only multiply-add there is, i32x4.dot_i16x8_s, takes pairs of 16 bits. A
 * 32-bit lane of a tile holds one row's four columns, one a byte; seen as 16-bit lanes the even
 * columns (0, 2) are the low bytes and the odd ones (1, 3) the high bytes. So activations are split
 * into even and odd 16-bit pairs, once for all strips of a block. They are also scaled there: field
 * f of a byte is masked where it stands and is 4^f * code, so its activations are multiplied by
 * 4^(3-f), and one sum of 64 * code * x takes all fields without a shift.
 */
#include "wasm_lanes.h"

#define EIGHT_TIMES(v)                                                                             \
    { v, v, v, v, v, v, v, v }

/* ---- ternary ----------------------------------------------------------------------------- */

/* For each tile eight 32-bit words: the even pairs of fields 0 to 3, then the odd pairs. */
typedef int16_t prepared;
enum { PREPARED = 8 * 16 };
ALWAYS_INLINE const prepared *prepare(const int8_t *codes, uint32_t tiles, prepared *buffer) {
    const v128_t scale = wasm_i16x8_const(64, 64, 16, 16, 4, 4, 1, 1);
    for (uint32_t tile = 0; tile < tiles; tile++) {
        v128_t x = wasm_v128_load(codes + (size_t)tile * TILE_COLUMNS);
        v128_t even = wasm_i16x8_shr(wasm_i16x8_shl(x, 8), 8), odd = wasm_i16x8_shr(x, 8);
        prepared *to = buffer + (size_t)tile * 16;
        wasm_v128_store(to, wasm_i16x8_mul(even, scale));
        wasm_v128_store(to + 8, wasm_i16x8_mul(odd, scale));
    }
    return buffer;
}

/* A product is 64 * code * x <= 64 * 2 * 127, a block of 128 columns at most 2^21: far from 2^31. */
ALWAYS_INLINE v128_t multiply_add(v128_t sum, v128_t codes, v128_t x) {
    return wasm_i32x4_add(sum, wasm_i32x4_dot_i16x8(codes, x));
}

/* One field of the low byte of each 16 bits. */
static const _Alignas(16) uint16_t field_masks[4][8] = {EIGHT_TIMES(0x03), EIGHT_TIMES(0x0C),
                                                        EIGHT_TIMES(0x30), EIGHT_TIMES(0xC0)};

ALWAYS_INLINE sums ternary_dots(const uint8_t *codes, const prepared *x, uint32_t tiles) {
    const v128_t mask[4] = {kept(field_masks[0]), kept(field_masks[1]), kept(field_masks[2]),
                            kept(field_masks[3])};
    sums s = sums_splat(0);
    for (uint32_t tile = 0; tile < tiles; tile++) {
        const uint8_t *at = codes + (size_t)tile * TILE_BYTES;
        const prepared *word = x + (size_t)tile * 16;
        v128_t rows[4];
        for (uint32_t q = 0; q < 4; q++) {
            rows[q] = wasm_v128_load(at + 16 * q);
        }
        for (uint32_t field = 0; field < 4; field++) {
            v128_t pair = wasm_v128_load32_splat(word + 2 * field);
            for (uint32_t q = 0; q < 4; q++) {
                v128_t masked = wasm_v128_and(rows[q], mask[field]);
                s.v[q] = multiply_add(s.v[q], masked, pair);
            }
        }
        for (uint32_t q = 0; q < 4; q++) {
            rows[q] = wasm_u16x8_shr(rows[q], 8);
        }
        for (uint32_t field = 0; field < 4; field++) {
            v128_t pair = wasm_v128_load32_splat(word + 8 + 2 * field);
            for (uint32_t q = 0; q < 4; q++) {
                v128_t masked = wasm_v128_and(rows[q], mask[field]);
                s.v[q] = multiply_add(s.v[q], masked, pair);
            }
        }
    }
    for (uint32_t q = 0; q < 4; q++) {
        s.v[q] = wasm_i32x4_shr(s.v[q], 6); /* exact */
    }
    return s;
}

/* The masked 16-bit lanes: [8 rows][tile][word][2 vectors], so that eight sums (four tokens, two
 * vectors of rows) stay in registers while a half strip passes. */
typedef int16_t unpacked;
enum { UNPACKED = 2 * 8 * 8 * 16 };
ALWAYS_INLINE void unpack(const uint8_t *codes, uint32_t tiles, unpacked *out) {
    const v128_t mask[4] = {kept(field_masks[0]), kept(field_masks[1]), kept(field_masks[2]),
                            kept(field_masks[3])};
    for (uint32_t tile = 0; tile < tiles; tile++) {
        for (uint32_t q = 0; q < 4; q++) {
            v128_t rows = wasm_v128_load(codes + (size_t)tile * TILE_BYTES + 16 * q);
            v128_t odd = wasm_u16x8_shr(rows, 8);
            unpacked *to = out + (q / 2) * (UNPACKED / 2) + (size_t)tile * 128 + (q % 2) * 8;
            for (uint32_t field = 0; field < 4; field++) {
                wasm_v128_store(to + field * 16, wasm_v128_and(rows, mask[field]));
                wasm_v128_store(to + 64 + field * 16, wasm_v128_and(odd, mask[field]));
            }
        }
    }
}

ALWAYS_INLINE void unpacked_dots(const unpacked *weights, const prepared *const *x, uint32_t tokens,
                                 uint32_t tiles, sums *out) {
    for (uint32_t half = 0; half < 2; half++) {
        const unpacked *rows = weights + (size_t)half * (UNPACKED / 2);
        v128_t first[4], second[4];
        for (uint32_t t = 0; t < tokens; t++) {
            first[t] = second[t] = wasm_i32x4_splat(0);
        }
        for (uint32_t word = 0; word < tiles * 8; word++) {
            v128_t a = wasm_v128_load(rows + (size_t)word * 16);
            v128_t b = wasm_v128_load(rows + (size_t)word * 16 + 8);
            for (uint32_t t = 0; t < tokens; t++) {
                v128_t pair = wasm_v128_load32_splat(x[t] + (size_t)word * 2);
                first[t] = multiply_add(first[t], a, pair);
                second[t] = multiply_add(second[t], b, pair);
            }
        }
        for (uint32_t t = 0; t < tokens; t++) {
            out[t].v[2 * half] = wasm_i32x4_shr(first[t], 6);
            out[t].v[2 * half + 1] = wasm_i32x4_shr(second[t], 6);
        }
    }
}

/* ---- int8: both operands split into even and odd columns ---------------------------------- */

ALWAYS_INLINE v128_t even_columns(v128_t bytes) {
    return wasm_i16x8_shr(wasm_i16x8_shl(bytes, 8), 8);
}
ALWAYS_INLINE v128_t odd_columns(v128_t bytes) {
    return wasm_i16x8_shr(bytes, 8);
}

ALWAYS_INLINE void int8_dots(const int8_t *codes, const int8_t *x, size_t x_stride, uint32_t tokens,
                             uint32_t tiles, sums *out) {
    for (uint32_t half = 0; half < 2; half++) {
        v128_t first[4], second[4];
        for (uint32_t t = 0; t < tokens; t++) {
            first[t] = second[t] = wasm_i32x4_splat(0);
        }
        for (uint32_t tile = 0; tile < tiles; tile++) {
            const int8_t *at = codes + (size_t)tile * TILE_BYTES + 32 * half;
            v128_t a = wasm_v128_load(at), b = wasm_v128_load(at + 16);
            v128_t a_even = even_columns(a), a_odd = odd_columns(a);
            v128_t b_even = even_columns(b), b_odd = odd_columns(b);
            for (uint32_t t = 0; t < tokens; t++) {
                const int8_t *from = x + t * x_stride + (size_t)tile * INT8_TILE_COLUMNS;
                v128_t four = wasm_v128_load32_splat(from);
                v128_t even = even_columns(four), odd = odd_columns(four);
                first[t] = multiply_add(multiply_add(first[t], a_even, even), a_odd, odd);
                second[t] = multiply_add(multiply_add(second[t], b_even, even), b_odd, odd);
            }
        }
        for (uint32_t t = 0; t < tokens; t++) {
            out[t].v[2 * half] = first[t];
            out[t].v[2 * half + 1] = second[t];
        }
    }
}

/* ---- attention: keys and values split into even and odd columns ---------------------------- */

ALWAYS_INLINE void key_dots(const int8_t *keys, const int8_t *const *q, uint32_t queries,
                            uint32_t tiles, sums *out) {
    for (uint32_t half = 0; half < 2; half++) {
        v128_t first[4], second[4];
        for (uint32_t j = 0; j < queries; j++) {
            first[j] = second[j] = wasm_i32x4_splat(0);
        }
        for (uint32_t tile = 0; tile < tiles; tile++) {
            const int8_t *at = keys + (size_t)tile * TILE_BYTES + 32 * half;
            v128_t a = wasm_v128_load(at), b = wasm_v128_load(at + 16);
            v128_t a_even = even_columns(a), a_odd = odd_columns(a);
            v128_t b_even = even_columns(b), b_odd = odd_columns(b);
            for (uint32_t j = 0; j < queries; j++) {
                v128_t four = wasm_v128_load32_splat(q[j] + (size_t)tile * INT8_TILE_COLUMNS);
                v128_t even = even_columns(four), odd = odd_columns(four);
                first[j] = multiply_add(multiply_add(first[j], a_even, even), a_odd, odd);
                second[j] = multiply_add(multiply_add(second[j], b_even, even), b_odd, odd);
            }
        }
        for (uint32_t j = 0; j < queries; j++) {
            out[j].v[2 * half] = first[j];
            out[j].v[2 * half + 1] = second[j];
        }
    }
}

/* Upper and lower bits of a weight fit together into 16 bits: one product. */
ALWAYS_INLINE void value_dots(const int8_t *values, const int8_t *const *w, uint32_t queries,
                              uint32_t tiles, sums *out) {
    for (uint32_t half = 0; half < 2; half++) {
        v128_t first[4], second[4];
        for (uint32_t j = 0; j < queries; j++) {
            first[j] = second[j] = wasm_i32x4_splat(0);
        }
        for (uint32_t tile = 0; tile < tiles; tile++) {
            const int8_t *at = values + (size_t)tile * TILE_BYTES + 32 * half;
            v128_t a = wasm_v128_load(at), b = wasm_v128_load(at + 16);
            v128_t a_even = even_columns(a), a_odd = odd_columns(a);
            v128_t b_even = even_columns(b), b_odd = odd_columns(b);
            for (uint32_t j = 0; j < queries; j++) {
                const int8_t *four = w[j] + (size_t)tile * INT8_TILE_COLUMNS;
                v128_t upper = wasm_v128_load32_splat(four);
                v128_t lower = wasm_v128_load32_splat(four + KV_BLOCK);
                v128_t even =
                    wasm_v128_or(wasm_i16x8_shl(even_columns(upper), 7), even_columns(lower));
                v128_t odd =
                    wasm_v128_or(wasm_i16x8_shl(odd_columns(upper), 7), odd_columns(lower));
                first[j] = multiply_add(multiply_add(first[j], a_even, even), a_odd, odd);
                second[j] = multiply_add(multiply_add(second[j], b_even, even), b_odd, odd);
            }
        }
        for (uint32_t j = 0; j < queries; j++) {
            out[j].v[2 * half] = first[j];
            out[j].v[2 * half + 1] = second[j];
        }
    }
}

#include "attention_kernels.inc"
#include "float_kernels.inc"
#include "ternary_kernels.inc"
#include "int8_kernels.inc"

const struct tercet_kernels kernels_wasm_simd128 = {
    .name = "wasm_simd128",
    .needs = 0, /* a module with these instructions is refused where they do not exist */
    .quantise = quantise,
    .ternary_matmul = ternary_matmul,
    .int8_matmul = int8_matmul,
    .float_matmul = float_matmul,
    .rms_norm = rms_norm,
    .layer_norm = layer_norm,
    .rope = rope,
    .attend = attend,
    .attend_int8 = attend_int8,
    .silu_mul = silu_mul,
    .relu2_mul = relu2_mul,
    .gelu = gelu,
    .add = add,
    .widen = widen,
};
