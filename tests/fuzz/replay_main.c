/* replay_main.c - runs a fuzz target over a folder of files, without a fuzzer.
 *
 * Why it exists: `npm test` must run every input that a fuzzer ever found (and the hand-made ones)
 * with any compiler, under the sanitizers. Each input is copied to a heap block of its exact size,
 * so that AddressSanitizer sees a read one byte past the end. With --mutations N it also runs N
 * variants of each file (flipped bits, overwritten words, cut ends) from a fixed seed, so that a
 * run can be repeated.
 *
 * It must never pass on an empty folder: a corpus that was not found proves nothing.
 *
 *   usage: fuzz_NAME [--mutations N] FOLDER|FILE...
 */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct replay {
    unsigned long mutations; /* of each file */
    unsigned long files;
    unsigned long runs;
};

/* xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators" (2016). */
static uint64_t next_random(uint64_t *state) {
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * UINT64_C(2685821657736338717);
}

static void run_copy(const uint8_t *data, size_t size) {
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL) {
        fprintf(stderr, "out of memory for an input of %zu bytes\n", size);
        exit(1);
    }
    if (size > 0) {
        memcpy(copy, data, size);
    }
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

/* One to four changes; returns the new size. */
static size_t mutate(uint8_t *data, size_t size, uint64_t *state) {
    /* Sizes, counts and offsets fail at their edges. */
    static const uint64_t edges[] = {0,          1,          0x7f,       0xff,
                                     0x7fff,     0xffff,     0x7fffffff, 0xffffffff,
                                     0x80000000, UINT64_MAX, INT64_MAX,  UINT64_C(1) << 32};
    uint64_t changes = 1 + next_random(state) % 4;
    for (uint64_t i = 0; i < changes && size > 0; i++) {
        size_t at = (size_t)(next_random(state) % size);
        /* Half of the changes fall into the first 256 bytes, where headers are. */
        if (next_random(state) % 2 == 0) {
            at %= 256;
        }
        switch (next_random(state) % 5) {
        case 0:
            data[at] = (uint8_t)(data[at] ^ (1u << (next_random(state) % 8)));
            break;
        case 1:
            data[at] = (uint8_t)next_random(state);
            break;
        case 2:
        case 3: {
            size_t width = (size_t)1 << (next_random(state) % 4);
            uint64_t value = edges[next_random(state) % (sizeof edges / sizeof edges[0])];
            for (size_t b = 0; b < width && at + b < size; b++) {
                data[at + b] = (uint8_t)(value >> (8 * b));
            }
            break;
        }
        default:
            size = at;
            break;
        }
    }
    return size;
}

static int replay_file(struct replay *replay, const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return 1;
    }
    uint8_t *data = NULL;
    size_t size = 0, room = 0;
    for (;;) {
        if (size == room) {
            room = room > 0 ? room * 2 : 4096;
            uint8_t *larger = realloc(data, room);
            if (larger == NULL) {
                free(data);
                fclose(file);
                fprintf(stderr, "%s: out of memory\n", path);
                return 1;
            }
            data = larger;
        }
        size_t got = fread(data + size, 1, room - size, file);
        if (got == 0) {
            break;
        }
        size += got;
    }
    int failed = ferror(file);
    fclose(file);
    uint8_t *variant = malloc(size > 0 ? size : 1);
    if (failed || variant == NULL) {
        fprintf(stderr, "%s: cannot be read\n", path);
        free(data);
        free(variant);
        return 1;
    }
    run_copy(data, size);
    replay->runs++;
    uint64_t state = UINT64_C(0x9e3779b97f4a7c15);
    for (unsigned long i = 0; i < replay->mutations; i++) {
        memcpy(variant, data, size);
        run_copy(variant, mutate(variant, size, &state));
        replay->runs++;
    }
    replay->files++;
    free(variant);
    free(data);
    return 0;
}

static int replay_folder(struct replay *replay, const char *path) {
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, NULL, alphasort);
    if (count < 0) {
        perror(path);
        return 1;
    }
    int failed = 0;
    for (int i = 0; i < count; i++) {
        char child[4096];
        if (entries[i]->d_name[0] != '.' && !failed) {
            int length = snprintf(child, sizeof child, "%s/%s", path, entries[i]->d_name);
            failed = length < 0 || (size_t)length >= sizeof child || replay_file(replay, child);
        }
        free(entries[i]);
    }
    free(entries);
    return failed;
}

int main(int argc, char **argv) {
    struct replay replay = {0, 0, 0};
    int first = 1;
    if (argc > 2 && strcmp(argv[1], "--mutations") == 0) {
        replay.mutations = strtoul(argv[2], NULL, 10);
        first = 3;
    }
    for (int i = first; i < argc; i++) {
        struct stat info;
        if (stat(argv[i], &info) != 0) {
            perror(argv[i]);
            return 1;
        }
        if (S_ISDIR(info.st_mode) ? replay_folder(&replay, argv[i])
                                  : replay_file(&replay, argv[i])) {
            return 1;
        }
    }
    if (replay.files == 0) {
        fprintf(stderr, "no input file was found: give a folder that holds some\n");
        return 1;
    }
    printf("%lu inputs from %lu files\n", replay.runs, replay.files);
    return 0;
}
