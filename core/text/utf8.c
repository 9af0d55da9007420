/*
 * utf8.c: see utf8.h. Everything rests on one function that knows Table 3-7 of the Unicode Standard (well-formed byte
 * sequences); validation, decoding and streaming are loops over it.
 */
#include "utf8.h"

#include <string.h>

enum sequence_state {
    SEQUENCE_COMPLETE, /* *length bytes are one character */
    SEQUENCE_CUT,      /* all bytes there are begin a character: *length == bytes */
    SEQUENCE_ILL       /* the first *length bytes are no character: a maximal subpart */
};

/* Judges the sequence that starts at text; bytes >= 1. *length is 1..4. */
static enum sequence_state judge(const uint8_t *text, size_t bytes, size_t *length) {
    uint8_t first = text[0];
    *length = 1;
    /* Branches not counted: who calls it has passed these */
    if (first < 0x80) {
        return SEQUENCE_COMPLETE;
    }
    size_t need;
    uint8_t low = 0x80, high = 0xBF; /* bounds of the second byte */
    if (first >= 0xC2 && first <= 0xDF) {
        need = 2;
    } else if (first >= 0xE0 && first <= 0xEF) {
        need = 3;
        if (first == 0xE0) {
            low = 0xA0; /* below: longer than needed */
        } else if (first == 0xED) {
            high = 0x9F; /* above: surrogates */
        }
    } else if (first >= 0xF0 && first <= 0xF4) {
        need = 4;
        if (first == 0xF0) {
            low = 0x90; /* below: longer than needed */
        } else if (first == 0xF4) {
            high = 0x8F; /* above: beyond U+10FFFF */
        }
    } else {
        return SEQUENCE_ILL;
    }
    while (*length < need) {
        if (*length == bytes) {
            return SEQUENCE_CUT;
        }
        uint8_t next = text[*length];
        if (next < low || next > high) {
            return SEQUENCE_ILL;
        }
        low = 0x80;
        high = 0xBF;
        ++*length;
    }
    return SEQUENCE_COMPLETE;
}

size_t utf8_valid_prefix(const uint8_t *text, size_t bytes) {
    size_t at = 0;
    while (at < bytes) {
        if (text[at] < 0x80) {
            /* Prompts are mostly ASCII: eight bytes at a time while no high bit is set. */
            uint64_t eight;
            while (bytes - at >= sizeof eight) {
                memcpy(&eight, text + at, sizeof eight);
                if ((eight & UINT64_C(0x8080808080808080)) != 0) {
                    break;
                }
                at += sizeof eight;
            }
            while (at < bytes && text[at] < 0x80) {
                at++;
            }
            continue;
        }
        size_t length;
        if (judge(text + at, bytes - at, &length) != SEQUENCE_COMPLETE) {
            break;
        }
        at += length;
    }
    return at;
}

uint32_t utf8_decode(const uint8_t *text, size_t bytes, size_t *length) {
    uint32_t first = text[0];
    if (first < 0x80 || bytes < 2) {
        *length = 1;
        return first;
    }
    if (first < 0xE0 || bytes < 3) {
        *length = 2;
        return (first & 0x1F) << 6 | (text[1] & 0x3Fu);
    }
    if (first < 0xF0 || bytes < 4) {
        *length = 3;
        return (first & 0x0F) << 12 | (text[1] & 0x3Fu) << 6 | (text[2] & 0x3Fu);
    }
    *length = 4;
    return (first & 0x07) << 18 | (text[1] & 0x3Fu) << 12 | (text[2] & 0x3Fu) << 6 |
           (text[3] & 0x3Fu);
}

size_t utf8_encode(uint32_t code_point, uint8_t out[4]) {
    if (code_point < 0x80) {
        out[0] = (uint8_t)code_point;
        return 1;
    }
    if (code_point < 0x800) {
        out[0] = (uint8_t)(0xC0 | code_point >> 6);
        out[1] = (uint8_t)(0x80 | (code_point & 0x3F));
        return 2;
    }
    if (code_point < 0x10000) {
        out[0] = (uint8_t)(0xE0 | code_point >> 12);
        out[1] = (uint8_t)(0x80 | (code_point >> 6 & 0x3F));
        out[2] = (uint8_t)(0x80 | (code_point & 0x3F));
        return 3;
    }
    out[0] = (uint8_t)(0xF0 | (code_point >> 18 & 0x07));
    out[1] = (uint8_t)(0x80 | (code_point >> 12 & 0x3F));
    out[2] = (uint8_t)(0x80 | (code_point >> 6 & 0x3F));
    out[3] = (uint8_t)(0x80 | (code_point & 0x3F));
    return 4;
}

static size_t put_replacement(uint8_t *out) {
    out[0] = 0xEF; /* U+FFFD */
    out[1] = 0xBF;
    out[2] = 0xBD;
    return 3;
}

size_t utf8_stream_push(struct utf8_stream *stream, const uint8_t *in, size_t bytes, uint8_t *out) {
    size_t written = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (stream->held_count == 0 && in[i] < 0x80) {
            out[written++] = in[i];
            continue;
        }
        stream->held[stream->held_count++] = in[i];
        size_t length;
        enum sequence_state state = judge(stream->held, stream->held_count, &length);
        if (state == SEQUENCE_CUT) {
            continue;
        }
        if (state == SEQUENCE_COMPLETE) {
            memcpy(out + written, stream->held, length);
            written += length;
            stream->held_count = 0;
            continue;
        }
        /* The byte just added broke the sequence. It is part of the ill-formed piece only when it stands alone; else it
         * may start a character of its own and is judged again. */
        written += put_replacement(out + written);
        if (stream->held_count > 1) {
            i--;
        }
        stream->held_count = 0;
    }
    return written;
}

size_t utf8_stream_flush(struct utf8_stream *stream, uint8_t out[3]) {
    if (stream->held_count == 0) {
        return 0;
    }
    stream->held_count = 0;
    return put_replacement(out);
}
