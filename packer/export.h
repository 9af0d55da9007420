/*
 * export.h: the way out: a .tercet file in, and out a GGUF file that stock llama.cpp reads, or a Hugging Face folder that
 * transformers reads, with the weights as plain numbers on their grid. Ternary weights stay as they are; in GGUF their scales
 * are rounded to halves, because every ternary block type has one, and the report says how far that moved them. Prints
 * nothing and reads no files: the caller maps the model and checks its hashes.
 */
#ifndef TERCET_PACKER_EXPORT_H
#define TERCET_PACKER_EXPORT_H

#include "../core/base/status.h"
#include "../core/base/untrusted.h"
#include "gguf_blocks.h"

/* How embedding and head are written. SAME: ternary as the other matrices, int8 as Q8_0, f16 and f32 as they are. */
enum export_table { EXPORT_TABLE_SAME = 0, EXPORT_TABLE_Q8_0, EXPORT_TABLE_F16, EXPORT_TABLE_F32 };

/* Numbers of a folder. EXACT: for each tensor the smallest of bf16, f16 and f32 that holds every one of them. */
enum export_number {
    EXPORT_NUMBER_EXACT = 0,
    EXPORT_NUMBER_BF16,
    EXPORT_NUMBER_F16,
    EXPORT_NUMBER_F32
};

struct export_options {
    const char *destination;   /* the file, or the folder: a new or an empty one */
    enum export_number number; /* of a folder; what follows is of GGUF */
    enum gguf_type type;       /* of ternary matrices */
    enum gguf_type fallback;   /* of those whose width is no multiple of the block of `type` */
    enum export_table embedding;
    /* A block may be longer than a group of scales: then one mean scale is written in place of several, which changes the
     * weights. For comparisons of speed; false: refused. */
    bool merge_scales;
    /* Called after each tensor; non-zero return stops the export (CANCELLED). May be NULL. */
    int (*progress)(void *context, const char *tensor, uint64_t done_bytes, uint64_t total_bytes);
    void *progress_context;
};

enum { EXPORT_NOTES = 8, EXPORT_TYPES = 7 };

struct export_report {
    const char *architecture; /* as GGUF names it; the class of transformers */
    uint64_t file_bytes;      /* of the weights */
    uint32_t tensors;
    uint64_t ternary_weights;
    /* Largest relative error of a scale that became a half; of one that replaced several. */
    double scale_error, merge_error;
    uint64_t rounded_weights; /* of tables that were asked for in a type that rounds them */
    struct {
        const char *name;
        uint64_t weights;
    } types[EXPORT_TYPES]; /* in use, name NULL behind the last */
    const char
        *notes[EXPORT_NOTES]; /* what a reader of the file should know; NULL behind the last */
};

void export_options_init(struct export_options *options);
/* `model` is the whole file, its first byte aligned to 64. The statuses of the container's reader and CANNOT_EXPORT. */
tercet_status export_gguf(untrusted_bytes model, const struct export_options *options,
                          struct export_report *report, tercet_error *error);
/* The same as a folder: model.safetensors, config.json, generation_config.json, tokenizer.json, tokenizer_config.json. */
tercet_status export_folder(untrusted_bytes model, const struct export_options *options,
                            struct export_report *report, tercet_error *error);
void export_note(struct export_report *report, const char *note);

#endif
