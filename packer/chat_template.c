/*
 * chat_template.c: see chat_template.h. A template is cut into raw text, {{ expressions }} and {% statements %}. What
 * stands between two statements is one piece of output: literal text, with a mark for each value that is put in. A format
 * is recognised when every piece is one of its pieces, and those without which it would be another are there.
 */
#include "chat_template.h"

#include "../core/text/utf8.h"
#include "template_words.h"

#include <stdint.h>
#include <string.h>

/* Marks of values in a piece. */
#define ROLE "\x01"    /* message.role */
#define TITLE "\x02"   /* message.role | capitalize */
#define VALUE "\x03"   /* anything else: the text of a message */
#define TRIMMED "\x04" /* the same | trim */
#define BEGINNING "\x05"
#define FOREIGN "\x06" /* a value changed in a way that no known format does */

#define PIECES_MAX 16u
#define DEPTH_MAX 64u

struct format_pieces {
    const char *name;
    bool drops_thinking; /* it looks for the end of thinking in messages */
    uint32_t asks,
        tells; /* the first pieces: an answer is asked for with all of `asks`, and one of the next `tells` is
                              how a message of the user is told */
    const char *pieces[PIECES_MAX];
};

#define CHATML_PIECES                                                                              \
    "<|im_start|>" ROLE "\n" VALUE "<|im_end|>\n", "<|im_start|>user\n" VALUE "<|im_end|>\n",      \
        "<|im_start|>system\n" VALUE "<|im_end|>\n",                                               \
        "<|im_start|>assistant\n" VALUE "<|im_end|>\n"

static const struct format_pieces known[] = {
    {"qwen3",
     true,
     2,
     2,
     {"<|im_start|>assistant\n", "<think>\n\n</think>\n\n", CHATML_PIECES,
      "<|im_start|>" ROLE "\n" VALUE, "<|im_start|>assistant\n" VALUE, "<|im_end|>\n",
      /* The answer that is being given, when tools came in between. */
      "<|im_start|>" ROLE "\n<think>\n" VALUE "\n</think>\n\n" VALUE}},
    {"chatml", false, 1, 2, {"<|im_start|>assistant\n", CHATML_PIECES}},
    {"llama3",
     false,
     1,
     2,
     {"<|start_header_id|>assistant<|end_header_id|>\n\n",
      "<|start_header_id|>" ROLE "<|end_header_id|>\n\n" TRIMMED "<|eot_id|>",
      "<|start_header_id|>user<|end_header_id|>\n\n" TRIMMED "<|eot_id|>",
      "<|start_header_id|>system<|end_header_id|>\n\n" TRIMMED "<|eot_id|>",
      "<|start_header_id|>assistant<|end_header_id|>\n\n" TRIMMED "<|eot_id|>", BEGINNING,
      BEGINNING VALUE, VALUE}},
    {"bitnet",
     false,
     1,
     2,
     {"Assistant: ", TITLE ": " TRIMMED "<|eot_id|>", "User: " TRIMMED "<|eot_id|>",
      "System: " TRIMMED "<|eot_id|>", "Assistant: " TRIMMED "<|eot_id|>", BEGINNING,
      BEGINNING VALUE, VALUE}},
};

enum { FORMATS = sizeof known / sizeof *known };

struct reader {
    struct template_text in;
    char piece[CHAT_TEMPLATE_PIECE_MAX];
    size_t piece_bytes;
    bool splits; /* something is cut at a text, as thinking is */
    /* Of each block around: what it is, and whether what stands there is for tools. */
    struct {
        bool is_if, passed_over;
    } blocks[DEPTH_MAX];
    uint32_t depth;
    bool possible[FORMATS];
    uint32_t seen[FORMATS]; /* a bit for each piece */
    struct chat_template *found;
};

/* ---------------------------------------------------------------- pieces */

static bool passes_over(const struct reader *reader) {
    return reader->depth > 0 && reader->blocks[reader->depth - 1].passed_over;
}

static void put(struct reader *reader, const char *text, size_t bytes) {
    if (bytes > sizeof reader->piece - reader->piece_bytes) {
        reader->in.failed = true;
        return;
    }
    memcpy(reader->piece + reader->piece_bytes, text, bytes);
    reader->piece_bytes += bytes;
}

static void put_literal(struct reader *reader, const char *text, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        if ((unsigned char)text[i] < 0x09) { /* would look like a mark */
            reader->in.failed = true;
        }
    }
    put(reader, text, bytes);
}

/* ChatML's way to say what the system message is when there is none. */
static bool take_system(struct reader *reader) {
    static const char before[] = "<|im_start|>system\n", after[] = "<|im_end|>\n";
    size_t before_bytes = sizeof before - 1, after_bytes = sizeof after - 1;
    char *piece = reader->piece;
    if (reader->piece_bytes <= before_bytes + after_bytes ||
        !template_begins_with(piece, reader->piece_bytes, before) ||
        memcmp(piece + reader->piece_bytes - after_bytes, after, after_bytes) != 0) {
        return false;
    }
    size_t bytes = reader->piece_bytes - before_bytes - after_bytes;
    const char *text = piece + before_bytes;
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i], last = i == 0 ? 0 : (unsigned char)text[i - 1];
        bool control = (c < 0x20 && c != '\n' && c != '\t') || c == 0x7F;
        if (control || (last == 0xC2 && c < 0xA0) ||
            template_begins_with(text + i, bytes - i, "<|")) {
            return false; /* a value, a token, or what a container does not take */
        }
    }
    if (utf8_valid_prefix((const uint8_t *)text, bytes) != bytes) {
        return false;
    }
    char *system = reader->found->system;
    bool same = strlen(system) == bytes && memcmp(system, text, bytes) == 0;
    if (system[0] != '\0' && !same) {
        return false;
    }
    memcpy(system, text, bytes);
    system[bytes] = '\0';
    return true;
}

/* The piece is complete. */
static void end_piece(struct reader *reader) {
    size_t bytes = reader->piece_bytes;
    if (bytes == 0) {
        return;
    }
    bool system = take_system(reader);
    for (uint32_t f = 0; f < FORMATS; f++) {
        uint32_t i = 0;
        while (i < PIECES_MAX && known[f].pieces[i] != NULL &&
               !(strlen(known[f].pieces[i]) == bytes &&
                 memcmp(known[f].pieces[i], reader->piece, bytes) == 0)) {
            i++;
        }
        if (i < PIECES_MAX && known[f].pieces[i] != NULL) {
            reader->seen[f] |= 1u << i;
        } else if (!system || !template_begins_with(known[f].pieces[0], 12, "<|im_start|>")) {
            reader->possible[f] = false;
        }
    }
    reader->piece_bytes = 0;
}

/* ---------------------------------------------------------------- expressions */

/* One value between two plus signs, as far as it was read. */
struct operand {
    uint32_t words, strings; /* at its own level */
    bool role, beginning, trimmed, capitalized, foreign, exception;
};

static bool is_among(const char *text, const char *const *words) {
    for (; *words != NULL; words++) {
        if (strcmp(text, *words) == 0) {
            return true;
        }
    }
    return false;
}

static void end_operand(struct reader *reader, const struct operand *operand, size_t literal_at) {
    if (operand->words == 0 || (operand->words == 1 && operand->strings == 1)) {
        return; /* its text is there already */
    }
    reader->piece_bytes = literal_at;
    const char *mark = operand->foreign                        ? FOREIGN
                       : operand->beginning                    ? BEGINNING
                       : operand->role && operand->capitalized ? TITLE
                       : operand->role                         ? ROLE
                       : operand->capitalized                  ? FOREIGN
                       : operand->trimmed                      ? TRIMMED
                                                               : VALUE;
    put(reader, mark, 1);
}

/* Notes what a name does to the value: `sign` is what stands in front of it. */
static void note_name(struct reader *reader, struct operand *operand, const char *name, char sign,
                      char next, char after) {
    static const char *const methods[] = {"strip", "lstrip", "rstrip", "split", NULL};
    bool call = next == '(';
    if (strcmp(name, "role") == 0) {
        operand->role = true;
    } else if (strcmp(name, "bos_token") == 0) {
        operand->beginning = true;
    } else if (strcmp(name, "raise_exception") == 0) {
        operand->exception = true;
    } else if (sign == '|') {
        operand->trimmed = operand->trimmed || strcmp(name, "trim") == 0;
        operand->capitalized = operand->capitalized || strcmp(name, "capitalize") == 0;
        operand->foreign = operand->foreign ||
                           (strcmp(name, "trim") != 0 && strcmp(name, "capitalize") != 0) || call;
    } else if (sign == '.' && call) {
        operand->trimmed = operand->trimmed || (strcmp(name, "strip") == 0 && after == ')');
        reader->splits = reader->splits || strcmp(name, "split") == 0;
        operand->foreign = operand->foreign || !is_among(name, methods);
    } else if (call || strcmp(name, "if") == 0 || strcmp(name, "eos_token") == 0) {
        operand->foreign = true;
    }
}

/* The sign that comes next, and the one behind it; 0 for anything else. */
static void look_ahead(const struct reader *reader, char *next, char *after) {
    size_t at = reader->in.at;
    *next = at < reader->in.bytes ? reader->in.text[at] : '\0';
    *after = at + 1 < reader->in.bytes ? reader->in.text[at + 1] : '\0';
}

/* Up to the end of the tag; joins the piece. `set`: what is assigned, which counts only where text is put together. */
static void read_expression(struct reader *reader, const char *close, bool set) {
    struct operand operand = {0};
    struct template_word word;
    size_t begin = reader->piece_bytes, literal_at = begin;
    uint32_t level = 0, literals = 0;
    char sign = '\0', next, after;
    bool exception = false;
    for (template_next_word(&reader->in, close, &word); word.kind != WORD_END && !reader->in.failed;
         template_next_word(&reader->in, close, &word)) {
        look_ahead(reader, &next, &after);
        bool joins =
            word.kind == WORD_SIGN && level == 0 && (word.text[0] == '+' || word.text[0] == '~');
        if (joins) {
            end_operand(reader, &operand, literal_at);
            operand = (struct operand){0};
            literal_at = reader->piece_bytes;
            sign = '\0';
            continue;
        }
        operand.words++;
        if (word.kind == WORD_STRING && level == 0) {
            operand.strings++;
            literals++;
            put_literal(reader, word.text, word.bytes);
        } else if (word.kind == WORD_STRING) {
            operand.role = operand.role || strcmp(word.text, "role") == 0;
        } else if (word.kind == WORD_NAME) {
            note_name(reader, &operand, word.text, sign, next, after);
            exception = exception || operand.exception;
        } else if (strchr("([{", word.text[0]) != NULL) {
            /* Text in parentheses of its own would have to be joined: no known template needs it. */
            operand.foreign = operand.foreign || (word.text[0] != '[' && sign == '\0');
            level++;
        } else if (strchr(")]}", word.text[0]) != NULL && level > 0) {
            level--;
        }
        sign = word.kind == WORD_SIGN ? word.text[0] : 'a';
    }
    end_operand(reader, &operand, literal_at);
    if (passes_over(reader) || exception || (set && literals == 0)) {
        reader->piece_bytes = begin;
    }
}

/* ---------------------------------------------------------------- statements */

/* Whether what the condition guards is there for tools: it names them, and not to rule them out. Reads to the tag's end. */
static bool is_for_tools(struct reader *reader, const char *close) {
    static const char *const names[] = {"tools", "tool_calls", "builtin_tools", "documents", NULL};
    static const char *const roles[] = {"tool", "ipython", NULL};
    struct template_word word;
    bool found = false, ruled_out = false;
    for (template_next_word(&reader->in, close, &word); word.kind != WORD_END && !reader->in.failed;
         template_next_word(&reader->in, close, &word)) {
        if (template_word_is(&word, WORD_NAME, "not")) {
            ruled_out = true;
        } else if (template_word_is(&word, WORD_NAME, "and") ||
                   template_word_is(&word, WORD_NAME, "or")) {
            ruled_out = false;
        } else if ((word.kind == WORD_NAME && is_among(word.text, names)) ||
                   (word.kind == WORD_STRING && is_among(word.text, roles))) {
            found = found || !ruled_out;
        }
    }
    return found;
}

static void open_block(struct reader *reader, bool is_if) {
    bool around = passes_over(reader);
    bool own = is_for_tools(reader, "%}");
    if (reader->depth == DEPTH_MAX) {
        reader->in.failed = true;
        return;
    }
    reader->blocks[reader->depth].is_if = is_if;
    reader->blocks[reader->depth].passed_over = around || own;
    reader->depth++;
}

/* elif and else */
static void turn_block(struct reader *reader) {
    if (reader->depth == 0) {
        reader->in.failed = true;
        return;
    }
    uint32_t depth = --reader->depth;
    bool is_if = reader->blocks[depth].is_if;
    open_block(reader, is_if);
}

static void skip_tag(struct reader *reader) {
    struct template_word word;
    do {
        template_next_word(&reader->in, "%}", &word);
    } while (word.kind != WORD_END && !reader->in.failed);
}

static void close_block(struct reader *reader, bool is_if) {
    skip_tag(reader);
    if (reader->depth == 0 || reader->blocks[reader->depth - 1].is_if != is_if) {
        reader->in.failed = true;
        return;
    }
    reader->depth--;
}

/* set NAME = EXPRESSION */
static void read_assignment(struct reader *reader) {
    struct template_word word;
    do {
        template_next_word(&reader->in, "%}", &word);
    } while (word.kind != WORD_END && !template_word_is(&word, WORD_SIGN, "=") &&
             !reader->in.failed);
    if (word.kind == WORD_END) {
        reader->in.failed = true; /* the block form of set */
        return;
    }
    read_expression(reader, "%}", true);
    end_piece(reader);
}

static void read_statement(struct reader *reader) {
    struct template_word word;
    end_piece(reader);
    template_next_word(&reader->in, "%}", &word);
    if (template_word_is(&word, WORD_NAME, "if") || template_word_is(&word, WORD_NAME, "for")) {
        open_block(reader, word.text[0] == 'i');
    } else if (template_word_is(&word, WORD_NAME, "elif") ||
               template_word_is(&word, WORD_NAME, "else")) {
        turn_block(reader);
    } else if (template_word_is(&word, WORD_NAME, "endif") ||
               template_word_is(&word, WORD_NAME, "endfor")) {
        close_block(reader, word.text[3] == 'i');
    } else if (template_word_is(&word, WORD_NAME, "set")) {
        read_assignment(reader);
    } else if (template_word_is(&word, WORD_NAME, "generation") ||
               template_word_is(&word, WORD_NAME, "endgeneration")) {
        skip_tag(reader); /* marks answers for training, puts out nothing */
    } else {
        reader->in.failed = true; /* macros and whatever else */
    }
}

/* ---------------------------------------------------------------- the whole text */

static void read_comment(struct reader *reader) {
    while (reader->in.at < reader->in.bytes &&
           !template_begins_with(reader->in.text + reader->in.at, reader->in.bytes - reader->in.at,
                                 "#}")) {
        reader->in.at++;
    }
    reader->in.failed = reader->in.failed || reader->in.at == reader->in.bytes;
    reader->in.at += 2;
}

/* What of text[from, to) is put out, by the rules that transformers gives Jinja: tags with a minus eat all white space on
 * that side, statements and comments one newline behind them and the indentation in front of them. */
static void read_raw(struct reader *reader, size_t from, size_t to) {
    const char *text = reader->in.text;
    bool tag_before = from >= 2, tag_after = to < reader->in.bytes;
    bool minus_before = from >= 3 && text[from - 3] == '-';
    bool block_before = tag_before && (text[from - 2] == '%' || text[from - 2] == '#');
    bool minus_after = to + 2 < reader->in.bytes && text[to + 2] == '-';
    bool block_after = tag_after && (text[to + 1] == '%' || text[to + 1] == '#');
    if (!tag_after && to > from && text[to - 1] == '\n') {
        to--;
    }
    while (minus_before && from < to && template_is_blank(text[from])) {
        from++;
    }
    if (block_before && !minus_before && from < to && text[from] == '\n') {
        from++;
    }
    if (minus_after) {
        while (from < to && template_is_blank(text[to - 1])) {
            to--;
        }
    } else if (block_after) {
        size_t line = to;
        while (line > from && (text[line - 1] == ' ' || text[line - 1] == '\t')) {
            line--;
        }
        if (line == 0 || (line > from && text[line - 1] == '\n') ||
            (line == from && from > 0 && text[from - 1] == '\n')) {
            to = line;
        }
    }
    if (!passes_over(reader)) {
        put_literal(reader, text + from, to - from);
    }
}

static size_t find_tag(const struct reader *reader) {
    for (size_t at = reader->in.at; at + 1 < reader->in.bytes; at++) {
        char c = reader->in.text[at + 1];
        if (reader->in.text[at] == '{' && (c == '{' || c == '%' || c == '#')) {
            return at;
        }
    }
    return reader->in.bytes;
}

/* A minus or a plus right behind the opening of a tag is about white space. */
static void open_tag(struct reader *reader, size_t at) {
    reader->in.at = at + 2;
    if (reader->in.at < reader->in.bytes && reader->in.text[reader->in.at] == '-') {
        reader->in.at++;
    }
}

static void read_template(struct reader *reader) {
    while (reader->in.at < reader->in.bytes && !reader->in.failed) {
        size_t tag = find_tag(reader);
        read_raw(reader, reader->in.at, tag);
        if (tag == reader->in.bytes) {
            break;
        }
        open_tag(reader, tag);
        char kind = reader->in.text[tag + 1];
        if (kind == '#') {
            read_comment(reader);
        } else if (kind == '%') {
            read_statement(reader);
        } else {
            read_expression(reader, "}}", false);
        }
    }
    end_piece(reader);
    reader->in.failed = reader->in.failed || reader->depth != 0;
}

static bool is_format(const struct reader *reader, uint32_t f) {
    const struct format_pieces *format = &known[f];
    uint32_t asks = (1u << format->asks) - 1, tells = ((1u << format->tells) - 1) << format->asks;
    return reader->possible[f] && (reader->seen[f] & asks) == asks &&
           (reader->seen[f] & tells) != 0 && reader->splits == format->drops_thinking;
}

static bool contains(const char *text, size_t bytes, const char *part) {
    for (size_t i = 0; i < bytes; i++) {
        if (template_begins_with(text + i, bytes - i, part)) {
            return true;
        }
    }
    return false;
}

void chat_template_read(const char *text, size_t bytes, struct chat_template *template) {
    struct reader reader = {.in = {text, bytes, 0, false}, .found = template};
    template->format = NULL;
    template->system[0] = '\0';
    for (uint32_t f = 0; f < FORMATS; f++) {
        reader.possible[f] = true;
    }
    if (contains(text, bytes, "BITNETAssistant")) {
        /* What a conversion script put into the GGUF of BitNet b1.58 2B-4T; the model was trained with the other. */
        template->format = "bitnet";
        return;
    }
    if (bytes <= CHAT_TEMPLATE_BYTES_MAX) {
        read_template(&reader);
        for (uint32_t f = 0; f < FORMATS && !reader.in.failed; f++) {
            if (is_format(&reader, f)) {
                template->format = known[f].name;
            }
        }
    }
    if (template->format == NULL) {
        template->system[0] = '\0';
    }
}
