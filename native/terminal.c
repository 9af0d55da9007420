/*
 * terminal.c: the one place that writes errors, notes and progress. Every error ends in its stable
 * code, so that scripts can match it and people can look it up.
 */
#define _GNU_SOURCE 1 /* clock_gettime, fileno, EDQUOT */
#include "terminal.h"
#include "commands.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

static bool styled(FILE *stream) {
    const char *no_color = getenv("NO_COLOR"); /* no-color.org: set and not empty */
    const char *term = getenv("TERM");
    return (no_color == NULL || no_color[0] == '\0') && term != NULL && strcmp(term, "dumb") != 0 &&
           isatty(fileno(stream));
}

const char *style_strong(FILE *stream) {
    return styled(stream) ? "\x1b[1m" : "";
}
const char *style_faint(FILE *stream) {
    return styled(stream) ? "\x1b[2m" : "";
}
const char *style_end(FILE *stream) {
    return styled(stream) ? "\x1b[0m" : "";
}

/* ---------------------------------------------------------------- progress */

static bool progress_visible; /* a progress line stands on the terminal and must be wiped */
static struct timespec progress_shown_at;

void progress_show(const char *what, uint64_t done, uint64_t total) {
    struct timespec now;
    if (!isatty(STDERR_FILENO) || clock_gettime(CLOCK_MONOTONIC, &now) != 0) {
        return;
    }
    int64_t milliseconds = (int64_t)(now.tv_sec - progress_shown_at.tv_sec) * 1000 +
                           (now.tv_nsec - progress_shown_at.tv_nsec) / 1000000;
    if (progress_visible && milliseconds < 80) {
        return; /* a terminal is slower than a hash */
    }
    progress_shown_at = now;
    progress_visible = true;
    unsigned percent = total == 0 ? 100u : (unsigned)((double)done / (double)total * 100.0);
    fprintf(stderr, "\r%s %3u %%\x1b[K", what, percent);
    (void)fflush(stderr);
}

void progress_end(void) {
    if (progress_visible) {
        fputs("\r\x1b[K", stderr);
        (void)fflush(stderr);
        progress_visible = false;
    }
}

/* ---------------------------------------------------------------- foreign text */

void print_foreign_text(FILE *stream, const char *text, size_t bytes) {
    if (!isatty(fileno(stream))) {
        (void)fwrite(text, 1, bytes, stream);
        return;
    }
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i];
        bool control = (c < 0x20 && c != '\n' && c != '\t') || c == 0x7F;
        /* U+0080..U+009F: the second set of controls, two bytes in UTF-8. */
        bool control_pair = c == 0xC2 && i + 1 < bytes && (unsigned char)text[i + 1] >= 0x80 &&
                            (unsigned char)text[i + 1] < 0xA0;
        if (control || control_pair) {
            fputs(replacement, stream);
            i += control_pair ? 1 : 0;
        } else {
            (void)fputc(c, stream);
        }
    }
}

/* ---------------------------------------------------------------- errors */

int report_error(const char *subject, const tercet_error *error) {
    const char *sentence = tercet_status_text(error->status);
    progress_end();
    (void)fflush(stdout);
    fprintf(stderr, "%stercet: error:%s ", style_strong(stderr), style_end(stderr));
    if (subject != NULL) {
        print_foreign_text(stderr, subject, strlen(subject));
        fputs(": ", stderr);
    }
    fputs(sentence, stderr);
    if (error->detail[0] != '\0' && strcmp(error->detail, sentence) != 0) {
        fputs(" (", stderr);
        print_foreign_text(stderr, error->detail, strlen(error->detail));
        fputs(")", stderr);
    }
    fprintf(stderr, " [%s]\n", tercet_status_name(error->status));
    return EXIT_CODE_FAILED;
}

int report_conversion_error(const char *from, const char *to, const tercet_error *error) {
    bool writing = error->status == TERCET_FILE_WRITE_FAILED || error->status == TERCET_DISK_FULL;
    return report_error(writing ? to : from, error);
}

static void fill_error(tercet_error *error, tercet_status status, uint64_t where,
                       const char *format, va_list list) {
    if (error != NULL) {
        error->status = status;
        error->where = where;
        (void)vsnprintf(error->detail, sizeof error->detail, format, list);
    }
}

int report_failure(const char *subject, tercet_status status, const char *format, ...) {
    tercet_error error;
    va_list list;
    va_start(list, format);
    fill_error(&error, status, 0, format, list);
    va_end(list);
    return report_error(subject, &error);
}

tercet_status set_error(tercet_error *error, tercet_status status, uint64_t where,
                        const char *format, ...) {
    va_list list;
    va_start(list, format);
    fill_error(error, status, where, format, list);
    va_end(list);
    return status;
}

tercet_status set_error_from_errno(tercet_error *error, int number, tercet_status otherwise) {
    tercet_status status = otherwise;
    if (number == ENOENT && otherwise == TERCET_FILE_READ_FAILED) {
        return set_error(error, TERCET_FILE_NOT_FOUND, 0, "check the path");
    }
    if (number == ENOSPC || number == EDQUOT) {
        status = TERCET_DISK_FULL;
    } else if (number == ENOMEM) {
        status = TERCET_OUT_OF_MEMORY;
    }
    return set_error(error, status, (uint64_t)number, "%s", strerror(number));
}

void report_note(const char *format, ...) {
    char sentence[512];
    va_list list;
    va_start(list, format);
    (void)vsnprintf(sentence, sizeof sentence, format, list);
    va_end(list);
    progress_end();
    (void)fflush(stdout);
    fputs("tercet: note: ", stderr);
    print_foreign_text(stderr, sentence, strlen(sentence));
    fputc('\n', stderr);
}

/* ---------------------------------------------------------------- figures */

static const char *format_scaled(double value, const char *const *units, size_t unit_count,
                                 char *buffer, size_t capacity) {
    size_t unit = 0;
    while (value >= 999.5 && unit + 1 < unit_count) {
        value /= 1000;
        unit++;
    }
    int decimals = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    (void)snprintf(buffer, capacity, "%.*f%s", decimals, value, units[unit]);
    return buffer;
}

const char *format_bytes(uint64_t bytes, char *buffer, size_t capacity) {
    static const char *const units[] = {" bytes", " kB", " MB", " GB", " TB"};
    return format_scaled((double)bytes, units, 5, buffer, capacity);
}

const char *format_quantity(uint64_t value, char *buffer, size_t capacity) {
    static const char *const units[] = {"", " k", " M", " G"};
    return format_scaled((double)value, units, 4, buffer, capacity);
}

const char *format_seconds(double seconds, char *buffer, size_t capacity) {
    if (seconds < 1) {
        (void)snprintf(buffer, capacity, "%.3g ms", seconds * 1000);
    } else {
        (void)snprintf(buffer, capacity, "%.2f s", seconds);
    }
    return buffer;
}
