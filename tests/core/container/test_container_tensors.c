/*
 * test_container_tensors.c: sizes, scale offsets and names of tensors, against the tile functions that kernels use and
 * against numbers worked out by hand.
 */
#include "check.h"
#include "container/container_reader.h"
#include "kernels/ternary_tile.h"

static void check_sizes(void) {
    static const struct {
        uint32_t type, scale, rows, columns;
        uint64_t bytes, scales_offset;
    } cases[] = {
        {TENSOR_F32, SCALE_NONE, 1, 1, 64, 0},
        {TENSOR_F32, SCALE_NONE, 1, 16, 64, 0},
        {TENSOR_F32, SCALE_NONE, 1, 17, 128, 0},
        {TENSOR_F32, SCALE_NONE, 3, 100, 1216, 0}, /* 1200 padded */
        {TENSOR_F16, SCALE_NONE, 3, 100, 640, 0},  /* 600 padded */
        {TENSOR_F16, SCALE_NONE, 32, 32, 2048, 0},
        {TENSOR_INT8, SCALE_ROW, 1, 1, 256 + 64, 256},
        {TENSOR_INT8, SCALE_ROW, 17, 33, 32 * 48 + 32 * 4, 32 * 48},
        {TENSOR_TERNARY, SCALE_TENSOR, 1, 1, 64 + 64, 64},
        {TENSOR_TERNARY, SCALE_TENSOR, 16, 16, 64 + 64, 64},
        {TENSOR_TERNARY, SCALE_TENSOR, 17, 17, 4 * 64 + 64, 4 * 64},
        {TENSOR_TERNARY, SCALE_ROW, 17, 17, 4 * 64 + 2 * 64, 4 * 64},
        {TENSOR_TERNARY, SCALE_GROUP64, 16, 64, 4 * 64 + 64,
         4 * 64}, /* 32 bytes of scales, padded */
        {TENSOR_TERNARY, SCALE_GROUP64, 16, 65, 5 * 64 + 64,
         5 * 64}, /* two groups, the second short */
        {TENSOR_TERNARY, SCALE_GROUP64, 33, 129, 27 * 64 + 320,
         27 * 64}, /* 3 strips x 3 groups x 32 = 288 */
        {TENSOR_TERNARY, SCALE_GROUP128, 16, 128, 8 * 64 + 64, 8 * 64},
        {TENSOR_TERNARY, SCALE_GROUP128, 33, 129, 27 * 64 + 192, 27 * 64}, /* 3 x 2 x 32 */
        {TENSOR_TERNARY, SCALE_TENSOR, 50257, 2050, (uint64_t)3142 * 129 * 64 + 64,
         (uint64_t)3142 * 129 * 64},
        {TENSOR_F32, SCALE_NONE, 1u << 20, 1u << 18, (uint64_t)1 << 40, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t bytes = 0;
        CHECK(container_tensor_bytes(cases[i].type, cases[i].scale, cases[i].rows, cases[i].columns,
                                     &bytes));
        if (!CHECK_EQ(bytes, cases[i].bytes))
            fprintf(stderr, "    case %zu\n", i);
        if (cases[i].scales_offset != 0)
            CHECK_EQ(container_scales_offset(cases[i].type, cases[i].rows, cases[i].columns),
                     cases[i].scales_offset);
    }
}

static void check_refusals(void) {
    uint64_t bytes = 7;
    for (uint32_t type = 0; type <= 6; type++)
        for (uint32_t scale = 0; scale <= 6; scale++) {
            bool exists =
                (type == TENSOR_F32 && scale == SCALE_NONE) ||
                (type == TENSOR_F16 && scale == SCALE_NONE) ||
                (type == TENSOR_INT8 && scale == SCALE_ROW) ||
                (type == TENSOR_TERNARY && scale >= SCALE_TENSOR && scale <= SCALE_GROUP128);
            CHECK_EQ(container_tensor_bytes(type, scale, 16, 16, &bytes), exists);
        }
    CHECK(!container_tensor_bytes(TENSOR_F32, SCALE_NONE, 0, 1, &bytes));
    CHECK(!container_tensor_bytes(TENSOR_F32, SCALE_NONE, 1, 0, &bytes));
    bytes = 7;
    CHECK(!container_tensor_bytes(TENSOR_F32, SCALE_NONE, UINT32_MAX, UINT32_MAX, &bytes));
    CHECK(!container_tensor_bytes(TENSOR_F32, SCALE_NONE, 1u << 31, 1u << 31, &bytes)); /* 2^64 */
    CHECK(!container_tensor_bytes(TENSOR_INT8, SCALE_ROW, UINT32_MAX, UINT32_MAX, &bytes));
    CHECK(!container_tensor_bytes(TENSOR_TERNARY, SCALE_ROW, UINT32_MAX, UINT32_MAX, &bytes));
    CHECK_EQ(bytes, 7);
    /* 2^64 - 2^32 bytes and its padding still fit; the largest that overflows only when padded does not. */
    CHECK(container_tensor_bytes(TENSOR_F16, SCALE_NONE, UINT32_MAX, 1u << 31, &bytes));
    CHECK_EQ(bytes, UINT64_MAX - (((uint64_t)1 << 32) - 1));
    CHECK_EQ(container_scales_offset(TENSOR_INT8, UINT32_MAX, UINT32_MAX), 0);
    /* The largest of all: 16 rows fewer leave room of 2^36 bytes, and the scales take 2^34 of it. */
    CHECK(container_tensor_bytes(TENSOR_INT8, SCALE_ROW, UINT32_MAX - 15, UINT32_MAX, &bytes));
    CHECK_EQ(bytes, UINT64_MAX - (UINT64_C(3) << 34) - 63);
}

/* The scales begin right behind the last code that the tile functions address. */
static void check_tiles(void) {
    for (uint32_t rows = 1; rows <= 40; rows += 13)
        for (uint32_t columns = 1; columns <= 70; columns += 7) {
            uint32_t last_row = tile_pad(rows) - 1, last_column = tile_pad(columns) - 1;
            CHECK_EQ(container_scales_offset(TENSOR_TERNARY, rows, columns),
                     ternary_byte(last_row, last_column, columns) + 1);
            CHECK_EQ(container_scales_offset(TENSOR_INT8, rows, columns),
                     int8_byte(last_row, last_column, columns) + 1);
        }
}

static void check_names(void) {
    static const struct {
        uint32_t stage, role;
        const char *name;
    } cases[] = {
        {0, ROLE_EMBEDDING, "embedding"},
        {1, ROLE_ATTENTION_NORM, "layers.0.attention.norm"},
        {4, ROLE_Q, "layers.3.attention.q"},
        {11, ROLE_K, "layers.10.attention.k"},
        {256, ROLE_V, "layers.255.attention.v"},
        {2, ROLE_ATTENTION_SUB_NORM, "layers.1.attention.sub_norm"},
        {2, ROLE_O, "layers.1.attention.o"},
        {2, ROLE_FFN_NORM, "layers.1.ffn.norm"},
        {2, ROLE_GATE, "layers.1.ffn.gate"},
        {2, ROLE_UP, "layers.1.ffn.up"},
        {2, ROLE_FFN_SUB_NORM, "layers.1.ffn.sub_norm"},
        {2, ROLE_DOWN, "layers.1.ffn.down"},
        {7, ROLE_OUTPUT_NORM, "output_norm"},
        {7, ROLE_HEAD, "head"},
        {UINT32_MAX, ROLE_ATTENTION_SUB_NORM, "layers.4294967294.attention.sub_norm"},
        {3, 999, "layers.2.unknown"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[64];
        container_tensor_name(cases[i].stage, cases[i].role, name);
        CHECK_STR(name, cases[i].name);
    }
}

int main(void) {
    check_sizes();
    check_refusals();
    check_tiles();
    check_names();
    return check_done();
}
