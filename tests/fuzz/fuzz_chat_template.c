/* fuzz_chat_template.c - any bytes as a chat template: an answer, no access outside, and what is said is one of the formats
 * that can be built.
 */
#include "chat_template.h"
#include "text/chat_format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct chat_template found;
    char *text = malloc(size == 0 ? 1 : size);
    if (text == NULL) {
        abort();
    }
    memcpy(text, data, size);
    chat_template_read(text, size, &found);
    free(text);
    bool known = found.format == NULL;
    for (uint32_t i = 0; chat_format_name(i) != NULL; i++) {
        known = known || strcmp(chat_format_name(i), found.format) == 0;
    }
    if (!known || strlen(found.system) >= sizeof found.system ||
        (found.format == NULL && found.system[0] != '\0')) {
        fprintf(stderr, "fuzz_chat_template: an answer that makes no sense\n");
        abort();
    }
    return 0;
}
