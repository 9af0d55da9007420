/*
 * fuzz_block_codecs.c: any bytes as rows of each block type that weights come in. The first byte chooses the type, the second
 * the row of an I2_S tensor, the rest is the row, in a block of its exact size.
 */
#include "block_codecs.h"
#include "promise.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode_blocks(enum source_type type, const uint8_t *data, size_t size) {
    struct block_size block = block_size_of(type);
    if (block.bytes == 0) {
        return;
    }
    size_t blocks = size / block.bytes;
    uint32_t columns = (uint32_t)blocks * block.columns, written = 0;
    uint8_t *row = malloc(blocks * block.bytes + 1);
    float *values = malloc((columns + 1) * sizeof *values);
    PROMISE(row != NULL && values != NULL && block.columns > 0);
    memcpy(row, data, blocks * block.bytes);
    memset(values, 0xA5, (columns + 1) * sizeof *values);
    float behind = values[columns];
    block_decode_row(type, row, columns, values);
    PROMISE(memcmp(&values[columns], &behind, sizeof behind) == 0);
    for (uint32_t c = 0; c < columns; c++) {
        written += memcmp(&values[c], &behind, sizeof behind) != 0;
    }
    PROMISE(written == columns || block_is_plain(type)); /* which may hold that very number */
    uint32_t code_3 = block_find_code_3(type, row, columns);
    PROMISE(code_3 <= columns && (code_3 == columns || block_is_ternary(type)));
    free(values);
    free(row);
}

static void decode_i2s(enum i2s_layout layout, uint32_t row, const uint8_t *data, size_t size) {
    uint32_t block = i2s_block_columns(layout), columns;
    PROMISE(i2s_layout_name(layout)[0] != '\0' && block > 0);
    columns = layout == I2S_ROW4 ? (uint32_t)size : (uint32_t)size * 4 / block * block;
    size_t bytes = layout == I2S_ROW4 ? columns : columns / 4;
    uint8_t *stored = malloc(bytes + 1);
    uint8_t *codes = malloc(columns + 1);
    PROMISE(stored != NULL && codes != NULL);
    memcpy(stored, data, bytes);
    memset(codes, 99, columns + 1);
    i2s_row_codes(layout, stored, row, columns, codes);
    PROMISE(codes[columns] == 99);
    bool sound = ternary_codes_sound(codes, columns);
    uint32_t threes = 0;
    for (uint32_t c = 0; c < columns; c++) {
        PROMISE(codes[c] <= 3);
        threes += codes[c] == 3;
    }
    PROMISE(sound == (threes == 0));
    free(codes);
    free(stored);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) {
        return 0;
    }
    uint32_t choice = data[0] % (SOURCE_I2_S + I2S_LAYOUTS);
    if (choice < SOURCE_I2_S) {
        decode_blocks((enum source_type)choice, data + 2, size - 2);
    } else {
        decode_i2s((enum i2s_layout)(choice - SOURCE_I2_S), data[1], data + 2, size - 2);
    }
    return 0;
}
