/*
 * command_verify.c: `tercet verify`: reads every byte of a model and compares it with the hashes in
 * its header, then lets core check that the parts fit together. Says which chunks are damaged:
 * chunks are what a download repairs.
 */
#include "arguments.h"
#include "commands.h"
#include "digest.h"
#include "file_source.h"
#include "json_writer.h"
#include "open_model.h"
#include "terminal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct verification {
    struct file_source source;
    tercet_loader *loader;
    tercet_file_info file; /* its pointers are gone once the model was made: not used then */
    uint8_t model_id[DIGEST_BYTES];
    struct damaged_chunk *damaged; /* [file.chunks] */
    uint32_t damaged_count;
};

/* Every damaged chunk, not only the first. */
static tercet_status check_chunks(struct verification *check, tercet_error *error) {
    uint32_t first = 0;
    check->damaged =
        calloc(check->file.chunks > 0 ? check->file.chunks : 1, sizeof *check->damaged);
    if (check->damaged == NULL) {
        return set_error(error, TERCET_OUT_OF_MEMORY, 0, "the list of chunks");
    }
    for (;;) {
        struct damaged_chunk *damaged = &check->damaged[check->damaged_count];
        struct damaged_chunk found = {0};
        tercet_error one = {0};
        tercet_status status = file_source_check_chunks(&check->source, check->loader, first,
                                                        "verifying", &found, &one);
        if (status != TERCET_CHUNK_HASH_MISMATCH) {
            if (status != TERCET_OK) {
                *error = one;
                return status;
            }
            return check->damaged_count == 0 ? TERCET_OK : TERCET_CHUNK_HASH_MISMATCH;
        }
        if (check->damaged_count == 0) {
            *error = one;
        }
        *damaged = found;
        check->damaged_count++;
        first = found.index + 1;
        if (first == check->file.chunks) {
            return TERCET_CHUNK_HASH_MISMATCH;
        }
    }
}

static tercet_status check_file(struct verification *check, tercet_engine *engine, const char *path,
                                tercet_error *error) {
    tercet_loader_options options;
    tercet_model *model = NULL;
    tercet_status status = file_source_open(&check->source, path, error);
    if (status != TERCET_OK) {
        return status;
    }
    tercet_loader_options_init(&options);
    options.map_in_place = 1;
    options.file_bytes = check->source.count;
    status = tercet_loader_create(engine, &options, &check->loader, error);
    if (status == TERCET_OK) {
        status = file_source_read_header(&check->source, check->loader, error);
    }
    if (status == TERCET_OK) {
        status = tercet_loader_get_file_info(check->loader, &check->file);
    }
    if (status == TERCET_OK) {
        memcpy(check->model_id, check->file.model_id, sizeof check->model_id);
        status = check_chunks(check, error);
    }
    if (status == TERCET_OK) { /* hashes hold: does the network fit together? */
        status = file_source_finish(&check->source, check->loader, &model, error);
        tercet_model_destroy(model);
    }
    return status;
}

static void write_json(const struct verification *check, tercet_status status) {
    struct json_writer json;
    char hex[DIGEST_HEX_BYTES];
    json_start(&json, stdout);
    json_bool(&json, "ok", status == TERCET_OK);
    json_text(&json, "code", tercet_status_name(status));
    if (check->file.chunk_bytes != 0) {
        json_text(&json, "model_id", digest_hex(check->model_id, hex));
        json_integer(&json, "file_bytes", check->file.file_bytes);
        json_integer(&json, "header_bytes", check->file.header_bytes);
        json_integer(&json, "chunk_bytes", check->file.chunk_bytes);
        json_integer(&json, "chunks", check->file.chunks);
    }
    json_array(&json, "damaged_chunks");
    for (uint32_t i = 0; i < check->damaged_count; i++) {
        json_object(&json, NULL);
        json_integer(&json, "chunk", check->damaged[i].index);
        json_integer(&json, "offset", check->damaged[i].offset);
        json_integer(&json, "bytes", check->damaged[i].bytes);
        json_close(&json);
    }
    json_finish(&json);
}

static void print_damage(const char *path, const struct verification *check) {
    for (uint32_t i = 0; i < check->damaged_count; i++) {
        const struct damaged_chunk *chunk = &check->damaged[i];
        print_foreign_text(stdout, path, strlen(path));
        printf(": chunk %" PRIu32 " is damaged: bytes %" PRIu64 " to %" PRIu64 "\n", chunk->index,
               chunk->offset, chunk->offset + chunk->bytes - 1);
    }
}

static int verify(const char *path, bool as_json) {
    struct verification check = {0};
    tercet_error error = {0};
    char hex[DIGEST_HEX_BYTES], size[24];
    tercet_engine *engine = open_engine("portable", 1); /* nothing is computed */
    if (engine == NULL) {
        return EXIT_CODE_FAILED;
    }
    tercet_status status = check_file(&check, engine, path, &error);
    if (as_json) {
        write_json(&check, status);
    } else if (status == TERCET_OK) {
        print_foreign_text(stdout, path, strlen(path));
        printf(": whole: %s, header and %" PRIu32 " %s match their hashes\nmodel id %s\n",
               format_bytes(check.file.file_bytes, size, sizeof size), check.file.chunks,
               check.file.chunks == 1 ? "chunk" : "chunks", digest_hex(check.model_id, hex));
    } else {
        print_damage(path, &check);
    }
    int code = status == TERCET_OK ? EXIT_CODE_OK : report_error(path, &error);
    tercet_loader_destroy(check.loader);
    tercet_engine_destroy(engine);
    file_source_close(&check.source);
    free(check.damaged);
    return code;
}

int command_verify(int argc, char **argv) {
    const char *path = NULL;
    bool as_json = false;
    const struct positional positionals[] = {{"MODEL", "A .tercet file.", &path, true}};
    const struct argument arguments[] = {
        argument_flag("json", &as_json, "Print the result as JSON."),
    };
    const struct command_line line = {
        .command = "verify",
        .usage = "MODEL [--json]",
        .summary = "Checks header and every chunk of a model against their SHA-256, and that all "
                   "parts fit together. Names each damaged chunk and the bytes it covers; the exit "
                   "code is then 1.",
        .examples = "  tercet verify story.tercet",
        .arguments = arguments,
        .argument_count = sizeof arguments / sizeof *arguments,
        .positionals = positionals,
        .positional_count = 1,
    };
    enum arguments_outcome outcome = arguments_parse(&line, argc, argv);
    return outcome == ARGUMENTS_RUN ? verify(path, as_json) : (int)outcome;
}
