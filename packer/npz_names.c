/*
 * npz_names.c: see npz_names.h.
 */
#include "npz_names.h"

#include <string.h>

/* Parts of names with underscores of their own (source_names.c); of two that begin alike the longer one first. */
static const char *const modules[] = {
    "embed_tokens",
    "lm_head",
    "input_layernorm",
    "post_attention_layernorm",
    "self_attn",
    "attn_sub_norm",
    "inner_attn_ln",
    "ffn_sub_norm",
    "q_proj",
    "k_proj",
    "v_proj",
    "o_proj",
    "gate_proj",
    "up_proj",
    "down_proj",
    "q_norm",
    "k_norm",
    "c_attn",
    "c_proj",
    "c_fc",
    "ln_1",
    "ln_2",
    "ln_f",
};

/* Bytes of the part that begins at `text`: a module's name, or what stands in front of the next underscore. */
static size_t part_bytes(const char *text, size_t left) {
    for (size_t i = 0; i < sizeof modules / sizeof modules[0]; i++) {
        size_t count = strlen(modules[i]);
        if (count <= left && memcmp(text, modules[i], count) == 0 &&
            (count == left || text[count] == '_')) {
            return count;
        }
    }
    const char *next = memchr(text, '_', left);
    return next != NULL ? (size_t)(next - text) : left;
}

bool npz_tensor_name(const char *file, char name[NPZ_NAME_BYTES]) {
    static const char ending[] = ".npz", embedding[] = "model.embed_tokens.weight";
    size_t count = strlen(file), at = 0;
    if (count <= sizeof ending - 1 || count >= NPZ_NAME_BYTES ||
        strcmp(file + count - (sizeof ending - 1), ending) != 0) {
        return false;
    }
    count -= sizeof ending - 1;
    if (strcmp(file, "embed_tokens.npz") == 0) { /* the one file with a name of its own */
        memcpy(name, embedding, sizeof embedding);
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        if (file[i] < 0x21 || file[i] > 0x7E) {
            return false;
        }
    }
    while (at < count) {
        size_t bytes = part_bytes(file + at, count - at);
        memcpy(name + at, file + at, bytes);
        at += bytes;
        if (at < count) {
            name[at++] = '.';
        }
    }
    name[count] = '\0';
    return true;
}
