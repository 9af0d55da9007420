/*
 * abi.c: the WebAssembly face of tercet.h: flat functions of integers, addresses and floats, which return a tercet_status
 * and leave what they have to say in one fixed block of memory (tercet_abi_result). JavaScript is the only caller.
 *
 * Every number that comes in is checked: a handle is an index with a generation, so one that was destroyed, or was never
 * given, is BAD_ARGUMENT and not a pointer; an address must lie in memory with all its bytes. What it must never do: trust
 * a caller, keep an address of the caller's after the call, parse text, print, or touch JavaScript.
 */
#include "tercet.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Rises with every change of a signature, of the meaning of a value, or of the block. */
#define ABI_VERSION 2u

/* ---------------------------------------------------------------- result block */

#define RESULT_VALUES 32u

/* Layout known to web/src/wasm_module.ts: values at 0, bytes at 256, where at 288, detail_bytes at 296, detail at 304.
 * A value is a 64-bit integer or the bits of a double, as each function says. */
struct abi_result {
    uint64_t values[RESULT_VALUES];
    uint8_t bytes[32];
    uint64_t where;
    uint32_t detail_bytes;
    uint32_t zero;
    char detail[192];
};
_Static_assert(offsetof(struct abi_result, bytes) == 256, "JavaScript reads it there");
_Static_assert(offsetof(struct abi_result, where) == 288, "JavaScript reads it there");
_Static_assert(offsetof(struct abi_result, detail_bytes) == 296, "JavaScript reads it there");
_Static_assert(offsetof(struct abi_result, detail) == 304, "JavaScript reads it there");
_Static_assert(sizeof((tercet_error){0}.detail) == sizeof((struct abi_result){0}.detail),
               "every detail fits");

static struct abi_result result;

static void put(uint32_t at, uint64_t value) {
    result.values[at] = value;
}

static void put_double(uint32_t at, double value) {
    memcpy(&result.values[at], &value, sizeof value);
}

static void put_address(uint32_t at, const void *address) {
    result.values[at] = (uintptr_t)address;
}

/* Address and number of bytes; both 0 for NULL. */
static void put_string(uint32_t at, const char *text) {
    put_address(at, text);
    result.values[at + 1] = text == NULL ? 0 : strlen(text);
}

/* Every function starts with a clean block. */
static tercet_error start(void) {
    memset(&result, 0, sizeof result);
    return (tercet_error){0};
}

/* ... and ends here. */
static int32_t end(tercet_status status, const tercet_error *error) {
    if (tercet_status_is_error(status) && error->status == status) {
        result.where = error->where;
        result.detail_bytes = (uint32_t)strlen(error->detail);
        memcpy(result.detail, error->detail, result.detail_bytes);
    }
    return (int32_t)status;
}

static int32_t refuse(const char *detail) {
    tercet_error error = {.status = TERCET_BAD_ARGUMENT};
    size_t bytes = strlen(detail);
    memcpy(error.detail, detail, bytes < sizeof error.detail ? bytes : sizeof error.detail - 1);
    return end(TERCET_BAD_ARGUMENT, &error);
}

/* ---------------------------------------------------------------- memory */

/* What the core holds now; the plan of a model is made from it. */
static uint64_t taken_bytes;

#define ALIGNMENT 64u
/* emmalloc's own words around a block, and what alignment to 64 can cost. */
#define BLOCK_OVERHEAD_BYTES 128u

static size_t padded(size_t bytes) {
    return (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

static uint64_t memory_bytes(void) {
    return (uint64_t)__builtin_wasm_memory_size(0) * 65536u;
}

/* emmalloc compares where a block would end without looking whether that wraps around 4 GiB, gives one that does, and has
 * then written over the bottom of memory. Below 2 GiB nothing can wrap (and a planner's memory may still grow); above,
 * what is taken already says what can be there. */
static bool can_fit(uint64_t bytes) {
    const uint64_t half = (uint64_t)1 << 31;
    return taken_bytes + bytes <= (memory_bytes() > half ? memory_bytes() : half);
}

static void *take(void *opaque, size_t bytes) {
    (void)opaque;
    bool possible = padded(bytes) >= bytes && can_fit(padded(bytes));
    void *block = possible ? aligned_alloc(ALIGNMENT, padded(bytes)) : NULL;
    if (block != NULL)
        taken_bytes += padded(bytes) + BLOCK_OVERHEAD_BYTES;
    return block;
}

static void give(void *opaque, void *block, size_t bytes) {
    (void)opaque;
    taken_bytes -= padded(bytes) + BLOCK_OVERHEAD_BYTES;
    free(block);
}

static bool span_fits(uint32_t address, uint64_t bytes) {
    uint64_t all = memory_bytes();
    return address != 0 && bytes <= all && address <= all - bytes;
}

static bool words_fit(uint32_t address, uint64_t words) {
    return address % 4 == 0 && span_fits(address, words * 4);
}

static void *at_address(uint32_t address) {
    return (void *)(uintptr_t)address;
}

/* ---------------------------------------------------------------- handles */

enum kind { KIND_NONE, KIND_BUFFER, KIND_ENGINE, KIND_LOADER, KIND_PLAN, KIND_MODEL, KIND_SESSION };

#define SLOTS 32u
#define NO_PARENT SLOTS
#define GENERATION_MAX 0xFFFFFFu

/* A handle is generation << 8 | slot. Generations begin at 1, so 0 is never a handle. */
static struct slot {
    enum kind kind;
    uint32_t generation;
    uint32_t parent;   /* slot that must outlive this one, or NO_PARENT */
    uint32_t children; /* slots whose parent this is */
    void *pointer;
    uint64_t bytes; /* of a buffer */
} slots[SLOTS];

static struct slot *find(uint32_t handle, enum kind kind) {
    uint32_t index = handle & 0xFFu;
    if (index >= SLOTS || slots[index].kind != kind || slots[index].generation != handle >> 8)
        return NULL;
    return &slots[index];
}

static void *pointer_of(uint32_t handle, enum kind kind) {
    struct slot *slot = find(handle, kind);
    return slot == NULL ? NULL : slot->pointer;
}

/* A plan answers questions about its model as a model does. */
static tercet_model *model_of(uint32_t handle) {
    void *model = pointer_of(handle, KIND_MODEL);
    return model != NULL ? model : pointer_of(handle, KIND_PLAN);
}

static struct slot *free_slot(void) {
    for (uint32_t i = 0; i < SLOTS; i++)
        if (slots[i].kind == KIND_NONE)
            return &slots[i];
    return NULL;
}

static const char no_slot[] = "too many things are open at once: destroy some";

/* The new handle is values[0]. */
static void fill_slot(struct slot *slot, enum kind kind, void *pointer, uint32_t parent) {
    slot->kind = kind;
    /* After 2^24 uses of one slot an ancient handle could fit again. */
    slot->generation = slot->generation == GENERATION_MAX ? 1 : slot->generation + 1;
    slot->pointer = pointer;
    slot->parent = parent;
    slot->children = 0;
    slot->bytes = 0;
    if (parent != NO_PARENT)
        slots[parent].children++;
    put(0, slot->generation << 8 | (uint32_t)(slot - slots));
}

static uint32_t index_of(uint32_t handle) {
    return handle & 0xFFu;
}

/* ---------------------------------------------------------------- functions */

uint32_t tercet_abi_version(void) {
    return ABI_VERSION;
}

/* Address of the result block; never moves. */
uint32_t tercet_abi_result(void) {
    return (uint32_t)(uintptr_t)&result;
}

/* Frees anything that a _create or _finish gave. BAD_ARGUMENT for a stale handle, and while something made from this one
 * still lives. */
int32_t tercet_abi_destroy(uint32_t handle) {
    (void)start();
    uint32_t index = index_of(handle);
    struct slot *slot = index < SLOTS ? find(handle, slots[index].kind) : NULL;
    if (slot == NULL || slot->kind == KIND_NONE)
        return refuse("this handle is not open");
    if (slot->children != 0)
        return refuse("something that was made from this handle is still open");
    switch (slot->kind) {
    case KIND_BUFFER:
        give(NULL, slot->pointer, (size_t)slot->bytes);
        break;
    case KIND_ENGINE:
        tercet_engine_destroy(slot->pointer);
        break;
    case KIND_LOADER:
        tercet_loader_destroy(slot->pointer);
        break;
    case KIND_PLAN:
    case KIND_MODEL:
        tercet_model_destroy(slot->pointer);
        break;
    default:
        tercet_session_destroy(slot->pointer);
        break;
    }
    if (slot->parent != NO_PARENT)
        slots[slot->parent].children--;
    slot->kind = KIND_NONE;
    slot->pointer = NULL;
    return TERCET_OK;
}

/* Memory for texts and tokens, aligned to 64. values: handle, address. */
int32_t tercet_abi_buffer_create(uint32_t bytes) {
    tercet_error error = start();
    struct slot *slot = free_slot();
    if (slot == NULL)
        return refuse(no_slot);
    void *block = bytes == 0 ? NULL : take(NULL, bytes);
    if (block == NULL) {
        error = (tercet_error){.status = TERCET_OUT_OF_MEMORY, .where = bytes};
        strcpy(error.detail, "the engine's memory has no room for a text of that size");
        return end(TERCET_OUT_OF_MEMORY, &error);
    }
    fill_slot(slot, KIND_BUFFER, block, NO_PARENT);
    slot->bytes = bytes;
    put_address(1, block);
    return TERCET_OK;
}

/* `kernels`: UTF-8 name of a set; 0 bytes for the best one. values: handle. OK or FEWER_THREADS. */
int32_t tercet_abi_engine_create(uint32_t threads, uint32_t kernels, uint32_t kernels_bytes) {
    tercet_error error = start();
    char name[32];
    struct slot *slot = free_slot();
    if (slot == NULL)
        return refuse(no_slot);
    tercet_engine_options options;
    tercet_engine_options_init(&options);
    options.threads = threads;
    options.allocator = (tercet_allocator){take, give, NULL};
    if (kernels_bytes != 0) {
        if (kernels_bytes >= sizeof name || !span_fits(kernels, kernels_bytes))
            return refuse("this is no name of a kernel set");
        memcpy(name, at_address(kernels), kernels_bytes);
        name[kernels_bytes] = '\0';
        options.kernels = name;
    }
    tercet_engine *engine = NULL;
    tercet_status status = tercet_engine_create(&options, &engine, &error);
    if (!tercet_status_is_error(status))
        fill_slot(slot, KIND_ENGINE, engine, NO_PARENT);
    return end(status, &error);
}

/* values: threads, kernels (address, bytes), note (address, bytes). */
int32_t tercet_abi_engine_info(uint32_t handle) {
    (void)start();
    const tercet_engine *engine = pointer_of(handle, KIND_ENGINE);
    if (engine == NULL)
        return refuse("this engine is not open");
    tercet_engine_info info;
    tercet_engine_get_info(engine, &info);
    put(0, info.threads);
    put_string(1, info.kernels);
    put_string(3, info.kernels_note);
    return TERCET_OK;
}

/* file_bytes: 0 if not known. values: handle. */
int32_t tercet_abi_loader_create(uint32_t engine_handle, uint64_t file_bytes,
                                 uint32_t map_in_place) {
    tercet_error error = start();
    tercet_engine *engine = pointer_of(engine_handle, KIND_ENGINE);
    struct slot *slot = free_slot();
    if (engine == NULL || slot == NULL)
        return refuse(engine == NULL ? "this engine is not open" : no_slot);
    tercet_loader_options options;
    tercet_loader_options_init(&options);
    options.file_bytes = file_bytes;
    options.map_in_place = map_in_place;
    tercet_loader *loader = NULL;
    tercet_status status = tercet_loader_create(engine, &options, &loader, &error);
    if (status == TERCET_OK)
        fill_slot(slot, KIND_LOADER, loader, index_of(engine_handle));
    return end(status, &error);
}

/* NEED_BYTES with values: kind, chunk index, offset in the file, bytes, destination, sha256 (0: none); or OK. */
int32_t tercet_abi_loader_want(uint32_t handle) {
    tercet_error error = start();
    tercet_loader *loader = pointer_of(handle, KIND_LOADER);
    if (loader == NULL)
        return refuse("this loader is not open");
    tercet_want want;
    tercet_status status = tercet_loader_want(loader, &want, &error);
    if (status == TERCET_NEED_BYTES) {
        put(0, (uint64_t)want.kind);
        put(1, want.chunk_index);
        put(2, want.offset);
        put(3, want.bytes);
        put_address(4, want.destination);
        put_address(5, want.sha256);
    }
    return end(status, &error);
}

int32_t tercet_abi_loader_give(uint32_t handle) {
    tercet_error error = start();
    tercet_loader *loader = pointer_of(handle, KIND_LOADER);
    if (loader == NULL)
        return refuse("this loader is not open");
    return end(tercet_loader_give(loader, &error), &error);
}

/* values: file bytes, header bytes, data bytes, chunk bytes, chunks; bytes: model id. */
int32_t tercet_abi_loader_info(uint32_t handle) {
    (void)start();
    const tercet_loader *loader = pointer_of(handle, KIND_LOADER);
    tercet_file_info info;
    if (loader == NULL || tercet_loader_get_file_info(loader, &info) != TERCET_OK)
        return refuse("this loader is not open, or has not read its header");
    put(0, info.file_bytes);
    put(1, info.header_bytes);
    put(2, info.data_bytes);
    put(3, info.chunk_bytes);
    put(4, info.chunks);
    memcpy(result.bytes, info.model_id, sizeof result.bytes);
    return TERCET_OK;
}

/* All bytes were given. values: model handle. The loader can then only be destroyed. */
int32_t tercet_abi_loader_finish(uint32_t handle) {
    tercet_error error = start();
    struct slot *loader = find(handle, KIND_LOADER);
    struct slot *slot = free_slot();
    if (loader == NULL || slot == NULL)
        return refuse(loader == NULL ? "this loader is not open" : no_slot);
    tercet_model *model = NULL;
    tercet_status status = tercet_loader_finish(loader->pointer, &model, &error);
    if (status == TERCET_OK)
        fill_slot(slot, KIND_MODEL, model, loader->parent);
    return end(status, &error);
}

/* From a loader with map_in_place that has its header: a model without its data, for tercet_abi_model_info,
 * tercet_abi_plan_bytes and the text functions, never for a session. values: handle. */
int32_t tercet_abi_plan_create(uint32_t handle) {
    tercet_error error = start();
    struct slot *loader = find(handle, KIND_LOADER);
    struct slot *slot = free_slot();
    if (loader == NULL || slot == NULL)
        return refuse(loader == NULL ? "this loader is not open" : no_slot);
    tercet_file_info info;
    if (tercet_loader_get_file_info(loader->pointer, &info) != TERCET_OK)
        return refuse("this loader has not read its header");
    tercet_status status = tercet_loader_place(loader->pointer, NULL, info.data_bytes, &error);
    tercet_model *model = NULL;
    if (status == TERCET_OK)
        status = tercet_loader_finish(loader->pointer, &model, &error);
    if (status == TERCET_OK)
        fill_slot(slot, KIND_PLAN, model, loader->parent);
    return end(status, &error);
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
 * model), the data, the session, stacks, texts, margin. values: bytes in all, bytes of the session. BAD_ARGUMENT when the
 * context, slice or kv is out of range, OUT_OF_MEMORY when it is more than 32-bit addresses can reach. */
int32_t tercet_abi_plan_bytes(uint32_t handle, uint32_t context, uint32_t slice, uint32_t threads,
                              uint32_t kv) {
    tercet_error error = start();
    tercet_model *model = pointer_of(handle, KIND_PLAN);
    if (model == NULL || threads == 0 || threads > 64)
        return refuse("this plan is not open, or the number of threads is not in 1..64");
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
        return status == TERCET_OK ? refuse("the session has no size") : end(status, &error);
    }
    uint64_t tokens = context == 0 ? info.context : context;
    /* The plan's engine has one thread. */
    session_bytes += (threads - 1) * tercet_session_thread_bytes(model, &options);
    /* Each term is far below 2^62: limits of the format, and a session that core could add up. */
    uint64_t bytes = (uintptr_t)&__heap_base + taken_bytes + info.data_bytes + session_bytes +
                     3 * BLOCK_OVERHEAD_BYTES + (uint64_t)(threads - 1) * THREAD_BYTES +
                     tokens * TEXT_BYTES_PER_TOKEN + (uint64_t)info.vocabulary * sizeof(float) +
                     MARGIN_BYTES; /* the vocabulary's row: logits that are copied out */
    /* A module refuses to start in less than the linker was told. */
    put(0, bytes < TERCET_WASM_INITIAL_BYTES ? TERCET_WASM_INITIAL_BYTES : bytes);
    put(1, session_bytes);
    if (bytes > ((uint64_t)65535 << 16)) {
        error = (tercet_error){.status = TERCET_OUT_OF_MEMORY, .where = bytes};
        strcpy(error.detail,
               "model and context need more than the 4 GiB that a WebAssembly module can address");
        return end(TERCET_OUT_OF_MEMORY, &error);
    }
    return TERCET_OK;
}

/* Of a model or a plan. bytes: model id. values: 0 name, 2 family, 4 licence, 6 tokenizer (each address, bytes); 8 layers,
 * hidden, inner, heads, kv_heads, head_dim, vocabulary, context; 16 tied_head, activation_bits, tensors, token_count;
 * 20 parameters, ternary_parameters, data_bytes, file_bytes; sampling defaults: 24 top_k, repetition_window, and as doubles
 * 26 temperature, top_p, min_p, repetition_penalty. */
int32_t tercet_abi_model_info(uint32_t handle) {
    (void)start();
    const tercet_model *model = model_of(handle);
    if (model == NULL)
        return refuse("this model is not open");
    tercet_model_info info;
    tercet_session_options options;
    tercet_model_get_info(model, &info);
    tercet_session_options_init(model, &options);
    put_string(0, info.name);
    put_string(2, info.family);
    put_string(4, info.licence);
    put_string(6, info.tokenizer);
    const uint32_t shape[] = {info.layers,          info.hidden,   info.inner,
                              info.heads,           info.kv_heads, info.head_dim,
                              info.vocabulary,      info.context,  info.tied_head,
                              info.activation_bits, info.tensors,  info.token_count};
    for (uint32_t i = 0; i < sizeof shape / sizeof *shape; i++)
        put(8 + i, shape[i]);
    put(20, info.parameters);
    put(21, info.ternary_parameters);
    put(22, info.data_bytes);
    put(23, info.file_bytes);
    put(24, options.sampling.top_k);
    put(25, options.sampling.repetition_window);
    put_double(26, (double)options.sampling.temperature);
    put_double(27, (double)options.sampling.top_p);
    put_double(28, (double)options.sampling.min_p);
    put_double(29, (double)options.sampling.repetition_penalty);
    memcpy(result.bytes, info.model_id, sizeof result.bytes);
    return TERCET_OK;
}

/* UTF-8 text to tokens (u32 at `tokens`, room for `capacity`; 0 and 0: just count). values: number of tokens, also when
 * they did not fit. */
int32_t tercet_abi_tokenize(uint32_t handle, uint32_t text, uint32_t text_bytes, uint32_t flags,
                            uint32_t tokens, uint32_t capacity) {
    tercet_error error = start();
    const tercet_model *model = model_of(handle);
    if (model == NULL)
        return refuse("this model is not open");
    if ((text_bytes != 0 && !span_fits(text, text_bytes)) ||
        (capacity != 0 && !words_fit(tokens, capacity)))
        return refuse("the text or the place for its tokens is not in memory");
    size_t count = 0;
    tercet_status status =
        tercet_tokenize(model, at_address(text), text_bytes, flags,
                        capacity == 0 ? NULL : at_address(tokens), capacity, &count, &error);
    put(0, count);
    return end(status, &error);
}

/* values: number of bytes, also when they did not fit. */
int32_t tercet_abi_detokenize(uint32_t handle, uint32_t tokens, uint32_t count, uint32_t text,
                              uint32_t capacity) {
    tercet_error error = start();
    const tercet_model *model = model_of(handle);
    if (model == NULL)
        return refuse("this model is not open");
    if ((count != 0 && !words_fit(tokens, count)) || (capacity != 0 && !span_fits(text, capacity)))
        return refuse("the tokens or the place for their text is not in memory");
    size_t bytes = 0;
    tercet_status status =
        tercet_detokenize(model, at_address(tokens), count, capacity == 0 ? NULL : at_address(text),
                          capacity, &bytes, &error);
    put(0, bytes);
    return end(status, &error);
}

/* NULL for 0 bytes: the model's own format. False when it is no name. */
static bool read_format(uint32_t format, uint32_t format_bytes, char name[32],
                        const char **chosen) {
    *chosen = NULL;
    if (format_bytes == 0)
        return true;
    if (format_bytes >= 32 || !span_fits(format, format_bytes))
        return false;
    memcpy(name, at_address(format), format_bytes);
    name[format_bytes] = '\0';
    *chosen = name;
    return true;
}

static const char no_format_name[] = "this is no name of a chat format";

/* Of the model's own chat format (0 bytes of `format`) or a known one. values: 0 name (address, bytes), 2 thinking switch,
 * 3 begin and 5 end of thinking (each address, bytes; until the next call), 7 number of stop tokens, 8 the tokens. */
int32_t tercet_abi_chat_info(uint32_t handle, uint32_t format, uint32_t format_bytes) {
    static tercet_chat_info info;
    tercet_error error = start();
    char name[32];
    const char *chosen;
    const tercet_model *model = model_of(handle);
    if (model == NULL)
        return refuse("this model is not open");
    if (!read_format(format, format_bytes, name, &chosen))
        return refuse(no_format_name);
    tercet_status status = tercet_chat_get_info(model, chosen, &info, &error);
    if (status == TERCET_OK) {
        put_string(0, info.name);
        put(2, info.thinking_switch);
        put_string(3, info.thinking_begin);
        put_string(5, info.thinking_end);
        put(7, info.stop_count);
        for (uint32_t i = 0; i < info.stop_count; i++)
            put(8 + i, info.stop_tokens[i]);
    }
    return end(status, &error);
}

/* `messages`: `count` times role, address and bytes of a UTF-8 text (u32 each). Tokens as in tercet_abi_tokenize. */
int32_t tercet_abi_chat_tokenize(uint32_t handle, uint32_t format, uint32_t format_bytes,
                                 uint32_t messages, uint32_t count, uint32_t flags, uint32_t tokens,
                                 uint32_t capacity) {
    tercet_error error = start();
    char name[32];
    const char *chosen;
    const tercet_model *model = model_of(handle);
    if (model == NULL)
        return refuse("this model is not open");
    if (!read_format(format, format_bytes, name, &chosen))
        return refuse(no_format_name);
    if ((count != 0 && !words_fit(messages, (uint64_t)count * 3)) ||
        (capacity != 0 && !words_fit(tokens, capacity)))
        return refuse("the messages or the place for their tokens is not in memory");
    const uint32_t *words = at_address(messages);
    for (uint32_t i = 0; i < count; i++)
        if (words[3 * i + 2] != 0 && !span_fits(words[3 * i + 1], words[3 * i + 2]))
            return refuse("the text of a message is not in memory");
    size_t list_bytes = (size_t)count * sizeof(tercet_chat_message), token_count = 0;
    tercet_chat_message *list = count == 0 ? NULL : take(NULL, list_bytes);
    if (list == NULL && count != 0) {
        error = (tercet_error){.status = TERCET_OUT_OF_MEMORY, .where = list_bytes};
        strcpy(error.detail, "the engine's memory has no room for so many messages");
        return end(TERCET_OUT_OF_MEMORY, &error);
    }
    for (uint32_t i = 0; i < count; i++)
        list[i] =
            (tercet_chat_message){words[3 * i], at_address(words[3 * i + 1]), words[3 * i + 2]};
    tercet_status status = tercet_chat_tokenize(model, chosen, list, count, flags,
                                                capacity == 0 ? NULL : at_address(tokens), capacity,
                                                &token_count, &error);
    if (list != NULL)
        give(NULL, list, list_bytes);
    put(0, token_count);
    return end(status, &error);
}

/* values: handle. */
int32_t tercet_abi_session_create(uint32_t model_handle, uint32_t context, uint32_t slice,
                                  uint32_t kv) {
    tercet_error error = start();
    tercet_model *model = pointer_of(model_handle, KIND_MODEL);
    struct slot *slot = free_slot();
    if (model == NULL || slot == NULL)
        return refuse(model == NULL ? "this model is not open" : no_slot);
    tercet_session_options options;
    tercet_session_options_init(model, &options);
    options.context = context;
    options.slice = slice;
    options.kv = kv;
    tercet_session *session = NULL;
    tercet_status status = tercet_session_create(model, &options, &session, &error);
    if (status == TERCET_OK)
        fill_slot(slot, KIND_SESSION, session, index_of(model_handle));
    return end(status, &error);
}

int32_t tercet_abi_session_sampling(uint32_t handle, float temperature, uint32_t top_k, float top_p,
                                    float min_p, float repetition_penalty,
                                    uint32_t repetition_window, uint64_t seed) {
    tercet_error error = start();
    tercet_session *session = pointer_of(handle, KIND_SESSION);
    if (session == NULL)
        return refuse("this session is not open");
    const tercet_sampling sampling = {
        .struct_bytes = sizeof sampling,
        .temperature = temperature,
        .top_k = top_k,
        .top_p = top_p,
        .min_p = min_p,
        .repetition_penalty = repetition_penalty,
        .repetition_window = repetition_window,
        .seed = seed,
    };
    return end(tercet_session_set_sampling(session, &sampling, &error), &error);
}

/* Up to one slice of `count` tokens. `logits`: 0, or room for `logit_rows` rows of the vocabulary, in which case no more
 * than that many tokens are taken. values: tokens taken. */
int32_t tercet_abi_session_prefill(uint32_t handle, uint32_t tokens, uint32_t count,
                                   uint32_t logits, uint32_t logit_rows) {
    tercet_error error = start();
    struct slot *slot = find(handle, KIND_SESSION);
    if (slot == NULL)
        return refuse("this session is not open");
    if (count != 0 && !words_fit(tokens, count))
        return refuse("the tokens are not in memory");
    if (logits != 0) {
        tercet_model_info info;
        tercet_model_get_info(slots[slot->parent].pointer, &info);
        if (logit_rows == 0 || !words_fit(logits, (uint64_t)logit_rows * info.vocabulary))
            return refuse("the place for the logits is not in memory");
        count = count < logit_rows ? count : logit_rows;
    }
    size_t done = 0;
    tercet_status status = tercet_session_prefill(slot->pointer, at_address(tokens), count, &done,
                                                  logits == 0 ? NULL : at_address(logits), &error);
    put(0, done);
    return end(status, &error);
}

/* OK or END_OF_TEXT with values: token; CONTEXT_FULL; CANCELLED. */
int32_t tercet_abi_session_step(uint32_t handle) {
    tercet_error error = start();
    tercet_session *session = pointer_of(handle, KIND_SESSION);
    if (session == NULL)
        return refuse("this session is not open");
    uint32_t token = 0;
    tercet_status status = tercet_session_step(session, &token, &error);
    put(0, token);
    return end(status, &error);
}

/* values: address, bytes of the text that the last step completed; valid until the next call for this session. */
int32_t tercet_abi_session_text(uint32_t handle, uint32_t flush) {
    tercet_error error = start();
    tercet_session *session = pointer_of(handle, KIND_SESSION);
    if (session == NULL)
        return refuse("this session is not open");
    const char *text = NULL;
    size_t bytes = 0;
    tercet_status status = tercet_session_take_text(session, flush != 0, &text, &bytes);
    put_address(0, text);
    put(1, bytes);
    return end(status, &error);
}

/* values: address of f32[vocabulary], 0 before the first token. */
int32_t tercet_abi_session_logits(uint32_t handle) {
    (void)start();
    const tercet_session *session = pointer_of(handle, KIND_SESSION);
    if (session == NULL)
        return refuse("this session is not open");
    put_address(0, tercet_session_logits(session));
    return TERCET_OK;
}

int32_t tercet_abi_session_reset(uint32_t handle, uint32_t keep) {
    tercet_error error = start();
    tercet_session *session = pointer_of(handle, KIND_SESSION);
    if (session == NULL)
        return refuse("this session is not open");
    return end(tercet_session_reset(session, keep), &error);
}

/* Keeps what the session has of these tokens already. values: how many those are. */
int32_t tercet_abi_session_reuse(uint32_t handle, uint32_t tokens, uint32_t count) {
    tercet_error error = start();
    tercet_session *session = pointer_of(handle, KIND_SESSION);
    if (session == NULL)
        return refuse("this session is not open");
    if (count != 0 && !words_fit(tokens, count))
        return refuse("the tokens are not in memory");
    size_t kept = 0;
    tercet_status status = tercet_session_reuse(session, at_address(tokens), count, &kept);
    put(0, kept);
    return end(status, &error);
}

/* Most tokens of a prompt at once from now on; 0: as many as the session was made for. */
int32_t tercet_abi_session_slice(uint32_t handle, uint32_t slice) {
    tercet_error error = start();
    tercet_session *session = pointer_of(handle, KIND_SESSION);
    if (session == NULL)
        return refuse("this session is not open");
    return end(tercet_session_set_slice(session, slice, &error), &error);
}

/* As in tercet_session_options, from now on. */
int32_t tercet_abi_session_speculation(uint32_t handle, uint32_t speculation) {
    tercet_error error = start();
    tercet_session *session = pointer_of(handle, KIND_SESSION);
    if (session == NULL)
        return refuse("this session is not open");
    return end(tercet_session_set_speculation(session, speculation, &error), &error);
}

/* Tokens that end a text besides the model's own, from now on. */
int32_t tercet_abi_session_stop_tokens(uint32_t handle, uint32_t tokens, uint32_t count) {
    tercet_error error = start();
    tercet_session *session = pointer_of(handle, KIND_SESSION);
    if (session == NULL)
        return refuse("this session is not open");
    if (count != 0 && !words_fit(tokens, count))
        return refuse("the tokens are not in memory");
    return end(tercet_session_set_stop_tokens(session, count == 0 ? NULL : at_address(tokens),
                                              count, &error),
               &error);
}

/* values: tokens, context, slice, bytes, kv (TERCET_KV_*), 5 passes, drafted, accepted. */
int32_t tercet_abi_session_info(uint32_t handle) {
    (void)start();
    const tercet_session *session = pointer_of(handle, KIND_SESSION);
    if (session == NULL)
        return refuse("this session is not open");
    tercet_session_info info;
    tercet_session_get_info(session, &info);
    put(0, info.tokens);
    put(1, info.context);
    put(2, info.slice);
    put(3, info.bytes);
    put(4, info.kv);
    put(5, info.passes);
    put(6, info.drafted);
    put(7, info.accepted);
    return TERCET_OK;
}

/* values: address of the 32-bit flag that stops a running prefill or step when another thread stores 1 there. */
int32_t tercet_abi_session_cancel_flag(uint32_t handle) {
    (void)start();
    tercet_session *session = pointer_of(handle, KIND_SESSION);
    if (session == NULL)
        return refuse("this session is not open");
    put_address(0, tercet_session_cancel_flag(session));
    return TERCET_OK;
}
