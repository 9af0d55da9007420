/*
 * tokenizer_pipeline.h: what happens around the merging: the normalizer, pre_tokenizer and post_processor of a
 * tokenizer.json, recognised as one of the few combinations that core/text reproduces exactly. Anything else is refused by
 * name: a tokenizer that is almost right gives a model that is quietly worse.
 */
#ifndef TERCET_PACKER_TOKENIZER_PIPELINE_H
#define TERCET_PACKER_TOKENIZER_PIPELINE_H

#include "json.h"

struct tokenizer_pipeline {
    uint32_t kind;     /* TOKENIZER_* */
    uint32_t splitter; /* SPLITTER_* */
    uint32_t flags;    /* the TOKENIZER_FLAG_*PREFIX* ones and _NFC */
    bool words_apart; /* no merge may put a space behind another character (Metaspace with split) */
    uint32_t added_in_front; /* token that the template puts in front, or TERCET_NO_TOKEN */
};

/* `document` is a tokenizer.json. BAD_SOURCE, UNSUPPORTED_SOURCE with the name of what is not known. */
tercet_status tokenizer_pipeline_read(const struct json_document *document,
                                      struct tokenizer_pipeline *pipeline, tercet_error *error);
/* The expression by which a splitter cuts; NULL for one that has none. */
const char *tokenizer_splitter_expression(uint32_t splitter);

#endif
