/*
 * fuzz_zip_entries.c: any bytes as a zip archive: the end, the directory, the head of each member. Whatever is accepted must keep
 * the promises of zip_entries.h, or the program ends.
 */
#include "promise.h"
#include "zip_entries.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_entry(const uint8_t *data, const struct zip_directory *directory,
                        const struct zip_entry *entry) {
    tercet_error error;
    uint64_t offset;
    PROMISE(entry->name[0] != '\0' && memchr(entry->name, '\0', sizeof entry->name) != NULL);
    PROMISE(entry->packed_bytes <= directory->offset &&
            entry->head <= directory->offset - entry->packed_bytes);
    PROMISE(entry->deflated || entry->bytes == entry->packed_bytes);
    if (directory->offset - entry->head >= ZIP_HEAD_BYTES &&
        zip_read_head("fuzz", data + entry->head, entry, directory, &offset, &error) == TERCET_OK) {
        PROMISE(offset <= directory->offset && entry->packed_bytes <= directory->offset - offset);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct zip_directory directory;
    struct zip_entry entries[ZIP_ENTRIES_MAX];
    tercet_error error = {.detail = ""};
    size_t tail = size < ZIP_TAIL_BYTES ? size : ZIP_TAIL_BYTES;
    if (zip_find_directory("fuzz", data + (size - tail), tail, size, &directory, &error) !=
        TERCET_OK) {
        PROMISE(error.detail[0] != '\0');
        return 0;
    }
    PROMISE(directory.bytes <= ZIP_DIRECTORY_BYTES_MAX && directory.entries <= ZIP_ENTRIES_MAX);
    PROMISE(directory.offset <= size && directory.bytes <= size - directory.offset);
    if (zip_read_directory("fuzz", data + directory.offset, &directory, entries, &error) !=
        TERCET_OK) {
        PROMISE(error.detail[0] != '\0');
        return 0;
    }
    for (uint32_t i = 0; i < directory.entries; i++) {
        check_entry(data, &directory, &entries[i]);
    }
    return 0;
}
