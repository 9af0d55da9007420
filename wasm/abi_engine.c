/*
 * abi_engine.c: the engine and its buffers as flat functions (abi_state.h).
 */
#include "abi_state.h"

#include <string.h>

/* Memory for texts and tokens, aligned to 64. values: handle, address. */
int32_t tercet_abi_buffer_create(uint32_t bytes) {
    (void)abi_start();
    struct abi_slot *slot = abi_free_slot();
    if (slot == NULL)
        return abi_refuse(abi_no_slot);
    void *block = bytes == 0 ? NULL : abi_take(NULL, bytes);
    if (block == NULL) {
        return abi_no_room(bytes, "the engine's memory has no room for a text of that size");
    }
    abi_fill_slot(slot, ABI_BUFFER, block, ABI_NO_PARENT);
    slot->bytes = bytes;
    abi_put_address(1, block);
    return TERCET_OK;
}

/* `kernels`: UTF-8 name of a set; 0 bytes for the best one. values: handle. OK or FEWER_THREADS. */
int32_t tercet_abi_engine_create(uint32_t threads, uint32_t kernels, uint32_t kernels_bytes) {
    tercet_error error = abi_start();
    char name[32];
    struct abi_slot *slot = abi_free_slot();
    if (slot == NULL)
        return abi_refuse(abi_no_slot);
    tercet_engine_options options;
    tercet_engine_options_init(&options);
    options.threads = threads;
    options.allocator = (tercet_allocator){abi_take, abi_give, NULL};
    if (kernels_bytes != 0) {
        if (kernels_bytes >= sizeof name || !abi_span_fits(kernels, kernels_bytes))
            return abi_refuse("this is no name of a kernel set");
        memcpy(name, abi_at(kernels), kernels_bytes);
        name[kernels_bytes] = '\0';
        options.kernels = name;
    }
    tercet_engine *engine = NULL;
    tercet_status status = tercet_engine_create(&options, &engine, &error);
    if (!tercet_status_is_error(status))
        abi_fill_slot(slot, ABI_ENGINE, engine, ABI_NO_PARENT);
    return abi_end(status, &error);
}

/* values: threads, kernels (address, bytes), note (address, bytes). */
int32_t tercet_abi_engine_info(uint32_t handle) {
    (void)abi_start();
    const tercet_engine *engine = abi_pointer(handle, ABI_ENGINE);
    if (engine == NULL)
        return abi_refuse("this engine is not open");
    tercet_engine_info info;
    tercet_engine_get_info(engine, &info);
    abi_put(0, info.threads);
    abi_put_string(1, info.kernels);
    abi_put_string(3, info.kernels_note);
    return TERCET_OK;
}
