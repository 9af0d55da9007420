/* normalize_lines.c - each line of standard input in normal form C: for normal_form.test.mjs.
 */
#include "text/normal_form.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    static char line[1 << 16];
    while (fgets(line, sizeof line, stdin) != NULL) {
        const uint8_t *text = (const uint8_t *)line;
        size_t bytes = strlen(line), copied = 0;
        struct normal_form_stretch stretch = {0, 0};
        while (normal_form_find(text, bytes, stretch.end, &stretch)) {
            size_t length = stretch.end - stretch.begin;
            void *memory = malloc(NORMAL_FORM_MEMORY(length));
            uint8_t *out = malloc(3 * length);
            if (memory == NULL || out == NULL) {
                return 1;
            }
            fwrite(text + copied, 1, stretch.begin - copied, stdout);
            fwrite(out, 1, normal_form_compose(text + stretch.begin, length, memory, out), stdout);
            copied = stretch.end;
            free(memory);
            free(out);
        }
        fwrite(text + copied, 1, bytes - copied, stdout);
    }
    return 0;
}
