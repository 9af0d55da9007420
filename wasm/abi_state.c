/*
 * abi_state.c: the state of a WebAssembly module behind its flat functions, the functions that belong to no one thing, and
 * the end of every handle. What may be relied on is in abi_state.h.
 */
#include "abi_state.h"

#include <string.h>

/* ---------------------------------------------------------------- result block */

_Static_assert(offsetof(struct abi_result, bytes) == 256, "JavaScript reads it there");
_Static_assert(offsetof(struct abi_result, where) == 288, "JavaScript reads it there");
_Static_assert(offsetof(struct abi_result, detail_bytes) == 296, "JavaScript reads it there");
_Static_assert(offsetof(struct abi_result, detail) == 304, "JavaScript reads it there");
_Static_assert(sizeof((tercet_error){0}.detail) == sizeof((struct abi_result){0}.detail),
               "every detail fits");

struct abi_result abi_result;

void abi_put(uint32_t at, uint64_t value) {
    abi_result.values[at] = value;
}

void abi_put_double(uint32_t at, double value) {
    memcpy(&abi_result.values[at], &value, sizeof value);
}

void abi_put_address(uint32_t at, const void *address) {
    abi_result.values[at] = (uintptr_t)address;
}

void abi_put_string(uint32_t at, const char *text) {
    abi_put_address(at, text);
    abi_result.values[at + 1] = text == NULL ? 0 : strlen(text);
}

tercet_error abi_start(void) {
    memset(&abi_result, 0, sizeof abi_result);
    return (tercet_error){0};
}

int32_t abi_end(tercet_status status, const tercet_error *error) {
    if (tercet_status_is_error(status) && error->status == status) {
        abi_result.where = error->where;
        abi_result.detail_bytes = (uint32_t)strlen(error->detail);
        memcpy(abi_result.detail, error->detail, abi_result.detail_bytes);
    }
    return (int32_t)status;
}

int32_t abi_refuse(const char *detail) {
    tercet_error error = {.status = TERCET_BAD_ARGUMENT};
    size_t bytes = strlen(detail);
    memcpy(error.detail, detail, bytes < sizeof error.detail ? bytes : sizeof error.detail - 1);
    return abi_end(TERCET_BAD_ARGUMENT, &error);
}

int32_t abi_no_room(uint64_t bytes, const char *detail) {
    tercet_error error = {.status = TERCET_OUT_OF_MEMORY, .where = bytes};
    strcpy(error.detail, detail);
    return abi_end(TERCET_OUT_OF_MEMORY, &error);
}

/* ---------------------------------------------------------------- handles */

#define GENERATION_MAX 0xFFFFFFu

static struct abi_slot slots[ABI_SLOTS];

struct abi_slot *abi_find(uint32_t handle, enum abi_kind kind) {
    uint32_t index = handle & 0xFFu;
    if (index >= ABI_SLOTS || slots[index].kind != kind || slots[index].generation != handle >> 8)
        return NULL;
    return &slots[index];
}

void *abi_pointer(uint32_t handle, enum abi_kind kind) {
    struct abi_slot *slot = abi_find(handle, kind);
    return slot == NULL ? NULL : slot->pointer;
}

tercet_model *abi_model(uint32_t handle) {
    void *model = abi_pointer(handle, ABI_MODEL);
    return model != NULL ? model : abi_pointer(handle, ABI_PLAN);
}

void *abi_parent(const struct abi_slot *slot) {
    return slots[slot->parent].pointer;
}

struct abi_slot *abi_free_slot(void) {
    for (uint32_t i = 0; i < ABI_SLOTS; i++)
        if (slots[i].kind == ABI_NONE)
            return &slots[i];
    return NULL;
}

const char abi_no_slot[] = "too many things are open at once: destroy some";

void abi_fill_slot(struct abi_slot *slot, enum abi_kind kind, void *pointer, uint32_t parent) {
    slot->kind = kind;
    /* After 2^24 uses of one slot an ancient handle could fit again. */
    slot->generation = slot->generation == GENERATION_MAX ? 1 : slot->generation + 1;
    slot->pointer = pointer;
    slot->parent = parent;
    slot->children = 0;
    slot->bytes = 0;
    if (parent != ABI_NO_PARENT)
        slots[parent].children++;
    abi_put(0, slot->generation << 8 | (uint32_t)(slot - slots));
}

void abi_set_parent(struct abi_slot *slot, const struct abi_slot *parent) {
    slots[slot->parent].children--;
    slot->parent = (uint32_t)(parent - slots);
    slots[slot->parent].children++;
}

uint32_t abi_index(uint32_t handle) {
    return handle & 0xFFu;
}

/* ---------------------------------------------------------------- functions */

uint32_t tercet_abi_version(void) {
    return ABI_VERSION;
}

/* Address of the result block; never moves. */
uint32_t tercet_abi_result(void) {
    return (uint32_t)(uintptr_t)&abi_result;
}

/* Frees anything that a _create or _finish gave. BAD_ARGUMENT for a stale handle, and while something made from this one
 * still lives. */
int32_t tercet_abi_destroy(uint32_t handle) {
    (void)abi_start();
    uint32_t index = abi_index(handle);
    struct abi_slot *slot = index < ABI_SLOTS ? abi_find(handle, slots[index].kind) : NULL;
    if (slot == NULL || slot->kind == ABI_NONE)
        return abi_refuse("this handle is not open");
    if (slot->children != 0)
        return abi_refuse("something that was made from this handle is still open");
    switch (slot->kind) {
    case ABI_BUFFER:
        abi_give(NULL, slot->pointer, (size_t)slot->bytes);
        break;
    case ABI_ENGINE:
        tercet_engine_destroy(slot->pointer);
        break;
    case ABI_LOADER:
        tercet_loader_destroy(slot->pointer);
        break;
    case ABI_PLAN:
    case ABI_MODEL:
        tercet_model_destroy(slot->pointer);
        break;
    default:
        tercet_session_destroy(slot->pointer);
        break;
    }
    if (slot->parent != ABI_NO_PARENT)
        slots[slot->parent].children--;
    slot->kind = ABI_NONE;
    slot->pointer = NULL;
    return TERCET_OK;
}
