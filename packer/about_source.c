/*
 * about_source.c: see about_source.h. Nothing here can fail a pack: what cannot be read is left empty.
 */
#define _DEFAULT_SOURCE 1 /* realpath */
#include "about_source.h"

#include "../core/text/utf8.h"
#include "source_file.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define CARD_BYTES_MAX (4u << 20)

/* Copies printable UTF-8; a byte that is none, or a control character, becomes '?'. */
static void copy_printable(const char *from, size_t bytes, char to[ABOUT_TEXT_BYTES]) {
    size_t written = 0;
    for (size_t i = 0; i < bytes && written + 5 < ABOUT_TEXT_BYTES;) {
        const unsigned char *p = (const unsigned char *)from + i;
        size_t length = p[0] < 0x80 ? 1 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
        bool control =
            p[0] < 0x20 || p[0] == 0x7F || (p[0] == 0xC2 && bytes - i > 1 && p[1] < 0xA0);
        if (length > bytes - i || control || utf8_valid_prefix(p, length) != length) {
            to[written++] = '?';
            i++;
            continue;
        }
        memcpy(to + written, p, length);
        written += length;
        i += length;
    }
    to[written] = '\0';
}

void about_file_name(const char *path, char name[ABOUT_TEXT_BYTES]) {
    const char *slash = strrchr(path, '/');
    const char *last = slash != NULL ? slash + 1 : path;
    copy_printable(last, strlen(last), name);
}

void about_source_name(const char *folder, char name[ABOUT_TEXT_BYTES]) {
    char *path = realpath(folder, NULL);
    name[0] = '\0';
    if (path != NULL) {
        about_file_name(path, name);
    }
    free(path);
}

/* The value behind "license:" between the first two lines "---". */
static void find_licence(const char *text, char licence[ABOUT_TEXT_BYTES]) {
    static const char key[] = "license:";
    const char *line = text;
    if (strncmp(line, "---\n", 4) != 0) {
        return;
    }
    for (line += 4; *line != '\0' && strncmp(line, "---", 3) != 0;) {
        size_t bytes = strcspn(line, "\r\n");
        if (strncmp(line, key, sizeof key - 1) == 0) {
            const char *value = line + sizeof key - 1;
            size_t blanks = strspn(value, " \t\"'");
            size_t used = sizeof key - 1 + blanks;
            size_t end = bytes;
            while (end > used && strchr(" \t\"'", line[end - 1]) != NULL) {
                end--;
            }
            copy_printable(line + used, end > used ? end - used : 0, licence);
            return;
        }
        line += bytes;
        line += strspn(line, "\r\n");
    }
}

void about_source_licence(const char *folder, char licence[ABOUT_TEXT_BYTES]) {
    uint8_t *bytes = NULL;
    size_t count = 0;
    licence[0] = '\0';
    if (source_file_read(folder, "README.md", CARD_BYTES_MAX, &bytes, &count, NULL) == TERCET_OK) {
        find_licence((const char *)bytes, licence); /* a zero byte follows the content */
        free(bytes);
    }
}

void about_gguf(const struct gguf_header *header, char name[ABOUT_TEXT_BYTES],
                char licence[ABOUT_TEXT_BYTES]) {
    struct gguf_text text = {NULL, 0};
    bool found;
    name[0] = licence[0] = '\0';
    if (gguf_get_text(header, "general.name", &text, &found, NULL) == TERCET_OK && found) {
        copy_printable((const char *)text.bytes, text.count, name);
    }
    if (gguf_get_text(header, "general.license", &text, &found, NULL) == TERCET_OK && found) {
        copy_printable((const char *)text.bytes, text.count, licence);
    }
}
