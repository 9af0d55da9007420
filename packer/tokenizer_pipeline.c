/*
 * tokenizer_pipeline.c: see tokenizer_pipeline.h. The meaning of each part follows the tokenizers library
 * (github.com/huggingface/tokenizers at 3ba8ad0):
 *
 *   normalizer Prepend      adds its text to each part between added tokens that is not empty
 *                           (normalizers/prepend.rs; tokenizer/added_vocabulary.rs, extract_and_normalize)
 *   pre_tokenizer Metaspace replaces spaces by its character, then puts one in front of a part that does not start with
 *                           one: "always" of each part, "first" only where the part starts the text
 *                           (pre_tokenizers/metaspace.rs); `split` (true if absent) also cuts in front of each
 *   pre_tokenizer ByteLevel use_regex true (if absent) splits by the GPT-2 expression (pre_tokenizers/byte_level.rs)
 */
#include "tokenizer_pipeline.h"

#include "../core/container/container_layout.h"

#include <string.h>

#define SPACE_SYMBOL "\xE2\x96\x81" /* U+2581 */

static const struct {
    const char *expression;
    uint32_t splitter;
} known_expressions[] = {
    {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
     SPLITTER_GPT2},
    {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|"
     " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     SPLITTER_LLAMA3},
    {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|"
     " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     SPLITTER_QWEN2},
};

const char *tokenizer_splitter_expression(uint32_t splitter) {
    for (size_t i = 0; i < sizeof known_expressions / sizeof known_expressions[0]; i++) {
        if (known_expressions[i].splitter == splitter) {
            return known_expressions[i].expression;
        }
    }
    return NULL;
}

/* The steps of a part of the pipeline, one after the other: a Sequence is opened, anything else stands for itself. */
enum { STEPS_MAX = 4 };
struct steps {
    const cJSON *step[STEPS_MAX];
    const char *type[STEPS_MAX];
    uint32_t count;
};

static tercet_status unsupported(const struct json_document *document, const char *part,
                                 const char *what, tercet_error *error) {
    return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                       "%s: the %s \"%s\" is not supported yet", document->file, part, what);
}

static tercet_status read_steps(const struct json_document *document, const char *part,
                                const char *list_key, struct steps *steps, tercet_error *error) {
    const cJSON *node = NULL, *list = NULL;
    const char *type = NULL;
    steps->count = 0;
    TERCET_TRY(json_get_object(document, document->root, part, JSON_OPTIONAL, &node, error));
    if (node == NULL) {
        return TERCET_OK;
    }
    TERCET_TRY(json_get_string(document, node, "type", JSON_REQUIRED, &type, error));
    if (strcmp(type, "Sequence") != 0) {
        steps->step[0] = node;
        steps->type[0] = type;
        steps->count = 1;
        return TERCET_OK;
    }
    TERCET_TRY(json_get_array(document, node, list_key, JSON_REQUIRED, &list, error));
    for (const cJSON *item = list->child; item != NULL; item = item->next) {
        if (steps->count == STEPS_MAX) {
            return unsupported(document, part, "Sequence of many steps", error);
        }
        TERCET_TRY(json_get_string(document, item, "type", JSON_REQUIRED, &type, error));
        steps->step[steps->count] = item;
        steps->type[steps->count++] = type;
    }
    return TERCET_OK;
}

static bool step_is(const struct steps *steps, uint32_t index, const char *type) {
    return index < steps->count && strcmp(steps->type[index], type) == 0;
}

/* {"pattern": {key: text}}; *found stays NULL for another kind of pattern. */
static tercet_status read_pattern(const struct json_document *document, const cJSON *step,
                                  const char *key, const char **found, tercet_error *error) {
    const cJSON *pattern = NULL;
    TERCET_TRY(json_get_object(document, step, "pattern", JSON_REQUIRED, &pattern, error));
    return json_get_string(document, pattern, key, JSON_OPTIONAL, found, error);
}

struct normalizer {
    bool prepends, replaces_spaces, composes;
};

/* After NFC or not: nothing, [Replace " " by U+2581], or [Prepend U+2581, Replace " " by U+2581]. */
static tercet_status read_normalizer(const struct json_document *document,
                                     struct normalizer *normalizer, tercet_error *error) {
    struct steps steps;
    const char *text = NULL, *pattern = NULL;
    uint32_t at = 0;
    *normalizer = (struct normalizer){false, false, false};
    TERCET_TRY(read_steps(document, "normalizer", "normalizers", &steps, error));
    if (step_is(&steps, at, "NFC")) {
        normalizer->composes = true;
        at++;
    }
    if (step_is(&steps, at, "Prepend")) {
        TERCET_TRY(
            json_get_string(document, steps.step[at], "prepend", JSON_REQUIRED, &text, error));
        if (strcmp(text, SPACE_SYMBOL) != 0) {
            return unsupported(document, "normalizer Prepend of", text, error);
        }
        normalizer->prepends = true;
        at++;
    }
    if (step_is(&steps, at, "Replace")) {
        TERCET_TRY(read_pattern(document, steps.step[at], "String", &pattern, error));
        TERCET_TRY(
            json_get_string(document, steps.step[at], "content", JSON_REQUIRED, &text, error));
        if (pattern == NULL || strcmp(pattern, " ") != 0 || strcmp(text, SPACE_SYMBOL) != 0) {
            return unsupported(document, "normalizer", "Replace of something else than a space",
                               error);
        }
        normalizer->replaces_spaces = true;
        at++;
    }
    if (at < steps.count) {
        return unsupported(document, "normalizer", steps.type[at], error);
    }
    if (normalizer->prepends && !normalizer->replaces_spaces) {
        return unsupported(document, "normalizer", "Prepend without Replace", error);
    }
    return TERCET_OK;
}

static tercet_status read_split(const struct json_document *document, const cJSON *step,
                                uint32_t *splitter, tercet_error *error) {
    const char *expression = NULL, *behavior = NULL;
    bool invert = false;
    TERCET_TRY(read_pattern(document, step, "Regex", &expression, error));
    TERCET_TRY(json_get_string(document, step, "behavior", JSON_REQUIRED, &behavior, error));
    TERCET_TRY(json_get_bool(document, step, "invert", JSON_OPTIONAL, &invert, error));
    if (expression == NULL || invert || strcmp(behavior, "Isolated") != 0) {
        return unsupported(document, "pre_tokenizer", "Split by other than an isolated Regex",
                           error);
    }
    for (size_t i = 0; i < sizeof known_expressions / sizeof known_expressions[0]; i++) {
        if (strcmp(expression, known_expressions[i].expression) == 0) {
            *splitter = known_expressions[i].splitter;
            return TERCET_OK;
        }
    }
    return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                       "%s: the pre_tokenizers of GPT-2, Llama 3 and Qwen 2 are known, which this "
                       "is not: Split expression \"%s\"",
                       document->file, expression);
}

/* ByteLevel, or [Split, ByteLevel without its own expression]. */
static tercet_status read_byte_level(const struct json_document *document,
                                     const struct steps *steps, struct tokenizer_pipeline *pipeline,
                                     tercet_error *error) {
    bool add_prefix_space = true, use_regex = true; /* the library's defaults */
    uint32_t at = 0;
    pipeline->kind = TOKENIZER_BYTE_BPE;
    if (step_is(steps, at, "Split")) {
        TERCET_TRY(read_split(document, steps->step[at++], &pipeline->splitter, error));
    }
    if (!step_is(steps, at, "ByteLevel") || at + 1 < steps->count) {
        return unsupported(document, "pre_tokenizer",
                           at < steps->count ? steps->type[at] : "Split without ByteLevel", error);
    }
    TERCET_TRY(json_get_bool(document, steps->step[at], "add_prefix_space", JSON_OPTIONAL,
                             &add_prefix_space, error));
    TERCET_TRY(
        json_get_bool(document, steps->step[at], "use_regex", JSON_OPTIONAL, &use_regex, error));
    if (add_prefix_space) {
        return unsupported(document, "pre_tokenizer", "ByteLevel with add_prefix_space", error);
    }
    if (use_regex && pipeline->splitter != SPLITTER_NONE) {
        return unsupported(document, "pre_tokenizer", "Split and ByteLevel with use_regex", error);
    }
    if (use_regex) {
        pipeline->splitter = SPLITTER_GPT2;
    }
    return TERCET_OK;
}

static tercet_status read_metaspace(const struct json_document *document, const cJSON *step,
                                    struct tokenizer_pipeline *pipeline, tercet_error *error) {
    const char *replacement = NULL, *scheme = "always";
    bool add_prefix_space = true, split = true;
    TERCET_TRY(json_get_string(document, step, "replacement", JSON_REQUIRED, &replacement, error));
    TERCET_TRY(json_get_string(document, step, "prepend_scheme", JSON_OPTIONAL, &scheme, error));
    TERCET_TRY(
        json_get_bool(document, step, "add_prefix_space", JSON_OPTIONAL, &add_prefix_space, error));
    TERCET_TRY(json_get_bool(document, step, "split", JSON_OPTIONAL, &split, error));
    if (strcmp(replacement, SPACE_SYMBOL) != 0) {
        return unsupported(document, "pre_tokenizer Metaspace of", replacement, error);
    }
    pipeline->words_apart = split;
    if (!add_prefix_space || strcmp(scheme, "never") == 0) {
        return TERCET_OK;
    }
    pipeline->flags |= TOKENIZER_FLAG_ADD_PREFIX_SPACE | TOKENIZER_FLAG_PREFIX_IF_MISSING;
    if (strcmp(scheme, "always") == 0) {
        pipeline->flags |= TOKENIZER_FLAG_PREFIX_EVERY_PART;
    } else if (strcmp(scheme, "first") != 0) {
        return unsupported(document, "pre_tokenizer Metaspace prepend_scheme", scheme, error);
    }
    return TERCET_OK;
}

/* Gemma's Split at " ", which the normalizer has already replaced everywhere: it cuts nothing. */
static tercet_status check_idle_split(const struct json_document *document, const cJSON *step,
                                      tercet_error *error) {
    const char *pattern = NULL;
    TERCET_TRY(read_pattern(document, step, "String", &pattern, error));
    if (pattern == NULL || strcmp(pattern, " ") != 0) {
        return unsupported(document, "pre_tokenizer", "Split", error);
    }
    return TERCET_OK;
}

static tercet_status read_text_steps(const struct json_document *document,
                                     struct tokenizer_pipeline *pipeline, tercet_error *error) {
    struct normalizer normalizer;
    struct steps steps;
    TERCET_TRY(read_normalizer(document, &normalizer, error));
    pipeline->flags = normalizer.composes ? TOKENIZER_FLAG_NFC : 0;
    TERCET_TRY(read_steps(document, "pre_tokenizer", "pretokenizers", &steps, error));
    bool normalizes = normalizer.prepends || normalizer.replaces_spaces;
    if (!normalizes && steps.count > 0 && !step_is(&steps, 0, "Metaspace")) {
        return read_byte_level(document, &steps, pipeline, error);
    }
    pipeline->kind = TOKENIZER_SENTENCEPIECE;
    if (steps.count > 1) {
        return unsupported(document, "pre_tokenizer", steps.type[1], error);
    }
    if (!normalizes) {
        if (steps.count == 0) {
            return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                               "%s has neither a normalizer nor a pre_tokenizer, which is not "
                               "supported yet",
                               document->file);
        }
        return read_metaspace(document, steps.step[0], pipeline, error);
    }
    if (normalizer.prepends) {
        pipeline->flags |= TOKENIZER_FLAG_ADD_PREFIX_SPACE | TOKENIZER_FLAG_PREFIX_EVERY_PART;
    }
    if (steps.count == 0) {
        return TERCET_OK;
    }
    if (!step_is(&steps, 0, "Split")) {
        return unsupported(document, "pre_tokenizer behind a normalizer", steps.type[0], error);
    }
    return check_idle_split(document, steps.step[0], error);
}

/* The id of a special token that a template names. */
static tercet_status read_template_token(const struct json_document *document, const cJSON *step,
                                         const cJSON *item, uint32_t *token, tercet_error *error) {
    const cJSON *tokens = NULL, *entry = NULL, *ids = NULL;
    const char *name = NULL;
    uint64_t id = 0;
    TERCET_TRY(json_get_string(document, item, "id", JSON_REQUIRED, &name, error));
    TERCET_TRY(json_get_object(document, step, "special_tokens", JSON_REQUIRED, &tokens, error));
    TERCET_TRY(json_get_object(document, tokens, name, JSON_REQUIRED, &entry, error));
    TERCET_TRY(json_get_array(document, entry, "ids", JSON_REQUIRED, &ids, error));
    if (ids->child == NULL || ids->child->next != NULL) {
        return unsupported(document, "post_processor", "TemplateProcessing with several ids",
                           error);
    }
    if (!json_take_u64(ids->child, LIMIT_VOCABULARY - 1, &id)) {
        return tercet_fail(error, TERCET_BAD_SOURCE, 0, "%s: the template token \"%s\" has no id",
                           document->file, name);
    }
    *token = (uint32_t)id;
    return TERCET_OK;
}

/* [Sequence A] or [SpecialToken, Sequence A]. */
static tercet_status read_template(const struct json_document *document, const cJSON *step,
                                   struct tokenizer_pipeline *pipeline, tercet_error *error) {
    const cJSON *single = NULL, *special = NULL, *sequence = NULL;
    TERCET_TRY(json_get_array(document, step, "single", JSON_REQUIRED, &single, error));
    const cJSON *item = single->child;
    if (item != NULL) {
        TERCET_TRY(json_get_object(document, item, "SpecialToken", JSON_OPTIONAL, &special, error));
    }
    if (special != NULL) {
        TERCET_TRY(read_template_token(document, step, special, &pipeline->added_in_front, error));
        item = item->next;
    }
    if (item != NULL) {
        TERCET_TRY(json_get_object(document, item, "Sequence", JSON_OPTIONAL, &sequence, error));
    }
    if (sequence == NULL || item->next != NULL) {
        return unsupported(document, "post_processor",
                           "TemplateProcessing of other than one token in front", error);
    }
    return TERCET_OK;
}

static tercet_status read_post_processor(const struct json_document *document,
                                         struct tokenizer_pipeline *pipeline, tercet_error *error) {
    struct steps steps;
    TERCET_TRY(read_steps(document, "post_processor", "processors", &steps, error));
    for (uint32_t i = 0; i < steps.count; i++) {
        if (step_is(&steps, i, "TemplateProcessing") &&
            pipeline->added_in_front == TERCET_NO_TOKEN) {
            TERCET_TRY(read_template(document, steps.step[i], pipeline, error));
        } else if (!step_is(&steps, i, "ByteLevel")) { /* which only moves offsets */
            return unsupported(document, "post_processor", steps.type[i], error);
        }
    }
    return TERCET_OK;
}

tercet_status tokenizer_pipeline_read(const struct json_document *document,
                                      struct tokenizer_pipeline *pipeline, tercet_error *error) {
    memset(pipeline, 0, sizeof *pipeline);
    pipeline->splitter = SPLITTER_NONE;
    pipeline->added_in_front = TERCET_NO_TOKEN;
    TERCET_TRY(read_text_steps(document, pipeline, error));
    return read_post_processor(document, pipeline, error);
}
