/*
 * loader.c: see loader.h. Memory is taken in two steps, each only after the bytes before it were checked: the header's
 * after the prefix, the data's after the whole header. Never reads data bytes, never keeps a block after loader_take.
 */
#include "loader.h"
#include "../base/arena.h"

void loader_init(struct tercet_loader *loader, const tercet_allocator *allocator,
                 const tercet_loader_options *options) {
    memset(loader, 0, sizeof *loader);
    loader->allocator = *allocator;
    loader->options = *options;
    loader->state = LOADER_PREFIX;
    loader->file.allocator = *allocator;
}

/* Every error ends the loader; what it owns stays until loader_release. */
static tercet_status stop(struct tercet_loader *loader, tercet_status status) {
    if (tercet_status_is_error(status))
        loader->state = LOADER_FAILED;
    return status;
}

static tercet_status refuse(struct tercet_loader *loader, tercet_error *error, const char *what) {
    if (loader->state == LOADER_FAILED)
        return tercet_fail(error, TERCET_DISABLED, 0,
                           "an earlier error ended this loading: begin a new one");
    return stop(loader, tercet_fail(error, TERCET_BAD_ARGUMENT, 0, "%s", what));
}

static void want_prefix(struct tercet_loader *loader, tercet_want *want) {
    uint64_t known = loader->options.file_bytes;
    want->kind = TERCET_WANT_PREFIX;
    want->bytes = known != 0 && known < PREFIX_BYTES
                      ? known
                      : PREFIX_BYTES; /* all there is of a short file */
    want->destination = loader->prefix;
}

static void want_header(struct tercet_loader *loader, tercet_want *want) {
    want->kind = TERCET_WANT_HEADER;
    want->bytes = loader->file.header_bytes;
    want->destination = loader->file.header;
    want->sha256 = loader->prefix + PREFIX_AT_SHA256;
}

static void want_chunk(struct tercet_loader *loader, tercet_want *want) {
    const struct loaded_file *file = &loader->file;
    uint64_t begin = (uint64_t)loader->next_chunk * CONTAINER_CHUNK_BYTES;
    uint64_t left = file->data_bytes - begin;
    want->kind = TERCET_WANT_CHUNK;
    want->chunk_index = loader->next_chunk;
    want->offset = file->header_bytes + begin;
    want->bytes = left < CONTAINER_CHUNK_BYTES ? left : CONTAINER_CHUNK_BYTES;
    want->destination = (uint8_t *)file->owned_data + begin;
    want->sha256 = file->container.chunk_sha256 + (size_t)loader->next_chunk * CHUNK_HASH_BYTES;
}

tercet_status loader_want(struct tercet_loader *loader, tercet_want *want, tercet_error *error) {
    memset(want, 0, sizeof *want);
    switch (loader->state) {
    case LOADER_PREFIX:
        want_prefix(loader, want);
        break;
    case LOADER_HEADER:
        want_header(loader, want);
        break;
    case LOADER_CHUNKS:
        want_chunk(loader, want);
        break;
    case LOADER_PLACE:
    case LOADER_COMPLETE:
        return TERCET_OK;
    default:
        return refuse(loader, error, "the model was taken: this loader wants nothing more");
    }
    loader->wanted = true;
    return TERCET_NEED_BYTES;
}

static tercet_status give_prefix(struct tercet_loader *loader, tercet_error *error) {
    tercet_want want = {0};
    want_prefix(loader, &want);
    untrusted_bytes bytes = {loader->prefix, (size_t)want.bytes};
    TERCET_TRY(
        container_read_prefix(bytes, loader->options.file_bytes, &loader->prefix_values, error));
    uint64_t header_bytes = loader->prefix_values.header_bytes; /* at most LIMIT_HEADER_BYTES */
    loader->file.header = allocator_take(&loader->allocator, header_bytes);
    if (loader->file.header == NULL)
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, header_bytes,
                           "no memory for the header of %llu bytes",
                           (unsigned long long)header_bytes);
    loader->file.header_bytes = (size_t)header_bytes;
    loader->state = LOADER_HEADER;
    return TERCET_OK;
}

static tercet_status give_header(struct tercet_loader *loader, tercet_error *error) {
    struct loaded_file *file = &loader->file;
    /* The prefix is read twice. A file that changes in between must not give sizes that were never checked. */
    if (memcmp(file->header, loader->prefix, PREFIX_BYTES) != 0)
        return tercet_fail(error, TERCET_BAD_HEADER, 0,
                           "the first %u bytes changed while the file was read", PREFIX_BYTES);
    untrusted_bytes bytes = {file->header, file->header_bytes};
    TERCET_TRY(container_read_header(bytes, loader->options.file_bytes, &file->container, error));
    file->data_bytes = file->container.prefix.file_bytes - file->header_bytes;
    if (loader->options.map_in_place != 0) {
        loader->state = LOADER_PLACE;
        return TERCET_OK;
    }
    file->owned_data = allocator_take(&loader->allocator, file->data_bytes);
    if (file->owned_data == NULL)
        return tercet_fail(error, TERCET_OUT_OF_MEMORY, file->data_bytes,
                           "no memory for the %llu bytes of the model",
                           (unsigned long long)file->data_bytes);
    file->data = file->owned_data;
    loader->state = LOADER_CHUNKS; /* there is at least one: a container has at least one tensor */
    return TERCET_OK;
}

static tercet_status give_chunk(struct tercet_loader *loader) {
    loader->next_chunk += 1;
    if (loader->next_chunk == loader->file.container.chunk_count)
        loader->state = LOADER_COMPLETE;
    return TERCET_OK;
}

tercet_status loader_give(struct tercet_loader *loader, tercet_error *error) {
    if (!loader->wanted || loader->state == LOADER_FAILED)
        return refuse(loader, error, "bytes were given that the loader had not asked for");
    loader->wanted = false;
    switch (loader->state) {
    case LOADER_PREFIX:
        return stop(loader, give_prefix(loader, error));
    case LOADER_HEADER:
        return stop(loader, give_header(loader, error));
    default: /* `wanted` is only set in three states */
        return stop(loader, give_chunk(loader));
    }
}

tercet_status loader_place(struct tercet_loader *loader, const void *data, uint64_t bytes,
                           tercet_error *error) {
    if (loader->state != LOADER_PLACE)
        return refuse(
            loader, error,
            "data can be placed once, after the header, and only by a loader that maps in place");
    if ((uintptr_t)data % CONTAINER_ALIGNMENT != 0)
        return refuse(loader, error,
                      "the mapped data must lie at an address that is a multiple of 64");
    if (bytes != loader->file.data_bytes)
        return refuse(loader, error, "the mapped data has another size than the header announces");
    loader->file.data = data;
    loader->state = LOADER_COMPLETE;
    return TERCET_OK;
}

tercet_status loader_file_info(const struct tercet_loader *loader, tercet_file_info *info) {
    memset(info, 0, sizeof *info);
    if (loader->state != LOADER_CHUNKS && loader->state != LOADER_PLACE &&
        loader->state != LOADER_COMPLETE)
        return TERCET_BAD_ARGUMENT;
    const struct loaded_file *file = &loader->file;
    *info = (tercet_file_info){
        .file_bytes = file->container.prefix.file_bytes,
        .header_bytes = file->header_bytes,
        .data_bytes = file->data_bytes,
        .chunk_bytes = CONTAINER_CHUNK_BYTES,
        .chunks = file->container.chunk_count,
        .model_id = file->container.model_id,
        .chunk_sha256 = file->container.chunk_sha256,
    };
    return TERCET_OK;
}

tercet_status loader_take(struct tercet_loader *loader, struct loaded_file *file,
                          tercet_error *error) {
    if (loader->state != LOADER_COMPLETE || loader->lent) {
        memset(file, 0, sizeof *file);
        return refuse(loader, error,
                      loader->state == LOADER_TAKEN || loader->lent
                          ? "the model was taken before"
                          : "bytes of the file are still missing");
    }
    *file = loader->file;
    memset(&loader->file, 0, sizeof loader->file);
    loader->state = LOADER_TAKEN;
    return TERCET_OK;
}

tercet_status loader_lend(struct tercet_loader *loader, struct loaded_file *file,
                          tercet_error *error) {
    if (loader->state != LOADER_CHUNKS || loader->lent) {
        memset(file, 0, sizeof *file);
        return refuse(loader, error,
                      "a model can be opened once, after its header and before its last chunk");
    }
    *file = loader->file;
    loader->lent = true;
    return TERCET_OK;
}

uint64_t loader_arrived(const struct tercet_loader *loader) {
    uint64_t bytes = (uint64_t)loader->next_chunk * CONTAINER_CHUNK_BYTES;
    return bytes < loader->file.data_bytes ? bytes : loader->file.data_bytes;
}

void loader_release(struct tercet_loader *loader) {
    if (!loader->lent)
        loaded_file_release(&loader->file);
    loader->state = LOADER_FAILED;
    loader->wanted = false;
}

void loaded_file_release(struct loaded_file *file) {
    allocator_give(&file->allocator, file->header, file->header_bytes);
    allocator_give(&file->allocator, file->owned_data, file->data_bytes);
    memset(file, 0, sizeof *file);
}
