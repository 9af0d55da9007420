/* print_characters.c - a line for each character: its code, class, whether it is punctuation, and what it folds to: for
 * unicode_lookup.test.mjs.
 */
#include "text/unicode_folding.h"
#include "text/unicode_ranges.h"

#include <stdio.h>

int main(void) {
    for (uint32_t code = 0; code < 0x110000; code++) {
        uint32_t folded[UNICODE_FOLD_MOST];
        size_t count = unicode_fold_character(code, folded);
        printf("%X %d %d", (unsigned)code, (int)unicode_classify(code),
               (int)unicode_is_punctuation(code));
        for (size_t i = 0; i < count; i++)
            printf(" %X", (unsigned)folded[i]);
        puts("");
    }
    return 0;
}
