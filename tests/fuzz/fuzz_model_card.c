/*
 * fuzz_model_card.c: any bytes as the README.md of a folder, for the licence in its front matter.
 */
#include "about_source.h"
#include "memory_folder.h"
#include "promise.h"
#include "text/utf8.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char licence[ABOUT_TEXT_BYTES];
    memset(licence, 'x', sizeof licence);
    memory_folder_fill_one("README.md", data, size);
    about_source_licence(MEMORY_FOLDER, licence);
    PROMISE(memchr(licence, 0, sizeof licence) != NULL);
    size_t bytes = strlen(licence);
    PROMISE(utf8_valid_prefix((const uint8_t *)licence, bytes) == bytes);
    for (size_t i = 0; i < bytes; i++) {
        PROMISE((unsigned char)licence[i] >= 0x20 && licence[i] != 0x7F);
    }
    return 0;
}
