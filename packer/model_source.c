/*
 * model_source.c: see model_source.h.
 */
#define _POSIX_C_SOURCE 200809L
#include "model_source.h"

#include "bitmamba_model.h"
#include "gguf_source.h"
#include "read_npz.h"
#include "read_safetensors.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define PATH_BYTES 4096u

enum source_format model_source_format(const char *path) {
    return gguf_is_file(path) ? SOURCE_GGUF : bitmamba_is(path) ? SOURCE_BITMAMBA : SOURCE_FOLDER;
}

bool model_source_is(const char *path) {
    struct stat info;
    return model_source_format(path) != SOURCE_FOLDER ||
           (stat(path, &info) == 0 && S_ISDIR(info.st_mode));
}

tercet_status model_source_open(const char *path, struct model_source *source,
                                tercet_error *error) {
    memset(source, 0, sizeof *source);
    source->path = path;
    source->format = model_source_format(path);
    switch (source->format) {
    case SOURCE_GGUF:
        return gguf_open(path, &source->gguf, &source->weights, error);
    case SOURCE_BITMAMBA:
        return bitmamba_open(path, &source->weights, &source->bitmamba, error);
    default:
        return npz_is(path) ? npz_open(path, &source->weights, error)
                            : safetensors_open(path, &source->weights, error);
    }
}

/* The folder of a file; false when its path is too long. */
static bool folder_of(const char *path, char folder[PATH_BYTES]) {
    const char *slash = strrchr(path, '/');
    int bytes = slash == NULL   ? snprintf(folder, PATH_BYTES, ".")
                : slash == path ? snprintf(folder, PATH_BYTES, "/")
                                : snprintf(folder, PATH_BYTES, "%.*s", (int)(slash - path), path);
    return bytes > 0 && (size_t)bytes < PATH_BYTES;
}

static void end_at(struct container_config *config, uint32_t token) {
    if (token != TERCET_NO_TOKEN) {
        config->stop_tokens[config->stop_count++] = token;
    }
}

/* The tokenizer lies beside the model. */
static tercet_status read_bitmamba(struct model_source *source, tercet_error *error) {
    struct architecture *architecture = &source->architecture;
    struct container_config *config = &architecture->config;
    char folder[PATH_BYTES];
    if (!folder_of(source->path, folder)) {
        return tercet_fail(error, TERCET_LIMIT_EXCEEDED, 0, "the path of the model is too long");
    }
    TERCET_TRY(bitmamba_model_read(&source->bitmamba, &source->weights, architecture, error));
    TERCET_TRY(tokenizer_section_build(folder, config->vocabulary, TERCET_NO_TOKEN,
                                       &source->tokenizer, error));
    for (uint32_t i = 0; i < CONFIG_STOP_TOKENS_MAX; i++) {
        config->stop_tokens[i] = TERCET_NO_TOKEN;
    }
    end_at(config, source->tokenizer.end_token);
    return TERCET_OK;
}

static tercet_status read_folder(struct model_source *source, tercet_error *error) {
    struct architecture *architecture = &source->architecture;
    TERCET_TRY(architecture_read(source->path, &source->weights, architecture, error));
    TERCET_TRY(tokenizer_section_build(source->path, architecture->config.vocabulary,
                                       architecture->beginning_token, &source->tokenizer, error));
    if (architecture->config.family == FAMILY_TERNARYLM && architecture->config.stop_count == 0) {
        end_at(&architecture->config, source->tokenizer.end_token); /* its config.json has none */
    }
    return TERCET_OK;
}

tercet_status model_source_read(struct model_source *source, enum i2s_layout layout,
                                tercet_error *error) {
    switch (source->format) {
    case SOURCE_GGUF:
        return gguf_source_read(source, layout, error);
    case SOURCE_BITMAMBA:
        return read_bitmamba(source, error);
    default:
        return read_folder(source, error);
    }
}

tercet_status model_source_read_chat(const struct model_source *source, const char *name,
                                     struct chat_section *chat, tercet_error *error) {
    const struct tokenizer_section *tokenizer = &source->tokenizer;
    if (source->format == SOURCE_GGUF) {
        return gguf_source_read_chat(source, name, chat, error);
    }
    return chat_section_from_folder(tokenizer->bytes, tokenizer->count,
                                    source->architecture.config.vocabulary, name, source->path,
                                    chat, error);
}

void model_source_close(struct model_source *source) {
    tokenizer_section_free(&source->tokenizer);
    architecture_free(&source->architecture);
    source_weights_close(&source->weights);
    gguf_close(&source->gguf);
}

void model_source_describe(const struct model_source *source, char name[ABOUT_TEXT_BYTES],
                           char licence[ABOUT_TEXT_BYTES]) {
    char folder[PATH_BYTES];
    if (source->format == SOURCE_GGUF) {
        gguf_source_describe(source, name, licence);
        return;
    }
    bool beside = source->format == SOURCE_BITMAMBA && folder_of(source->path, folder);
    about_source_name(source->path, name);
    about_source_licence(beside ? folder : source->path, licence);
}
