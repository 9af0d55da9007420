/*
 * pack.c: see pack.h. The order of work: open and check everything, choose a form for each tensor, stream them into the
 * partial file, prove each one, commit. Until the last step nothing exists under the destination's name.
 */
#include "pack.h"

#include "../core/base/arena.h"
#include "../core/base/thread_pool.h"
#include "model_source.h"
#include "prove_lossless.h"
#include "source_file.h"
#include "strip_crew.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Everything that one call holds. */
struct packing {
    const struct pack_options *options;
    struct pack_report *report;
    struct model_source source;
    struct chat_section chat;
    struct tensor_form *forms; /* of each planned tensor */
    struct writer_tensor *plan;
    struct container_writer *writer; /* NULL before and after */
    struct thread_pool *pool;        /* likewise */
    struct proof proof;
    uint64_t done_bytes, total_bytes; /* of the passes over the source */
};

void pack_options_init(struct pack_options *options) {
    memset(options, 0, sizeof *options);
    options->threads = 1;
    options->temperature = -1;
    options->top_p = -1;
    options->min_p = -1;
    options->top_k = -1;
}

static tercet_status check_options(const struct pack_options *options, tercet_error *error) {
    const char *wrong = NULL;
    if ((uint32_t)options->i2s_layout >= I2S_LAYOUTS) {
        wrong = "there is no such layout of I2_S";
    } else if ((uint32_t)options->quantize >= PACK_QUANTIZES ||
               (uint32_t)options->dense >= PACK_DENSES ||
               (uint32_t)options->embedding >= PACK_TABLES ||
               (uint32_t)options->vectors >= PACK_VECTOR_FORMS) {
        wrong = "there is no such form of weights";
    } else if (options->source == NULL || options->destination == NULL ||
               options->destination[0] == '\0') {
        wrong = "a source and a destination file are needed";
    } else if (options->threads == 0 || options->threads > STRIP_CREW_MAX) {
        wrong = "between 1 and 64 threads can pack";
    } else if (options->group != 0 && options->group != 64 && options->group != 128) {
        wrong = "a group has 64 or 128 columns";
    } else if (!(options->temperature <= LIMIT_TEMPERATURE)) {
        wrong = "the temperature lies between 0 and 100";
    } else if (!(options->top_p <= 1 && options->top_p != 0) || !(options->min_p <= 1)) {
        wrong = "top-p lies above 0, min-p from 0, both at most at 1";
    } else if (options->dense != PACK_DENSE_NO &&
               (options->quantize != PACK_QUANTIZE_NONE || options->group != 0)) {
        wrong = "a model that is kept dense cannot be quantised or grouped";
    }
    return wrong == NULL ? TERCET_OK : tercet_fail(error, TERCET_BAD_ARGUMENT, 0, "%s", wrong);
}

/* One more pass over one tensor is done. */
static tercet_status advance(struct packing *packing, const struct planned_tensor *planned,
                             tercet_error *error) {
    const struct pack_options *options = packing->options;
    packing->done_bytes += planned->weight->bytes;
    if (options->progress != NULL &&
        options->progress(options->progress_context, planned->weight->name, packing->done_bytes,
                          packing->total_bytes) != 0) {
        return tercet_fail(error, TERCET_CANCELLED, packing->done_bytes,
                           "the packing was cancelled");
    }
    return TERCET_OK;
}

static bool is_online(const struct packing *packing) {
    return packing->source.architecture.quantization == SOURCE_ONLINE;
}

static tercet_status choose_form(struct packing *packing, uint32_t index, tercet_error *error) {
    const struct planned_tensor *planned = &packing->source.architecture.tensors[index];
    struct source_matrix matrix;
    TERCET_TRY(source_matrix_open(&packing->source.weights,
                                  packing->source.architecture.quantization, planned, &matrix,
                                  error));
    tercet_status status = tensor_form_choose(&matrix, packing->options, is_online(packing),
                                              &packing->forms[index], error);
    source_matrix_close(&matrix);
    TERCET_TRY(status);
    return advance(packing, planned, error);
}

static tercet_status choose_forms(struct packing *packing, tercet_error *error) {
    uint32_t count = packing->source.architecture.tensor_count;
    packing->forms = calloc(count, sizeof *packing->forms);
    packing->plan = calloc(count, sizeof *packing->plan);
    if (packing->forms == NULL || packing->plan == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for the plan of %u tensors",
                           count);
    }
    for (uint32_t i = 0; i < count; i++) {
        packing->total_bytes +=
            3 * packing->source.architecture.tensors[i].weight->bytes; /* choose, write, prove */
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct planned_tensor *planned = &packing->source.architecture.tensors[i];
        const struct tensor_form *form = &packing->forms[i];
        uint64_t bytes;
        TERCET_TRY(choose_form(packing, i, error));
        packing->plan[i] = (struct writer_tensor){planned->stage, planned->role, form->type,
                                                  form->scale,    planned->rows, planned->columns};
        if (!container_tensor_bytes(form->type, form->scale, planned->rows, planned->columns,
                                    &bytes)) {
            return tercet_fail(error, TERCET_LIMIT_EXCEEDED, 0,
                               "tensor %s is too large for the container", planned->weight->name);
        }
    }
    return TERCET_OK;
}

/* The engine quantises activations in front of ternary and int8 matrices, if there are any. */
static uint32_t choose_activation_bits(const struct packing *packing) {
    for (uint32_t i = 0; i < packing->source.architecture.tensor_count; i++) {
        uint32_t type = packing->forms[i].type;
        if (packing->source.architecture.tensors[i].linear &&
            (type == TENSOR_TERNARY || type == TENSOR_INT8)) {
            return 8;
        }
    }
    return 32;
}

static void override_sampling(const struct pack_options *options, struct container_config *config) {
    if (options->temperature >= 0) {
        config->temperature = options->temperature;
    }
    if (options->top_k >= 0) {
        config->top_k = (uint32_t)options->top_k < config->vocabulary ? (uint32_t)options->top_k
                                                                      : config->vocabulary;
    }
    if (options->top_p > 0) {
        config->top_p = options->top_p;
    }
    if (options->min_p >= 0) {
        config->min_p = options->min_p;
    }
}

/* One phrase for all linears: the least exact of what was done to any of them. */
static void describe_form(const struct packing *packing, char form[96]) {
    static const char *const dense[] = {"", "dense f16", "dense f32", "dense int8"};
    static const char *const methods[] = {"", "on the ternary grid",
                                          "within a rounding step of the ternary grid",
                                          "quantised by absmean"};
    const struct planned_tensor *least = NULL;
    enum ternary_method method = TERNARY_STORED;
    char type[16] = "";
    if (packing->options->dense != PACK_DENSE_NO) {
        (void)snprintf(form, 96, "%s", dense[packing->options->dense]);
        return;
    }
    for (uint32_t i = 0; i < packing->source.architecture.tensor_count; i++) {
        const struct tensor_form *candidate = &packing->forms[i];
        if (candidate->type == TENSOR_TERNARY &&
            (least == NULL || candidate->ternary.method > method)) {
            method = candidate->ternary.method;
            least = &packing->source.architecture.tensors[i];
        }
    }
    if (least == NULL) {
        (void)snprintf(form, 96, "no ternary weights");
        return;
    }
    if (method == TERNARY_EXACT && least->affine_scales != NULL) {
        const char *own = packing->source.weights.form;
        (void)snprintf(form, 96, "%s", own ? own : "MLX affine codes on the ternary grid");
    } else if (method != TERNARY_STORED) {
        const char *name = least->weight->dtype_name;
        for (size_t i = 0; i + 1 < sizeof type && name[i] != '\0'; i++) {
            bool upper = block_is_plain(least->weight->dtype) && name[i] >= 'A' && name[i] <= 'Z';
            type[i] = upper ? (char)(name[i] - 'A' + 'a') : name[i];
        }
        (void)snprintf(form, 96, "%s (%s)", methods[method], type);
    } else if (least->weight->dtype == SOURCE_I2_S) {
        (void)snprintf(form, 96, "I2_S, %s", i2s_layout_name(packing->options->i2s_layout));
    } else if (least->weight->dtype == SOURCE_QUADS) {
        (void)snprintf(form, 96, "codes of BitMamba-2, scale divides");
    } else {
        (void)snprintf(form, 96, "%s",
                       packing->source.architecture.quantization == SOURCE_MULTIPLY
                           ? "packed uint8, scale multiplies (autobitlinear)"
                           : "packed uint8, scale divides (bitlinear)");
    }
}

static tercet_status open_writer(struct packing *packing, tercet_error *error) {
    const struct pack_options *options = packing->options;
    struct architecture *architecture = &packing->source.architecture;
    char name[ABOUT_TEXT_BYTES], licence[ABOUT_TEXT_BYTES], source[ABOUT_TEXT_BYTES];
    model_source_describe(&packing->source, name, licence);
    (void)snprintf(source, sizeof source, "%s, %s", architecture->class_name,
                   packing->report->form);
    override_sampling(options, &architecture->config);
    architecture->config.activation_bits = choose_activation_bits(packing);
    packing->report->activation_bits = architecture->config.activation_bits;
    packing->report->activations_named = architecture_names_activations(architecture);
    struct writer_plan plan = {architecture->config,
                               architecture->rope_scale,
                               architecture->rope_frequencies,
                               packing->plan,
                               architecture->tensor_count,
                               packing->source.tokenizer.bytes,
                               packing->source.tokenizer.count,
                               packing->chat.bytes,
                               packing->chat.count,
                               name,
                               licence,
                               source,
                               packing->pool};
    return container_writer_open(options->destination, &plan, &packing->writer, error);
}

static tercet_status write_tensor(struct packing *packing, uint32_t index, tercet_error *error) {
    const struct planned_tensor *planned = &packing->source.architecture.tensors[index];
    struct source_matrix matrix;
    TERCET_TRY(source_matrix_open(&packing->source.weights,
                                  packing->source.architecture.quantization, planned, &matrix,
                                  error));
    tercet_status status = tensor_write(&matrix, &packing->forms[index], packing->writer, error);
    source_matrix_close(&matrix);
    TERCET_TRY(status);
    return advance(packing, planned, error);
}

/* Counts what the proof saw of one tensor. */
static void count_tensor(struct packing *packing, uint32_t index, uint64_t bytes) {
    const struct planned_tensor *planned = &packing->source.architecture.tensors[index];
    struct pack_report *report = packing->report;
    uint64_t weights = (uint64_t)planned->rows * planned->columns;
    report->parameters += weights;
    if (packing->forms[index].type == TENSOR_TERNARY) {
        report->ternary_weights += weights;
        report->ternary_zeros += packing->proof.zeros;
        report->ternary_bytes += bytes;
        if (planned->linear) {
            report->layer[planned->stage - 1].weights += weights;
            report->layer[planned->stage - 1].zeros += packing->proof.zeros;
        }
    }
}

static tercet_status prove_tensors(struct packing *packing, tercet_error *error) {
    uint64_t offset = 0;
    for (uint32_t i = 0; i < packing->source.architecture.tensor_count; i++) {
        const struct planned_tensor *planned = &packing->source.architecture.tensors[i];
        const struct tensor_form *form = &packing->forms[i];
        struct source_matrix matrix;
        uint64_t bytes = 0;
        TERCET_TRY(source_matrix_open(&packing->source.weights,
                                      packing->source.architecture.quantization, planned, &matrix,
                                      error));
        tercet_status status =
            prove_tensor(&matrix, form, packing->writer, offset, &packing->proof, error);
        source_matrix_close(&matrix);
        TERCET_TRY(status);
        (void)container_tensor_bytes(form->type, form->scale, planned->rows, planned->columns,
                                     &bytes);
        count_tensor(packing, i, bytes);
        offset += bytes;
        TERCET_TRY(advance(packing, planned, error));
    }
    return TERCET_OK;
}

static tercet_status commit(struct packing *packing, tercet_error *error) {
    struct pack_report *report = packing->report;
    struct container_writer *writer = packing->writer;
    const struct proof *proof = &packing->proof;
    report->f16_bytes = report->parameters * 2;
    report->source_bytes = packing->source.weights.file_bytes;
    report->verified_weights = proof->equal;
    report->rounded_weights = proof->as_intended;
    report->quantize_error =
        proof->weight_squares > 0 ? sqrt(proof->error_squares / proof->weight_squares) : 0;
    packing->writer = NULL; /* commit frees it in any case */
    return container_writer_commit(writer, report->model_id, &report->file_bytes, error);
}

static tercet_status build_chat(struct packing *packing, tercet_error *error) {
    struct pack_report *report = packing->report;
    struct chat_section *chat = &packing->chat;
    TERCET_TRY(
        model_source_read_chat(&packing->source, packing->options->chat_format, chat, error));
    report->chat_format = chat->format;
    (void)snprintf(report->chat_note, sizeof report->chat_note, "%s", chat->note);
    return TERCET_OK;
}

/* Fewer threads than asked for are as good. */
static tercet_status start_threads(struct packing *packing, tercet_error *error) {
    tercet_allocator allocator = arena_default_allocator();
    if (packing->options->threads > 1 &&
        thread_pool_create(&allocator, packing->options->threads, &packing->pool) ==
            TERCET_OUT_OF_MEMORY) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for the threads");
    }
    return TERCET_OK;
}

static tercet_status read_source(struct packing *packing, tercet_error *error) {
    const struct pack_options *options = packing->options;
    TERCET_TRY(model_source_open(options->source, &packing->source, error));
    packing->source.weights.pool = packing->pool;
    if (source_file_is_at(options->source, options->destination)) {
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0,
                           "the destination %s is a file of the source: choose another",
                           options->destination);
    }
    return model_source_read(&packing->source, options->i2s_layout, error);
}

static tercet_status run(struct packing *packing, tercet_error *error) {
    const struct pack_options *options = packing->options;
    struct architecture *architecture = &packing->source.architecture;
    TERCET_TRY(check_options(options, error));
    TERCET_TRY(start_threads(packing, error));
    TERCET_TRY(read_source(packing, error));
    TERCET_TRY(build_chat(packing, error));
    packing->report->layers = architecture->config.layers;
    packing->report->layer = calloc(architecture->config.layers, sizeof *packing->report->layer);
    if (packing->report->layer == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for the report");
    }
    TERCET_TRY(choose_forms(packing, error));
    describe_form(packing, packing->report->form);
    TERCET_TRY(open_writer(packing, error));
    for (uint32_t i = 0; i < architecture->tensor_count; i++) {
        TERCET_TRY(write_tensor(packing, i, error));
    }
    TERCET_TRY(prove_tensors(packing, error));
    return commit(packing, error);
}

/* Names of a hostile source reach the sentence: no control character may reach a terminal. */
static void make_printable(tercet_error *error) {
    for (char *p = error->detail; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7F) {
            *p = '?';
        }
    }
}

tercet_status pack(const struct pack_options *options, struct pack_report *report,
                   tercet_error *error) {
    struct packing packing;
    memset(&packing, 0, sizeof packing);
    memset(report, 0, sizeof *report);
    report->chat_format = "";
    packing.options = options;
    packing.report = report;
    tercet_status status = run(&packing, error);
    container_writer_abort(packing.writer);
    model_source_close(&packing.source);
    chat_section_free(&packing.chat);
    thread_pool_destroy(packing.pool);
    free(packing.forms);
    free(packing.plan);
    if (status != TERCET_OK) {
        pack_report_free(report);
        if (error != NULL) {
            make_printable(error);
        }
    }
    return status;
}

void pack_report_free(struct pack_report *report) {
    free(report->layer);
    report->layer = NULL;
    report->layers = 0;
}
