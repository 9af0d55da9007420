/*
 * test_unicode_folding.c: characters as uncased WordPiece sees them, one of each kind that the tables keep apart. All of Unicode is
 * compared in wordpiece.test.mjs.
 */
#include "check.h"
#include "text/unicode_folding.h"

/* What `code` becomes; 0 ends the list. */
static void check_fold(uint32_t code, const uint32_t *want) {
    uint32_t out[UNICODE_FOLD_MOST], count = 0;
    while (want[count] != 0) {
        count++;
    }
    if (CHECK_EQ(unicode_fold_character(code, out), count)) {
        CHECK_MEM(out, want, count * sizeof *want);
    } else {
        fprintf(stderr, "    U+%04X\n", code);
    }
}

#define FOLD(code, ...) check_fold(code, (const uint32_t[]){__VA_ARGS__, 0})

int main(void) {
    FOLD('A', 'a');
    FOLD('z', 'z');
    FOLD('7', '7');
    check_fold(0x07, (const uint32_t[]){0}); /* a control character */
    FOLD(0xC9, 'e');                         /* its accent goes */
    check_fold(0x301, (const uint32_t[]){0});
    check_fold(0x5B0, (const uint32_t[]){0}); /* a mark beyond the accents */
    check_fold(0x7F, (const uint32_t[]){0});  /* delete, and the controls behind it */
    check_fold(0x9F, (const uint32_t[]){0});
    FOLD(0x110, 0x111); /* pairs of capital and small letter, the capital even */
    FOLD(0x111, 0x111);
    FOLD(0x141, 0x142); /* and odd */
    FOLD(0x142, 0x142);
    FOLD(0x391, 0x3B1); /* at a distance */
    FOLD(0x4E2D, 0x4E2D);
    FOLD(0xAC00, 0x1100, 0x1161); /* Hangul by its formula */
    FOLD(0xAC01, 0x1100, 0x1161, 0x11A8);
    FOLD(0x1F600, 0x1F600);
    CHECK(unicode_is_punctuation('!') && unicode_is_punctuation('$') &&
          unicode_is_punctuation(0x2014));
    CHECK(!unicode_is_punctuation(0x7F));
    CHECK(!unicode_is_punctuation('a') && !unicode_is_punctuation(' ') &&
          !unicode_is_punctuation(0x4E2D));
    return check_done();
}
