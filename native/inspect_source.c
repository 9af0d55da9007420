/*
 * inspect_source.c: see inspect_source.h. The readers are the packer's, so what it says is what packing finds.
 */
#define _GNU_SOURCE 1
#include "inspect_source.h"

#include "../packer/source_survey.h"
#include "../packer/source_vocabulary.h"
#include "commands.h"
#include "forecast_model.h"
#include "interrupt.h"
#include "json_writer.h"
#include "terminal.h"

#include <inttypes.h>
#include <string.h>

struct source_inspection {
    struct model_source source;
    struct source_survey survey;
    bool readable, has_vocabulary;
    tercet_error reason, vocabulary_reason; /* where not */
    struct source_vocabulary vocabulary;
    struct chat_section chat; /* of what is readable */
    struct forecast forecast;
    char name[ABOUT_TEXT_BYTES], licence[ABOUT_TEXT_BYTES];
};

static int show_progress(void *context, uint64_t done, uint64_t total) {
    (void)context;
    progress_show("reading weights", done, total);
    return interrupt_came();
}

static const char *const format_names[] = {"folder", "gguf", "bitmamba"};

static double share(uint64_t part, uint64_t whole) {
    return whole > 0 ? (double)part / (double)whole : 0;
}

static const char *tokenizer_kind(const struct container_tokenizer *tables, char text[64]) {
    static const char *const rules[] = {"", " cut as GPT-2's", " cut as Llama 3's",
                                        " cut as Qwen 2's"};
    bool known = tables->splitter < sizeof rules / sizeof *rules;
    (void)snprintf(text, 64, "%s%s",
                   tables->kind == TOKENIZER_BYTE_BPE        ? "byte-level BPE"
                   : tables->kind == TOKENIZER_SENTENCEPIECE ? "SentencePiece BPE"
                   : tables->kind == TOKENIZER_WORDPIECE     ? "WordPiece"
                                                             : "another kind",
                   known ? rules[tables->splitter] : "");
    return text;
}

/* As `tercet inspect` of a packed model names them. */
static const char *scale_name(const struct source_survey *survey) {
    return survey->ternary_weights == 0      ? "none"
           : survey->scale == SCALE_TENSOR   ? "tensor"
           : survey->scale == SCALE_ROW      ? "row"
           : survey->scale == SCALE_GROUP64  ? "group64"
           : survey->scale == SCALE_GROUP128 ? "group128"
                                             : "mixed";
}

/* ---------------------------------------------------------------- for people */

static void print_row(const char *label, const char *text) {
    printf("%-12s", label);
    print_foreign_text(stdout, text, strlen(text));
    putchar('\n');
}

static void print_format(const struct source_inspection *inspection) {
    const struct source_weights *weights = &inspection->source.weights;
    char bytes[24];
    printf("%-12s", "format");
    if (inspection->source.format == SOURCE_GGUF) {
        printf("GGUF version %u, %u keys", inspection->source.gguf.header.version,
               inspection->source.gguf.header.key_count);
    } else if (inspection->source.format == SOURCE_BITMAMBA) {
        printf("BitMamba-2's own");
    } else if (weights->form != NULL) {
        printf("folder of .npz, %s", weights->form);
    } else {
        printf("Hugging Face folder, %u %s", weights->shard_count,
               weights->shard_count == 1 ? "file of weights" : "files of weights");
    }
    printf(", %u tensors, %s\n", weights->tensor_count,
           format_bytes(weights->file_bytes, bytes, sizeof bytes));
    for (uint32_t i = 0; i < inspection->survey.type_count; i++) {
        const struct survey_type *type = &inspection->survey.types[i];
        char count[24];
        printf("%-12s%-10s %6u %-8s %10s weights %12s %7.3f bits each\n", i == 0 ? "stored as" : "",
               type->name, type->tensors, type->tensors == 1 ? "tensor" : "tensors",
               format_quantity(type->weights, count, sizeof count),
               format_bytes(type->bytes, bytes, sizeof bytes),
               8 * share(type->bytes, type->weights));
    }
}

static void print_network(const struct source_inspection *inspection) {
    const struct container_config *config = &inspection->source.architecture.config;
    const struct source_survey *survey = &inspection->survey;
    char a[24], b[24];
    printf("%-12s%s, %u %s, hidden %u, inner %u, %u heads of %u", "network",
           inspection->source.architecture.class_name, config->layers,
           config->layers == 1 ? "layer" : "layers", config->hidden, config->inner, config->heads,
           config->head_dim);
    if (config->family == FAMILY_BITMAMBA2) {
        printf(" with states, no keys and values\n");
    } else {
        printf(" (%u for keys and values), context %u\n", config->kv_heads, config->context);
    }
    printf("%-12s%s, of which %s are ternary as they are stored (%.1f %%)\n", "parameters",
           format_quantity(survey->parameters, a, sizeof a),
           format_quantity(survey->ternary_weights, b, sizeof b),
           100 * share(survey->ternary_weights, survey->parameters));
    if (survey->ternary_weights == 0) {
        return;
    }
    printf("%-12s%s\n%-12s%.1f %% of the ternary weights are zero; by layer:", "scales",
           scale_name(survey), "sparsity",
           100 * share(survey->ternary_zeros, survey->ternary_weights));
    for (uint32_t i = 0; i < survey->layers; i++) {
        printf("%s%.1f", i % 16 == 0 && i > 0 ? "\n            " : " ",
               100 * share(survey->layer[i].zeros, survey->layer[i].weights));
    }
    putchar('\n');
}

/* What a session takes, the chat format and the activations: all that depends on packing. */
static void print_session(const struct source_inspection *inspection) {
    const struct forecast *forecast = &inspection->forecast;
    const struct chat_section *chat = &inspection->chat;
    char a[24], b[24], c[24];
    printf("%-12s", "chat");
    print_foreign_text(stdout, chat->note[0] != '\0' ? chat->note : chat->format,
                       strlen(chat->note[0] != '\0' ? chat->note : chat->format));
    printf("%s\n%-12s%s\n", chat->note[0] == '\0' && chat->format[0] == '\0' ? "no format" : "",
           "activations",
           forecast->activation_bits != 8 ? "floats"
           : architecture_names_activations(&inspection->source.architecture)
               ? "int8, a scale a token"
               : "int8, a scale a token (Tercet's choice: the source names no scheme)");
    printf("%-12spacked about %s; session of %u tokens %s; together %s\n", "memory",
           format_bytes(forecast->file_bytes, a, sizeof a), forecast->context,
           format_bytes(forecast->session_bytes, b, sizeof b),
           format_bytes(forecast->file_bytes + forecast->session_bytes, c, sizeof c));
}

static void print_reason(const char *label, const tercet_error *reason) {
    printf("%-12sno: ", label);
    print_foreign_text(stdout, reason->detail, strlen(reason->detail));
    printf(" [%s]\n", tercet_status_name(reason->status));
}

static void print_tensors(const struct source_weights *weights) {
    printf("\n%-48s %-10s %22s %14s\n", "tensor", "type", "shape", "bytes");
    for (uint32_t i = 0; i < weights->tensor_count; i++) {
        const struct source_tensor *tensor = weights->tensors[i];
        char shape[48] = "one number";
        size_t used = 0;
        for (uint32_t d = 0; d < tensor->rank && used < sizeof shape; d++) {
            used += (size_t)snprintf(shape + used, sizeof shape - used, "%s%" PRIu64,
                                     d > 0 ? " x " : "", tensor->shape[d]);
        }
        printf("%-48s %-10.10s %22s %14" PRIu64 "\n", tensor->name, tensor->dtype_name, shape,
               tensor->bytes);
    }
}

static void print_inspection(const struct source_inspection *inspection, bool with_tensors) {
    print_row("name", inspection->name[0] != '\0' ? inspection->name : "not stated");
    print_row("licence", inspection->licence[0] != '\0' ? inspection->licence : "not stated");
    print_format(inspection);
    if (inspection->readable) {
        print_network(inspection);
    }
    if (inspection->has_vocabulary) {
        printf("%-12s%s, %u tokens\n", "tokenizer",
               tokenizer_kind(&inspection->vocabulary.tables, (char[64]){0}),
               inspection->vocabulary.tables.token_count);
    } else {
        print_reason("tokenizer", &inspection->vocabulary_reason);
    }
    if (!inspection->readable) {
        print_reason("packs", &inspection->reason);
    } else {
        print_session(inspection);
        uint64_t linears = 0, ternary = 0;
        for (uint32_t i = 0; i < inspection->survey.layers; i++) {
            ternary += inspection->survey.layer[i].weights;
        }
        for (uint32_t i = 0; i < inspection->source.architecture.tensor_count; i++) {
            const struct planned_tensor *planned = &inspection->source.architecture.tensors[i];
            linears += planned->linear && !planned->keep_dense
                           ? (uint64_t)planned->rows * planned->columns
                           : 0;
        }
        printf("%-12s%s\n", "packs",
               ternary == linears ? "yes: tercet pack SOURCE -o FILE, without loss"
                                  : "with --dense f16, or with --quantize absmean if it was "
                                    "trained to be ternary");
    }
    if (with_tensors) {
        print_tensors(&inspection->source.weights);
    }
}

/* ---------------------------------------------------------------- for programs */

static void write_reason(struct json_writer *json, const char *key, const tercet_error *reason) {
    json_object(json, key);
    json_text(json, "code", tercet_status_name(reason->status));
    json_text(json, "detail", reason->detail);
    json_close(json);
}

static void write_network(struct json_writer *json, const struct source_inspection *inspection) {
    const struct container_config *config = &inspection->source.architecture.config;
    const struct source_survey *survey = &inspection->survey;
    json_text(json, "class", inspection->source.architecture.class_name);
    json_object(json, "shape");
    json_integer(json, "layers", config->layers);
    json_integer(json, "hidden", config->hidden);
    json_integer(json, "inner", config->inner);
    json_integer(json, "heads", config->heads);
    json_integer(json, "kv_heads", config->kv_heads);
    json_integer(json, "head_dim", config->head_dim);
    json_integer(json, "vocabulary", config->vocabulary);
    json_integer(json, "context", config->context);
    json_close(json);
    json_integer(json, "parameters", survey->parameters);
    json_object(json, "ternary");
    json_integer(json, "parameters", survey->ternary_weights);
    json_integer(json, "zeros", survey->ternary_zeros);
    json_text(json, "scale", scale_name(survey));
    json_inline_array(json, "sparsity_by_layer");
    for (uint32_t i = 0; i < survey->layers; i++) {
        json_number(json, NULL, share(survey->layer[i].zeros, survey->layer[i].weights));
    }
    json_close(json);
    json_close(json);
}

static void write_session(struct json_writer *json, const struct source_inspection *inspection) {
    json_text(json, "chat_format", inspection->chat.format);
    json_text(json, "chat_note", inspection->chat.note);
    json_integer(json, "activation_bits", inspection->forecast.activation_bits);
    json_bool(json, "activations_named",
              architecture_names_activations(&inspection->source.architecture));
    json_integer(json, "packed_bytes", inspection->forecast.file_bytes);
    json_integer(json, "session_context", inspection->forecast.context);
    json_integer(json, "session_bytes", inspection->forecast.session_bytes);
}

static void write_tensors(struct json_writer *json, const struct source_weights *weights) {
    json_array(json, "tensors");
    for (uint32_t i = 0; i < weights->tensor_count; i++) {
        const struct source_tensor *tensor = weights->tensors[i];
        json_object(json, NULL);
        json_text(json, "name", tensor->name);
        json_text(json, "type", tensor->dtype_name);
        json_inline_array(json, "shape");
        for (uint32_t d = 0; d < tensor->rank; d++) {
            json_integer(json, NULL, tensor->shape[d]);
        }
        json_close(json);
        json_integer(json, "bytes", tensor->bytes);
        json_close(json);
    }
    json_close(json);
}

static void write_inspection(const struct source_inspection *inspection, bool with_tensors) {
    struct json_writer json;
    json_start(&json, stdout);
    json_text(&json, "name", inspection->name);
    json_text(&json, "licence", inspection->licence);
    json_text(&json, "format", format_names[inspection->source.format]);
    if (inspection->source.format == SOURCE_GGUF) {
        json_integer(&json, "version", inspection->source.gguf.header.version);
    }
    json_integer(&json, "bytes", inspection->source.weights.file_bytes);
    json_array(&json, "types");
    for (uint32_t i = 0; i < inspection->survey.type_count; i++) {
        const struct survey_type *type = &inspection->survey.types[i];
        json_object(&json, NULL);
        json_text(&json, "name", type->name);
        json_integer(&json, "tensors", type->tensors);
        json_integer(&json, "weights", type->weights);
        json_integer(&json, "bytes", type->bytes);
        json_close(&json);
    }
    json_close(&json);
    json_bool(&json, "readable", inspection->readable);
    if (inspection->readable) {
        write_network(&json, inspection);
        write_session(&json, inspection);
    } else {
        write_reason(&json, "reason", &inspection->reason);
    }
    if (inspection->has_vocabulary) {
        json_text(&json, "tokenizer",
                  tokenizer_kind(&inspection->vocabulary.tables, (char[64]){0}));
        json_integer(&json, "token_count", inspection->vocabulary.tables.token_count);
    } else {
        write_reason(&json, "tokenizer_reason", &inspection->vocabulary_reason);
    }
    if (with_tensors) {
        write_tensors(&json, &inspection->source.weights);
    }
    json_finish(&json);
}

/* ---------------------------------------------------------------- the whole */

/* What is known once the source is readable. */
static tercet_status look_closer(struct source_inspection *inspection, uint32_t context,
                                 uint32_t kv, tercet_error *error) {
    tercet_status status =
        model_source_read_chat(&inspection->source, NULL, &inspection->chat, error);
    if (status == TERCET_OK) {
        status = source_survey_weights(&inspection->source, &inspection->survey, show_progress,
                                       NULL, error);
        progress_end();
    }
    return status != TERCET_OK
               ? status
               : forecast_model(&inspection->source, &inspection->survey, &inspection->chat,
                                context, kv, &inspection->forecast, error);
}

int inspect_source(const char *path, uint32_t context, uint32_t kv, bool with_tensors,
                   bool as_json) {
    struct source_inspection inspection;
    tercet_error error = {0};
    memset(&inspection, 0, sizeof inspection);
    if (model_source_open(path, &inspection.source, &error) != TERCET_OK) {
        return report_error(path, &error);
    }
    interrupt_watch();
    tercet_status status = TERCET_OK;
    source_survey_types(&inspection.source.weights, &inspection.survey);
    model_source_describe(&inspection.source, inspection.name, inspection.licence);
    inspection.readable =
        model_source_read(&inspection.source, I2S_X86, &inspection.reason) == TERCET_OK;
    /* What cannot be packed may have a vocabulary all the same. */
    inspection.has_vocabulary =
        (inspection.readable
             ? source_vocabulary_take(&inspection.source.tokenizer, &inspection.vocabulary,
                                      &inspection.vocabulary_reason)
             : source_vocabulary_open(path, &inspection.vocabulary,
                                      &inspection.vocabulary_reason)) == TERCET_OK;
    if (inspection.readable) {
        status = look_closer(&inspection, context, kv, &error);
    }
    int code = EXIT_CODE_OK;
    if (status != TERCET_OK) {
        code = report_error(path, &error);
        code = status == TERCET_CANCELLED ? EXIT_CODE_INTERRUPTED : code;
    } else if (as_json) {
        write_inspection(&inspection, with_tensors);
    } else {
        print_inspection(&inspection, with_tensors);
    }
    source_survey_free(&inspection.survey);
    chat_section_free(&inspection.chat);
    source_vocabulary_close(&inspection.vocabulary);
    model_source_close(&inspection.source);
    return code;
}
