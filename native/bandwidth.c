/*
 * bandwidth.c: see bandwidth.h. Plain 64-bit sums: the compiler makes vector loads of them, and the
 * memory is slower than either.
 */
#define _GNU_SOURCE 1 /* pthread_barrier_t, MAP_ANONYMOUS */
#include "bandwidth.h"
#include "clock.h"
#include "machine.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PASSES = 12, BLOCK_WORDS = 64, THREADS_MAX = 64 };
#define BUFFER_BYTES ((uint64_t)256 << 20)
#define BUFFER_BYTES_MIN ((uint64_t)16 << 20)

struct reader {
    const uint64_t *words;
    size_t stream_words; /* of each stream; a multiple of BLOCK_WORDS */
    uint32_t streams;    /* 1..BANDWIDTH_STREAMS */
    pthread_barrier_t *barrier;
    uint64_t sum; /* stored, so that the loads are not optimised away */
    double begin[PASSES], end[PASSES];
};

/* Sum of one block (512 bytes): eight independent sums, so that adding is never the limit. */
static inline void add_block(const uint64_t *words, uint64_t sums[8]) {
    for (size_t i = 0; i < BLOCK_WORDS; i += 8) {
        for (size_t j = 0; j < 8; j++) {
            sums[j] += words[i + j];
        }
    }
}

/* The number of streams is a constant in each caller, so that the compiler unrolls over it. */
static inline uint64_t read_streams(const struct reader *reader, size_t streams) {
    uint64_t sums[BANDWIDTH_STREAMS][8] = {{0}};
    uint64_t total = 0;
    for (size_t at = 0; at < reader->stream_words; at += BLOCK_WORDS) {
        for (size_t stream = 0; stream < streams; stream++) {
            add_block(reader->words + stream * reader->stream_words + at, sums[stream]);
        }
    }
    for (size_t stream = 0; stream < streams; stream++) {
        for (size_t j = 0; j < 8; j++) {
            total += sums[stream][j];
        }
    }
    return total;
}

static uint64_t read_once(const struct reader *reader) {
    switch (reader->streams) {
    case 1:
        return read_streams(reader, 1);
    case 2:
        return read_streams(reader, 2);
    case 3:
        return read_streams(reader, 3);
    default:
        return read_streams(reader, BANDWIDTH_STREAMS);
    }
}

/* Each thread takes its own times: one that waits at the barrier may wake late. */
static void *read_passes(void *context) {
    struct reader *reader = context;
    for (int pass = 0; pass < PASSES; pass++) {
        (void)pthread_barrier_wait(reader->barrier);
        reader->begin[pass] = clock_seconds();
        reader->sum += read_once(reader);
        reader->end[pass] = clock_seconds();
    }
    return NULL;
}

/* From the first thread's begin to the last one's end, of the fastest pass but the first. */
static double fastest_pass(const struct reader *readers, uint32_t threads) {
    double fastest = 0;
    for (int pass = 1; pass < PASSES; pass++) {
        double begin = readers[0].begin[pass], end = readers[0].end[pass];
        for (uint32_t i = 1; i < threads; i++) {
            begin = readers[i].begin[pass] < begin ? readers[i].begin[pass] : begin;
            end = readers[i].end[pass] > end ? readers[i].end[pass] : end;
        }
        if (fastest <= 0 || end - begin < fastest) {
            fastest = end - begin;
        }
    }
    return fastest;
}

/* Bytes per second; 0 when threads could not be started. */
static double time_passes(const uint64_t *words, uint64_t bytes, uint32_t threads,
                          uint32_t streams) {
    static struct reader readers[THREADS_MAX]; /* of the child process: used once */
    pthread_t handles[THREADS_MAX];
    pthread_barrier_t barrier;
    size_t stream_words = (size_t)(bytes / threads / streams / sizeof *words);
    stream_words -= stream_words % BLOCK_WORDS;
    if (pthread_barrier_init(&barrier, NULL, threads) != 0) {
        return 0;
    }
    for (uint32_t i = 0; i < threads; i++) {
        readers[i].words = words + (size_t)i * streams * stream_words;
        readers[i].streams = streams;
        readers[i].stream_words = stream_words;
        readers[i].barrier = &barrier;
    }
    for (uint32_t i = 1; i < threads; i++) {
        if (pthread_create(&handles[i], NULL, read_passes, &readers[i]) != 0) {
            return 0; /* the child ends here, and the threads waiting at the barrier with it */
        }
    }
    (void)read_passes(&readers[0]);
    for (uint32_t i = 1; i < threads; i++) {
        (void)pthread_join(handles[i], NULL);
    }
    double read = (double)stream_words * streams * threads * (double)sizeof *words;
    return clock_rate(read, fastest_pass(readers, threads));
}

static uint64_t choose_buffer(uint64_t cache_bytes) {
    uint64_t bytes = BUFFER_BYTES > 4 * cache_bytes ? BUFFER_BYTES : 4 * cache_bytes;
    uint64_t available = machine_available_memory();
    if (available != 0 && bytes > available / 4) {
        bytes = available / 4;
    }
    return bytes / 4096 * 4096;
}

static double measure_here(uint64_t bytes, uint32_t threads, uint32_t streams) {
    void *buffer = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (buffer == MAP_FAILED) {
        return 0;
    }
    (void)madvise(buffer, bytes, MADV_HUGEPAGE); /* page walks are not what is measured */
    uint64_t *words = buffer;
    for (uint64_t i = 0; i < bytes / sizeof *words; i++) {
        words[i] = i; /* pages that were never written are all one page of zeros */
    }
    double rate = time_passes(words, bytes, threads, streams);
    (void)munmap(buffer, bytes);
    return rate;
}

bool bandwidth_measure(uint32_t threads, uint32_t streams, struct bandwidth *result) {
    int ends[2];
    uint64_t cache_bytes = machine_last_cache_bytes();
    result->buffer_bytes = choose_buffer(cache_bytes);
    result->buffer_is_large = result->buffer_bytes >= 4 * cache_bytes;
    result->bytes_per_second = 0;
    if (threads == 0 || threads > THREADS_MAX || streams == 0 || streams > BANDWIDTH_STREAMS ||
        result->buffer_bytes < BUFFER_BYTES_MIN || pipe(ends) != 0) {
        return false;
    }
    pid_t child = fork();
    if (child == 0) {
        double rate = measure_here(result->buffer_bytes, threads, streams);
        ssize_t written = write(ends[1], &rate, sizeof rate);
        _exit(written == (ssize_t)sizeof rate ? 0 : 1);
    }
    (void)close(ends[1]);
    if (child > 0) {
        double rate = 0;
        if (read(ends[0], &rate, sizeof rate) == (ssize_t)sizeof rate) {
            result->bytes_per_second = rate;
        }
        (void)waitpid(child, NULL, 0);
    }
    (void)close(ends[0]);
    return result->bytes_per_second > 0;
}
