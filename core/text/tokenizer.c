/*
 * tokenizer.c: see tokenizer.h. Special tokens are cut out of the text first (special_tokens), what lies between is a
 * part; a part is put into its normal form where the tables ask for it (normal_form); byte-level BPE cuts a part into pieces
 * (pretokenizer); pieces (or whole parts) are merged (merge_machine).
 *
 * The tables were checked by the container reader: ids are below token_count, offsets rise and stay in range, orders
 * hold. Nothing else is taken for granted: a table may merge anything into anything, and only gives odd ids then.
 */
#include "tokenizer.h"

#include "merge_machine.h"
#include "normal_form.h"
#include "pretokenizer.h"
#include "special_tokens.h"
#include "utf8.h"
#include "wordpiece.h"

#include <string.h>

/* Symbol indices must stay below 2^31; nobody means a text of a gigabyte. */
#define TEXT_BYTES_MAX (1u << 30)
#define FORMED_BYTES_MAX (TEXT_BYTES_MAX + 8) /* what such a text has that is in its form */

#define NO_TOKEN_YET 0xFFFFFFFEu /* in encoder.ascii: not looked up */

struct encoder {
    const struct container_tokenizer *tables;
    struct merge_machine machine;
    struct special_tokens specials;
    void *memory;  /* of the machine, which works only when a part is in its form */
    uint8_t *form; /* room for a part in its form; used only where the text is in another */
    uint32_t *tokens;
    size_t capacity, count;
    bool
        after_unknown; /* the last symbol pushed stands for unknown characters: one more joins it */
    uint32_t ascii
        [128]; /* SentencePiece: token of each one-byte character, TERCET_NO_TOKEN, or NO_TOKEN_YET */
};

static bool asks_for_form(const struct container_tokenizer *tables) {
    return (tables->flags & TOKENIZER_FLAG_NFC) != 0;
}

uint64_t tokenizer_formed_bytes(const struct container_tokenizer *tables, const uint8_t *text,
                                size_t bytes) {
    if (bytes > TEXT_BYTES_MAX) {
        return TEXT_BYTES_MAX; /* such a text is refused before scratch is touched */
    }
    return asks_for_form(tables) && bytes > 0
               ? normal_form_bound(text, utf8_valid_prefix(text, bytes))
               : bytes;
}

/* One symbol a byte and one for the space in front. */
static uint64_t symbols_of(uint64_t formed_bytes) {
    return formed_bytes + 1;
}

size_t tokenizer_formed_scratch_bytes(const struct container_tokenizer *tables,
                                      uint64_t formed_bytes) {
    uint64_t bytes = merge_machine_bytes(symbols_of(formed_bytes)) +
                     (uint64_t)tables->special_count * sizeof(uint32_t) +
                     (asks_for_form(tables) ? formed_bytes : 0);
    /* Branches not counted: where addresses have 32 bits */
    return bytes > SIZE_MAX ? SIZE_MAX : (size_t)bytes;
}

size_t tokenizer_scratch_bytes(const struct container_tokenizer *tables, const char *text,
                               size_t bytes) {
    return tokenizer_formed_scratch_bytes(
        tables, tokenizer_formed_bytes(tables, (const uint8_t *)text, bytes));
}

static void emit(struct encoder *encoder, uint32_t token) {
    if (encoder->count < encoder->capacity) {
        encoder->tokens[encoder->count] = token;
    }
    encoder->count++;
}

/* The token that text can match with exactly these bytes, or TERCET_NO_TOKEN. */
static uint32_t find_token(const struct container_tokenizer *tables, const uint8_t *bytes,
                           size_t count) {
    uint32_t low = 0, high = tables->sorted_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        uint32_t token = tables->sorted[middle];
        uint32_t start = tables->text_offsets[token];
        size_t length = tables->text_offsets[token + 1] - start;
        int order = memcmp(tables->text + start, bytes, length < count ? length : count);
        if (order == 0 && length == count) {
            return token;
        }
        if (order < 0 || (order == 0 && length < count)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return TERCET_NO_TOKEN;
}

static void merge_and_emit(struct encoder *encoder) {
    struct merge_machine *machine = &encoder->machine;
    if (machine->count == 0) {
        return;
    }
    merge_machine_run(machine);
    for (uint32_t i = 0; i != MERGE_NONE; i = machine->symbols[i].next) {
        emit(encoder, machine->symbols[i].token);
    }
    merge_machine_clear(machine);
}

static void push_known(struct encoder *encoder, uint32_t token) {
    (void)merge_machine_push(&encoder->machine, token);
    encoder->after_unknown = false;
}

/* What is in no vocabulary: one unknown token for as many of them as follow each other; dropped where the model has
 * none (as the tokenizers library does). */
static void push_unknown(struct encoder *encoder) {
    if (encoder->tables->unknown != TERCET_NO_TOKEN && !encoder->after_unknown) {
        push_known(encoder, encoder->tables->unknown);
        encoder->after_unknown = true;
    }
}

static void encode_byte_bpe_piece(struct encoder *encoder, const uint8_t *piece, size_t bytes) {
    const struct container_tokenizer *tables = encoder->tables;
    if ((tables->flags & TOKENIZER_FLAG_IGNORE_MERGES) != 0 && bytes <= LIMIT_TOKEN_BYTES) {
        uint32_t whole = find_token(tables, piece, bytes);
        if (whole != TERCET_NO_TOKEN) {
            emit(encoder, whole);
            return;
        }
    }
    encoder->after_unknown = false;
    for (size_t i = 0; i < bytes; i++) {
        uint32_t token = tables->byte_tokens[piece[i]];
        if (token != TERCET_NO_TOKEN) {
            push_known(encoder, token);
        } else {
            push_unknown(encoder);
        }
    }
    merge_and_emit(encoder);
}

static void encode_byte_bpe(struct encoder *encoder, const uint8_t *part, size_t bytes) {
    while (bytes > 0) {
        size_t piece = pretokenizer_next(encoder->tables->splitter, part, bytes);
        encode_byte_bpe_piece(encoder, part, piece);
        part += piece;
        bytes -= piece;
    }
}

/* One character that is not ASCII and no token: all of its bytes, or unknown. */
static void push_fallback(struct encoder *encoder, const uint8_t *character, size_t bytes) {
    const struct container_tokenizer *tables = encoder->tables;
    bool known = (tables->flags & TOKENIZER_FLAG_BYTE_FALLBACK) != 0;
    for (size_t i = 0; i < bytes; i++) {
        known = known && tables->byte_tokens[character[i]] != TERCET_NO_TOKEN;
    }
    if (!known) {
        push_unknown(encoder);
        return;
    }
    for (size_t i = 0; i < bytes; i++) {
        push_known(encoder, tables->byte_tokens[character[i]]);
    }
}

static void push_character(struct encoder *encoder, const uint8_t *character, size_t bytes) {
    uint32_t token;
    if (bytes == 1) {
        uint32_t *known = &encoder->ascii[character[0] & 0x7F];
        if (*known == NO_TOKEN_YET) {
            *known = find_token(encoder->tables, character, 1);
        }
        token = *known;
    } else {
        token = find_token(encoder->tables, character, bytes);
    }
    if (token != TERCET_NO_TOKEN) {
        push_known(encoder, token);
    } else {
        push_fallback(encoder, character, bytes);
    }
}

static bool is_space(const uint8_t *text, size_t bytes, size_t length) {
    return (length == 1 && text[0] == ' ') ||
           /* Branches not counted: the text is valid: a character is never cut */
           (length == 3 && bytes >= 3 && memcmp(text, "\xE2\x96\x81", 3) == 0); /* U+2581 */
}

/* `first`: the part starts where the text starts. */
static void encode_sentencepiece(struct encoder *encoder, const uint8_t *part, size_t bytes,
                                 bool first) {
    static const uint8_t space = ' ';
    const uint32_t flags = encoder->tables->flags;
    size_t length;
    encoder->after_unknown = false;
    (void)utf8_decode(part, bytes, &length);
    if ((flags & TOKENIZER_FLAG_ADD_PREFIX_SPACE) != 0 &&
        (first || (flags & TOKENIZER_FLAG_PREFIX_EVERY_PART) != 0) &&
        !((flags & TOKENIZER_FLAG_PREFIX_IF_MISSING) != 0 && is_space(part, bytes, length))) {
        push_character(encoder, &space, 1);
    }
    for (size_t at = 0; at < bytes; at += length) {
        (void)utf8_decode(part + at, bytes - at, &length);
        if (is_space(part + at, bytes - at, length)) {
            push_character(encoder, &space, 1);
        } else {
            push_character(encoder, part + at, length);
        }
    }
    merge_and_emit(encoder);
}

/* A part in normal form C: the part itself where it is in that form already. */
static const uint8_t *form_of(struct encoder *encoder, const uint8_t *part, size_t *bytes) {
    struct normal_form_stretch stretch = {0, 0};
    size_t copied = 0, written = 0;
    _Static_assert(MERGE_MACHINE_SYMBOL_BYTES >= NORMAL_FORM_MEMORY(1), "the machine's will do");
    while (normal_form_find(part, *bytes, stretch.end, &stretch)) {
        memcpy(encoder->form + written, part + copied, stretch.begin - copied);
        written += stretch.begin - copied;
        written += normal_form_compose(part + stretch.begin, stretch.end - stretch.begin,
                                       encoder->memory, encoder->form + written);
        copied = stretch.end;
    }
    if (copied == 0) {
        return part;
    }
    memcpy(encoder->form + written, part + copied, *bytes - copied);
    *bytes = written + (*bytes - copied);
    return encoder->form;
}

static void encode_part(struct encoder *encoder, const uint8_t *text, size_t from, size_t to) {
    const uint8_t *part = text + from;
    size_t bytes = to - from;
    if (bytes == 0) {
        return;
    }
    if (asks_for_form(encoder->tables)) {
        part = form_of(encoder, part, &bytes);
    }
    if (encoder->tables->kind == TOKENIZER_SENTENCEPIECE) {
        encode_sentencepiece(encoder, part, bytes, from == 0);
    } else if (encoder->tables->kind == TOKENIZER_WORDPIECE) {
        wordpiece_encode(encoder->tables, part, bytes, encoder->tokens, encoder->capacity,
                         &encoder->count);
    } else {
        encode_byte_bpe(encoder, part, bytes);
    }
}

/* text[from, to), cut at the specials in it. */
static void encode_text(struct encoder *encoder, const uint8_t *text, size_t from, size_t to) {
    size_t at, length;
    uint32_t token;
    while (special_tokens_find(&encoder->specials, text, to, from, &at, &length, &token)) {
        encode_part(encoder, text, from, at);
        emit(encoder, token);
        from = at + length;
    }
    encode_part(encoder, text, from, to);
}

static void open_encoder(struct encoder *encoder, const struct container_tokenizer *tables,
                         uint32_t *tokens, size_t capacity) {
    encoder->tables = tables;
    encoder->tokens = tokens;
    encoder->capacity = tokens != NULL ? capacity : 0;
    encoder->count = 0;
    encoder->after_unknown = false;
    for (size_t i = 0; i < sizeof encoder->ascii / sizeof encoder->ascii[0]; i++) {
        encoder->ascii[i] = NO_TOKEN_YET;
    }
}

/* Lays scratch out for this text and prepares the search for specials in it. */
static void place_encoder(struct encoder *encoder, void *scratch, uint64_t formed_bytes,
                          const uint8_t *text, size_t bytes, bool all_specials,
                          const uint32_t *reserved, uint32_t reserved_count) {
    const struct container_tokenizer *tables = encoder->tables;
    uint64_t symbols = symbols_of(formed_bytes);
    uint8_t *order = (uint8_t *)scratch + (size_t)merge_machine_bytes(symbols);
    merge_machine_place(&encoder->machine, tables, scratch, (uint32_t)symbols);
    special_tokens_build(&encoder->specials, tables, all_specials, reserved, reserved_count, text,
                         bytes, (uint32_t *)(void *)order);
    encoder->memory = scratch;
    encoder->form = order + (size_t)tables->special_count * sizeof(uint32_t);
}

static tercet_status close_encoder(const struct encoder *encoder, size_t *count,
                                   tercet_error *error) {
    *count = encoder->count;
    if (encoder->count > encoder->capacity) {
        return tercet_fail(error, TERCET_BAD_ARGUMENT, encoder->count,
                           "the text has %llu tokens, room is for %llu",
                           (unsigned long long)encoder->count,
                           (unsigned long long)encoder->capacity);
    }
    return TERCET_OK;
}

tercet_status tokenizer_encode(const struct container_tokenizer *tables, const char *text,
                               size_t bytes, uint32_t flags, uint32_t *tokens, size_t capacity,
                               size_t *count, void *scratch, tercet_error *error) {
    const uint8_t *in = (const uint8_t *)text;
    *count = 0;
    if ((flags & ~(TERCET_TEXT_ADD_BEGINNING | TERCET_TEXT_PARSE_SPECIAL)) != 0) {
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0, "unknown text flags %u", flags);
    }
    if (bytes > TEXT_BYTES_MAX) {
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0,
                           "the text has %llu bytes; at most %u can be tokenized at once",
                           (unsigned long long)bytes, TEXT_BYTES_MAX);
    }
    size_t valid = bytes > 0 ? utf8_valid_prefix(in, bytes) : 0;
    if (valid != bytes) {
        return tercet_fail(error, TERCET_INVALID_UTF8, valid,
                           "the text is not valid UTF-8 at byte %llu", (unsigned long long)valid);
    }

    uint64_t formed_bytes = tokenizer_formed_bytes(tables, in, bytes);
    /* Branches not counted: a text that grows beyond has 350 MB */
    if (formed_bytes > FORMED_BYTES_MAX) {
        return tercet_fail(error, TERCET_BAD_ARGUMENT, 0,
                           "the text may have %llu bytes in normal form C; at most %u can be "
                           "tokenized at once",
                           (unsigned long long)formed_bytes, FORMED_BYTES_MAX);
    }

    struct encoder encoder;
    open_encoder(&encoder, tables, tokens, capacity);
    if ((flags & TERCET_TEXT_ADD_BEGINNING) != 0 &&
        (tables->flags & TOKENIZER_FLAG_ADD_BEGINNING) != 0 &&
        tables->beginning != TERCET_NO_TOKEN) {
        emit(&encoder, tables->beginning);
    }
    if (bytes > 0) {
        place_encoder(&encoder, scratch, formed_bytes, in, bytes,
                      (flags & TERCET_TEXT_PARSE_SPECIAL) != 0, NULL, 0);
        encode_text(&encoder, in, 0, bytes);
    }
    return close_encoder(&encoder, count, error);
}

tercet_status tokenizer_encode_marked(const struct container_tokenizer *tables, const uint8_t *text,
                                      size_t bytes, uint64_t formed_bytes,
                                      const struct tokenizer_marks *marks, uint32_t *tokens,
                                      size_t capacity, size_t *count, void *scratch,
                                      tercet_error *error) {
    struct encoder encoder;
    size_t from = 0;
    open_encoder(&encoder, tables, tokens, capacity);
    place_encoder(&encoder, scratch, formed_bytes, text, bytes, false, marks->reserved,
                  marks->reserved_count);
    for (size_t i = 0; i < marks->count; i++) {
        encode_text(&encoder, text, from, marks->marks[i].at);
        emit(&encoder, marks->marks[i].token);
        from = marks->marks[i].at;
    }
    encode_text(&encoder, text, from, bytes);
    return close_encoder(&encoder, count, error);
}

bool tokenizer_token_bytes(const struct container_tokenizer *tables, uint32_t token,
                           const uint8_t **bytes, size_t *count) {
    if (token >= tables->token_count) {
        return false;
    }
    uint32_t start = tables->text_offsets[token];
    bool silent = tables->kinds[token] == TOKEN_CONTROL || tables->kinds[token] == TOKEN_UNUSED;
    *bytes = tables->text + start;
    *count = silent ? 0 : tables->text_offsets[token + 1] - start;
    return true;
}

/* Where decoded text goes; past the capacity it is only counted. */
struct text_sink {
    char *text;
    size_t capacity, bytes;
};

static void append(struct text_sink *sink, const uint8_t *bytes, size_t count) {
    if (sink->bytes <= sink->capacity && count <= sink->capacity - sink->bytes && count > 0) {
        memcpy(sink->text + sink->bytes, bytes, count);
    }
    sink->bytes += count;
}

static void append_as_utf8(struct text_sink *sink, struct utf8_stream *stream, const uint8_t *bytes,
                           size_t count) {
    enum { STEP = 16 };
    uint8_t whole[3 * (STEP + 3)];
    while (count > 0) {
        size_t step = count < STEP ? count : STEP;
        append(sink, whole, utf8_stream_push(stream, bytes, step, whole));
        bytes += step;
        count -= step;
    }
}

tercet_status tokenizer_decode(const struct container_tokenizer *tables, const uint32_t *tokens,
                               size_t token_count, char *text, size_t capacity, size_t *bytes,
                               tercet_error *error) {
    struct text_sink sink = {text, text != NULL ? capacity : 0, 0};
    struct utf8_stream stream = {{0}, 0};
    bool strip = (tables->flags & TOKENIZER_FLAG_ADD_PREFIX_SPACE) != 0;
    uint8_t last[3];
    *bytes = 0;
    for (size_t i = 0; i < token_count; i++) {
        const uint8_t *piece;
        size_t length;
        if (!tokenizer_token_bytes(tables, tokens[i], &piece, &length)) {
            return tercet_fail(error, TERCET_BAD_TOKEN, i,
                               "token %u at position %llu is not in the vocabulary of %u",
                               tokens[i], (unsigned long long)i, tables->token_count);
        }
        if (strip && length > 0) {
            strip = false;
            if (piece[0] == ' ') {
                piece++;
                length--;
            }
        }
        append_as_utf8(&sink, &stream, piece, length);
    }
    append(&sink, last, utf8_stream_flush(&stream, last));
    *bytes = sink.bytes;
    if (sink.bytes > sink.capacity) {
        return tercet_fail(error, TERCET_BAD_ARGUMENT, sink.bytes,
                           "the text has %llu bytes, room is for %llu",
                           (unsigned long long)sink.bytes, (unsigned long long)sink.capacity);
    }
    return TERCET_OK;
}
