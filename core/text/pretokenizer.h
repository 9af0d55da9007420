/*
 * pretokenizer.h: cuts text into the pieces that byte-level BPE merges one by one. Each splitter is the hand-written
 * equal of one regular expression (stated at its function); it knows nothing of vocabularies.
 */
#ifndef TERCET_TEXT_PRETOKENIZER_H
#define TERCET_TEXT_PRETOKENIZER_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the piece that `text` starts with. splitter is SPLITTER_* of container_layout.h (another value: everything is
 * one piece); text is valid UTF-8 and bytes >= 1. The answer is 1..bytes and ends a character. Calling it again and
 * again over a text costs O(bytes) in all. */
size_t pretokenizer_next(uint32_t splitter, const uint8_t *text, size_t bytes);

#endif
