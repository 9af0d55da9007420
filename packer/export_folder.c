/*
 * export_folder.c: export_folder of export.h. The order of work: check the header, plan every tensor, make the texts of all
 * files, stream the weights into model.safetensors, write the texts, config.json last. A failure removes what was written.
 */
#include "export.h"

#include "folder_config.h"
#include "folder_numbers.h"
#include "folder_tokenizer.h"
#include "json.h"
#include "new_folder.h"
#include "packed_rows.h"
#include "rotation_order.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rows are written in blocks of at least so many bytes. */
#define WRITE_BYTES ((size_t)1 << 20)

enum { PARTS_MOST = 3, NAME_BYTES = 96, SAFETENSORS_LENGTH = 8 };

/* Files in the order in which they are written; the one that makes a folder a model comes last. */
enum { FILE_WEIGHTS, FILE_TOKENIZER, FILE_TOKENIZER_CONFIG, FILE_GENERATION, FILE_CONFIG, FILES };
static const char *const file_names[FILES] = {"model.safetensors", "tokenizer.json",
                                              "tokenizer_config.json", "generation_config.json",
                                              "config.json"};

/* One tensor of the file: one of ours, or several one after the other along the outputs. */
struct folder_tensor {
    char name[NAME_BYTES];
    enum export_number number;
    struct packed_tensor parts[PARTS_MOST];
    uint32_t part_count;
    uint32_t columns, rows;
    bool vector;     /* one dimension: its parts follow each other along the columns */
    bool transposed; /* [columns, rows] in the file */
    uint64_t bytes;
};

struct exporting {
    const struct export_options *options;
    struct export_report *report;
    struct container container;
    struct folder_class chosen;
    struct folder_tensor *tensors;
    uint32_t count;
    uint64_t done_bytes, total_bytes;
    char *texts[FILES]; /* FILE_WEIGHTS: the header */
    struct new_folder folder;
    uint8_t *codes, *block;
    float *values, *moved;
    size_t block_bytes;
};

static tercet_status no_memory(tercet_error *error) {
    return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for the export");
}

static tercet_status bad_code(const struct folder_tensor *tensor, uint32_t row,
                              tercet_error *error) {
    return tercet_fail(error, TERCET_CANNOT_EXPORT, row,
                       "row %u of %s holds a code that is no ternary weight", row, tensor->name);
}

static tercet_status survey_part(struct exporting *e, const struct folder_tensor *tensor,
                                 const struct packed_tensor *part, struct folder_exactness *seen,
                                 tercet_error *error) {
    const struct container_tensor *info = &part->info;
    bool ternary = info->type == TENSOR_TERNARY;
    uint32_t step = ternary ? packed_scale_span(part) : 1;
    for (uint32_t row = 0; row < info->rows && (seen->bf16 || seen->f16); row++) {
        if (!ternary && !packed_row_values(part, row, e->codes, e->values)) {
            return bad_code(tensor, row, error);
        }
        for (uint32_t c = 0; c < info->columns; c += step) {
            folder_exactness_see(seen, ternary ? packed_scale(part, row, c) : e->values[c]);
        }
        if (ternary && info->scale == SCALE_TENSOR) {
            break; /* every row has the same */
        }
    }
    return TERCET_OK;
}

static tercet_status choose_number(struct exporting *e, struct folder_tensor *tensor,
                                   tercet_error *error) {
    struct folder_exactness seen = {true, true};
    tensor->number = e->options->number;
    if (tensor->number != EXPORT_NUMBER_EXACT) {
        return TERCET_OK;
    }
    for (uint32_t i = 0; i < tensor->part_count; i++) {
        TERCET_TRY(survey_part(e, tensor, &tensor->parts[i], &seen, error));
    }
    tensor->number = folder_exactness_number(&seen);
    return TERCET_OK;
}

/* ---------------------------------------------------------------- the plan */

/* What transformers calls a tensor of ours; NULL for one that it has not. */
static const struct source_name *find_name(const struct exporting *e, uint32_t role) {
    const struct source_naming *naming = e->chosen.naming;
    const struct source_name *const outside[] = {&naming->embedding, &naming->positions,
                                                 &naming->output_norm, &naming->output_norm_bias,
                                                 &naming->head};
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
        if (outside[i]->name != NULL && outside[i]->role == role) {
            return outside[i];
        }
    }
    for (size_t i = 0; i < naming->layer_count; i++) {
        if (naming->layer[i].role == role) {
            return &naming->layer[i];
        }
    }
    return NULL;
}

static void spell_name(const struct exporting *e, const struct container_tensor *info,
                       const struct source_name *kind, char name[NAME_BYTES]) {
    const struct source_naming *naming = e->chosen.naming;
    const char *prefix = naming->optional_prefix != NULL ? naming->optional_prefix : "";
    bool in_layer = info->stage > 0 && info->stage <= e->container.config.layers;
    if (info->role == ROLE_HEAD) {
        (void)snprintf(name, NAME_BYTES, "%s", kind->name);
    } else if (in_layer) {
        (void)snprintf(name, NAME_BYTES, "%s%s%u.%s", prefix, naming->layers, info->stage - 1,
                       kind->name);
    } else {
        (void)snprintf(name, NAME_BYTES, "%s%s", prefix, kind->name);
    }
}

static tercet_status plan_tensor(struct exporting *e, untrusted_bytes model, uint32_t index,
                                 tercet_error *error) {
    struct packed_tensor source = {container_get_tensor(&e->container, index), NULL};
    const struct container_tensor *info = &source.info;
    const struct source_name *kind = find_name(e, info->role);
    struct folder_tensor *tensor = &e->tensors[e->count];
    if (kind == NULL) {
        char name[64];
        container_tensor_name(info->stage, info->role, name);
        return tercet_fail(error, TERCET_CANNOT_EXPORT, index,
                           "transformers' %s has no tensor for %s", e->chosen.class_name, name);
    }
    source.bytes = model.bytes + info->offset; /* the reader checked the place */
    if (kind->parts > 0 && kind->part > 0) {   /* behind the one before */
        tensor--;
        if (e->count == 0 || tensor->part_count != kind->part ||
            (kind->rows != SIDE_ONE && tensor->columns != info->columns)) {
            return tercet_fail(error, TERCET_BAD_HEADER, index,
                               "a tensor in front of this one is missing");
        }
    } else {
        spell_name(e, info, kind, tensor->name);
        tensor->vector = kind->rows == SIDE_ONE;
        tensor->transposed = kind->linear && e->chosen.naming->transposed;
        tensor->columns = tensor->vector ? 0 : info->columns;
        tensor->rows = tensor->vector ? 1 : 0;
        e->count++;
    }
    tensor->parts[tensor->part_count++] = source;
    *(tensor->vector ? &tensor->columns : &tensor->rows) +=
        tensor->vector ? info->columns : info->rows;
    bool turned = info->role == ROLE_Q || info->role == ROLE_K;
    if ((turned && info->rows % e->container.config.head_dim != 0) ||
        (tensor->vector && info->rows != 1)) {
        return tercet_fail(error, TERCET_BAD_HEADER, index, "%s has %u rows, which does not fit",
                           tensor->name, info->rows);
    }
    e->report->ternary_weights +=
        info->type == TENSOR_TERNARY ? (uint64_t)info->rows * info->columns : 0;
    return TERCET_OK;
}

static void count_type(struct export_report *report, enum export_number number, uint64_t weights) {
    size_t i = 0;
    while (report->types[i].name != NULL && report->types[i].name != folder_number(number)->dtype) {
        i++; /* there are more places than types */
    }
    report->types[i].name = folder_number(number)->dtype;
    report->types[i].weights += weights;
}

/* Types, sizes, and room for the widest row and the largest matrix that is written in another order. */
static tercet_status plan_sizes(struct exporting *e, tercet_error *error) {
    size_t columns = 0, block = WRITE_BYTES;
    for (uint32_t i = 0; i < e->count; i++) {
        columns = e->tensors[i].columns > columns ? e->tensors[i].columns : columns;
    }
    e->codes = malloc(columns + 16);
    e->values = malloc((columns + 16) * sizeof *e->values);
    e->moved = malloc((columns + 16) * sizeof *e->moved);
    if (e->codes == NULL || e->values == NULL || e->moved == NULL) {
        return no_memory(error);
    }
    for (uint32_t i = 0; i < e->count; i++) {
        struct folder_tensor *tensor = &e->tensors[i];
        TERCET_TRY(choose_number(e, tensor, error));
        uint64_t weights = (uint64_t)tensor->rows * tensor->columns;
        uint64_t row_bytes = (uint64_t)tensor->columns * folder_number(tensor->number)->bytes;
        tensor->bytes = row_bytes * tensor->rows;
        e->total_bytes += tensor->bytes;
        count_type(e->report, tensor->number, weights);
        uint64_t wanted = tensor->transposed ? tensor->bytes : row_bytes;
        block = wanted > block ? (size_t)wanted : block;
    }
    e->block_bytes = block;
    e->block = malloc(block);
    return e->block != NULL ? TERCET_OK : no_memory(error);
}

/* ---------------------------------------------------------------- texts */

static bool add_sizes(cJSON *object, const char *key, uint64_t first, uint64_t second, bool pair) {
    cJSON *list = cJSON_AddArrayToObject(object, key);
    for (int i = 0; i < (pair ? 2 : 1); i++) {
        cJSON *item = cJSON_CreateNumber((double)(i == 0 ? first : second));
        if (list == NULL || item == NULL || !cJSON_AddItemToArray(list, item)) {
            cJSON_Delete(item);
            return false;
        }
    }
    return true;
}

static bool fill_header(const struct exporting *e, cJSON *header) {
    uint64_t offset = 0;
    char hex[65];
    cJSON *about = cJSON_AddObjectToObject(header, "__metadata__");
    for (int i = 0; i < 32; i++) {
        (void)snprintf(hex + 2 * i, 3, "%02x", e->container.model_id[i]);
    }
    bool done = cJSON_AddStringToObject(about, "format", "pt") != NULL &&
                cJSON_AddStringToObject(about, "tercet.model_id", hex) != NULL;
    for (uint32_t i = 0; i < e->count && done; i++) {
        const struct folder_tensor *tensor = &e->tensors[i];
        cJSON *entry = cJSON_AddObjectToObject(header, tensor->name);
        uint64_t first = tensor->vector || tensor->transposed ? tensor->columns : tensor->rows;
        uint64_t second = tensor->transposed ? tensor->rows : tensor->columns;
        done =
            cJSON_AddStringToObject(entry, "dtype", folder_number(tensor->number)->dtype) != NULL &&
            add_sizes(entry, "shape", first, second, !tensor->vector) &&
            add_sizes(entry, "data_offsets", offset, offset + tensor->bytes, true);
        offset += tensor->bytes;
    }
    return done;
}

/* Spaces at the end make the data begin at a multiple of 8. */
static tercet_status make_header(struct exporting *e, tercet_error *error) {
    cJSON *header = cJSON_CreateObject();
    char *text = header != NULL && fill_header(e, header) ? cJSON_PrintUnformatted(header) : NULL;
    cJSON_Delete(header);
    if (text == NULL) {
        return no_memory(error);
    }
    size_t bytes = strlen(text), padded = (bytes + 7) / 8 * 8;
    e->texts[FILE_WEIGHTS] = cJSON_malloc(padded + 1);
    if (e->texts[FILE_WEIGHTS] != NULL) {
        memcpy(e->texts[FILE_WEIGHTS], text, bytes);
        memset(e->texts[FILE_WEIGHTS] + bytes, ' ', padded - bytes);
        e->texts[FILE_WEIGHTS][padded] = '\0';
    }
    cJSON_free(text);
    return e->texts[FILE_WEIGHTS] != NULL ? TERCET_OK : no_memory(error);
}

/* What torch may load all of it as without rounding. */
static const char *common_dtype(const struct exporting *e) {
    enum export_number common = e->tensors[0].number;
    for (uint32_t i = 1; i < e->count; i++) {
        common = e->tensors[i].number == common ? common : EXPORT_NUMBER_F32;
    }
    return folder_number(common)->torch;
}

static tercet_status make_texts(struct exporting *e, tercet_error *error) {
    const struct container *container = &e->container;
    TERCET_TRY(make_header(e, error));
    TERCET_TRY(folder_tokenizer_write(container, e->report, &e->texts[FILE_TOKENIZER], error));
    TERCET_TRY(folder_tokenizer_config_write(container, &e->texts[FILE_TOKENIZER_CONFIG], error));
    TERCET_TRY(folder_generation_write(container, &e->texts[FILE_GENERATION], error));
    TERCET_TRY(folder_config_write(container, &e->chosen, common_dtype(e), e->report,
                                   &e->texts[FILE_CONFIG], error));
    if (e->report->ternary_weights > 0 && container->config.activation_bits == 8) {
        export_note(e->report, "transformers computes such a folder with float activations, this "
                               "model was packed for int8 ones: logits differ slightly there");
    }
    return TERCET_OK;
}

/* ---------------------------------------------------------------- weights */

/* The scale as the file's numbers will hold it. */
static tercet_status round_scale(struct exporting *e, const struct folder_tensor *tensor,
                                 float *scale, tercet_error *error) {
    float rounded = folder_number_round(tensor->number, *scale);
    if (*scale != 0 && (rounded == 0 || isinf(rounded))) {
        char number[32];
        (void)snprintf(number, sizeof number, "%.9g", (double)*scale);
        return tercet_fail(error, TERCET_CANNOT_EXPORT, 0,
                           "%s has the scale %s, which %s cannot hold: try --type f32",
                           tensor->name, number, folder_number(tensor->number)->dtype);
    }
    if (*scale != 0) {
        double off = fabs((double)rounded / (double)*scale - 1);
        e->report->scale_error = off > e->report->scale_error ? off : e->report->scale_error;
    }
    *scale = rounded;
    return TERCET_OK;
}

static tercet_status read_ternary_row(struct exporting *e, const struct folder_tensor *tensor,
                                      const struct packed_tensor *part, uint32_t row,
                                      tercet_error *error) {
    uint32_t columns = part->info.columns, span = packed_scale_span(part);
    if (!packed_row_trits(part, row, e->codes)) {
        return bad_code(tensor, row, error);
    }
    for (uint32_t first = 0; first < columns; first += span) {
        uint32_t end = columns - first < span ? columns : first + span;
        float scale = packed_scale(part, row, first);
        TERCET_TRY(round_scale(e, tensor, &scale, error));
        const float of_code[3] = {-scale, 0, scale};
        for (uint32_t c = first; c < end; c++) {
            e->values[c] = of_code[e->codes[c]];
        }
    }
    return TERCET_OK;
}

/* The row that becomes `row` of theirs, in e->values, as numbers that its type holds. */
static tercet_status read_row(struct exporting *e, const struct folder_tensor *tensor,
                              const struct packed_tensor *part, uint32_t row, tercet_error *error) {
    const struct container_config *config = &e->container.config;
    uint32_t role = part->info.role, columns = part->info.columns;
    if (role == ROLE_Q || role == ROLE_K) {
        row = rotation_row(config, false, row);
    }
    if (part->info.type == TENSOR_TERNARY) {
        return read_ternary_row(e, tensor, part, row, error);
    }
    if (!packed_row_values(part, row, e->codes, e->values)) {
        return bad_code(tensor, row, error);
    }
    for (uint32_t c = 0; c < columns; c++) {
        float rounded = folder_number_round(tensor->number, e->values[c]);
        if (isinf(rounded)) {
            return tercet_fail(error, TERCET_CANNOT_EXPORT, c,
                               "%s holds a number that is too large for %s: try --type f32",
                               tensor->name, folder_number(tensor->number)->dtype);
        }
        e->report->rounded_weights += rounded != e->values[c];
    }
    if (role == ROLE_Q_BIAS || role == ROLE_K_BIAS || role == ROLE_Q_NORM || role == ROLE_K_NORM) {
        memcpy(e->moved, e->values, columns * sizeof *e->moved);
        for (uint32_t c = 0; c < columns; c++) {
            e->values[c] = e->moved[rotation_row(config, false, c)];
        }
    }
    return TERCET_OK;
}

static tercet_status write_rows(struct exporting *e, const struct folder_tensor *tensor,
                                tercet_error *error) {
    size_t filled = 0;
    for (uint32_t i = 0; i < tensor->part_count; i++) {
        const struct packed_tensor *part = &tensor->parts[i];
        size_t row_bytes = (size_t)part->info.columns * folder_number(tensor->number)->bytes;
        for (uint32_t row = 0; row < part->info.rows; row++) {
            if (filled + row_bytes > e->block_bytes) {
                TERCET_TRY(new_folder_append(&e->folder, e->block, filled, error));
                filled = 0;
            }
            TERCET_TRY(read_row(e, tensor, part, row, error));
            folder_number_write(tensor->number, e->values, part->info.columns, e->block + filled);
            filled += row_bytes;
        }
    }
    return new_folder_append(&e->folder, e->block, filled, error);
}

/* Each row of ours becomes a column of theirs: the whole matrix is put together in memory. */
static tercet_status write_transposed(struct exporting *e, const struct folder_tensor *tensor,
                                      tercet_error *error) {
    uint32_t at = 0, bytes = folder_number(tensor->number)->bytes;
    size_t stride = (size_t)tensor->rows * bytes;
    for (uint32_t i = 0; i < tensor->part_count; i++) {
        const struct packed_tensor *part = &tensor->parts[i];
        for (uint32_t row = 0; row < part->info.rows; row++, at++) {
            uint8_t *to = e->block + (size_t)at * bytes;
            TERCET_TRY(read_row(e, tensor, part, row, error));
            folder_number_write(tensor->number, e->values, tensor->columns, (uint8_t *)e->moved);
            const uint8_t *from = (const uint8_t *)e->moved;
            for (uint32_t c = 0; c < tensor->columns; c++, to += stride, from += bytes) {
                memcpy(to, from, bytes);
            }
        }
    }
    return new_folder_append(&e->folder, e->block, (size_t)tensor->bytes, error);
}

static tercet_status write_tensor(struct exporting *e, const struct folder_tensor *tensor,
                                  tercet_error *error) {
    const struct export_options *options = e->options;
    TERCET_TRY(tensor->transposed ? write_transposed(e, tensor, error)
                                  : write_rows(e, tensor, error));
    e->done_bytes += tensor->bytes;
    if (options->progress != NULL && options->progress(options->progress_context, tensor->name,
                                                       e->done_bytes, e->total_bytes) != 0) {
        return tercet_fail(error, TERCET_CANCELLED, e->done_bytes, "the export was cancelled");
    }
    return TERCET_OK;
}

/* ---------------------------------------------------------------- files */

static tercet_status write_weights(struct exporting *e, tercet_error *error) {
    const char *header = e->texts[FILE_WEIGHTS];
    size_t header_bytes = strlen(header);
    uint8_t length[SAFETENSORS_LENGTH];
    for (int i = 0; i < SAFETENSORS_LENGTH; i++) {
        length[i] = (uint8_t)((uint64_t)header_bytes >> (8 * i));
    }
    TERCET_TRY(new_folder_append(&e->folder, length, sizeof length, error));
    TERCET_TRY(new_folder_append(&e->folder, header, header_bytes, error));
    for (uint32_t i = 0; i < e->count; i++) {
        TERCET_TRY(write_tensor(e, &e->tensors[i], error));
    }
    e->report->file_bytes = e->folder.at;
    return TERCET_OK;
}

static tercet_status write_file(struct exporting *e, int file, tercet_error *error) {
    size_t bytes = strlen(e->texts[file]);
    bool weights = file == FILE_WEIGHTS;
    uint64_t whole = bytes + (weights ? SAFETENSORS_LENGTH + e->total_bytes : 0);
    TERCET_TRY(new_folder_open_file(&e->folder, file_names[file], whole, error));
    TERCET_TRY(weights ? write_weights(e, error)
                       : new_folder_append(&e->folder, e->texts[file], bytes, error));
    return new_folder_commit_file(&e->folder, error);
}

static tercet_status write_files(struct exporting *e, tercet_error *error) {
    TERCET_TRY(new_folder_make(e->options->destination, &e->folder, error));
    tercet_status status = TERCET_OK;
    for (int file = 0; file < FILES && status == TERCET_OK; file++) {
        status = write_file(e, file, error);
    }
    new_folder_close(&e->folder, status == TERCET_OK);
    return status;
}

static tercet_status run(struct exporting *e, untrusted_bytes model, tercet_error *error) {
    struct container_prefix prefix;
    TERCET_TRY(container_read_prefix(model, model.count, &prefix, error));
    untrusted_bytes header = {model.bytes, (size_t)prefix.header_bytes};
    TERCET_TRY(container_read_header(header, model.count, &e->container, error));
    TERCET_TRY(folder_class_choose(&e->container, &e->chosen, error));
    e->tensors = calloc((size_t)e->container.tensor_count + 1, sizeof *e->tensors);
    if (e->tensors == NULL) {
        return no_memory(error);
    }
    for (uint32_t i = 0; i < e->container.tensor_count; i++) {
        TERCET_TRY(plan_tensor(e, model, i, error));
    }
    TERCET_TRY(plan_sizes(e, error));
    TERCET_TRY(make_texts(e, error));
    return write_files(e, error);
}

tercet_status export_folder(untrusted_bytes model, const struct export_options *options,
                            struct export_report *report, tercet_error *error) {
    struct exporting e;
    memset(&e, 0, sizeof e);
    memset(report, 0, sizeof *report);
    e.options = options;
    e.report = report;
    tercet_status status = run(&e, model, error);
    if (status == TERCET_OK) {
        report->architecture = e.chosen.class_name;
        report->tensors = e.count;
    }
    for (int file = 0; file < FILES; file++) {
        cJSON_free(e.texts[file]);
    }
    free(e.tensors);
    free(e.codes);
    free(e.values);
    free(e.moved);
    free(e.block);
    return status;
}
