/*
 * read_npz.c: see read_npz.h. Ternary-Zero (github skyhighbg22-jpg/ternary-zero): 16 codes a word, the first in the lowest bits,
 * 00 = 0, 01 = +1, 10 = -1, rows padded to whole words.
 */
#define _GNU_SOURCE 1 /* O_TMPFILE */
#include "read_npz.h"

#include "../core/base/math.h"
#include "../core/container/container_layout.h"
#include "npy_header.h"
#include "npz_names.h"
#include "partial_file.h"
#include "source_file.h"
#include "zip_stream.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME_BYTES (NPZ_NAME_BYTES + 16u) /* ".weight" may become ".scales" */
#define TENSORS_OF_FILE 3u
#define PIECE_BYTES (1u << 20)
#define COLUMNS_MAX LIMIT_INNER
#define ROWS_MAX LIMIT_VOCABULARY
/* A scale s becomes s * {0, 1, 2} - s. */
#define SCALE_MAX 1e37f
/* Ternary-Zero's patcher stores the mean of the rows' scales as the scale of all, and means the rows' alone; "t x row x global"
 * is the other rule. How near a mean counts as one: f16 has 11 bits. */
#define MEAN_TOLERANCE 1e-3

struct reader {
    const char *folder;
    struct partial_file spool;
    uint64_t at; /* where the spool ends */
    struct source_table *table;
    uint32_t room; /* tensors that the table can hold */
    uint8_t *piece;
    bool global_is_mean, global_multiplies; /* some tensor asked for it */
    struct zip_archive archive;             /* of the file that is read */
};

static tercet_status unsupported(const struct reader *reader, const char *what,
                                 tercet_error *error) {
    return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0, "%s %s", reader->archive.shard->name,
                       what);
}

/* ---------------------------------------------------------------- one array */

struct array {
    struct zip_stream stream;
    struct npy_header header;
};

static tercet_status read_array_header(struct array *array, tercet_error *error) {
    uint8_t bytes[NPY_HEADER_BYTES_MAX] = {0};
    const struct zip_entry *entry = array->stream.entry;
    size_t count;
    if (entry->bytes < NPY_START_BYTES) {
        return tercet_fail(error, TERCET_BAD_SOURCE, entry->bytes,
                           "%s: %s is too short for a NumPy array",
                           array->stream.archive->shard->name, entry->name);
    }
    TERCET_TRY(zip_stream_read(&array->stream, bytes, NPY_START_BYTES, error));
    TERCET_TRY(npy_header_bytes(entry->name, bytes, entry->bytes, &count, error));
    TERCET_TRY(
        zip_stream_read(&array->stream, bytes + NPY_START_BYTES, count - NPY_START_BYTES, error));
    return npy_read_header(entry->name, bytes, count, entry->bytes, &array->header, error);
}

/* The array of that name, its header read. Close its stream after a success. */
static tercet_status open_array(const struct reader *reader, const char *name, struct array *array,
                                tercet_error *error) {
    const struct zip_entry *entry = zip_archive_find(&reader->archive, name);
    if (entry == NULL) {
        return tercet_fail(error, TERCET_BAD_SOURCE, 0, "%s holds no array %s",
                           reader->archive.shard->name, name);
    }
    tercet_status status = zip_stream_open(&reader->archive, entry, &array->stream, error);
    if (status == TERCET_OK) {
        status = read_array_header(array, error);
    }
    if (status != TERCET_OK) {
        zip_stream_close(&array->stream);
    }
    return status;
}

static double number_of(enum npy_type type, const uint8_t bytes[8]) {
    uint32_t low = 0;
    uint64_t all = 0;
    for (uint32_t i = 8; i > 0; i--) {
        all = all << 8 | bytes[i - 1];
    }
    low = (uint32_t)all;
    double wide;
    memcpy(&wide, &all, sizeof wide);
    switch (type) {
    case NPY_F16:
        return (double)math_half_to_float((uint16_t)low);
    case NPY_F32:
        return (double)math_float_from_bits(low);
    case NPY_F64:
        return wide;
    case NPY_I32:
        return low > INT32_MAX ? -1 : (double)low;
    case NPY_U32:
        return (double)low;
    default:
        return all > INT64_MAX ? -1 : (double)all;
    }
}

static uint32_t type_bytes(enum npy_type type) {
    return type == NPY_F16 ? 2 : type == NPY_F32 || type == NPY_I32 || type == NPY_U32 ? 4 : 8;
}

/* One number, whatever its type. */
static tercet_status read_number(const struct reader *reader, const char *name, double least,
                                 double most, double *number, tercet_error *error) {
    struct array array;
    uint8_t bytes[8] = {0};
    TERCET_TRY(open_array(reader, name, &array, error));
    tercet_status status = TERCET_OK;
    if (array.header.elements == 1) {
        status = zip_stream_read(&array.stream, bytes, type_bytes(array.header.type), error);
    }
    if (status == TERCET_OK && array.header.elements == 1) {
        status = zip_stream_finish(&array.stream, error);
    }
    zip_stream_close(&array.stream);
    TERCET_TRY(status);
    *number = number_of(array.header.type, bytes);
    return array.header.elements == 1 && *number >= least && *number <= most
               ? TERCET_OK
               : tercet_fail(error, TERCET_BAD_SOURCE, 0,
                             "%s: %s is not one number, or out of range",
                             reader->archive.shard->name, name);
}

/* ---------------------------------------------------------------- what they become */

static tercet_status append(struct reader *reader, const void *bytes, size_t count,
                            tercet_error *error) {
    tercet_status status = partial_file_write(&reader->spool, reader->at, bytes, count, error);
    if (status == TERCET_DISK_FULL) {
        return tercet_fail(error, status, reader->at,
                           "the disk became full after %llu bytes of unpacked arrays: say a folder "
                           "with more room in TMPDIR",
                           (unsigned long long)reader->at);
    }
    reader->at += count;
    return status;
}

/* "X.weight" with another ending; the tensor's bytes are the next ones of the spool. */
static void add_tensor(struct reader *reader, const char *name, const char *ending,
                       enum source_type type, const struct npy_header *shape) {
    struct source_table *table = reader->table;
    struct source_tensor *tensor = &table->tensors[table->count];
    char *to = table->names + (size_t)table->count++ * NAME_BYTES;
    size_t stem = strlen(name);
    if (ending[0] != '\0' && stem > strlen("weight") &&
        strcmp(name + stem - strlen("weight"), "weight") == 0) {
        stem -= strlen("weight");
    }
    (void)snprintf(to, NAME_BYTES, "%.*s%s", (int)stem, name, ending);
    *tensor = (struct source_tensor){
        .name = to,
        .dtype_name = type == SOURCE_U32   ? "2-bit codes"
                      : type == SOURCE_F16 ? "F16"
                                           : "F32",
        .dtype = type,
        .rank = shape->rank,
        .shape = {shape->shape[0], shape->shape[1]},
        .elements = shape->elements,
        .offset = reader->at,
        .bytes = shape->elements * (type == SOURCE_F16 ? 2 : 4),
    };
}

static tercet_status copy_floats(struct reader *reader, struct array *array, const char *name,
                                 tercet_error *error) {
    const struct npy_header *header = &array->header;
    if (header->type != NPY_F16 && header->type != NPY_F32) {
        return unsupported(reader, "holds weights that are neither float16 nor float32", error);
    }
    add_tensor(reader, name, "", header->type == NPY_F16 ? SOURCE_F16 : SOURCE_F32, header);
    while (array->stream.left > 0) {
        size_t count = array->stream.left < PIECE_BYTES ? (size_t)array->stream.left : PIECE_BYTES;
        TERCET_TRY(zip_stream_read(&array->stream, reader->piece, count, error));
        TERCET_TRY(append(reader, reader->piece, count, error));
    }
    return zip_stream_finish(&array->stream, error);
}

static tercet_status read_floats(struct reader *reader, const char *name, tercet_error *error) {
    struct array array;
    if (reader->archive.directory.entries != 1) {
        return unsupported(reader, "holds neither a weight alone nor packed_weights", error);
    }
    TERCET_TRY(open_array(reader, "weight.npy", &array, error));
    tercet_status status = copy_floats(reader, &array, name, error);
    zip_stream_close(&array.stream);
    return status;
}

/* t + 1 for the sign codes of 16 trits; false where one has the code 3. */
static bool recode(uint32_t signs, uint32_t *codes) {
    uint32_t plus = signs & 0x55555555u, minus = signs >> 1 & 0x55555555u;
    *codes = plus << 1 | (~(plus | minus) & 0x55555555u);
    return (plus & minus) == 0;
}

static tercet_status copy_codes(struct reader *reader, struct array *array, uint32_t row_words,
                                tercet_error *error) {
    uint64_t word = 0;
    while (array->stream.left > 0) {
        size_t count = array->stream.left < PIECE_BYTES ? (size_t)array->stream.left : PIECE_BYTES;
        TERCET_TRY(zip_stream_read(&array->stream, reader->piece, count, error));
        for (size_t i = 0; i < count; i += 4, word++) {
            uint8_t *p = reader->piece + i;
            uint32_t codes, signs = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
                                    (uint32_t)p[3] << 24;
            if (!recode(signs, &codes)) {
                return tercet_fail(error, TERCET_BAD_SOURCE, word,
                                   "%s: packed_weights holds the code 3, which is no ternary "
                                   "weight, in row %llu, word %llu",
                                   reader->archive.shard->name,
                                   (unsigned long long)(word / row_words),
                                   (unsigned long long)(word % row_words));
            }
            for (uint32_t b = 0; b < 4; b++) {
                p[b] = (uint8_t)(codes >> (8 * b));
            }
        }
        TERCET_TRY(append(reader, reader->piece, count, error));
    }
    return zip_stream_finish(&array->stream, error);
}

static tercet_status read_codes(struct reader *reader, const char *name, uint32_t rows,
                                uint32_t columns, tercet_error *error) {
    struct array array;
    uint32_t row_words = (columns + 15) / 16;
    const struct npy_header words = {
        .rank = 2, .shape = {rows, row_words}, .elements = (uint64_t)rows * row_words};
    TERCET_TRY(open_array(reader, "packed_weights.npy", &array, error));
    tercet_status status = TERCET_OK;
    if (array.header.type != NPY_U32 || array.header.elements != words.elements) {
        status = tercet_fail(error, TERCET_BAD_SOURCE, 0,
                             "%s: packed_weights does not hold the %llu words that m and n ask for",
                             reader->archive.shard->name, (unsigned long long)words.elements);
    } else {
        add_tensor(reader, name, "weight", SOURCE_U32, &words);
        reader->table->tensors[reader->table->count - 1].columns = columns;
        status = copy_codes(reader, &array, row_words, error);
    }
    zip_stream_close(&array.stream);
    return status;
}

/* scale[row], times the scale of all where that is no mean of them. */
static tercet_status combine_scales(struct reader *reader, float *scales, uint32_t rows,
                                    double global, tercet_error *error) {
    double sum = 0;
    for (uint32_t i = 0; i < rows; i++) {
        sum += (double)scales[i];
    }
    bool is_mean = fabs(global - sum / rows) <= MEAN_TOLERANCE * global;
    double factor = is_mean ? 1 : global;
    for (uint32_t i = 0; i < rows; i++) {
        double scale = (double)scales[i] * factor;
        if (!(scale >= 0 && scale <= (double)SCALE_MAX) || factor == 0) {
            return tercet_fail(error, TERCET_BAD_SOURCE, i,
                               "%s: the scale of row %u is out of range, or that of all is 0",
                               reader->archive.shard->name, i);
        }
        scales[i] = (float)scale;
    }
    if (global != 1) {
        reader->global_is_mean = reader->global_is_mean || is_mean;
        reader->global_multiplies = reader->global_multiplies || !is_mean;
    }
    return TERCET_OK;
}

static tercet_status read_scales(struct reader *reader, float *scales, uint32_t rows,
                                 tercet_error *error) {
    struct array array;
    TERCET_TRY(open_array(reader, "per_row_scale.npy", &array, error));
    tercet_status status = TERCET_OK;
    if (array.header.type != NPY_F32 || array.header.elements != rows) {
        status = tercet_fail(error, TERCET_BAD_SOURCE, 0,
                             "%s: per_row_scale does not hold one float32 for each of %u rows",
                             reader->archive.shard->name, rows);
    }
    if (status == TERCET_OK) {
        status = zip_stream_read(&array.stream, scales, (size_t)rows * sizeof *scales, error);
    }
    if (status == TERCET_OK) {
        status = zip_stream_finish(&array.stream, error);
    }
    zip_stream_close(&array.stream);
    return status;
}

/* weight = scale x code - scale: what MLX's affine codes say. */
static tercet_status write_scales(struct reader *reader, const char *name, float *scales,
                                  uint32_t rows, tercet_error *error) {
    const struct npy_header shape = {.rank = 2, .shape = {rows, 1}, .elements = rows};
    add_tensor(reader, name, "scales", SOURCE_F32, &shape);
    TERCET_TRY(append(reader, scales, (size_t)rows * sizeof *scales, error));
    for (uint32_t i = 0; i < rows; i++) {
        scales[i] = -scales[i];
    }
    add_tensor(reader, name, "biases", SOURCE_F32, &shape);
    return append(reader, scales, (size_t)rows * sizeof *scales, error);
}

static tercet_status read_ternary(struct reader *reader, const char *name, tercet_error *error) {
    double rows, columns, global;
    if (reader->archive.directory.entries != 5) {
        return unsupported(reader,
                           "holds other arrays than packed_weights, per_row_scale, global_scale, m "
                           "and n",
                           error);
    }
    TERCET_TRY(read_number(reader, "m.npy", 1, ROWS_MAX, &rows, error));
    TERCET_TRY(read_number(reader, "n.npy", 1, COLUMNS_MAX, &columns, error));
    if (rows != floor(rows) || columns != floor(columns)) {
        return tercet_fail(error, TERCET_BAD_SOURCE, 0, "%s: m and n are no whole numbers",
                           reader->archive.shard->name);
    }
    TERCET_TRY(read_number(reader, "global_scale.npy", 0, 1e37, &global, error));
    TERCET_TRY(read_codes(reader, name, (uint32_t)rows, (uint32_t)columns, error));
    float *scales = malloc((size_t)rows * sizeof *scales);
    if (scales == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for the scales of %s", name);
    }
    tercet_status status = read_scales(reader, scales, (uint32_t)rows, error);
    if (status == TERCET_OK) {
        status = combine_scales(reader, scales, (uint32_t)rows, global, error);
    }
    if (status == TERCET_OK) {
        status = write_scales(reader, name, scales, (uint32_t)rows, error);
    }
    free(scales);
    return status;
}

/* ---------------------------------------------------------------- the folder */

/* Room for a file's tensors. Names lie in one block, which may move. */
static tercet_status make_room(struct reader *reader, tercet_error *error) {
    struct source_table *table = reader->table;
    if (reader->room - table->count >= TENSORS_OF_FILE) {
        return TERCET_OK;
    }
    uint32_t room = 2 * reader->room + 64;
    void *tensors = realloc(table->tensors, room * sizeof *table->tensors);
    table->tensors = tensors != NULL ? tensors : table->tensors;
    char *names = realloc(table->names, room * (size_t)NAME_BYTES);
    table->names = names != NULL ? names : table->names;
    if (tensors == NULL || names == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for the list of tensors");
    }
    reader->room = room;
    return TERCET_OK;
}

static tercet_status read_member_file(struct reader *reader, const struct source_shard *shard,
                                      const char *name, tercet_error *error) {
    TERCET_TRY(make_room(reader, error));
    TERCET_TRY(zip_archive_read(shard, &reader->archive, error));
    return zip_archive_find(&reader->archive, "packed_weights.npy") != NULL
               ? read_ternary(reader, name, error)
               : read_floats(reader, name, error);
}

static tercet_status read_file(struct reader *reader, const char *file, tercet_error *error) {
    struct source_shard shard;
    struct source_weights one = {.shards = &shard};
    char name[NPZ_NAME_BYTES];
    if (!npz_tensor_name(file, name)) {
        return tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                           "the folder holds a file .npz whose name is no tensor's");
    }
    size_t path_bytes = strlen(reader->folder) + strlen(file) + 2;
    char *path = malloc(path_bytes);
    if (path == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory for the path of %s", file);
    }
    (void)snprintf(path, path_bytes, "%s/%s", reader->folder, file);
    memset(&shard, 0, sizeof shard);
    tercet_status status = source_weights_open_shard(&one, path, file, TERCET_BAD_SOURCE, error);
    free(path);
    if (status == TERCET_OK) {
        status = read_member_file(reader, &shard, name, error);
    }
    if (one.shard_count > 0) {
        source_shard_close(&shard);
    }
    return status;
}

static int is_npz(const struct dirent *entry) {
    size_t bytes = strlen(entry->d_name);
    return bytes > 4 && strcmp(entry->d_name + bytes - 4, ".npz") == 0;
}

static tercet_status read_files(struct reader *reader, tercet_error *error) {
    struct dirent **files = NULL;
    int count = scandir(reader->folder, &files, is_npz, alphasort);
    tercet_status status = TERCET_OK;
    if (count < 0) {
        return tercet_fail(error, TERCET_FILE_READ_FAILED, 0, "the folder cannot be read: %s",
                           strerror(errno));
    }
    if ((uint32_t)count > NPZ_FILES_MAX) {
        status = tercet_fail(error, TERCET_LIMIT_EXCEEDED, (uint64_t)count,
                             "the folder holds more than %u files .npz", NPZ_FILES_MAX);
    }
    for (int i = 0; i < count; i++) {
        if (status == TERCET_OK) {
            status = read_file(reader, files[i]->d_name, error);
        }
        free(files[i]);
    }
    free(files);
    if (status == TERCET_OK && reader->global_is_mean && reader->global_multiplies) {
        status = tercet_fail(error, TERCET_UNSUPPORTED_SOURCE, 0,
                             "global_scale is the mean of per_row_scale in some files and not in "
                             "others, so what they mean together is not known: pack the Hugging "
                             "Face folder that they were made of");
    }
    return status;
}

/* The tensors' names move no more: point to them. */
static void settle_names(struct source_table *table) {
    for (uint32_t i = 0; i < table->count; i++) {
        table->tensors[i].name = table->names + (size_t)i * NAME_BYTES;
    }
}

static tercet_status open_spool(struct source_shard *shard, tercet_error *error) {
    const char *folder = getenv("TMPDIR");
    folder = folder != NULL && folder[0] != '\0' ? folder : "/tmp";
    shard->descriptor = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (shard->descriptor < 0) {
        return tercet_fail(error, TERCET_FILE_WRITE_FAILED, 0,
                           "%s: the arrays cannot be unpacked into %s: say another folder in "
                           "TMPDIR",
                           strerror(errno), folder);
    }
    (void)snprintf(shard->name, sizeof shard->name, "the unpacked arrays");
    return TERCET_OK;
}

static tercet_status fill(struct reader *reader, struct source_weights *source,
                          tercet_error *error) {
    struct source_shard *shard = source->shards;
    TERCET_TRY(open_spool(shard, error));
    source->shard_count = 1; /* there is something to close */
    TERCET_TRY(partial_file_adopt(shard->descriptor, &reader->spool, error));
    reader->table = &shard->table;
    reader->piece = malloc(PIECE_BYTES);
    if (reader->piece == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory to unpack arrays");
    }
    TERCET_TRY(read_files(reader, error));
    shard->file_bytes = source->file_bytes = reader->at;
    settle_names(&shard->table);
    source->form = reader->global_is_mean
                       ? "codes of Ternary-Zero, global_scale is the rows' mean and left out"
                   : reader->global_multiplies ? "codes of Ternary-Zero, global_scale multiplies"
                                               : "codes of Ternary-Zero";
    return source_weights_collect(source, error);
}

bool npz_is(const char *folder) {
    return source_file_exists(folder, "patch_manifest.json") &&
           !source_file_exists(folder, "model.safetensors") &&
           !source_file_exists(folder, "model.safetensors.index.json");
}

tercet_status npz_open(const char *folder, struct source_weights *source, tercet_error *error) {
    struct reader reader = {.folder = folder, .spool = {.descriptor = -1}};
    memset(source, 0, sizeof *source);
    if (!source_file_exists(folder, "config.json")) {
        return tercet_fail(
            error, TERCET_UNSUPPORTED_SOURCE, 0,
            "the folder holds arrays of Ternary-Zero, whose patch_manifest.json does "
            "not say how the network computes: copy config.json and the tokenizer of "
            "the model that was patched into it");
    }
    source->shards = calloc(1, sizeof *source->shards);
    if (source->shards == NULL) {
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, 0, "no memory to open the folder");
    }
    tercet_status status = fill(&reader, source, error);
    partial_file_discard(&reader.spool);
    free(reader.piece);
    if (status != TERCET_OK) {
        source_weights_close(source);
    }
    return status;
}
