/*
 * folder_tokenizer.c: see folder_tokenizer.h. The meaning of each part: tokenizer_pipeline.c, which is the way back.
 */
#include "folder_tokenizer.h"

#include "../core/text/utf8.h"
#include "chat_jinja.h"
#include "json.h"
#include "token_spelling.h"
#include "tokenizer_pipeline.h"

#include <stdlib.h>
#include <string.h>

#define SPACE_SYMBOL "\xE2\x96\x81" /* U+2581 */

/* Everything that one call holds. `complete` becomes false when memory ran out. */
struct writing {
    const struct container *container;
    const struct container_tokenizer *t;
    cJSON *root;
    bool complete;
    char text[2 * TOKEN_SPELLING_BYTES + 2];
};

static cJSON *keep(struct writing *w, cJSON *item) {
    w->complete = w->complete && item != NULL;
    return item;
}

/* New members of `object`; NULL is passed on. */
static cJSON *add_object(struct writing *w, cJSON *object, const char *key) {
    return keep(w, cJSON_AddObjectToObject(object, key));
}

static cJSON *add_array(struct writing *w, cJSON *object, const char *key) {
    return keep(w, cJSON_AddArrayToObject(object, key));
}

static void add_text(struct writing *w, cJSON *object, const char *key, const char *text) {
    (void)keep(w, text != NULL ? cJSON_AddStringToObject(object, key, text)
                               : cJSON_AddNullToObject(object, key));
}

static void add_bool(struct writing *w, cJSON *object, const char *key, bool value) {
    (void)keep(w, cJSON_AddBoolToObject(object, key, value));
}

static void add_number(struct writing *w, cJSON *object, const char *key, double value) {
    (void)keep(w, cJSON_AddNumberToObject(object, key, value));
}

/* A new element of `array`. */
static cJSON *append(struct writing *w, cJSON *array, cJSON *item) {
    if (keep(w, item) != NULL && !cJSON_AddItemToArray(array, item)) {
        cJSON_Delete(item);
        w->complete = false;
        return NULL;
    }
    return item;
}

static cJSON *append_step(struct writing *w, cJSON *array, const char *type) {
    cJSON *step = append(w, array, cJSON_CreateObject());
    add_text(w, step, "type", type);
    return step;
}

/* The text of a token, with its NUL; false for a row without one. */
static bool spell(struct writing *w, uint32_t token) {
    size_t bytes = token_spell(w->t, token, (uint8_t *)w->text);
    w->text[bytes] = '\0';
    return bytes > 0;
}

static bool is_added(uint32_t kind) {
    return kind == TOKEN_CONTROL || kind == TOKEN_USER_DEFINED || kind == TOKEN_UNKNOWN;
}

/* JSON has no other texts. */
static tercet_status check_texts(struct writing *w, tercet_error *error) {
    for (uint32_t token = 0; token < w->t->token_count; token++) {
        size_t bytes = token_spell(w->t, token, (uint8_t *)w->text);
        if (memchr(w->text, 0, bytes) != NULL ||
            utf8_valid_prefix((const uint8_t *)w->text, bytes) != bytes) {
            return tercet_fail(error, TERCET_CANNOT_EXPORT, token,
                               "token %u is no text that JSON can hold", token);
        }
    }
    return TERCET_OK;
}

/* ---------------------------------------------------------------- around the merging */

static void add_normalizer(struct writing *w, uint32_t flags) {
    bool prepends = (flags & TOKENIZER_FLAG_ADD_PREFIX_SPACE) != 0;
    if (w->t->kind == TOKENIZER_BYTE_BPE || (flags & TOKENIZER_FLAG_PREFIX_IF_MISSING) != 0) {
        add_text(w, w->root, "normalizer", NULL);
        return;
    }
    cJSON *normalizer = add_object(w, w->root, "normalizer");
    add_text(w, normalizer, "type", "Sequence");
    cJSON *steps = add_array(w, normalizer, "normalizers");
    if (prepends) {
        add_text(w, append_step(w, steps, "Prepend"), "prepend", SPACE_SYMBOL);
    }
    cJSON *replace = append_step(w, steps, "Replace");
    add_text(w, add_object(w, replace, "pattern"), "String", " ");
    add_text(w, replace, "content", SPACE_SYMBOL);
}

static void fill_byte_level(struct writing *w, cJSON *step, bool use_regex) {
    add_bool(w, step, "add_prefix_space", false);
    add_bool(w, step, "trim_offsets", true);
    add_bool(w, step, "use_regex", use_regex);
}

static void add_byte_level_splitter(struct writing *w) {
    const char *expression = tokenizer_splitter_expression(w->t->splitter);
    cJSON *pre = add_object(w, w->root, "pre_tokenizer");
    if (w->t->splitter == SPLITTER_GPT2 || expression == NULL) { /* ByteLevel's own, or none */
        add_text(w, pre, "type", "ByteLevel");
        fill_byte_level(w, pre, expression != NULL);
        return;
    }
    add_text(w, pre, "type", "Sequence");
    cJSON *steps = add_array(w, pre, "pretokenizers");
    cJSON *split = append_step(w, steps, "Split");
    add_text(w, add_object(w, split, "pattern"), "Regex", expression);
    add_text(w, split, "behavior", "Isolated");
    add_bool(w, split, "invert", false);
    fill_byte_level(w, append_step(w, steps, "ByteLevel"), false);
}

static void add_pre_tokenizer(struct writing *w, uint32_t flags) {
    if (w->t->kind == TOKENIZER_BYTE_BPE) {
        add_byte_level_splitter(w);
    } else if ((flags & TOKENIZER_FLAG_PREFIX_IF_MISSING) != 0) {
        cJSON *pre = add_object(w, w->root, "pre_tokenizer");
        bool always = (flags & TOKENIZER_FLAG_PREFIX_EVERY_PART) != 0;
        add_text(w, pre, "type", "Metaspace");
        add_text(w, pre, "replacement", SPACE_SYMBOL);
        add_text(w, pre, "prepend_scheme", always ? "always" : "first");
        add_bool(w, pre, "split", false);
    } else {
        add_text(w, w->root, "pre_tokenizer", NULL);
    }
}

/* [beginning, A]: what is put in front of a text. */
static void add_post_processor(struct writing *w) {
    static const char *const sides[] = {"single", "pair"};
    if ((w->t->flags & TOKENIZER_FLAG_ADD_BEGINNING) == 0 || !spell(w, w->t->beginning)) {
        add_text(w, w->root, "post_processor", NULL);
        return;
    }
    cJSON *post = add_object(w, w->root, "post_processor");
    add_text(w, post, "type", "TemplateProcessing");
    for (int side = 0; side < 2; side++) {
        cJSON *list = add_array(w, post, sides[side]);
        for (int sequence = 0; sequence <= side; sequence++) {
            cJSON *token = add_object(w, append(w, list, cJSON_CreateObject()), "SpecialToken");
            add_text(w, token, "id", w->text);
            add_number(w, token, "type_id", sequence);
            cJSON *text = add_object(w, append(w, list, cJSON_CreateObject()), "Sequence");
            add_text(w, text, "id", sequence == 0 ? "A" : "B");
            add_number(w, text, "type_id", sequence);
        }
    }
    cJSON *entry = add_object(w, add_object(w, post, "special_tokens"), w->text);
    add_text(w, entry, "id", w->text);
    (void)append(w, add_array(w, entry, "ids"), cJSON_CreateNumber(w->t->beginning));
    (void)append(w, add_array(w, entry, "tokens"), cJSON_CreateString(w->text));
}

static void add_decoder(struct writing *w) {
    cJSON *decoder = add_object(w, w->root, "decoder");
    if (w->t->kind == TOKENIZER_BYTE_BPE) {
        add_text(w, decoder, "type", "ByteLevel");
        fill_byte_level(w, decoder, true);
        return;
    }
    add_text(w, decoder, "type", "Sequence");
    cJSON *steps = add_array(w, decoder, "decoders");
    cJSON *replace = append_step(w, steps, "Replace");
    add_text(w, add_object(w, replace, "pattern"), "String", SPACE_SYMBOL);
    add_text(w, replace, "content", " ");
    (void)append_step(w, steps, "ByteFallback");
    (void)append_step(w, steps, "Fuse");
    if ((w->t->flags & TOKENIZER_FLAG_ADD_PREFIX_SPACE) != 0) {
        cJSON *strip = append_step(w, steps, "Strip");
        add_text(w, strip, "content", " ");
        add_number(w, strip, "start", 1);
        add_number(w, strip, "stop", 0);
    }
}

/* ---------------------------------------------------------------- tokens and merges */

static void add_added_tokens(struct writing *w) {
    cJSON *list = add_array(w, w->root, "added_tokens");
    for (uint32_t id = 0; id < w->t->token_count && w->complete; id++) {
        if (!is_added(w->t->kinds[id]) || !spell(w, id)) {
            continue;
        }
        cJSON *token = append(w, list, cJSON_CreateObject());
        add_number(w, token, "id", id);
        add_text(w, token, "content", w->text);
        add_bool(w, token, "single_word", false);
        add_bool(w, token, "lstrip", false);
        add_bool(w, token, "rstrip", false);
        add_bool(w, token, "normalized", false);
        add_bool(w, token, "special", w->t->kinds[id] != TOKEN_USER_DEFINED);
    }
}

/* Every token but unused ones, which the format cannot say, and added ones behind all others, which stand in added_tokens
 * alone unless text can match them. */
static void add_vocabulary(struct writing *w, cJSON *model, bool *matchable) {
    const struct container_tokenizer *t = w->t;
    cJSON *vocab = add_object(w, model, "vocab");
    uint32_t end = t->token_count;
    while (end > 0 && (is_added(t->kinds[end - 1]) || t->kinds[end - 1] == TOKEN_UNUSED) &&
           !matchable[end - 1]) {
        end--;
    }
    for (uint32_t id = 0; id < end && w->complete; id++) {
        if (t->kinds[id] != TOKEN_UNUSED && spell(w, id)) {
            add_number(w, vocab, w->text, id);
        }
    }
}

/* Tokens with a text that no text is cut into. */
static bool has_unused(struct writing *w) {
    for (uint32_t id = 0; id < w->t->token_count; id++) {
        if (w->t->kinds[id] == TOKEN_UNUSED && spell(w, id)) {
            return true;
        }
    }
    return false;
}

static void add_merges(struct writing *w, cJSON *model, const uint32_t *order) {
    cJSON *merges = add_array(w, model, "merges");
    for (uint32_t i = 0; i < w->t->merge_count && w->complete; i++) {
        const uint32_t *merge = &w->t->merges[(size_t)order[i] * 4];
        size_t bytes = token_spell(w->t, merge[0], (uint8_t *)w->text);
        w->text[bytes++] = ' ';
        bytes += token_spell(w->t, merge[1], (uint8_t *)w->text + bytes);
        w->text[bytes] = '\0';
        (void)append(w, merges, cJSON_CreateString(w->text));
    }
}

/* Whether two merges have one rank: then a place in the text decides, here its place in the list. */
static bool ranks_repeat(const struct container_tokenizer *t, const uint32_t *order) {
    for (uint32_t i = 1; i < t->merge_count; i++) {
        if (t->merges[(size_t)order[i - 1] * 4 + 2] == t->merges[(size_t)order[i] * 4 + 2]) {
            return true;
        }
    }
    return false;
}

static void add_model(struct writing *w, const uint32_t *order, bool *matchable) {
    const struct container_tokenizer *t = w->t;
    cJSON *model = add_object(w, w->root, "model");
    bool unknown = t->unknown != TERCET_NO_TOKEN && spell(w, t->unknown);
    add_text(w, model, "type", "BPE");
    add_text(w, model, "dropout", NULL);
    add_text(w, model, "unk_token", unknown ? w->text : NULL);
    add_text(w, model, "continuing_subword_prefix", NULL);
    add_text(w, model, "end_of_word_suffix", NULL);
    add_bool(w, model, "fuse_unk", t->kind == TOKENIZER_SENTENCEPIECE);
    add_bool(w, model, "byte_fallback", (t->flags & TOKENIZER_FLAG_BYTE_FALLBACK) != 0);
    add_bool(w, model, "ignore_merges", (t->flags & TOKENIZER_FLAG_IGNORE_MERGES) != 0);
    add_vocabulary(w, model, matchable);
    add_merges(w, model, order);
}

static void add_all(struct writing *w, const uint32_t *order, bool *matchable) {
    add_text(w, w->root, "version", "1.0");
    add_text(w, w->root, "truncation", NULL);
    add_text(w, w->root, "padding", NULL);
    add_added_tokens(w);
    add_normalizer(w, w->t->flags);
    add_pre_tokenizer(w, w->t->flags);
    add_post_processor(w);
    add_decoder(w);
    add_model(w, order, matchable);
}

static tercet_status out_of_memory(tercet_error *error) {
    return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for the tokenizer");
}

/* The text of the object, which is deleted. */
static tercet_status print(struct writing *w, char **text, tercet_error *error) {
    *text = w->complete ? cJSON_Print(w->root) : NULL;
    cJSON_Delete(w->root);
    return *text != NULL ? TERCET_OK : out_of_memory(error);
}

static tercet_status check_kind(const struct container_tokenizer *t, tercet_error *error) {
    bool known = t->kind == TOKENIZER_BYTE_BPE || t->kind == TOKENIZER_SENTENCEPIECE;
    bool splits =
        t->splitter == SPLITTER_NONE || tokenizer_splitter_expression(t->splitter) != NULL;
    return known && splits
               ? TERCET_OK
               : tercet_fail(error, TERCET_CANNOT_EXPORT, t->kind,
                             "a tokenizer of this kind cannot be written as tokenizer.json");
}

tercet_status folder_tokenizer_write(const struct container *container,
                                     struct export_report *report, char **text,
                                     tercet_error *error) {
    const struct container_tokenizer *t = &container->tokenizer;
    *text = NULL;
    TERCET_TRY(check_kind(t, error));
    struct writing *w = calloc(1, sizeof *w);
    uint32_t *order = token_merge_order(t);
    bool *matchable = calloc((size_t)t->token_count + 1, sizeof *matchable);
    tercet_status status =
        w != NULL && order != NULL && matchable != NULL ? TERCET_OK : out_of_memory(error);
    if (status == TERCET_OK) {
        *w = (struct writing){.container = container, .t = t, .complete = true};
        status = check_texts(w, error);
    }
    if (status == TERCET_OK) {
        for (uint32_t i = 0; i < t->sorted_count; i++) {
            matchable[t->sorted[i]] = true;
        }
        w->root = keep(w, cJSON_CreateObject());
        add_all(w, order, matchable);
        if (has_unused(w)) {
            export_note(report, "tokens that are marked unused have no place in tokenizer.json: "
                                "their texts are left out, their rows stay");
        }
        if (ranks_repeat(t, order)) {
            export_note(report, "a rare text may be cut into other tokens there: this tokenizer "
                                "joins by scores, some of them equal, tokenizer.json by an order");
        }
        status = print(w, text, error);
    }
    free(w);
    free(order);
    free(matchable);
    return status;
}

tercet_status folder_tokenizer_config_write(const struct container *container, char **text,
                                            tercet_error *error) {
    const struct container_tokenizer *t = &container->tokenizer;
    char *template;
    *text = NULL;
    TERCET_TRY(chat_jinja_write(container, &template, error));
    struct writing *w = calloc(1, sizeof *w);
    if (w == NULL) {
        free(template);
        return out_of_memory(error);
    }
    *w = (struct writing){.container = container, .t = t, .complete = true};
    w->root = keep(w, cJSON_CreateObject());
    add_text(w, w->root, "tokenizer_class", "PreTrainedTokenizerFast");
    const struct {
        const char *key;
        uint32_t token;
    } named[] = {{"bos_token", t->beginning},
                 {"eos_token", container->config.stop_tokens[0]},
                 {"unk_token", t->unknown}};
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
        if (named[i].token < t->token_count && spell(w, named[i].token)) {
            add_text(w, w->root, named[i].key, w->text);
        }
    }
    add_bool(w, w->root, "add_bos_token", (t->flags & TOKENIZER_FLAG_ADD_BEGINNING) != 0);
    add_bool(w, w->root, "clean_up_tokenization_spaces", false);
    add_number(w, w->root, "model_max_length", container->config.context);
    if (template != NULL) {
        add_text(w, w->root, "chat_template", template);
    }
    free(template);
    tercet_status status = print(w, text, error);
    free(w);
    return status;
}
