/*
 * gguf_types.c: see gguf_types.h. Numbers: ggml-org/ggml, include/ggml.h; those of forks: microsoft/BitNet's llama.cpp,
 * ikawrakow/ik_llama.cpp, PrismML-Eng/llama.cpp.
 */
#include "gguf_types.h"

#include <stddef.h>

#define REQUANTISE "quantise the model to TQ2_0, TQ1_0, Q2_0, Q8_0 or F16 instead"
#define FROM_CHECKPOINT                                                                            \
    "its layout depends on the kernel that it was made for: convert from the Hugging Face "        \
    "checkpoint instead"
#define REMOVED "llama.cpp itself has dropped it: make the file again with a newer one"

static const struct gguf_tensor_type types[] = {
    {0, "F32", SOURCE_F32, 1, 4, NULL},
    {1, "F16", SOURCE_F16, 1, 2, NULL},
    {2, "Q4_0", SOURCE_Q4_0, 32, 18, NULL},
    {3, "Q4_1", SOURCE_OTHER, 32, 20, REQUANTISE},
    {6, "Q5_0", SOURCE_OTHER, 32, 22, REQUANTISE},
    {7, "Q5_1", SOURCE_OTHER, 32, 24, REQUANTISE},
    {8, "Q8_0", SOURCE_Q8_0, 32, 34, NULL},
    {9, "Q8_1", SOURCE_OTHER, 32, 36, REQUANTISE},
    {10, "Q2_K", SOURCE_OTHER, 256, 84, REQUANTISE},
    {11, "Q3_K", SOURCE_OTHER, 256, 110, REQUANTISE},
    {12, "Q4_K", SOURCE_OTHER, 256, 144, REQUANTISE},
    {13, "Q5_K", SOURCE_OTHER, 256, 176, REQUANTISE},
    {14, "Q6_K", SOURCE_Q6_K, 256, 210, NULL},
    {15, "Q8_K", SOURCE_OTHER, 256, 292, REQUANTISE},
    {16, "IQ2_XXS", SOURCE_OTHER, 0, 0, REQUANTISE},
    {17, "IQ2_XS", SOURCE_OTHER, 0, 0, REQUANTISE},
    {18, "IQ3_XXS", SOURCE_OTHER, 0, 0, REQUANTISE},
    {19, "IQ1_S", SOURCE_OTHER, 0, 0, REQUANTISE},
    {20, "IQ4_NL", SOURCE_OTHER, 0, 0, REQUANTISE},
    {21, "IQ3_S", SOURCE_OTHER, 0, 0, REQUANTISE},
    {22, "IQ2_S", SOURCE_OTHER, 0, 0, REQUANTISE},
    {23, "IQ4_XS", SOURCE_OTHER, 0, 0, REQUANTISE},
    {24, "I8", SOURCE_OTHER, 1, 1, NULL},
    {25, "I16", SOURCE_OTHER, 1, 2, NULL},
    {26, "I32", SOURCE_OTHER, 1, 4, NULL},
    {27, "I64", SOURCE_OTHER, 1, 8, NULL},
    {28, "F64", SOURCE_OTHER, 1, 8, NULL},
    {29, "IQ1_M", SOURCE_OTHER, 0, 0, REQUANTISE},
    {30, "BF16", SOURCE_BF16, 1, 2, NULL},
    {31, "Q4_0_4_4", SOURCE_OTHER, 0, 0, REMOVED},
    {32, "Q4_0_4_8", SOURCE_OTHER, 0, 0, REMOVED},
    {33, "Q4_0_8_8", SOURCE_OTHER, 0, 0, REMOVED},
    {34, "TQ1_0", SOURCE_TQ1_0, 256, 54, NULL},
    {35, "TQ2_0", SOURCE_TQ2_0, 256, 66, NULL},
    {GGUF_TYPE_I2_S, "I2_S", SOURCE_I2_S, 4, 1, NULL}, /* and the tail */
    {37, "I8_S", SOURCE_OTHER, 0, 0, "it is a type of activations, not of weights"},
    {38, "TL1", SOURCE_OTHER, 0, 0, FROM_CHECKPOINT},
    {39, "MXFP4", SOURCE_OTHER, 32, 17, REQUANTISE},
    {40, "NVFP4", SOURCE_OTHER, 64, 36, REQUANTISE},
    {41, "Q1_0", SOURCE_OTHER, 128, 18,
     "its weights have one bit, -d or +d, which is no ternary model: " REQUANTISE},
    {GGUF_TYPE_Q2_0, "Q2_0", SOURCE_Q2_0, 64, 18, NULL},
    {134, "IQ1_BN", SOURCE_OTHER, 0, 0, "only ik_llama.cpp knows it: " REQUANTISE},
    {135, "IQ2_BN", SOURCE_OTHER, 0, 0, "only ik_llama.cpp knows it: " REQUANTISE},
    {142, "PQ2_0", SOURCE_PQ2_0, 128, 34, NULL},
    {143, "PTQ1_0", SOURCE_PTQ1_0, 128, 28, NULL},
};

/* Under a number that upstream gave to MXFP4 later. */
static const struct gguf_tensor_type tl2 = {39, "TL2", SOURCE_OTHER, 0, 0, FROM_CHECKPOINT};
static const struct gguf_tensor_type wide_q2_0 = {
    GGUF_TYPE_Q2_0, "Q2_0/128", SOURCE_PQ2_0, 128, 34, NULL};

const struct gguf_tensor_type *gguf_find_type(uint32_t id, bool bitnet_fork) {
    if (bitnet_fork && id == tl2.id) {
        return &tl2;
    }
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (types[i].id == id) {
            return &types[i];
        }
    }
    return NULL;
}

const struct gguf_tensor_type *gguf_wide_q2_0(void) {
    return &wide_q2_0;
}
