/*
 * command_inspect.c: `tercet inspect`: what is in a model file and what it needs to run. Reads all
 * ternary weights once, for the zeros.
 */
#include "../packer/model_source.h"
#include "commands.h"
#include "digest.h"
#include "inspect_source.h"
#include "json_writer.h"
#include "open_model.h"
#include "terminal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct layer_weights {
    uint64_t weights, zeros;
};

struct inspection {
    struct open_model opened;
    tercet_tensor_info *tensors;  /* [info.tensors] */
    struct layer_weights *layers; /* [info.layers]: ternary weights only */
    struct layer_weights ternary;
    uint64_t ternary_bytes; /* with scales and padding */
    const char *scale;      /* of the ternary tensors: one kind, "mixed" or "none" */
    uint32_t context;
    uint64_t session_bytes;
    bool has_chat;
    tercet_chat_info chat;
};

static double share(uint64_t part, uint64_t whole) {
    return whole > 0 ? (double)part / (double)whole : 0;
}

static double bits_each(uint64_t bytes, uint64_t weights) {
    return weights > 0 ? 8.0 * (double)bytes / (double)weights : 0;
}

/* "layers.3.attention.q" -> 3; layers or more when the tensor is in none. */
static uint32_t layer_of(const char *name, uint32_t layers) {
    static const char prefix[] = "layers.";
    if (strncmp(name, prefix, sizeof prefix - 1) != 0) {
        return layers;
    }
    unsigned long layer = strtoul(name + sizeof prefix - 1, NULL, 10);
    return layer < layers ? (uint32_t)layer : layers;
}

static tercet_status read_tensors(struct inspection *inspection, tercet_error *error) {
    const tercet_model_info *info = &inspection->opened.info;
    inspection->tensors = calloc(info->tensors, sizeof *inspection->tensors);
    inspection->layers = calloc(info->layers, sizeof *inspection->layers);
    inspection->scale = "none";
    if (inspection->tensors == NULL || inspection->layers == NULL) {
        return set_error(error, TERCET_OUT_OF_MEMORY, 0, "the table of tensors");
    }
    for (uint32_t i = 0; i < info->tensors; i++) {
        tercet_tensor_info *tensor = &inspection->tensors[i];
        tercet_status status = tercet_model_get_tensor(inspection->opened.model, i, tensor);
        if (status != TERCET_OK) {
            return set_error(error, status, i, "tensor %u", i);
        }
        if (strcmp(tensor->type, "ternary") != 0) {
            continue;
        }
        uint64_t weights = tensor->rows * tensor->columns;
        uint32_t layer = layer_of(tensor->name, info->layers);
        if (layer < info->layers) {
            inspection->layers[layer].weights += weights;
            inspection->layers[layer].zeros += tensor->zeros;
        }
        if (inspection->ternary.weights > 0 && strcmp(inspection->scale, tensor->scale) != 0) {
            inspection->scale = "mixed";
        } else {
            inspection->scale = tensor->scale;
        }
        inspection->ternary.weights += weights;
        inspection->ternary.zeros += tensor->zeros;
        inspection->ternary_bytes += tensor->bytes;
    }
    return TERCET_OK;
}

/* ---------------------------------------------------------------- for people */

static void print_foreign_row(const char *label, const char *text) {
    printf("%-12s", label);
    print_foreign_text(stdout, text, strlen(text));
    putchar('\n');
}

/* The scale kinds of tercet_tensor_info in words. */
static const char *describe_scale(const char *scale) {
    static const struct {
        const char *scale, *words;
    } kinds[] = {{"tensor", "one a matrix"},
                 {"row", "one a row"},
                 {"group64", "one for 64 columns of a row"},
                 {"group128", "one for 128 columns of a row"}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(scale, kinds[i].scale) == 0) {
            return kinds[i].words;
        }
    }
    return "of several kinds";
}

static void print_sparsity(const struct inspection *inspection) {
    printf("%-12s%.1f %% of the ternary weights are zero; by layer:", "sparsity",
           100 * share(inspection->ternary.zeros, inspection->ternary.weights));
    for (uint32_t i = 0; i < inspection->opened.info.layers; i++) {
        const struct layer_weights *layer = &inspection->layers[i];
        printf("%s%.1f", i % 16 == 0 && i > 0 ? "\n            " : " ",
               100 * share(layer->zeros, layer->weights));
    }
    putchar('\n');
}

static bool has_tensor(const struct inspection *inspection, const char *name) {
    for (uint32_t i = 0; i < inspection->opened.info.tensors; i++) {
        if (strcmp(inspection->tensors[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* What sets this network apart from a plain Llama, by the tensors that only such a one has. */
static void print_parts(const struct inspection *inspection) {
    static const struct {
        const char *tensor, *words;
    } parts[] = {{"layers.0.attention.norm_bias", "layer norms"},
                 {"position_embedding", "learned positions"},
                 {"layers.0.attention.q_norm", "norms of q and k"},
                 {"layers.0.attention.sub_norm", "sub-norms"},
                 {"layers.0.attention.q_bias", "biases of q, k and v"},
                 {"layers.0.attention.o_bias", "bias of o"},
                 {"layers.0.ffn.up_bias", "biases of the feed-forward part"},
                 {"layers.0.attention.q_in_norm", "a norm of every matrix"},
                 {"head_bias", "a bias of the head"},
                 {"head_norm", "a second norm of the head"},
                 {"layers.0.mixer.in",
                  "states in place of attention: no cache, memory that does not "
                  "grow"}};
    const char *between = "";
    printf("%-12s", "with");
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (has_tensor(inspection, parts[i].tensor)) {
            printf("%s%s", between, parts[i].words);
            between = ", ";
        }
    }
    if (has_tensor(inspection, "layers.0.ffn.up")) {
        printf("%s%s", between,
               has_tensor(inspection, "layers.0.ffn.gate") ? "gated activation" : "gelu, no gate");
    }
    putchar('\n');
}

static void print_summary(const struct inspection *inspection) {
    const tercet_model_info *info = &inspection->opened.info;
    const struct file_source *file = &inspection->opened.source;
    char hex[DIGEST_HEX_BYTES], a[24], b[24], c[24];
    print_foreign_row("name", info->name[0] != '\0' ? info->name : "not stated");
    print_foreign_row("licence", info->licence[0] != '\0' ? info->licence : "not stated");
    print_foreign_row("packed from", info->source[0] != '\0' ? info->source : "not stated");
    printf("%-12s%s\n", "model id", digest_hex(info->model_id, hex));
    printf(
        "%-12s%s: header %s, tensors %s in %" PRIu32 " %s of up to %s\n", "file",
        format_bytes(info->file_bytes, a, sizeof a), format_bytes(file->header_bytes, b, sizeof b),
        format_bytes(file->data_bytes, c, sizeof c), file->chunks,
        file->chunks == 1 ? "chunk" : "chunks", format_bytes(file->chunk_bytes, (char[24]){0}, 24));
    printf("%-12s%s, %u %s, hidden %u, inner %u, %u heads of %u", "network", info->family,
           info->layers, info->layers == 1 ? "layer" : "layers", info->hidden, info->inner,
           info->heads, info->head_dim);
    if (has_tensor(inspection, "layers.0.mixer.in")) {
        putchar('\n');
    } else {
        printf(" (%u for keys and values)\n", info->kv_heads);
    }
    print_parts(inspection);
    printf("%-12s%s, %u tokens (vocabulary %u, output head %s)\n", "tokenizer", info->tokenizer,
           info->token_count, info->vocabulary, info->tied_head ? "tied to the embedding" : "own");
    printf("%-12s%s\n", "chat", inspection->has_chat ? inspection->chat.name : "no format");
    printf("%-12s%s, of which %s ternary (%.1f %%); activations %s\n", "parameters",
           format_quantity(info->parameters, a, sizeof a),
           format_quantity(info->ternary_parameters, b, sizeof b),
           100 * share(info->ternary_parameters, info->parameters),
           info->activation_bits == 8 ? "int8, a scale a token" : "floats");
    printf("%-12s%.3f bits a parameter", "packed", bits_each(info->data_bytes, info->parameters));
    if (inspection->ternary.weights > 0) {
        printf("; %.3f a ternary weight, scales and padding included\n",
               bits_each(inspection->ternary_bytes, inspection->ternary.weights));
        print_sparsity(inspection);
        printf("%-12s%s\n", "scales", describe_scale(inspection->scale));
    } else {
        putchar('\n');
    }
    printf("%-12s%u tokens at most; session at %u tokens: %s; with the model: %s\n", "context",
           info->context, inspection->context, format_bytes(inspection->session_bytes, a, sizeof a),
           format_bytes(inspection->session_bytes + info->file_bytes, b, sizeof b));
    printf("%-12stemperature %.3g, top-k %u, top-p %.3g, min-p %.3g\n", "sampling",
           (double)info->temperature, info->top_k, (double)info->top_p, (double)info->min_p);
}

static void print_tensors(const struct inspection *inspection) {
    printf("\n%-32s %-8s %-9s %15s %12s %12s %7s\n", "tensor", "type", "scale", "shape", "offset",
           "bytes", "zeros");
    for (uint32_t i = 0; i < inspection->opened.info.tensors; i++) {
        const tercet_tensor_info *tensor = &inspection->tensors[i];
        char shape[48], zeros[16] = "";
        (void)snprintf(shape, sizeof shape, "%" PRIu64 " x %" PRIu64, tensor->rows,
                       tensor->columns);
        if (strcmp(tensor->type, "ternary") == 0) {
            (void)snprintf(zeros, sizeof zeros, "%.1f %%",
                           100 * share(tensor->zeros, tensor->rows * tensor->columns));
        }
        printf("%-32s %-8s %-9s %15s %12" PRIu64 " %12" PRIu64 " %7s\n", tensor->name, tensor->type,
               tensor->scale, shape, tensor->offset, tensor->bytes, zeros);
    }
}

/* ---------------------------------------------------------------- for programs */

static void write_shape(struct json_writer *json, const tercet_model_info *info) {
    json_object(json, "shape");
    json_integer(json, "layers", info->layers);
    json_integer(json, "hidden", info->hidden);
    json_integer(json, "inner", info->inner);
    json_integer(json, "heads", info->heads);
    json_integer(json, "kv_heads", info->kv_heads);
    json_integer(json, "head_dim", info->head_dim);
    json_integer(json, "vocabulary", info->vocabulary);
    json_integer(json, "context", info->context);
    json_bool(json, "tied_head", info->tied_head != 0);
    json_integer(json, "activation_bits", info->activation_bits);
    json_close(json);
}

static void write_file(struct json_writer *json, const struct file_source *file) {
    json_object(json, "file");
    json_integer(json, "bytes", file->count);
    json_integer(json, "header_bytes", file->header_bytes);
    json_integer(json, "data_bytes", file->data_bytes);
    json_integer(json, "chunk_bytes", file->chunk_bytes);
    json_integer(json, "chunks", file->chunks);
    json_close(json);
}

static void write_ternary(struct json_writer *json, const struct inspection *inspection) {
    json_object(json, "ternary");
    json_integer(json, "parameters", inspection->ternary.weights);
    json_integer(json, "zeros", inspection->ternary.zeros);
    json_integer(json, "bytes", inspection->ternary_bytes);
    json_number(json, "bits_per_weight",
                bits_each(inspection->ternary_bytes, inspection->ternary.weights));
    json_text(json, "scale", inspection->scale);
    json_inline_array(json, "sparsity_by_layer");
    for (uint32_t i = 0; i < inspection->opened.info.layers; i++) {
        json_number(json, NULL, share(inspection->layers[i].zeros, inspection->layers[i].weights));
    }
    json_close(json);
    json_close(json);
}

static void write_chat(struct json_writer *json, const struct inspection *inspection) {
    const tercet_chat_info *chat = &inspection->chat;
    if (!inspection->has_chat) {
        json_null(json, "chat");
        return;
    }
    json_object(json, "chat");
    json_text(json, "format", chat->name);
    json_bool(json, "thinking_switch", chat->thinking_switch != 0);
    json_bool(json, "default_system", chat->system_bytes > 0);
    json_inline_array(json, "stop_tokens");
    for (uint32_t i = 0; i < chat->stop_count; i++) {
        json_integer(json, NULL, chat->stop_tokens[i]);
    }
    json_close(json);
    json_close(json);
}

static void write_tensors(struct json_writer *json, const struct inspection *inspection) {
    json_array(json, "tensors");
    for (uint32_t i = 0; i < inspection->opened.info.tensors; i++) {
        const tercet_tensor_info *tensor = &inspection->tensors[i];
        json_object(json, NULL);
        json_text(json, "name", tensor->name);
        json_text(json, "type", tensor->type);
        json_text(json, "scale", tensor->scale);
        json_integer(json, "rows", tensor->rows);
        json_integer(json, "columns", tensor->columns);
        json_integer(json, "offset", tensor->offset);
        json_integer(json, "bytes", tensor->bytes);
        json_integer(json, "zeros", tensor->zeros);
        json_close(json);
    }
    json_close(json);
}

static void write_json(const struct inspection *inspection, bool with_tensors) {
    const tercet_model_info *info = &inspection->opened.info;
    struct json_writer json;
    char hex[DIGEST_HEX_BYTES];
    json_start(&json, stdout);
    json_text(&json, "name", info->name);
    json_text(&json, "family", info->family);
    json_text(&json, "licence", info->licence);
    json_text(&json, "source", info->source);
    json_text(&json, "model_id", digest_hex(info->model_id, hex));
    write_file(&json, &inspection->opened.source);
    write_shape(&json, info);
    json_text(&json, "tokenizer", info->tokenizer);
    json_integer(&json, "token_count", info->token_count);
    if (info->beginning_token == TERCET_NO_TOKEN) {
        json_null(&json, "beginning_token");
    } else {
        json_integer(&json, "beginning_token", info->beginning_token);
    }
    write_chat(&json, inspection);
    json_integer(&json, "parameters", info->parameters);
    json_number(&json, "bits_per_parameter", bits_each(info->data_bytes, info->parameters));
    write_ternary(&json, inspection);
    json_object(&json, "sampling");
    json_float(&json, "temperature", info->temperature);
    json_integer(&json, "top_k", info->top_k);
    json_float(&json, "top_p", info->top_p);
    json_float(&json, "min_p", info->min_p);
    json_close(&json);
    json_integer(&json, "session_context", inspection->context);
    json_integer(&json, "session_bytes", inspection->session_bytes);
    if (with_tensors) {
        write_tensors(&json, inspection);
    }
    json_finish(&json);
}

/* ---------------------------------------------------------------- command */

static int inspect(const struct open_options *open, uint32_t context, bool with_tensors,
                   bool as_json) {
    struct inspection inspection = {0};
    tercet_session_options session;
    tercet_error error = {0};
    int code = open_model(&inspection.opened, open);
    if (code != EXIT_CODE_OK) {
        return code;
    }
    tercet_session_options_init(inspection.opened.model, &session);
    session.context = context;
    session.kv = open->kv;
    inspection.context = context != 0 ? context : inspection.opened.info.context;
    inspection.session_bytes = tercet_session_bytes(inspection.opened.model, &session);
    inspection.has_chat =
        tercet_chat_get_info(inspection.opened.model, NULL, &inspection.chat, NULL) == TERCET_OK;
    tercet_status status = read_tensors(&inspection, &error);
    if (inspection.context > inspection.opened.info.context) {
        status = set_error(&error, TERCET_BAD_ARGUMENT, context,
                           "context %u was asked for, the model was made for at most %u", context,
                           inspection.opened.info.context);
    }
    if (status != TERCET_OK) {
        code = report_error(open->path, &error);
    } else if (as_json) {
        write_json(&inspection, with_tensors);
    } else {
        print_summary(&inspection);
        if (with_tensors) {
            print_tensors(&inspection);
        }
    }
    free(inspection.tensors);
    free(inspection.layers);
    close_model(&inspection.opened);
    return code;
}

int command_inspect(int argc, char **argv) {
    /* As many threads as `run`: each takes memory of its own. */
    struct open_options open = {.map = true};
    uint32_t context = 0;
    bool with_tensors = false, as_json = false;
    const struct positional positionals[] = {
        {"MODEL",
         "A .tercet file; or what is packed into one, a GGUF\n"
         "file or a Hugging Face folder: then also whether it\n"
         "can be, and if not, why.",
         &open.path, true}};
    const struct argument arguments[] = {
        argument_flag("tensors", &with_tensors, "Add the table of tensors."),
        argument_count("context", 0, &context, 1, 1 << 20,
                       "Tell the memory of a session with N tokens "
                       "(default: what the model was made for)."),
        open_argument_kv(&open),
        open_argument_verify(&open),
        argument_flag("json", &as_json, "Print everything as JSON."),
    };
    const struct command_line line = {
        .command = "inspect",
        .usage = "MODEL [OPTIONS]",
        .summary =
            "Shows what is in a model: its network, how its weights are packed, where it came "
            "from, and the memory it needs.",
        .examples = "  tercet inspect story.tercet --tensors\n  tercet inspect model.gguf",
        .arguments = arguments,
        .argument_count = sizeof arguments / sizeof *arguments,
        .positionals = positionals,
        .positional_count = 1,
    };
    enum arguments_outcome outcome = arguments_parse(&line, argc, argv);
    if (outcome != ARGUMENTS_RUN) {
        return (int)outcome;
    }
    return model_source_is(open.path)
               ? inspect_source(open.path, context, open.kv, with_tensors, as_json)
               : inspect(&open, context, with_tensors, as_json);
}
