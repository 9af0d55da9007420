/*
 * open_model.c: see open_model.h. The order of closing is the reverse: model, engine, file.
 */
#define _GNU_SOURCE 1
#include "open_model.h"
#include "clock.h"
#include "commands.h"
#include "machine.h"
#include "terminal.h"

#include <stdio.h>
#include <string.h>

struct argument open_argument_threads(struct open_options *options) {
    return argument_count("threads", 0, &options->threads, 1, 64,
                          "Threads to compute with (default: the physical cores).");
}

struct argument open_argument_kernels(struct open_options *options) {
    return argument_text("kernels", 0, &options->kernels, "NAME",
                         "Force a kernel set; `tercet --version` lists them "
                         "(default: the best that works here).");
}

struct argument open_argument_kv(struct open_options *options) {
    return argument_choice("kv", &options->kv, KV_NAMES,
                           "How keys and values of earlier tokens are kept (default int8: a "
                           "quarter of the memory of f32, and much faster with long texts; "
                           "int4: half of int8, with an error that can be seen).");
}

const char *kv_name(uint32_t kv) {
    static const char *const names[] = {"", "f32", "f16", "int8", "int4"};
    return kv < sizeof names / sizeof *names ? names[kv] : "";
}

uint32_t kv_find(const char *name, size_t length) {
    for (uint32_t kv = TERCET_KV_F32; kv_name(kv)[0] != '\0'; kv++) {
        if (strlen(kv_name(kv)) == length && memcmp(kv_name(kv), name, length) == 0) {
            return kv;
        }
    }
    return TERCET_KV_DEFAULT;
}

struct argument open_argument_map(struct open_options *options) {
    return argument_flag("map", &options->map,
                         "Compute from the mapped file, shared with other programs. Files above "
                         "64 MiB are otherwise read into huge pages, which is faster.");
}

struct argument open_argument_verify(struct open_options *options) {
    return argument_flag("verify", &options->verify,
                         "Check the hash of every chunk first. Files up to 64 MiB "
                         "are always checked; larger ones only by their header.");
}

/* "portable, x86_avx2": the compiled sets that this machine can run. */
static void list_kernels(char *list, size_t capacity) {
    size_t length = 0;
    list[0] = '\0';
    for (uint32_t i = 0; tercet_kernels_name(i) != NULL; i++) {
        if (tercet_kernels_usable(i) && length < capacity) {
            int added = snprintf(list + length, capacity - length, "%s%s", length > 0 ? ", " : "",
                                 tercet_kernels_name(i));
            length += added > 0 ? (size_t)added : 0;
        }
    }
}

tercet_engine *open_engine(const char *kernels, uint32_t threads) {
    tercet_engine_options options;
    tercet_engine_info info;
    tercet_engine *engine = NULL;
    tercet_error error = {0};
    tercet_engine_options_init(&options);
    options.threads = threads != 0 ? threads : machine_cores();
    options.kernels = kernels;
    tercet_status status = tercet_engine_create(&options, &engine, &error);
    if (status == TERCET_NO_KERNELS && kernels != NULL) {
        char usable[128];
        list_kernels(usable, sizeof usable);
        (void)report_failure(kernels, status, "usable here: %s", usable);
        return NULL;
    }
    if (tercet_status_is_error(status)) {
        (void)report_error(NULL, &error);
        return NULL;
    }
    tercet_engine_get_info(engine, &info);
    if (status == TERCET_FEWER_THREADS) {
        report_note("only %u of %u threads could be started", info.threads, options.threads);
    }
    if (info.kernels_note[0] != '\0') {
        report_note("%s", info.kernels_note);
    }
    return engine;
}

static tercet_status load(struct open_model *opened, const struct open_options *options,
                          tercet_error *error) {
    tercet_loader_options loader_options;
    tercet_loader *loader = NULL;
    struct damaged_chunk damaged;
    tercet_loader_options_init(&loader_options);
    loader_options.map_in_place = 1;
    loader_options.file_bytes = opened->source.count;
    tercet_status status = tercet_loader_create(opened->engine, &loader_options, &loader, error);
    if (status == TERCET_OK) {
        status = file_source_read_header(&opened->source, loader, error);
    }
    if (status == TERCET_OK && !options->map && opened->source.count > OPEN_COPY_BYTES &&
        machine_available_memory() / 2 > opened->source.count) {
        (void)file_source_copy(&opened->source); /* mapped it works as well, only slower */
    }
    if (status == TERCET_OK && (options->verify || opened->source.count <= OPEN_VERIFY_BYTES)) {
        status = file_source_check_chunks(&opened->source, loader, 0,
                                          options->verify ? "verifying" : NULL, &damaged, error);
    }
    if (status == TERCET_OK) {
        status = file_source_finish(&opened->source, loader, &opened->model, error);
    }
    tercet_loader_destroy(loader);
    return status;
}

int open_model(struct open_model *opened, const struct open_options *options) {
    tercet_error error = {0};
    double begin = clock_seconds();
    memset(opened, 0, sizeof *opened);
    tercet_status status = file_source_open(&opened->source, options->path, &error);
    if (status != TERCET_OK) {
        return report_error(options->path, &error);
    }
    opened->engine = open_engine(options->kernels, options->threads);
    if (opened->engine == NULL) {
        close_model(opened);
        return EXIT_CODE_FAILED;
    }
    status = load(opened, options, &error);
    if (status != TERCET_OK) {
        close_model(opened);
        return report_error(options->path, &error);
    }
    tercet_engine_get_info(opened->engine, &opened->engine_info);
    tercet_model_get_info(opened->model, &opened->info);
    opened->seconds = clock_seconds() - begin;
    return EXIT_CODE_OK;
}

void close_model(struct open_model *opened) {
    tercet_model_destroy(opened->model);
    tercet_engine_destroy(opened->engine);
    file_source_close(&opened->source);
    memset(opened, 0, sizeof *opened);
}
