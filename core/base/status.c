/*
 * status.c: names and sentences of the public status list, and the one place that fills a tercet_error. Core has no
 * printf: a formatter of four conversions is enough and cannot be misused with user text as the format.
 */
#include "status.h"

#include <stdarg.h>

const char *tercet_status_name(tercet_status status) {
    switch ((int)status) {
#define STATUS_NAME(value, name, text)                                                             \
    case value:                                                                                    \
        return #name;
        TERCET_STATUS_LIST(STATUS_NAME)
#undef STATUS_NAME
    default:
        return "UNKNOWN";
    }
}

const char *tercet_status_text(tercet_status status) {
    switch ((int)status) {
#define STATUS_TEXT(value, name, text)                                                             \
    case value:                                                                                    \
        return text;
        TERCET_STATUS_LIST(STATUS_TEXT)
#undef STATUS_TEXT
    default:
        return "an unknown status";
    }
}

int tercet_status_is_error(tercet_status status) {
    return (int)status >= 64;
}

struct detail_writer {
    char *at, *end; /* end leaves room for the NUL */
};

static void put_char(struct detail_writer *writer, char c) {
    if (writer->at < writer->end)
        *writer->at++ = c;
}

static void put_text(struct detail_writer *writer, const char *text) {
    while (*text != '\0')
        put_char(writer, *text++);
}

static void put_number(struct detail_writer *writer, unsigned long long value) {
    char digits[20];
    int count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    while (count > 0)
        put_char(writer, digits[--count]);
}

tercet_status tercet_fail(tercet_error *error, tercet_status status, uint64_t where,
                          const char *format, ...) {
    if (error == NULL)
        return status;
    error->status = status;
    error->where = where;
    struct detail_writer writer = {error->detail, error->detail + sizeof error->detail - 1};
    va_list arguments;
    va_start(arguments, format);
    for (const char *f = format; *f != '\0'; f++) {
        if (*f != '%') {
            put_char(&writer, *f);
        } else if (f[1] == 's') {
            put_text(&writer, va_arg(arguments, const char *));
            f += 1;
        } else if (f[1] == 'u') {
            put_number(&writer, va_arg(arguments, uint32_t));
            f += 1;
        } else if (f[1] == 'l' && f[2] == 'l' && f[3] == 'u') {
            put_number(&writer, va_arg(arguments, unsigned long long));
            f += 3;
        } else if (f[1] == '%') {
            put_char(&writer, '%');
            f += 1;
        } else {
            put_char(&writer, '%'); /* not one of ours: shown as it stands */
        }
    }
    va_end(arguments);
    /* A cut in the middle of a quoted name must not leave half a UTF-8 character behind. */
    if (writer.at == writer.end) {
        char *last = writer.at;
        while (last > error->detail && ((unsigned char)last[-1] & 0xC0u) == 0x80u)
            last--;
        if (last > error->detail && (unsigned char)last[-1] >= 0xC0u)
            writer.at = last - 1;
    }
    *writer.at = '\0';
    return status;
}
