/*
 * abi_loader.c: from the bytes of a file to a model, and what memory the model will need before there is any.
 */
#include "abi_state.h"

#include <string.h>

/* file_bytes: 0 if not known. values: handle. */
int32_t tercet_abi_loader_create(uint32_t engine_handle, uint64_t file_bytes,
                                 uint32_t map_in_place) {
    tercet_error error = abi_start();
    tercet_engine *engine = abi_pointer(engine_handle, ABI_ENGINE);
    struct abi_slot *slot = abi_free_slot();
    if (engine == NULL || slot == NULL)
        return abi_refuse(engine == NULL ? "this engine is not open" : abi_no_slot);
    tercet_loader_options options;
    tercet_loader_options_init(&options);
    options.file_bytes = file_bytes;
    options.map_in_place = map_in_place;
    tercet_loader *loader = NULL;
    tercet_status status = tercet_loader_create(engine, &options, &loader, &error);
    if (status == TERCET_OK)
        abi_fill_slot(slot, ABI_LOADER, loader, abi_index(engine_handle));
    return abi_end(status, &error);
}

/* NEED_BYTES with values: kind, chunk index, offset in the file, bytes, destination, sha256 (0: none); or OK. */
int32_t tercet_abi_loader_want(uint32_t handle) {
    tercet_error error = abi_start();
    tercet_loader *loader = abi_pointer(handle, ABI_LOADER);
    if (loader == NULL)
        return abi_refuse("this loader is not open");
    tercet_want want;
    tercet_status status = tercet_loader_want(loader, &want, &error);
    if (status == TERCET_NEED_BYTES) {
        abi_put(0, (uint64_t)want.kind);
        abi_put(1, want.chunk_index);
        abi_put(2, want.offset);
        abi_put(3, want.bytes);
        abi_put_address(4, want.destination);
        abi_put_address(5, want.sha256);
    }
    return abi_end(status, &error);
}

int32_t tercet_abi_loader_give(uint32_t handle) {
    tercet_error error = abi_start();
    tercet_loader *loader = abi_pointer(handle, ABI_LOADER);
    if (loader == NULL)
        return abi_refuse("this loader is not open");
    return abi_end(tercet_loader_give(loader, &error), &error);
}

/* values: file bytes, header bytes, data bytes, chunk bytes, chunks, address of the chunks' SHA-256 (32 bytes each, one
 * after the other); bytes: model id. */
int32_t tercet_abi_loader_info(uint32_t handle) {
    (void)abi_start();
    const tercet_loader *loader = abi_pointer(handle, ABI_LOADER);
    tercet_file_info info;
    if (loader == NULL || tercet_loader_get_file_info(loader, &info) != TERCET_OK)
        return abi_refuse("this loader is not open, or has not read its header");
    abi_put(0, info.file_bytes);
    abi_put(1, info.header_bytes);
    abi_put(2, info.data_bytes);
    abi_put(3, info.chunk_bytes);
    abi_put(4, info.chunks);
    abi_put_address(5, info.chunk_sha256);
    memcpy(abi_result.bytes, info.model_id, sizeof abi_result.bytes);
    return TERCET_OK;
}

/* The header was given, chunks are still wanted: the model, which arrives while it is open. The loader goes on and must be
 * destroyed first; `finish` is not for it any more. values: model handle. UNSUPPORTED: finish it instead. */
int32_t tercet_abi_loader_open(uint32_t handle) {
    tercet_error error = abi_start();
    struct abi_slot *loader = abi_find(handle, ABI_LOADER);
    struct abi_slot *slot = abi_free_slot();
    if (loader == NULL || slot == NULL)
        return abi_refuse(loader == NULL ? "this loader is not open" : abi_no_slot);
    tercet_model *model = NULL;
    tercet_status status = tercet_loader_open(loader->pointer, &model, &error);
    if (status == TERCET_OK) {
        abi_fill_slot(slot, ABI_MODEL, model, loader->parent);
        abi_set_parent(loader, slot); /* a loader always has one: its engine */
    }
    return abi_end(status, &error);
}

/* All bytes were given. values: model handle. The loader can then only be destroyed. */
int32_t tercet_abi_loader_finish(uint32_t handle) {
    tercet_error error = abi_start();
    struct abi_slot *loader = abi_find(handle, ABI_LOADER);
    struct abi_slot *slot = abi_free_slot();
    if (loader == NULL || slot == NULL)
        return abi_refuse(loader == NULL ? "this loader is not open" : abi_no_slot);
    tercet_model *model = NULL;
    tercet_status status = tercet_loader_finish(loader->pointer, &model, &error);
    if (status == TERCET_OK)
        abi_fill_slot(slot, ABI_MODEL, model, loader->parent);
    return abi_end(status, &error);
}

/* From a loader with map_in_place that has its header: a model without its data, for tercet_abi_model_info,
 * tercet_abi_plan_bytes and the text functions, never for a session. values: handle. */
int32_t tercet_abi_plan_create(uint32_t handle) {
    tercet_error error = abi_start();
    struct abi_slot *loader = abi_find(handle, ABI_LOADER);
    struct abi_slot *slot = abi_free_slot();
    if (loader == NULL || slot == NULL)
        return abi_refuse(loader == NULL ? "this loader is not open" : abi_no_slot);
    tercet_file_info info;
    if (tercet_loader_get_file_info(loader->pointer, &info) != TERCET_OK)
        return abi_refuse("this loader has not read its header");
    tercet_status status = tercet_loader_place(loader->pointer, NULL, info.data_bytes, &error);
    tercet_model *model = NULL;
    if (status == TERCET_OK)
        status = tercet_loader_finish(loader->pointer, &model, &error);
    if (status == TERCET_OK)
        abi_fill_slot(slot, ABI_PLAN, model, loader->parent);
    return abi_end(status, &error);
}

extern unsigned char __heap_base; /* the linker's: end of static data and of the first stack */

/* A thread's stack (variants.cmake); with it come its control block and thread-local data. */
#define THREAD_BYTES (TERCET_WASM_STACK_BYTES + 32768u)
/* Texts: per token of context 8 bytes of text, each of which takes itself, a token (4 bytes) and about 40 bytes of
 * tokenizer scratch. */
#define TEXT_BYTES_PER_TOKEN (8u * 48u)
/* malloc's own tables, static data that differs between modules, small texts. */
#define MARGIN_BYTES (512u * 1024u)

/* The memory that a module needs for this model and one session: what is held here now (engine, header, tables of the
 * model), the data, the session, stacks, texts, `arriving` tokens of tercet_abi_session_arrive, margin. values: bytes in all, bytes of the session. BAD_ARGUMENT when the
 * context, slice or kv is out of range, OUT_OF_MEMORY when it is more than 32-bit addresses can reach. */
int32_t tercet_abi_plan_bytes(uint32_t handle, uint32_t context, uint32_t slice, uint32_t threads,
                              uint32_t kv, uint32_t arriving) {
    tercet_error error = abi_start();
    tercet_model *model = abi_pointer(handle, ABI_PLAN);
    if (model == NULL || threads == 0 || threads > 64)
        return abi_refuse("this plan is not open, or the number of threads is not in 1..64");
    tercet_model_info info;
    tercet_session_options options;
    tercet_model_get_info(model, &info);
    tercet_session_options_init(model, &options);
    options.context = context;
    options.slice = slice;
    options.kv = kv;
    uint64_t session_bytes = tercet_session_bytes(model, &options);
    if (session_bytes == 0) {
        /* Opening it says why not. */
        tercet_session *session = NULL;
        tercet_status status = tercet_session_create(model, &options, &session, &error);
        tercet_session_destroy(session);
        return status == TERCET_OK ? abi_refuse("the session has no size")
                                   : abi_end(status, &error);
    }
    uint64_t tokens = context == 0 ? info.context : context;
    /* The plan's engine has one thread. */
    session_bytes += (threads - 1) * tercet_session_thread_bytes(model, &options);
    /* Each term is far below 2^62: limits of the format, and a session that core could add up. */
    uint64_t bytes = (uintptr_t)&__heap_base + abi_taken_bytes() + info.data_bytes + session_bytes +
                     3 * ABI_BLOCK_OVERHEAD_BYTES + (uint64_t)(threads - 1) * THREAD_BYTES +
                     tokens * TEXT_BYTES_PER_TOKEN + (uint64_t)info.vocabulary * sizeof(float) +
                     tercet_session_arriving_bytes(model, arriving) + ABI_BLOCK_OVERHEAD_BYTES +
                     MARGIN_BYTES; /* the vocabulary's row: logits that are copied out */
    /* A module refuses to start in less than the linker was told. */
    abi_put(0, bytes < TERCET_WASM_INITIAL_BYTES ? TERCET_WASM_INITIAL_BYTES : bytes);
    abi_put(1, session_bytes);
    if (bytes > ((uint64_t)65535 << 16)) {
        return abi_no_room(
            bytes,
            "model and context need more than the 4 GiB that a WebAssembly module can address");
    }
    return TERCET_OK;
}
