/* sentencepiece_writer.h - writes SentencePiece models for tests, field by field.
 *
 * Why it exists: a test of the reader needs models with one thing changed, and the reader must not be
 * tested with its own code. It must never correct what a test asks for.
 */
#ifndef TERCET_TESTS_SENTENCEPIECE_WRITER_H
#define TERCET_TESTS_SENTENCEPIECE_WRITER_H

#include "check.h"

struct message {
    uint8_t bytes[8192];
    size_t count;
};

static inline void put_byte(struct message *message, uint8_t byte) {
    REQUIRE(message->count < sizeof message->bytes);
    message->bytes[message->count++] = byte;
}

static inline void put_varint(struct message *message, uint64_t value) {
    for (; value >= 0x80; value >>= 7) {
        put_byte(message, (uint8_t)(value | 0x80));
    }
    put_byte(message, (uint8_t)value);
}

static inline void put_number(struct message *message, uint32_t field, uint64_t value) {
    put_varint(message, (uint64_t)field << 3);
    put_varint(message, value);
}

static inline void put_bytes(struct message *message, uint32_t field, const void *bytes,
                             size_t count) {
    put_varint(message, (uint64_t)field << 3 | 2);
    put_varint(message, count);
    for (size_t i = 0; i < count; i++) {
        put_byte(message, ((const uint8_t *)bytes)[i]);
    }
}

static inline void put_float(struct message *message, uint32_t field, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_varint(message, (uint64_t)field << 3 | 5);
    for (int i = 0; i < 4; i++) {
        put_byte(message, (uint8_t)(bits >> (8 * i)));
    }
}

/* type 0: the field is left out, which means NORMAL. */
static inline void put_piece(struct message *model, const char *text, float score, uint32_t type) {
    struct message piece = {{0}, 0};
    put_bytes(&piece, 1, text, strlen(text));
    put_float(&piece, 2, score);
    if (type != 0) {
        put_number(&piece, 3, type);
    }
    put_bytes(model, 1, piece.bytes, piece.count);
}

/* trainer_spec and normalizer_spec of a Llama: BPE, byte fallback, bos 1, spaces kept. */
static inline void put_llama_settings(struct message *model) {
    struct message trainer = {{0}, 0}, normalizer = {{0}, 0};
    put_number(&trainer, 3, 2);
    put_number(&trainer, 35, 1);
    put_number(&trainer, 41, 1);
    put_bytes(model, 2, trainer.bytes, trainer.count);
    put_bytes(&normalizer, 1, "identity", 8);
    put_number(&normalizer, 4, 0);
    put_bytes(model, 3, normalizer.bytes, normalizer.count);
}

#endif
