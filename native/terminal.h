/*
 * terminal.h: what people read: errors, notes and progress on stderr, and text that came from a
 * model or a file, made harmless. Colour only on a terminal and never under NO_COLOR; progress only
 * on a terminal. Machine-readable output is json_writer.h's.
 */
#ifndef TERCET_NATIVE_TERMINAL_H
#define TERCET_NATIVE_TERMINAL_H

#include "tercet.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* "tercet: error: SUBJECT: <sentence of the status> (<detail>) [CODE]" and EXIT_CODE_FAILED. The
 * subject is a file or an option; NULL if there is none. */
int report_error(const char *subject, const tercet_error *error);
/* The same for a command that makes `to` out of `from`: the subject is the one of the two that the error is about. */
int report_conversion_error(const char *from, const char *to, const tercet_error *error);
/* The same for an error that the command itself found. */
__attribute__((format(printf, 3, 4))) int report_failure(const char *subject, tercet_status status,
                                                         const char *format, ...);
/* Fills *error; returns status. For the parts of native/ that hand errors up. */
__attribute__((format(printf, 4, 5))) tercet_status
set_error(tercet_error *error, tercet_status status, uint64_t where, const char *format, ...);
/* Fills *error from errno after a failed call on a file: FILE_NOT_FOUND, DISK_FULL or `otherwise`. */
tercet_status set_error_from_errno(tercet_error *error, int number, tercet_status otherwise);
/* "tercet: note: ..." */
__attribute__((format(printf, 1, 2))) void report_note(const char *format, ...);

/* One line that overwrites itself: "verifying  42 %". Does nothing when stderr is no terminal. The
 * line is wiped by progress_end and by every report. */
void progress_show(const char *what, uint64_t done, uint64_t total);
void progress_end(void);

/* Bytes of unknown origin to a stream: on a terminal, control characters other than newline and
 * tab become U+FFFD, so that no model or file can move the cursor or set the title. */
void print_foreign_text(FILE *stream, const char *text, size_t bytes);

/* Start and end of emphasis on this stream: an escape sequence or "". */
const char *style_strong(FILE *stream);
const char *style_faint(FILE *stream);
const char *style_end(FILE *stream);

/* "3.4 MB", "812 kB", "96 bytes"; decimal units. buffer holds at least 24 bytes and is returned. */
const char *format_bytes(uint64_t bytes, char *buffer, size_t capacity);
/* "6.17 M", "260 k", "2.41 G". */
const char *format_quantity(uint64_t value, char *buffer, size_t capacity);

/* "12.3 ms", "4.56 s". */
const char *format_seconds(double seconds, char *buffer, size_t capacity);

#endif
