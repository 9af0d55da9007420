/*
 * special_tokens.c: see special_tokens.h. The container lists specials longest first, which would mean comparing all of
 * them at every place; sorted by their bytes, the candidates are a range that each further byte of the text narrows by
 * binary search.
 */
#include "special_tokens.h"

#include <string.h>

struct special_text {
    const uint8_t *bytes;
    size_t count;
};

static struct special_text text_of(const struct container_tokenizer *tables, uint32_t token) {
    uint32_t start = tables->text_offsets[token];
    struct special_text text = {tables->text + start, tables->text_offsets[token + 1] - start};
    return text;
}

static bool comes_before(const struct container_tokenizer *tables, uint32_t a, uint32_t b) {
    struct special_text x = text_of(tables, a), y = text_of(tables, b);
    int order = memcmp(x.bytes, y.bytes, x.count < y.count ? x.count : y.count);
    if (order != 0) {
        return order < 0;
    }
    return x.count != y.count ? x.count < y.count : a < b;
}

/* Heap sort: no recursion, no further memory, no bad case for a hostile table. */
static void sift_down(const struct container_tokenizer *tables, uint32_t *heap, uint32_t count,
                      uint32_t at) {
    uint32_t moved = heap[at];
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= count) {
            break;
        }
        if (child + 1 < count && comes_before(tables, heap[child], heap[child + 1])) {
            child++;
        }
        if (!comes_before(tables, moved, heap[child])) {
            break;
        }
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
}

static void sort_by_bytes(const struct container_tokenizer *tables, uint32_t *order,
                          uint32_t count) {
    for (uint32_t i = count / 2; i > 0; i--) {
        sift_down(tables, order, count, i - 1);
    }
    for (uint32_t end = count; end > 1; end--) {
        uint32_t last = order[end - 1];
        order[end - 1] = order[0];
        order[0] = last;
        sift_down(tables, order, end - 1, 0);
    }
}

static bool is_among(const uint32_t *tokens, uint32_t count, uint32_t token) {
    for (uint32_t i = 0; i < count; i++) {
        if (tokens[i] == token) {
            return true;
        }
    }
    return false;
}

void special_tokens_build(struct special_tokens *specials, const struct container_tokenizer *tables,
                          bool all, const uint32_t *reserved, uint32_t reserved_count,
                          const uint8_t *text, size_t bytes, uint32_t *order) {
    specials->tables = tables;
    specials->order = order;
    specials->count = 0;
    memset(specials->first, 0, sizeof specials->first);
    for (uint32_t i = 0; i < tables->special_count; i++) {
        uint32_t token = tables->specials[i];
        struct special_text special = text_of(tables, token);
        if (special.count > 0 && (all || tables->kinds[token] == TOKEN_USER_DEFINED) &&
            !is_among(reserved, reserved_count, token)) {
            order[specials->count++] = token;
            specials->first[special.bytes[0]] = 1;
        }
    }
    /* Most texts hold none of the first bytes: then nothing needs sorting. */
    size_t i = 0;
    while (i < bytes && !specials->first[text[i]]) {
        i++;
    }
    if (i == bytes) {
        specials->count = 0;
    }
    sort_by_bytes(tables, order, specials->count);
}

/* First of order[low, high) whose byte at `depth` is at least `byte`; all of them are longer than depth. */
static uint32_t first_at_least(const struct special_tokens *specials, uint32_t low, uint32_t high,
                               size_t depth, uint32_t byte) {
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (text_of(specials->tables, specials->order[middle]).bytes[depth] < byte) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The longest special that text starts with; 0 if none does. */
static size_t match_here(const struct special_tokens *specials, const uint8_t *text, size_t bytes,
                         uint32_t *token) {
    uint32_t low = 0, high = specials->count;
    size_t best = 0;
    /* All of order[low, high) begin with text[0, depth) and are longer than depth. */
    for (size_t depth = 0; depth < bytes; depth++) {
        low = first_at_least(specials, low, high, depth, text[depth]);
        high = first_at_least(specials, low, high, depth, (uint32_t)text[depth] + 1);
        if (low == high) {
            break;
        }
        if (text_of(specials->tables, specials->order[low]).count == depth + 1) {
            best = depth + 1;
            *token = specials->order[low];
        }
        /* What ends here sorts first; the same text may be there twice. */
        while (low < high && text_of(specials->tables, specials->order[low]).count == depth + 1) {
            low++;
        }
    }
    return best;
}

bool special_tokens_find(const struct special_tokens *specials, const uint8_t *text, size_t bytes,
                         size_t from, size_t *at, size_t *length, uint32_t *token) {
    if (specials->count == 0) {
        return false;
    }
    for (size_t i = from; i < bytes; i++) {
        if (!specials->first[text[i]]) {
            continue;
        }
        *length = match_here(specials, text + i, bytes - i, token);
        if (*length > 0) {
            *at = i;
            return true;
        }
    }
    return false;
}
