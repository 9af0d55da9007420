/*
 * folder_numbers.c: see folder_numbers.h.
 */
#include "folder_numbers.h"

#include "../core/base/math.h"
#include "tile_writer.h"

const struct folder_number *folder_number(enum export_number number) {
    static const struct folder_number numbers[] = {
        {NULL, NULL, 0}, {"BF16", "bfloat16", 2}, {"F16", "float16", 2}, {"F32", "float32", 4}};
    return &numbers[number];
}

static float round_bf16(float value) {
    uint32_t bits = math_float_bits(value);
    bits += 0x7FFF + (bits >> 16 & 1); /* to nearest, ties to even */
    return math_float_from_bits(bits & 0xFFFF0000u);
}

float folder_number_round(enum export_number number, float value) {
    return number == EXPORT_NUMBER_BF16  ? round_bf16(value)
           : number == EXPORT_NUMBER_F16 ? math_half_to_float(math_float_to_half(value))
                                         : value;
}

void folder_number_write(enum export_number number, const float *values, uint32_t count,
                         uint8_t *out) {
    if (number == EXPORT_NUMBER_F32) {
        tile_write_f32(values, count, out);
    } else if (number == EXPORT_NUMBER_F16) {
        tile_write_f16(values, count, out);
    } else {
        for (uint32_t i = 0; i < count; i++, out += 2) {
            uint32_t bits = math_float_bits(round_bf16(values[i]));
            out[0] = (uint8_t)(bits >> 16);
            out[1] = (uint8_t)(bits >> 24);
        }
    }
}

void folder_exactness_see(struct folder_exactness *seen, float value) {
    seen->bf16 = seen->bf16 && round_bf16(value) == value;
    seen->f16 = seen->f16 && folder_number_round(EXPORT_NUMBER_F16, value) == value;
}

enum export_number folder_exactness_number(const struct folder_exactness *seen) {
    return seen->bf16 ? EXPORT_NUMBER_BF16 : seen->f16 ? EXPORT_NUMBER_F16 : EXPORT_NUMBER_F32;
}
