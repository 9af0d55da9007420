/*
 * fuzz_packer_abi.c: any program of calls to the exported functions of the packer's WebAssembly module (wasm/packer_abi.c), which runs
 * natively over a window of memory (abi_window.h), with any host behind its imports (wasm/packer_host.h) and any bytes as the GGUF
 * file. The first byte says how long the program is; the source is what follows it. A host may lie: sizes that are none, reads that
 * fail or bring other bytes the second time, no room, what was written read back changed, hashes by chance; and memory may end.
 * Whatever comes: a status of tercet.h with a sentence, no import asked for bytes that are not there, no block kept; and what an
 * honest host was given is a file that the core loads.
 */
#include "abi_program.h"
#include "packer/failing_memory.h"
#include "promise.h"

#include "../../packer/source_file.h"
#include "../../wasm/packer_host.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int32_t tercet_packer_version(void);
void *tercet_packer_take(uint32_t bytes);
void *tercet_packer_result(void);
int32_t tercet_packer_pack(uint32_t name, uint32_t chat_format, uint32_t quantize, uint32_t dense,
                           uint32_t embedding, uint32_t i2s_layout);

/* As web/src/packer_module.ts reads it. */
struct block {
    double where, source_bytes, file_bytes, verified_weights, rounded_weights, quantize_error;
    uint8_t model_id[32];
    char detail[192], form[96], chat_note[320];
};

/* ---------------------------------------------------------------- host */

enum lie {
    HONEST,
    SIZE_IS_NONE,
    SOURCE_FAILS,
    SOURCE_CHANGES,
    OPEN_FAILS,
    WRITE_FAILS,
    READ_FAILS,
    READ_CHANGES,
    HASH_IS_CHANCE,
    MEMORY_ENDS,
    LIES
};

#define ZEROS_MOST (1u << 16)  /* that a source may have behind its bytes */
#define PACKED_MOST (4u << 20) /* what the host has room for */

static uint8_t packed[PACKED_MOST];

static struct {
    const uint8_t *source;
    size_t count;
    uint64_t zeros;
    enum lie lie;
    uint64_t from, value; /* the call that is the first to be a lie, and what comes in place */
    uint64_t calls;       /* so far, of the function that lies */
    uint64_t packed_bytes;
    bool opened;
} host;

static bool lies(enum lie lie) {
    return host.lie == lie && host.calls++ >= host.from;
}

double host_source_bytes(void) {
    static const double sizes[] = {-1, 0.5, 9007199254740992.0, 1e300, 1e18};
    if (lies(SIZE_IS_NONE)) {
        uint64_t choice = host.value % 8;
        return choice < 5    ? sizes[choice]
               : choice == 5 ? (double)NAN
               : choice == 6 ? (double)INFINITY
                             : (double)host.count / 2;
    }
    return (double)(host.count + host.zeros);
}

/* What the module asks for lies in files that have so many bytes, at whole places. */
static size_t place(double offset, uint32_t count, uint64_t bytes) {
    PROMISE(offset >= 0 && offset == floor(offset) && offset <= (double)bytes);
    PROMISE(count <= bytes - (uint64_t)offset);
    return (size_t)offset;
}

int32_t host_read_source(double offset, void *bytes, uint32_t count) {
    uint64_t all = host.count + host.zeros;
    if (host.lie == SIZE_IS_NONE &&
        !(offset >= 0 && offset <= (double)all && count <= all - (uint64_t)offset))
        return HOST_FAILED;
    size_t at = place(offset, count, all);
    if (lies(SOURCE_FAILS))
        return (int32_t)host.value | 1; /* anything but 0 */
    uint8_t *to = bytes;
    size_t own = at < host.count ? host.count - at : 0;
    own = own < count ? own : count;
    if (own > 0)
        memcpy(to, host.source + at, own);
    if (count > own)
        memset(to + own, 0, count - own);
    if (count > 0 && lies(SOURCE_CHANGES))
        to[host.value % count] ^= (uint8_t)(1u << host.value % 8);
    return 0;
}

int32_t host_open_packed(double bytes) {
    PROMISE(bytes >= 0 && bytes == floor(bytes));
    host.opened = true;
    if (lies(OPEN_FAILS))
        return host.value % 2 == 0 ? HOST_FULL : (int32_t)host.value;
    if (bytes > PACKED_MOST)
        return HOST_FULL;
    host.packed_bytes = (uint64_t)bytes;
    return 0;
}

int32_t host_write_packed(double offset, const void *bytes, uint32_t count) {
    size_t at = place(offset, count, host.packed_bytes);
    PROMISE(host.opened);
    if (lies(WRITE_FAILS))
        return host.value % 2 == 0 ? HOST_FULL : (int32_t)host.value;
    if (count > 0)
        memcpy(packed + at, bytes, count);
    return 0;
}

int32_t host_read_packed(double offset, void *bytes, uint32_t count) {
    size_t at = place(offset, count, host.packed_bytes);
    if (lies(READ_FAILS))
        return (int32_t)host.value | 1;
    if (count > 0)
        memcpy(bytes, packed + at, count);
    if (count > 0 && lies(READ_CHANGES))
        ((uint8_t *)bytes)[host.value % count] ^= (uint8_t)(1u << host.value % 8);
    return 0;
}

/* No SHA-256: every byte counts, and the core leaves hashes to its host. */
void host_sha256(const void *first, uint32_t first_bytes, const void *second, uint32_t second_bytes,
                 uint8_t *hash) {
    uint64_t sum = lies(HASH_IS_CHANCE) ? host.value : 14695981039346656037u;
    for (uint32_t i = 0; i < first_bytes; i++)
        sum = (sum ^ ((const uint8_t *)first)[i]) * 1099511628211u;
    for (uint32_t i = 0; i < second_bytes; i++)
        sum = (sum ^ ((const uint8_t *)second)[i]) * 1099511628211u;
    for (uint32_t i = 0; i < 32; i++)
        hash[i] = (uint8_t)(sum >> (i % 8 * 8));
}

void host_progress(double done_bytes, double total_bytes) {
    PROMISE(done_bytes >= 0 && done_bytes <= total_bytes);
}

/* Of the packer's source_file.h, for readers of folders, which the module does not hold: nothing may come here. */
tercet_status source_file_read(const char *folder, const char *name, size_t most_bytes,
                               uint8_t **bytes, size_t *count, tercet_error *error) {
    (void)folder, (void)name, (void)most_bytes, (void)bytes, (void)count, (void)error;
    abort();
}

bool source_file_exists(const char *folder, const char *name) {
    (void)folder, (void)name;
    abort();
}

/* ---------------------------------------------------------------- what came of it */

static const struct block *block(void) {
    return tercet_packer_result();
}

static void check_text(const char *text, size_t most) {
    PROMISE(memchr(text, '\0', most) != NULL);
}

/* The core takes the file, whole. */
static void load_packed(void) {
    tercet_engine_options engine_options;
    tercet_engine_options_init(&engine_options);
    engine_options.kernels = "portable";
    tercet_engine *engine = NULL;
    tercet_error error = {0};
    PROMISE(tercet_engine_create(&engine_options, &engine, &error) == TERCET_OK);
    tercet_loader_options options;
    tercet_loader_options_init(&options);
    options.file_bytes = host.packed_bytes;
    tercet_loader *loader = NULL;
    PROMISE(tercet_loader_create(engine, &options, &loader, &error) == TERCET_OK);
    tercet_want want;
    tercet_status status;
    while ((status = tercet_loader_want(loader, &want, &error)) == TERCET_NEED_BYTES) {
        PROMISE(want.offset <= host.packed_bytes && want.bytes <= host.packed_bytes - want.offset);
        memcpy(want.destination, packed + want.offset, (size_t)want.bytes);
        status = tercet_loader_give(loader, &error);
        if (status != TERCET_OK)
            break;
    }
    tercet_model *model = NULL;
    if (status == TERCET_OK)
        status = tercet_loader_finish(loader, &model, &error);
    if (status != TERCET_OK)
        fprintf(stderr, "%s: %s\n", tercet_status_name(status), error.detail);
    PROMISE(status == TERCET_OK);
    tercet_model_destroy(model);
    tercet_loader_destroy(loader);
    tercet_engine_destroy(engine);
}

static void check_result(int32_t status) {
    const struct block *result = block();
    PROMISE(strcmp(tercet_status_name((tercet_status)status), "UNKNOWN") != 0);
    check_text(result->detail, sizeof result->detail);
    check_text(result->form, sizeof result->form);
    check_text(result->chat_note, sizeof result->chat_note);
    PROMISE(result->where >= 0);
    if (status != TERCET_OK) {
        PROMISE(result->detail[0] != '\0' && result->file_bytes == 0 && result->form[0] == '\0');
        PROMISE(host.lie == MEMORY_ENDS || status != TERCET_OUT_OF_MEMORY);
        return;
    }
    PROMISE(result->detail[0] == '\0' && result->form[0] != '\0' && host.opened);
    PROMISE(result->verified_weights + result->rounded_weights > 0);
    PROMISE(isfinite(result->quantize_error) && result->quantize_error >= 0);
    PROMISE(result->file_bytes == (double)host.packed_bytes);
    PROMISE(host.lie == SIZE_IS_NONE || result->source_bytes == (double)(host.count + host.zeros));
    PROMISE(host.lie != OPEN_FAILS || host.calls <= host.from);
    if (host.lie == HONEST)
        load_packed();
}

/* ---------------------------------------------------------------- a run */

/* Texts at the places that are mostly chosen; the rest has no zero byte. */
static void fill_window(void) {
    static const char texts[][16] = {"model.gguf", "chatml",  "none", "zephyr",
                                     "",           "no such", "a/b.c"};
    uint8_t *window = window_open();
    memset(window, 'w', WINDOW_BYTES);
    for (uint32_t i = 0; i < 112; i++)
        memcpy(window + i * (WINDOW_BYTES / 128), texts[i % 7], sizeof texts[0]);
    window_close();
}

static void pack_once(struct program *program) {
    static const uint32_t counts[] = {2, 4, 5, 3};
    uint32_t name = (uint32_t)take_address(program), chat = (uint32_t)take_address(program);
    uint32_t options[4];
    for (uint32_t i = 0; i < 4; i++) {
        uint64_t number = take_number(program);
        options[i] = number < 0xE0 ? (uint32_t)number % counts[i] : (uint32_t)number;
    }
    host.calls = 0;
    host.packed_bytes = 0;
    host.opened = false;
    long held = blocks_held;
    allocations = 0;
    fail_allocation = host.lie == MEMORY_ENDS ? 1 + (unsigned)(host.from << 2 | host.value % 4) : 0;
    int32_t status = tercet_packer_pack(name, chat, options[0], options[1], options[2], options[3]);
    fail_allocation = 0;
    PROMISE(blocks_held == held);
    check_result(status);
    window_close();
}

static void take_room(struct program *program) {
    uint32_t bytes = (uint32_t)take_number(program);
    uint8_t *room = tercet_packer_take(bytes);
    PROMISE(room == NULL || bytes <= 65536);
    if (room != NULL)
        memset(room, 0x5A, bytes);
    free(room); /* as the end of the instance does */
}

static void choose_host(struct program *program) {
    host.lie = (enum lie)(take(program, 1) % LIES);
    host.from = take(program, 1);
    host.value = take(program, 2);
    host.zeros = take(program, 2) % ZEROS_MOST;
}

#define PACKS_MOST 3u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    PROMISE(tercet_packer_version() == 1);
    PROMISE(tercet_packer_result() != NULL);
    fill_window();
    size_t length = size == 0 ? 0 : data[0];
    length = length < size ? length : size - (size > 0);
    struct program program = {data + (size > 0), length};
    memset(&host, 0, sizeof host);
    host.source = data + (size > 0) + length;
    host.count = size - (size > 0) - length;
    for (uint32_t packs = 0; packs < PACKS_MOST && program.left > 0;) {
        switch (take(&program, 1) % 4) {
        case 0:
            write_window(&program);
            break;
        case 1:
            choose_host(&program);
            break;
        case 2:
            take_room(&program);
            break;
        default:
            pack_once(&program);
            packs++;
        }
    }
    return 0;
}
