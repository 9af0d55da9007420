/*
 * export.c: see export.h. The order of work: check the header, plan every tensor of the new file, write its header, then
 * stream tensor after tensor from the mapped model, a few rows at a time, and commit. Until the last step nothing exists
 * under the destination's name.
 */
#include "export.h"

#include "../core/base/math.h"
#include "chat_jinja.h"
#include "gguf_architecture.h"
#include "gguf_tokenizer.h"
#include "packed_rows.h"
#include "rotation_order.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rows are written in blocks of at least so many bytes. */
#define WRITE_BYTES ((size_t)1 << 20)
/* From here on a number rounds to a half that is infinite. */
#define HALF_INFINITE 65520.0f

enum { PARTS_MOST = 3 };

/* One tensor of the new file: the rows of one of ours, or of several one after the other. */
struct export_tensor {
    char name[GGUF_NAME_BYTES];
    enum gguf_type type;
    struct packed_tensor parts[PARTS_MOST];
    uint32_t part_count;
    uint32_t columns, rows;
    bool vector; /* one dimension: its parts follow each other along the columns */
    uint64_t bytes;
};

struct exporting {
    const struct export_options *options;
    struct export_report *report;
    struct container container;
    struct gguf_architecture architecture;
    struct export_tensor *tensors;
    uint32_t count;
    uint64_t done_bytes, total_bytes;
    struct gguf_writer *writer;
    /* Room for one row in every form, of the widest tensor; and for the block that is written. */
    uint8_t *codes, *block;
    float *values, *moved;
    size_t block_bytes;
};

void export_options_init(struct export_options *options) {
    memset(options, 0, sizeof *options);
    options->type = GGUF_TQ2_0;
    options->fallback = GGUF_Q2_0;
}

void export_note(struct export_report *report, const char *note) {
    for (size_t i = 0; i + 1 < EXPORT_NOTES; i++) {
        if (report->notes[i] == NULL) {
            report->notes[i] = note;
            return;
        }
    }
}

static bool is_table(uint32_t role) {
    return role == ROLE_EMBEDDING || role == ROLE_HEAD;
}

/* The type that a tensor of ours gets in the new file. */
static enum gguf_type choose_type(const struct export_options *options,
                                  const struct container_tensor *info, bool vector) {
    static const enum gguf_type tables[] = {GGUF_F32, GGUF_Q8_0, GGUF_F16, GGUF_F32};
    if (is_table(info->role) && options->embedding != EXPORT_TABLE_SAME) {
        return tables[options->embedding];
    }
    if (vector || info->type == TENSOR_F32) {
        return GGUF_F32;
    }
    if (info->type == TENSOR_F16) {
        return GGUF_F16;
    }
    bool dense_fallback = options->fallback == GGUF_F16 || options->fallback == GGUF_F32;
    if (info->role == ROLE_POSITION_EMBEDDING) { /* never in blocks there */
        return dense_fallback ? options->fallback : GGUF_F16;
    }
    if (info->type == TENSOR_INT8) {
        bool fits = info->columns % gguf_block_columns(GGUF_Q8_0) == 0;
        return fits || !dense_fallback ? GGUF_Q8_0 : options->fallback;
    }
    return info->columns % gguf_block_columns(options->type) == 0 ? options->type
                                                                  : options->fallback;
}

/* The option that decides on the type of a tensor that is no ternary matrix. */
static const char *deciding_option(const struct export_options *options, uint32_t role) {
    return is_table(role) && options->embedding != EXPORT_TABLE_SAME ? "--embedding" : "--fallback";
}

static void count_type(struct export_report *report, enum gguf_type type, uint64_t weights) {
    const char *name = gguf_type_name(type);
    size_t i = 0;
    while (report->types[i].name != NULL && strcmp(report->types[i].name, name) != 0) {
        i++; /* there are as many places as types, and names are the same constants */
    }
    report->types[i].name = name;
    report->types[i].weights += weights;
}

/* A new tensor, or a new part of the one before. */
static tercet_status place_tensor(struct exporting *e, const struct packed_tensor *source,
                                  tercet_error *error) {
    const struct container_tensor *info = &source->info;
    bool vector = info->rows == 1 && info->stage != 0 && info->role != ROLE_HEAD;
    enum gguf_type type = choose_type(e->options, info, vector);
    struct export_tensor *tensor = &e->tensors[e->count];
    if (e->count > 0 && gguf_is_fused(&e->architecture, info->role)) {
        tensor--;
        bool fits = tensor->part_count > 0 && tensor->part_count < PARTS_MOST &&
                    tensor->type == type && tensor->vector == vector &&
                    (vector || tensor->columns == info->columns);
        if (!fits) {
            return tercet_fail(error, TERCET_CANNOT_EXPORT, e->count,
                               "%s is one tensor in GGUF, but its parts have different types here",
                               tensor->name);
        }
    } else {
        tensor->type = type;
        tensor->vector = vector;
        tensor->columns = vector ? 0 : info->columns;
        tensor->rows = vector ? 1 : 0;
        if (!gguf_tensor_name(&e->architecture, info->stage, info->role, tensor->name)) {
            char name[64];
            container_tensor_name(info->stage, info->role, name);
            return tercet_fail(error, TERCET_CANNOT_EXPORT, e->count,
                               "GGUF has no name for the tensor %s", name);
        }
        e->count++;
    }
    tensor->parts[tensor->part_count++] = *source;
    *(vector ? &tensor->columns : &tensor->rows) += vector ? info->columns : info->rows;
    return TERCET_OK;
}

static tercet_status plan_tensor(struct exporting *e, untrusted_bytes model, uint32_t index,
                                 tercet_error *error) {
    struct packed_tensor source = {container_get_tensor(&e->container, index), NULL};
    const struct container_tensor *info = &source.info;
    source.bytes = model.bytes + info->offset; /* the reader checked the place */
    TERCET_TRY(place_tensor(e, &source, error));
    const struct export_tensor *tensor = &e->tensors[e->count - 1];
    if (gguf_row_bytes(tensor->type, info->columns) == 0) {
        return tercet_fail(error, TERCET_CANNOT_EXPORT, info->columns,
                           "%s has %u columns, which is no multiple of the %u of a block of %s: "
                           "try %s f16",
                           tensor->name, info->columns, gguf_block_columns(tensor->type),
                           gguf_type_name(tensor->type), deciding_option(e->options, info->role));
    }
    if ((info->role == ROLE_Q || info->role == ROLE_K) &&
        info->rows % e->container.config.head_dim != 0) { /* they are put in another order */
        return tercet_fail(error, TERCET_BAD_HEADER, index,
                           "%s has %u rows, which are no whole heads", tensor->name, info->rows);
    }
    count_type(e->report, tensor->type, (uint64_t)info->rows * info->columns);
    if (info->type == TENSOR_TERNARY) {
        e->report->ternary_weights += (uint64_t)info->rows * info->columns;
    }
    return TERCET_OK;
}

/* llama3's rule for long contexts: one number for each pair of a head. It has no part: no tensor of ours holds it. */
static void plan_divisors(struct exporting *e) {
    struct export_tensor *tensor = &e->tensors[e->count++];
    (void)snprintf(tensor->name, sizeof tensor->name, "rope_freqs.weight");
    tensor->type = GGUF_F32;
    tensor->vector = true;
    tensor->rows = 1;
    tensor->columns = e->container.rope_count;
}

static tercet_status take_memory(struct exporting *e, tercet_error *error) {
    size_t columns = 0, row_bytes = 0;
    for (uint32_t i = 0; i < e->count; i++) {
        struct export_tensor *tensor = &e->tensors[i];
        size_t bytes = gguf_row_bytes(tensor->type, tensor->columns);
        tensor->bytes = (uint64_t)bytes * tensor->rows;
        columns = tensor->columns > columns ? tensor->columns : columns;
        row_bytes = bytes > row_bytes ? bytes : row_bytes;
        e->total_bytes += tensor->bytes;
    }
    e->block_bytes = row_bytes > WRITE_BYTES ? row_bytes : WRITE_BYTES;
    e->codes = malloc(columns + 16);
    e->values = malloc((columns + 16) * sizeof *e->values);
    e->moved = malloc((columns + 16) * sizeof *e->moved);
    e->block = malloc(e->block_bytes);
    if (e->codes == NULL || e->values == NULL || e->moved == NULL || e->block == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for a row of %llu weights",
                           (unsigned long long)columns);
    }
    return TERCET_OK;
}

static tercet_status plan_tensors(struct exporting *e, untrusted_bytes model, tercet_error *error) {
    e->tensors = calloc((size_t)e->container.tensor_count + 1, sizeof *e->tensors);
    if (e->tensors == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for the plan of %u tensors",
                           e->container.tensor_count);
    }
    if (e->architecture.rope.divisors != NULL) {
        plan_divisors(e);
    }
    for (uint32_t i = 0; i < e->container.tensor_count; i++) {
        TERCET_TRY(plan_tensor(e, model, i, error));
    }
    return take_memory(e, error);
}

static void add_keys(struct exporting *e) {
    static const struct {
        enum gguf_type type;
        uint32_t number;
    } file_types[] = {{GGUF_F32, 0},  {GGUF_F16, 1},    {GGUF_Q4_0, 2},
                      {GGUF_Q8_0, 7}, {GGUF_TQ1_0, 36}, {GGUF_TQ2_0, 37}};
    char hex[65];
    gguf_architecture_add_keys(&e->container, &e->architecture, e->writer);
    for (size_t i = 0; i < sizeof file_types / sizeof *file_types; i++) {
        if (file_types[i].type == e->options->type && e->report->ternary_weights > 0) {
            gguf_writer_add_u32(e->writer, "general.file_type", file_types[i].number);
        }
    }
    gguf_writer_add_u32(e->writer, "general.quantization_version", 2);
    for (int i = 0; i < 32; i++) {
        (void)snprintf(hex + 2 * i, 3, "%02x", e->container.model_id[i]);
    }
    gguf_writer_add_string(e->writer, "tercet.model_id", hex);
}

/* A scale as the half that the file will hold; remembers how far that is off. */
static tercet_status round_scale(struct exporting *e, const struct export_tensor *tensor,
                                 float *scale, tercet_error *error) {
    float rounded = math_half_to_float(math_float_to_half(*scale));
    if (*scale != 0 && (rounded == 0 || isinf(rounded))) {
        char number[32];
        (void)snprintf(number, sizeof number, "%.9g", (double)*scale);
        return tercet_fail(error, TERCET_CANNOT_EXPORT, 0,
                           "%s has the scale %s, which no half can hold: try --type f32",
                           tensor->name, number);
    }
    if (*scale != 0) {
        double off = fabs((double)rounded / (double)*scale - 1);
        e->report->scale_error = off > e->report->scale_error ? off : e->report->scale_error;
    }
    *scale = rounded;
    return TERCET_OK;
}

/* The scale of the block [first, end): of its group, or the mean of its groups. */
static tercet_status block_scale(struct exporting *e, const struct export_tensor *tensor,
                                 const struct packed_tensor *part, uint32_t row, uint32_t first,
                                 uint32_t end, float *scale, tercet_error *error) {
    uint32_t span = packed_scale_span(part), groups = 0;
    double sum = 0;
    for (uint32_t column = first; column < end; column += span, groups++) {
        sum += (double)packed_scale(part, row, column);
    }
    *scale = (float)(sum / groups);
    for (uint32_t column = first; column < end && groups > 1; column += span) {
        float own = packed_scale(part, row, column);
        if (own == *scale) {
            continue;
        }
        if (!e->options->merge_scales) {
            return tercet_fail(error, TERCET_CANNOT_EXPORT, row,
                               "%s has a scale for every %u columns, but %s one for every %u: try "
                               "--type q2_0 or q4_0",
                               tensor->name, span, gguf_type_name(tensor->type), end - first);
        }
        double off = own != 0 ? fabs((double)*scale / (double)own - 1) : 1;
        e->report->merge_error = off > e->report->merge_error ? off : e->report->merge_error;
    }
    return tensor->type == GGUF_F32 ? TERCET_OK : round_scale(e, tensor, scale, error);
}

static tercet_status encode_ternary_row(struct exporting *e, const struct export_tensor *tensor,
                                        const struct packed_tensor *part, uint32_t row,
                                        uint8_t *out, tercet_error *error) {
    uint32_t columns = part->info.columns, block = gguf_block_columns(tensor->type);
    uint32_t span = packed_scale_span(part);
    if (!packed_row_trits(part, row, e->codes)) {
        return tercet_fail(error, TERCET_CANNOT_EXPORT, row,
                           "row %u of %s holds a code that is no ternary weight", row,
                           tensor->name);
    }
    for (uint32_t first = 0; first < columns; first += block) {
        float *scale = &e->values[first / block];
        if (first % span != 0 && first % span + block <= span) {
            *scale = scale[-1]; /* the same group as the block before */
        } else {
            TERCET_TRY(block_scale(e, tensor, part, row, first, first + block, scale, error));
        }
    }
    gguf_encode_ternary(tensor->type, e->codes, e->values, columns, out);
    return TERCET_OK;
}

/* A number beyond what its type holds would become infinite, which is no rounding. */
static tercet_status check_values(const struct exporting *e, const struct export_tensor *tensor,
                                  const struct packed_tensor *part, tercet_error *error) {
    /* A block of Q8_0 has a half as the scale of codes up to 127. */
    float limit = tensor->type == GGUF_Q8_0 ? HALF_INFINITE * 127 : HALF_INFINITE;
    for (uint32_t i = 0; i < part->info.columns && tensor->type != GGUF_F32; i++) {
        if (!(fabsf(e->values[i]) < limit)) {
            char number[32];
            (void)snprintf(number, sizeof number, "%.9g", (double)e->values[i]);
            return tercet_fail(error, TERCET_CANNOT_EXPORT, i,
                               "%s holds %s, which is too large for %s: try %s f32", tensor->name,
                               number, gguf_type_name(tensor->type),
                               deciding_option(e->options, part->info.role));
        }
    }
    return TERCET_OK;
}

/* Biases and norms of q and k follow the rows of these. */
static void turn_vector(struct exporting *e, uint32_t role, uint32_t columns) {
    if (role != ROLE_Q_BIAS && role != ROLE_K_BIAS && role != ROLE_Q_NORM && role != ROLE_K_NORM) {
        return;
    }
    memcpy(e->moved, e->values, columns * sizeof *e->moved);
    for (uint32_t c = 0; c < columns; c++) {
        e->values[c] = e->moved[rotation_row(&e->container.config, e->architecture.interleaved, c)];
    }
}

static tercet_status encode_row(struct exporting *e, const struct export_tensor *tensor,
                                const struct packed_tensor *part, uint32_t row, uint8_t *out,
                                tercet_error *error) {
    uint32_t columns = part->info.columns;
    if (part->info.role == ROLE_Q || part->info.role == ROLE_K) {
        row = rotation_row(&e->container.config, e->architecture.interleaved, row);
    }
    if (part->info.type == TENSOR_TERNARY && !tensor->vector) {
        return encode_ternary_row(e, tensor, part, row, out, error);
    }
    if (part->info.type == TENSOR_INT8 && tensor->type == GGUF_Q8_0) {
        float scale = packed_scale(part, row, 0);
        TERCET_TRY(round_scale(e, tensor, &scale, error));
        packed_row_int8(part, row, (int8_t *)e->codes);
        gguf_encode_int8((const int8_t *)e->codes, scale, columns, out);
        return TERCET_OK;
    }
    if (!packed_row_values(part, row, e->codes, e->values)) {
        return tercet_fail(error, TERCET_CANNOT_EXPORT, row,
                           "row %u of %s holds a code that is no ternary weight", row,
                           tensor->name);
    }
    TERCET_TRY(check_values(e, tensor, part, error));
    turn_vector(e, part->info.role, columns);
    gguf_encode_values(tensor->type, e->values, columns, out);
    bool kept =
        tensor->type == GGUF_F32 || (tensor->type == GGUF_F16 && part->info.type == TENSOR_F16);
    e->report->rounded_weights += kept ? 0 : columns;
    return TERCET_OK;
}

static tercet_status write_part(struct exporting *e, const struct export_tensor *tensor,
                                const struct packed_tensor *part, tercet_error *error) {
    size_t row_bytes = gguf_row_bytes(tensor->type, part->info.columns), filled = 0;
    for (uint32_t row = 0; row < part->info.rows; row++) {
        if (filled + row_bytes > e->block_bytes) {
            TERCET_TRY(gguf_writer_append(e->writer, e->block, filled, error));
            filled = 0;
        }
        TERCET_TRY(encode_row(e, tensor, part, row, e->block + filled, error));
        filled += row_bytes;
    }
    return gguf_writer_append(e->writer, e->block, filled, error);
}

static tercet_status write_tensor(struct exporting *e, const struct export_tensor *tensor,
                                  tercet_error *error) {
    const struct export_options *options = e->options;
    for (uint32_t i = 0; i < tensor->part_count; i++) {
        TERCET_TRY(write_part(e, tensor, &tensor->parts[i], error));
    }
    if (tensor->part_count == 0) {
        gguf_encode_values(GGUF_F32, e->architecture.rope.divisors, tensor->columns, e->block);
        TERCET_TRY(gguf_writer_append(e->writer, e->block, (size_t)tensor->bytes, error));
    }
    e->done_bytes += tensor->bytes;
    if (options->progress != NULL && options->progress(options->progress_context, tensor->name,
                                                       e->done_bytes, e->total_bytes) != 0) {
        return tercet_fail(error, TERCET_CANCELLED, e->done_bytes, "the export was cancelled");
    }
    return TERCET_OK;
}

static tercet_status add_chat_template(struct exporting *e, tercet_error *error) {
    char *text;
    TERCET_TRY(chat_jinja_write(&e->container, &text, error));
    if (text != NULL) {
        gguf_writer_add_string(e->writer, "tokenizer.chat_template", text);
    }
    free(text);
    return TERCET_OK;
}

static tercet_status run(struct exporting *e, untrusted_bytes model, tercet_error *error) {
    struct container_prefix prefix;
    TERCET_TRY(container_read_prefix(model, model.count, &prefix, error));
    untrusted_bytes header = {model.bytes, (size_t)prefix.header_bytes};
    TERCET_TRY(container_read_header(header, model.count, &e->container, error));
    TERCET_TRY(gguf_architecture_choose(&e->container, &e->architecture, e->report, error));
    TERCET_TRY(plan_tensors(e, model, error));
    e->writer = gguf_writer_create();
    if (e->writer == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for the new header");
    }
    add_keys(e);
    TERCET_TRY(gguf_tokenizer_add_keys(&e->container, e->writer, e->report, error));
    TERCET_TRY(add_chat_template(e, error));
    for (uint32_t i = 0; i < e->count; i++) {
        const struct export_tensor *tensor = &e->tensors[i];
        gguf_writer_add_tensor(e->writer, tensor->name, (uint32_t)tensor->type, tensor->columns,
                               tensor->vector ? 0 : tensor->rows, tensor->bytes);
    }
    TERCET_TRY(gguf_writer_open(e->writer, e->options->destination, error));
    for (uint32_t i = 0; i < e->count; i++) {
        TERCET_TRY(write_tensor(e, &e->tensors[i], error));
    }
    struct gguf_writer *writer = e->writer;
    e->writer = NULL; /* commit destroys it in any case */
    return gguf_writer_commit(writer, &e->report->file_bytes, error);
}

tercet_status export_gguf(untrusted_bytes model, const struct export_options *options,
                          struct export_report *report, tercet_error *error) {
    struct exporting e;
    memset(&e, 0, sizeof e);
    memset(report, 0, sizeof *report);
    e.options = options;
    e.report = report;
    tercet_status status = run(&e, model, error);
    if (status == TERCET_OK) {
        report->architecture = e.architecture.name;
        report->tensors = e.count;
    }
    gguf_writer_abort(e.writer);
    gguf_architecture_release(&e.architecture);
    free(e.tensors);
    free(e.codes);
    free(e.values);
    free(e.moved);
    free(e.block);
    return status;
}
