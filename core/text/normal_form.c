/*
 * normal_form.c: see normal_form.h. The algorithm is that of Unicode Standard Annex 15 and section 3.11 of the Unicode
 * Standard: decompose, sort marks between characters of class 0 by their class, join what forms a character. It is done a
 * stretch at a time: from a character of class 0 that stays, whatever comes behind it, to the next such character.
 */
#include "normal_form.h"

#include "unicode_forms.h"
#include "utf8.h"

#include <string.h>

/* Hangul syllables are numbered: (leading x 21 + vowel) x 28 + trailing, section 3.12. */
enum {
    SYLLABLE_FIRST = 0xAC00,
    LEADING_FIRST = 0x1100,
    VOWEL_FIRST = 0x1161,
    TRAILING_NONE = 0x11A7,
    LEADINGS = 19,
    VOWELS = 21,
    TRAILINGS = 28,
    SYLLABLES = LEADINGS * VOWELS * TRAILINGS
};

/* The lead byte of U+0300: below it every character has class 0 and stays. */
#define FIRST_MARK_BYTE 0xCC

/* A character and its class in one number. */
#define WITH_ORDER(code, order) ((uint32_t)(order) << 24 | (code))
#define CODE_OF(character) ((character)&0x1FFFFF)
#define ORDER_OF(character) ((character) >> 24)

bool normal_form_find(const uint8_t *text, size_t bytes, size_t from,
                      struct normal_form_stretch *stretch) {
    size_t at = from, begin = from, length;
    uint32_t last_order = 0;
    bool found = false;
    while (at < bytes) {
        /* `at` is at a character; those below U+0300 need no look into the table. */
        if (text[at] < FIRST_MARK_BYTE) {
            if (found) {
                break;
            }
            begin = at;
            last_order = 0;
            at += text[at] < 0x80 ? 1 : 2;
            continue;
        }
        const struct unicode_mark mark =
            unicode_mark_of(utf8_decode(text + at, bytes - at, &length));
        if (mark.order == 0 && mark.form == FORM_STAYS) {
            if (found) {
                break;
            }
            begin = at;
        }
        found = found || mark.form != FORM_STAYS || (mark.order != 0 && mark.order < last_order);
        last_order = mark.order;
        at += length;
    }
    *stretch = (struct normal_form_stretch){begin, at};
    return found;
}

uint64_t normal_form_bound(const uint8_t *text, size_t bytes) {
    struct normal_form_stretch stretch = {0, 0};
    /* What stands in front may be drawn into a stretch of marks at the begin: one character, of at most 4 bytes. */
    uint64_t bound = (uint64_t)bytes + 8;
    while (normal_form_find(text, bytes, stretch.end, &stretch)) {
        bound += 2 * (uint64_t)(stretch.end - stretch.begin);
    }
    return bound;
}

/* Appends the whole decomposition with the classes. Syllables stay: joining would only make them whole again. */
static size_t decompose(uint32_t code, uint32_t *out) {
    uint32_t parts[UNICODE_MOST_PARTS];
    size_t count = unicode_decompose(code, parts);
    for (size_t i = 0; i < count; i++) {
        out[i] = WITH_ORDER(parts[i], unicode_mark_of(parts[i]).order);
    }
    return count;
}

/* Sorts marks by class; those of one class keep their order. */
static void sort_marks(uint32_t *marks, size_t count, uint32_t *spare) {
    if (count <= 16) {
        for (size_t i = 1; i < count; i++) {
            uint32_t moved = marks[i];
            size_t at = i;
            for (; at > 0 && ORDER_OF(marks[at - 1]) > ORDER_OF(moved); at--) {
                marks[at] = marks[at - 1];
            }
            marks[at] = moved;
        }
        return;
    }
    size_t places[256] = {0}, begin = 0;
    for (size_t i = 0; i < count; i++) {
        places[ORDER_OF(marks[i])]++;
    }
    for (size_t order = 0; order < 256; order++) {
        size_t here = places[order];
        places[order] = begin;
        begin += here;
    }
    for (size_t i = 0; i < count; i++) {
        spare[places[ORDER_OF(marks[i])]++] = marks[i];
    }
    memcpy(marks, spare, count * sizeof *marks);
}

static void sort_all_marks(uint32_t *characters, size_t count, uint32_t *spare) {
    for (size_t at = 0; at < count;) {
        size_t end = at;
        while (end < count && ORDER_OF(characters[end]) != 0) {
            end++;
        }
        sort_marks(characters + at, end - at, spare);
        at = end + (end < count);
    }
}

/* The character that two join to, or 0. */
static uint32_t join(uint32_t first, uint32_t second) {
    if (first - LEADING_FIRST < LEADINGS && second - VOWEL_FIRST < VOWELS) {
        return SYLLABLE_FIRST +
               ((first - LEADING_FIRST) * VOWELS + (second - VOWEL_FIRST)) * TRAILINGS;
    }
    if (first - SYLLABLE_FIRST < SYLLABLES && (first - SYLLABLE_FIRST) % TRAILINGS == 0 &&
        second - (TRAILING_NONE + 1) < TRAILINGS - 1) {
        return first + (second - TRAILING_NONE);
    }
    return unicode_join(first, second);
}

/* Joins each character of class 0 with those behind it that nothing keeps away from it: no other of class 0, and no mark
 * of the same or a higher class. Returns how many characters are left. */
static size_t join_all(uint32_t *characters, size_t count) {
    const size_t none = count;
    size_t base = none, left = 0;
    uint32_t last_order = 0; /* of the last one kept behind the base */
    for (size_t i = 0; i < count; i++) {
        uint32_t order = ORDER_OF(characters[i]);
        bool adjacent = base != none && left == base + 1;
        if (adjacent || (base != none && last_order < order)) {
            uint32_t whole = join(CODE_OF(characters[base]), CODE_OF(characters[i]));
            if (whole != 0) {
                characters[base] = whole; /* such are all of class 0 */
                continue;
            }
        }
        if (order == 0) {
            base = left;
        }
        last_order = order;
        characters[left++] = characters[i];
    }
    return left;
}

size_t normal_form_compose(const uint8_t *stretch, size_t bytes, void *memory, uint8_t *out) {
    uint32_t *characters = memory, *spare = characters + 2 * bytes;
    size_t count = 0, length, written = 0;
    for (size_t at = 0; at < bytes; at += length) {
        count += decompose(utf8_decode(stretch + at, bytes - at, &length), characters + count);
    }
    sort_all_marks(characters, count, spare);
    count = join_all(characters, count);
    for (size_t i = 0; i < count; i++) {
        written += utf8_encode(CODE_OF(characters[i]), out + written);
    }
    return written;
}
